//! Instances whose clocks are not the same: what was decided last counts, though an earlier decision has a later time.

use chrono::TimeDelta;

use crate::support::{app::NOON, *};

const DAY: i64 = 86_400;

/// The clock of another instance, an hour behind.
fn behind(app: &TestApp) {
    app.pass(TimeDelta::hours(-1));
}

both! {
    async fn the_last_decision_about_a_sale_counts(app: &TestApp) {
        app.stage().await;
        app.pass(TimeDelta::days(1));
        let sale = app.sale().promo(app.promo("SARAH20")).build();
        sale.sync(&app.acme.stripe);
        app.deliver(&sale.start(Shape::Endive)).await;
        let ids = json!([cast::id(&app.ana().conversions().await[0])]);
        let results = "results { changed conversion { status } }";
        for (mutation, status) in [("rejectConversions", "REJECTED"), ("approveConversions", "PENDING"), ("rejectConversions", "REJECTED")] {
            let payload = app.max().mutate(mutation, results, json!({ "ids": ids, "reason": "checked" })).await;
            assert_eq!(payload["results"], json!([{ "changed": true, "conversion": { "status": status } }]));
            behind(app);
        }
        assert_eq!(app.told().await, ["ACQUISITION REJECTED sarah SARAH20 4000 USD, commission 0"]);
    }

    async fn what_was_set_last_is_in_force(app: &TestApp) {
        let stage = app.stage().await;
        app.pass(TimeDelta::days(1));
        app.max().set_status(&stage.sarah, "SUSPENDED").await;
        behind(app);
        app.max().set_status(&stage.sarah, "APPROVED").await;
        for percent in ["35", "10"] {
            let rate = json!({ "affiliateId": stage.sarah, "campaignId": stage.campaign, "commission": { "percent": percent } });
            app.max().make("setAffiliateRate", "affiliate", "id", rate).await;
            behind(app);
        }
        for percent in ["20", "5"] {
            let campaign = json!({ "id": stage.campaign, "overridePercent": percent });
            app.max().make("updateCampaign", "campaign", "id", campaign).await;
            behind(app);
        }
        for recruiter in [json!(stage.bob), Value::Null, json!(stage.bob)] {
            let input = json!({ "id": stage.sarah, "recruitedById": recruiter });
            app.max().make("setAffiliateRecruiter", "affiliate", "id", input).await;
            behind(app);
        }
        for overrides in [false, true] {
            let coupon = json!({ "id": stage.coupon, "overridesClickAttribution": overrides });
            app.max().make("updateCampaignCoupon", "campaignCoupon", "id", coupon).await;
            behind(app);
        }
        app.pass(TimeDelta::days(1));
        let at = NOON + 3 * DAY / 2;
        let click = app.click(&stage.bob, &stage.campaign, 1, at - 60).await;
        let builder = app.sale().promo(app.promo("SARAH20")).created(at);
        let sale = builder.client_reference_id(click.to_string()).build_one_off();
        sale.sync(&app.acme.stripe);
        app.deliver(&sale.sold(Shape::Endive)).await;
        assert_eq!(app.told().await, ["ONE_OFF PENDING sarah SARAH20 4000 USD, commission 400"]);
        let overrides = app.ana().query("{ conversions { nodes { overrideCommission { minorUnits } } } }").await;
        assert_eq!(overrides["conversions"]["nodes"][0]["overrideCommission"]["minorUnits"], 20);
    }
}
