//! What an affiliate earns instead of what the campaign pays, and how much all of it may be together.

use chrono::TimeDelta;

use crate::support::{app::NOON, *};

const DAY: i64 = 86_400;
const RATES: &str = "rates { campaign { id } commissionPercent commissionFlat { minorUnits currency } effectiveFrom }";

fn rate(stage: &Stage, commission: impl Into<Value>) -> Value {
    json!({ "affiliateId": stage.sarah, "campaignId": stage.campaign, "commission": commission.into() })
}

async fn set(app: &TestApp, stage: &Stage, commission: impl Into<Value>) -> Value {
    let input = rate(stage, commission);
    app.max().make("setAffiliateRate", "affiliate", RATES, input).await["rates"].take()
}

async fn refused(app: &TestApp, input: Value) -> Vec<(String, String)> {
    app.max().mistakes("setAffiliateRate", "affiliate", input).await
}

fn percent(percent: &str) -> Value {
    json!({ "percent": percent })
}

both! {
    async fn a_rate_counts_for_sales_from_then_on_until_it_is_taken_off(app: &TestApp) {
        let stage = app.stage().await;
        app.max().mint(&stage.coupon, &stage.bob, "BOB20").await;
        app.pass(TimeDelta::days(10));
        let set_at = app.now().to_rfc3339();
        assert_eq!(
            set(app, &stage, percent("35.5")).await,
            json!([{
                "campaign": { "id": stage.campaign }, "commissionPercent": "35.5", "commissionFlat": null,
                "effectiveFrom": set_at,
            }])
        );
        app.pass(TimeDelta::days(10));
        let flat = json!({ "flat": { "minorUnits": 300, "currency": "eur" } });
        let shown = set(app, &stage, flat).await;
        assert_eq!(shown[0]["commissionFlat"], json!({ "minorUnits": 300, "currency": "EUR" }));
        app.pass(TimeDelta::days(10));
        assert_eq!(set(app, &stage, Value::Null).await, json!([]));
        app.pass(TimeDelta::days(10));
        for (day, code) in [(5, "SARAH20"), (15, "SARAH20"), (15, "BOB20"), (25, "SARAH20"), (35, "SARAH20")] {
            let sale = app.sale().promo(app.promo(code)).created(NOON + day * DAY).build();
            sale.sync(&app.acme.stripe);
            app.deliver(&sale.start(Shape::Endive)).await;
        }
        let mut told = app.told().await;
        told.sort();
        assert_eq!(
            told,
            [
                "ACQUISITION APPROVED sarah SARAH20 4000 USD, commission 800",
                "ACQUISITION PENDING bob BOB20 4000 USD, commission 800",
                "ACQUISITION PENDING sarah SARAH20 4000 USD, commission 1420",
                "ACQUISITION PENDING sarah SARAH20 4000 USD, commission 300 EUR",
                "ACQUISITION PENDING sarah SARAH20 4000 USD, commission 800",
            ]
        );
    }

    async fn a_flat_commission_in_another_currency_is_taken_back_in_it(app: &TestApp) {
        let stage = app.stage().await;
        app.pass(TimeDelta::hours(1));
        set(app, &stage, json!({ "flat": { "minorUnits": 333, "currency": "JPY" } })).await;
        app.pass(TimeDelta::hours(1));
        let mut sale = app.sale().promo(app.promo("SARAH20")).build();
        sale.sync(&app.acme.stripe);
        app.deliver(&sale.start(Shape::Endive)).await;
        // 333 × 1000 / 4000 is 83.25; × 3000 / 4000 is 249.75.
        for (back, left) in [(1000, 250), (2000, 83)] {
            let events = sale.refund(Shape::Endive, Some(back), Paid::First);
            sale.sync(&app.acme.stripe);
            app.deliver(&events).await;
            assert_eq!(app.ana().balance(&stage.sarah).await.0, format!("{left} JPY"));
        }
        let events = sale.refund(Shape::Endive, None, Paid::First);
        sale.sync(&app.acme.stripe);
        app.deliver(&events).await;
        assert_eq!(
            app.told().await,
            ["ACQUISITION REFUNDED sarah SARAH20 4000 USD, refunded 4000, commission 0 JPY"]
        );
        assert_eq!(app.ana().balance(&stage.sarah).await.0, "0 JPY");
    }

    async fn the_same_rate_again_changes_nothing(app: &TestApp) {
        let stage = app.stage().await;
        set(app, &stage, percent("30")).await;
        let before = app.everything().await;
        set(app, &stage, percent("30.00")).await;
        assert_eq!(app.everything().await, before);
    }

    async fn bad_rates_are_mistakes_on_their_field_and_change_nothing(app: &TestApp) {
        let stage = app.stage_with(CampaignSpec::default().with("overridePercent", "25"), CouponSpec::default()).await;
        let elsewhere = app.max().campaign(CampaignSpec::default()).await;
        let theirs = app.globex_owner().campaign(CampaignSpec::default()).await;
        let stranger = app.globex_owner().new_affiliate("Greta", &[&theirs]).await;
        let before = app.everything().await;
        let with = |field: &str, value: &str| {
            let mut input = rate(&stage, percent("10"));
            input[field] = json!(value);
            input
        };
        let flat = |units: i64, currency: &str| rate(&stage, json!({ "flat": { "minorUnits": units, "currency": currency } }));
        for (input, code, field) in [
            (rate(&stage, percent("0")), "INVALID", "commission.percent"),
            (rate(&stage, percent("100.01")), "INVALID", "commission.percent"),
            (rate(&stage, percent("10.001")), "INVALID", "commission.percent"),
            // 80.01 × 1.25 is more than 100.
            (rate(&stage, percent("80.01")), "INVALID", "commission.percent"),
            (flat(0, "USD"), "INVALID", "commission.flat.minorUnits"),
            (flat(-1, "USD"), "INVALID", "commission.flat.minorUnits"),
            (flat(1, "ZZZ"), "INVALID", "commission.flat.currency"),
            (with("campaignId", &elsewhere), "INVALID", "campaignId"),
            (with("campaignId", &theirs), "NOT_FOUND", "campaignId"),
            (with("campaignId", "nonsense"), "NOT_FOUND", "campaignId"),
            (with("affiliateId", &stranger), "NOT_FOUND", "affiliateId"),
            (with("affiliateId", "nonsense"), "NOT_FOUND", "affiliateId"),
        ] {
            assert_eq!(refused(app, input.clone()).await, [mistake(code, field)], "{input}");
        }
        assert_eq!(app.everything().await, before);
        set(app, &stage, percent("80")).await;
    }

    async fn commission_and_override_are_at_most_the_sale_wherever_one_is_set(app: &TestApp) {
        let stage = app.stage().await;
        set(app, &stage, percent("60")).await;
        let before = app.everything().await;
        let invalid = |field: &str| vec![mistake("INVALID", field)];
        let create = async |commission: &str, percent: &str| {
            let spec = CampaignSpec::default().percent(commission).with("overridePercent", percent);
            app.max().mistakes("createCampaign", "campaign", spec.input).await
        };
        for (commission, percent) in [("80", "25.01"), ("20", "0"), ("20", "100.01"), ("20", "-1"), ("20", "5.001")] {
            assert_eq!(create(commission, percent).await, invalid("overridePercent"), "{commission} {percent}");
        }
        let update = async |mut input: Value| {
            input["id"] = json!(stage.campaign);
            app.max().mistakes("updateCampaign", "campaign", input).await
        };
        // 20 × 1.7 is 34, but sarah's 60 × 1.7 is 102.
        assert_eq!(update(json!({ "overridePercent": "70" })).await, invalid("overridePercent"));
        assert_eq!(app.everything().await, before);
        assert_eq!(update(json!({ "overridePercent": "50" })).await, []);
        let before = app.everything().await;
        assert_eq!(update(json!({ "commission": { "percent": "70" } })).await, invalid("commission.percent"));
        assert_eq!(
            update(json!({ "commission": { "percent": "70" }, "overridePercent": "50" })).await,
            invalid("overridePercent")
        );
        assert_eq!(app.everything().await, before);
        let shown = async || {
            let query = format!("{{ campaign(id: \"{}\") {{ overridePercent }} }}", stage.campaign);
            app.ana().query(&query).await["campaign"]["overridePercent"].take()
        };
        assert_eq!(update(json!({ "name": "Autumn" })).await, []);
        assert_eq!(shown().await, "50");
        assert_eq!(update(json!({ "commission": { "percent": "70" }, "overridePercent": null })).await, []);
        assert_eq!(shown().await, Value::Null);
    }
}
