//! Payment intents, charges, refunds, disputes and credit notes.

use serde_json::{Value, json};

use super::{
    super::sales::{Bill, CreditNote, CreditTo, Dispute, Facts, Refund},
    Shape,
};

pub(in super::super) fn payment_intent(facts: &Facts, bill: &Bill) -> Value {
    // Stripe cuts the invoice's id at 25 characters here, which makes it no key.
    let reference = bill
        .invoice
        .as_deref()
        .map(|id| id.chars().take(25).collect::<String>());
    json!({
        "id": bill.payment_intent,
        "object": "payment_intent",
        "amount": bill.total(),
        "amount_received": bill.total(),
        "created": bill.at,
        "currency": facts.currency,
        "customer": facts.customer,
        "latest_charge": bill.charge,
        "livemode": facts.livemode,
        "metadata": {},
        "payment_details": { "customer_reference": null, "order_reference": reference },
        "status": "succeeded",
    })
}

pub(in super::super) fn charge(shape: Shape, facts: &Facts, bill: &Bill) -> Value {
    let mut told = json!({
        "id": bill.charge,
        "object": "charge",
        "amount": bill.total(),
        "amount_captured": bill.total(),
        "amount_refunded": bill.refunded(),
        "billing_details": { "email": facts.email, "name": "A Customer", "phone": null },
        "captured": true,
        "created": bill.at,
        "currency": facts.currency,
        "customer": facts.customer,
        "description": bill.invoice.as_ref().map(|_| "Subscription creation"),
        "disputed": bill.dispute.is_some(),
        "failure_code": null,
        "livemode": facts.livemode,
        "metadata": {},
        "paid": true,
        "payment_intent": bill.payment_intent,
        "refunded": bill.refunded() == bill.total(),
        "status": "succeeded",
    });
    if shape.is_before_basil() {
        told["invoice"] = json!(bill.invoice);
    }
    if shape.is_2020() {
        let refunds = bill.refunds.iter().rev();
        let data: Vec<_> = refunds.map(|it| refund(facts, bill, it)).collect();
        let url = format!("/v1/charges/{}/refunds", bill.charge);
        told["refunds"] = json!({ "object": "list", "data": data, "has_more": false, "url": url });
    }
    told
}

pub(in super::super) fn refund(facts: &Facts, bill: &Bill, refund: &Refund) -> Value {
    let mut told = json!({
        "id": refund.id,
        "object": "refund",
        "amount": refund.amount,
        "charge": bill.charge,
        "created": refund.at,
        "currency": facts.currency,
        "metadata": {},
        "payment_intent": bill.payment_intent,
        "reason": "requested_by_customer",
        "status": if refund.failed { "failed" } else { "succeeded" },
    });
    if refund.failed {
        told["failure_reason"] = json!("expired_or_canceled_card");
    }
    told
}

/// Every version tells a dispute in the same way.
pub(in super::super) fn dispute(facts: &Facts, bill: &Bill, dispute: &Dispute) -> Value {
    let movements = dispute.movements.iter().map(|it| {
        let category = if it.amount < 0 { "dispute" } else { "dispute_reversal" };
        json!({
            "id": it.id,
            "object": "balance_transaction",
            "amount": it.amount,
            "created": it.at,
            "currency": facts.currency,
            "reporting_category": category,
            "source": dispute.id,
            "type": "adjustment",
        })
    });
    json!({
        "id": dispute.id,
        "object": "dispute",
        "amount": dispute.amount,
        "balance_transactions": movements.collect::<Vec<_>>(),
        "charge": bill.charge,
        "created": dispute.at,
        "currency": facts.currency,
        "is_charge_refundable": dispute.movements.is_empty(),
        "livemode": facts.livemode,
        "metadata": {},
        "payment_intent": bill.payment_intent,
        "reason": "fraudulent",
        "status": dispute.status,
    })
}

/// A credit note of a paid invoice. Since basil it lists its refunds.
pub(in super::super) fn credit_note(shape: Shape, facts: &Facts, bill: &Bill, note: &CreditNote) -> Value {
    let outside = (note.to == CreditTo::OutsideStripe).then_some(note.amount);
    let to_balance = (note.to == CreditTo::Balance).then(|| format!("cbtxn_{}", note.id));
    let mut told = json!({
        "id": note.id,
        "object": "credit_note",
        "amount": note.amount,
        "created": note.at,
        "currency": facts.currency,
        "customer": facts.customer,
        "customer_balance_transaction": to_balance,
        "invoice": bill.invoice,
        "livemode": facts.livemode,
        "metadata": {},
        "out_of_band_amount": outside,
        "post_payment_amount": note.amount,
        "pre_payment_amount": 0,
        "status": "issued",
        "total": note.amount,
        "type": "post_payment",
        "voided_at": null,
    });
    if shape.is_before_basil() {
        told["refund"] = json!(note.refund);
    } else {
        let refunds = note.refund.iter().map(|refund| {
            json!({ "amount_refunded": note.amount, "payment_record_refund": null, "refund": refund, "type": "refund" })
        });
        told["refunds"] = refunds.collect();
    }
    told
}
