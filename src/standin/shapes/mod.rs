//! How each family of API versions tells the facts of a sale. The facts are in `sales`.

mod billing;
mod codes;
mod invoices;
mod money;

use serde_json::{Value, json};

pub(super) use billing::{customer, discount, session, subscription};
pub(super) use codes::{coupon, promotion_code, promotion_code_updated};
pub(super) use invoices::{invoice, invoice_payment};
pub(super) use money::{charge, credit_note, dispute, payment_intent, refund};

use super::{ids, sales::Facts};
use crate::clock::Clock;

const MONTH: i64 = 30 * 86_400;

/// A family of API versions that tell the same facts in the same way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Shape {
    /// Whole discounts on invoice and subscription; `invoice.charge`; refunds inside the charge; no totals without tax.
    V2020_08_27,
    /// As before, with ids of discounts on the subscription and discounts on the session; refunds not in the charge.
    Acacia,
    /// Ids of discounts only; `invoice.parent`; no charge on the invoice and no invoice on the charge.
    Basil,
    /// As basil, with `discount.source` and `promotion_code.promotion`: clover, dahlia and endive.
    Endive,
}

impl Shape {
    pub const ALL: [Self; 4] = [Self::V2020_08_27, Self::Acacia, Self::Basil, Self::Endive];

    /// The version that an event in this shape names.
    pub fn api_version(self) -> &'static str {
        match self {
            Self::V2020_08_27 => "2020-08-27",
            Self::Acacia => "2024-10-28.acacia",
            Self::Basil => "2025-08-27.basil",
            Self::Endive => super::API_VERSION,
        }
    }

    /// Before basil: an invoice names its charge and holds its discount, and a charge names its invoice.
    pub fn is_before_basil(self) -> bool {
        matches!(self, Self::V2020_08_27 | Self::Acacia)
    }

    fn is_2020(self) -> bool {
        self == Self::V2020_08_27
    }

    fn is_endive(self) -> bool {
        self == Self::Endive
    }
}

/// The envelope of an event.
pub(super) fn envelope(clock: &Clock, livemode: bool, shape: Shape, kind: &str, created: i64, object: Value) -> Value {
    json!({
        "id": ids::stripe_id(clock, "evt_1"),
        "object": "event",
        "api_version": shape.api_version(),
        "created": created,
        "data": { "object": object },
        "livemode": livemode,
        "pending_webhooks": 1,
        "request": { "id": null, "idempotency_key": null },
        "type": kind,
    })
}

/// The envelope of an event about a sale.
pub(super) fn event(facts: &Facts, shape: Shape, kind: &str, created: i64, object: Value) -> Value {
    let mut event = envelope(&facts.clock, facts.livemode, shape, kind, created, object);
    if let Some(account) = &facts.connected_account {
        event["account"] = json!(account);
    }
    event
}

/// The envelope of an event about a sale that says what changed.
pub(super) fn change(facts: &Facts, shape: Shape, kind: &str, created: i64, object: Value, previous: Value) -> Value {
    let mut event = event(facts, shape, kind, created, object);
    event["data"]["previous_attributes"] = previous;
    event
}

/// Adds the fields of one object to another.
fn add(object: &mut Value, fields: Value) {
    if let (Value::Object(object), Value::Object(fields)) = (object, fields) {
        object.extend(fields);
    }
}
