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

    async fn deleting_says_first_how_many_live_codes_end_with_it(app: &TestApp) {
        let stage = app.stage().await;
        let max = app.max();
        for code in ["SARAH-TWO", "SARAH-OFF"] {
            max.mint(&stage.coupon, &stage.sarah, code).await;
        }
        max.mint(&stage.coupon, &stage.bob, "BOB-ONE").await;
        let off = max.mint(&stage.coupon, &stage.bob, "BOB-OFF").await;
        max.make("deactivateAffiliateCode", "affiliateCode", "id", json!({ "id": off })).await;
        let unused = max.coupon(&stage.campaign, CouponSpec::default()).await;
        let query = "{ campaignCoupons { nodes { id liveCodeCount } } }";
        let counts = json!([{ "id": stage.coupon, "liveCodeCount": 4 }, { "id": unused, "liveCodeCount": 0 }]);
        assert_eq!(app.ana().query(query).await["campaignCoupons"]["nodes"], counts);
        let own = app.affiliate(&stage.sarah).query(query).await;
        assert_eq!(own["campaignCoupons"]["nodes"][0]["liveCodeCount"], 3, "its own alone");
        let delete = |expected: Value| {
            let input = json!({ "id": stage.coupon, "expectedLiveCodeCount": expected });
            max.mutate("deleteCampaignCoupon", "deletedId deactivatedCodeCount", input)
        };
        let (before, writes) = (app.everything().await, app.writes());
        for wrong in [0, 3, 5, -1] {
            let payload = delete(json!(wrong)).await;
            assert_eq!(client::mistakes(&payload), [mistake("INVALID", "expectedLiveCodeCount")]);
            assert_eq!([&payload["deletedId"], &payload["deactivatedCodeCount"]], [&Value::Null, &json!(0)]);
        }
        assert_eq!((app.everything().await, app.writes()), (before, writes));
        let payload = delete(json!(4)).await;
        assert_eq!(payload, json!({ "deletedId": stage.coupon, "deactivatedCodeCount": 4, "userErrors": [] }));
        let payload = max.mutate("deleteCampaignCoupon", "deletedId deactivatedCodeCount", json!({ "id": unused })).await;
        assert_eq!(payload["deactivatedCodeCount"], 0);
    }

    async fn archiving_stops_every_way_of_minting_and_leaves_minted_codes_working(app: &TestApp) {
        let stage = app.stage_with(CampaignSpec::default(), CouponSpec::default().with("mintOnApproval", true)).await;
        let max = app.max();
        max.make("updateCampaignCoupon", "campaignCoupon", "id", json!({ "id": stage.coupon, "archived": true })).await;
        let before = app.state().await;
        let input = json!({ "couponId": stage.coupon, "affiliateId": stage.sarah });
        for caller in [&max, &app.affiliate(&stage.sarah)] {
            let mistakes = caller.mistakes("mintAffiliateCode", "affiliateCode", input.clone()).await;
            assert_eq!(mistakes, [mistake("INVALID", "couponId")]);
        }
        let bulk = json!({ "couponId": stage.coupon, "rows": [{ "affiliateId": stage.sarah }] });
        let payload = max.mutate("bulkMintAffiliateCodes", "results { index }", bulk).await;
        assert_eq!(client::mistakes(&payload), [mistake("INVALID", "couponId")]);
        assert_eq!(app.state().await, before);
        max.new_affiliate("Eve", &[&stage.campaign]).await;
        assert_eq!(app.count::<code::Entity>().await, 1);
        // What was minted can still be switched off and on, and sells.
        for mutation in ["deactivateAffiliateCode", "reactivateAffiliateCode"] {
            max.make(mutation, "affiliateCode", "id", json!({ "id": stage.code })).await;
        }
        let sale = app.sale().promo(app.promo("SARAH20")).build();
        sale.sync(&app.acme.stripe);
        app.deliver(&sale.start(Shape::Endive)).await;
        assert_eq!(app.told().await, ["ACQUISITION PENDING sarah SARAH20 4000 USD, commission 800"]);
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
