//! What becomes of our coupons and codes at Stripe is recorded and shown, and not fought.

use chrono::TimeDelta;
use entity::{
    brand,
    stripe_event::{self, EventStatus},
    stripe_object,
};
use rekomi::{
    domain::feed::FeedName,
    stripe::drift::{
        record::{Recorded, Span, record_in_txn},
        told::{self, Told},
    },
};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, Set};

use crate::support::*;

const CODE: &str = "status inactiveReason stripeSync { status drift }";

pub async fn code(app: &TestApp, id: &str) -> Value {
    let query = format!("{{ node(id: \"{id}\") {{ ... on AffiliateCode {{ {CODE} }} }} }}");
    app.ana().query(&query).await["node"].take()
}

async fn coupon_drift(app: &TestApp, id: &str) -> Value {
    let query = format!("{{ node(id: \"{id}\") {{ ... on CampaignCoupon {{ stripeSync {{ drift }} }} }} }}");
    app.ana().query(&query).await["node"]["stripeSync"]["drift"].take()
}

pub fn standing(status: &str, reason: Option<&str>, drift: Option<&str>) -> Value {
    json!({ "status": status, "inactiveReason": reason, "stripeSync": { "status": "SYNCED", "drift": drift } })
}

pub fn promo_id(app: &TestApp) -> String {
    app.promo("SARAH20").promotion_code_id
}

/// How an event left the inbox.
async fn outcome(app: &TestApp, event: &Value) -> (EventStatus, Option<String>) {
    let row = stripe_event::Entity::find().filter(stripe_event::Column::StripeId.eq(event["id"].as_str().unwrap()));
    let row = row.one(app.db()).await.unwrap().unwrap();
    (row.status, row.last_error)
}

/// How often Stripe was asked about codes and coupons.
pub fn looks(app: &TestApp) -> usize {
    let calls = app.standin.calls();
    calls.iter().filter(|call| call.method == "GET").count()
}

/// Acme loses its key.
async fn without_key(app: &TestApp) {
    let change = brand::ActiveModel {
        stripe_secret_key: Set(None),
        ..Default::default()
    };
    let txn = app.instance.app.db.begin().await.unwrap();
    let update = brand::Entity::update_many()
        .set(change)
        .filter(brand::Column::Id.eq(app.acme.id));
    update.exec(&txn).await.unwrap();
    txn.commit().await.unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
}

pub const OFF_THERE: &str = "It is on here, and switched off at Stripe.";
const ON_THERE: &str = "It is off here, and switched on at Stripe.";

both! {
    async fn a_code_switched_off_in_stripes_dashboard_is_inactive_and_active_when_it_is_on_again(app: &TestApp) {
        let stage = app.stage().await;
        for shape in Shape::ALL {
            let off = app.acme.stripe.switch(&promo_id(app), false, shape).unwrap();
            app.deliver([&off]).await;
            assert_eq!(
                code(app, &stage.code).await,
                standing("INACTIVE", Some("DEACTIVATED_AT_STRIPE"), Some(OFF_THERE))
            );
            let on = app.acme.stripe.switch(&promo_id(app), true, shape).unwrap();
            app.deliver([&on]).await;
            assert_eq!(code(app, &stage.code).await, standing("ACTIVE", None, None));
        }
        assert_eq!((looks(app), app.count::<stripe_object::Entity>().await), (8, 8));
        assert_eq!(app.parked().await, [""; 0]);
    }

    async fn what_our_own_operations_did_is_no_drift_and_asks_nothing(app: &TestApp) {
        let stage = app.stage().await;
        let told = async || {
            let event = app.acme.stripe.promotion_code_updated(&promo_id(app), Shape::Endive).unwrap();
            app.deliver([&event]).await;
            assert_eq!(outcome(app, &event).await, (EventStatus::Processed, None));
        };
        told().await;
        assert_eq!(code(app, &stage.code).await, standing("ACTIVE", None, None));
        let input = json!({ "id": stage.code });
        app.max().make("deactivateAffiliateCode", "affiliateCode", "id", input.clone()).await;
        told().await;
        assert_eq!(code(app, &stage.code).await, standing("INACTIVE", Some("DEACTIVATED"), None));
        app.max().make("reactivateAffiliateCode", "affiliateCode", "id", input).await;
        told().await;
        assert_eq!(code(app, &stage.code).await, standing("ACTIVE", None, None));
        assert_eq!(looks(app), 0);
    }

    async fn events_in_any_order_come_to_what_stripe_has_now(app: &TestApp) {
        let stage = app.stage().await;
        for (order, last) in [([2, 0, 1], false), ([1, 2, 0], true), ([1, 0, 2], false), ([0, 2, 1], true)] {
            let events = [last, !last, last].map(|active| {
                app.pass(TimeDelta::seconds(1));
                app.acme.stripe.switch(&promo_id(app), active, Shape::Endive).unwrap()
            });
            app.deliver(order.map(|n| &events[n])).await;
            let status = if last { "ACTIVE" } else { "INACTIVE" };
            assert_eq!(code(app, &stage.code).await["status"], status, "{order:?}");
        }
    }

    async fn without_a_key_the_later_event_counts(app: &TestApp) {
        let stage = app.stage().await;
        app.pass(TimeDelta::seconds(1));
        let off = app.acme.stripe.switch(&promo_id(app), false, Shape::Endive).unwrap();
        app.pass(TimeDelta::seconds(1));
        let on = app.acme.stripe.switch(&promo_id(app), true, Shape::Acacia).unwrap();
        without_key(app).await;
        app.deliver([&on]).await;
        assert_eq!(code(app, &stage.code).await, standing("ACTIVE", None, None));
        app.deliver([&off]).await;
        assert_eq!(code(app, &stage.code).await, standing("ACTIVE", None, None));
        app.pass(TimeDelta::seconds(1));
        let off = app.acme.stripe.switch(&promo_id(app), false, Shape::Acacia).unwrap();
        app.deliver([&off]).await;
        assert_eq!(code(app, &stage.code).await["inactiveReason"], "DEACTIVATED_AT_STRIPE");
        assert_eq!(looks(app), 0);
    }

    async fn thin_events_are_looked_up_and_need_a_key(app: &TestApp) {
        let stage = app.stage().await;
        let off = app.acme.stripe.switch(&promo_id(app), false, Shape::Endive).unwrap();
        let thin = |number: usize, id: &str| json!({
            "id": format!("evt_thin_{number}"), "object": "v2.core.event", "type": "v1.promotion_code.updated",
            "livemode": true, "created": "2026-11-01T12:00:00Z", "related_object": { "id": id, "type": "promotion_code" },
        });
        let (ours, foreign) = (thin(1, off["data"]["object"]["id"].as_str().unwrap()), thin(2, "promo_other"));
        app.deliver([&ours, &foreign]).await;
        assert_eq!(code(app, &stage.code).await["inactiveReason"], "DEACTIVATED_AT_STRIPE");
        assert_eq!(outcome(app, &foreign).await.0, EventStatus::Ignored);
        assert_eq!(looks(app), 1);
        without_key(app).await;
        let late = thin(3, &promo_id(app));
        app.deliver([&late]).await;
        assert_eq!(
            outcome(app, &late).await,
            (EventStatus::Ignored, Some("a thin event, and the brand has no Stripe key to look it up with".to_owned()))
        );
    }

    async fn what_is_not_ours_is_ignored_with_the_reason(app: &TestApp) {
        app.stage().await;
        let stripe = &app.acme.stripe;
        let coupon = stripe.make_coupon("id=theirs&percent_off=10&duration=once", Shape::Endive).unwrap();
        let form = "promotion[type]=coupon&promotion[coupon]=theirs&code=THEIRS";
        let made = stripe.make_code(form, Shape::Endive).unwrap();
        let before = app.state().await.count("campaign_coupon");
        app.deliver([&coupon, &made]).await;
        for event in [coupon, made] {
            let why = Some("Rekomi has no such coupon or code".to_owned());
            assert_eq!(outcome(app, &event).await, (EventStatus::Ignored, why));
        }
        assert_eq!(app.state().await.count("campaign_coupon"), before);
        assert_eq!(looks(app), 0);
    }

    async fn another_brands_event_says_nothing_of_our_code(app: &TestApp) {
        let stage = app.stage().await;
        let off = app.acme.stripe.switch(&promo_id(app), false, Shape::Endive).unwrap();
        app.deliver_to(&app.globex, [&off]).await;
        assert_eq!(code(app, &stage.code).await, standing("ACTIVE", None, None));
        assert_eq!(outcome(app, &off).await.0, EventStatus::Ignored);
    }

    async fn a_coupon_renamed_at_stripe_shows_it_until_it_is_named_here(app: &TestApp) {
        let stage = app.stage().await;
        let renamed = app.acme.stripe.rename_coupon(&stage.coupon, "Sale", Shape::Endive).unwrap();
        app.deliver([&renamed]).await;
        assert_eq!(coupon_drift(app, &stage.coupon).await, "Stripe calls it \"Sale\".");
        let input = json!({ "id": stage.coupon, "name": "Launch" });
        let fields = "name stripeSync { status drift }";
        let named = app.max().make("updateCampaignCoupon", "campaignCoupon", fields, input).await;
        assert_eq!(named, json!({ "name": "Launch", "stripeSync": { "status": "SYNCED", "drift": null } }));
        assert_eq!(app.acme.stripe.get("coupon", &stage.coupon).unwrap()["name"], "Launch");
    }

    async fn a_coupon_deleted_at_stripe_ends_its_codes_and_takes_no_more(app: &TestApp) {
        let stage = app.stage().await;
        let promo = app.promo("SARAH20");
        let deleted = app.acme.stripe.delete_coupon(&stage.coupon, Shape::Endive).unwrap();
        app.deliver([&deleted]).await;
        assert_eq!(coupon_drift(app, &stage.coupon).await, "It was deleted at Stripe.");
        let ended = standing("INACTIVE", Some("COUPON_DELETED_AT_STRIPE"), Some("Its coupon was deleted at Stripe."));
        assert_eq!(code(app, &stage.code).await, ended);
        let late = app.acme.stripe.promotion_code_updated(&promo_id(app), Shape::Endive).unwrap();
        app.deliver([&late]).await;
        assert_eq!(code(app, &stage.code).await, ended);
        let before = app.state().await;
        let mint = json!({ "couponId": stage.coupon, "affiliateId": stage.bob, "code": "BOB20" });
        assert_eq!(
            app.max().mistakes("mintAffiliateCode", "affiliateCode", mint).await,
            [mistake("INVALID", "couponId")]
        );
        let input = json!({ "id": stage.code });
        assert_eq!(
            app.max().mistakes("reactivateAffiliateCode", "affiliateCode", input).await,
            [mistake("INVALID", "id")]
        );
        assert_eq!(app.state().await, before);
        let sale = app.sale().promo(promo).build();
        sale.sync(&app.acme.stripe);
        app.deliver(&sale.start(Shape::Endive)).await;
        assert_eq!(app.told().await, ["ACQUISITION PENDING sarah SARAH20 4000 USD, commission 800"]);
    }

    async fn a_code_that_is_used_up_is_inactive_and_no_drift(app: &TestApp) {
        let once = CouponSpec::default().with("maxRedemptionsPerCode", 1);
        let stage = app.stage_with(CampaignSpec::default(), once).await;
        app.acme.stripe.redeem(&promo_id(app));
        let off = app.acme.stripe.switch(&promo_id(app), false, Shape::Endive).unwrap();
        app.deliver([&off]).await;
        assert_eq!(code(app, &stage.code).await, standing("INACTIVE", Some("FULLY_REDEEMED"), None));
    }

    async fn a_code_that_differs_at_stripe_is_switched_there(app: &TestApp) {
        let stage = app.stage().await;
        let input = json!({ "id": stage.code });
        let active = || app.acme.stripe.get("promotion_code", &promo_id(app)).unwrap()["active"].clone();
        let off = app.acme.stripe.switch(&promo_id(app), false, Shape::Endive).unwrap();
        app.deliver([&off]).await;
        // Stripe refuses once: nothing is changed here.
        let before = code(app, &stage.code).await;
        app.standin.fault(Fault::refuse("Not today.", "active").on_path("/v1/promotion_codes"));
        assert_eq!(
            app.max().mistakes("reactivateAffiliateCode", "affiliateCode", input.clone()).await,
            [mistake("STRIPE_REJECTED", "id")]
        );
        assert_eq!(code(app, &stage.code).await, before);
        let on = app.max().make("reactivateAffiliateCode", "affiliateCode", CODE, input.clone()).await;
        assert_eq!((on, active()), (standing("ACTIVE", None, None), json!(true)));
        app.max().make("deactivateAffiliateCode", "affiliateCode", "id", input.clone()).await;
        let on = app.acme.stripe.switch(&promo_id(app), true, Shape::Endive).unwrap();
        app.deliver([&on]).await;
        assert_eq!(code(app, &stage.code).await, standing("INACTIVE", Some("DEACTIVATED"), Some(ON_THERE)));
        let off = app.max().make("deactivateAffiliateCode", "affiliateCode", CODE, input).await;
        assert_eq!((off, active()), (standing("INACTIVE", Some("DEACTIVATED"), None), json!(false)));
        let log = app.olivia().query("{ auditLog(filter: { action: \"code.reactivated\" }) { nodes { changes { field after } } } }").await;
        assert_eq!(log["auditLog"]["nodes"][0]["changes"], json!([{ "field": "activeAtStripe", "after": "true" }]));
    }

    async fn what_is_still_owed_is_no_drift(app: &TestApp) {
        let stage = app.stage().await;
        app.standin.fault(Fault::new(FaultKind::ServerError).on_method("POST").on_path("/v1/promotion_codes").always());
        app.max().make("deactivateAffiliateCode", "affiliateCode", "id", json!({ "id": stage.code })).await;
        let owed = code(app, &stage.code).await;
        assert_eq!(owed["stripeSync"], json!({ "status": "PENDING", "drift": null }), "{owed}");
        app.standin.clear_faults();
    }

    async fn what_was_looked_up_before_something_newer_was_recorded_does_not_count(app: &TestApp) {
        app.stage().await;
        let feed = FeedName { brand: app.acme.id, livemode: true };
        let minutes = |began, ended| Span {
            began: app.now() + TimeDelta::minutes(began),
            ended: app.now() + TimeDelta::minutes(ended),
        };
        let record = async |active: bool, span: Span| {
            let object = json!({ "id": promo_id(app), "active": active });
            let told = Told::Code(told::code(&object, 0).unwrap());
            let txn = app.instance.app.db.begin().await.unwrap();
            let recorded = record_in_txn(&txn, feed, &told, span).await.unwrap();
            txn.commit().await.unwrap();
            recorded
        };
        let cases = [
            (false, minutes(1, 4), Recorded::Done),
            (true, minutes(2, 3), Recorded::Overtaken),
            (true, minutes(3, 6), Recorded::Overtaken),
            (true, minutes(4, 6), Recorded::Done),
            (false, minutes(5, 5), Recorded::Overtaken),
            (false, minutes(7, 7), Recorded::Done),
        ];
        for (active, span, recorded) in cases {
            assert_eq!(record(active, span).await, recorded, "{span:?}");
        }
    }

    async fn the_last_of_our_own_operations_counts_however_long_the_ones_before_it_took(app: &TestApp) {
        let stage = app.stage().await;
        let fault = || Fault::new(FaultKind::ServerError).on_method("POST").on_path("/v1/promotion_codes").always();
        app.standin.fault(fault());
        for mutation in ["deactivateAffiliateCode", "reactivateAffiliateCode"] {
            app.max().make(mutation, "affiliateCode", "id", json!({ "id": stage.code })).await;
            app.pass(TimeDelta::seconds(1));
        }
        app.standin.clear_faults();
        eventually("both are done", async || {
            app.pass(TimeDelta::seconds(1));
            app.work_off().await;
            (code(app, &stage.code).await["stripeSync"]["status"] == "SYNCED").then_some(())
        })
        .await;
        assert_eq!(code(app, &stage.code).await, standing("ACTIVE", None, None));
        assert_eq!(app.acme.stripe.get("promotion_code", &promo_id(app)).unwrap()["active"], true);
    }

    async fn an_event_waits_for_a_stripe_that_does_not_answer(app: &TestApp) {
        let stage = app.stage().await;
        let off = app.acme.stripe.switch(&promo_id(app), false, Shape::Endive).unwrap();
        app.standin.fault(Fault::new(FaultKind::ServerError).on_method("GET"));
        app.deliver([&off]).await;
        assert_eq!(code(app, &stage.code).await["status"], "INACTIVE");
        assert_eq!((looks(app), app.count::<stripe_object::Entity>().await), (2, 1));
    }

    async fn what_was_missed_is_backfilled(app: &TestApp) {
        let stage = app.stage().await;
        app.acme.stripe.switch(&promo_id(app), false, Shape::Endive).unwrap();
        let mut home = binary::Home::bare();
        home.set("DATABASE_URL", &app.database.url);
        home.set("STRIPE_API_BASE", &app.standin.url());
        home.set("REKOMI_ENCRYPTION_KEY", app::ENCRYPTION_KEY);
        home.ok(&["backfill", "--since", "2026-10-30", "--brand", "acme"]);
        app.settle().await;
        assert_eq!(code(app, &stage.code).await["inactiveReason"], "DEACTIVATED_AT_STRIPE");
    }
}
