//! What a sale earns, when it is due, and what stays as it was when a rule changes.

use chrono::TimeDelta;
use rekomi::auth::{Role, jwt::Mode};

use crate::support::{app::NOON, *};

const MONTH: i64 = 30 * 86_400;

/// A subscription with two renewals, 30 days apart, all told.
async fn three_payments(app: &TestApp, shape: Shape) {
    let mut sale = app.sale().promo(app.promo("SARAH20")).build();
    sale.sync(&app.acme.stripe);
    app.deliver(&sale.start(shape)).await;
    for month in 1..=2 {
        let number = sale.renew_at(sale.facts.created + month * MONTH);
        sale.sync(&app.acme.stripe);
        app.deliver([&sale.renewal_paid(number, shape)]).await;
    }
}

/// What each of them earns.
async fn commissions(app: &TestApp) -> Vec<i64> {
    let conversions = app.ana().conversions().await;
    conversions
        .iter()
        .map(|it| it["commission"]["minorUnits"].as_i64().unwrap())
        .collect()
}

async fn change(app: &TestApp, campaign: &str, field: &str, value: impl Into<Value>) {
    let mut input = json!({ "id": campaign });
    input[field] = value.into();
    app.max().make("updateCampaign", "campaign", "id", input).await;
}

both! {
    async fn a_percentage_is_rounded_half_up_once_per_conversion(app: &TestApp) {
        app.stage_with(
            CampaignSpec::default().percent("12.5"),
            CouponSpec::default().percent("10"),
        )
        .await;
        // 12.5 % of 4 is 0.5; of 3 is 0.375; of 4499 is 562.375; of 900 is 112.5.
        for (price, earned) in [(4, 1), (3, 0), (4999, 562), (1000, 113)] {
            let sale = app
                .sale()
                .price(price)
                .promo(app.promo("SARAH20"))
                .created(NOON + price)
                .build();
            sale.sync(&app.acme.stripe);
            app.deliver(&sale.start(Shape::Endive)).await;
            let told = app.ana().conversions().await;
            let sale_at = |it: &&Value| it["amount"]["minorUnits"] == json!(price - (price + 5) / 10);
            let conversion = told.iter().find(sale_at).unwrap_or_else(|| panic!("{price}: {told:?}"));
            assert_eq!(conversion["commission"]["minorUnits"], earned, "{price}");
        }
    }

    async fn a_flat_commission_is_the_same_for_every_sale_above_zero(app: &TestApp) {
        app.stage_with(CampaignSpec::default().flat(700, "EUR"), CouponSpec::default())
            .await;
        three_payments(app, Shape::Basil).await;
        assert_eq!(
            app.told().await,
            [
                "ACQUISITION PENDING sarah SARAH20 4000 USD, commission 700 EUR",
                "RENEWAL PENDING sarah SARAH20 5000 USD, commission 700 EUR",
                "RENEWAL PENDING sarah SARAH20 5000 USD, commission 700 EUR",
            ]
        );
        assert_eq!(
            app.stats().await,
            ["SARAH20 1 redeemed, 0 refunded, 2 renewals, 14000 USD, back 0, commission 2100 EUR"]
        );
    }

    async fn first_sale_earns_once(app: &TestApp) {
        app.stage_with(
            CampaignSpec::default().with("commissionDuration", "FIRST_SALE"),
            CouponSpec::default(),
        )
        .await;
        three_payments(app, Shape::Endive).await;
        assert_eq!(commissions(app).await, [800, 0, 0]);
    }

    async fn months_earn_until_that_many_months_after_the_first_sale(app: &TestApp) {
        let campaign = CampaignSpec::default()
            .with("commissionDuration", "MONTHS")
            .with("commissionMonths", 1);
        app.stage_with(campaign, CouponSpec::default()).await;
        // From 1 November: 1 December, 30 days on, is the end, and out; 31 December is out.
        three_payments(app, Shape::Endive).await;
        assert_eq!(commissions(app).await, [800, 0, 0]);
    }

    async fn two_months_hold_a_renewal_of_the_second_month(app: &TestApp) {
        let campaign = CampaignSpec::default()
            .with("commissionDuration", "MONTHS")
            .with("commissionMonths", 2);
        app.stage_with(campaign, CouponSpec::default()).await;
        three_payments(app, Shape::V2020_08_27).await;
        assert_eq!(commissions(app).await, [800, 1000, 1000]);
    }

    async fn lifetime_earns_every_time(app: &TestApp) {
        app.stage().await;
        three_payments(app, Shape::Acacia).await;
        assert_eq!(commissions(app).await, [800, 1000, 1000]);
    }

    async fn a_changed_rule_touches_only_the_sales_after_it_whenever_they_are_told(app: &TestApp) {
        let stage = app.stage().await;
        app.pass(TimeDelta::days(10));
        change(app, &stage.campaign, "commission", json!({ "percent": "50" })).await;
        app.pass(TimeDelta::days(10));
        for day in [5, 15] {
            let sale = app
                .sale()
                .promo(app.promo("SARAH20"))
                .created(NOON + day * 86_400)
                .build();
            sale.sync(&app.acme.stripe);
            app.deliver(&sale.start(Shape::Endive)).await;
        }
        assert_eq!(commissions(app).await, [800, 2000]);
    }

    async fn a_clawback_undoes_what_was_recorded_whatever_the_rule_has_become(app: &TestApp) {
        let stage = app.stage().await;
        let mut sale = app.sale().promo(app.promo("SARAH20")).build();
        sale.sync(&app.acme.stripe);
        app.deliver(&sale.start(Shape::Endive)).await;
        app.pass(TimeDelta::days(1));
        change(app, &stage.campaign, "commission", json!({ "percent": "90" })).await;
        let events = sale.refund(Shape::Endive, Some(1000), Paid::First);
        sale.sync(&app.acme.stripe);
        app.deliver(&events).await;
        assert_eq!(
            app.told().await,
            ["ACQUISITION PARTIALLY_REFUNDED sarah SARAH20 4000 USD, refunded 1000, commission 600"]
        );
    }

    async fn a_commission_is_due_when_its_hold_is_over(app: &TestApp) {
        let stage = app
            .stage_with(CampaignSpec::default().with("holdDays", 7), CouponSpec::default())
            .await;
        let sale = app.sale().promo(app.promo("SARAH20")).build();
        sale.sync(&app.acme.stripe);
        app.deliver(&sale.start(Shape::Endive)).await;
        let due = async || app.ana().balance(&stage.sarah).await;
        app.pass(TimeDelta::days(7) - TimeDelta::microseconds(1));
        assert_eq!(due().await, ("800 USD".into(), "0 USD".into()));
        assert_eq!(
            app.told().await,
            ["ACQUISITION PENDING sarah SARAH20 4000 USD, commission 800"]
        );
        app.pass(TimeDelta::microseconds(1));
        assert_eq!(due().await, ("800 USD".into(), "800 USD".into()));
        assert_eq!(
            app.told().await,
            ["ACQUISITION APPROVED sarah SARAH20 4000 USD, commission 800"]
        );
    }

    async fn a_changed_hold_leaves_what_was_earned_before_it(app: &TestApp) {
        let stage = app.stage().await;
        let sale = app.sale().promo(app.promo("SARAH20")).build();
        sale.sync(&app.acme.stripe);
        app.deliver(&sale.start(Shape::Endive)).await;
        app.pass(TimeDelta::days(1));
        change(app, &stage.campaign, "holdDays", 0).await;
        assert_eq!(app.ana().balance(&stage.sarah).await.1, "0 USD");
        app.pass(TimeDelta::days(29));
        assert_eq!(app.ana().balance(&stage.sarah).await.1, "800 USD");
    }

    async fn a_balance_goes_below_zero_when_the_clawback_is_larger_than_what_is_left(app: &TestApp) {
        let stage = app
            .stage_with(CampaignSpec::default().with("holdDays", 0), CouponSpec::default())
            .await;
        let mut sale = app.sale().promo(app.promo("SARAH20")).build();
        sale.sync(&app.acme.stripe);
        app.deliver(&sale.start(Shape::Endive)).await;
        let events = sale.refund(Shape::Endive, None, Paid::First);
        sale.sync(&app.acme.stripe);
        app.deliver(&events).await;
        assert_eq!(app.ana().balance(&stage.sarah).await, ("0 USD".into(), "0 USD".into()));
    }

    async fn test_mode_never_mixes_with_live(app: &TestApp) {
        let stage = app.stage().await;
        let test = app.caller(app.token(Role::Manager, None, Some(Mode::Test)));
        let coupon = test.coupon(&stage.campaign, CouponSpec::default()).await;
        let code = test.mint(&coupon, &stage.bob, "SARAH20").await;
        let promo = Promo::percent("promo_test", "SARAH20", "co_test", 2000);
        let mut promo = promo;
        promo.metadata.insert("rekomi_affiliate_coupon_id".into(), json!(code));
        for mode in [true, false] {
            let sale = app
                .sale()
                .promo(if mode { app.promo("SARAH20") } else { promo.clone() });
            let sale = if mode { sale.build() } else { sale.test_mode().build() };
            sale.sync(&app.acme.stripe);
            app.deliver(&sale.start(Shape::Acacia)).await;
        }
        assert_eq!(
            app.told().await,
            ["ACQUISITION PENDING sarah SARAH20 4000 USD, commission 800"]
        );
        assert_eq!(
            test.stats().await,
            ["SARAH20 0 redeemed, 0 refunded, 0 renewals, 0, back 0, commission 0"]
        );
        assert_eq!(
            app.stats().await,
            ["SARAH20 1 redeemed, 0 refunded, 0 renewals, 4000 USD, back 0, commission 800 USD"]
        );
        assert_eq!(test.balance(&stage.sarah).await, ("0".into(), "0".into()));
        assert_eq!(test.told().await, [""; 0]);
        assert!(
            test.query(&format!("{{ node(id: \"{}\") {{ id }} }}", stage.code))
                .await["node"]
                .is_null()
        );
        assert!(app.max().query(&format!("{{ node(id: \"{code}\") {{ id }} }}")).await["node"].is_null());
    }
}
