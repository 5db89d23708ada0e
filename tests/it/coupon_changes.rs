//! What changes of a coupon, and what does not.

use entity::{code, coupon};
use rekomi::standin::Fault;

use crate::support::*;

both! {
    async fn name_switches_and_archiving_change_and_the_discount_does_not(app: &TestApp) {
        let stage = app.stage().await;
        let input = json!({
            "id": stage.coupon, "name": "Autumn", "overridesClickAttribution": false, "allowAffiliateSelfMint": false, "archived": true,
        });
        let fields = "name percentOff overridesClickAttribution allowAffiliateSelfMint archived";
        let changed = app
            .max()
            .make("updateCampaignCoupon", "campaignCoupon", fields, input)
            .await;
        assert_eq!(
            changed,
            json!({
                "name": "Autumn", "percentOff": "20", "overridesClickAttribution": false, "allowAffiliateSelfMint": false, "archived": true,
            })
        );
        assert_eq!(app.acme.stripe.get("coupon", &stage.coupon).unwrap()["name"], "Autumn");
        let writes = app.writes();
        app.max()
            .make(
                "updateCampaignCoupon",
                "campaignCoupon",
                "id",
                json!({ "id": stage.coupon, "archived": false }),
            )
            .await;
        assert_eq!(app.writes(), writes, "Stripe knows nothing of our switches");
        let mistakes = async |input| {
            app.max()
                .mistakes("updateCampaignCoupon", "campaignCoupon", input)
                .await
        };
        let before = app.state().await;
        assert_eq!(
            mistakes(json!({ "id": stage.coupon, "name": "x".repeat(41) })).await,
            [mistake("INVALID", "name")]
        );
        assert_eq!(
            mistakes(json!({ "id": "cpn_00000000000070008000000000000000" })).await,
            [mistake("NOT_FOUND", "id")]
        );
        assert_eq!(app.state().await, before);
    }

    async fn a_rename_that_stripe_refuses_changes_nothing(app: &TestApp) {
        let stage = app.stage().await;
        let before = app.state().await;
        app.standin
            .fault(Fault::refuse("That name is not nice.", "name").on_path("/v1/coupons"));
        let input = json!({ "id": stage.coupon, "name": "Not nice", "archived": true });
        let mistakes = app
            .max()
            .mistakes("updateCampaignCoupon", "campaignCoupon", input)
            .await;
        assert_eq!(mistakes, [mistake("STRIPE_REJECTED", "name")]);
        assert_eq!(app.state().await, before);
    }

    async fn archived_coupons_are_listed_only_when_asked_for(app: &TestApp) {
        let stage = app.stage().await;
        app.max()
            .make(
                "updateCampaignCoupon",
                "campaignCoupon",
                "id",
                json!({ "id": stage.coupon, "archived": true }),
            )
            .await;
        let count = async |arguments: &str| {
            app.ana()
                .query(&format!("{{ campaignCoupons{arguments} {{ totalCount }} }}"))
                .await["campaignCoupons"]["totalCount"]
                .clone()
        };
        assert_eq!(
            (count("").await, count("(includeArchived: true)").await),
            (json!(0), json!(1))
        );
        let elsewhere = app.max().campaign(CampaignSpec::default()).await;
        assert_eq!(
            count(&format!("(includeArchived: true, campaignId: \"{elsewhere}\")")).await,
            json!(0)
        );
        assert_eq!(
            count("(includeArchived: true, campaignId: \"nonsense\")").await,
            json!(0)
        );
    }

    async fn deleting_a_coupon_ends_its_codes_here_and_at_stripe(app: &TestApp) {
        let stage = app.stage().await;
        let payload = app
            .max()
            .mutate("deleteCampaignCoupon", "deletedId", json!({ "id": stage.coupon }))
            .await;
        assert_eq!(payload["deletedId"], stage.coupon);
        assert!(app.acme.stripe.get("coupon", &stage.coupon).is_none());
        assert_eq!(app.acme.stripe.promotion_codes("SARAH20")[0]["active"], false);
        let query = format!(
            "{{ node(id: \"{}\") {{ id }} campaignCoupons(includeArchived: true) {{ totalCount }} affiliateCodes {{ nodes {{ status coupon {{ name }} }} }} }}",
            stage.coupon
        );
        assert_eq!(
            app.ana().query(&query).await,
            json!({
                "node": null, "campaignCoupons": { "totalCount": 0 },
                "affiliateCodes": { "nodes": [{ "status": "INACTIVE", "coupon": { "name": "Launch" } }] },
            })
        );
        assert_eq!(
            (app.count::<coupon::Entity>().await, app.count::<code::Entity>().await),
            (1, 1),
            "the rows stay"
        );
        let again = app
            .max()
            .mistakes("deleteCampaignCoupon", "deletedId", json!({ "id": stage.coupon }))
            .await;
        assert_eq!(again, [mistake("NOT_FOUND", "id")]);
    }
}
