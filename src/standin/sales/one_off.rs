//! A one-off payment: its checkout session is the only object that names the promotion code.

use serde_json::Value;

use super::{
    super::{
        Account,
        shapes::{self, Shape},
    },
    Bill, DisputeStep, Facts, money_back,
};

/// A one-off payment without an invoice, made by [`SaleBuilder::build_one_off`](super::SaleBuilder::build_one_off).
pub struct OneOffSale {
    pub facts: Facts,
    pub bill: Bill,
}

impl OneOffSale {
    pub fn session_completed(&self, shape: Shape) -> Value {
        let session = shapes::session(shape, &self.facts, &self.bill, None);
        let created = self.facts.created;
        shapes::event(&self.facts, shape, "checkout.session.completed", created, session)
    }

    /// As [`SubscriptionSale::refund`](super::SubscriptionSale::refund).
    pub fn refund(&mut self, shape: Shape, amount: Option<i64>) -> Vec<Value> {
        money_back::refund(&self.facts, &mut self.bill, shape, amount)
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
            account.put(shapes::discount(shape, facts, discount, None, None));
        }
        let session = shapes::session(shape, facts, &self.bill, None);
        account.put(money_back::with_breakdown(facts, &self.bill, session));
        money_back::sync_payment(account, facts, &self.bill);
    }
}
