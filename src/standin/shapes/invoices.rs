//! Invoices, their lines and their payments.

use serde_json::{Value, json};

use super::{
    super::sales::{Bill, Billed, Facts},
    MONTH, Shape, add,
    billing::{discount_of, price},
};

/// The invoice of a bill, paid.
pub(in super::super) fn invoice(shape: Shape, sale: &Billed<'_>) -> Value {
    let (facts, bill) = (sale.facts, sale.bill);
    let mut told = common(sale);
    let amounts = discount_amounts(facts, bill);
    if !sale.line_level {
        let ids = amounts.iter().map(|it| it["discount"].clone());
        told["discounts"] = ids.collect();
    }
    let url = format!("/v1/invoices/{}/lines", bill.invoice_id());
    let lines = json!([line(shape, sale, &amounts)]);
    told["lines"] = json!({ "object": "list", "data": lines, "has_more": false, "url": url });
    told["total_discount_amounts"] = json!(amounts);
    if !shape.is_2020() {
        told["subtotal_excluding_tax"] = json!(bill.gross);
        told["total_excluding_tax"] = json!(bill.total() - bill.tax);
    }
    let fields = if shape.is_before_basil() {
        before_basil(sale)
    } else {
        since_basil(sale)
    };
    add(&mut told, fields);
    told
}

/// What every version says.
fn common(sale: &Billed<'_>) -> Value {
    let (facts, bill, number) = (sale.facts, sale.bill, sale.number);
    let (id, total) = (bill.invoice_id(), bill.total());
    let reason = match (&sale.subscription, number) {
        (None, _) => "manual",
        (Some(_), 0) => "subscription_create",
        (Some(_), _) => "subscription_cycle",
    };
    let transitions = json!({
        "finalized_at": bill.at,
        "marked_uncollectible_at": null,
        "paid_at": bill.at,
        "voided_at": null,
    });
    json!({
        "id": id,
        "object": "invoice",
        "amount_due": total,
        "amount_paid": total,
        "amount_remaining": 0,
        "attempt_count": i32::from(total > 0),
        "attempted": true,
        "auto_advance": false,
        "billing_reason": reason,
        "collection_method": "charge_automatically",
        "created": bill.at,
        "currency": facts.currency,
        "customer": facts.customer,
        "customer_email": facts.email,
        "customer_name": "A Customer",
        "description": null,
        "discounts": [],
        "due_date": null,
        "ending_balance": 0,
        "livemode": facts.livemode,
        "metadata": {},
        "number": format!("{}-{:04}", facts.customer, number + 1),
        "period_end": bill.at,
        "period_start": bill.at,
        "post_payment_credit_notes_amount": 0,
        "pre_payment_credit_notes_amount": 0,
        "starting_balance": 0,
        "status": "paid",
        "status_transitions": transitions,
        "subtotal": bill.gross,
        "test_clock": null,
        "total": total,
    })
}

/// The invoice names its charge and, where there is one alone, holds its discount.
fn before_basil(sale: &Billed<'_>) -> Value {
    let (facts, bill) = (sale.facts, sale.bill);
    let discount = match bill.discounts.as_slice() {
        [(only, _)] if !sale.line_level => Some(&facts.discounts[*only]),
        _ => None,
    };
    let discount = discount.map(|it| discount_of(Shape::Acacia, sale, it));
    json!({
        "charge": bill.is_charged().then_some(&bill.charge),
        "discount": discount,
        "paid": true,
        "paid_out_of_band": false,
        "payment_intent": bill.is_charged().then_some(&bill.payment_intent),
        "subscription": sale.subscription_id(),
        "subscription_details": sale.subscription.map(|_| json!({ "metadata": facts.metadata })),
        "tax": (bill.tax > 0).then_some(bill.tax),
        "total_tax_amounts": taxes(bill, "inclusive", json!(false)),
    })
}

fn since_basil(sale: &Billed<'_>) -> Value {
    let parent = sale.subscription.map(|(subscription, _)| {
        let details = json!({ "metadata": sale.facts.metadata, "subscription": subscription });
        json!({ "quote_details": null, "subscription_details": details, "type": "subscription_details" })
    });
    json!({
        "amount_overpaid": 0,
        "parent": parent,
        "total_taxes": taxes(sale.bill, "tax_behavior", json!("exclusive")),
    })
}

/// The tax, on top of the price; versions differ in how they say so.
fn taxes(bill: &Bill, on_top: &str, value: Value) -> Value {
    match bill.tax {
        0 => json!([]),
        tax => json!([{ "amount": tax, "taxable_amount": bill.total() - tax, on_top: value }]),
    }
}

fn discount_amounts(facts: &Facts, bill: &Bill) -> Vec<Value> {
    let amounts = bill.discounts.iter();
    amounts
        .map(|(it, amount)| json!({ "amount": amount, "discount": facts.discounts[*it].id }))
        .collect()
}

fn line(shape: Shape, sale: &Billed<'_>, amounts: &[Value]) -> Value {
    let bill = sale.bill;
    let on_it = if sale.line_level { amounts } else { &[] };
    let ids: Vec<_> = on_it.iter().map(|it| &it["discount"]).collect();
    let mut told = json!({
        "id": bill.line,
        "object": "line_item",
        "amount": bill.gross,
        "currency": sale.facts.currency,
        "description": "1 × Stand-in plan",
        "discount_amounts": amounts,
        "discountable": true,
        "discounts": ids,
        "livemode": sale.facts.livemode,
        "metadata": {},
        "period": { "end": bill.at + MONTH, "start": bill.at },
        "quantity": 1,
    });
    let fields = if shape.is_before_basil() {
        json!({
            "price": price(sale.facts),
            "proration": false,
            "subscription": sale.subscription_id(),
            "subscription_item": sale.subscription.map(|(_, item)| item),
            "type": if sale.subscription.is_some() { "subscription" } else { "invoiceitem" },
        })
    } else {
        line_since_basil(sale)
    };
    add(&mut told, fields);
    told
}

fn line_since_basil(sale: &Billed<'_>) -> Value {
    let item = json!({ "invoice_item": format!("ii_{}", sale.bill.line), "proration": false });
    let of_invoice = json!({
        "invoice_item_details": item,
        "subscription_item_details": null,
        "type": "invoice_item_details",
    });
    let parent = sale.subscription.map_or(of_invoice, |(subscription, item)| {
        let item = json!({ "proration": false, "subscription": subscription, "subscription_item": item });
        json!({
            "invoice_item_details": null,
            "subscription_item_details": item,
            "type": "subscription_item_details",
        })
    });
    let details = json!({ "price": price(sale.facts)["id"], "product": "prod_standin" });
    json!({
        "invoice": sale.bill.invoice,
        "parent": parent,
        "pricing": { "price_details": details, "type": "price_details" },
        "subtotal": sale.bill.gross,
        "taxes": [],
    })
}

pub(in super::super) fn invoice_payment(facts: &Facts, bill: &Bill) -> Value {
    json!({
        "id": bill.invoice_payment,
        "object": "invoice_payment",
        "amount_paid": bill.total(),
        "amount_requested": bill.total(),
        "created": bill.at,
        "currency": facts.currency,
        "invoice": bill.invoice,
        "is_default": true,
        "livemode": facts.livemode,
        "payment": { "payment_intent": bill.payment_intent, "type": "payment_intent" },
        "status": "paid",
        "status_transitions": { "canceled_at": null, "paid_at": bill.at },
    })
}
