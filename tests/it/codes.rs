//! Codes: what a code may look like, whose it is, and what Stripe is sent.

use crate::support::*;

const FIELDS: &str = "id code status redemptionCount createdAt affiliate { id } coupon { id } stripeSync { status stripeId attempts lastError }";

fn mint(stage: &Stage, code: Option<&str>) -> Value {
    json!({ "couponId": stage.coupon, "affiliateId": stage.sarah, "code": code })
}

async fn minted(app: &TestApp, input: Value) -> String {
    app.max()
        .make("mintAffiliateCode", "affiliateCode", "code", input)
        .await["code"]
        .as_str()
        .unwrap()
        .to_owned()
}

async fn mistakes(app: &TestApp, input: Value) -> Vec<(String, String)> {
    app.max().mistakes("mintAffiliateCode", "affiliateCode", input).await
}

both! {
    async fn a_given_code_is_minted_here_and_at_stripe(app: &TestApp) {
        let stage = app
            .stage_with(
                CampaignSpec::default(),
                CouponSpec::default().with("maxRedemptionsPerCode", 50),
            )
            .await;
        let made = app
            .max()
            .make(
                "mintAffiliateCode",
                "affiliateCode",
                FIELDS,
                mint(&stage, Some(" sarah-vip ")),
            )
            .await;
        let promotion_code = &app.acme.stripe.promotion_codes("SARAH-VIP")[0];
        assert_eq!(
            made,
            json!({
                "id": made["id"], "code": "SARAH-VIP", "status": "ACTIVE", "redemptionCount": 0, "createdAt": made["createdAt"],
                "affiliate": { "id": stage.sarah }, "coupon": { "id": stage.coupon },
                "stripeSync": { "status": "SYNCED", "stripeId": promotion_code["id"], "attempts": 1, "lastError": null },
            })
        );
        let call = app.standin.calls().pop().unwrap();
        assert_eq!(
            (call.method.as_str(), call.path.as_str()),
            ("POST", "/v1/promotion_codes")
        );
        assert_eq!(
            call.params,
            json!({
                "code": "SARAH-VIP", "promotion": { "type": "coupon", "coupon": stage.coupon }, "max_redemptions": "50",
                "metadata": {
                    "rekomi_affiliate_coupon_id": made["id"], "rekomi_affiliate_id": stage.sarah, "rekomi_brand_id": app.acme.id.to_string(),
                },
            })
        );
        assert!(call.idempotency_key.is_some());
    }

    async fn a_generated_code_is_the_name_and_the_discount_and_then_numbered(app: &TestApp) {
        let stage = app.stage().await;
        assert_eq!(minted(app, mint(&stage, None)).await, "SARAH20-2");
        assert_eq!(minted(app, mint(&stage, None)).await, "SARAH20-3");
        assert_eq!(
            minted(app, json!({ "couponId": stage.coupon, "affiliateId": stage.bob })).await,
            "BOB20"
        );
        let amount = app
            .max()
            .coupon(&stage.campaign, CouponSpec::default().amount(450, "USD"))
            .await;
        assert_eq!(
            minted(app, json!({ "couponId": amount, "affiliateId": stage.bob })).await,
            "BOB4-5"
        );
    }

    async fn the_first_generated_code_is_bare(app: &TestApp) {
        let max = app.max();
        let campaign = max.campaign(CampaignSpec::default()).await;
        let sarah = max.new_affiliate("Sarah Jones", &[&campaign]).await;
        let coupon = max.coupon(&campaign, CouponSpec::default()).await;
        assert_eq!(
            minted(app, json!({ "couponId": coupon, "affiliateId": sarah })).await,
            "SARAH20"
        );
    }

    async fn a_generated_code_passes_over_one_that_stripe_has_already(app: &TestApp) {
        let stage = app.stage().await;
        let elsewhere = json!({
            "id": "promo_old", "object": "promotion_code", "active": true, "code": "BOB20", "created": 1, "customer": null,
            "expires_at": null, "livemode": true, "max_redemptions": null, "metadata": {},
            "promotion": { "type": "coupon", "coupon": stage.coupon }, "times_redeemed": 0,
        });
        app.acme.stripe.put(elsewhere);
        assert_eq!(
            minted(app, json!({ "couponId": stage.coupon, "affiliateId": stage.bob })).await,
            "BOB20-2"
        );
    }

    async fn many_generated_at_the_same_time_are_all_different(app: &TestApp) {
        let stage = app.stage().await;
        let codes = futures_util::future::join_all((0..8).map(|_| minted(app, mint(&stage, None)))).await;
        let different: std::collections::BTreeSet<_> = codes.iter().collect();
        assert_eq!(different.len(), 8, "{codes:?}");
        assert_eq!(app.acme.stripe.all("promotion_code").len(), 9);
    }

    async fn a_code_that_breaks_the_rule_is_invalid_and_changes_nothing(app: &TestApp) {
        let stage = app.stage().await;
        let (before, writes) = (app.state().await, app.writes());
        for code in [
            "AB",
            "",
            "A B C",
            "ÄRGER",
            "ſarah",
            "İstanbul",
            "SARAH20%",
            "X\u{0}Y",
            &"X".repeat(33),
        ] {
            assert_eq!(
                mistakes(app, mint(&stage, Some(code))).await,
                [mistake("INVALID", "code")],
                "{code:?}"
            );
        }
        assert_eq!((app.state().await, app.writes()), (before, writes));
    }

    async fn a_code_is_taken_whatever_its_case_also_by_a_retired_one(app: &TestApp) {
        let stage = app.stage().await;
        let taken = async || {
            let (before, writes) = (app.state().await, app.writes());
            for code in ["SARAH20", "sarah20", " Sarah20 "] {
                let input = json!({ "couponId": stage.coupon, "affiliateId": stage.bob, "code": code });
                assert_eq!(mistakes(app, input).await, [mistake("TAKEN", "code")], "{code}");
            }
            assert_eq!((app.state().await, app.writes()), (before, writes));
        };
        taken().await;
        app.max()
            .make(
                "deactivateAffiliateCode",
                "affiliateCode",
                "id",
                json!({ "id": stage.code }),
            )
            .await;
        taken().await;
    }

    async fn what_stripe_refuses_comes_back_on_the_field_and_leaves_no_code(app: &TestApp) {
        let stage = app.stage().await;
        let before = app.state().await;
        let payload = app
            .max()
            .mutate(
                "mintAffiliateCode",
                "affiliateCode { id }",
                mint(&stage, Some("SARAH_20")),
            )
            .await;
        let error = &payload["userErrors"][0];
        assert_eq!(
            (&payload["affiliateCode"], &error["code"], &error["field"]),
            (&Value::Null, &json!("STRIPE_REJECTED"), &json!(["code"]))
        );
        assert!(
            error["message"].as_str().unwrap().contains("invalid characters"),
            "{error}"
        );
        assert_eq!(app.state().await, before);
    }

    async fn the_same_code_may_be_anothers_at_another_brand(app: &TestApp) {
        app.stage().await;
        let globex = app.globex_owner();
        let stage = cast::set_stage(&globex, CampaignSpec::default(), CouponSpec::default()).await;
        let data = globex.query("{ affiliateCodes { nodes { id code } } }").await;
        assert_eq!(
            data["affiliateCodes"]["nodes"],
            json!([{ "id": stage.code, "code": "SARAH20" }])
        );
    }
}
