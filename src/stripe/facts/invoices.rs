//! Invoices and their payments (<https://docs.stripe.com/api/invoices/object>), in the shapes of all versions.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{
    Facts, Paid, clicks,
    read::{Unreadable, id_of, items, minor, required, seconds, text},
};
use crate::money::{self, Currency};

impl Facts {
    pub(super) fn read_invoice(&mut self, object: &Value) -> Result<(), Unreadable> {
        let id = required(object, "invoice")?;
        let discounts = self.read_invoice_discounts(object);
        let invoice = self.invoices.entry(id.clone()).or_default();
        invoice.subscription = invoice_subscription(object);
        invoice.first = object["billing_reason"] == "subscription_create";
        invoice.customer_email = text(&object["customer_email"]);
        invoice.discounts = discounts;
        let begins_sale = invoice.first || invoice.subscription.is_none();
        invoice.customer = text(&object["customer"]).filter(|_| begins_sale);
        invoice.clicks = clicks::on_invoice(object);
        if object["status"] == "paid" || object["paid"] == true {
            invoice.paid = Some(read_paid(&id, object)?);
        }
        self.link(&id, &object["payment_intent"], &object["charge"]);
        for payment in items(&object["payments"]["data"]) {
            self.read_invoice_payment(payment)?;
        }
        Ok(())
    }

    /// Discounts stand in up to five places, as ids or as objects, on the invoice or only on its lines.
    fn read_invoice_discounts(&mut self, object: &Value) -> BTreeMap<String, i64> {
        let mut amounts = BTreeMap::new();
        let lines = || items(&object["lines"]["data"]);
        let bare = std::iter::once(&object["discount"])
            .chain(items(&object["discounts"]))
            .chain(lines().flat_map(|line| items(&line["discounts"])));
        for discount in bare {
            if let Some(id) = self.read_discount(discount) {
                amounts.entry(id).or_insert(0);
            }
        }
        let mut on_lines: BTreeMap<String, i64> = BTreeMap::new();
        for part in lines().flat_map(|line| items(&line["discount_amounts"])) {
            if let Some(id) = self.read_discount(&part["discount"]) {
                let off = on_lines.entry(id).or_default();
                *off = money::sum([*off, minor(&part["amount"]).unwrap_or(0).max(0)]);
            }
        }
        for part in items(&object["total_discount_amounts"]) {
            if let Some(id) = self.read_discount(&part["discount"]) {
                on_lines.insert(id, minor(&part["amount"]).unwrap_or(0).max(0));
            }
        }
        amounts.extend(on_lines);
        amounts
    }

    pub(super) fn read_invoice_payment(&mut self, object: &Value) -> Result<(), Unreadable> {
        let Some(invoice) = id_of(&object["invoice"]) else {
            return Err(Unreadable("the invoice payment names no invoice".into()));
        };
        let payment = &object["payment"];
        self.link(&invoice, &payment["payment_intent"], &payment["charge"]);
        let name = id_of(&payment["payment_intent"]).or_else(|| id_of(&payment["charge"]));
        if let (Some(name), Some(amount)) = (name, minor(&object["amount_paid"])) {
            let paid_with = &mut self.invoices.entry(invoice).or_default().paid_with;
            paid_with.insert(name, amount.max(0));
        }
        Ok(())
    }

    /// Notes that a payment belongs to an invoice.
    pub(super) fn link(&mut self, invoice: &str, payment_intent: &Value, charge: &Value) {
        let (payment_intent, charge) = (id_of(payment_intent), id_of(charge));
        if let Some(payment) = payment_intent.clone().or(charge.clone()) {
            let invoice = self.invoices.entry(invoice.to_owned()).or_default();
            invoice.payments.insert(payment);
        }
        if let (Some(charge), Some(_)) = (charge, &payment_intent) {
            let charge = self.charges.entry(charge).or_default();
            charge.payment_intent = payment_intent;
        }
    }
}

/// Old: `subscription`. New: `parent.subscription_details`. Some payloads have it on the lines alone.
fn invoice_subscription(object: &Value) -> Option<String> {
    id_of(&object["subscription"])
        .or_else(|| id_of(&object["parent"]["subscription_details"]["subscription"]))
        .or_else(|| {
            items(&object["lines"]["data"]).find_map(|line| {
                id_of(&line["subscription"])
                    .or_else(|| id_of(&line["parent"]["subscription_item_details"]["subscription"]))
            })
        })
}

fn read_paid(id: &str, object: &Value) -> Result<Paid, Unreadable> {
    let wrong = |what: &str| Unreadable(format!("the invoice {id} has no {what}"));
    let amount = |field: &str| minor(&object[field]);
    let total = amount("total").ok_or_else(|| wrong("total"))?;
    let currency: Option<Currency> = object["currency"].as_str().and_then(|code| code.parse().ok());
    Ok(Paid {
        at: seconds(&object["status_transitions"]["paid_at"])
            .or_else(|| seconds(&object["created"]))
            .ok_or_else(|| wrong("time"))?,
        amount_paid: amount_paid(object).ok_or_else(|| wrong("amount_paid"))?,
        total,
        total_excluding_tax: amount("total_excluding_tax").unwrap_or_else(|| total - tax(object)),
        currency: currency.ok_or_else(|| wrong("known currency"))?,
    })
}

/// What was paid. Before basil that left out what was paid outside Stripe: then all that was due.
fn amount_paid(object: &Value) -> Option<i64> {
    let paid = minor(&object["amount_paid"]);
    let out_of_band = object["paid_out_of_band"] == true;
    paid.max(minor(&object["amount_due"]).filter(|_| out_of_band))
}

/// The tax of an invoice from before `total_excluding_tax` (2022-08-01).
fn tax(object: &Value) -> i64 {
    let sum = |field: &str| money::sum(items(&object[field]).filter_map(|part| minor(&part["amount"])));
    minor(&object["tax"]).unwrap_or_else(|| sum("total_tax_amounts").max(sum("total_taxes")))
}
