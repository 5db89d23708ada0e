//! Minting on approval: each newly approved affiliate gets a code on the coupons that are marked so, once.

use chrono::TimeDelta;
use entity::{brand::Tier, code};
use futures_util::future::join_all;
use rekomi::{
    auth::{Role, jwt::Mode},
    domain::brands::{self, BrandInput},
};

use crate::support::{cast::id, *};

const CODES: &str = "id status codes { nodes { code status coupon { id } stripeSync { status } } }";

fn marked() -> CouponSpec {
    CouponSpec::default().with("mintOnApproval", true)
}

/// Eve, in the stage's campaign; what the approval at once answers.
async fn eve(app: &TestApp, stage: &Stage, approve: bool) -> Value {
    let input =
        json!({ "name": "Eve Adams", "email": "eve@x.example", "campaignIds": [stage.campaign], "approve": approve });
    app.max().make("createAffiliate", "affiliate", CODES, input).await
}

async fn set_status(app: &TestApp, affiliate: &Value, status: &str) -> Value {
    let input = json!({ "id": affiliate["id"], "status": status });
    app.max().make("updateAffiliateStatus", "affiliate", CODES, input).await
}

fn codes(affiliate: &Value) -> Vec<&str> {
    let nodes = affiliate["codes"]["nodes"].as_array().unwrap();
    nodes.iter().map(|code| code["code"].as_str().unwrap()).collect()
}

async fn at_stripe(app: &TestApp, code: &str) {
    eventually("the code is at Stripe", async || {
        app.pass(TimeDelta::milliseconds(100));
        (app.acme.stripe.promotion_codes(code).len() == 1).then_some(())
    })
    .await;
}

async fn set_tier(app: &TestApp, tier: Tier) {
    let (server, plan) = (
        &app.instance.app,
        BrandInput {
            tier: Some(tier),
            ..BrandInput::default()
        },
    );
    brands::update(&server.db, &app.clock, &server.config.vault, "acme", &plan)
        .await
        .unwrap();
}

both! {
    async fn an_affiliate_that_is_created_approved_gets_a_code_and_those_approved_before_do_not(app: &TestApp) {
        let stage = app.stage_with(CampaignSpec::default(), marked()).await;
        assert_eq!(codes(&eve(app, &stage, true).await), ["EVE20"]);
        at_stripe(app, "EVE20").await;
        let bob = app.ana().query(&format!("{{ affiliate(id: \"{}\") {{ {CODES} }} }}", stage.bob)).await;
        assert_eq!(codes(&bob["affiliate"]), [""; 0]);
    }

    async fn an_approval_gives_a_code_and_waits_for_nobody(app: &TestApp) {
        let stage = app.stage().await;
        let second = app.max().coupon(&stage.campaign, marked().percent("15")).await;
        let pending = eve(app, &stage, false).await;
        assert_eq!(codes(&pending), [""; 0]);
        app.standin.fault(Fault::new(FaultKind::Hang).always());
        let start = tokio::time::Instant::now();
        let approved = set_status(app, &pending, "APPROVED").await;
        assert!(start.elapsed().as_secs_f64() < 2.5);
        assert_eq!(approved["codes"]["nodes"], json!([
            { "code": "EVE15", "status": "ACTIVE", "coupon": { "id": second }, "stripeSync": { "status": "PENDING" } },
        ]));
        app.standin.clear_faults();
        at_stripe(app, "EVE15").await;
        let log = app.olivia().query("{ auditLog(filter: { action: \"code.minted\" }, first: 1) { nodes { objectId actor } } }").await;
        let code = app.ana().query("{ affiliateCodes(last: 1) { nodes { id } } }").await;
        assert_eq!(log["auditLog"]["nodes"], json!([{ "objectId": code["affiliateCodes"]["nodes"][0]["id"], "actor": "manager" }]));
        // Once.
        set_status(app, &pending, "SUSPENDED").await;
        assert_eq!(codes(&set_status(app, &pending, "APPROVED").await), ["EVE15"]);
    }

    async fn coupons_that_are_closed_to_it_give_none_and_the_approval_stands(app: &TestApp) {
        let stage = app.stage().await;
        let max = app.max();
        let elsewhere = max.campaign(CampaignSpec::default().with("name", "Elsewhere")).await;
        max.coupon(&elsewhere, marked()).await;
        max.coupon(&stage.campaign, marked().with("affiliateId", stage.bob.as_str())).await;
        max.coupon(&stage.campaign, marked().with("expiresAt", "2026-11-01T12:00:10Z")).await;
        let archived = max.coupon(&stage.campaign, marked()).await;
        max.make("updateCampaignCoupon", "campaignCoupon", "id", json!({ "id": archived, "archived": true })).await;
        let deleted = max.coupon(&stage.campaign, marked()).await;
        max.mutate("deleteCampaignCoupon", "deletedId", json!({ "id": deleted })).await;
        app.pass(TimeDelta::seconds(10));
        let approved = eve(app, &stage, true).await;
        assert_eq!((&approved["status"], codes(&approved)), (&json!("APPROVED"), vec![]));
        // The switch counts from then on.
        let fields = "mintOnApproval";
        let on = json!({ "id": stage.coupon, "mintOnApproval": true });
        assert_eq!(max.make("updateCampaignCoupon", "campaignCoupon", fields, on).await, json!({ "mintOnApproval": true }));
        set_status(app, &approved, "SUSPENDED").await;
        assert_eq!(codes(&set_status(app, &approved, "APPROVED").await), ["EVE20"]);
    }

    async fn below_growth_the_approval_stands_and_gives_none(app: &TestApp) {
        let stage = app.stage_with(CampaignSpec::default(), marked()).await;
        set_tier(app, Tier::Starter).await;
        let approved = eve(app, &stage, true).await;
        assert_eq!((&approved["status"], codes(&approved)), (&json!("APPROVED"), vec![]));
        set_tier(app, Tier::Growth).await;
        set_status(app, &approved, "SUSPENDED").await;
        assert_eq!(codes(&set_status(app, &approved, "APPROVED").await), ["EVE20"]);
    }

    async fn each_mode_has_its_own_code(app: &TestApp) {
        let stage = app.stage_with(CampaignSpec::default(), marked()).await;
        let tester = app.caller(app.token(Role::Manager, None, Some(Mode::Test)));
        tester.coupon(&stage.campaign, marked()).await;
        let approved = eve(app, &stage, true).await;
        assert_eq!(codes(&approved), ["EVE20"]);
        let query = format!("{{ affiliate(id: {}) {{ {CODES} }} }}", approved["id"]);
        let test = tester.query(&query).await["affiliate"].take();
        assert_eq!((codes(&test), &test["codes"]["nodes"][0]["stripeSync"]["status"]), (vec!["EVE20"], &json!("DISABLED")));
        let owner = app.caller(app.token(Role::Owner, None, Some(Mode::Test)));
        let log = owner.query("{ auditLog(filter: { action: \"code.minted\" }) { nodes { livemode } } }").await;
        assert_eq!(log["auditLog"]["nodes"], json!([{ "livemode": false }]));
        at_stripe(app, "EVE20").await;
    }

    async fn approvals_at_the_same_moment_give_one_code(app: &TestApp) {
        let stage = app.stage_with(CampaignSpec::default(), marked()).await;
        let max = app.max();
        let before = app.count::<code::Entity>().await;
        let names = ["Eve One", "Eve Two", "Eve Three", "Eve Four"];
        let eves = join_all(names.map(async |name| {
            let email = format!("{}@x.example", name.replace(' ', ""));
            let input = json!({ "name": name, "email": email, "campaignIds": [stage.campaign], "approve": false });
            id(&max.make("createAffiliate", "affiliate", "id", input).await)
        }))
        .await;
        join_all(eves.iter().chain(&eves).chain(&eves).map(|eve| max.set_status(eve, "APPROVED"))).await;
        assert_eq!(app.count::<code::Entity>().await, before + 4);
        for code in ["EVE20", "EVE20-2", "EVE20-3", "EVE20-4"] {
            at_stripe(app, code).await;
        }
    }

    async fn a_text_that_somebody_takes_at_the_same_moment_is_passed_over(app: &TestApp) {
        let stage = app.stage_with(CampaignSpec::default(), marked()).await;
        let max = app.max();
        let pending = eve(app, &stage, false).await;
        let taking = join_all((0..5).map(|number| {
            let code = if number == 0 { "EVE20".to_owned() } else { format!("EVE20-{}", number + 1) };
            let input = json!({ "couponId": stage.coupon, "affiliateId": stage.bob, "code": code });
            max.mutate("mintAffiliateCode", "affiliateCode { code }", input)
        }));
        let (taken, approved) = tokio::join!(taking, set_status(app, &pending, "APPROVED"));
        let taken = taken.iter().filter(|payload| !payload["affiliateCode"].is_null()).count();
        assert_eq!((&approved["status"], codes(&approved).len()), (&json!("APPROVED"), 1));
        assert!((4..=5).contains(&taken), "{taken}");
    }
}
