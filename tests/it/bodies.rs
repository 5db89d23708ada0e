//! The reader of bodies never falls over, whatever stands in them.
//!
//! Fuzz targets: `cargo test` runs each for a second, `BOLERO_RANDOM_TEST_TIME_MS=60000 cargo test --test it bodies` for a
//! minute, and `cargo bolero test --test it bodies::bent_events` guided by coverage.

use std::{collections::BTreeSet, sync::LazyLock};

use bolero::{TypeGenerator, generator::produce};
use chrono::{DateTime, TimeDelta};
use rekomi::{
    clock::Clock,
    standin::{CreditTo, DisputeStep, Paid, Promo, SaleBuilder, Shape},
    stripe::{
        facts::{BACKFILL, Facts, KINDS, Reading, Request, needs, read_event, read_object},
        inbox::Envelope,
        projection::{Evidence, project},
    },
};

use crate::support::{Value, app::NOON, evidence::of_codes, json};

/// Every kind of event in every shape.
static EVENTS: LazyLock<Vec<Value>> = LazyLock::new(|| {
    let mut events: Vec<Value> = Shape::ALL.into_iter().flat_map(events).collect();
    let mut found = events[0].clone();
    found["object"] = json!(BACKFILL);
    events.push(found);
    events.push(json!({
        "id": "evt_thin", "object": "v2.core.event", "type": "v1.invoice.paid", "created": "2026-11-01T12:00:00.000Z",
        "livemode": true, "related_object": { "id": "in_1", "type": "invoice", "url": "/v1/invoices/in_1" },
    }));
    events
});

fn events(shape: Shape) -> Vec<Value> {
    let clock = Clock::manual(DateTime::UNIX_EPOCH + TimeDelta::seconds(NOON));
    let promo = |id: &str| Promo::percent(format!("promo_{id}"), id, "co_1", 2000);
    let mut sale = SaleBuilder::new(&clock)
        .promo(promo("SARAH20"))
        .promo(promo("BOB20"))
        .tax(300)
        .build();
    let mut events = sale.start(shape);
    events.extend(sale.refund(shape, Some(900), Paid::First));
    events.extend(sale.refund_fails(shape, Paid::First));
    events.extend(sale.credit(shape, 100, CreditTo::Refund, Paid::First));
    events.push(sale.dispute(shape, DisputeStep::FundsWithdrawn, Paid::First));
    let one_off = SaleBuilder::new(&clock)
        .promo(promo("SARAH20"))
        .tax(300)
        .with_invoice()
        .build_one_off();
    events.extend(one_off.sold(shape));
    events.push(one_off.payment_succeeded(shape, NOON));
    events
}

/// What may stand where something else is expected.
const ODD: [&str; 16] = [
    "null",
    "true",
    "-1",
    "0",
    "9007199254740993",
    "9223372036854775807",
    "-9223372036854775808",
    "18446744073709551616",
    "1e300",
    "0.1",
    r#""""#,
    r#""\u0000""#,
    r#""in_1""#,
    r#"["a", null, {}, [[]]]"#,
    r#"{"id": 7, "object": "invoice", "data": [{}]}"#,
    r#"{"id": "x\ty", "data": {"object": {}}, "currency": "zzz"}"#,
];

/// A change of one place of a body. Places are counted through all of it.
#[derive(Clone, Copy, Debug, TypeGenerator)]
enum Change {
    Odd(u16, u8),
    Remove(u16),
    /// A list that says the same many times.
    Repeat(u16, u8),
    /// What stands in one place stands in another, too.
    Copy(u16, u16),
}

/// The places of a value.
fn places(value: &Value, at: &str, found: &mut Vec<String>) {
    found.push(at.to_owned());
    match value {
        Value::Object(map) => map
            .iter()
            .for_each(|(key, value)| places(value, &format!("{at}/{key}"), found)),
        Value::Array(list) => {
            list.iter()
                .enumerate()
                .for_each(|(place, value)| places(value, &format!("{at}/{place}"), found));
        }
        _ => {}
    }
}

fn place(value: &mut Value, number: u16) -> Option<&mut Value> {
    let mut found = Vec::new();
    places(value, "", &mut found);
    let pointer = &found[usize::from(number) % found.len()];
    value.pointer_mut(pointer)
}

fn change(event: &mut Value, change: Change) {
    match change {
        Change::Odd(number, odd) => {
            let odd = serde_json::from_str(ODD[usize::from(odd) % ODD.len()]).unwrap();
            place(event, number).into_iter().for_each(|it| *it = Value::clone(&odd));
        }
        Change::Remove(number) => place(event, number).into_iter().for_each(|it| match it {
            Value::Object(map) => map.clear(),
            Value::Array(list) => list.clear(),
            other => *other = Value::Null,
        }),
        Change::Repeat(number, times) => {
            if let Some(it) = place(event, number) {
                *it = Value::Array(vec![it.clone(); usize::from(times % 8)]);
            }
        }
        Change::Copy(from, to) => {
            let copied = place(event, from).cloned();
            if let (Some(it), Some(copied)) = (place(event, to), copied) {
                *it = copied;
            }
        }
    }
}

/// What the inbox does with a body, up to the figures, without a database.
fn read(body: &[u8]) {
    let now = DateTime::UNIX_EPOCH + TimeDelta::seconds(NOON);
    let Some(envelope) = Envelope::read(body, now) else {
        return;
    };
    assert!(!envelope.id.is_empty() && !envelope.id.chars().any(char::is_control));
    let event: Value = serde_json::from_slice(body).unwrap();
    if let Ok(Reading::Facts(facts)) = read_event(&event) {
        hold(&facts);
    }
    for kind in KINDS {
        let mut other = event.clone();
        if other.is_object() {
            other["type"] = json!(kind);
        }
        if let Ok(Reading::Facts(facts)) = read_event(&other) {
            hold(&facts);
        }
    }
    for request in [Request::InvoicePayments("pi_1".into()), Request::Refunds("ch_1".into())] {
        let list = json!({ "data": [event["data"]["object"]] });
        if let Ok(facts) = read_object(&request, &list) {
            hold(&facts);
        }
    }
}

/// Facts can be stored, merged, looked through and projected.
fn hold(facts: &Facts) {
    let stored = serde_json::to_string(facts).unwrap();
    assert_eq!(&serde_json::from_str::<Facts>(&stored).unwrap(), facts);
    assert!(!stored.contains(r"\u0000"), "PostgreSQL keeps no null character");
    let mut twice = facts.clone();
    twice.merge(facts.clone());
    assert_eq!(&twice, facts, "merging is idempotent");
    needs(facts, facts, |_| false);
    let projection = project(facts, &evidence(facts));
    for it in projection.conversions {
        assert!((0..=it.amount).contains(&it.refunded_amount), "{it:?}");
        assert!((0..=it.earned).contains(&it.clawed_back), "{it:?}");
    }
}

/// Every code is one of ours.
fn evidence(facts: &Facts) -> Evidence {
    let [(_, code), _] = super::facts::codes();
    let ids = facts.promotion_code_ids().into_iter();
    of_codes(ids.map(|id| (id.to_owned(), code.clone())))
}

#[test]
fn any_bytes() {
    bolero::check!().for_each(read);
}

fn seed(number: u8) -> Value {
    EVENTS[usize::from(number) % EVENTS.len()].clone()
}

#[test]
fn bent_events() {
    let changes = produce::<Vec<Change>>().with().len(0..4usize);
    let input = (produce::<u8>(), changes);
    bolero::check!().with_generator(input).for_each(|(number, changes)| {
        let mut event = seed(*number);
        changes.iter().for_each(|it| change(&mut event, *it));
        read(&serde_json::to_vec(&event).unwrap());
    });
}

#[test]
fn broken_bodies() {
    let bytes = produce::<Vec<(u16, u8)>>().with().len(0..3usize);
    let input = (produce::<u8>(), bytes, produce::<Option<u16>>());
    bolero::check!().with_generator(input).for_each(|(number, bytes, cut)| {
        let mut body = serde_json::to_vec(&seed(*number)).unwrap();
        for (at, byte) in bytes {
            let at = usize::from(*at) % body.len();
            body[at] = *byte;
        }
        body.truncate(cut.map_or(usize::MAX, usize::from));
        read(&body);
    });
}

#[test]
fn the_seeds_are_of_every_kind_and_all_are_read() {
    let kinds: BTreeSet<&str> = EVENTS.iter().filter_map(|event| event["type"].as_str()).collect();
    for prefix in [
        "invoice.",
        "invoice_payment.",
        "customer.",
        "checkout.",
        "charge.",
        "refund.",
        "credit_note.",
        "v1.",
    ] {
        assert!(kinds.iter().any(|kind| kind.starts_with(prefix)), "{prefix}");
    }
    for event in EVENTS.iter() {
        read_event(event).unwrap();
        read(&serde_json::to_vec(event).unwrap());
    }
}

#[test]
fn sums_of_the_largest_amounts_do_not_overflow() {
    let largest = 9_007_199_254_740_991_i64;
    let parts = vec![json!({ "amount": largest, "discount": "di_1" }); 3000];
    let invoice = json!({
        "id": "in_1", "status": "paid", "created": 1, "currency": "usd", "amount_paid": largest, "total": largest,
        "total_tax_amounts": parts, "lines": { "data": [{ "discount_amounts": parts }] },
    });
    read(
        &serde_json::to_vec(&json!({ "id": "evt_1", "type": "invoice.paid", "data": { "object": invoice } })).unwrap(),
    );
}
