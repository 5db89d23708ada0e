//! Who may mint for whom: managers for the affiliates of a campaign, affiliates for themselves where every switch allows it.

use entity::id::CodeId;

use crate::support::*;

type Mistakes = Vec<(String, String)>;

/// Sarah asks for a code of her own.
async fn sarah_mints(app: &TestApp, stage: &Stage, coupon: &str) -> Mistakes {
    app.affiliate(&stage.sarah)
        .mistakes("mintAffiliateCode", "affiliateCode", json!({ "couponId": coupon }))
        .await
}

/// That minting is refused with this, and that nothing changes.
async fn refused(app: &TestApp, stage: &Stage, coupon: &str, code: &str, field: &str) {
    let (before, writes) = (app.everything().await, app.writes());
    assert_eq!(sarah_mints(app, stage, coupon).await, [mistake(code, field)]);
    assert_eq!((app.everything().await, app.writes()), (before, writes));
}

async fn change_coupon(app: &TestApp, coupon: &str, field: &str, value: bool) {
    let mut input = json!({ "id": coupon });
    input[field] = json!(value);
    app.max()
        .make("updateCampaignCoupon", "campaignCoupon", "id", input)
        .await;
}

async fn change_campaign(app: &TestApp, campaign: &str, open: bool) {
    let input = json!({ "id": campaign, "affiliatesCanManageCodes": open });
    app.max().make("updateCampaign", "campaign", "id", input).await;
}

both! {
    async fn an_approved_affiliate_mints_its_own_vanity_code(app: &TestApp) {
        let stage = app.stage().await;
        let sarah = app.affiliate(&stage.sarah);
        let input = json!({ "couponId": stage.coupon, "code": "podcast-sarah" });
        let made = sarah
            .make(
                "mintAffiliateCode",
                "affiliateCode",
                "id code affiliate { id } stripeSync { status }",
                input,
            )
            .await;
        assert_eq!(
            made,
            json!({
                "id": made["id"], "code": "PODCAST-SARAH", "affiliate": { "id": stage.sarah }, "stripeSync": { "status": "SYNCED" },
            })
        );
        assert!(made["id"].as_str().unwrap().parse::<CodeId>().is_ok());
        let named = json!({ "couponId": stage.coupon, "affiliateId": stage.sarah });
        let made = sarah.make("mintAffiliateCode", "affiliateCode", "code", named).await;
        assert_eq!(made["code"], "SARAH20-2");
        let data = sarah
            .query("{ affiliateCodes { totalCount } campaignCoupons { nodes { id } } }")
            .await;
        assert_eq!(
            data,
            json!({ "affiliateCodes": { "totalCount": 3 }, "campaignCoupons": { "nodes": [{ "id": stage.coupon }] } })
        );
    }

    async fn an_affiliate_mints_for_nobody_else(app: &TestApp) {
        let stage = app.stage().await;
        let (before, writes) = (app.everything().await, app.writes());
        for affiliate in [stage.bob.as_str(), "aff_00000000000070008000000000000000", "nonsense"] {
            let input = json!({ "couponId": stage.coupon, "affiliateId": affiliate });
            let mistakes = app
                .affiliate(&stage.sarah)
                .mistakes("mintAffiliateCode", "affiliateCode", input)
                .await;
            assert_eq!(mistakes, [mistake("NOT_FOUND", "affiliateId")], "{affiliate}");
        }
        assert_eq!((app.everything().await, app.writes()), (before, writes));
    }

    async fn each_switch_stops_new_codes_and_leaves_the_minted_ones_working(app: &TestApp) {
        let stage = app.stage().await;
        assert_eq!(sarah_mints(app, &stage, &stage.coupon).await, []);
        change_coupon(app, &stage.coupon, "allowAffiliateSelfMint", false).await;
        refused(app, &stage, &stage.coupon, "SELF_MINT_DISABLED", "couponId").await;
        change_coupon(app, &stage.coupon, "allowAffiliateSelfMint", true).await;
        change_campaign(app, &stage.campaign, false).await;
        refused(app, &stage, &stage.coupon, "SELF_MINT_DISABLED", "couponId").await;
        change_campaign(app, &stage.campaign, true).await;
        for status in ["PENDING", "SUSPENDED", "REJECTED"] {
            app.max().set_status(&stage.sarah, status).await;
            refused(app, &stage, &stage.coupon, "AFFILIATE_NOT_APPROVED", "affiliateId").await;
        }
        app.max().set_status(&stage.sarah, "APPROVED").await;
        change_coupon(app, &stage.coupon, "archived", true).await;
        refused(app, &stage, &stage.coupon, "INVALID", "couponId").await;
        change_coupon(app, &stage.coupon, "archived", false).await;
        assert_eq!(sarah_mints(app, &stage, &stage.coupon).await, []);
        let active = app
            .acme
            .stripe
            .all("promotion_code")
            .iter()
            .filter(|code| code["active"] == true)
            .count();
        assert_eq!(active, 3, "what was minted still works");
    }

    async fn a_coupon_exclusive_to_another_is_not_there_for_an_affiliate(app: &TestApp) {
        let stage = app.stage().await;
        let bobs = app
            .max()
            .coupon(
                &stage.campaign,
                CouponSpec::default().with("affiliateId", stage.bob.as_str()),
            )
            .await;
        refused(app, &stage, &bobs, "NOT_FOUND", "couponId").await;
        let query = format!("{{ node(id: \"{bobs}\") {{ id }} campaignCoupons {{ nodes {{ id }} }} }}");
        let data = app.affiliate(&stage.sarah).query(&query).await;
        assert_eq!(
            data,
            json!({ "node": null, "campaignCoupons": { "nodes": [{ "id": stage.coupon }] } })
        );
        let input = json!({ "couponId": bobs, "affiliateId": stage.sarah });
        let before = app.everything().await;
        let mistakes = app.max().mistakes("mintAffiliateCode", "affiliateCode", input).await;
        assert_eq!(mistakes, [mistake("INVALID", "affiliateId")]);
        assert_eq!(app.everything().await, before);
        app.max().mint(&bobs, &stage.bob, "BOB-ONLY").await;
    }

    async fn a_campaign_that_an_affiliate_is_not_in_is_closed_to_it(app: &TestApp) {
        let stage = app.stage().await;
        let elsewhere = app
            .max()
            .campaign(CampaignSpec::default().with("name", "Elsewhere"))
            .await;
        let coupon = app.max().coupon(&elsewhere, CouponSpec::default()).await;
        refused(app, &stage, &coupon, "NOT_FOUND", "couponId").await;
        let before = app.everything().await;
        let input = json!({ "couponId": coupon, "affiliateId": stage.sarah });
        let mistakes = app.max().mistakes("mintAffiliateCode", "affiliateCode", input).await;
        assert_eq!(mistakes, [mistake("INVALID", "affiliateId")]);
        assert_eq!(app.everything().await, before);
        let query = format!(
            "{{ campaigns {{ nodes {{ id }} }} campaign(id: \"{elsewhere}\") {{ id }} node(id: \"{coupon}\") {{ id }} }}"
        );
        let data = app.affiliate(&stage.sarah).query(&query).await;
        assert_eq!(
            data,
            json!({ "campaigns": { "nodes": [{ "id": stage.campaign }] }, "campaign": null, "node": null })
        );
    }

    async fn a_manager_needs_an_affiliate_a_coupon_and_an_approval(app: &TestApp) {
        let stage = app.stage().await;
        app.max().set_status(&stage.bob, "PENDING").await;
        let (before, writes) = (app.everything().await, app.writes());
        let cases = [
            (json!({ "couponId": stage.coupon }), mistake("INVALID", "affiliateId")),
            (
                json!({ "couponId": stage.coupon, "affiliateId": "nonsense" }),
                mistake("NOT_FOUND", "affiliateId"),
            ),
            (
                json!({ "couponId": "nonsense", "affiliateId": stage.sarah }),
                mistake("NOT_FOUND", "couponId"),
            ),
            (
                json!({ "couponId": stage.coupon, "affiliateId": stage.bob }),
                mistake("AFFILIATE_NOT_APPROVED", "affiliateId"),
            ),
        ];
        for (input, expected) in cases {
            assert_eq!(
                app.max()
                    .mistakes("mintAffiliateCode", "affiliateCode", input.clone())
                    .await,
                [expected],
                "{input}"
            );
        }
        assert_eq!((app.everything().await, app.writes()), (before, writes));
    }

    async fn an_expired_or_deleted_coupon_mints_nothing(app: &TestApp) {
        let stage = app
            .stage_with(
                CampaignSpec::default(),
                CouponSpec::default().with("expiresAt", "2026-11-01T12:00:10Z"),
            )
            .await;
        let deleted = app.max().coupon(&stage.campaign, CouponSpec::default()).await;
        app.max()
            .mutate("deleteCampaignCoupon", "deletedId", json!({ "id": deleted }))
            .await;
        refused(app, &stage, &deleted, "NOT_FOUND", "couponId").await;
        app.pass(chrono::TimeDelta::seconds(10));
        refused(app, &stage, &stage.coupon, "INVALID", "couponId").await;
    }

    async fn what_an_affiliate_minted_is_credited_to_it(app: &TestApp) {
        let stage = app.stage().await;
        let input = json!({ "couponId": stage.coupon, "code": "BOBS-SHOW" });
        app.affiliate(&stage.bob)
            .make("mintAffiliateCode", "affiliateCode", "id", input)
            .await;
        let sale = app.sale().promo(app.promo("BOBS-SHOW")).build();
        sale.sync(&app.acme.stripe);
        app.deliver(&sale.start(Shape::Endive)).await;
        assert_eq!(
            app.told().await,
            ["ACQUISITION PENDING bob BOBS-SHOW 4000 USD, commission 800"]
        );
        let own = app.affiliate(&stage.bob).told().await;
        assert_eq!(own, ["ACQUISITION PENDING bob BOBS-SHOW 4000 USD, commission 800"]);
        assert_eq!(app.affiliate(&stage.sarah).told().await, [""; 0]);
    }
}
