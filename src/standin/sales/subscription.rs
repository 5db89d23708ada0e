//! A subscription: its start, its renewals, its refunds.

use serde_json::{Value, json};

use super::{
    super::{
        Account,
        shapes::{self, Shape},
    },
    Bill, Billed, CreditTo, DisputeStep, Facts, SaleBuilder, money_back,
};
use crate::clock::Clock;

/// A subscription that was sold, with everything that was paid for it.
pub struct SubscriptionSale {
    pub facts: Facts,
    pub subscription: String,
    pub item: String,
    /// The first invoice and the renewals.
    pub bills: Vec<Bill>,
    pub(in super::super) trial: bool,
    pub(in super::super) line_level: bool,
}

/// One of a subscription's payments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Paid {
    First,
    /// The renewal of this number, as [`SubscriptionSale::renew`] gave it: 1 is the first.
    Renewal(usize),
}

impl Paid {
    fn place(self) -> usize {
        match self {
            Self::First => 0,
            Self::Renewal(number) => number,
        }
    }
}

impl SubscriptionSale {
    pub fn builder(clock: &Clock) -> SaleBuilder {
        SaleBuilder::new(clock)
    }

    /// The invoice and payment behind a payment: panics for a renewal that was not made.
    pub fn bill(&self, paid: Paid) -> &Bill {
        &self.bills[paid.place()]
    }

    /// Renews now. Answers the renewal's number; the first is 1.
    pub fn renew(&mut self) -> usize {
        self.renew_at(self.facts.clock.now().timestamp())
    }

    /// Renews at a time of one's own choice, in seconds since 1970.
    pub fn renew_at(&mut self, at: i64) -> usize {
        let number = self.bills.len();
        let invoice = super::stripe_id(&self.facts.clock, "in_1");
        let bill = Bill::new(&self.facts, number, Some(invoice), at);
        self.bills.push(bill);
        number
    }

    /// Every event at the start, in the usual order.
    pub fn start(&self, shape: Shape) -> Vec<Value> {
        let mut events = vec![self.subscription_created(shape), self.invoice_paid(shape)];
        events.extend(self.invoice_payment_paid(shape));
        events.push(self.session_completed(shape));
        events
    }

    pub fn subscription_created(&self, shape: Shape) -> Value {
        let subscription = shapes::subscription(shape, self, 0);
        self.event(shape, "customer.subscription.created", self.facts.created, subscription)
    }

    pub fn invoice_paid(&self, shape: Shape) -> Value {
        self.invoice_paid_for(shape, Paid::First)
    }

    pub fn renewal_paid(&self, number: usize, shape: Shape) -> Value {
        self.invoice_paid_for(shape, Paid::Renewal(number))
    }

    fn invoice_paid_for(&self, shape: Shape, paid: Paid) -> Value {
        let invoice = shapes::invoice(shape, &self.billed(paid.place()));
        self.event(shape, "invoice.paid", self.bill(paid).at, invoice)
    }

    /// Ties the first payment to its invoice. Stripe sends it since basil, and only where something was paid.
    pub fn invoice_payment_paid(&self, shape: Shape) -> Option<Value> {
        self.invoice_payment_paid_for(shape, Paid::First)
    }

    /// As [`Self::invoice_payment_paid`], for any payment.
    pub fn invoice_payment_paid_for(&self, shape: Shape, paid: Paid) -> Option<Value> {
        let bill = self.bill(paid);
        let is_sent = bill.is_charged() && !shape.is_before_basil();
        is_sent.then(|| {
            let payment = shapes::invoice_payment(&self.facts, bill);
            self.event(shape, "invoice_payment.paid", bill.at, payment)
        })
    }

    pub fn session_completed(&self, shape: Shape) -> Value {
        let session = self.session(shape);
        self.event(shape, "checkout.session.completed", self.facts.created, session)
    }

    /// Refunds an amount, or all that is left: `charge.refunded`, whose `amount_refunded` is the sum of all refunds so
    /// far, and `refund.created`.
    pub fn refund(&mut self, shape: Shape, amount: Option<i64>, paid: Paid) -> Vec<Value> {
        money_back::refund(&self.facts, &mut self.bills[paid.place()], shape, amount)
    }

    /// What `charge.refunded` tells once more, now.
    pub fn charge_refunded(&self, shape: Shape, paid: Paid) -> Value {
        let charge = shapes::charge(shape, &self.facts, self.bill(paid));
        let at = self.facts.clock.now().timestamp();
        self.event(shape, "charge.refunded", at, charge)
    }

    /// The last refund fails after all: `refund.failed` and `refund.updated`.
    pub fn refund_fails(&mut self, shape: Shape, paid: Paid) -> Vec<Value> {
        money_back::refund_fails(&self.facts, &mut self.bills[paid.place()], shape)
    }

    /// A credit note for a part of the payment; a refund comes with events of its own.
    pub fn credit(&mut self, shape: Shape, amount: i64, to: CreditTo, paid: Paid) -> Vec<Value> {
        money_back::credit(&self.facts, &mut self.bills[paid.place()], shape, amount, to)
    }

    /// The next step of the payment's dispute.
    pub fn dispute(&mut self, shape: Shape, step: DisputeStep, paid: Paid) -> Value {
        money_back::dispute(&self.facts, &mut self.bills[paid.place()], shape, step, None)
    }

    /// The first step of a dispute about a part of the payment; [`Self::dispute`] takes the others.
    pub fn dispute_part(&mut self, shape: Shape, step: DisputeStep, amount: i64, paid: Paid) -> Value {
        money_back::dispute(&self.facts, &mut self.bills[paid.place()], shape, step, Some(amount))
    }

    /// Puts the present truth into an account of the stand-in, in the newest shape.
    pub fn sync(&self, account: &Account) {
        let (facts, shape) = (&self.facts, Shape::Endive);
        money_back::sync_customer(account, facts);
        let invoice = self.bills[0].invoice.as_deref();
        for discount in &facts.discounts {
            let (subscription, invoice) = if self.line_level {
                (None, invoice)
            } else {
                (Some(self.subscription.as_str()), None)
            };
            account.put(shapes::discount(shape, facts, discount, subscription, invoice));
        }
        let latest = self.bills.len() - 1;
        account.put(shapes::subscription(shape, self, latest));
        account.put(money_back::with_breakdown(facts, &self.bills[0], self.session(shape)));
        for (number, bill) in self.bills.iter().enumerate() {
            account.put(shapes::invoice(shape, &self.billed(number)));
            if bill.is_charged() {
                account.put(shapes::invoice_payment(facts, bill));
            }
            money_back::sync_payment(account, facts, bill);
        }
    }

    pub(in super::super) fn billed(&self, number: usize) -> Billed<'_> {
        Billed {
            facts: &self.facts,
            bill: &self.bills[number],
            number,
            subscription: Some((&self.subscription, &self.item)),
            first_invoice: self.bills[0].invoice.as_deref(),
            line_level: self.line_level,
        }
    }

    fn session(&self, shape: Shape) -> Value {
        shapes::session(shape, &self.facts, &self.bills[0], Some(&self.subscription))
    }

    fn event(&self, shape: Shape, kind: &str, created: i64, object: Value) -> Value {
        shapes::event(&self.facts, shape, kind, created, json!(object))
    }
}
