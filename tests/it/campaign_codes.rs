//! The code that a campaign's affiliates share: setting, changing and ending it, and what its sales count for.

use chrono::TimeDelta;
use entity::campaign_code;
use rekomi::auth::{Role, jwt::Mode};
use sea_orm::EntityTrait;

use crate::support::*;

const FIELDS: &str = "id campaignCode campaignCodeRedemptionCount campaignCodeSync { status stripeId lastError }";

fn shared(stage: &Stage, coupon: &str, code: &str) -> Value {
    json!({ "campaignId": stage.campaign, "couponId": coupon, "code": code })
}

async fn set(app: &TestApp, stage: &Stage, coupon: &str, code: &str) -> Value {
    app.max()
        .make("setCampaignCode", "campaign", FIELDS, shared(stage, coupon, code))
        .await
}

async fn remove(app: &TestApp, stage: &Stage) -> Value {
    app.max()
        .make(
            "removeCampaignCode",
            "campaign",
            FIELDS,
            json!({ "campaignId": stage.campaign }),
        )
        .await
}

async fn look_as(caller: &Caller, stage: &Stage) -> Value {
    let query = format!("{{ campaign(id: \"{}\") {{ {FIELDS} }} }}", stage.campaign);
    caller.query(&query).await["campaign"].take()
}

/// Lets time pass until nothing is owed for it any more; how it stands then.
async fn settled(app: &TestApp, stage: &Stage) -> Value {
    eventually("nothing is owed", async || {
        app.pass(TimeDelta::seconds(1));
        app.instance.app.operations.run_due().await.unwrap();
        let campaign = look_as(&app.ana(), stage).await;
        (campaign["campaignCodeSync"]["status"] != "PENDING").then_some(())
    })
    .await;
    // The row is read before what is owed for it: what was settled in between would be seen by halves.
    look_as(&app.ana(), stage).await
}

/// What can be redeemed at Stripe: which text, on which coupon.
fn live(app: &TestApp) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let codes = app.acme.stripe.all("promotion_code").into_iter();
    let codes = codes.filter(|code| code["active"] == true && code["code"] != "SARAH20");
    codes
        .map(|code| (text(&code["code"]), text(&code["promotion"]["coupon"])))
        .collect()
}

fn on(code: &str, coupon: &str) -> Vec<(String, String)> {
    vec![(code.to_owned(), coupon.to_owned())]
}

async fn refused(app: &TestApp, input: Value, code: &str, field: &str) {
    let (before, writes) = (app.everything().await, app.writes());
    let mistakes = app.max().mistakes("setCampaignCode", "campaign", input.clone()).await;
    assert_eq!(mistakes, [mistake(code, field)], "{input}");
    assert_eq!((app.everything().await, app.writes()), (before, writes), "{input}");
}

both! {
    async fn a_shared_code_is_made_here_and_at_stripe_and_all_see_it(app: &TestApp) {
        let limited = CouponSpec::default().with("maxRedemptionsPerCode", 50);
        let stage = app.stage_with(CampaignSpec::default(), limited).await;
        let none = json!({ "id": stage.campaign, "campaignCode": null, "campaignCodeRedemptionCount": 0, "campaignCodeSync": null });
        assert_eq!(look_as(&app.ana(), &stage).await, none);
        let made = set(app, &stage, &stage.coupon, " spring ").await;
        let promotion_code = &app.acme.stripe.promotion_codes("SPRING")[0];
        let there = json!({
            "id": stage.campaign, "campaignCode": "SPRING", "campaignCodeRedemptionCount": 0,
            "campaignCodeSync": { "status": "SYNCED", "stripeId": promotion_code["id"], "lastError": null },
        });
        assert_eq!(made, there);
        let call = app.standin.calls().pop().unwrap();
        let row = promotion_code["metadata"]["rekomi_affiliate_coupon_id"].as_str().unwrap();
        assert!(row.starts_with("cod_"));
        assert_eq!(call.params, json!({
            "code": "SPRING", "promotion": { "type": "coupon", "coupon": stage.coupon }, "max_redemptions": "50",
            "metadata": { "rekomi_affiliate_coupon_id": row, "rekomi_brand_id": app.acme.id.to_string() },
        }));
        for caller in [app.ana(), app.affiliate(&stage.bob)] {
            assert_eq!(look_as(&caller, &stage).await, there);
        }
        // The campaign is of both modes, its code is of one.
        let test = app.caller(app.token(Role::Analyst, None, Some(Mode::Test)));
        assert_eq!(look_as(&test, &stage).await, none);
        // The same again is nothing.
        let (before, writes) = (app.everything().await, app.writes());
        assert_eq!(set(app, &stage, &stage.coupon, "Spring").await, there);
        assert_eq!((app.everything().await, app.writes()), (before, writes));
    }

    async fn a_sale_with_it_alone_is_nobodys_and_its_use_is_counted(app: &TestApp) {
        let stage = app.stage().await;
        set(app, &stage, &stage.coupon, "SPRING").await;
        let count = async || look_as(&app.ana(), &stage).await["campaignCodeRedemptionCount"].clone();
        let mut alone = app.sale().promo(app.promo("SPRING")).build();
        let beside = app.sale().promo(app.promo("SPRING")).promo(app.promo("SARAH20")).build();
        alone.sync(&app.acme.stripe);
        app.deliver(&alone.start(Shape::Endive)).await;
        assert_eq!((count().await, app.told().await), (json!(1), vec![]));
        beside.sync(&app.acme.stripe);
        app.deliver(&beside.start(Shape::Endive)).await;
        assert_eq!(count().await, 2);
        assert_eq!(app.told().await.len(), 1);
        let conversion = &app.ana().conversions().await[0];
        assert_eq!((&conversion["couponCode"], &conversion["affiliate"]["name"]), (&json!("SARAH20"), &json!("Sarah Jones")));
        assert_eq!(app.ana().redemption_count(&stage.sarah).await, 1);
        // A new text goes on counting, and so does the old one.
        set(app, &stage, &stage.coupon, "SUMMER").await;
        settled(app, &stage).await;
        let later = app.sale().promo(app.promo("SUMMER")).build();
        later.sync(&app.acme.stripe);
        app.deliver(&later.start(Shape::Endive)).await;
        assert_eq!(count().await, 3);
        let refund = alone.refund(Shape::Endive, None, Paid::First);
        alone.sync(&app.acme.stripe);
        app.deliver(&refund).await;
        assert_eq!((count().await, app.told().await.len()), (json!(2), 1));
    }

    async fn another_text_or_coupon_takes_its_place(app: &TestApp) {
        let stage = app.stage().await;
        let max = app.max();
        let half = max.coupon(&stage.campaign, CouponSpec::default().percent("50")).await;
        set(app, &stage, &stage.coupon, "SPRING").await;
        assert_eq!(set(app, &stage, &stage.coupon, "SUMMER").await["campaignCode"], "SUMMER");
        settled(app, &stage).await;
        assert_eq!(live(app), on("SUMMER", &stage.coupon));
        // It stays the campaign's.
        let mint = json!({ "couponId": stage.coupon, "affiliateId": stage.bob, "code": "spring" });
        assert_eq!(max.mistakes("mintAffiliateCode", "affiliateCode", mint).await, [mistake("TAKEN", "code")]);
        let rename = json!({ "id": stage.code, "code": "spring" });
        assert_eq!(max.mistakes("renameAffiliateCode", "affiliateCode", rename).await, [mistake("TAKEN", "code")]);
        refused(app, shared(&stage, &half, "SUMMER"), "INVALID", "code").await;
        set(app, &stage, &half, "SPRING").await;
        assert_eq!(settled(app, &stage).await["campaignCodeSync"]["status"], "SYNCED");
        assert_eq!(live(app), on("SPRING", &half));
        // The same text on another coupon, once it is removed.
        assert_eq!(remove(app, &stage).await["campaignCode"], Value::Null);
        assert_eq!(remove(app, &stage).await["campaignCode"], Value::Null);
        assert_eq!(live(app), []);
        set(app, &stage, &stage.coupon, "SPRING").await;
        settled(app, &stage).await;
        assert_eq!(live(app), on("SPRING", &stage.coupon));
        max.mutate("deleteCampaignCoupon", "deletedId", json!({ "id": stage.coupon })).await;
        let campaign = settled(app, &stage).await;
        assert_eq!((&campaign["campaignCode"], live(app)), (&Value::Null, vec![]));
    }

    async fn what_a_shared_code_may_not_be_is_refused_on_its_field(app: &TestApp) {
        let stage = app.stage().await;
        let max = app.max();
        let coupon = async |spec: CouponSpec| max.coupon(&stage.campaign, spec).await;
        let exclusive = coupon(CouponSpec::default().with("affiliateId", stage.sarah.as_str())).await;
        let archived = coupon(CouponSpec::default()).await;
        max.make("updateCampaignCoupon", "campaignCoupon", "id", json!({ "id": archived, "archived": true })).await;
        let deleted = coupon(CouponSpec::default()).await;
        max.mutate("deleteCampaignCoupon", "deletedId", json!({ "id": deleted })).await;
        let expired = coupon(CouponSpec::default().with("expiresAt", "2026-11-02T12:00:00Z")).await;
        let campaign = max.campaign(CampaignSpec::default()).await;
        let elsewhere = max.coupon(&campaign, CouponSpec::default()).await;
        app.pass(TimeDelta::days(2));
        for (coupon, code) in [
            (&exclusive, "INVALID"), (&archived, "INVALID"), (&expired, "INVALID"), (&elsewhere, "INVALID"), (&deleted, "NOT_FOUND"),
        ] {
            refused(app, shared(&stage, coupon, "SPRING"), code, "couponId").await;
        }
        refused(app, shared(&stage, "cpn_00000000000070008000000000000000", "SPRING"), "NOT_FOUND", "couponId").await;
        refused(app, shared(&stage, &stage.coupon, "A B"), "INVALID", "code").await;
        refused(app, shared(&stage, &stage.coupon, "sarah20"), "TAKEN", "code").await;
        let unknown = json!({ "campaignId": "cmp_00000000000070008000000000000000", "couponId": stage.coupon, "code": "SPRING" });
        refused(app, unknown, "NOT_FOUND", "campaignId").await;
        let answer = app.affiliate(&stage.sarah).try_mutate("setCampaignCode", "campaign { id }", shared(&stage, &stage.coupon, "SPRING")).await;
        assert_eq!(answer.codes(), ["FORBIDDEN"]);
    }

    async fn what_stripe_refuses_at_once_leaves_it_as_it_was(app: &TestApp) {
        let stage = app.stage().await;
        let half = app.max().coupon(&stage.campaign, CouponSpec::default().percent("50")).await;
        let (campaign_before, ends) = (look_as(&app.ana(), &stage).await, vec![]);
        let mut expected = (campaign_before, ends);
        for round in 0..2 {
            for param in ["code", "promotion[coupon]"] {
                app.standin.fault(Fault::refuse("Not that one.", param).on_path("/v1/promotion_codes"));
                let before = app.state().await;
                let mistakes = app.max().mistakes("setCampaignCode", "campaign", shared(&stage, &half, "SUMMER")).await;
                let field = if param == "code" { "code" } else { "couponId" };
                assert_eq!(mistakes, [mistake("STRIPE_REJECTED", field)]);
                assert_eq!(app.state().await, before);
                assert_eq!((look_as(&app.ana(), &stage).await, live(app)), expected, "{round}");
            }
            set(app, &stage, &stage.coupon, "SPRING").await;
            expected = (settled(app, &stage).await, on("SPRING", &stage.coupon));
        }
    }

    async fn what_stripe_refuses_later_goes_back_to_what_there_was(app: &TestApp) {
        let stage = app.stage().await;
        let half = app.max().coupon(&stage.campaign, CouponSpec::default().percent("50")).await;
        // Stripe takes no underscore.
        let late = async |codes: &[&str]| {
            app.standin.fault(Fault::new(FaultKind::DropBefore).always());
            for code in codes {
                assert_eq!(set(app, &stage, &half, code).await["campaignCode"], *code);
            }
            app.standin.clear_faults();
            let campaign = settled(app, &stage).await;
            (campaign["campaignCode"].clone(), campaign["campaignCodeSync"]["status"].clone())
        };
        assert_eq!(late(&["SPRING_1"]).await, (Value::Null, json!("FAILED")));
        set(app, &stage, &stage.coupon, "SPRING").await;
        settled(app, &stage).await;
        assert_eq!(late(&["SPRING_2", "SPRING_3"]).await, (json!("SPRING"), json!("FAILED")));
        assert_eq!(live(app), on("SPRING", &stage.coupon));
        assert_eq!(late(&["SPRING_4", "SPRING-5"]).await, (json!("SPRING-5"), json!("SYNCED")));
        assert_eq!(live(app), on("SPRING-5", &half));
        remove(app, &stage).await;
        assert_eq!(late(&["SPRING_6"]).await, (Value::Null, json!("FAILED")));
        assert_eq!(live(app), []);
    }

    async fn what_stripe_refuses_later_does_not_go_back_to_a_deleted_coupon(app: &TestApp) {
        let stage = app.stage().await;
        let half = app.max().coupon(&stage.campaign, CouponSpec::default().percent("50")).await;
        set(app, &stage, &stage.coupon, "SPRING").await;
        app.standin.fault(Fault::new(FaultKind::DropBefore).always());
        set(app, &stage, &half, "SPRING_2").await;
        app.max().mutate("deleteCampaignCoupon", "deletedId", json!({ "id": stage.coupon })).await;
        app.standin.clear_faults();
        let campaign = settled(app, &stage).await;
        assert_eq!((&campaign["campaignCode"], live(app)), (&Value::Null, vec![]));
        // The other coupon is there to have one.
        set(app, &stage, &half, "SPRING").await;
        settled(app, &stage).await;
        assert_eq!(live(app), on("SPRING", &half));
    }

    async fn what_was_told_of_another_coupon_goes_when_the_code_returns_from_it(app: &TestApp) {
        let stage = app.stage().await;
        let other = app.max().coupon(&stage.campaign, CouponSpec::default()).await;
        set(app, &stage, &stage.coupon, "SPRING").await;
        app.standin.fault(Fault::new(FaultKind::DropBefore).on_path("/v1/promotion_codes").always());
        set(app, &stage, &other, "AUTUMN").await;
        let gone = app.acme.stripe.delete_coupon(&other, Shape::Endive).unwrap();
        app.deliver(&[gone]).await;
        app.standin.clear_faults();
        let campaign = settled(app, &stage).await;
        assert_eq!((&campaign["campaignCode"], &campaign["campaignCodeSync"]["status"]), (&json!("SPRING"), &json!("FAILED")));
        assert_eq!(live(app), on("SPRING", &stage.coupon));
        let row = campaign_code::Entity::find().one(app.db()).await.unwrap().unwrap();
        assert_eq!((row.coupon_id.to_string(), row.stripe_active, row.stripe_reason), (stage.coupon, None, None));
    }

    async fn of_many_that_are_set_at_once_one_is_left(app: &TestApp) {
        let stage = app.stage().await;
        let max = app.max();
        let sets = (0..10).map(|number| {
            let input = shared(&stage, &stage.coupon, &format!("SPRING-{}", number % 5));
            max.mutate("setCampaignCode", "campaign { campaignCode }", input)
        });
        for payload in futures_util::future::join_all(sets).await {
            assert_eq!(client::mistakes(&payload), []);
        }
        let campaign = settled(app, &stage).await;
        assert_eq!(live(app), on(campaign["campaignCode"].as_str().unwrap(), &stage.coupon));
    }
    async fn the_same_code_again_switches_it_on_where_somebody_switched_it_off_at_stripe(app: &TestApp) {
        let stage = app.stage().await;
        set(app, &stage, &stage.coupon, "SPRING").await;
        let promo = app.promo("SPRING").promotion_code_id;
        let off = async || {
            let event = app.acme.stripe.switch(&promo, false, Shape::Endive).unwrap();
            app.deliver([&event]).await;
        };
        let drift = async || {
            let query = format!("{{ campaign(id: \"{}\") {{ campaignCodeSync {{ status drift }} }} }}", stage.campaign);
            app.ana().query(&query).await["campaign"]["campaignCodeSync"].take()
        };
        off().await;
        assert_eq!(drift().await, json!({ "status": "SYNCED", "drift": crate::drift::OFF_THERE }));
        app.standin.fault(Fault::refuse("No.", "active").on_path("/v1/promotion_codes"));
        let operations = app.state().await.count("stripe_operation");
        let input = shared(&stage, &stage.coupon, "spring");
        let mistakes = app.max().mistakes("setCampaignCode", "campaign", input).await;
        assert_eq!(mistakes, [mistake("STRIPE_REJECTED", "")]);
        assert_eq!(app.state().await.count("stripe_operation"), operations);
        assert_eq!(drift().await["drift"], crate::drift::OFF_THERE);
        set(app, &stage, &stage.coupon, "spring").await;
        assert_eq!(live(app), on("SPRING", &stage.coupon));
        assert_eq!(drift().await, json!({ "status": "SYNCED", "drift": null }));
        assert_eq!(app.acme.stripe.promotion_codes("SPRING").len(), 1);
        // And where Stripe is away it is owed, once.
        off().await;
        app.standin.fault(Fault::new(FaultKind::DropBefore).always());
        for _ in 0..2 {
            set(app, &stage, &stage.coupon, "SPRING").await;
        }
        assert_eq!(app.state().await.count("stripe_operation"), operations + 2);
        app.standin.clear_faults();
        settled(app, &stage).await;
        assert_eq!(live(app), on("SPRING", &stage.coupon));
        let log = app.olivia().query("{ auditLog(filter: { action: \"campaign_code.set\" }) { totalCount } }").await;
        assert_eq!(log["auditLog"]["totalCount"], 4);
    }
}
