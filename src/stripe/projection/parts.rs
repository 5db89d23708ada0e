//! Cuts a sale into parts: a subscription's start together with its first invoice, every later paid invoice, an invoice
//! without a subscription, a one-off payment without an invoice, a sale that the brand's server reported. Pure.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use entity::{conversion::ConversionKind, id::ClickId};

use crate::{
    domain::reports::ReportedSale,
    money::{Currency, proportion},
    stripe::facts::{Facts, Invoice, MoneyBack, Paid, Payments, Session, Subscription},
};

/// A part of a sale, before anybody is credited.
pub(super) struct Part<'a> {
    pub(super) name: String,
    /// What the part was called while it was not known to be this one.
    pub(super) aliases: Vec<String>,
    pub(super) kind: ConversionKind,
    pub(super) at: i64,
    /// A subscription begins with its creation, whenever it is paid.
    pub(super) began: i64,
    pub(super) currency: Currency,
    pub(super) paid: Option<Paid>,
    pub(super) pending: bool,
    /// Minor units off, by discount.
    pub(super) discounts: BTreeMap<&'a str, i64>,
    pub(super) customer_email: Option<&'a str>,
    pub(super) back: MoneyBack,
    /// The clicks that it names.
    pub(super) clicks: BTreeSet<ClickId>,
    /// The clicks that its customer names, where it begins something: they count where nothing else tells.
    pub(super) clicks_of_customer: BTreeSet<ClickId>,
    /// What the brand's server reported, where the sale was made outside Stripe.
    pub(super) reported: Option<&'a ReportedSale>,
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
        self.back.whole || self.gross() > 0 && self.back.amount >= self.gross()
    }

    /// The clicks that it names, or else its customer.
    pub(super) fn clicks_of_any(&self) -> &BTreeSet<ClickId> {
        if self.clicks.is_empty() {
            &self.clicks_of_customer
        } else {
            &self.clicks
        }
    }

    pub(super) fn occurred_at(&self) -> DateTime<Utc> {
        moment(self.at)
    }
}

pub(super) fn moment(at: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(at, 0).unwrap_or_default()
}

/// The parts of a sale, in order of time, grouped by subscription; a part without one stands alone.
pub(super) fn threads(facts: &Facts) -> Vec<(Option<String>, Vec<Part<'_>>)> {
    let payments = Payments::new(facts);
    let mut by_subscription: BTreeMap<&str, Vec<(&String, &Invoice)>> = BTreeMap::new();
    let mut threads = Vec::new();
    for id in facts.subscriptions.keys() {
        by_subscription.entry(id).or_default();
    }
    for (id, invoice) in &facts.invoices {
        match &invoice.subscription {
            Some(subscription) => by_subscription.entry(subscription).or_default().push((id, invoice)),
            None => {
                let part = invoice_part(&payments, facts, id, invoice, ConversionKind::OneOff);
                threads.extend(part.map(|part| (None, vec![part])));
            }
        }
    }
    let sessions = session_parts(&payments, facts).into_iter();
    threads.extend(sessions.map(|part| (None, vec![part])));
    let reported = facts.reported.iter().filter_map(|(name, it)| Part::reported(name, it));
    threads.extend(reported.map(|part| (None, vec![part])));
    for (id, invoices) in by_subscription {
        threads.push((Some(id.to_owned()), subscription_parts(&payments, facts, id, &invoices)));
    }
    threads
}

fn subscription_parts<'a>(
    payments: &Payments<'_>,
    facts: &'a Facts,
    id: &str,
    invoices: &[(&'a String, &'a Invoice)],
) -> Vec<Part<'a>> {
    let subscription = facts.subscriptions.get(id);
    let first = first_invoice(subscription, invoices);
    let mut parts: Vec<_> = invoices
        .iter()
        .filter(|(invoice_id, _)| Some(*invoice_id) != first.map(|(first_id, _)| first_id))
        .filter_map(|(id, invoice)| invoice_part(payments, facts, id, invoice, ConversionKind::Renewal))
        .collect();
    let start = acquisition(payments, facts, id, subscription, first);
    // A renewal that names no customer is of the one who began.
    let email = start.as_ref().and_then(|start| start.customer_email);
    for part in &mut parts {
        part.customer_email = part.customer_email.or(email);
    }
    parts.extend(start);
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
    payments: &Payments<'_>,
    facts: &'a Facts,
    id: &str,
    subscription: Option<&'a Subscription>,
    first: Option<(&'a String, &'a Invoice)>,
) -> Option<Part<'a>> {
    let paid = first.and_then(|(_, invoice)| invoice.paid);
    let started = subscription.filter(|subscription| subscription.active || subscription.trialing);
    let currency = paid.map(|paid| paid.currency).or(started.and_then(|s| s.currency))?;
    let at = paid.map(|paid| paid.at).or(started.and_then(|s| s.created))?;
    let mut discounts = on_start(facts, subscription);
    discounts.extend(sessions_of_start(facts, id, first).flat_map(typed));
    let mut email = sessions_of_start(facts, id, first).find_map(|(_, session)| session.customer_email.as_deref());
    let of_sessions = sessions_of_start(facts, id, first).flat_map(|(_, session)| &session.clicks);
    let of_subscription = subscription.into_iter().flat_map(|it| &it.clicks);
    let mut clicks: BTreeSet<ClickId> = of_sessions.chain(of_subscription).copied().collect();
    let customers = sessions_of_start(facts, id, first).filter_map(|(_, session)| session.customer.as_ref());
    let customers = customers.chain(subscription.and_then(|it| it.customer.as_ref()));
    let customers = customers.chain(first.and_then(|(_, invoice)| invoice.customer.as_ref()));
    let clicks_of_customer = of_customers(facts, customers);
    let mut back = MoneyBack::default();
    let mut aliases = Vec::new();
    if let Some((first, invoice)) = first {
        aliases.push(first.clone());
        aliases.extend(sessions_of_invoice(facts, first, invoice).map(|(id, _)| id.clone()));
        discounts.extend(amounts(&invoice.discounts));
        email = invoice.customer_email.as_deref().or(email);
        back = money_back(payments, first, invoice);
        clicks.extend(&invoice.clicks);
    }
    Some(Part {
        name: id.to_owned(),
        aliases,
        kind: ConversionKind::Acquisition,
        at,
        began: subscription
            .and_then(|it| it.created)
            .map_or(at, |created| created.min(at)),
        currency,
        paid,
        pending: paid.is_none() && started.is_some_and(|subscription| !subscription.trialing),
        discounts,
        customer_email: email,
        back,
        clicks,
        clicks_of_customer,
        reported: None,
    })
}

/// The discounts that were on a subscription when it began, as its start was told, else as it was looked up. One that was
/// put on it later did not sell it.
fn on_start<'a>(facts: &Facts, subscription: Option<&'a Subscription>) -> BTreeMap<&'a str, i64> {
    const DAY: i64 = 86_400;
    let began = subscription.and_then(|subscription| subscription.created);
    let start = |id: &str| facts.discounts.get(id).map_or(0, |discount| discount.start);
    let discounts = subscription
        .into_iter()
        .flat_map(|it| it.discounts.as_ref().unwrap_or(&it.discounts_later));
    let at_start = discounts.filter(|id| began.is_none_or(|began| start(id) <= began + DAY));
    at_start.map(|id| (id.as_str(), 0)).collect()
}

/// The clicks that customers name.
fn of_customers<'a>(facts: &Facts, customers: impl Iterator<Item = &'a String>) -> BTreeSet<ClickId> {
    let named = customers.filter_map(|id| facts.customers.get(id));
    named.flatten().copied().collect()
}

fn amounts(discounts: &BTreeMap<String, i64>) -> impl Iterator<Item = (&str, i64)> {
    discounts.iter().map(|(id, off)| (id.as_str(), *off))
}

/// The codes that were typed in a session whose invoice says what they took off.
fn typed<'a>((_, session): (&'a String, &'a Session)) -> impl Iterator<Item = (&'a str, i64)> {
    session.codes.keys().map(|code| (code.as_str(), 0))
}

/// The sessions that a subscription is known to begin with: they name it, or its first invoice comes from them.
fn sessions_of_start<'a>(
    facts: &'a Facts,
    id: &str,
    first: Option<(&'a String, &'a Invoice)>,
) -> impl Iterator<Item = (&'a String, &'a Session)> {
    facts.sessions.iter().filter(move |(_, session)| {
        session.subscription.as_deref() == Some(id) || first.is_some_and(|(id, invoice)| made(session, id, invoice))
    })
}

/// The sessions that an invoice is known to come from.
fn sessions_of_invoice<'a>(
    facts: &'a Facts,
    id: &str,
    invoice: &'a Invoice,
) -> impl Iterator<Item = (&'a String, &'a Session)> {
    let sessions = facts.sessions.iter();
    sessions.filter(move |(_, session)| made(session, id, invoice))
}

/// Whether an invoice comes from a session: it names it, or it was paid with its payment.
fn made(session: &Session, id: &str, invoice: &Invoice) -> bool {
    let paid_it = |payment| invoice.payments.contains(payment);
    session.invoice.as_deref() == Some(id) || session.payment_intent.as_ref().is_some_and(paid_it)
}

/// One-off payments that no paid invoice tells of. Where a session names its invoice, the part goes by that name at once;
/// of several that name one, the first counts.
fn session_parts<'a>(payments: &Payments<'_>, facts: &'a Facts) -> Vec<Part<'a>> {
    let has_paid_invoice = |session: &Session| {
        let mut paid = facts.invoices.iter().filter(|(_, invoice)| invoice.paid.is_some());
        paid.any(|(id, invoice)| made(session, id, invoice))
    };
    let mut by_name: BTreeMap<&str, Vec<(&str, &Session, Paid)>> = BTreeMap::new();
    for (id, session) in &facts.sessions {
        if let Some(paid) = session.paid().filter(|_| !has_paid_invoice(session)) {
            let name = session.invoice.as_ref().unwrap_or(id);
            by_name.entry(name).or_default().push((id, session, paid));
        }
    }
    let part = |(name, sessions): (&str, Vec<(&str, &'a Session, Paid)>)| {
        let (_, session, paid) = *sessions.iter().min_by_key(|(id, _, paid)| (paid.at, *id))?;
        let payment = session.payment_intent.as_ref();
        let aliases = sessions.iter().map(|(id, ..)| *id).filter(|id| *id != name);
        let clicks = sessions.iter().flat_map(|(_, session, _)| &session.clicks);
        Some(Part {
            name: name.to_owned(),
            aliases: aliases.map(str::to_owned).collect(),
            kind: ConversionKind::OneOff,
            at: paid.at,
            began: paid.at,
            currency: paid.currency,
            paid: Some(paid),
            pending: false,
            discounts: amounts(&session.codes).collect(),
            customer_email: session.customer_email.as_deref(),
            back: payment.map_or_else(MoneyBack::default, |payment| payments.back_of(payment, paid.currency)),
            clicks: clicks.copied().collect(),
            clicks_of_customer: of_customers(facts, sessions.iter().filter_map(|(_, it, _)| it.customer.as_ref())),
            reported: None,
        })
    };
    by_name.into_iter().filter_map(part).collect()
}

fn invoice_part<'a>(
    payments: &Payments<'_>,
    facts: &'a Facts,
    id: &str,
    invoice: &'a Invoice,
    kind: ConversionKind,
) -> Option<Part<'a>> {
    let paid = invoice.paid?;
    let mut discounts: BTreeMap<&str, i64> = sessions_of_invoice(facts, id, invoice).flat_map(typed).collect();
    discounts.extend(amounts(&invoice.discounts));
    let of_sessions = sessions_of_invoice(facts, id, invoice).flat_map(|(_, session)| &session.clicks);
    let clicks = of_sessions.chain(&invoice.clicks).copied().collect();
    let customers = sessions_of_invoice(facts, id, invoice).filter_map(|(_, session)| session.customer.as_ref());
    let customers = customers
        .filter(|_| kind == ConversionKind::OneOff)
        .chain(&invoice.customer);
    let mut sessions = sessions_of_invoice(facts, id, invoice);
    let of_session = sessions.find_map(|(_, session)| session.customer_email.as_deref());
    Some(Part {
        name: id.to_owned(),
        aliases: sessions_of_invoice(facts, id, invoice)
            .map(|(id, _)| id.clone())
            .collect(),
        kind,
        at: paid.at,
        began: paid.at,
        currency: paid.currency,
        paid: Some(paid),
        pending: false,
        discounts,
        customer_email: invoice.customer_email.as_deref().or(of_session),
        back: money_back(payments, id, invoice),
        clicks,
        clicks_of_customer: of_customers(facts, customers),
        reported: None,
    })
}

fn money_back(payments: &Payments<'_>, id: &str, invoice: &Invoice) -> MoneyBack {
    let paid = invoice.paid;
    paid.map_or_else(MoneyBack::default, |paid| {
        payments.back_of_invoice(id, invoice, paid.currency)
    })
}
