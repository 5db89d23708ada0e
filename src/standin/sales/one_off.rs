//! A one-off payment: without an invoice, its checkout session is the only object that names the promotion code.

use serde_json::{Value, json};

use super::{
    super::{
        Account,
        shapes::{self, Shape},
    },
    Bill, Billed, CreditTo, DisputeStep, Facts, money_back,
};

/// A one-off payment, made by [`SaleBuilder::build_one_off`](super::SaleBuilder::build_one_off).
pub struct OneOffSale {
    pub facts: Facts,
    pub bill: Bill,
}

impl OneOffSale {
    /// Every event of a payment that is through at once, in the usual order.
    pub fn sold(&self, shape: Shape) -> Vec<Value> {
        let mut events: Vec<_> = self.invoice_paid(shape).into_iter().collect();
        events.extend(self.invoice_payment_paid(shape));
        events.push(self.session_completed(shape));
        events
    }

    pub fn session_completed(&self, shape: Shape) -> Value {
        self.told(
            shape,
            "checkout.session.completed",
            self.facts.created,
            self.session(shape),
        )
    }

    /// The customer has chosen a delayed method: nothing is paid yet.
    pub fn session_unpaid(&self, shape: Shape) -> Value {
        let mut session = self.session(shape);
        session["payment_status"] = json!("unpaid");
        self.told(shape, "checkout.session.completed", self.facts.created, session)
    }

    /// The delayed method is through, `at` seconds since 1970.
    pub fn payment_succeeded(&self, shape: Shape, at: i64) -> Value {
        let session = self.session(shape);
        self.told(shape, "checkout.session.async_payment_succeeded", at, session)
    }

    /// Where the session made an invoice.
    pub fn invoice_paid(&self, shape: Shape) -> Option<Value> {
        self.bill.invoice.as_ref()?;
        let invoice = shapes::invoice(shape, &self.billed());
        Some(self.told(shape, "invoice.paid", self.bill.at, invoice))
    }

    /// Ties the payment to the invoice. Stripe sends it since basil.
    pub fn invoice_payment_paid(&self, shape: Shape) -> Option<Value> {
        self.bill.invoice.as_ref()?;
        let is_sent = self.bill.is_charged() && !shape.is_before_basil();
        let payment = is_sent.then(|| shapes::invoice_payment(&self.facts, &self.bill))?;
        Some(self.told(shape, "invoice_payment.paid", self.bill.at, payment))
    }

    /// As [`SubscriptionSale::refund`](super::SubscriptionSale::refund).
    pub fn refund(&mut self, shape: Shape, amount: Option<i64>) -> Vec<Value> {
        money_back::refund(&self.facts, &mut self.bill, shape, amount)
    }

    /// As [`SubscriptionSale::refund_fails`](super::SubscriptionSale::refund_fails).
    pub fn refund_fails(&mut self, shape: Shape) -> Vec<Value> {
        money_back::refund_fails(&self.facts, &mut self.bill, shape)
    }

    /// As [`SubscriptionSale::credit`](super::SubscriptionSale::credit), where there is an invoice.
    pub fn credit(&mut self, shape: Shape, amount: i64, to: CreditTo) -> Vec<Value> {
        money_back::credit(&self.facts, &mut self.bill, shape, amount, to)
    }

    /// The next step of the payment's dispute.
    pub fn dispute(&mut self, shape: Shape, step: DisputeStep) -> Value {
        money_back::dispute(&self.facts, &mut self.bill, shape, step, None)
    }

    /// Puts the present truth into an account of the stand-in, in the newest shape.
    pub fn sync(&self, account: &Account) {
        let (facts, shape) = (&self.facts, Shape::Endive);
        money_back::sync_customer(account, facts);
        for discount in &facts.discounts {
            account.put(shapes::discount(
                shape,
                facts,
                discount,
                None,
                self.bill.invoice.as_deref(),
            ));
        }
        account.put(money_back::with_breakdown(facts, &self.bill, self.session(shape)));
        if self.bill.invoice.is_some() {
            account.put(shapes::invoice(shape, &self.billed()));
            if self.bill.is_charged() {
                account.put(shapes::invoice_payment(facts, &self.bill));
            }
        }
        money_back::sync_payment(account, facts, &self.bill);
    }

    fn billed(&self) -> Billed<'_> {
        Billed {
            facts: &self.facts,
            bill: &self.bill,
            number: 0,
            subscription: None,
            first_invoice: self.bill.invoice.as_deref(),
            line_level: false,
        }
    }

    fn session(&self, shape: Shape) -> Value {
        shapes::session(shape, &self.facts, &self.bill, None)
    }

    fn told(&self, shape: Shape, kind: &str, at: i64, object: Value) -> Value {
        shapes::event(&self.facts, shape, kind, at, object)
    }
}
