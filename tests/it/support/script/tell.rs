//! What is told of a sale as it is lived, and what Stripe has of it.

use chrono::DateTime;
use rekomi::standin::Account;
use serde_json::{Value, json};

use super::{Lived, News, visit::NamedBy};

impl Lived {
    pub(super) fn tell(&mut self, events: impl IntoIterator<Item = Value>) {
        for mut event in events {
            self.amend(&mut event["data"]["object"]);
            let object = &event["data"]["object"];
            self.objects
                .insert(object["id"].as_str().unwrap().to_owned(), object.clone());
            let thin = self.script.thin && self.events.len() % 2 == 1;
            self.events.push(News::Event(if thin { as_thin(event) } else { event }));
        }
    }

    /// Puts the present truth into Stripe. The session stays as it was completed, whatever is redeemed later.
    pub fn sync(&self, account: &Account) {
        self.sale.sync(account);
        let mut session = account.get("checkout.session", &self.sale.facts().session).unwrap();
        session["discounts"].as_array_mut().unwrap().truncate(self.at_start);
        account.put(session);
        for bill in self.sale.bills() {
            let invoice = bill.invoice.as_ref().map(|id| ("invoice", id));
            let paid = [("charge", &bill.charge), ("invoice_payment", &bill.invoice_payment)];
            for (kind, id) in paid.into_iter().chain(invoice) {
                if let Some(mut object) = account.get(kind, id) {
                    self.amend(&mut object);
                    account.put(object);
                }
            }
        }
    }

    /// The stand-in knows of no credit balance: what it says was paid is the total. Nor does it name clicks on invoices.
    pub fn amend(&self, object: &mut Value) {
        let fields: &[&str] = match object["object"].as_str() {
            Some("invoice" | "invoice_payment") => &["amount_paid"],
            Some("charge") => &["amount", "amount_captured"],
            _ => &[],
        };
        for field in fields {
            object[field] = json!(self.script.paid(object[field].as_i64().unwrap()));
        }
        let first = self.sale.bills()[0].invoice.as_deref();
        let named = self.clicks.iter().find(|click| click.named);
        if let Some(click) = named.filter(|_| self.script.names_by(NamedBy::Invoice))
            && object["object"] == "invoice"
            && object["id"].as_str() == first
        {
            object["metadata"] = json!({ "rekomi_click_id": click.id.to_string() });
        }
    }
}

/// The same as a thin event (<https://docs.stripe.com/event-destinations>), where there is one that is read.
fn as_thin(event: Value) -> Value {
    let object = &event["data"]["object"];
    let kind = event["type"].as_str().unwrap();
    if kind == "customer.subscription.updated" {
        return event;
    }
    let created = DateTime::from_timestamp(event["created"].as_i64().unwrap(), 0).unwrap();
    json!({
        "id": event["id"],
        "object": "v2.core.event",
        "type": format!("v1.{kind}"),
        "created": created.to_rfc3339(),
        "livemode": true,
        "related_object": { "id": object["id"], "type": object["object"] },
    })
}
