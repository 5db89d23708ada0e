//! Checkout sessions: the only object that names the code of a one-off payment without an invoice
//! (<https://docs.stripe.com/api/checkout/sessions/object>).
//!
//! A subscription's session, and one that made an invoice, tell of a sale that its invoices tell of, too: they add the
//! names, the customer and the codes.

use std::collections::{BTreeMap, BTreeSet};

use entity::id::ClickId;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    Discount, Facts, Merge, Paid, clicks, merge_amounts, merge_option,
    read::{Unreadable, id_of, items, minor, required, seconds, text},
};
use crate::money::{self, Currency};

/// A checkout session that was completed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Session {
    pub subscription: Option<String>,
    pub invoice: Option<String>,
    /// None where nothing was to be paid.
    pub payment_intent: Option<String>,
    pub customer_email: Option<String>,
    /// Set once a one-off payment is paid, or nothing is to be paid.
    pub total: Option<Total>,
    /// Seconds since 1970.
    pub created: Option<i64>,
    /// When the event came that told of the payment. Seconds since 1970.
    pub paid_at: Option<i64>,
    /// Minor units taken off by each promotion code, by `promo_…`.
    pub codes: BTreeMap<String, i64>,
    /// All its codes are told, and what each took off.
    pub codes_told: bool,
    /// `cus_…`, where it can be asked for clicks that it names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub customer: Option<String>,
    /// The clicks that `client_reference_id` and its metadata name.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub clicks: BTreeSet<ClickId>,
}

/// What a session came to. Minor units.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Total {
    pub total: i64,
    pub tax: i64,
    pub discount: i64,
    pub currency: Currency,
}

impl Session {
    /// The figures of a one-off payment that is paid, as an invoice would tell them.
    pub fn paid(&self) -> Option<Paid> {
        let total = self.total?;
        Some(Paid {
            at: self.paid_at.or(self.created)?,
            amount_paid: total.total,
            total: total.total,
            total_excluding_tax: total.total - total.tax,
            currency: total.currency,
        })
    }

    /// It says that a discount was given, and not by which code.
    pub(super) fn hides_codes(&self) -> bool {
        let discounted = self.total.is_some_and(|total| total.discount > 0);
        discounted && !self.codes_told
    }

    /// The names that it brings together.
    pub(super) fn names(&self) -> impl Iterator<Item = &String> {
        [&self.subscription, &self.invoice, &self.payment_intent]
            .into_iter()
            .flatten()
    }
}

impl Merge for Session {
    fn merge(&mut self, other: Self) {
        merge_option(&mut self.subscription, other.subscription);
        merge_option(&mut self.invoice, other.invoice);
        merge_option(&mut self.payment_intent, other.payment_intent);
        merge_option(&mut self.customer_email, other.customer_email);
        merge_option(&mut self.total, other.total);
        merge_option(&mut self.created, other.created);
        merge_option(&mut self.paid_at, other.paid_at);
        merge_amounts(&mut self.codes, other.codes);
        self.codes_told |= other.codes_told;
        merge_option(&mut self.customer, other.customer);
        self.clicks.extend(other.clicks);
    }
}

impl Facts {
    /// Reads a session as an event told it `at` a time, or as it was fetched.
    pub(super) fn read_session(&mut self, object: &Value, at: Option<i64>) -> Result<(), Unreadable> {
        let id = required(object, "checkout session")?;
        let created = seconds(&object["created"]);
        let total = match is_paid(object) {
            true => Some(read_total(&id, object)?),
            false => None,
        };
        if total.is_some() && at.or(created).is_none() {
            return Err(Unreadable(format!("the checkout session {id} has no time")));
        }
        let (codes, codes_told) = self.read_codes(object, total.map_or(0, |total| total.discount));
        let session = Session {
            subscription: id_of(&object["subscription"]),
            invoice: id_of(&object["invoice"]),
            payment_intent: id_of(&object["payment_intent"]),
            customer_email: text(&object["customer_details"]["email"]).or_else(|| text(&object["customer_email"])),
            total,
            created,
            paid_at: at.filter(|_| total.is_some()),
            codes,
            codes_told,
            customer: text(&object["customer"]),
            clicks: clicks::on_session(object),
        };
        self.sessions.insert(id, session);
        Ok(())
    }

    /// The codes on a session; what each took off is only told where Stripe is asked for the breakdown.
    fn read_codes(&mut self, object: &Value, off: i64) -> (BTreeMap<String, i64>, bool) {
        let breakdown = &object["total_details"]["breakdown"]["discounts"];
        let mut codes = BTreeMap::new();
        for part in items(breakdown).filter(|part| part["discount"].is_object()) {
            if let Some(code) = self.read_code(&part["discount"]["promotion_code"], &part["discount"]["start"]) {
                let off = codes.entry(code).or_default();
                *off = money::sum([*off, minor(&part["amount"]).unwrap_or(0).max(0)]);
            }
        }
        let listed: BTreeSet<String> = items(&object["discounts"])
            .filter_map(|discount| self.read_code(&discount["promotion_code"], &Value::Null))
            .collect();
        let broken_down = breakdown.is_array() && items(breakdown).all(|part| part["discount"].is_object());
        let one = items(&object["discounts"]).count() == 1;
        for code in listed {
            codes.entry(code).or_insert(if one { off } else { 0 });
        }
        (codes, broken_down || one)
    }

    /// A promotion code that somebody typed: a discount that goes by the code's own id.
    fn read_code(&mut self, code: &Value, start: &Value) -> Option<String> {
        let id = id_of(code)?;
        self.read_promotion_code(code);
        let discount = Discount {
            promotion_code: Some(id.clone()),
            start: seconds(start).unwrap_or(0),
        };
        self.discounts.entry(id.clone()).or_default().merge(discount);
        Some(id)
    }
}

/// A one-off payment that is through. Delayed methods are `unpaid` at first; older sessions have no `status`.
fn is_paid(object: &Value) -> bool {
    let through = matches!(object["payment_status"].as_str(), Some("paid" | "no_payment_required"));
    let complete = object["status"].is_null() || object["status"] == "complete";
    object["mode"] == "payment" && through && complete
}

fn read_total(id: &str, object: &Value) -> Result<Total, Unreadable> {
    let wrong = |what: &str| Unreadable(format!("the checkout session {id} has no {what}"));
    let detail = |field: &str| minor(&object["total_details"][field]).unwrap_or(0).max(0);
    let total = minor(&object["amount_total"]).filter(|total| *total >= 0);
    let currency = object["currency"].as_str().and_then(|code| code.parse().ok());
    Ok(Total {
        total: total.ok_or_else(|| wrong("amount_total"))?,
        tax: detail("amount_tax"),
        discount: detail("amount_discount"),
        currency: currency.ok_or_else(|| wrong("known currency"))?,
    })
}
