//! What Stripe says of another try: `Stripe-Should-Retry`, `Retry-After`, and which answers say nothing.

use chrono::TimeDelta;
use entity::stripe_operation::{self, OperationStatus};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};

use crate::{
    operations::{SYNC, look, on_codes},
    support::*,
};

/// The making of promotion codes fails once.
fn fails(status: u16, should_retry: Option<bool>, retry_after: Option<&'static str>) -> Fault {
    on_codes(FaultKind::Fail(Failure {
        status,
        message: "Not now.".to_owned(),
        should_retry,
        retry_after,
        ..Failure::default()
    }))
}

/// Mints a code, which Stripe does not take at once.
async fn mint(app: &TestApp, stage: &Stage, text: &str) -> Value {
    let input = json!({ "couponId": stage.coupon, "affiliateId": stage.sarah, "code": text });
    let code = app.max().make("mintAffiliateCode", "affiliateCode", SYNC, input).await;
    assert_eq!(code["stripeSync"]["status"], "PENDING", "{code}");
    code
}

/// Lets time pass until Stripe has it, once.
async fn synced(app: &TestApp, code: &Value, text: &str) {
    let start = app.now();
    eventually("SYNCED", async || {
        app.pass(TimeDelta::seconds(1));
        app.work_off().await;
        (look(app, code).await["stripeSync"]["status"] == "SYNCED").then_some(())
    })
    .await;
    assert!(app.now() - start <= TimeDelta::seconds(60), "within a minute");
    let made = app.acme.stripe.promotion_codes(text);
    assert_eq!(made.len(), 1, "{made:?}");
}

/// The idempotency keys under which a code was asked for, and how often it was looked for.
fn asked(app: &TestApp, text: &str) -> (Vec<String>, usize) {
    let calls: Vec<_> = app
        .standin
        .calls()
        .into_iter()
        .filter(|call| call.params["code"] == text)
        .collect();
    let looks = calls.iter().filter(|call| call.method == "GET").count();
    (
        calls.into_iter().filter_map(|call| call.idempotency_key).collect(),
        looks,
    )
}

/// After a failure the next try is so many seconds away, less what many would be spread over.
async fn waits(app: &TestApp, fault: Fault, seconds: f64) {
    let stage = app.stage().await;
    app.standin.fault(fault);
    mint(app, &stage, "SARAH-X").await;
    let owed = stripe_operation::Entity::find().filter(stripe_operation::Column::Status.eq(OperationStatus::Pending));
    let owed = owed.one(app.db()).await.unwrap().unwrap();
    let wait = (owed.next_attempt_at - app.now()).as_seconds_f64();
    assert!(wait <= seconds && wait >= seconds * 0.75, "{wait}");
    assert_eq!((owed.attempts, owed.last_error.as_deref()), (1, Some("Not now.")));
}

both! {
    async fn told_not_to_ask_again_it_looks_and_goes_on_under_a_new_key(app: &TestApp) {
        let stage = app.stage().await;
        for status in [500, 503, 409, 429] {
            let text = format!("CODE-{status}");
            app.standin.fault(fails(status, Some(false), None));
            let code = mint(app, &stage, &text).await;
            synced(app, &code, &text).await;
            let (keys, looks) = asked(app, &text);
            assert!(keys.len() == 2 && keys[0] != keys[1], "{status}: {keys:?}");
            assert_eq!(looks, 1, "{status}");
        }
    }

    async fn told_not_to_ask_again_it_finds_what_was_made(app: &TestApp) {
        let stage = app.stage().await;
        app.standin.fault(on_codes(FaultKind::DropAfter));
        app.standin.fault(fails(500, Some(false), None));
        let code = mint(app, &stage, "SARAH-X").await;
        synced(app, &code, "SARAH-X").await;
        let (keys, looks) = asked(app, "SARAH-X");
        assert_eq!((keys.len(), looks), (2, 1));
    }

    async fn told_to_ask_again_it_does_so_under_the_same_key_even_after_a_refusal(app: &TestApp) {
        let stage = app.stage().await;
        for status in [400, 404, 500] {
            let text = format!("CODE-{status}");
            app.standin.fault(fails(status, Some(true), None).times(3));
            let code = mint(app, &stage, &text).await;
            synced(app, &code, &text).await;
            let (mut keys, looks) = asked(app, &text);
            assert_eq!((keys.len(), looks), (4, 0), "{status}");
            keys.dedup();
            assert_eq!(keys.len(), 1, "{status}");
        }
    }

    async fn nothing_is_asked_before_stripe_wants_to_be_asked(app: &TestApp) {
        waits(app, fails(503, None, Some("120")), 120.0).await;
        // Nor for anything else of that key's: it is not even sent.
        let sent = app.standin.calls().len();
        let input = CouponSpec::default().with("campaignId", app.max().campaign(CampaignSpec::default()).await).input;
        let fields = "stripeSync { status attempts }";
        let coupon = app.max().make("createCampaignCoupon", "campaignCoupon", fields, input).await;
        assert_eq!(coupon["stripeSync"], json!({ "status": "PENDING", "attempts": 0 }));
        app.pass(TimeDelta::seconds(60));
        app.work_off().await;
        assert_eq!(app.standin.calls().len(), sent);
        // Another brand is not concerned.
        let campaign = app.globex_owner().campaign(CampaignSpec::default()).await;
        let input = CouponSpec::default().with("campaignId", campaign).input;
        let coupon = app.globex_owner().make("createCampaignCoupon", "campaignCoupon", fields, input).await;
        assert_eq!(coupon["stripeSync"]["status"], "SYNCED");
    }

    async fn a_wait_of_a_day_is_cut_to_five_minutes(app: &TestApp) {
        waits(app, fails(503, None, Some("86400")), 300.0).await;
    }

    async fn a_limited_rate_is_waited_for_as_long_as_stripe_says(app: &TestApp) {
        waits(app, fails(429, Some(true), Some("40")), 40.0).await;
    }

    // A moment is held against the answer's own clock, which is the real one: it is long gone.
    async fn a_moment_that_has_passed_is_no_wait(app: &TestApp) {
        waits(app, fails(503, None, Some("Sun, 01 Nov 2015 12:00:00 GMT")), 1.0).await;
    }
}
