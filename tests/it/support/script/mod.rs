//! Scripts of sales: what happened, in a form that can be generated, shrunk and pasted. [`Lived`] makes the events of
//! one, [`should_stand`] says what must come of it by arithmetic of its own, and [`told`] folds its events without a
//! database.

mod answers;
pub mod codes;
mod credit;
mod decisions;
mod generate;
pub mod known;
mod live;
mod oracle;
pub mod programs;
mod pure;
mod sale;
pub mod stage;
mod tell;
mod truth;
pub mod visit;

use std::collections::BTreeMap;

use rekomi::{
    clock::Clock,
    standin::{DisputeStep, Promo, SaleBuilder, Shape, sales::CreditTo},
};

pub use codes::Code;
pub use decisions::{Decided, News, Ruling};
pub use generate::{histories, runner, scripts, seed};
pub use live::Lived;
pub use oracle::{Line, line, redemption, should_stand};
pub use pure::{Telling, told};
use visit::Click;
pub use visit::Visit;

/// A sale's whole life.
#[derive(Clone, Debug)]
pub struct Script {
    /// Minor units a month, before discounts.
    pub price: i64,
    /// Minor units, on top.
    pub tax: i64,
    pub yen: bool,
    /// How much of each invoice of a subscription the customer's credit balance pays, in percent below 100.
    pub from_balance: i64,
    pub start: Start,
    /// Days after the first sales of all.
    pub begins: i64,
    /// What the buyer followed.
    pub visit: Option<Visit>,
    /// The discounts sit on the lines of a subscription's invoices.
    pub line_level: bool,
    /// The customer is Sarah herself.
    pub buyer_is_sarah: bool,
    pub codes: Vec<Code>,
    /// The shapes that the events come in, in turn.
    pub shapes: Vec<Shape>,
    /// There are two endpoints: what can be told again is told again, in the next shape.
    pub two_endpoints: bool,
    /// Every second event is thin: it says what happened to what, and no more.
    pub thin: bool,
    pub missing: Missing,
    pub steps: Vec<Step>,
}

/// How a sale starts: as a subscription, or once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    Active,
    /// The payment takes a moment: `customer.subscription.created` says so, and `updated` that it is through.
    Incomplete,
    Trial,
    OneOff,
    OneOffWithInvoice,
    /// The payment takes days.
    OneOffDelayed,
}

/// What the account's endpoint does not get, and the rest makes up for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    Nothing,
    SubscriptionCreated,
    FirstInvoicePaid,
    InvoicePaymentPaid,
    SessionCompleted,
    ChargeRefunded,
    RefundCreated,
}

/// What happens to a sale. Payments are counted from the latest, 0, back; what cannot happen does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    Renew,
    /// Another code is redeemed, and is on the invoices from the next on, as its coupon says.
    Redeem(Code),
    /// A part of a payment in percent; of 100 all that is left.
    Refund(usize, i64),
    /// The same by a credit note of its invoice.
    Credit(usize, i64, CreditTo),
    /// The payment's last refund.
    RefundFails(usize),
    /// The next step of the payment's dispute; the first is about a part of the payment in percent.
    Dispute(usize, DisputeStep, i64),
    /// The same, within the second of what came before, where the order of states still tells which was the last.
    DisputeAtOnce(usize, DisputeStep),
    /// A manager decides about a payment.
    Decide(usize, Ruling),
}

impl Script {
    pub fn is_subscription(&self) -> bool {
        matches!(self.start, Start::Active | Start::Incomplete | Start::Trial)
    }

    /// What scripts shrink to: somebody subscribes for 50.00 USD a month, without a code.
    pub fn plain() -> Self {
        Self {
            price: 5000,
            tax: 0,
            yen: false,
            from_balance: 0,
            start: Start::Active,
            begins: 0,
            visit: None,
            line_level: false,
            buyer_is_sarah: false,
            codes: vec![],
            shapes: vec![Shape::V2020_08_27],
            two_endpoints: false,
            thin: false,
            missing: Missing::Nothing,
            steps: vec![],
        }
    }

    /// What is left to pay of a total in minor units, once the credit balance has paid its part.
    pub fn paid(&self, total: i64) -> i64 {
        total - total * self.from_balance / 100
    }

    /// The sale in the making, at the clock's time.
    fn builder(&self, clock: &Clock, codes: &[Code], promos: &BTreeMap<Code, Promo>, clicks: &[Click]) -> SaleBuilder {
        let mut builder = self.naming(SaleBuilder::new(clock).price(self.price).tax(self.tax), clicks);
        for code in codes {
            builder = builder.promo(promos[code].clone());
        }
        if self.yen {
            builder = builder.currency("jpy");
        }
        if self.buyer_is_sarah {
            builder = builder.email(programs::Owner::Sarah.email());
        }
        if self.line_level {
            builder = builder.line_level();
        }
        builder
    }

    /// Stripe would not let a code in dollars take something off a price in yen.
    fn takes(&self, code: Code) -> bool {
        !(self.yen && code.is_in_dollars())
    }

    /// What nothing else would tell is not missing.
    fn missing_at_start(&self) -> Missing {
        match (self.start, self.missing) {
            (Start::Trial, Missing::SubscriptionCreated | Missing::FirstInvoicePaid)
            | (Start::OneOff, Missing::SessionCompleted)
            | (Start::OneOffWithInvoice, Missing::FirstInvoicePaid) => Missing::Nothing,
            (_, Missing::SessionCompleted) if self.session_alone_names() => Missing::Nothing,
            // What is looked up does not say which invoice was the first.
            (_, Missing::FirstInvoicePaid) if self.thin => Missing::Nothing,
            (_, missing) => missing,
        }
    }
}

/// The script as a test would hold it.
pub fn as_code(script: &Script) -> String {
    format!("{script:?}").replace('[', "vec![")
}
