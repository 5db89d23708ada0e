//! Switching codes off and on, and what the plan allows.

use chrono::TimeDelta;
use entity::brand::Tier;
use rekomi::domain::brands::{self, BrandInput};

use crate::support::{cast::id, *};

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

pub(crate) async fn set_plan(app: &TestApp, tier: Tier, trial_days: i32) {
    let plan = BrandInput {
        tier: Some(tier),
        trial_days: Some(trial_days),
        ..BrandInput::default()
    };
    let server = &app.instance.app;
    brands::update(&server.db, &app.clock, &server.config.vault, "acme", &plan)
        .await
        .unwrap();
}

both! {
    async fn a_code_is_switched_off_and_on_here_and_at_stripe(app: &TestApp) {
        let stage = app.stage().await;
        let active = || app.acme.stripe.promotion_codes("SARAH20")[0]["active"].clone();
        let fields = "status stripeSync { status }";
        for (mutation, status) in [
            ("deactivateAffiliateCode", "INACTIVE"),
            ("reactivateAffiliateCode", "ACTIVE"),
        ] {
            for _ in 0..2 {
                let code = app
                    .max()
                    .make(mutation, "affiliateCode", fields, json!({ "id": stage.code }))
                    .await;
                assert_eq!(code, json!({ "status": status, "stripeSync": { "status": "SYNCED" } }));
                assert_eq!(active(), json!(status == "ACTIVE"));
            }
        }
        let unknown = json!({ "id": "cod_00000000000070008000000000000000" });
        for mutation in ["deactivateAffiliateCode", "reactivateAffiliateCode"] {
            assert_eq!(
                app.max().mistakes(mutation, "affiliateCode", unknown.clone()).await,
                [mistake("NOT_FOUND", "id")]
            );
        }
    }

    async fn a_code_that_cannot_be_redeemed_again_stays_off(app: &TestApp) {
        let expiring = CouponSpec::default().with("expiresAt", "2026-11-02T12:00:00Z");
        let stage = app.stage_with(CampaignSpec::default(), expiring).await;
        let forever = app.max().coupon(&stage.campaign, CouponSpec::default()).await;
        let code = app.max().mint(&forever, &stage.sarah, "SARAH-OFF").await;
        let off = async |code: &str| {
            app.max()
                .make("deactivateAffiliateCode", "affiliateCode", "id", json!({ "id": code }))
                .await
        };
        off(&stage.code).await;
        off(&code).await;
        let reactivate = async |code: &str| {
            app.max()
                .mistakes("reactivateAffiliateCode", "affiliateCode", json!({ "id": code }))
                .await
        };
        // Expired.
        app.pass(TimeDelta::days(2));
        let before = app.state().await;
        assert_eq!(reactivate(&stage.code).await, [mistake("INVALID", "id")]);
        // Refused by Stripe.
        app.standin
            .fault(Fault::refuse("It is fully redeemed.", "active").on_path("/v1/promotion_codes"));
        assert_eq!(reactivate(&code).await, [mistake("STRIPE_REJECTED", "id")]);
        assert_eq!(app.state().await, before);
        // Deleted.
        app.max()
            .mutate("deleteCampaignCoupon", "deletedId", json!({ "id": forever }))
            .await;
        let before = app.state().await;
        assert_eq!(reactivate(&code).await, [mistake("INVALID", "id")]);
        assert_eq!(app.state().await, before);
    }

    async fn below_growth_and_after_the_trial_nothing_new_is_made_and_what_exists_goes_on(app: &TestApp) {
        let stage = app.stage().await;
        set_plan(app, Tier::Starter, 14).await;
        assert_eq!(minted(app, mint(&stage, None)).await, "SARAH20-2");
        app.pass(TimeDelta::days(14) - TimeDelta::seconds(1));
        assert_eq!(minted(app, mint(&stage, None)).await, "SARAH20-3");
        let second = app.max().mint(&stage.coupon, &stage.sarah, "SARAH-OFF").await;
        app.max()
            .make(
                "deactivateAffiliateCode",
                "affiliateCode",
                "id",
                json!({ "id": second }),
            )
            .await;
        app.pass(TimeDelta::seconds(1));
        let before = app.state().await;
        let gate = [mistake("PLAN_TIER_REQUIRED", "")];
        let coupon = CouponSpec::default().with("campaignId", stage.campaign.as_str()).input;
        assert_eq!(mistakes(app, mint(&stage, None)).await, gate);
        assert_eq!(
            app.max()
                .mistakes("createCampaignCoupon", "campaignCoupon", coupon.clone())
                .await,
            gate
        );
        assert_eq!(
            app.max()
                .mistakes("reactivateAffiliateCode", "affiliateCode", json!({ "id": second }))
                .await,
            gate
        );
        let rename = json!({ "id": stage.code, "code": "SARAH-VIP" });
        assert_eq!(app.max().mistakes("renameAffiliateCode", "affiliateCode", rename).await, gate);
        let shared = json!({ "campaignId": stage.campaign, "couponId": stage.coupon, "code": "SPRING" });
        assert_eq!(app.max().mistakes("setCampaignCode", "campaign", shared).await, gate);
        assert_eq!(app.state().await, before);
        let sale = app.sale().promo(app.promo("SARAH20")).build();
        sale.sync(&app.acme.stripe);
        app.deliver(&sale.start(Shape::Endive)).await;
        assert_eq!(
            app.told().await,
            ["ACQUISITION PENDING sarah SARAH20 4000 USD, commission 800"]
        );
        app.max()
            .make(
                "deactivateAffiliateCode",
                "affiliateCode",
                "id",
                json!({ "id": stage.code }),
            )
            .await;
        for tier in [Tier::Growth, Tier::Pro] {
            set_plan(app, tier, 0).await;
            let made = app
                .max()
                .make("createCampaignCoupon", "campaignCoupon", "id", coupon.clone())
                .await;
            assert!(id(&made).starts_with("cpn_"));
        }
    }

    async fn every_way_of_making_codes_ends_with_the_trial_and_opens_with_an_upgrade(app: &TestApp) {
        let marked = CouponSpec::default().with("mintOnApproval", true);
        let stage = app.stage_with(CampaignSpec::default(), marked).await;
        let max = app.max();
        let off = max.mint(&stage.coupon, &stage.sarah, "SARAH-OFF").await;
        let deactivate = json!({ "id": off });
        max.make("deactivateAffiliateCode", "affiliateCode", "id", deactivate.clone()).await;
        set_plan(app, Tier::Starter, 14).await;
        // What each way answers, as one word; each leaves a code or a coupon where it may.
        let ways = async |round: usize| {
            // A token is good for an hour.
            let (max, sarah, number) = (app.max(), app.affiliate(&stage.sarah), round + 2);
            let input = CouponSpec::default().with("campaignId", stage.campaign.as_str()).input;
            let coupon = max.mutate("createCampaignCoupon", "campaignCoupon { id }", input).await;
            let mint = max.mutate("mintAffiliateCode", "affiliateCode { id }", mint(&stage, Some(&format!("M-{number}")))).await;
            let own = json!({ "couponId": stage.coupon, "code": format!("OWN-{number}") });
            let own = sarah.mutate("mintAffiliateCode", "affiliateCode { id }", own).await;
            let bulk = json!({ "couponId": stage.coupon, "rows": [{ "affiliateId": stage.bob }] });
            let bulk = max.mutate("bulkMintAffiliateCodes", "results { affiliateCode { id } }", bulk).await;
            let on = max.mutate("reactivateAffiliateCode", "affiliateCode { id }", deactivate.clone()).await;
            max.mutate("deactivateAffiliateCode", "affiliateCode { id }", deactivate.clone()).await;
            let payloads = [coupon, mint, own, bulk, on];
            let answers = payloads.iter().map(|payload| client::mistakes(payload).first().map_or("made".into(), |it| it.0.clone()));
            let answers: Vec<String> = answers.collect();
            let eve = max.new_affiliate(&format!("Eve{number}"), &[&stage.campaign]).await;
            let query = format!("{{ affiliateCodes(affiliateId: \"{eve}\") {{ totalCount }} }}");
            (answers, app.ana().query(&query).await["affiliateCodes"]["totalCount"].as_i64().unwrap())
        };
        let (open, shut) = ((vec!["made".to_owned(); 5], 1), (vec!["PLAN_TIER_REQUIRED".to_owned(); 5], 0));
        app.pass(TimeDelta::days(14) - TimeDelta::microseconds(1));
        assert_eq!(ways(0).await, open);
        app.pass(TimeDelta::microseconds(1));
        assert_eq!(ways(1).await, shut);
        set_plan(app, Tier::Growth, 0).await;
        assert_eq!(ways(2).await, open);
        set_plan(app, Tier::Starter, 0).await;
        assert_eq!(ways(3).await, shut);
        let max = app.max();
        // A downgrade keeps what exists: it sells, and can be switched off and deleted.
        let sale = app.sale().promo(app.promo("OWN-2")).build();
        sale.sync(&app.acme.stripe);
        app.deliver(&sale.start(Shape::Endive)).await;
        assert_eq!(app.told().await, ["ACQUISITION PENDING sarah OWN-2 4000 USD, commission 800"]);
        max.make("deactivateAffiliateCode", "affiliateCode", "id", json!({ "id": stage.code })).await;
        let payload = max.mutate("deleteCampaignCoupon", "deletedId", json!({ "id": stage.coupon })).await;
        assert_eq!(payload["deletedId"], stage.coupon);
        set_plan(app, Tier::Pro, 0).await;
        let coupon = CouponSpec::default().with("campaignId", stage.campaign.as_str()).input;
        max.make("createCampaignCoupon", "campaignCoupon", "id", coupon).await;
    }

    async fn a_brand_without_a_stripe_key_makes_codes_that_wait_for_one(app: &TestApp) {
        let server = &app.instance.app;
        let keyless = BrandInput {
            name: Some("Initech".into()),
            tier: Some(Tier::Growth),
            ..BrandInput::default()
        };
        let row = brands::create(&server.db, &app.clock, &server.config.vault, &keyless)
            .await
            .unwrap();
        let (key, slug) = ("sk_live_initech", "initech");
        let brand = Brand {
            id: row.id,
            slug,
            webhook_secret: String::new(),
            stripe: app.standin.account(key),
        };
        let owner = app.caller(app.token_of(&brand, rekomi::auth::Role::Owner, None, None));
        cast::set_stage(&owner, CampaignSpec::default(), CouponSpec::default()).await;
        let query = "{ affiliateCodes { nodes { status stripeSync { status stripeId attempts lastError } } } }";
        let waiting = json!([{ "status": "ACTIVE", "stripeSync": { "status": "DISABLED", "stripeId": null, "attempts": 0, "lastError": null } }]);
        assert_eq!(owner.query(query).await["affiliateCodes"]["nodes"], waiting);
        let with_key = BrandInput {
            stripe_secret_key: Some(key.into()),
            ..BrandInput::default()
        };
        brands::update(&server.db, &app.clock, &server.config.vault, slug, &with_key)
            .await
            .unwrap();
        eventually("the code is at Stripe", async || {
            app.pass(TimeDelta::seconds(1));
            let data = owner.query(query).await;
            (data["affiliateCodes"]["nodes"][0]["stripeSync"]["status"] == "SYNCED").then_some(())
        })
        .await;
        assert_eq!(brand.stripe.promotion_codes("SARAH20").len(), 1);
    }
}
