//! How many codes end with a coupon: what is said before it is deleted is what a customer could redeem until then.

use std::time::Duration;

use rekomi::standin::Fault;

use crate::support::*;

const DELETED: &str = "deletedId deactivatedCodeCount";

async fn live(caller: &Caller, coupon: &str) -> Value {
    let query = format!("{{ node(id: \"{coupon}\") {{ ... on CampaignCoupon {{ liveCodeCount }} }} }}");
    caller.query(&query).await["node"]["liveCodeCount"].take()
}

async fn delete(app: &TestApp, coupon: &str, expected: i32) -> Value {
    let input = json!({ "id": coupon, "expectedLiveCodeCount": expected });
    app.max().mutate("deleteCampaignCoupon", DELETED, input).await
}

both! {
    async fn a_campaigns_shared_code_is_one_of_those_that_end_with_the_coupon(app: &TestApp) {
        let stage = app.stage().await;
        let max = app.max();
        let input = json!({ "campaignId": stage.campaign, "couponId": stage.coupon, "code": "SPRING" });
        max.make("setCampaignCode", "campaign", "id", input).await;
        assert_eq!(live(&max, &stage.coupon).await, 2);
        assert_eq!(live(&app.affiliate(&stage.sarah), &stage.coupon).await, 2, "hers, and the one she shares");
        let payload = delete(app, &stage.coupon, 1).await;
        assert_eq!(client::mistakes(&payload), [mistake("INVALID", "expectedLiveCodeCount")]);
        let payload = delete(app, &stage.coupon, 2).await;
        assert_eq!(payload, json!({ "deletedId": stage.coupon, "deactivatedCodeCount": 2, "userErrors": [] }));
    }

    async fn a_code_that_is_off_at_stripe_is_not_live(app: &TestApp) {
        let stage = app.stage().await;
        let max = app.max();
        max.mint(&stage.coupon, &stage.bob, "BOB-ONE").await;
        let input = json!({ "campaignId": stage.campaign, "couponId": stage.coupon, "code": "SPRING" });
        max.make("setCampaignCode", "campaign", "id", input).await;
        for code in ["BOB-ONE", "SPRING"] {
            let off = app.acme.stripe.switch(&app.promo(code).promotion_code_id, false, Shape::Endive).unwrap();
            app.deliver([&off]).await;
        }
        assert_eq!(live(&max, &stage.coupon).await, 1);
        let payload = delete(app, &stage.coupon, 3).await;
        assert_eq!(client::mistakes(&payload), [mistake("INVALID", "expectedLiveCodeCount")]);
        let payload = delete(app, &stage.coupon, 1).await;
        assert_eq!(payload["deactivatedCodeCount"], 1);
        // Those that are on at Stripe again are still off here.
        let codes = max.query("{ affiliateCodes { nodes { status } } }").await;
        assert_eq!(codes["affiliateCodes"]["nodes"], json!([{ "status": "INACTIVE" }, { "status": "INACTIVE" }]));
    }

    async fn what_stripe_refuses_of_one_change_leaves_the_next_one_be(app: &TestApp) {
        let stage = app.stage().await;
        let max = app.max();
        app.standin.set_latency(Duration::from_millis(800));
        app.standin.fault(Fault::refuse("That name is not nice.", "name").on_path("/v1/coupons"));
        let rename = |name: &str| json!({ "id": stage.coupon, "name": name });
        let refused = max.mistakes("updateCampaignCoupon", "campaignCoupon", rename("Not nice"));
        let next = async {
            tokio::time::sleep(Duration::from_millis(400)).await;
            max.make("updateCampaignCoupon", "campaignCoupon", "name", rename("Nice")).await
        };
        let (refused, next) = tokio::join!(refused, next);
        assert_eq!(refused, [mistake("STRIPE_REJECTED", "name")]);
        assert_eq!(next["name"], "Nice");
        app.standin.set_latency(Duration::ZERO);
        let name = eventually("nothing is owed", async || {
            app.pass(chrono::TimeDelta::seconds(1));
            let query = format!("{{ node(id: \"{}\") {{ ... on CampaignCoupon {{ name stripeSync {{ status drift }} }} }} }}", stage.coupon);
            let coupon = max.query(&query).await["node"].take();
            (coupon["stripeSync"]["status"] == "SYNCED").then_some(coupon)
        })
        .await;
        assert_eq!((&name["name"], &name["stripeSync"]["drift"]), (&json!("Nice"), &Value::Null));
        assert_eq!(app.acme.stripe.get("coupon", &stage.coupon).unwrap()["name"], "Nice");
    }
}
