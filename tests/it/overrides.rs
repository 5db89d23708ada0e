//! What recruiters earn of their recruits' sales: on top, one hop, and taken back with what it hangs on.

use chrono::TimeDelta;
use rekomi::standin::{DisputeStep, SubscriptionSale};

use crate::support::{app::NOON, *};

const DAY: i64 = 86_400;

/// Carol recruited bob, who recruited sarah; the campaign gives recruiters 12.5 %. Carol's id.
async fn recruited(app: &TestApp) -> (Stage, String) {
    let spec = CampaignSpec::default().with("overridePercent", "12.5");
    let stage = app.stage_with(spec, CouponSpec::default()).await;
    let carol = app.max().new_affiliate("Carol", &[&stage.campaign]).await;
    recruit(app, &stage.sarah, json!(stage.bob)).await;
    recruit(app, &stage.bob, json!(carol)).await;
    app.pass(TimeDelta::hours(1));
    (stage, carol)
}

async fn recruit(app: &TestApp, affiliate: &str, by: Value) {
    let input = json!({ "id": affiliate, "recruitedById": by });
    app.max().make("setAffiliateRecruiter", "affiliate", "id", input).await;
}

/// A sale of 3999 USD, which earns 800, and its recruiter 100.
async fn sold(app: &TestApp, price: i64) -> SubscriptionSale {
    let sale = app.sale().price(price).promo(app.promo("SARAH20")).build();
    sale.sync(&app.acme.stripe);
    app.deliver(&sale.start(Shape::Endive)).await;
    sale
}

async fn refund(app: &TestApp, sale: &mut SubscriptionSale, amount: Option<i64>) {
    let events = sale.refund(Shape::Endive, amount, Paid::First);
    sale.sync(&app.acme.stripe);
    app.deliver(&events).await;
}

async fn overrides(app: &TestApp) -> Vec<String> {
    let data = app
        .ana()
        .query("{ conversions { nodes { commission { minorUnits } overrideCommission { minorUnits currency } } } }")
        .await;
    let nodes = data["conversions"]["nodes"].as_array().unwrap();
    let units = |money: &Value| money["minorUnits"].as_i64().unwrap();
    nodes
        .iter()
        .rev()
        .map(|it| {
            let given = &it["overrideCommission"];
            format!(
                "{} + {} {}",
                units(&it["commission"]),
                units(given),
                given["currency"].as_str().unwrap()
            )
        })
        .collect()
}

both! {
    async fn a_recruiter_earns_of_what_its_recruit_does_one_hop_and_no_more(app: &TestApp) {
        let (stage, carol) = recruited(app).await;
        sold(app, 5000).await;
        assert_eq!(app.told().await, ["ACQUISITION PENDING sarah SARAH20 4000 USD, commission 800"]);
        assert_eq!(overrides(app).await, ["800 + 100 USD"]);
        assert_eq!(
            app.ana().ledger().await,
            ["sarah COMMISSION 800 USD due 2026-12-01", "bob OVERRIDE 100 USD due 2026-12-01"]
        );
        assert_eq!(app.ana().balance(&stage.bob).await, ("100 USD".into(), "0 USD".into()));
        assert_eq!(app.ana().balance(&carol).await, ("0".into(), "0".into()));
        assert_eq!(
            app.stats().await,
            ["SARAH20 1 redeemed, 0 refunded, 0 renewals, 4000 USD, back 0, commission 800 USD"]
        );
        app.pass(TimeDelta::days(30));
        assert_eq!(app.ana().balance(&stage.bob).await, ("100 USD".into(), "100 USD".into()));
    }

    async fn an_override_is_rounded_half_up_once_and_goes_back_in_proportion(app: &TestApp) {
        let (stage, _) = recruited(app).await;
        // 20 % of 3332 is 666.4; 12.5 % of 666 is 83.25.
        let mut sale = sold(app, 4165).await;
        assert_eq!(overrides(app).await, ["666 + 83 USD"]);
        // Of 3332, 1000 is back: of 666 that is 199.88, of 83 it is 24.91; then 2500: 499.7 and 62.27.
        refund(app, &mut sale, Some(1000)).await;
        assert_eq!(overrides(app).await, ["466 + 58 USD"]);
        refund(app, &mut sale, Some(1500)).await;
        assert_eq!(overrides(app).await, ["166 + 21 USD"]);
        refund(app, &mut sale, None).await;
        assert_eq!(overrides(app).await, ["0 + 0 USD"]);
        assert_eq!(app.ana().balance(&stage.bob).await.0, "0 USD");
        let mut ledger = app.ana().ledger().await;
        ledger.retain(|entry| entry.starts_with("bob"));
        assert_eq!(
            ledger,
            [
                "bob OVERRIDE 83 USD due 2026-12-01",
                "bob OVERRIDE_CLAWBACK -25 USD due 2026-12-01",
                "bob OVERRIDE_CLAWBACK -37 USD due 2026-12-01",
                "bob OVERRIDE_CLAWBACK -21 USD due 2026-12-01",
            ]
        );
    }

    async fn a_dispute_holds_both_and_a_lost_one_takes_both(app: &TestApp) {
        let (stage, _) = recruited(app).await;
        let mut sale = sold(app, 5000).await;
        app.pass(TimeDelta::days(40));
        let due = async || (app.ana().balance(&stage.sarah).await.1, app.ana().balance(&stage.bob).await.1);
        assert_eq!(due().await, ("800 USD".into(), "100 USD".into()));
        for step in [DisputeStep::Created, DisputeStep::FundsWithdrawn] {
            app.pass(TimeDelta::seconds(1));
            let event = sale.dispute(Shape::Endive, step, Paid::First);
            sale.sync(&app.acme.stripe);
            app.deliver([&event]).await;
        }
        assert_eq!(due().await, ("0 USD".into(), "0 USD".into()));
        assert_eq!(overrides(app).await, ["800 + 100 USD"]);
        app.pass(TimeDelta::seconds(1));
        let event = sale.dispute(Shape::Endive, DisputeStep::Lost, Paid::First);
        sale.sync(&app.acme.stripe);
        app.deliver([&event]).await;
        assert_eq!(overrides(app).await, ["0 + 0 USD"]);
        assert_eq!(app.ana().balance(&stage.bob).await, ("0 USD".into(), "0 USD".into()));
    }

    async fn what_stood_at_the_sales_time_counts_whenever_it_is_told(app: &TestApp) {
        let (stage, carol) = recruited(app).await;
        let day = TimeDelta::days(1);
        // Day 1: carol is the recruiter. Day 2: nobody. Day 3: bob again, who is suspended. Day 4: approved, at 50 %.
        app.pass(day);
        recruit(app, &stage.sarah, json!(carol)).await;
        app.pass(day);
        recruit(app, &stage.sarah, Value::Null).await;
        app.pass(day);
        recruit(app, &stage.sarah, json!(stage.bob)).await;
        app.max().set_status(&stage.bob, "SUSPENDED").await;
        app.pass(day);
        app.max().set_status(&stage.bob, "APPROVED").await;
        app.max().make("updateCampaign", "campaign", "id", json!({ "id": stage.campaign, "overridePercent": "50" })).await;
        app.pass(day);
        app.max().make("updateCampaign", "campaign", "id", json!({ "id": stage.campaign, "overridePercent": null })).await;
        app.pass(day);
        for at in [5, 0, 3, 1, 4, 2] {
            let created = NOON + at * DAY + 7200;
            let sale = app.sale().created(created).promo(app.promo("SARAH20")).build();
            sale.sync(&app.acme.stripe);
            app.deliver(&sale.start(Shape::Endive)).await;
        }
        assert_eq!(
            overrides(app).await,
            ["800 + 100 USD", "800 + 100 USD", "800 + 0 USD", "800 + 0 USD", "800 + 400 USD", "800 + 0 USD"]
        );
        assert_eq!(app.ana().balance(&stage.bob).await.0, "500 USD");
        assert_eq!(app.ana().balance(&carol).await.0, "100 USD");
    }

    async fn a_held_sale_has_no_override_until_it_is_approved(app: &TestApp) {
        let (stage, _) = recruited(app).await;
        app.max().set_status(&stage.sarah, "SUSPENDED").await;
        app.pass(TimeDelta::hours(1));
        sold(app, 5000).await;
        assert_eq!(app.told().await, ["ACQUISITION HELD sarah SARAH20 4000 USD, commission 0"]);
        assert_eq!(app.ana().ledger().await, [""; 0]);
        let held = app.ana().conversions().await[0]["id"].clone();
        let input = json!({ "ids": [held], "reason": "known to us" });
        app.max().mutate("approveConversions", "results { changed }", input).await;
        assert_eq!(overrides(app).await, ["800 + 100 USD"]);
    }

    async fn a_recruiter_sees_what_it_earned_and_nothing_of_whose_sale(app: &TestApp) {
        let (stage, _) = recruited(app).await;
        sold(app, 5000).await;
        let sale = app.ana().conversions().await[0]["id"].clone();
        let bob = app.affiliate(&stage.bob);
        let fields = "nodes { kind amount { minorUnits } affiliate { name } campaign { name } conversion { id } }";
        let all = bob.query(&format!("{{ ledgerEntries {{ totalCount {fields} }} }}")).await;
        assert_eq!(
            all["ledgerEntries"],
            json!({ "totalCount": 1, "nodes": [{
                "kind": "OVERRIDE", "amount": { "minorUnits": 100 }, "affiliate": { "name": "Bob Martin" },
                "campaign": { "name": "Spring" }, "conversion": null,
            }] })
        );
        for others in [format!("conversionId: {sale}"), format!("affiliateId: \"{}\"", stage.sarah)] {
            let found = bob.query(&format!("{{ ledgerEntries({others}) {{ totalCount {fields} }} }}")).await;
            assert_eq!(found["ledgerEntries"], json!({ "totalCount": 0, "nodes": [] }), "{others}");
        }
        let sarah = app.affiliate(&stage.sarah);
        let own = sarah.query(&format!("{{ ledgerEntries(conversionId: {sale}) {{ totalCount {fields} }} }}")).await;
        assert_eq!(
            own["ledgerEntries"],
            json!({ "totalCount": 1, "nodes": [{
                "kind": "COMMISSION", "amount": { "minorUnits": 800 }, "affiliate": { "name": "Sarah Jones" },
                "campaign": { "name": "Spring" }, "conversion": { "id": sale },
            }] })
        );
        let shown = sarah.query("{ conversions { nodes { overrideCommission { minorUnits } } } }").await;
        assert_eq!(shown["conversions"]["nodes"][0]["overrideCommission"], Value::Null);
    }
}
