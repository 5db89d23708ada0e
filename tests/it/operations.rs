//! Work owed to Stripe, on Stripe's bad days: what is refused, what is retried, and that nothing is made twice.

use chrono::TimeDelta;

use crate::support::{app::NOON, *};

pub const SYNC: &str = "id status stripeSync { status stripeId attempts lastError }";

/// A fault on the making of promotion codes.
pub fn on_codes(kind: FaultKind) -> Fault {
    Fault::new(kind).on_method("POST").on_path("/v1/promotion_codes")
}

/// Mints `SARAH-X`; what the mutation says of it.
async fn mint(app: &TestApp, stage: &Stage) -> Value {
    let input = json!({ "couponId": stage.coupon, "affiliateId": stage.sarah, "code": "SARAH-X" });
    app.max().make("mintAffiliateCode", "affiliateCode", SYNC, input).await
}

pub async fn look(app: &TestApp, code: &Value) -> Value {
    let query = format!("{{ node(id: {}) {{ ... on AffiliateCode {{ {SYNC} }} }} }}", code["id"]);
    app.ana().query(&query).await["node"].take()
}

/// Lets time pass, second by second, until the code stands so with Stripe; in each, what is due is done.
async fn until(app: &TestApp, code: &Value, status: &str) -> Value {
    eventually(status, async || {
        app.pass(TimeDelta::seconds(1));
        app.work_off().await;
        let code = look(app, code).await;
        (code["stripeSync"]["status"] == status).then_some(code)
    })
    .await
}

/// Every promotion code of this text that the stand-in has: one, with our id in it.
fn only_one(app: &TestApp, code: &Value) {
    let made = app.acme.stripe.promotion_codes("SARAH-X");
    assert_eq!(made.len(), 1, "{made:?}");
    assert_eq!(made[0]["metadata"]["rekomi_affiliate_coupon_id"], code["id"]);
}

/// The mutation leaves it pending; once Stripe is itself again, the worker completes it, within a minute of its time.
async fn pending_then_synced(app: &TestApp, kind: FaultKind) {
    let stage = app.stage().await;
    app.standin.fault(on_codes(kind));
    let code = mint(app, &stage).await;
    assert_eq!(
        (&code["status"], &code["stripeSync"]["status"]),
        (&json!("ACTIVE"), &json!("PENDING")),
        "{code}"
    );
    let code = until(app, &code, "SYNCED").await;
    assert!(app.now().timestamp() - NOON <= 60, "within a minute");
    let stripe_id = &app.acme.stripe.promotion_codes("SARAH-X")[0]["id"];
    assert_eq!(
        (&code["stripeSync"]["stripeId"], &code["stripeSync"]["lastError"]),
        (stripe_id, &Value::Null)
    );
    only_one(app, &code);
}

/// The idempotency keys under which promotion codes were asked for, since the stage was set.
fn keys(app: &TestApp) -> Vec<String> {
    let calls = app.standin.calls().into_iter();
    let calls = calls
        .filter(|call| call.method == "POST" && call.path == "/v1/promotion_codes")
        .skip(1);
    calls.map(|call| call.idempotency_key.unwrap()).collect()
}

both! {
    async fn a_refusal_is_a_mistake_and_leaves_neither_code_nor_operation(app: &TestApp) {
        let stage = app.stage().await;
        let before = app.state().await;
        app.standin
            .fault(Fault::refuse("No more codes today.", "code").on_path("/v1/promotion_codes"));
        let input = json!({ "couponId": stage.coupon, "affiliateId": stage.sarah, "code": "SARAH-X" });
        let payload = app
            .max()
            .mutate("mintAffiliateCode", "affiliateCode { id }", input)
            .await;
        assert_eq!(
            payload,
            json!({
                "affiliateCode": null,
                "userErrors": [{ "code": "STRIPE_REJECTED", "field": ["code"], "message": "No more codes today." }],
            })
        );
        assert_eq!(app.state().await, before);
        // The text is free again.
        assert_eq!(mint(app, &stage).await["stripeSync"]["status"], "SYNCED");
    }

    async fn a_refused_coupon_leaves_nothing(app: &TestApp) {
        let stage = app.stage().await;
        let before = app.state().await;
        app.standin
            .fault(Fault::refuse("Not that percentage.", "percent_off").on_path("/v1/coupons"));
        let input = CouponSpec::default().with("campaignId", stage.campaign).input;
        let mistakes = app
            .max()
            .mistakes("createCampaignCoupon", "campaignCoupon", input)
            .await;
        assert_eq!(mistakes, [mistake("STRIPE_REJECTED", "discount.percentOff")]);
        assert_eq!(app.state().await, before);
    }

    async fn a_connection_that_is_cut_before_the_work_is_retried(app: &TestApp) {
        pending_then_synced(app, FaultKind::DropBefore).await;
        let keys = keys(app);
        assert!(keys.len() == 2 && keys[0] == keys[1], "under the same key: {keys:?}");
    }

    async fn a_failure_on_stripes_side_is_retried(app: &TestApp) {
        pending_then_synced(app, FaultKind::ServerError).await;
    }

    async fn a_limited_rate_is_retried(app: &TestApp) {
        pending_then_synced(app, FaultKind::RateLimited).await;
    }

    async fn a_connection_that_is_cut_after_the_work_makes_no_second_code(app: &TestApp) {
        pending_then_synced(app, FaultKind::DropAfter).await;
        let last = app.standin.calls().pop().unwrap();
        assert!(last.replayed, "Stripe gave the kept answer: {last:?}");
    }

    async fn a_stored_failure_that_stripe_replays_is_got_round_under_a_new_key(app: &TestApp) {
        pending_then_synced(app, FaultKind::SavedServerError).await;
        let keys = keys(app);
        assert_eq!(
            (keys.len(), keys[0] == keys[1], keys[1] == keys[2]),
            (3, true, false),
            "{keys:?}"
        );
        let looked = app
            .standin
            .calls()
            .iter()
            .any(|call| call.method == "GET" && call.params["code"] == "SARAH-X");
        assert!(looked, "it was looked up before it was made anew");
    }

    async fn a_code_made_behind_a_stored_failure_is_found_and_not_made_again(app: &TestApp) {
        let stage = app.stage().await;
        app.standin.fault(on_codes(FaultKind::DropAfter));
        app.standin.fault(on_codes(FaultKind::ServerError).times(2));
        let code = mint(app, &stage).await;
        assert_eq!(code["stripeSync"]["status"], "PENDING");
        until(app, &code, "SYNCED").await;
        only_one(app, &code);
    }

    async fn a_mutation_waits_three_seconds_at_most_and_the_worker_goes_on(app: &TestApp) {
        let stage = app.stage().await;
        app.standin.fault(on_codes(FaultKind::Hang));
        let start = tokio::time::Instant::now();
        let code = mint(app, &stage).await;
        let took = start.elapsed().as_secs_f64();
        assert!((2.9..6.0).contains(&took), "{took} s");
        assert_eq!(code["stripeSync"]["status"], "PENDING");
        // The worker alone, with nobody's help but that time passes.
        eventually("SYNCED", async || {
            app.pass(TimeDelta::milliseconds(100));
            (look(app, &code).await["stripeSync"]["status"] == "SYNCED").then_some(())
        })
        .await;
        only_one(app, &code);
    }

    async fn what_is_owed_during_an_outage_is_done_in_order_when_it_ends(app: &TestApp) {
        let stage = app.stage().await;
        app.standin.fault(Fault::new(FaultKind::DropBefore).always());
        let max = app.max();
        let coupon = max
            .coupon(&stage.campaign, CouponSpec::default().with("name", "First"))
            .await;
        max.make(
            "updateCampaignCoupon",
            "campaignCoupon",
            "id",
            json!({ "id": coupon, "name": "Second" }),
        )
        .await;
        let made = max.mint(&coupon, &stage.sarah, "SARAH-X").await;
        max.make("deactivateAffiliateCode", "affiliateCode", "id", json!({ "id": made }))
            .await;
        let code = json!({ "id": made });
        assert_eq!(look(app, &code).await["stripeSync"]["status"], "PENDING");
        app.pass(TimeDelta::minutes(10));
        app.standin.clear_faults();
        let restored = app.now();
        let code = until(app, &code, "SYNCED").await;
        eventually("the promotion code is off", async || {
            app.pass(TimeDelta::seconds(1));
            app.work_off().await;
            let codes = app.acme.stripe.promotion_codes("SARAH-X");
            (codes.len() == 1 && codes[0]["active"] == false).then_some(())
        })
        .await;
        assert!(app.now() - restored <= TimeDelta::seconds(60), "within a minute");
        assert_eq!(code["status"], "INACTIVE");
        assert_eq!(app.acme.stripe.get("coupon", &coupon).unwrap()["name"], "Second");
        only_one(app, &code);
    }

    async fn a_refusal_that_comes_later_leaves_the_code_off_and_says_why(app: &TestApp) {
        let stage = app.stage().await;
        app.standin.fault(on_codes(FaultKind::DropBefore));
        app.standin
            .fault(Fault::refuse("Now it is too late.", "code").on_path("/v1/promotion_codes"));
        let code = mint(app, &stage).await;
        assert_eq!(code["stripeSync"]["status"], "PENDING");
        let code = until(app, &code, "FAILED").await;
        assert_eq!(
            code,
            json!({
                "id": code["id"], "status": "INACTIVE",
                "stripeSync": { "status": "FAILED", "stripeId": null, "attempts": 2, "lastError": "Now it is too late." },
            })
        );
        assert_eq!(app.acme.stripe.promotion_codes("SARAH-X"), [Value::Null; 0]);
    }

    async fn a_code_that_stripe_refused_later_is_made_anew_when_it_is_switched_on(app: &TestApp) {
        let stage = app.stage().await;
        app.standin.fault(on_codes(FaultKind::DropBefore));
        app.standin
            .fault(Fault::refuse("Now it is too late.", "code").on_path("/v1/promotion_codes"));
        let code = mint(app, &stage).await;
        until(app, &code, "FAILED").await;
        let on = app
            .max()
            .make(
                "reactivateAffiliateCode",
                "affiliateCode",
                SYNC,
                json!({ "id": code["id"] }),
            )
            .await;
        assert_eq!(
            (&on["status"], &on["stripeSync"]["status"]),
            (&json!("ACTIVE"), &json!("SYNCED"))
        );
        assert_eq!(
            on["stripeSync"]["stripeId"],
            app.acme.stripe.promotion_codes("SARAH-X")[0]["id"]
        );
        only_one(app, &code);
    }

    async fn a_key_that_stripe_has_forgotten_makes_no_second_code(app: &TestApp) {
        let stage = app.stage().await;
        app.standin.fault(on_codes(FaultKind::DropAfter));
        app.standin.fault(Fault::new(FaultKind::DropBefore).always());
        let code = mint(app, &stage).await;
        // A day of outage: Stripe keeps keys for 24 hours.
        app.pass(TimeDelta::hours(25));
        app.standin.clear_faults();
        until(app, &code, "SYNCED").await;
        only_one(app, &code);
    }

    async fn deleting_never_waits_for_stripe_and_is_made_good_later(app: &TestApp) {
        let stage = app.stage().await;
        app.standin
            .fault(Fault::new(FaultKind::ServerError).on_method("DELETE").times(2));
        let payload = app
            .max()
            .mutate("deleteCampaignCoupon", "deletedId", json!({ "id": stage.coupon }))
            .await;
        assert_eq!(payload["deletedId"], stage.coupon);
        eventually("the coupon is gone at Stripe", async || {
            app.pass(TimeDelta::seconds(1));
            app.acme.stripe.get("coupon", &stage.coupon).is_none().then_some(())
        })
        .await;
        assert_eq!(app.acme.stripe.promotion_codes("SARAH20")[0]["active"], false);
    }
}
