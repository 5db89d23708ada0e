//! What has to be fetched from Stripe, because the payload cannot tell it and nothing known does.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use serde::Serialize;

use super::Facts;
use crate::money;

/// A read from Stripe. Its text form names it in the log.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Request {
    /// With its discounts and payments.
    Invoice(String),
    /// With its discounts and its latest invoice.
    Subscription(String),
    InvoicePayment(String),
    /// The invoices that a payment intent paid.
    InvoicePayments(String),
    /// With what each code took off.
    Session(String),
    /// With its refunds.
    Charge(String),
    Refund(String),
    /// All refunds of a charge.
    Refunds(String),
    /// As an event told of it at a time, in seconds since 1970: its state is at least as late.
    Dispute(String, i64),
    CreditNote(String),
    PromotionCode(String),
    Coupon(String),
    /// Of a sale that goes by this name, the second one: what the customer names is told of it.
    Customer(String, String),
}

impl Request {
    /// The path below `/v1`.
    pub fn path(&self) -> String {
        match self {
            Self::Invoice(id) => format!("/invoices/{id}"),
            Self::Subscription(id) => format!("/subscriptions/{id}"),
            Self::InvoicePayment(id) => format!("/invoice_payments/{id}"),
            Self::InvoicePayments(_) => "/invoice_payments".to_owned(),
            Self::Session(id) => format!("/checkout/sessions/{id}"),
            Self::Charge(id) => format!("/charges/{id}"),
            Self::Refund(id) => format!("/refunds/{id}"),
            Self::Refunds(_) => "/refunds".to_owned(),
            Self::Dispute(id, _) => format!("/disputes/{id}"),
            Self::CreditNote(id) => format!("/credit_notes/{id}"),
            Self::PromotionCode(id) => format!("/promotion_codes/{id}"),
            Self::Coupon(id) => format!("/coupons/{id}"),
            Self::Customer(id, _) => format!("/customers/{id}"),
        }
    }

    /// The query's parameters.
    pub fn query(&self) -> Query<'_> {
        let expand: &[&str] = match self {
            Self::Invoice(_) => &[
                "discounts",
                "total_discount_amounts.discount",
                "lines.data.discounts",
                "payments",
            ],
            Self::Subscription(_) => &["discounts", "items.data.discounts", "latest_invoice"],
            Self::Session(_) => &["total_details.breakdown.discounts.discount"],
            Self::Charge(_) => &["refunds"],
            _ => &[],
        };
        let (payment, charge) = match self {
            Self::InvoicePayments(payment_intent) => (Some(Payment::intent(payment_intent)), None),
            Self::Refunds(charge) => (None, Some(charge.as_str())),
            _ => (None, None),
        };
        Query {
            status: payment.is_some().then_some("paid"),
            limit: (payment.is_some() || charge.is_some()).then_some(100),
            payment,
            charge,
            expand,
        }
    }
}

/// A read's parameters (<https://docs.stripe.com/api/expanding_objects>).
#[derive(Debug, Serialize)]
pub struct Query<'a> {
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    expand: &'static [&'static str],
    #[serde(skip_serializing_if = "Option::is_none")]
    payment: Option<Payment<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    charge: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    limit: Option<u8>,
}

#[derive(Debug, Serialize)]
struct Payment<'a> {
    #[serde(rename = "type")]
    type_: &'static str,
    payment_intent: &'a str,
}

impl<'a> Payment<'a> {
    fn intent(payment_intent: &'a str) -> Self {
        let type_ = "payment_intent";
        Self { type_, payment_intent }
    }
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path())?;
        match self {
            Self::InvoicePayments(payment_intent) => write!(f, "?payment_intent={payment_intent}"),
            Self::Refunds(charge) => write!(f, "?charge={charge}"),
            Self::Dispute(_, at) => write!(f, "?told_at={at}"),
            Self::Customer(_, sale) => write!(f, "?sale={sale}"),
            _ => Ok(()),
        }
    }
}

/// What an event's facts leave open that `known`, all facts of its sale, does not answer either.
///
/// `matched` tells whether a promotion code's id is one of ours already.
pub fn needs(event: &Facts, known: &Facts, matched: impl Fn(&str) -> bool) -> BTreeSet<Request> {
    let mut needs = BTreeSet::new();
    let open = |discount: &String| !known.discounts.contains_key(discount);
    for (id, invoice) in &event.invoices {
        if invoice.paid.is_some() && invoice.discounts.keys().any(open) {
            needs.insert(Request::Invoice(id.clone()));
        }
    }
    for (id, subscription) in &event.subscriptions {
        let started = subscription.active || subscription.trialing;
        if started && subscription.discounts.iter().flatten().any(open) {
            needs.insert(Request::Subscription(id.clone()));
        }
        let first = subscription.first_invoice.iter().filter(|_| subscription.active);
        for invoice in first {
            if known.invoices.get(invoice).is_none_or(|known| known.paid.is_none()) {
                needs.insert(Request::Invoice(invoice.clone()));
            }
        }
    }
    let is_paid = |id: &String| known.invoices.get(id).is_some_and(|invoice| invoice.paid.is_some());
    for id in event.sessions.keys() {
        let session = known.sessions.get(id).filter(|session| session.hides_codes());
        if session.is_some_and(|session| !session.invoice.as_ref().is_some_and(is_paid)) {
            needs.insert(Request::Session(id.clone()));
        }
    }
    needs.extend(payments_without_invoice(event, known));
    let unclear = charges_with_failed_refunds(known).into_iter();
    let touched = event.refunded_charges();
    let unclear = unclear.filter(|charge| touched.contains(charge));
    needs.extend(unclear.map(|charge| Request::Refunds(charge.clone())));
    needs.extend(customers_of_beginnings(event, known, &matched));
    for promotion_code in known.promotion_code_ids() {
        if !known.promotion_codes.contains_key(promotion_code) && !matched(promotion_code) {
            needs.insert(Request::PromotionCode(promotion_code.to_owned()));
        }
    }
    needs
}

/// The customers of what an event says to begin, where nothing that is known of that names a click or a code of ours: only
/// there does what a customer names count. What is known of the rest of the sale must not matter, or the order would.
fn customers_of_beginnings(event: &Facts, known: &Facts, matched: impl Fn(&str) -> bool) -> Vec<Request> {
    let subscriptions = event.subscriptions.iter();
    let started = subscriptions.filter(|(_, it)| it.active || it.trialing);
    let sessions = event.sessions.iter().filter(|(_, it)| it.total.is_some());
    let invoices = event.invoices.iter().filter(|(_, it)| it.paid.is_some());
    let begun = started
        .map(|(name, it)| (name, &it.customer))
        .chain(sessions.map(|(name, it)| (name, &it.customer)))
        .chain(invoices.map(|(name, it)| (name, &it.customer)));
    let mut customers = BTreeMap::new();
    for (name, customer) in begun {
        let open = customer.as_ref().filter(|id| !known.looked_up.contains(*id));
        if let Some(customer) = open.filter(|_| !names_click_or_code(known, name, &matched)) {
            customers.entry(customer).or_insert(name);
        }
    }
    let request = |(customer, name): (&String, &String)| Request::Customer(customer.clone(), name.clone());
    customers.into_iter().map(request).collect()
}

/// Whether something names a click or a code of ours that certainly belongs to the same beginning: to the subscription's
/// start, or the one-off payment, that goes by this name.
fn names_click_or_code(known: &Facts, name: &String, matched: impl Fn(&str) -> bool) -> bool {
    let of_session = known
        .sessions
        .get(name)
        .and_then(|session| session.subscription.as_ref());
    let of_invoice = known
        .invoices
        .get(name)
        .and_then(|invoice| invoice.subscription.as_ref());
    let subscription = of_session.or(of_invoice).unwrap_or(name);
    let its_invoice = known.sessions.get(name).and_then(|session| session.invoice.as_ref());
    let start = known.subscriptions.get(subscription).into_iter();
    let sessions = known.sessions.iter().filter(|(id, it)| {
        *id == name || it.subscription.as_ref() == Some(subscription) || it.invoice.as_ref() == Some(name)
    });
    let invoices = known.invoices.iter().filter(|(id, it)| {
        *id == name || Some(*id) == its_invoice || it.first && it.subscription.as_ref() == Some(subscription)
    });
    let (start, sessions, invoices): (Vec<_>, Vec<_>, Vec<_>) =
        (start.collect(), sessions.collect(), invoices.collect());
    let clicks = start.iter().map(|it| &it.clicks);
    let clicks = clicks.chain(sessions.iter().map(|(_, it)| &it.clicks));
    let mut clicks = clicks.chain(invoices.iter().map(|(_, it)| &it.clicks)).flatten();
    let discounts = start.iter().flat_map(|it| it.discounts.iter().flatten());
    let discounts = discounts.chain(sessions.iter().flat_map(|(_, it)| it.codes.keys()));
    let mut discounts = discounts.chain(invoices.iter().flat_map(|(_, it)| it.discounts.keys()));
    let of_ours = |id: &str| known.promotion_codes.get(id).is_some_and(|code| code.row_id.is_some());
    let is_ours = |discount: &String| {
        let discount = known.discounts.get(discount);
        let code = discount.and_then(|discount| discount.promotion_code.as_deref());
        code.is_some_and(|code| matched(code) || of_ours(code))
    };
    clicks.next().is_some() || discounts.any(is_ours)
}

/// Payments that money went back on or that are disputed, whose invoice nobody has named yet.
fn payments_without_invoice(event: &Facts, known: &Facts) -> BTreeSet<Request> {
    let charges = event.charges.values().filter(|charge| !charge.without_invoice);
    let may_have_invoice = |charge: Option<&String>| {
        let charge = charge.and_then(|charge| known.charges.get(charge));
        charge.is_none_or(|charge| !charge.without_invoice)
    };
    let refunds = event.refunds.values();
    let refunds = refunds.filter(|refund| may_have_invoice(refund.charge.as_ref()));
    let disputes = event.disputes.values();
    let disputes = disputes.filter(|dispute| dispute.matters() && may_have_invoice(dispute.charge.as_ref()));
    let payments = charges
        .filter_map(|charge| charge.payment_intent.as_ref())
        .chain(refunds.filter_map(|refund| refund.payment_intent.as_ref()))
        .chain(disputes.filter_map(|dispute| dispute.payment_intent.as_ref()));
    let linked = |payment: &String| {
        let mut invoices = known.invoices.values();
        let mut sessions = known.sessions.values();
        invoices.any(|invoice| invoice.payments.contains(payment))
            || sessions.any(|session| session.payment_intent.as_ref() == Some(payment))
    };
    payments
        .filter(|payment| !known.looked_up.contains(*payment) && !linked(payment))
        .map(|payment| Request::InvoicePayments(payment.clone()))
        .collect()
}

/// Charges whose own figure does not say what stands of their refunds. Whether it falls when a refund fails is not
/// documented: where one failed, and the charge tells of more than the refunds that are known to stand, they are listed.
///
/// The only need that grows with what is known: two events may leave it open together, and neither alone.
pub fn charges_with_failed_refunds(known: &Facts) -> BTreeSet<&String> {
    let failed = known.refunds.values().filter(|refund| refund.failed);
    let mut charges: BTreeSet<_> = failed.filter_map(|refund| refund.charge.as_ref()).collect();
    charges.retain(|charge| {
        let refunds = known.refunds.values();
        let stand = refunds.filter(|refund| refund.charge.as_ref() == Some(*charge) && !refund.failed);
        let stand = money::sum(stand.map(|refund| refund.amount));
        let told = known.charges.get(*charge).map_or(0, |charge| charge.amount_refunded);
        told > stand
    });
    charges
}
