//! The kinds of events that tell of a sale, and what each is about; and why others are passed over.

use super::needs::Request;

/// What an event is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Subject {
    Invoice,
    InvoicePayment,
    Subscription,
    Session,
    Charge,
    Refund,
    Dispute,
    CreditNote,
}

/// Every kind of event that is read (<https://docs.stripe.com/api/events/types>). A thin event's kind begins with `v1.`.
pub const KINDS: &[&str] = &[
    "invoice.paid",
    "invoice_payment.paid",
    "customer.subscription.created",
    "customer.subscription.updated",
    "checkout.session.completed",
    "checkout.session.async_payment_succeeded",
    "charge.refunded",
    "refund.created",
    "refund.updated",
    "refund.failed",
    "charge.refund.updated",
    "charge.dispute.created",
    "charge.dispute.updated",
    "charge.dispute.closed",
    "charge.dispute.funds_withdrawn",
    "charge.dispute.funds_reinstated",
    "credit_note.created",
    "credit_note.updated",
    "credit_note.voided",
];

/// What an event of this kind is about, if it is one of [`KINDS`].
pub(super) fn subject(kind: &str) -> Option<Subject> {
    if !KINDS.contains(&kind) {
        return None;
    }
    let prefixes = [
        ("invoice_payment.", Subject::InvoicePayment),
        ("invoice.", Subject::Invoice),
        ("customer.subscription.", Subject::Subscription),
        ("checkout.session.", Subject::Session),
        ("charge.dispute.", Subject::Dispute),
        ("charge.refund.", Subject::Refund),
        ("charge.", Subject::Charge),
        ("refund.", Subject::Refund),
        ("credit_note.", Subject::CreditNote),
    ];
    let found = prefixes.iter().find(|(prefix, _)| kind.starts_with(prefix));
    found.map(|(_, subject)| *subject)
}

impl Subject {
    /// Reads what a thin event names that came `at` a time, in seconds since 1970.
    pub(super) fn look_up(self, id: String, at: i64) -> Request {
        match self {
            Self::Invoice => Request::Invoice(id),
            Self::InvoicePayment => Request::InvoicePayment(id),
            Self::Subscription => Request::Subscription(id),
            Self::Session => Request::Session(id),
            Self::Charge => Request::Charge(id),
            Self::Refund => Request::Refund(id),
            Self::Dispute => Request::Dispute(id, at),
            Self::CreditNote => Request::CreditNote(id),
        }
    }
}

impl Request {
    /// What the answer is, where it is such an object.
    pub(super) fn subject(&self) -> Option<Subject> {
        match self {
            Self::Invoice(_) => Some(Subject::Invoice),
            Self::InvoicePayment(_) => Some(Subject::InvoicePayment),
            Self::Subscription(_) => Some(Subject::Subscription),
            Self::Session(_) => Some(Subject::Session),
            Self::Charge(_) => Some(Subject::Charge),
            Self::Refund(_) => Some(Subject::Refund),
            Self::Dispute(..) => Some(Subject::Dispute),
            Self::CreditNote(_) => Some(Subject::CreditNote),
            Self::InvoicePayments(_)
            | Self::Refunds(_)
            | Self::PromotionCode(_)
            | Self::Coupon(_)
            | Self::Customer(..) => None,
        }
    }
}

/// Why an event of another kind tells nothing of a sale.
pub(super) fn passed_over(kind: &str) -> &'static str {
    match kind {
        "invoice.payment_succeeded" => "invoice.paid tells the same",
        "customer.subscription.deleted" => "what was sold stays sold when a subscription ends",
        "checkout.session.expired" | "checkout.session.async_payment_failed" => "nothing was paid",
        "charge.succeeded" | "payment_intent.succeeded" => "a payment names no code: its invoice or session does",
        _ => "not a kind of event that Rekomi reads",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_a_subject() {
        for kind in KINDS {
            assert!(subject(kind).is_some(), "{kind}");
        }
        assert_eq!(subject("charge.refund.updated"), Some(Subject::Refund));
        assert_eq!(subject("charge.refunded"), Some(Subject::Charge));
        assert_eq!(subject("invoice.created"), None);
    }
}
