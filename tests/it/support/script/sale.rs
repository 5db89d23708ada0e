//! A sale of either sort, as the stand-in makes it.

use chrono::{DateTime, Utc};
use rekomi::{
    clock::Clock,
    standin::{
        Account, DisputeStep, OneOffSale, Paid, SaleBuilder, Shape, SubscriptionSale,
        sales::{Bill, CreditTo, Facts},
    },
};
use serde_json::{Value, json};

use super::{Missing, Start};

pub enum Sale {
    Subscription(Box<SubscriptionSale>),
    OneOff(Box<OneOffSale>),
}

impl Sale {
    pub fn start(builder: SaleBuilder, start: Start) -> Self {
        match start {
            Start::Active | Start::Incomplete => Self::Subscription(Box::new(builder.build())),
            Start::Trial => Self::Subscription(Box::new(builder.trial().build())),
            Start::OneOff => Self::OneOff(Box::new(builder.build_one_off())),
            Start::OneOffWithInvoice => Self::OneOff(Box::new(builder.with_invoice().build_one_off())),
            Start::OneOffDelayed => {
                let mut sale = builder.build_one_off();
                sale.bill.at += 3 * 86_400;
                Self::OneOff(Box::new(sale))
            }
        }
    }

    pub fn facts(&self) -> &Facts {
        match self {
            Self::Subscription(sale) => &sale.facts,
            Self::OneOff(sale) => &sale.facts,
        }
    }

    pub fn facts_mut(&mut self) -> &mut Facts {
        match self {
            Self::Subscription(sale) => &mut sale.facts,
            Self::OneOff(sale) => &mut sale.facts,
        }
    }

    /// What was paid, the first first.
    pub fn bills(&self) -> &[Bill] {
        match self {
            Self::Subscription(sale) => &sale.bills,
            Self::OneOff(sale) => std::slice::from_ref(&sale.bill),
        }
    }

    pub fn bill(&self, paid: Paid) -> &Bill {
        match (self, paid) {
            (Self::Subscription(sale), paid) => sale.bill(paid),
            (Self::OneOff(sale), _) => &sale.bill,
        }
    }

    /// Every name that a part of it may go by.
    pub fn names(&self) -> Vec<String> {
        let invoices = self.bills().iter().filter_map(|bill| bill.invoice.clone());
        let own = match self {
            Self::Subscription(sale) => sale.subscription.clone(),
            Self::OneOff(sale) => sale.facts.session.clone(),
        };
        invoices.chain([own]).collect()
    }

    pub fn sync(&self, account: &Account) {
        match self {
            Self::Subscription(sale) => sale.sync(account),
            Self::OneOff(sale) => sale.sync(account),
        }
    }

    /// Its first events, each in the next shape; what is missing is left out.
    pub fn started(&self, start: Start, missing: Missing, mut shape: impl FnMut() -> Shape) -> Vec<Value> {
        let mut events = Vec::new();
        let mut tell =
            |kind, event: Option<Value>| events.extend(event.filter(|_| kind != missing || kind == Missing::Nothing));
        match self {
            Self::Subscription(sale) => {
                let created = sale.subscription_created(one_discount(sale.facts.discounts.len(), shape()));
                if start == Start::Incomplete {
                    tell(Missing::SubscriptionCreated, Some(incomplete(created.clone())));
                    tell(Missing::Nothing, Some(now_active(created)));
                } else {
                    tell(Missing::SubscriptionCreated, Some(created));
                }
                tell(Missing::FirstInvoicePaid, Some(sale.invoice_paid(shape())));
                tell(Missing::InvoicePaymentPaid, sale.invoice_payment_paid(shape()));
                tell(Missing::SessionCompleted, Some(sale.session_completed(shape())));
            }
            Self::OneOff(sale) => {
                tell(Missing::FirstInvoicePaid, sale.invoice_paid(shape()));
                tell(Missing::InvoicePaymentPaid, sale.invoice_payment_paid(shape()));
                if start == Start::OneOffDelayed {
                    tell(Missing::SessionCompleted, Some(sale.session_unpaid(shape())));
                    tell(Missing::Nothing, Some(sale.payment_succeeded(shape(), sale.bill.at)));
                } else {
                    tell(Missing::SessionCompleted, Some(sale.session_completed(shape())));
                }
            }
        }
        events
    }

    pub fn refund(&mut self, shape: Shape, amount: i64, paid: Paid) -> Vec<Value> {
        match self {
            Self::Subscription(sale) => sale.refund(shape, Some(amount), paid),
            Self::OneOff(sale) => sale.refund(shape, Some(amount)),
        }
    }

    pub fn refund_fails(&mut self, shape: Shape, paid: Paid) -> Vec<Value> {
        match self {
            Self::Subscription(sale) => sale.refund_fails(shape, paid),
            Self::OneOff(sale) => sale.refund_fails(shape),
        }
    }

    pub fn credit(&mut self, shape: Shape, amount: i64, to: CreditTo, paid: Paid) -> Vec<Value> {
        match self {
            Self::Subscription(sale) => sale.credit(shape, amount, to, paid),
            Self::OneOff(sale) => sale.credit(shape, amount, to),
        }
    }

    /// The first step of a dispute is about a part of the payment; of a one-off, always about all of it.
    pub fn dispute(&mut self, shape: Shape, step: DisputeStep, amount: i64, paid: Paid) -> Value {
        match self {
            Self::Subscription(sale) if sale.bill(paid).dispute.is_none() => {
                sale.dispute_part(shape, step, amount, paid)
            }
            Self::Subscription(sale) => sale.dispute(shape, step, paid),
            Self::OneOff(sale) => sale.dispute(shape, step),
        }
    }
}

pub fn clock_at(seconds: i64) -> Clock {
    let at: DateTime<Utc> = DateTime::from_timestamp(seconds, 0).unwrap();
    Clock::manual(at)
}

/// In 2020 a subscription had one discount: others on it were not told of, and nothing else tells of them on a trial.
fn one_discount(discounts: usize, shape: Shape) -> Shape {
    match shape {
        Shape::V2020_08_27 if discounts > 1 => Shape::Acacia,
        shape => shape,
    }
}

fn incomplete(mut created: Value) -> Value {
    created["data"]["object"]["status"] = json!("incomplete");
    created
}

/// The subscription's first payment is through.
fn now_active(created: Value) -> Value {
    let mut updated = created;
    updated["id"] = json!(format!("{}_updated", updated["id"].as_str().unwrap()));
    updated["type"] = json!("customer.subscription.updated");
    updated["data"]["previous_attributes"] = json!({ "status": "incomplete" });
    updated
}
