//! What Stripe told of one sale, merged.
//!
//! **Invariant.** [`Facts::merge`] is commutative, associative and idempotent: sets grow, cumulative figures take the
//! larger, states take the later by a total order. So any order and any number of repeats reach the same facts. Nothing
//! is ever taken out. This module does no I/O and knows no database.

mod clicks;
mod credit_notes;
mod disputes;
mod invoices;
mod kinds;
mod money_back;
pub mod needs;
mod payments;
mod read;
mod reports;
mod sessions;
mod shares;

use std::collections::{BTreeMap, BTreeSet};

use entity::id::ClickId;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub use credit_notes::CreditNote;
pub use disputes::{Dispute, DisputeState, Word};
pub use kinds::KINDS;
pub use money_back::MoneyBack;
pub use needs::{Request, charges_with_failed_refunds, needs};
pub use payments::Payments;
pub use read::{BACKFILL, CODE_METADATA, Reading, Unreadable, read_event, read_object};
pub(super) use read::{seconds, text};
pub use reports::{Reported, read_report, reported_name};
pub use sessions::{Session, Total};

use crate::{domain::reports::Decision, money::Currency};

/// All that is known of one sale: a subscription with all its invoices, or a one-off payment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Facts {
    /// By `sub_…`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub subscriptions: BTreeMap<String, Subscription>,
    /// By `in_…`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub invoices: BTreeMap<String, Invoice>,
    /// By `cs_…`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub sessions: BTreeMap<String, Session>,
    /// By `ch_…`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub charges: BTreeMap<String, Charge>,
    /// By `re_…`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub refunds: BTreeMap<String, Refund>,
    /// By `du_…`, or `dp_…` before 2022.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub disputes: BTreeMap<String, Dispute>,
    /// By `cn_…`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub credit_notes: BTreeMap<String, CreditNote>,
    /// By `di_…`; by `promo_…` where a session tells of a code without its discount.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub discounts: BTreeMap<String, Discount>,
    /// By `promo_…`; only those that had to be looked up.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub promotion_codes: BTreeMap<String, PromotionCode>,
    /// Sales that were made outside Stripe, by [`reported_name`].
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub reported: BTreeMap<String, Reported>,
    /// What managers decided about its parts, later ones after earlier ones.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub decisions: BTreeMap<Uuid, Decision>,
    /// The clicks that customers name, by `cus_…`; of those that were looked up.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub customers: BTreeMap<String, BTreeSet<ClickId>>,
    /// Payment intents whose invoices were looked up, found or not; and customers that were.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub looked_up: BTreeSet<String>,
}

/// A subscription's start.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Subscription {
    /// Seconds since 1970.
    pub created: Option<i64>,
    pub currency: Option<Currency>,
    /// It was seen `trialing`, or `active`.
    pub trialing: bool,
    pub active: bool,
    /// The latest invoice at the subscription's creation.
    pub first_invoice: Option<String>,
    /// `di_…` of the discounts on the subscription itself when it started, where an event told of its start.
    pub discounts: Option<BTreeSet<String>>,
    /// The same when it was looked up: codes that were redeemed since its start are among them.
    pub discounts_later: BTreeSet<String>,
    /// `cus_…`, where it can be asked for clicks that it names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub customer: Option<String>,
    /// The clicks that its metadata names.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub clicks: BTreeSet<ClickId>,
}

/// An invoice.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Invoice {
    pub subscription: Option<String>,
    /// It started its subscription.
    pub first: bool,
    pub customer_email: Option<String>,
    /// Set once it was paid.
    pub paid: Option<Paid>,
    /// Minor units taken off by each discount, by `di_…`.
    pub discounts: BTreeMap<String, i64>,
    /// `pi_…` or, without one, `ch_…`.
    pub payments: BTreeSet<String>,
    /// What each of them paid of this invoice, where that is told. Minor units.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub paid_with: BTreeMap<String, i64>,
    /// `cus_…`, where it begins a sale, and it can be asked for clicks that it names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub customer: Option<String>,
    /// The clicks that its metadata names, or its subscription's.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub clicks: BTreeSet<ClickId>,
}

/// The figures of a paid invoice; they do not change any more. The order is that of the fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Paid {
    /// Seconds since 1970.
    pub at: i64,
    /// Minor units, with tax.
    pub amount_paid: i64,
    pub total: i64,
    pub total_excluding_tax: i64,
    pub currency: Currency,
}

/// A charge, as far as money went back from it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Charge {
    pub payment_intent: Option<String>,
    /// What was paid with it. Minor units.
    pub captured: Option<i64>,
    /// The largest cumulative `amount_refunded` that was seen. Minor units.
    pub amount_refunded: i64,
    /// An old payload said that it belongs to no invoice.
    pub without_invoice: bool,
}

/// A refund. Failing is final.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Refund {
    pub charge: Option<String>,
    pub payment_intent: Option<String>,
    /// Minor units.
    pub amount: i64,
    pub failed: bool,
}

/// A discount: how a code came to be on a sale.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Discount {
    /// `promo_…`; none for a coupon that was applied directly.
    pub promotion_code: Option<String>,
    /// Seconds since 1970; 0 where it is not known.
    pub start: i64,
}

/// A promotion code that was looked up, to match it by its metadata or its text.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PromotionCode {
    pub code: String,
    /// `metadata.rekomi_affiliate_coupon_id`.
    pub row_id: Option<String>,
}

/// A value that merges; see the module's invariant.
trait Merge {
    fn merge(&mut self, other: Self);
}

impl Facts {
    /// Adds what `other` knows.
    pub fn merge(&mut self, other: Facts) {
        merge_map(&mut self.subscriptions, other.subscriptions);
        merge_map(&mut self.invoices, other.invoices);
        merge_map(&mut self.sessions, other.sessions);
        merge_map(&mut self.charges, other.charges);
        merge_map(&mut self.refunds, other.refunds);
        merge_map(&mut self.disputes, other.disputes);
        merge_map(&mut self.credit_notes, other.credit_notes);
        merge_map(&mut self.discounts, other.discounts);
        merge_map(&mut self.promotion_codes, other.promotion_codes);
        merge_map(&mut self.reported, other.reported);
        for (id, decision) in other.decisions {
            self.decisions.entry(id).or_insert(decision);
        }
        for (id, clicks) in other.customers {
            self.customers.entry(id).or_default().extend(clicks);
        }
        self.looked_up.extend(other.looked_up);
    }

    /// Every name that this sale goes by: the ids of its subscriptions, invoices, sessions, payment intents and charges, and
    /// of what was reported.
    pub fn keys(&self) -> BTreeSet<String> {
        let mut keys: BTreeSet<String> = self.subscriptions.keys().cloned().collect();
        for (id, invoice) in &self.invoices {
            keys.insert(id.clone());
            keys.extend(invoice.subscription.clone());
            keys.extend(invoice.payments.iter().cloned());
        }
        for (id, session) in &self.sessions {
            keys.insert(id.clone());
            keys.extend(session.names().cloned());
        }
        keys.extend(self.credit_notes.values().filter_map(|note| note.invoice.clone()));
        for (id, charge) in &self.charges {
            keys.insert(id.clone());
            keys.extend(charge.payment_intent.clone());
        }
        for refund in self.refunds.values() {
            keys.extend(refund.charge.clone());
            keys.extend(refund.payment_intent.clone());
        }
        for dispute in self.disputes.values() {
            keys.extend(dispute.charge.clone());
            keys.extend(dispute.payment_intent.clone());
        }
        keys.extend(self.reported.keys().cloned());
        keys.extend(self.decisions.values().map(|decision| decision.part.clone()));
        keys
    }

    /// The charges that a refund is told of.
    pub fn refunded_charges(&self) -> BTreeSet<&String> {
        let charges = self.charges.iter().filter(|(_, charge)| charge.amount_refunded > 0);
        let refunds = self.refunds.values().filter_map(|refund| refund.charge.as_ref());
        charges.map(|(id, _)| id).chain(refunds).collect()
    }

    /// The promotion codes on the sale.
    pub fn promotion_code_ids(&self) -> BTreeSet<&str> {
        self.discounts
            .values()
            .filter_map(|discount| discount.promotion_code.as_deref())
            .collect()
    }
}

fn merge_map<T: Merge + Default>(into: &mut BTreeMap<String, T>, from: BTreeMap<String, T>) {
    for (key, value) in from {
        into.entry(key).or_default().merge(value);
    }
}

fn merge_amounts(into: &mut BTreeMap<String, i64>, from: BTreeMap<String, i64>) {
    for (key, amount) in from {
        let known = into.entry(key).or_default();
        *known = amount.max(*known);
    }
}

/// The smaller of two that are known: any total order would do, as Stripe never tells two.
fn merge_option<T: Ord>(into: &mut Option<T>, from: Option<T>) {
    *into = match (into.take(), from) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    };
}

impl Merge for Subscription {
    fn merge(&mut self, other: Self) {
        merge_option(&mut self.created, other.created);
        merge_option(&mut self.currency, other.currency);
        merge_option(&mut self.first_invoice, other.first_invoice);
        self.trialing |= other.trialing;
        self.active |= other.active;
        if let Some(more) = other.discounts {
            self.discounts.get_or_insert_default().extend(more);
        }
        self.discounts_later.extend(other.discounts_later);
        merge_option(&mut self.customer, other.customer);
        self.clicks.extend(other.clicks);
    }
}

impl Merge for Invoice {
    fn merge(&mut self, other: Self) {
        merge_option(&mut self.subscription, other.subscription);
        merge_option(&mut self.customer_email, other.customer_email);
        merge_option(&mut self.paid, other.paid);
        self.first |= other.first;
        self.payments.extend(other.payments);
        merge_amounts(&mut self.paid_with, other.paid_with);
        merge_amounts(&mut self.discounts, other.discounts);
        merge_option(&mut self.customer, other.customer);
        self.clicks.extend(other.clicks);
    }
}

impl Merge for Charge {
    fn merge(&mut self, other: Self) {
        merge_option(&mut self.payment_intent, other.payment_intent);
        merge_option(&mut self.captured, other.captured);
        self.amount_refunded = self.amount_refunded.max(other.amount_refunded);
        self.without_invoice |= other.without_invoice;
    }
}

impl Merge for Refund {
    fn merge(&mut self, other: Self) {
        merge_option(&mut self.charge, other.charge);
        merge_option(&mut self.payment_intent, other.payment_intent);
        self.amount = self.amount.max(other.amount);
        self.failed |= other.failed;
    }
}

impl Merge for Discount {
    fn merge(&mut self, other: Self) {
        merge_option(&mut self.promotion_code, other.promotion_code);
        self.start = self.start.max(other.start);
    }
}

impl Merge for PromotionCode {
    fn merge(&mut self, other: Self) {
        merge_option(&mut self.row_id, other.row_id);
        if other.code > self.code {
            self.code = other.code;
        }
    }
}
