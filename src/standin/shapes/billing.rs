//! Customers, subscriptions, checkout sessions and their discounts.

use serde_json::{Value, json};

use super::{
    super::sales::{Bill, Billed, Discount, Facts, SubscriptionSale},
    MONTH, Shape, add,
};

pub(in super::super) fn customer(facts: &Facts) -> Value {
    json!({
        "id": facts.customer,
        "object": "customer",
        "balance": 0,
        "created": facts.created,
        "currency": facts.currency,
        "delinquent": false,
        "description": null,
        "email": facts.email,
        "livemode": facts.livemode,
        "metadata": {},
        "name": "A Customer",
        "phone": null,
        "tax_exempt": "none",
        "test_clock": null,
    })
}

/// A discount; `subscription` and `invoice` are what it sits on.
pub(in super::super) fn discount(
    shape: Shape,
    facts: &Facts,
    discount: &Discount,
    subscription: Option<&str>,
    invoice: Option<&str>,
) -> Value {
    let promo = &discount.promo;
    let mut told = json!({
        "id": discount.id,
        "object": "discount",
        "checkout_session": facts.session,
        "customer": facts.customer,
        "end": null,
        "invoice": invoice,
        "invoice_item": null,
        "promotion_code": promo.promotion_code_id,
        "start": discount.start,
        "subscription": subscription,
        "subscription_item": null,
    });
    if shape.is_endive() {
        let source = json!({ "coupon": promo.coupon_id, "type": "coupon" });
        add(&mut told, json!({ "customer_account": null, "source": source }));
    } else {
        told["coupon"] = promo.coupon(facts.livemode, facts.created);
    }
    told
}

/// The discount as it sits on this sale: on the invoice's line, on the invoice, or on the subscription.
pub(super) fn discount_of(shape: Shape, sale: &Billed<'_>, it: &Discount) -> Value {
    match sale.subscription_id().filter(|_| !sale.line_level) {
        Some(subscription) => discount(shape, sale.facts, it, Some(subscription), None),
        None => discount(shape, sale.facts, it, None, sale.first_invoice),
    }
}

/// The subscription at the time when `latest` was its latest invoice, of this number.
pub(in super::super) fn subscription(shape: Shape, sale: &SubscriptionSale, latest: usize) -> Value {
    let facts = &sale.facts;
    let bill = &sale.bills[latest];
    let trial_end = sale.trial.then_some(facts.created + MONTH);
    let on_it: &[Discount] = if sale.line_level { &[] } else { &facts.discounts };
    let period = json!({ "current_period_start": bill.at, "current_period_end": bill.at + MONTH });
    let mut item = json!({
        "id": sale.item,
        "object": "subscription_item",
        "created": facts.created,
        "metadata": {},
        "price": price(facts),
        "quantity": 1,
        "subscription": sale.subscription,
    });
    let mut told = json!({
        "id": sale.subscription,
        "object": "subscription",
        "billing_cycle_anchor": facts.created,
        "cancel_at": null,
        "cancel_at_period_end": false,
        "canceled_at": null,
        "collection_method": "charge_automatically",
        "created": facts.created,
        "currency": facts.currency,
        "customer": facts.customer,
        "description": null,
        "ended_at": null,
        "latest_invoice": bill.invoice,
        "livemode": facts.livemode,
        "metadata": facts.metadata,
        "schedule": null,
        "start_date": facts.created,
        "status": if sale.trial && latest == 0 { "trialing" } else { "active" },
        "test_clock": null,
        "trial_end": trial_end,
        "trial_start": sale.trial.then_some(facts.created),
    });
    if shape.is_before_basil() {
        add(&mut told, period);
        let first = on_it.first().map(|it| discount_of(shape, &sale.billed(0), it));
        told["discount"] = json!(first);
    } else {
        add(&mut item, period);
        item["discounts"] = json!([]);
    }
    if !shape.is_2020() {
        let ids: Vec<_> = on_it.iter().map(|it| &it.id).collect();
        told["discounts"] = json!(ids);
    }
    if shape.is_endive() {
        let mode = json!({ "flexible": null, "type": "classic" });
        add(&mut told, json!({ "billing_mode": mode, "billing_schedules": [] }));
    }
    let url = format!("/v1/subscription_items?subscription={}", sale.subscription);
    told["items"] = json!({ "object": "list", "data": [item], "has_more": false, "url": url });
    told
}

pub(super) fn price(facts: &Facts) -> Value {
    json!({
        "id": format!("price_standin{}", facts.price),
        "object": "price",
        "active": true,
        "billing_scheme": "per_unit",
        "currency": facts.currency,
        "livemode": facts.livemode,
        "metadata": {},
        "product": "prod_standin",
        "recurring": { "interval": "month", "interval_count": 1, "usage_type": "licensed" },
        "type": "recurring",
        "unit_amount": facts.price,
        "unit_amount_decimal": facts.price.to_string(),
    })
}

/// The completed checkout session that the sale came from; without a subscription it is a one-off payment.
pub(in super::super) fn session(shape: Shape, facts: &Facts, bill: &Bill, subscription: Option<&str>) -> Value {
    let one_off = subscription.is_none();
    let payment_intent = (one_off && bill.is_charged()).then_some(&bill.payment_intent);
    let off: i64 = bill.discounts.iter().map(|(_, amount)| amount).sum();
    let payment_status = match bill.is_charged() || one_off {
        true => "paid", // so Stripe says of a one-off payment of 0, too
        false => "no_payment_required",
    };
    let mut told = json!({
        "id": facts.session,
        "object": "checkout.session",
        "allow_promotion_codes": true,
        "amount_subtotal": bill.gross,
        "amount_total": bill.total(),
        "client_reference_id": facts.client_reference_id,
        "created": facts.created,
        "currency": facts.currency,
        "customer": facts.customer,
        "customer_details": { "email": facts.email, "name": "A Customer", "phone": null, "tax_exempt": "none" },
        "customer_email": null,
        "invoice": bill.invoice,
        "livemode": facts.livemode,
        "metadata": facts.metadata,
        "mode": if one_off { "payment" } else { "subscription" },
        "payment_intent": payment_intent,
        "payment_status": payment_status,
        "status": "complete",
        "subscription": subscription,
        "total_details": { "amount_discount": off, "amount_shipping": 0, "amount_tax": bill.tax },
    });
    if !shape.is_2020() {
        let codes = facts.discounts.iter().map(|it| &it.promo.promotion_code_id);
        let codes: Vec<_> = codes
            .map(|id| json!({ "coupon": null, "promotion_code": id }))
            .collect();
        told["discounts"] = json!(codes);
    }
    told
}
