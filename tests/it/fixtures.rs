//! Real payloads, from the folder that `REKOMI_STRIPE_FIXTURES` names: whatever Stripe sent, it is read or set aside, and no
//! reader falls over.

use std::path::PathBuf;

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
    let event = json!({ "id": "evt_1", "type": kind, "data": { "object": object } });
    match read_event(&event)? {
        Reading::Facts(facts) => Ok(*facts),
        other => panic!("{kind}: {other:?}"),
    }
}

#[test]
fn every_real_object_is_read_or_set_aside() {
    let Some(folder) = folder() else { return };
    let mut read = 0;
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        let value: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        let mut found = Vec::new();
        objects(&value, &mut found);
        for object in found {
            let kinds: &[&str] = match object["object"].as_str().unwrap() {
                "invoice" => &["invoice.paid"],
                "subscription" => &["customer.subscription.created"],
                "charge" => &["charge.refunded"],
                "refund" => &["refund.created", "refund.updated", "refund.failed"],
                "dispute" => &[
                    "charge.dispute.created",
                    "charge.dispute.updated",
                    "charge.dispute.closed",
                    "charge.dispute.funds_withdrawn",
                    "charge.dispute.funds_reinstated",
                ],
                "invoice_payment" => &["invoice_payment.paid"],
                "event" => {
                    read_event(object).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
                    &[]
                }
                _ => &[],
            };
            for kind in kinds {
                let facts = told(kind, object).unwrap_or_else(|error| panic!("{}: {kind}: {error}", path.display()));
                // A refund or an invoice payment may be of money that is in no payment of Stripe's.
                let names_a_sale = matches!(
                    object["object"].as_str(),
                    Some("invoice" | "subscription" | "charge" | "dispute")
                );
                assert!(!names_a_sale || !facts.keys().is_empty(), "{}: {kind}", path.display());
                read += 1;
            }
        }
    }
    assert!(read > 50, "{read}");
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
    let facts = read_object(&Request::InvoicePayments(payment.clone()), &list, 0).unwrap();
    let (id, invoice) = facts.invoices.first_key_value().unwrap();
    assert_eq!(list["data"][0]["invoice"], id.as_str());
    assert!(invoice.payments.contains(&payment) && facts.looked_up.contains(&payment));
    let empty = fixture("pay_vcr_test_connect_direct_charge_4.json").unwrap();
    let facts = read_object(&Request::InvoicePayments("pi_1".into()), &empty, 0).unwrap();
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
