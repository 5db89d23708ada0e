//! Cuts a sale into parts: a subscription's start together with its first invoice, every later paid invoice, an invoice
//! without a subscription. Pure.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use entity::conversion::ConversionKind;

use crate::{
    money::{Currency, proportion},
    stripe::facts::{Facts, Invoice, MoneyBack, Paid, Subscription},
};

/// A part of a sale, before anybody is credited.
pub(super) struct Part<'a> {
    pub(super) name: String,
    /// What the part was called while it was not known to be this one.
    pub(super) alias: Option<String>,
    pub(super) kind: ConversionKind,
    pub(super) at: i64,
    pub(super) currency: Currency,
    pub(super) paid: Option<Paid>,
    pub(super) pending: bool,
    /// Minor units off, by discount.
    pub(super) discounts: BTreeMap<&'a str, i64>,
    pub(super) customer_email: Option<&'a str>,
    pub(super) back: MoneyBack,
}

impl Part<'_> {
    pub(super) fn gross(&self) -> i64 {
        self.paid.map_or(0, |paid| paid.amount_paid.min(paid.total).max(0))
    }

    /// The paid part of the total without tax.
    pub(super) fn amount(&self) -> i64 {
        self.paid
            .map_or(0, |paid| proportion(self.gross(), paid.total_excluding_tax, paid.total))
    }

    /// What went back, without tax; all of it when all of it went back.
    pub(super) fn refunded_amount(&self) -> i64 {
        proportion(self.amount(), self.back.amount, self.gross())
    }

    pub(super) fn fully_refunded(&self) -> bool {
        self.gross() > 0 && self.back.amount >= self.gross()
    }

    pub(super) fn occurred_at(&self) -> DateTime<Utc> {
        DateTime::from_timestamp(self.at, 0).unwrap_or_default()
    }
}

/// The parts of a sale, in order of time, grouped by subscription; a part without one stands alone.
pub(super) fn threads(facts: &Facts) -> Vec<(Option<String>, Vec<Part<'_>>)> {
    let mut by_subscription: BTreeMap<&str, Vec<(&String, &Invoice)>> = BTreeMap::new();
    let mut threads = Vec::new();
    for id in facts.subscriptions.keys() {
        by_subscription.entry(id).or_default();
    }
    for (id, invoice) in &facts.invoices {
        match &invoice.subscription {
            Some(subscription) => by_subscription.entry(subscription).or_default().push((id, invoice)),
            None => threads.extend(invoice_part(facts, id, invoice, ConversionKind::OneOff).map(|p| (None, vec![p]))),
        }
    }
    for (id, invoices) in by_subscription {
        threads.push((Some(id.to_owned()), subscription_parts(facts, id, &invoices)));
    }
    threads
}

fn subscription_parts<'a>(facts: &'a Facts, id: &str, invoices: &[(&'a String, &'a Invoice)]) -> Vec<Part<'a>> {
    let subscription = facts.subscriptions.get(id);
    let first = first_invoice(subscription, invoices);
    let mut parts: Vec<_> = invoices
        .iter()
        .filter(|(invoice_id, _)| Some(*invoice_id) != first.map(|(first_id, _)| first_id))
        .filter_map(|(id, invoice)| invoice_part(facts, id, invoice, ConversionKind::Renewal))
        .collect();
    parts.extend(acquisition(facts, id, subscription, first));
    parts.sort_by(|a, b| (a.at, a.kind, &a.name).cmp(&(b.at, b.kind, &b.name)));
    parts
}

fn first_invoice<'a>(
    subscription: Option<&Subscription>,
    invoices: &[(&'a String, &'a Invoice)],
) -> Option<(&'a String, &'a Invoice)> {
    let named = subscription.and_then(|subscription| subscription.first_invoice.as_ref());
    let paid_at = |invoice: &Invoice| invoice.paid.map_or(i64::MAX, |paid| paid.at);
    invoices
        .iter()
        .copied()
        .filter(|(id, invoice)| invoice.first || Some(*id) == named)
        .min_by_key(|(id, invoice)| (paid_at(invoice), *id))
}

/// A subscription's start and its first invoice are one; an incomplete subscription has not started.
fn acquisition<'a>(
    facts: &'a Facts,
    id: &str,
    subscription: Option<&'a Subscription>,
    first: Option<(&'a String, &'a Invoice)>,
) -> Option<Part<'a>> {
    let paid = first.and_then(|(_, invoice)| invoice.paid);
    let started = subscription.filter(|subscription| subscription.active || subscription.trialing);
    let currency = paid.map(|paid| paid.currency).or(started.and_then(|s| s.currency))?;
    let at = paid.map(|paid| paid.at).or(started.and_then(|s| s.created))?;
    let on_start = subscription
        .iter()
        .flat_map(|s| &s.discounts)
        .map(|id| (id.as_str(), 0));
    let on_invoice = first.iter().flat_map(|(_, invoice)| &invoice.discounts);
    Some(Part {
        name: id.to_owned(),
        alias: first.map(|(invoice, _)| invoice.clone()),
        kind: ConversionKind::Acquisition,
        at,
        currency,
        paid,
        pending: paid.is_none() && started.is_some_and(|subscription| !subscription.trialing),
        discounts: on_start
            .chain(on_invoice.map(|(id, off)| (id.as_str(), *off)))
            .collect(),
        customer_email: first.and_then(|(_, invoice)| invoice.customer_email.as_deref()),
        back: first.map_or_else(MoneyBack::default, |(_, invoice)| money_back(facts, invoice)),
    })
}

fn invoice_part<'a>(facts: &Facts, id: &str, invoice: &'a Invoice, kind: ConversionKind) -> Option<Part<'a>> {
    let paid = invoice.paid?;
    Some(Part {
        name: id.to_owned(),
        alias: None,
        kind,
        at: paid.at,
        currency: paid.currency,
        paid: Some(paid),
        pending: false,
        discounts: invoice.discounts.iter().map(|(id, off)| (id.as_str(), *off)).collect(),
        customer_email: invoice.customer_email.as_deref(),
        back: money_back(facts, invoice),
    })
}

fn money_back(facts: &Facts, invoice: &Invoice) -> MoneyBack {
    let paid = invoice.paid;
    paid.map_or_else(MoneyBack::default, |paid| {
        facts.money_back(&invoice.payments, paid.currency)
    })
}
