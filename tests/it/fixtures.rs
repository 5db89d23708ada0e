//! Real payloads, from the folder that `REKOMI_STRIPE_FIXTURES` names: whatever Stripe sent, it is read or set aside, and no
//! reader falls over.

use std::{collections::BTreeSet, path::PathBuf};

use rekomi::stripe::facts::{
    DisputeState, Facts, MoneyBack, Reading, Request, Unreadable, needs, read_event, read_object,
};

use crate::support::{Value, env, json};

fn folder() -> Option<PathBuf> {
    let folder = env("REKOMI_STRIPE_FIXTURES");
    if folder.is_none() {
        eprintln!("REKOMI_STRIPE_FIXTURES is not set: the real payloads are left out");
    }
    folder.map(PathBuf::from)
}

fn fixture(name: &str) -> Option<Value> {
    let text = std::fs::read_to_string(folder()?.join(name)).unwrap();
    Some(serde_json::from_str(&text).unwrap())
}

/// Every object in a file, however deep.
fn objects<'a>(value: &'a Value, found: &mut Vec<&'a Value>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| objects(item, found)),
        Value::Object(map) => {
            if value["object"].is_string() {
                found.push(value);
            }
            map.values().for_each(|item| objects(item, found));
        }
        _ => {}
    }
}

/// As the event that tells of it.
fn told(kind: &str, object: &Value) -> Result<Facts, Unreadable> {
    let event = json!({ "id": "evt_1", "type": kind, "created": 1_793_534_400, "data": { "object": object } });
    match read_event(&event)? {
        Reading::Facts(facts) => Ok(*facts),
        other => panic!("{kind}: {other:?}"),
    }
}

/// The kinds of events that show an object of a type.
fn kinds(object: &str) -> &'static [&'static str] {
    match object {
        "invoice" => &["invoice.paid"],
        "subscription" => &["customer.subscription.created"],
        "checkout.session" => &["checkout.session.completed", "checkout.session.async_payment_succeeded"],
        "charge" => &["charge.refunded"],
        "refund" => &[
            "refund.created",
            "refund.updated",
            "refund.failed",
            "charge.refund.updated",
        ],
        "dispute" => &[
            "charge.dispute.created",
            "charge.dispute.updated",
            "charge.dispute.closed",
            "charge.dispute.funds_withdrawn",
            "charge.dispute.funds_reinstated",
        ],
        "invoice_payment" => &["invoice_payment.paid"],
        "credit_note" => &["credit_note.created", "credit_note.updated", "credit_note.voided"],
        _ => &[],
    }
}

/// Why nothing is read of an object by itself.
fn passed_over(object: &str) -> Option<&'static str> {
    Some(match object {
        "list" => "its entries are read",
        "discount" | "promotion_code" => "read where a sale holds it",
        "coupon" => "a coupon without a promotion code credits nobody",
        "payment_intent" => "its session or invoice tells of it",
        "line_item" | "subscription_item" => "read with its invoice or subscription",
        "credit_note_line_item" | "balance_transaction" => "its credit note or dispute says what it comes to",
        "plan" | "price" | "tax_rate" | "customer" | "account" | "card" | "source" => "it tells nothing of a sale",
        _ => return None,
    })
}

/// What is made of one object: the kinds of events by which it was read, or why it was not.
fn verdict(object: &Value) -> Result<String, String> {
    let kind = object["object"].as_str().unwrap();
    if kind == "event" {
        return match read_event(object).map_err(|error| error.to_string())? {
            Reading::Facts(_) => Ok(format!("{} is read", object["type"])),
            Reading::Nothing(why) => Ok(format!("{} is ignored: {why}", object["type"])),
            Reading::Lookup(request) => Err(format!("{request} is not looked up for a snapshot")),
        };
    }
    for told_by in kinds(kind) {
        let facts = told(told_by, object).map_err(|error| format!("{told_by}: {error}"))?;
        // A refund or an invoice payment may be of money that is in no payment of Stripe's.
        let may_be_alone = matches!(kind, "refund" | "invoice_payment");
        if facts.keys().is_empty() && !may_be_alone {
            return Err(format!("{told_by}: it names no sale"));
        }
    }
    match (kinds(kind), passed_over(kind)) {
        ([], None) => Err(format!("nobody has said what to do with a {kind}")),
        ([], Some(why)) => Ok(format!("{kind} is passed over: {why}")),
        (kinds, _) => Ok(format!("{kind} is read as {}", kinds.join(", "))),
    }
}

#[test]
fn every_real_payload_is_understood_or_knowingly_passed_over() {
    let Some(folder) = folder() else { return };
    let mut files = 0;
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        let value: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        let mut found = Vec::new();
        objects(&value, &mut found);
        let verdicts: Result<BTreeSet<String>, String> = found.into_iter().map(verdict).collect();
        let verdicts = verdicts.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert!(!verdicts.is_empty(), "{}: nothing is in it", path.display());
        eprintln!("{}: {verdicts:#?}", path.display());
        files += 1;
    }
    assert!(files >= 46, "{files}");
}

#[test]
fn a_real_session_of_2026_names_its_figures_once_it_is_paid() {
    let Some(mut session) = fixture("pay_vcr_test_checkout_payment_session_1.json") else {
        return;
    };
    let of = |session: &Value| {
        let facts = told("checkout.session.completed", session).unwrap();
        facts.sessions.into_values().next().unwrap()
    };
    assert_eq!(of(&session).paid(), None, "it is open");
    session["status"] = json!("complete");
    session["payment_status"] = json!("paid");
    let paid = of(&session).paid().unwrap();
    assert_eq!((paid.amount_paid, paid.total_excluding_tax), (1500, 1500));
    assert_eq!(of(&session).customer_email.as_deref(), Some("stripe@example.org"));
}

#[test]
fn a_real_credit_note_says_whose_refund_it_is() {
    let Some(note) = fixture("pay_vcr_test_stripe_can_issue_credit_note_for_a_refund_for_Stripe_tax_8.json") else {
        return;
    };
    let facts = told("credit_note.created", &note).unwrap();
    let read = facts.credit_notes.values().next().unwrap();
    assert_eq!(read.invoice.as_deref(), note["invoice"].as_str());
    assert_eq!(read.refunds.values().copied().collect::<Vec<_>>(), [500]);
    assert_eq!((read.out_of_band, read.voided), (0, false));
}

#[test]
fn a_discount_on_a_line_alone_is_found_on_a_real_invoice_of_clover() {
    let Some(invoice) = fixture("pay_vcr_test_sync_stripe_invoice_discounts_and_coupons_5.json") else {
        return;
    };
    let facts = told("invoice.paid", &invoice).unwrap();
    let (_, invoice) = facts.invoices.first_key_value().unwrap();
    assert_eq!(invoice.discounts.values().copied().collect::<Vec<_>>(), [950]);
    assert!(invoice.discounts.keys().all(|id| id.starts_with("di_")));
    assert!(facts.discounts.is_empty(), "only an id: it has to be fetched");
}

#[test]
fn both_discounts_are_found_on_a_real_invoice_that_lists_one() {
    let Some(value) = fixture("pay_file_invoice.json") else {
        return;
    };
    let mut found = Vec::new();
    objects(&value, &mut found);
    let invoice = found.into_iter().find(|object| object["object"] == "invoice").unwrap();
    let facts = told("invoice.paid", invoice).unwrap();
    assert_eq!(facts.invoices.values().next().unwrap().discounts.len(), 2);
}

#[test]
fn a_real_charge_of_2022_names_its_invoice_and_what_went_back() {
    let Some(value) = fixture("pay_file_charge.refunded.json") else {
        return;
    };
    let charge = if value["object"].is_object() {
        &value["object"]
    } else {
        &value
    };
    let facts = told("charge.refunded", charge).unwrap();
    assert_eq!(
        facts
            .charges
            .values()
            .map(|charge| charge.amount_refunded)
            .collect::<Vec<_>>(),
        [500]
    );
}

#[test]
fn a_real_list_of_payments_ties_the_payment_to_its_invoice() {
    let Some(list) = fixture("pay_vcr_test_stripe_handles_coupons_6.json") else {
        return;
    };
    let payment = list["data"][0]["payment"]["payment_intent"]
        .as_str()
        .unwrap()
        .to_owned();
    let facts = read_object(&Request::InvoicePayments(payment.clone()), &list).unwrap();
    let (id, invoice) = facts.invoices.first_key_value().unwrap();
    assert_eq!(list["data"][0]["invoice"], id.as_str());
    assert!(invoice.payments.contains(&payment) && facts.looked_up.contains(&payment));
    let empty = fixture("pay_vcr_test_connect_direct_charge_4.json").unwrap();
    let facts = read_object(&Request::InvoicePayments("pi_1".into()), &empty).unwrap();
    assert!(facts.invoices.is_empty() && facts.looked_up.contains("pi_1"));
}

#[test]
fn a_real_trial_is_of_zero() {
    let Some(subscription) = fixture("pay_vcr_test_cancel_now_when_on_trial_3.json") else {
        return;
    };
    let facts = told("customer.subscription.created", &subscription).unwrap();
    let subscription = facts.subscriptions.values().next().unwrap();
    assert!(subscription.trialing && !subscription.active);
    let paid = facts.invoices.values().next().unwrap().paid.unwrap();
    assert_eq!((paid.total, paid.amount_paid), (0, 0));
}

/// How the one dispute in these facts stands, and how much is at stake.
fn stands(facts: &Facts) -> (DisputeState, i64) {
    let (_, dispute) = facts.disputes.first_key_value().unwrap();
    let word = dispute.last.unwrap();
    (word.state, word.amount)
}

#[test]
fn a_real_inquiry_is_understood_and_changes_nothing() {
    let Some(event) = fixture("rubymock_charge.dispute.created.json") else {
        return;
    };
    let Reading::Facts(facts) = read_event(&event).unwrap() else {
        panic!("it tells of a dispute")
    };
    assert_eq!(stands(&facts), (DisputeState::Inquiry, 100));
    assert!(
        needs(&facts, &facts, |_| true).is_empty(),
        "nothing has to be looked up"
    );
    let charge = event["data"]["object"]["charge"].as_str().unwrap().to_owned();
    let back = facts.money_back(&[charge].into(), "usd".parse().unwrap());
    assert_eq!(back, MoneyBack::default());
}

#[test]
fn a_real_dispute_is_over_once_its_money_is_back_whatever_its_status() {
    let Some(open) = fixture("djstripe_dispute_dp_fakefakefakefake01.json") else {
        return;
    };
    let facts = told("charge.dispute.funds_withdrawn", &open).unwrap();
    assert_eq!(stands(&facts), (DisputeState::Open, 1000));
    let back = fixture("djstripe_dispute_dp_funds_reinstated_full.json").unwrap();
    assert_eq!(back["status"], "under_review");
    let facts = told("charge.dispute.funds_reinstated", &back).unwrap();
    assert_eq!(stands(&facts), (DisputeState::Over, 0));
}
