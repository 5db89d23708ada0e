//! The events that Stripe sends when somebody changes a code or a coupon, in its dashboard for instance.

use serde_json::{Value, json};

use super::{super::ledger::Ledger, Shape, envelope};

/// `promotion_code.updated`, after `active` has flipped to what it is now.
pub(in super::super) fn promotion_code_updated(ledger: &Ledger, shape: Shape, id: &str) -> Option<Value> {
    let mut event = promotion_code(ledger, shape, "promotion_code.updated", id)?;
    let was_active = event["data"]["object"]["active"] == false;
    event["data"]["previous_attributes"] = json!({ "active": was_active });
    Some(event)
}

/// An event about a promotion code as it is now.
pub(in super::super) fn promotion_code(ledger: &Ledger, shape: Shape, kind: &str, id: &str) -> Option<Value> {
    let mut code = ledger.get("promotion_code", id)?.clone();
    if !shape.is_endive()
        && let Value::Object(fields) = &mut code
    {
        let promotion = fields.remove("promotion").unwrap_or_default();
        let coupon = promotion["coupon"].as_str().unwrap_or_default();
        let coupon = ledger.resolve("coupon", coupon).cloned();
        fields.insert("coupon".into(), json!(coupon.map(shown)));
        fields.remove("customer_account");
    }
    if let Value::Object(restrictions) = &mut code["restrictions"] {
        restrictions.remove("currency_options");
    }
    Some(event(ledger, shape, kind, code))
}

/// An event about a coupon as it is now; as it was, no longer valid, where it is deleted.
pub(in super::super) fn coupon(ledger: &Ledger, shape: Shape, kind: &str, id: &str) -> Option<Value> {
    let coupon = ledger.resolve("coupon", id)?.clone();
    Some(event(ledger, shape, kind, shown(coupon)))
}

/// A coupon without what Stripe leaves out of events.
fn shown(mut coupon: Value) -> Value {
    if let Value::Object(fields) = &mut coupon {
        fields.remove("applies_to");
        fields.remove("currency_options");
    }
    coupon
}

fn event(ledger: &Ledger, shape: Shape, kind: &str, object: Value) -> Value {
    envelope(&ledger.clock, ledger.live, shape, kind, ledger.now(), object)
}
