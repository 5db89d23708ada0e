//! Months of a campaign, told as they pass, with every figure worked out by hand.

use chrono::TimeDelta;
use rekomi::standin::{DisputeStep, SubscriptionSale};

use crate::support::*;

const SHAPE: Shape = Shape::Endive;

/// One customer's subscription, as time passes.
struct Story<'a> {
    app: &'a TestApp,
    stage: Stage,
    sale: SubscriptionSale,
}

impl<'a> Story<'a> {
    /// A campaign whose recruiters earn 10 %, where bob recruited sarah; then somebody subscribes with her code.
    async fn begin(app: &'a TestApp, spec: CampaignSpec, trial: bool) -> Self {
        let spec = spec.with("overridePercent", "10");
        let stage = app.stage_with(spec, CouponSpec::default()).await;
        let input = json!({ "id": stage.sarah, "recruitedById": stage.bob });
        app.max().make("setAffiliateRecruiter", "affiliate", "id", input).await;
        app.pass(TimeDelta::hours(1));
        let sale = app.sale().promo(app.promo("SARAH20"));
        let sale = if trial { sale.trial().build() } else { sale.build() };
        sale.sync(&app.acme.stripe);
        app.deliver(&sale.start(SHAPE)).await;
        Self { app, stage, sale }
    }

    /// A month of 30 days passes, and the subscription renews for 5000.
    async fn month(&mut self) -> Paid {
        self.app.pass(TimeDelta::days(30));
        let number = self.sale.renew_at(self.app.now().timestamp());
        self.sale.sync(&self.app.acme.stripe);
        self.app.deliver([&self.sale.renewal_paid(number, SHAPE)]).await;
        let tied = self.sale.invoice_payment_paid_for(SHAPE, Paid::Renewal(number));
        self.app.deliver(tied.iter()).await;
        Paid::Renewal(number)
    }

    async fn refund(&mut self, paid: Paid, amount: Option<i64>) {
        self.app.pass(TimeDelta::days(1));
        let events = self.sale.refund(SHAPE, amount, paid);
        self.sale.sync(&self.app.acme.stripe);
        self.app.deliver(&events).await;
    }

    async fn dispute(&mut self, paid: Paid, steps: &[DisputeStep]) {
        for step in steps {
            self.app.pass(TimeDelta::minutes(1));
            let event = self.sale.dispute(SHAPE, *step, paid);
            self.sale.sync(&self.app.acme.stripe);
            self.app.deliver([&event]).await;
        }
    }

    async fn change(&self, mut input: Value) {
        input["id"] = json!(self.stage.campaign);
        self.app.max().make("updateCampaign", "campaign", "id", input).await;
        self.app.pass(TimeDelta::minutes(1));
    }

    /// What sarah has and is due, and what bob has and is due.
    async fn balances(&self) -> [String; 4] {
        let ana = self.app.ana();
        let (sarah, bob) = (ana.balance(&self.stage.sarah).await, ana.balance(&self.stage.bob).await);
        [sarah.0, sarah.1, bob.0, bob.1].map(|sum| sum.replace(" USD", ""))
    }
}

both! {
    async fn a_percentage_for_life(app: &TestApp) {
        let mut story = Story::begin(app, CampaignSpec::default(), false).await;
        // 20 % of 4000 is 800, 10 % of that 80; due after 30 days.
        assert_eq!(story.balances().await, ["800", "0", "80", "0"]);
        let second = story.month().await;
        assert_eq!(story.balances().await, ["1800", "800", "180", "80"]);
        // 40 % of the second payment is back: 400 of 1000, 40 of 100.
        story.refund(second, Some(2000)).await;
        assert_eq!(story.balances().await, ["1400", "800", "140", "80"]);
        // From now on 30 %, and 5 % of that: 1500 and 75. The month in between was earned under the old rule.
        story.change(json!({ "commission": { "percent": "30" }, "overridePercent": "5" })).await;
        let third = story.month().await;
        assert_eq!(story.balances().await, ["2900", "1400", "215", "140"]);
        // The bank takes the third payment; while that is open nothing of it is due, although its time has come.
        story.dispute(third, &[DisputeStep::Created, DisputeStep::FundsWithdrawn]).await;
        story.month().await;
        assert_eq!(story.balances().await, ["4400", "1400", "290", "140"]);
        story.dispute(third, &[DisputeStep::Lost]).await;
        assert_eq!(story.balances().await, ["2900", "1400", "215", "140"]);
        // The rest of the second payment goes back too: under the rule by which it was earned.
        story.refund(second, None).await;
        assert_eq!(story.balances().await, ["2300", "800", "155", "80"]);
        assert_eq!(
            app.told().await,
            [
                "ACQUISITION APPROVED sarah SARAH20 4000 USD, commission 800",
                "RENEWAL REFUNDED sarah SARAH20 5000 USD, refunded 5000, commission 0",
                "RENEWAL REFUNDED sarah SARAH20 5000 USD, refunded 5000, commission 0",
                "RENEWAL PENDING sarah SARAH20 5000 USD, commission 1500",
            ]
        );
    }

    async fn a_percentage_for_two_months_after_a_trial(app: &TestApp) {
        let spec = CampaignSpec::default()
            .with("commissionDuration", "MONTHS")
            .with("commissionMonths", 2)
            .with("holdDays", 0);
        let mut story = Story::begin(app, spec, true).await;
        assert_eq!(story.balances().await, ["0", "0", "0", "0"]);
        // The first paid month, on 1 December, begins the two: until 1 February. The code was for the trial's invoice.
        let first = story.month().await;
        assert_eq!(story.balances().await, ["1000", "1000", "100", "100"]);
        // 31 December and 30 January are within, 1 March is not.
        story.month().await;
        story.month().await;
        assert_eq!(story.balances().await, ["3000", "3000", "300", "300"]);
        story.month().await;
        assert_eq!(story.balances().await, ["3000", "3000", "300", "300"]);
        // The first paid month goes back in full: it was the first all the same.
        story.refund(first, None).await;
        assert_eq!(story.balances().await, ["2000", "2000", "200", "200"]);
        assert_eq!(
            app.told().await,
            [
                "ACQUISITION APPROVED sarah SARAH20 0 USD, commission 0",
                "RENEWAL REFUNDED sarah SARAH20 5000 USD, refunded 5000, commission 0",
                "RENEWAL APPROVED sarah SARAH20 5000 USD, commission 1000",
                "RENEWAL APPROVED sarah SARAH20 5000 USD, commission 1000",
                "RENEWAL APPROVED sarah SARAH20 5000 USD, commission 0",
            ]
        );
    }

    async fn a_flat_amount_for_the_first_sale(app: &TestApp) {
        let spec = CampaignSpec::default().flat(1500, "USD").with("commissionDuration", "FIRST_SALE");
        let mut story = Story::begin(app, spec, false).await;
        assert_eq!(story.balances().await, ["1500", "0", "150", "0"]);
        // The rule changes; what the customer buys later is no first sale under either.
        app.pass(TimeDelta::days(1));
        story.change(json!({ "commission": { "flat": { "minorUnits": 9000, "currency": "USD" } } })).await;
        story.month().await;
        assert_eq!(story.balances().await, ["1500", "1500", "150", "150"]);
        // After the payout a dispute is won, and everything stands as before; a third of the sale goes back.
        story.dispute(Paid::First, &[DisputeStep::Created, DisputeStep::FundsWithdrawn]).await;
        assert_eq!(story.balances().await, ["1500", "0", "150", "0"]);
        story.dispute(Paid::First, &[DisputeStep::Won, DisputeStep::FundsReinstated]).await;
        assert_eq!(story.balances().await, ["1500", "1500", "150", "150"]);
        // 1500 × 1333 / 4000 is 499.875; 150 × 1333 / 4000 is 49.99.
        story.refund(Paid::First, Some(1333)).await;
        assert_eq!(story.balances().await, ["1000", "1000", "100", "100"]);
        story.refund(Paid::First, None).await;
        assert_eq!(story.balances().await, ["0", "0", "0", "0"]);
        let mut ledger = app.ana().ledger().await;
        ledger.retain(|entry| entry.starts_with("bob"));
        assert_eq!(
            ledger,
            [
                "bob OVERRIDE 150 USD due 2026-12-01",
                "bob OVERRIDE_CLAWBACK -50 USD due 2026-12-01",
                "bob OVERRIDE_CLAWBACK -100 USD due 2026-12-01",
            ]
        );
    }
}
