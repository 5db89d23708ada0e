//! What a dispute does to a conversion, case by case.

use serde_json::{Value, json};
use uuid::Uuid;

use super::*;
use crate::{
    domain::commission::{Pay, Rule},
    stripe::facts::{Facts, Reading, read_event},
};
use entity::{affiliate::AffiliateStatus, campaign::ClickModel, campaign_rule::CommissionDuration};

fn read(kind: &str, object: Value) -> Facts {
    let event = json!({ "type": kind, "created": 100, "data": { "object": object } });
    match read_event(&event).unwrap() {
        Reading::Facts(facts) => *facts,
        other => panic!("{other:?}"),
    }
}

/// A first invoice of 1000 USD and 100 of tax, and a renewal of the same, both with Sarah's code.
fn sale() -> Facts {
    let invoice = |id: &str, reason: &str, at: i64| {
        let discount = json!({ "id": format!("di_{id}"), "promotion_code": "promo_sarah", "start": 1 });
        json!({
            "id": format!("in_{id}"), "billing_reason": reason, "subscription": "sub_1", "status": "paid", "created": at,
            "amount_paid": 1100, "total": 1100, "tax": 100, "currency": "usd", "charge": format!("ch_{id}"),
            "payment_intent": format!("pi_{id}"), "discounts": [discount],
        })
    };
    let mut facts = read("invoice.paid", invoice("1", "subscription_create", 10));
    facts.merge(read("invoice.paid", invoice("2", "subscription_cycle", 20)));
    facts
}

fn dispute(number: usize, charge: &str, status: &str, amount: i64) -> Facts {
    let object = json!({
        "id": format!("du_{number}"), "charge": format!("ch_{charge}"), "payment_intent": format!("pi_{charge}"),
        "amount": amount, "currency": "usd", "status": status, "created": 30,
    });
    read("charge.dispute.updated", object)
}

fn refund(amount: i64) -> Facts {
    let object = json!({
        "id": "re_1", "charge": "ch_1", "payment_intent": "pi_1", "amount": amount, "status": "succeeded",
    });
    read("refund.created", object)
}

/// Sarah's code, at 20 % for life.
fn evidence(status: AffiliateStatus) -> Evidence {
    let (code, affiliate, campaign) = (CodeId(Uuid::from_u128(1)), Uuid::from_u128(2), Uuid::from_u128(3));
    let rule = Rule {
        effective_from: DateTime::UNIX_EPOCH,
        pay: Pay::Percent(2000),
        duration: CommissionDuration::Lifetime,
        months: 0,
        hold_days: 30,
        override_bps: None,
        click_model: ClickModel::LastClick,
        cookie_window_days: 60,
    };
    let mut evidence = Evidence::default();
    let named = Named {
        id: code,
        code: "SARAH20".to_owned(),
    };
    evidence.promotion_codes.insert("promo_sarah".to_owned(), named);
    let owned = attribution::Code {
        affiliate_id: affiliate.into(),
        campaign_id: campaign.into(),
        overrides: Vec::new(),
    };
    evidence.known.codes.insert(code, owned);
    let person = attribution::Person {
        email_key: "sarah@affiliates.example".to_owned(),
        statuses: vec![(DateTime::UNIX_EPOCH, status)],
        ..attribution::Person::default()
    };
    evidence.known.people.insert(affiliate.into(), person);
    evidence.known.campaigns.insert(campaign.into(), vec![rule]);
    evidence
}

/// Status, refunded, earned and clawed back of the start; whether its redemption is taken off.
fn start(facts: &Facts, status: AffiliateStatus) -> (ConversionStatus, [i64; 3], bool) {
    let projection = project(facts, &evidence(status));
    let it = &projection.conversions[0];
    (
        it.status,
        [it.refunded_amount, it.earned, it.clawed_back],
        projection.redemptions[0].refunded,
    )
}

#[test]
fn the_table_of_disputes() {
    use ConversionStatus::{Disputed, PartiallyRefunded, Refunded, Standing};
    type Case<'a> = (&'a [(&'a str, i64)], i64, ConversionStatus, [i64; 3], bool);
    let cases: &[Case] = &[
        (&[("warning_needs_response", 1100)], 0, Standing, [0, 200, 0], false),
        (&[("warning_closed", 1100)], 0, Standing, [0, 200, 0], false),
        (&[("prevented", 1100)], 0, Standing, [0, 200, 0], false),
        (&[("needs_response", 1100)], 0, Disputed, [0, 200, 0], false),
        (&[("appeal_under_review", 1100)], 0, Disputed, [0, 200, 0], false),
        (&[("won", 1100)], 0, Standing, [0, 200, 0], false),
        (&[("lost", 1100)], 0, Refunded, [1000, 200, 200], true),
        // Parts, beside refunds and beside each other.
        (&[("needs_response", 550)], 275, Disputed, [250, 200, 50], false),
        (&[("lost", 550)], 0, PartiallyRefunded, [500, 200, 100], false),
        (&[("lost", 550)], 275, PartiallyRefunded, [750, 200, 150], false),
        (&[("lost", 550)], 550, Refunded, [1000, 200, 200], true),
        (&[("lost", 1100)], 275, Refunded, [1000, 200, 200], true),
        (
            &[("lost", 550), ("needs_response", 550)],
            0,
            Disputed,
            [500, 200, 100],
            false,
        ),
        // All is gone: that another dispute is open holds nothing.
        (
            &[("lost", 1100), ("needs_response", 100)],
            0,
            Refunded,
            [1000, 200, 200],
            true,
        ),
    ];
    for (disputes, refunded, status, figures, taken_off) in cases {
        let mut facts = sale();
        for (number, (status, amount)) in disputes.iter().enumerate() {
            facts.merge(dispute(number, "1", status, *amount));
        }
        if *refunded > 0 {
            facts.merge(refund(*refunded));
        }
        let told = start(&facts, AffiliateStatus::Approved);
        assert_eq!(
            told,
            (*status, *figures, *taken_off),
            "{disputes:?}, {refunded} refunded"
        );
    }
}

#[test]
fn a_held_sale_earns_nothing_whatever_becomes_of_its_dispute() {
    for (status, expected) in [
        ("needs_response", (ConversionStatus::Disputed, [0, 0, 0], false)),
        ("won", (ConversionStatus::Held, [0, 0, 0], false)),
        ("lost", (ConversionStatus::Refunded, [1000, 0, 0], true)),
    ] {
        let mut facts = sale();
        facts.merge(dispute(0, "1", status, 1100));
        assert_eq!(start(&facts, AffiliateStatus::Suspended), expected, "{status}");
    }
}

#[test]
fn a_renewals_dispute_is_the_renewals_alone() {
    for (status, expected) in [
        ("needs_response", ConversionStatus::Disputed),
        ("lost", ConversionStatus::Refunded),
    ] {
        let mut facts = sale();
        facts.merge(dispute(0, "2", status, 1100));
        let told = start(&facts, AffiliateStatus::Approved);
        assert_eq!(told, (ConversionStatus::Standing, [0, 200, 0], false));
        let projection = project(&facts, &evidence(AffiliateStatus::Approved));
        assert_eq!(projection.conversions[1].status, expected);
        assert!(!projection.redemptions[0].refunded);
    }
}

/// A subscription as an event of this kind shows it, a month after its start.
fn subscription(kind: &str, status: &str, before: Value, discount_start: i64) -> Facts {
    let discount = json!({ "id": "di_late", "promotion_code": "promo_sarah", "start": discount_start });
    let event = json!({
        "type": kind, "created": 2_592_100,
        "data": {
            "object": {
                "id": "sub_1", "created": 100, "currency": "usd", "status": status, "latest_invoice": "in_1",
                "discounts": [discount],
            },
            "previous_attributes": before,
        },
    });
    match read_event(&event).unwrap() {
        Reading::Facts(facts) => *facts,
        Reading::Lookup(_) | Reading::Nothing(_) => Facts::default(),
    }
}

#[test]
fn a_code_that_is_put_on_a_subscription_later_did_not_sell_it() {
    let at_start = subscription("customer.subscription.created", "active", json!({}), 100);
    let later = subscription("customer.subscription.created", "active", json!({}), 2_592_100);
    let sold = |facts: &Facts| project(facts, &evidence(AffiliateStatus::Approved)).conversions.len();
    assert_eq!((sold(&at_start), sold(&later)), (1, 0));
}

#[test]
fn a_subscription_that_was_not_paid_for_at_once_starts_when_it_is_active() {
    let kind = "customer.subscription.updated";
    let started = subscription(kind, "active", json!({ "status": "incomplete" }), 100);
    assert!(started.subscriptions["sub_1"].active);
    assert_eq!(started.subscriptions["sub_1"].first_invoice.as_deref(), Some("in_1"));
    for before in [json!({ "status": "trialing" }), json!({ "quantity": 1 }), Value::Null] {
        assert_eq!(subscription(kind, "active", before, 100), Facts::default());
    }
    let created = subscription("customer.subscription.created", "incomplete", json!({}), 100);
    assert_eq!(
        project(&created, &evidence(AffiliateStatus::Approved)),
        Projection::default()
    );
}

/// A session of 1100 USD with Sarah's code, as it was paid with a payment intent and maybe made an invoice.
fn session(id: &str, payment: &str, invoice: Option<&str>) -> Facts {
    let object = json!({
        "id": id, "mode": "payment", "status": "complete", "payment_status": "paid", "created": 9, "currency": "usd",
        "amount_total": 1100, "total_details": { "amount_tax": 100, "amount_discount": 275 },
        "payment_intent": payment, "invoice": invoice, "discounts": [{ "promotion_code": "promo_sarah", "coupon": null }],
    });
    read("checkout.session.completed", object)
}

/// The names of the conversions, each with those under which it may be recorded.
fn names(facts: &Facts) -> Vec<(String, Vec<String>)> {
    let conversions = project(facts, &evidence(AffiliateStatus::Approved)).conversions;
    conversions.into_iter().map(|it| (it.part, it.aliases)).collect()
}

#[test]
fn a_start_is_found_by_the_session_that_it_was_paid_with() {
    let mut facts = session("cs_1", "pi_1", None);
    assert_eq!(names(&facts), [("cs_1".to_owned(), vec![])]);
    facts.merge(sale());
    let names = names(&facts);
    assert_eq!(
        names[0],
        ("sub_1".to_owned(), vec!["in_1".to_owned(), "cs_1".to_owned()])
    );
    assert_eq!(names.len(), 2);
}

#[test]
fn a_start_keeps_the_code_of_the_session_that_it_was_paid_with() {
    let mut facts = session("cs_1", "pi_1", Some("in_1"));
    facts.merge(read("invoice.paid", json!({
        "id": "in_1", "billing_reason": "subscription_create", "subscription": "sub_1", "status": "paid", "created": 10,
        "amount_paid": 1100, "total": 1100, "tax": 100, "currency": "usd",
    })));
    assert_eq!(
        names(&facts),
        [("sub_1".to_owned(), vec!["in_1".to_owned(), "cs_1".to_owned()])]
    );
}

#[test]
fn what_a_discount_took_off_is_the_same_however_often_it_is_merged() {
    let told = read(
        "invoice.paid",
        json!({
            "id": "in_1", "status": "paid", "created": 10, "amount_paid": 1, "total": 1, "currency": "usd",
            "total_discount_amounts": [{ "amount": -5, "discount": "di_1" }],
        }),
    );
    let mut merged = Facts::default();
    merged.merge(told.clone());
    assert_eq!(merged, told);
}

#[test]
fn what_a_credit_note_gave_back_outside_stripe_is_refunded_however_it_is_said() {
    let outside = json!({ "out_of_band_amount": 275 });
    let recorded = json!({ "refunds": [{
        "type": "payment_record_refund", "refund": null, "amount_refunded": 275,
        "payment_record_refund": { "payment_record": "pr_1", "refund_group": "rfg_1" },
    }] });
    for mut note in [outside, recorded] {
        note["id"] = json!("cn_1");
        note["invoice"] = json!("in_1");
        let mut facts = sale();
        facts.merge(read("credit_note.created", note));
        let told = start(&facts, AffiliateStatus::Approved);
        assert_eq!(told, (ConversionStatus::PartiallyRefunded, [250, 200, 50], false));
    }
}

#[test]
fn one_payment_of_two_invoices_is_given_back_to_both_and_to_the_last_unit() {
    let mut facts = sale();
    for (number, invoice) in ["in_1", "in_2"].into_iter().enumerate() {
        facts.merge(read(
            "invoice_payment.paid",
            json!({
                "id": format!("inpay_{number}"), "invoice": invoice, "amount_paid": 550,
                "payment": { "type": "payment_intent", "payment_intent": "pi_both" },
            }),
        ));
    }
    let back = |id: &str, amount: i64| {
        read(
            "refund.created",
            json!({
                "id": id, "charge": "ch_both", "payment_intent": "pi_both", "amount": amount, "status": "succeeded",
            }),
        )
    };
    let refunded = |facts: &Facts| {
        let conversions = project(facts, &evidence(AffiliateStatus::Approved)).conversions;
        conversions.iter().map(|it| it.refunded_amount).collect::<Vec<_>>()
    };
    facts.merge(back("re_1", 550));
    assert_eq!(refunded(&facts), [250, 250]);
    facts.merge(back("re_2", 550));
    assert_eq!(refunded(&facts), [500, 500]);
}

#[test]
fn a_session_with_a_coupon_alone_credits_nobody_and_asks_nothing() {
    let mut facts = session("cs_1", "pi_1", None);
    assert_eq!(names(&facts).len(), 1);
    let object = json!({
        "id": "cs_1", "mode": "payment", "status": "complete", "payment_status": "paid", "created": 9, "currency": "usd",
        "amount_total": 1100, "total_details": { "amount_tax": 100, "amount_discount": 275 }, "payment_intent": "pi_1",
        "discounts": [{ "promotion_code": null, "coupon": "SUMMER" }],
    });
    facts = read("checkout.session.completed", object);
    assert_eq!(names(&facts), []);
    assert!(crate::stripe::facts::needs(&facts, &facts, |_| true).is_empty());
}

#[test]
fn a_negative_total_and_a_credit_balance_sell_for_nothing() {
    for (total, paid) in [(-1100, 0), (1100, 0), (0, 0)] {
        let mut facts = sale();
        facts.merge(read(
            "invoice.paid",
            json!({
                "id": "in_3", "billing_reason": "subscription_update", "subscription": "sub_1", "status": "paid",
                "created": 30, "amount_paid": paid, "total": total, "total_excluding_tax": total, "currency": "usd",
            }),
        ));
        let projection = project(&facts, &evidence(AffiliateStatus::Approved));
        let it = &projection.conversions[2];
        assert_eq!(
            (it.amount, it.tax, it.earned, it.kind),
            (0, 0, 0, ConversionKind::Renewal)
        );
    }
}

#[test]
fn who_typed_an_affiliates_own_address_at_checkout_earns_it_nothing_by_renewals_either() {
    let mut facts = sale();
    facts.merge(read(
        "checkout.session.completed",
        json!({
            "id": "cs_1", "mode": "subscription", "subscription": "sub_1", "created": 9,
            "customer_details": { "email": "Sarah@affiliates.example" },
        }),
    ));
    let conversions = project(&facts, &evidence(AffiliateStatus::Approved)).conversions;
    let told: Vec<_> = conversions.iter().map(|it| (it.status, it.earned)).collect();
    assert_eq!(told, [(ConversionStatus::Held, 0); 2]);
}

#[test]
fn a_trial_counts_although_its_subscription_is_too_old_to_have_a_currency() {
    for held_by in ["price", "plan"] {
        let mut item = json!({});
        item[held_by] = json!({ "currency": "usd" });
        let facts = read(
            "customer.subscription.created",
            json!({
                "id": "sub_1", "created": 100, "status": "trialing", "items": { "data": [item] },
                "discount": { "id": "di_1", "promotion_code": "promo_sarah", "start": 100 },
            }),
        );
        let conversions = project(&facts, &evidence(AffiliateStatus::Approved)).conversions;
        assert_eq!(conversions.len(), 1, "{held_by}");
    }
}

#[test]
fn sessions_that_name_one_invoice_are_one_sale() {
    let session = |id: &str, at: i64| {
        let object = json!({
            "id": id, "mode": "payment", "payment_status": "paid", "status": "complete", "created": at, "currency": "usd",
            "amount_total": 800, "total_details": { "amount_discount": 200, "amount_tax": 0 }, "invoice": "in_1",
            "payment_intent": format!("pi_{id}"), "discounts": [{ "promotion_code": "promo_sarah" }],
        });
        let event = json!({ "type": "checkout.session.completed", "created": at, "data": { "object": object } });
        match read_event(&event).unwrap() {
            Reading::Facts(facts) => *facts,
            other => panic!("{other:?}"),
        }
    };
    let mut facts = session("cs_1", 200);
    facts.merge(session("cs_2", 100));
    let sold = project(&facts, &evidence(AffiliateStatus::Approved)).conversions;
    let told: Vec<_> = sold
        .iter()
        .map(|it| (it.part.as_str(), it.amount, it.occurred_at.timestamp()))
        .collect();
    assert_eq!(told, [("in_1", 800, 100)]);
    assert_eq!(sold[0].aliases, ["cs_1", "cs_2"]);
}
