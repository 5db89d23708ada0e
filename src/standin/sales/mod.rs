//! The truth of a sale, and the events that Stripe would send for it in each shape.
//!
//! A sale is made once and told as often as wanted: every call makes a new event, with an id of its own. A delivery that
//! is repeated is the same [`Value`] sent again. [`SubscriptionSale::sync`] puts the truth where Rekomi can fetch it.

mod builder;
mod money_back;
mod one_off;
mod subscription;

use serde_json::{Map, Value};

use super::{ids::stripe_id, promo::Promo};
use crate::clock::Clock;

pub use builder::SaleBuilder;
pub use money_back::{CreditNote, CreditTo, Dispute, DisputeStep, Movement, Refund};
pub use one_off::OneOffSale;
pub use subscription::{Paid, SubscriptionSale};

/// What is true of a sale whatever is paid for it.
pub struct Facts {
    pub(super) clock: Clock,
    pub customer: String,
    pub session: String,
    pub email: String,
    pub currency: String,
    /// In minor units, before discounts and tax.
    pub price: i64,
    /// On top of the discounted price.
    pub tax: i64,
    pub discounts: Vec<Discount>,
    pub livemode: bool,
    pub created: i64,
    pub client_reference_id: Option<String>,
    /// The subscription's and the session's.
    pub metadata: Map<String, Value>,
    pub connected_account: Option<String>,
}

/// A promotion code in use.
pub struct Discount {
    pub id: String,
    pub promo: Promo,
    pub start: i64,
}

/// One payment: an invoice with everything that hangs on it, or a one-off payment without an invoice.
pub struct Bill {
    pub invoice: Option<String>,
    pub line: String,
    pub invoice_payment: String,
    pub payment_intent: String,
    pub charge: String,
    pub gross: i64,
    /// Which of the sale's discounts are on it, and what each takes off.
    pub discounts: Vec<(usize, i64)>,
    pub tax: i64,
    pub at: i64,
    pub refunds: Vec<Refund>,
    pub dispute: Option<Dispute>,
    pub credit_notes: Vec<CreditNote>,
}

/// A bill, as its invoice tells of it.
pub(super) struct Billed<'a> {
    pub facts: &'a Facts,
    pub bill: &'a Bill,
    /// The first is 0.
    pub number: usize,
    /// With its item.
    pub subscription: Option<(&'a str, &'a str)>,
    /// Of the sale; discounts sit on it where they do not sit on a subscription.
    pub first_invoice: Option<&'a str>,
    pub line_level: bool,
}

impl Billed<'_> {
    pub fn subscription_id(&self) -> Option<&str> {
        self.subscription.map(|(id, _)| id)
    }
}

impl Bill {
    /// The sale's bill of this number, the first being 0. Each discount is taken off what the ones before it left.
    fn new(facts: &Facts, number: usize, invoice: Option<String>, at: i64) -> Self {
        let id = |prefix: &str| stripe_id(&facts.clock, prefix);
        let mut left = facts.price;
        let mut discounts = vec![];
        for (place, discount) in facts.discounts.iter().enumerate() {
            if discount.promo.is_on(number) {
                let off = discount.promo.takes_off(left);
                left -= off;
                discounts.push((place, off));
            }
        }
        Self {
            invoice,
            line: id("il_1"),
            invoice_payment: id("inpay_1"),
            payment_intent: id("pi_3"),
            charge: id("ch_3"),
            gross: facts.price,
            discounts,
            tax: facts.tax,
            at,
            refunds: vec![],
            dispute: None,
            credit_notes: vec![],
        }
    }

    /// The bill at the start of a trial.
    fn of_trial(self) -> Self {
        Self {
            gross: 0,
            discounts: vec![],
            tax: 0,
            ..self
        }
    }

    pub(super) fn invoice_id(&self) -> &str {
        self.invoice.as_deref().unwrap_or_default()
    }

    /// What is paid.
    pub fn total(&self) -> i64 {
        let off: i64 = self.discounts.iter().map(|(_, amount)| amount).sum();
        self.gross - off + self.tax
    }

    /// Nothing is charged where nothing is due: then there is no payment intent, no charge, nothing to refund.
    pub fn is_charged(&self) -> bool {
        self.total() > 0
    }

    /// The sum of the refunds that did not fail.
    pub fn refunded(&self) -> i64 {
        let stand = self.refunds.iter().filter(|it| !it.failed);
        stand.map(|it| it.amount).sum()
    }
}
