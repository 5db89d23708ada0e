//! Reads facts out of Stripe's JSON: tolerant, by shape and never by version string, and only the fields we need.

use std::collections::BTreeSet;

use chrono::DateTime;
use serde_json::Value;

use super::{
    Charge, Discount, Facts, PromotionCode, Refund, Subscription, clicks,
    kinds::{self, Subject},
    needs::Request,
};
use crate::money::{Currency, MAX_MINOR_UNITS};

/// What an event tells.
#[derive(Debug, PartialEq, Eq)]
pub enum Reading {
    /// Facts of a sale.
    Facts(Box<Facts>),
    /// A thin event (<https://docs.stripe.com/event-destinations>): it only says what to look at.
    Lookup(Request),
    /// It tells nothing of a sale, and why.
    Nothing(&'static str),
}

/// The event is of a kind that we read, but it does not say what it should.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unreadable(pub(super) String);

/// The metadata by which a promotion code names our row.
pub const CODE_METADATA: &str = "rekomi_affiliate_coupon_id";

/// The `object` of an envelope that we wrote around something that was found at Stripe, not told by it. It shows the
/// thing as it is now, not as it was when the event of that kind came.
pub const BACKFILL: &str = "rekomi.backfill";

/// Reads a whole event, snapshot or thin.
pub fn read_event(event: &Value) -> Result<Reading, Unreadable> {
    let kind = event["type"].as_str().unwrap_or_default();
    if event["object"] == "v2.core.event" {
        return Ok(read_thin(kind, event));
    }
    let Some(subject) = kinds::subject(kind) else {
        return Ok(Reading::Nothing(kinds::passed_over(kind)));
    };
    let data = &event["data"];
    if kind == "customer.subscription.updated" && !has_started(data) {
        return Ok(Reading::Nothing("it tells nothing of a subscription's start"));
    }
    let seen = Seen {
        kind,
        at: seconds(&event["created"]),
        told: event["object"] != BACKFILL,
    };
    let mut facts = Facts::default();
    facts.read_subject(subject, &data["object"], seen)?;
    Ok(Reading::Facts(Box::new(facts)))
}

/// How an object came to be seen.
#[derive(Clone, Copy)]
struct Seen<'a> {
    /// The event's, or nothing.
    kind: &'a str,
    /// Seconds since 1970.
    at: Option<i64>,
    /// An event showed it, as it was then; else it was found.
    told: bool,
}

/// A subscription that was not paid for at once starts later.
fn has_started(data: &Value) -> bool {
    data["previous_attributes"]["status"] == "incomplete"
}

fn read_thin(kind: &str, event: &Value) -> Reading {
    let subject = kind.strip_prefix("v1.").and_then(kinds::subject);
    match (subject, text(&event["related_object"]["id"])) {
        (Some(subject), Some(id)) if kind != "v1.customer.subscription.updated" => {
            let created = event["created"].as_str().unwrap_or_default();
            let created = DateTime::parse_from_rfc3339(created).map_or(0, |created| created.timestamp());
            Reading::Lookup(subject.look_up(id, created))
        }
        _ => Reading::Nothing("not a kind of thin event that Rekomi reads"),
    }
}

/// Reads what answered a request.
pub fn read_object(request: &Request, answer: &Value) -> Result<Facts, Unreadable> {
    let mut facts = Facts::default();
    let at = match request {
        Request::Dispute(_, at) => Some(*at),
        _ => None,
    };
    let seen = Seen {
        kind: "",
        at,
        told: false,
    };
    match (request, request.subject()) {
        (_, Some(subject)) => facts.read_subject(subject, answer, seen)?,
        (Request::InvoicePayments(payment_intent), _) => {
            facts.looked_up.insert(payment_intent.clone());
            for payment in items(&answer["data"]) {
                facts.read_invoice_payment(payment)?;
            }
        }
        (Request::Refunds(_), _) => {
            for refund in items(&answer["data"]) {
                facts.read_refund(refund)?;
            }
        }
        (Request::PromotionCode(_), _) => facts.read_promotion_code(answer),
        (Request::Customer(id, sale), _) => facts.read_customer(id, sale, answer),
        // A coupon tells nothing of a sale.
        (_, None) => {}
    }
    Ok(facts)
}

impl Facts {
    fn read_subject(&mut self, subject: Subject, object: &Value, seen: Seen<'_>) -> Result<(), Unreadable> {
        match subject {
            Subject::Invoice => self.read_invoice(object),
            Subject::InvoicePayment => self.read_invoice_payment(object),
            Subject::Subscription => self.read_subscription(object, seen.told),
            Subject::Session => self.read_session(object, seen.at.filter(|_| seen.told)),
            Subject::Charge => self.read_charge(object),
            Subject::Refund => self.read_refund(object),
            Subject::Dispute => self.read_dispute(seen.kind, seen.at, object),
            Subject::CreditNote => self.read_credit_note(object),
        }
    }

    /// A discount's id; what an object tells of it is kept.
    pub(super) fn read_discount(&mut self, value: &Value) -> Option<String> {
        if let Some(id) = text(value) {
            return Some(id);
        }
        let promotion_code = id_of(&value["promotion_code"]);
        let id = text(&value["id"]).or(promotion_code.clone())?;
        self.read_promotion_code(&value["promotion_code"]);
        let discount = Discount {
            promotion_code,
            start: seconds(&value["start"]).unwrap_or(0),
        };
        let mut more = Facts::default();
        more.discounts.insert(id.clone(), discount);
        self.merge(more);
        Some(id)
    }

    pub(super) fn read_promotion_code(&mut self, object: &Value) {
        if let (Some(id), Some(code)) = (text(&object["id"]), text(&object["code"])) {
            let row_id = text(&object["metadata"][CODE_METADATA]);
            self.promotion_codes.insert(id, PromotionCode { code, row_id });
        }
    }

    /// `at_start`: the payload is that of the subscription's creation, so its latest invoice is its first.
    fn read_subscription(&mut self, object: &Value, at_start: bool) -> Result<(), Unreadable> {
        let id = required(object, "subscription")?;
        let on_items = items(&object["items"]["data"]).flat_map(|item| items(&item["discounts"]));
        let discounts = std::iter::once(&object["discount"])
            .chain(items(&object["discounts"]))
            .chain(on_items)
            .filter_map(|discount| self.read_discount(discount))
            .collect();
        let (discounts, discounts_later) = if at_start {
            (Some(discounts), BTreeSet::new())
        } else {
            (None, discounts)
        };
        if object["latest_invoice"].is_object() {
            self.read_invoice(&object["latest_invoice"])?;
        }
        let subscription = Subscription {
            created: seconds(&object["created"]),
            currency: subscription_currency(object),
            trialing: object["status"] == "trialing",
            active: object["status"] == "active",
            first_invoice: id_of(&object["latest_invoice"]).filter(|_| at_start),
            discounts,
            discounts_later,
            customer: text(&object["customer"]),
            clicks: clicks::on_subscription(object),
        };
        self.subscriptions.insert(id, subscription);
        Ok(())
    }

    fn read_charge(&mut self, object: &Value) -> Result<(), Unreadable> {
        let id = required(object, "charge")?;
        if object["invoice"].is_object() {
            self.read_invoice(&object["invoice"])?;
        }
        if let Some(invoice) = id_of(&object["invoice"]) {
            self.link(&invoice, &object["payment_intent"], &object["id"]);
        }
        let charge = Charge {
            payment_intent: id_of(&object["payment_intent"]),
            captured: [&object["amount_captured"], &object["amount"]]
                .into_iter()
                .filter_map(minor)
                .find(|amount| *amount > 0),
            amount_refunded: minor(&object["amount_refunded"]).unwrap_or(0).max(0),
            without_invoice: object.get("invoice").is_some_and(Value::is_null),
        };
        self.charges.insert(id, charge);
        for refund in items(&object["refunds"]["data"]) {
            self.read_refund(refund)?;
        }
        Ok(())
    }

    fn read_refund(&mut self, object: &Value) -> Result<(), Unreadable> {
        let id = required(object, "refund")?;
        let refund = Refund {
            charge: id_of(&object["charge"]),
            payment_intent: id_of(&object["payment_intent"]),
            amount: minor(&object["amount"]).unwrap_or(0).max(0),
            failed: matches!(object["status"].as_str(), Some("failed" | "canceled")),
        };
        self.refunds.insert(id, refund);
        Ok(())
    }
}

/// Its own since 2022; before that only its items and its plan had one.
fn subscription_currency(object: &Value) -> Option<Currency> {
    let items = items(&object["items"]["data"]).flat_map(|item| [&item["price"], &item["plan"]]);
    let mut places = std::iter::once(object).chain(items).chain([&object["plan"]]);
    places.find_map(|place| place["currency"].as_str()?.parse().ok())
}

pub(super) fn required(object: &Value, what: &str) -> Result<String, Unreadable> {
    text(&object["id"]).ok_or_else(|| Unreadable(format!("the {what} has no id")))
}

/// The id of something that may be expanded.
pub(super) fn id_of(value: &Value) -> Option<String> {
    text(value).or_else(|| text(&value["id"]))
}

/// An amount that every client can hold. Minor units.
pub(super) fn minor(value: &Value) -> Option<i64> {
    value
        .as_i64()
        .filter(|amount| (-MAX_MINOR_UNITS..=MAX_MINOR_UNITS).contains(amount))
}

/// A moment before the year 10000, which both databases can keep. Seconds since 1970.
pub(in crate::stripe) fn seconds(value: &Value) -> Option<i64> {
    value.as_i64().filter(|at| (0..253_402_300_800).contains(at))
}

/// A string that can be stored: not empty, and without control characters.
pub(in crate::stripe) fn text(value: &Value) -> Option<String> {
    value
        .as_str()
        .filter(|text| !text.is_empty() && !text.chars().any(char::is_control))
        .map(str::to_owned)
}

pub(super) fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}
