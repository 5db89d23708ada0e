//! What is found at Stripe when an answer was lost: whether it is ours, and whether it is what was to be made.

use chrono::TimeDelta;
use sea_orm::{ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter};

use crate::{
    operations::{SYNC, look, on_codes},
    support::*,
};

/// Mints `SARAH-X`, whose making Stripe does and does not answer; then the key is too old to tell.
async fn lost(app: &TestApp, stage: &Stage) -> Value {
    app.standin.fault(on_codes(FaultKind::DropAfter));
    let input = json!({ "couponId": stage.coupon, "affiliateId": stage.sarah, "code": "SARAH-X" });
    let code = app.max().make("mintAffiliateCode", "affiliateCode", SYNC, input).await;
    assert_eq!(code["stripeSync"]["status"], "PENDING");
    app.pass(TimeDelta::hours(24));
    code
}

async fn stands(app: &TestApp, code: &Value, status: &str) -> Value {
    eventually(status, async || {
        app.work_off().await;
        let code = look(app, code).await;
        let stands = code["stripeSync"]["status"] == status;
        if !stands {
            app.pass(TimeDelta::seconds(1));
        }
        stands.then_some(code)
    })
    .await
}

/// A promotion code that is at Stripe already.
fn other(app: &TestApp, stage: &Stage, number: usize, active: bool, of: &Value) {
    app.acme.stripe.put(json!({
        "id": format!("promo_other_{number}"), "object": "promotion_code", "code": "SARAH-X", "active": active,
        "customer": format!("cus_{number}"), "promotion": { "type": "coupon", "coupon": stage.coupon }, "created": number,
        "metadata": { "rekomi_affiliate_coupon_id": of }, "times_redeemed": 0, "max_redemptions": null,
        "expires_at": null, "livemode": true,
        "restrictions": { "first_time_transaction": false, "minimum_amount": null, "minimum_amount_currency": null },
    }));
}

fn created(app: &TestApp) -> usize {
    let calls = app.standin.calls().into_iter();
    calls
        .filter(|call| call.method == "POST" && call.path == "/v1/promotion_codes")
        .count()
}

both! {
    async fn a_code_among_hundreds_of_the_same_text_is_found(app: &TestApp) {
        let stage = app.stage().await;
        let code = lost(app, &stage).await;
        let ours = app.acme.stripe.promotion_codes("SARAH-X")[0]["id"].clone();
        for number in 0..250 {
            other(app, &stage, number, number % 2 == 0, &json!("somebody else's"));
        }
        let made = created(app);
        let code = stands(app, &code, "SYNCED").await;
        assert_eq!(code["stripeSync"]["stripeId"], ours);
        assert_eq!(created(app), made);
    }

    async fn a_code_that_was_switched_off_before_it_was_found_is_not_made_again(app: &TestApp) {
        let stage = app.stage().await;
        let code = lost(app, &stage).await;
        let mut ours = app.acme.stripe.promotion_codes("SARAH-X").remove(0);
        ours["active"] = json!(false);
        app.acme.stripe.put(ours.clone());
        let made = created(app);
        let code = stands(app, &code, "SYNCED").await;
        assert_eq!(code["stripeSync"]["stripeId"], ours["id"]);
        assert_eq!(created(app), made);
        let rows = entity::code::Entity::find().filter(entity::code::Column::Code.eq("SARAH-X"));
        let row = rows.one(app.db()).await.unwrap().unwrap();
        assert_eq!(row.stripe_active, Some(false), "and it is known that it is off");
    }

    async fn a_promotion_code_that_the_code_had_before_is_not_taken_for_the_new_one(app: &TestApp) {
        let stage = app.stage().await;
        let code = lost(app, &stage).await;
        // What it was called once, and is off since; the one that was just made is gone without a trace.
        let mut ours = app.acme.stripe.promotion_codes("SARAH-X").remove(0);
        let id = ours["id"].as_str().unwrap().to_owned();
        ours["active"] = json!(false);
        app.acme.stripe.put(ours);
        let row = entity::promotion_code::Model {
            brand_id: app.acme.id,
            livemode: true,
            stripe_id: id.clone(),
            code: "SARAH-X".to_owned(),
            code_id: code["id"].as_str().unwrap().parse().unwrap(),
            created_at: app.now(),
        };
        let txn = app.instance.app.db.begin().await.unwrap();
        entity::promotion_code::Entity::insert(row.into_active_model()).exec_without_returning(&txn).await.unwrap();
        txn.commit().await.unwrap();
        let code = stands(app, &code, "SYNCED").await;
        assert_ne!(code["stripeSync"]["stripeId"], id);
        let codes = app.acme.stripe.promotion_codes("SARAH-X");
        assert_eq!((codes.len(), &codes[1]["active"]), (2, &json!(true)));
    }

    async fn a_coupon_of_our_id_with_another_discount_is_not_ours(app: &TestApp) {
        let stage = app.stage().await;
        app.standin.fault(Fault::new(FaultKind::DropAfter).on_path("/v1/coupons"));
        let input = CouponSpec::default().with("campaignId", stage.campaign.as_str()).input;
        let fields = "id stripeSync { status }";
        let coupon = app.max().make("createCampaignCoupon", "campaignCoupon", fields, input).await;
        let mut theirs = app.acme.stripe.get("coupon", coupon["id"].as_str().unwrap()).unwrap();
        theirs["percent_off"] = json!(50);
        app.acme.stripe.put(theirs);
        app.pass(TimeDelta::hours(24));
        app.work_off().await;
        let query = format!("{{ node(id: {}) {{ ... on CampaignCoupon {{ stripeSync {{ status lastError }} }} }} }}", coupon["id"]);
        assert_eq!(
            app.ana().query(&query).await["node"]["stripeSync"],
            json!({ "status": "FAILED", "lastError": "Stripe has another coupon under this id, with another discount." })
        );
    }

    async fn a_refusal_after_a_lost_answer_is_held_against_what_is_there(app: &TestApp) {
        let stage = app.stage().await;
        app.standin.fault(on_codes(FaultKind::DropAfter));
        app.standin.fault(Fault::refuse("This coupon is expired.", "promotion[coupon]").on_path("/v1/promotion_codes"));
        let input = json!({ "couponId": stage.coupon, "affiliateId": stage.sarah, "code": "SARAH-X" });
        let code = app.max().make("mintAffiliateCode", "affiliateCode", SYNC, input).await;
        app.standin.fault(Fault::refuse("This coupon is expired.", "promotion[coupon]").on_method("POST"));
        let code = stands(app, &code, "SYNCED").await;
        assert_eq!(code["status"], "ACTIVE");
        let codes = app.acme.stripe.promotion_codes("SARAH-X");
        assert_eq!((codes.len(), &codes[0]["active"]), (1, &json!(true)));
    }

    async fn a_key_that_is_no_good_is_waited_for_whichever_try_it_is(app: &TestApp) {
        let stage = app.stage().await;
        app.standin.fault(on_codes(FaultKind::Hang));
        let input = json!({ "couponId": stage.coupon, "affiliateId": stage.sarah, "code": "SARAH-X" });
        let code = app.max().make("mintAffiliateCode", "affiliateCode", SYNC, input).await;
        app.standin.clear_faults();
        app.standin.fault(Fault::new(FaultKind::Revoked).always());
        eventually("the reason is shown", async || {
            app.pass(TimeDelta::seconds(5));
            app.work_off().await;
            let sync = look(app, &code).await["stripeSync"].take();
            assert_eq!(sync["status"], "PENDING");
            (sync["lastError"] == "Stripe does not accept the brand's key. The brand needs a good one.").then_some(())
        })
        .await;
        app.standin.clear_faults();
        let code = stands(app, &code, "SYNCED").await;
        assert_eq!(code["status"], "ACTIVE");
        assert_eq!(app.acme.stripe.promotion_codes("SARAH-X").len(), 1);
    }

    async fn what_goes_is_tried_until_the_key_is_good_again(app: &TestApp) {
        let stage = app.stage().await;
        let other = app.max().coupon(&stage.campaign, CouponSpec::default()).await;
        let mode = FaultKind::Fail(Failure {
            status: 404,
            message: "No such promotion code; a similar object exists in test mode.".to_owned(),
            ..Failure::default()
        });
        for fault in [FaultKind::Revoked, FaultKind::Forbidden, mode] {
            app.standin.fault(Fault::new(fault.clone()).always());
            let code = json!({ "id": stage.code });
            let off = app.max().make("deactivateAffiliateCode", "affiliateCode", SYNC, code.clone()).await;
            assert_eq!((&off["status"], &off["stripeSync"]["status"]), (&json!("INACTIVE"), &json!("PENDING")), "{fault:?}");
            assert_eq!(app.acme.stripe.promotion_codes("SARAH20")[0]["active"], true);
            app.standin.clear_faults();
            stands(app, &off, "SYNCED").await;
            assert_eq!(app.acme.stripe.promotion_codes("SARAH20")[0]["active"], false);
            app.max().make("reactivateAffiliateCode", "affiliateCode", "id", code).await;
        }
        app.standin.fault(Fault::new(FaultKind::Revoked).always());
        app.max().mutate("deleteCampaignCoupon", "deletedId", json!({ "id": other })).await;
        assert!(app.acme.stripe.get("coupon", &other).is_some());
        app.standin.clear_faults();
        eventually("the coupon is gone at Stripe", async || {
            app.pass(TimeDelta::seconds(1));
            app.work_off().await;
            app.acme.stripe.get("coupon", &other).is_none().then_some(())
        })
        .await;
    }

    async fn a_return_that_is_refused_later_leaves_the_code_off(app: &TestApp) {
        let stage = app.stage().await;
        let code = json!({ "id": stage.code });
        app.max().make("deactivateAffiliateCode", "affiliateCode", "id", code.clone()).await;
        app.standin.fault(on_codes(FaultKind::DropBefore));
        app.standin.fault(Fault::refuse("It is fully redeemed.", "active").on_path("/v1/promotion_codes"));
        let on = app.max().make("reactivateAffiliateCode", "affiliateCode", SYNC, code).await;
        assert_eq!((&on["status"], &on["stripeSync"]["status"]), (&json!("ACTIVE"), &json!("PENDING")));
        let off = stands(app, &on, "FAILED").await;
        assert_eq!((&off["status"], &off["stripeSync"]["lastError"]), (&json!("INACTIVE"), &json!("It is fully redeemed.")));
        assert_eq!(app.acme.stripe.promotion_codes("SARAH20")[0]["active"], false);
    }
}
