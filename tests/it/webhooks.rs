//! The way in: what is stored, what is refused, and what each is answered.

use chrono::{DateTime, Utc};
use entity::stripe_event::{self, EventStatus};
use rekomi::standin::sign;
use sea_orm::{EntityTrait, QueryOrder};

use crate::support::*;

const MIB: usize = 1 << 20;

/// The inbox, in order of arrival.
async fn inbox(app: &TestApp) -> Vec<stripe_event::Model> {
    stripe_event::Entity::find()
        .order_by_asc(stripe_event::Column::Id)
        .all(app.db())
        .await
        .unwrap()
}

fn event(id: &str, kind: &str, object: Value) -> Value {
    json!({ "id": id, "object": "event", "type": kind, "livemode": true, "created": 1_793_534_400, "data": { "object": object } })
}

fn other(id: &str) -> Value {
    event(id, "customer.created", json!({ "id": "cus_1" }))
}

/// Signs with Acme's secret, at a moment.
fn signed(app: &TestApp, body: &[u8], at: DateTime<Utc>) -> String {
    sign(body, &app.acme.webhook_secret, at.timestamp())
}

async fn post(app: &TestApp, body: impl Into<Vec<u8>>) -> u16 {
    let body = body.into();
    let signature = signed(app, &body, app.now());
    app.instance.post_signed(&app.acme.webhook(), body, &signature).await
}

both! {
    async fn a_signed_body_that_is_no_event_is_400_and_nothing_is_stored(app: &TestApp) {
        for body in [
            "",
            "not json",
            "[]",
            "{}",
            r#"{"type":"invoice.paid"}"#,
            r#"{"id":7}"#,
            r#"{"id":""}"#,
            "\u{0}",
        ] {
            assert_eq!(post(app, body).await, 400, "{body}");
        }
        assert_eq!(post(app, [0xFF, 0xFE]).await, 400);
        let deep = format!(r#"{{"id":"evt_deep","data":{}{}}}"#, "[".repeat(1000), "]".repeat(1000));
        assert_eq!(post(app, deep).await, 400);
        for value in ["1e400", r#""\ud800""#, "NaN", "01"] {
            let body = format!(r#"{{"id":"evt_odd","data":{value}}}"#);
            assert_eq!(post(app, body).await, 400, "{value}");
        }
        assert_eq!(app.count::<stripe_event::Entity>().await, 0);
    }

    async fn a_mebibyte_is_accepted_and_a_byte_more_is_413(app: &TestApp) {
        let mut body = other("evt_1").to_string();
        body.push_str(&" ".repeat(MIB - body.len()));
        assert_eq!(post(app, body.clone()).await, 200);
        body = body.replace("evt_1", "evt_2") + " ";
        assert_eq!(post(app, body).await, 413);
        let stored = inbox(app).await;
        assert_eq!(
            stored.iter().map(|row| row.stripe_id.as_str()).collect::<Vec<_>>(),
            ["evt_1"]
        );
        assert_eq!(stored[0].body.len(), MIB);
    }

    async fn an_event_told_again_is_200_and_stored_once(app: &TestApp) {
        app.stage().await;
        let sale = app.sale().promo(app.promo("SARAH20")).build();
        sale.sync(&app.acme.stripe);
        let event = sale.invoice_paid(Shape::Endive);
        app.deliver([&event, &event]).await;
        app.deliver([&event]).await;
        assert_eq!(app.count::<stripe_event::Entity>().await, 1);
        assert_eq!(
            app.told().await,
            ["ACQUISITION PENDING sarah SARAH20 4000 USD, commission 800"]
        );
    }

    async fn a_repeat_among_new_events_does_not_keep_them_out(app: &TestApp) {
        let known = other("evt_known");
        app.deliver([&known]).await;
        let events: Vec<Value> = (0..40)
            .map(|number| {
                if number % 4 == 0 {
                    known.clone()
                } else {
                    other(&format!("evt_{number}"))
                }
            })
            .collect();
        let posts = events.iter().map(|event| app.instance.post(&app.acme, event));
        let statuses = futures_util::future::join_all(posts).await;
        assert_eq!(statuses, [200; 40]);
        assert_eq!(app.count::<stripe_event::Entity>().await, 31);
    }

    async fn the_same_id_at_another_brand_is_another_event(app: &TestApp) {
        app.deliver([&other("evt_1")]).await;
        app.deliver_to(&app.globex, [&other("evt_1")]).await;
        assert_eq!(app.count::<stripe_event::Entity>().await, 2);
    }

    async fn an_event_that_cannot_be_understood_is_200_and_set_aside_with_the_reason(app: &TestApp) {
        let cases = [
            (
                "invoice.paid",
                json!({ "id": "in_1", "status": "paid" }),
                "the invoice in_1 has no total",
            ),
            ("invoice.paid", json!({ "object": "invoice" }), "the invoice has no id"),
            // More than clients can hold, more than 64 bits hold, and a currency that there is not.
            (
                "invoice.paid",
                json!({ "id": "in_2", "status": "paid", "created": 1, "total": 9_007_199_254_740_992_i64 }),
                "the invoice in_2 has no total",
            ),
            (
                "invoice.paid",
                json!({ "id": "in_3", "status": "paid", "created": 1, "total": 1, "amount_paid": 18_446_744_073_709_551_615_u64 }),
                "the invoice in_3 has no amount_paid",
            ),
            (
                "invoice.paid",
                json!({ "id": "in_4", "status": "paid", "created": 1, "total": 1, "amount_paid": 1, "currency": "zzz" }),
                "the invoice in_4 has no known currency",
            ),
            (
                "invoice.paid",
                json!({ "id": "in_5", "status": "paid", "created": 999_999_999_999_i64, "total": 1, "amount_paid": 1, "currency": "usd" }),
                "the invoice in_5 has no time",
            ),
            ("charge.refunded", json!("ch_1"), "the charge has no id"),
            (
                "customer.subscription.created",
                Value::Null,
                "the subscription has no id",
            ),
        ];
        for (number, (kind, object, _)) in cases.iter().enumerate() {
            app.deliver([&event(&format!("evt_{number}"), kind, object.clone())])
                .await;
        }
        for (row, (kind, _, why)) in inbox(app).await.iter().zip(cases) {
            assert_eq!(
                (row.kind.as_str(), row.status, row.last_error.as_deref()),
                (kind, EventStatus::Parked, Some(why))
            );
        }
    }

    async fn one_event_that_cannot_be_understood_does_not_hold_up_the_rest(app: &TestApp) {
        app.stage().await;
        let sale = app.sale().promo(app.promo("SARAH20")).build();
        sale.sync(&app.acme.stripe);
        let broken = event(
            "evt_broken",
            "invoice.paid",
            json!({ "id": "in_broken", "status": "paid", "total": "much" }),
        );
        let posts = [broken, sale.invoice_paid(Shape::Acacia)];
        app.deliver(&posts).await;
        assert_eq!(app.told().await.len(), 1);
        assert_eq!(inbox(app).await[0].status, EventStatus::Parked);
    }

    async fn unknown_types_are_stored_and_ignored(app: &TestApp) {
        for (number, kind) in ["customer.created", "a.type.of.tomorrow", ""].into_iter().enumerate() {
            app.deliver([&event(&format!("evt_{number}"), kind, json!({}))]).await;
        }
        app.deliver([&json!({ "id": "evt_bare" })]).await;
        let stored = inbox(app).await;
        assert_eq!(stored.len(), 4);
        assert!(
            stored.iter().all(|row| row.status == EventStatus::Ignored),
            "{stored:?}"
        );
    }

    async fn an_escaped_null_character_in_a_body_is_kept_and_spoils_nothing(app: &TestApp) {
        app.stage().await;
        let sale = app.sale().promo(app.promo("SARAH20")).build();
        sale.sync(&app.acme.stripe);
        let mut event = sale.invoice_paid(Shape::Acacia);
        event["data"]["object"]["customer_name"] = json!("A\u{0}B");
        event["data"]["object"]["customer_email"] = json!("a\u{0}@b.example");
        let body = event.to_string();
        assert!(body.contains(r"\u0000"));
        app.deliver([&event]).await;
        assert_eq!(
            app.told().await,
            ["ACQUISITION PENDING sarah SARAH20 4000 USD, commission 800"]
        );
        assert_eq!(inbox(app).await[0].body, body.as_bytes());
    }

    async fn a_thin_event_is_fetched_where_there_is_a_key(app: &TestApp) {
        app.stage().await;
        let sale = app.sale().promo(app.promo("SARAH20")).build();
        sale.sync(&app.acme.stripe);
        let thin = |id: &str, kind: &str, related: &str| {
            json!({
                "id": id, "object": "v2.core.event", "type": kind, "livemode": true, "created": "2026-11-01T12:00:00.000Z",
                "related_object": { "id": related, "type": "invoice", "url": format!("/v1/invoices/{related}") },
            })
        };
        app.deliver([&thin(
            "evt_thin",
            "v1.invoice.paid",
            sale.bills[0].invoice.as_deref().unwrap(),
        )])
        .await;
        app.deliver([&thin("evt_other", "v1.promotion_code.fully_redeemed", "promo_1")])
            .await;
        assert_eq!(
            app.told().await,
            ["ACQUISITION PENDING sarah SARAH20 4000 USD, commission 800"]
        );
        let stored = inbox(app).await;
        assert_eq!(
            stored.iter().map(|row| row.status).collect::<Vec<_>>(),
            [EventStatus::Processed, EventStatus::Ignored]
        );
    }

    async fn other_methods_are_refused(app: &TestApp) {
        let url = format!("{}{}", app.instance.base, app.acme.webhook());
        assert_eq!(crate::support::app::http().get(url).send().await.unwrap().status(), 405);
    }
}
