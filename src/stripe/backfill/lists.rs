//! The lists that Stripe is asked for, and how what is in them goes into the inbox.
//!
//! An event is stored as Stripe gives it. An object has no event any more, so one is written for it, marked as ours: its
//! id has the object's content in it, so that the same content is stored once, and changed content again.

use chrono::{DateTime, TimeDelta, Utc};
use miniserde::json::{Number, Object, Value, to_string};
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::super::{
    drift,
    facts::{BACKFILL, KINDS},
    inbox::Envelope,
    signature::TOLERANCE,
};

/// How far back Stripe lists events (<https://docs.stripe.com/api/events/list>).
pub(super) const EVENTS_REACH: TimeDelta = TimeDelta::days(30);
/// How many types of events can be asked for at once.
const MAX_TYPES: usize = 20;
const PAGE: u8 = 100;

/// A list of Stripe's.
#[derive(Clone, Copy, Debug)]
pub(super) struct List {
    pub name: &'static str,
    /// Below `/v1`.
    pub path: &'static str,
    status: Option<&'static str>,
    /// The types of events.
    types: &'static [&'static str],
    /// At most four levels, `data` counted.
    expand: &'static [&'static str],
    /// The type of the event that tells of such an object.
    kind: &'static str,
}

const EVENTS: List = List {
    name: "events",
    path: "events",
    status: None,
    types: &[],
    expand: &[],
    kind: "",
};

/// What became of coupons and codes.
const COUPON_EVENTS: List = List {
    name: "coupon_events",
    types: drift::KINDS,
    ..EVENTS
};

/// Whatever tells of sales, with all that would have to be fetched otherwise.
const OBJECTS: [List; 6] = [
    List {
        name: "invoices",
        path: "invoices",
        status: Some("paid"),
        expand: &[
            "data.discounts",
            "data.total_discount_amounts.discount",
            "data.lines.data.discounts",
            "data.payments",
        ],
        kind: "invoice.paid",
        ..EVENTS
    },
    List {
        name: "subscriptions",
        path: "subscriptions",
        status: Some("all"),
        expand: &["data.discounts", "data.items.data.discounts"],
        kind: "customer.subscription.created",
        ..EVENTS
    },
    List {
        name: "checkout/sessions",
        path: "checkout/sessions",
        status: Some("complete"),
        expand: &["data.total_details.breakdown"],
        kind: "checkout.session.completed",
        ..EVENTS
    },
    List {
        name: "refunds",
        path: "refunds",
        kind: "refund.created",
        ..EVENTS
    },
    List {
        name: "disputes",
        path: "disputes",
        kind: "charge.dispute.updated",
        ..EVENTS
    },
    List {
        name: "credit_notes",
        path: "credit_notes",
        kind: "credit_note.created",
        ..EVENTS
    },
];

/// The lists that tell everything since a moment: of events about sales and, where that is further back than Stripe lists them, of
/// the objects that they told of.
pub(super) fn reaching(since: DateTime<Utc>, now: DateTime<Utc>) -> Vec<List> {
    let events = KINDS.chunks(MAX_TYPES).map(|types| List { types, ..EVENTS });
    let objects = OBJECTS.into_iter().filter(|_| now - since > EVENTS_REACH);
    events.chain(objects).chain([COUPON_EVENTS]).collect()
}

/// A list's parameters.
#[derive(Serialize)]
pub(super) struct Query<'a> {
    created: Created,
    limit: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'static str>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    types: &'static [&'static str],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    expand: &'static [&'static str],
    #[serde(skip_serializing_if = "Option::is_none")]
    starting_after: Option<&'a str>,
}

#[derive(Serialize)]
struct Created {
    gte: i64,
}

/// What cannot be stored, as it cannot be told from others.
#[derive(Debug, thiserror::Error)]
#[error("Stripe lists something without an id")]
pub(super) struct Nameless;

impl List {
    /// The page after the object `starting_after`; Stripe gives the newest first.
    pub fn page<'a>(&self, since: DateTime<Utc>, starting_after: Option<&'a str>) -> Query<'a> {
        Query {
            created: Created { gte: since.timestamp() },
            limit: PAGE,
            status: self.status,
            types: self.types,
            expand: self.expand,
            starting_after,
        }
    }

    /// What goes into the inbox for one of its objects.
    pub fn event(&self, object: Value, livemode: bool, now: DateTime<Utc>) -> Result<(Envelope, Vec<u8>), Nameless> {
        let event = match self.kind {
            "" => object,
            kind => written(kind, object, livemode, now)?,
        };
        let body = to_string(&event).into_bytes();
        let envelope = Envelope::read(&body, now).ok_or(Nameless)?;
        Ok((envelope, body))
    }
}

/// The event that tells of an object. A dispute is as it is now, and what is told last of it counts: it is given the
/// earliest time that Stripe's clock may show, so that nothing that happens later is taken for older. What happened since
/// then comes as an event of its own.
fn written(kind: &str, object: Value, livemode: bool, now: DateTime<Utc>) -> Result<Value, Nameless> {
    let id = id(&object).ok_or(Nameless)?;
    let digest = hex::encode(Sha256::digest(to_string(&object)));
    let created = match field(&object, "created") {
        Some(Value::Number(created)) if !kind.starts_with("charge.dispute.") => created.clone(),
        _ => Number::I64(now.timestamp() - i64::from(TOLERANCE)),
    };
    let text = |text: &str| Value::String(text.to_owned());
    let fields = [
        ("id", text(&format!("backfill_{id}_{}", &digest[..12]))),
        ("object", text(BACKFILL)),
        ("type", text(kind)),
        ("created", Value::Number(created)),
        ("livemode", Value::Bool(livemode)),
        ("data", tree([("object", object)])),
    ];
    Ok(tree(fields))
}

fn tree<const N: usize>(fields: [(&str, Value); N]) -> Value {
    let fields = fields.into_iter().map(|(name, value)| (name.to_owned(), value));
    Value::Object(fields.collect::<Object>())
}

fn field<'a>(object: &'a Value, name: &str) -> Option<&'a Value> {
    match object {
        Value::Object(fields) => fields.get(name),
        _ => None,
    }
}

pub(super) fn id(object: &Value) -> Option<&str> {
    match field(object, "id") {
        Some(Value::String(id)) => Some(id),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_objects_event_keeps_whole_numbers_and_is_named_by_its_content() {
        let now = DateTime::UNIX_EPOCH + TimeDelta::days(20_000);
        let event = |text: &str, list: &List| {
            let object = miniserde::json::from_str(text).unwrap();
            let (envelope, body) = list.event(object, true, now).unwrap();
            (envelope, String::from_utf8(body).unwrap())
        };
        let told = r#"{"amount":9007199254740993,"created":1700000000,"id":"re_1","rate":0.5}"#;
        let (envelope, body) = event(told, &OBJECTS[3]);
        assert_eq!((envelope.created.timestamp(), envelope.livemode), (1_700_000_000, true));
        assert!(body.contains(told), "{body}");
        assert_eq!(envelope.id.len(), "backfill_re_1_".len() + 12);
        assert_eq!(event(told, &OBJECTS[3]).0, envelope);
        let other = event(&told.replace("0.5", "0.6"), &OBJECTS[3]).0;
        assert_ne!(other.id, envelope.id);
        let dispute = event(r#"{"created":1700000000,"id":"du_1"}"#, &OBJECTS[4]).0;
        assert_eq!(dispute.created, now - TimeDelta::minutes(5));
    }

    #[test]
    fn objects_are_listed_only_where_events_do_not_reach() {
        let now = DateTime::UNIX_EPOCH + TimeDelta::days(20_000);
        let names = |days| reaching(now - TimeDelta::days(days), now).len();
        assert_eq!((names(30), names(31)), (2, 8));
    }
}
