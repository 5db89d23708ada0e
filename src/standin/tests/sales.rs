//! The events of a sale, shape by shape.

use serde_json::{Value, json};

use super::{
    super::{
        CouponDuration, Paid, Promo, SaleBuilder, Shape, SubscriptionSale,
        sales::{DisputeStep, OneOffSale},
    },
    NOW, Stripe, noon,
};
use crate::clock::Clock;

fn builder() -> SaleBuilder {
    SubscriptionSale::builder(&Clock::manual(noon()))
}

fn sarah20() -> Promo {
    Promo::percent("promo_sarah", "SARAH20", "launch", 2000)
}

fn has(object: &Value, fields: &[&str]) -> Vec<bool> {
    fields.iter().map(|it| object.get(it).is_some()).collect()
}

#[test]
fn every_shape_tells_the_same_money() {
    let sale = builder().promo(sarah20()).tax(800).build();
    for shape in Shape::ALL {
        let event = sale.invoice_paid(shape);
        assert_eq!(
            (&event["type"], &event["livemode"], &event["created"]),
            (&json!("invoice.paid"), &json!(true), &json!(NOW))
        );
        assert_eq!(event["api_version"], shape.api_version());
        let invoice = &event["data"]["object"];
        let told = ["subtotal", "total", "amount_paid"].map(|it| invoice[it].as_i64());
        assert_eq!(told, [Some(5000), Some(4800), Some(4800)], "{shape:?}");
        let discounts = json!([{ "amount": 1000, "discount": sale.facts.discounts[0].id }]);
        assert_eq!(invoice["total_discount_amounts"], discounts);
        assert_eq!(invoice["billing_reason"], "subscription_create");
        let without_tax = (shape != Shape::V2020_08_27).then_some(4000);
        assert_eq!(invoice["total_excluding_tax"].as_i64(), without_tax);
    }
}

#[test]
fn only_shapes_before_basil_hold_the_discount_and_the_charge_on_the_invoice() {
    let sale = builder().promo(sarah20()).build();
    let ids = json!([sale.facts.discounts[0].id]);
    for shape in Shape::ALL {
        let old = shape.is_before_basil();
        let invoice = &sale.invoice_paid(shape)["data"]["object"];
        let fields = [
            "discount",
            "subscription",
            "charge",
            "payment_intent",
            "paid",
            "tax",
            "parent",
            "total_taxes",
        ];
        assert_eq!(
            has(invoice, &fields),
            [old, old, old, old, old, old, !old, !old],
            "{shape:?}"
        );
        assert_eq!(invoice["discounts"], ids);
        let subscription = &sale.subscription_created(shape)["data"]["object"];
        let listed = shape != Shape::V2020_08_27;
        assert_eq!(
            has(subscription, &["discount", "discounts", "current_period_end"]),
            [old, listed, old]
        );
        if old {
            for holder in [invoice, subscription] {
                let discount = &holder["discount"];
                assert_eq!(
                    (&discount["promotion_code"], &discount["coupon"]["percent_off"]),
                    (&json!("promo_sarah"), &json!(20))
                );
            }
            assert_eq!(invoice["subscription"], sale.subscription);
        } else {
            assert_eq!(
                invoice["parent"]["subscription_details"]["subscription"],
                sale.subscription
            );
        }
        let session = &sale.session_completed(shape)["data"]["object"];
        let codes = json!([{ "coupon": null, "promotion_code": "promo_sarah" }]);
        assert_eq!(session.get("discounts"), listed.then_some(&codes));
    }
}

#[test]
fn a_line_level_or_second_discount_leaves_no_inline_discount() {
    let line = builder().promo(sarah20()).line_level().build();
    let second = Promo::percent("promo_bob", "BOB50", "half", 5000);
    let two = builder().promo(sarah20()).promo(second).build();
    for shape in Shape::ALL {
        let invoice = &line.invoice_paid(shape)["data"]["object"];
        let id = &line.facts.discounts[0].id;
        assert_eq!(invoice["discounts"], json!([]));
        assert_eq!(
            invoice["total_discount_amounts"],
            json!([{ "amount": 1000, "discount": id }])
        );
        assert_eq!(invoice["lines"]["data"][0]["discounts"], json!([id]));
        assert_eq!(invoice["discount"], Value::Null);
        let invoice = &two.invoice_paid(shape)["data"]["object"];
        assert_eq!(invoice["discount"], Value::Null);
        let amounts = invoice["total_discount_amounts"].as_array().unwrap();
        let amounts: Vec<_> = amounts.iter().map(|it| it["amount"].as_i64()).collect();
        assert_eq!(
            (amounts, invoice["total"].as_i64()),
            (vec![Some(1000), Some(2000)], Some(2000))
        );
    }
}

#[test]
fn the_start_of_a_subscription_is_told_in_stripes_order() {
    let (paid, trial) = (builder().build(), builder().promo(sarah20()).trial().build());
    let kinds = |events: Vec<Value>| -> Vec<String> {
        events
            .iter()
            .map(|it| it["type"].as_str().unwrap().to_owned())
            .collect()
    };
    let old = [
        "customer.subscription.created",
        "invoice.paid",
        "checkout.session.completed",
    ];
    let new = [
        "customer.subscription.created",
        "invoice.paid",
        "invoice_payment.paid",
        "checkout.session.completed",
    ];
    assert_eq!(kinds(paid.start(Shape::Acacia)), old);
    assert_eq!(kinds(paid.start(Shape::Basil)), new);
    assert_eq!(kinds(trial.start(Shape::Endive)), old);
    let events = trial.start(Shape::Endive);
    assert_eq!(events[0]["data"]["object"]["status"], "trialing");
    assert_eq!(
        events[0]["data"]["object"]["discounts"],
        json!([trial.facts.discounts[0].id])
    );
    assert_eq!(events[1]["data"]["object"]["amount_paid"], 0);
    assert_eq!(events[2]["data"]["object"]["payment_status"], "no_payment_required");
    assert_eq!(
        trial.invoice_paid(Shape::Acacia)["data"]["object"]["charge"],
        Value::Null
    );
}

#[test]
fn a_renewal_carries_the_discount_as_long_as_the_coupon_lasts() {
    let mut repeating = sarah20();
    repeating.duration = CouponDuration::Repeating(2);
    let mut forever = sarah20();
    forever.duration = CouponDuration::Forever;
    for (promo, expected) in [
        (sarah20(), [5000, 5000]),
        (repeating, [4000, 5000]),
        (forever, [4000, 4000]),
    ] {
        let mut sale = builder().promo(promo).build();
        let numbers = [sale.renew(), sale.renew_at(NOW + 86_400)];
        assert_eq!(numbers, [1, 2]);
        let invoices = numbers.map(|it| sale.renewal_paid(it, Shape::Endive)["data"]["object"].clone());
        assert_eq!(
            invoices.each_ref().map(|it| it["amount_paid"].as_i64().unwrap()),
            expected
        );
        assert_eq!(
            (&invoices[1]["billing_reason"], &invoices[1]["created"]),
            (&json!("subscription_cycle"), &json!(NOW + 86_400))
        );
        assert_ne!(invoices[0]["id"], invoices[1]["id"]);
    }
}

#[test]
fn refunds_are_cumulative_on_the_charge_and_only_2020_embeds_them() {
    for shape in Shape::ALL {
        let mut sale = builder().promo(sarah20()).build();
        let part = sale.refund(shape, Some(1500), Paid::First);
        let rest = sale.refund(shape, None, Paid::First);
        let charge = |events: &[Value]| events[0]["data"]["object"].clone();
        let told = [charge(&part), charge(&rest)].map(|it| (it["amount_refunded"].clone(), it["refunded"].clone()));
        assert_eq!(
            told,
            [(json!(1500), json!(false)), (json!(4000), json!(true))],
            "{shape:?}"
        );
        assert_eq!(
            rest[0]["data"]["previous_attributes"],
            json!({ "amount_refunded": 1500, "refunded": false })
        );
        assert_eq!(
            (&rest[1]["type"], &rest[1]["data"]["object"]["amount"]),
            (&json!("refund.created"), &json!(2500))
        );
        let embedded = charge(&rest)["refunds"]["data"].as_array().map(Vec::len);
        assert_eq!(embedded, (shape == Shape::V2020_08_27).then_some(2));
        let invoice = shape.is_before_basil().then(|| json!(sale.bills[0].invoice));
        assert_eq!(charge(&rest).get("invoice"), invoice.as_ref());

        let failed = sale.refund_fails(shape, Paid::First);
        assert_eq!(
            (&failed[0]["type"], &failed[1]["type"]),
            (&json!("refund.failed"), &json!("refund.updated"))
        );
        assert_eq!(sale.bills[0].refunded(), 1500);
    }
}

#[test]
fn a_dispute_keeps_its_id_from_step_to_step() {
    let mut sale: OneOffSale = builder().price(1500).currency("jpy").build_one_off();
    let steps = [DisputeStep::Created, DisputeStep::FundsWithdrawn, DisputeStep::Lost];
    let events = steps.map(|step| sale.dispute(Shape::Endive, step));
    let told = events
        .each_ref()
        .map(|it| it["data"]["object"]["status"].as_str().unwrap());
    assert_eq!(told, ["needs_response", "needs_response", "lost"]);
    assert_eq!(events[2]["type"], "charge.dispute.closed");
    assert_eq!(events[0]["data"]["object"]["id"], events[2]["data"]["object"]["id"]);
}

#[test]
fn a_dispute_shows_all_that_has_moved_until_then() {
    let moved = |event: &Value| -> Vec<i64> {
        let movements = event["data"]["object"]["balance_transactions"].as_array().unwrap();
        movements.iter().map(|it| it["amount"].as_i64().unwrap()).collect()
    };
    for shape in Shape::ALL {
        let mut sale = builder().price(1500).build();
        let created = sale.dispute_part(shape, DisputeStep::Created, 900, Paid::First);
        assert_eq!(
            (&created["data"]["object"]["amount"], moved(&created)),
            (&json!(900), vec![])
        );
        let steps = [
            (DisputeStep::FundsWithdrawn, vec![-900], "needs_response"),
            (DisputeStep::PartReinstated(200), vec![-900, 200], "needs_response"),
            (DisputeStep::Lost, vec![-900, 200], "lost"),
            (DisputeStep::FundsReinstated, vec![-900, 200, 700], "lost"),
        ];
        for (step, movements, status) in steps {
            let event = sale.dispute(shape, step, Paid::First);
            assert_eq!(
                (moved(&event), &event["data"]["object"]["status"]),
                (movements, &json!(status))
            );
        }
    }
}

#[test]
fn a_one_off_payment_has_a_session_and_no_invoice() {
    let sale = builder().price(1500).currency("jpy").promo(sarah20()).build_one_off();
    let session = &sale.session_completed(Shape::Endive)["data"]["object"];
    assert_eq!(
        (&session["mode"], &session["amount_total"], &session["invoice"]),
        (&json!("payment"), &json!(1200), &Value::Null)
    );
    assert_eq!(session["payment_intent"], sale.bill.payment_intent);
    let all_off = Promo::percent("promo_free", "FREE", "free", 10_000);
    let free = builder().promo(all_off).build_one_off();
    let session = &free.session_completed(Shape::Endive)["data"]["object"];
    assert_eq!(
        (&session["payment_status"], &session["payment_intent"]),
        (&json!("paid"), &Value::Null)
    );
}

#[tokio::test]
async fn a_code_that_flips_and_a_coupon_that_goes_are_told_in_both_shapes() {
    let stripe = Stripe::start().await;
    let promo = stripe.sarah20().await;
    assert_eq!((promo.coupon_id.as_str(), promo.percent_off), ("launch", Some(2000)));
    stripe.delete("/v1/coupons/launch").await;
    let acme = stripe.acme();
    let told = |shape| acme.promotion_code_updated(&promo.promotion_code_id, shape).unwrap()["data"].clone();
    let (old, new) = (told(Shape::Basil), told(Shape::Endive));
    assert_eq!(new["previous_attributes"], json!({ "active": true }));
    assert_eq!(
        new["object"]["promotion"],
        json!({ "coupon": "launch", "type": "coupon" })
    );
    assert_eq!(has(&old["object"], &["promotion", "coupon"]), [false, true]);
    assert_eq!(old["object"]["coupon"]["valid"], false);
    let deleted = acme.coupon_deleted("launch", Shape::Endive).unwrap();
    assert_eq!(
        (&deleted["type"], &deleted["data"]["object"]["valid"]),
        (&json!("coupon.deleted"), &json!(false))
    );
}
