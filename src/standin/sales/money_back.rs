//! Refunds and disputes, and what they leave in the stand-in.

use serde_json::{Value, json};

use super::{
    super::{
        Account,
        ids::stripe_id,
        shapes::{self, Shape},
    },
    Bill, Facts,
};

pub struct Refund {
    pub id: String,
    pub amount: i64,
    pub at: i64,
    pub failed: bool,
}

/// A credit note for a part of what was paid of an invoice.
pub struct CreditNote {
    pub id: String,
    pub amount: i64,
    pub at: i64,
    pub to: CreditTo,
    /// The refund that it made.
    pub refund: Option<String>,
}

/// Where a credit note's amount goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CreditTo {
    Refund,
    /// The customer's credit balance: the next invoice is the cheaper.
    Balance,
    OutsideStripe,
}

pub struct Dispute {
    pub id: String,
    pub at: i64,
    pub amount: i64,
    /// In Stripe's words: `needs_response`, `won`, …
    pub status: &'static str,
    /// What the bank took (below zero) and gave back.
    pub movements: Vec<Movement>,
}

pub struct Movement {
    pub id: String,
    pub at: i64,
    pub amount: i64,
}

/// What happens in a dispute. The first step opens it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DisputeStep {
    Created,
    FundsWithdrawn,
    UnderReview,
    Won,
    Lost,
    Appealed,
    /// All that was taken and not given back yet.
    FundsReinstated,
    /// As much of it.
    PartReinstated(i64),
    /// A question of the bank's: no money moves.
    Inquiry,
    InquiryClosed,
    Prevented,
}

impl DisputeStep {
    /// The event's type, and the dispute's status after it where it becomes another.
    fn told(self) -> (&'static str, Option<&'static str>) {
        match self {
            Self::Created => ("charge.dispute.created", Some("needs_response")),
            Self::FundsWithdrawn => ("charge.dispute.funds_withdrawn", Some("needs_response")),
            Self::UnderReview => ("charge.dispute.updated", Some("under_review")),
            Self::Won => ("charge.dispute.closed", Some("won")),
            Self::Lost => ("charge.dispute.closed", Some("lost")),
            Self::Appealed => ("charge.dispute.updated", Some("appeal_under_review")),
            Self::FundsReinstated | Self::PartReinstated(_) => ("charge.dispute.funds_reinstated", None),
            Self::Inquiry => ("charge.dispute.created", Some("warning_needs_response")),
            Self::InquiryClosed => ("charge.dispute.closed", Some("warning_closed")),
            Self::Prevented => ("charge.dispute.created", Some("prevented")),
        }
    }

    /// What it moves of a dispute. Below zero the bank takes.
    fn moves(self, dispute: &Dispute) -> Option<i64> {
        match self {
            Self::FundsWithdrawn => Some(-dispute.amount),
            Self::FundsReinstated => Some(-dispute.movements.iter().map(|it| it.amount).sum::<i64>()),
            Self::PartReinstated(amount) => Some(amount),
            _ => None,
        }
    }
}

pub(super) fn refund(facts: &Facts, bill: &mut Bill, shape: Shape, amount: Option<i64>) -> Vec<Value> {
    let before = bill.refunded();
    let at = facts.clock.now().timestamp();
    bill.refunds.push(Refund {
        id: stripe_id(&facts.clock, "re_3"),
        amount: amount.unwrap_or(bill.total() - before),
        at,
        failed: false,
    });
    let charge = shapes::charge(shape, facts, bill);
    let mut previous = json!({ "amount_refunded": before });
    if charge["refunded"] == true {
        previous["refunded"] = json!(false);
    }
    let told = bill.refunds.iter().last();
    let told = told.map(|it| shapes::refund(facts, bill, it));
    vec![
        shapes::change(facts, shape, "charge.refunded", at, charge, previous),
        shapes::event(facts, shape, "refund.created", at, json!(told)),
    ]
}

pub(super) fn credit(facts: &Facts, bill: &mut Bill, shape: Shape, amount: i64, to: CreditTo) -> Vec<Value> {
    let mut events = match to {
        CreditTo::Refund => refund(facts, bill, shape, Some(amount)),
        CreditTo::Balance | CreditTo::OutsideStripe => vec![],
    };
    let made = bill.refunds.last().filter(|_| to == CreditTo::Refund);
    let note = CreditNote {
        id: stripe_id(&facts.clock, "cn_1"),
        amount,
        at: facts.clock.now().timestamp(),
        to,
        refund: made.map(|refund| refund.id.clone()),
    };
    let told = shapes::credit_note(shape, facts, bill, &note);
    events.push(shapes::event(facts, shape, "credit_note.created", note.at, told));
    bill.credit_notes.push(note);
    events
}

pub(super) fn refund_fails(facts: &Facts, bill: &mut Bill, shape: Shape) -> Vec<Value> {
    let at = facts.clock.now().timestamp();
    let Some(last) = bill.refunds.last_mut() else {
        return vec![];
    };
    last.failed = true;
    let told = bill.refunds.iter().last();
    let told = json!(told.map(|it| shapes::refund(facts, bill, it)));
    let previous = json!({ "status": "succeeded" });
    vec![
        shapes::event(facts, shape, "refund.failed", at, told.clone()),
        shapes::change(facts, shape, "refund.updated", at, told, previous),
    ]
}

/// A dispute is of the whole payment where no `amount` is given with its first step.
pub(super) fn dispute(facts: &Facts, bill: &mut Bill, shape: Shape, step: DisputeStep, amount: Option<i64>) -> Value {
    let (kind, status) = step.told();
    let at = facts.clock.now().timestamp();
    let mut dispute = bill.dispute.take().unwrap_or_else(|| Dispute {
        id: stripe_id(&facts.clock, "du_1"),
        at,
        amount: amount.unwrap_or(bill.total()),
        status: "needs_response",
        movements: vec![],
    });
    dispute.status = status.unwrap_or(dispute.status);
    if let Some(amount) = step.moves(&dispute) {
        let id = stripe_id(&facts.clock, "txn_1");
        dispute.movements.push(Movement { id, at, amount });
    }
    let told = shapes::dispute(facts, bill, &dispute);
    bill.dispute = Some(dispute);
    shapes::event(facts, shape, kind, at, told)
}

pub(super) fn sync_customer(account: &Account, facts: &Facts) {
    account.put(shapes::customer(facts));
}

/// The payment intent, its charge, the refunds and the dispute of that charge, and the invoice's credit notes.
pub(super) fn sync_payment(account: &Account, facts: &Facts, bill: &Bill) {
    for note in &bill.credit_notes {
        account.put(shapes::credit_note(Shape::Endive, facts, bill, note));
    }
    if !bill.is_charged() {
        return;
    }
    account.put(shapes::payment_intent(facts, bill));
    account.put(shapes::charge(Shape::Endive, facts, bill));
    for refund in &bill.refunds {
        account.put(shapes::refund(facts, bill, refund));
    }
    if let Some(dispute) = &bill.dispute {
        account.put(shapes::dispute(facts, bill, dispute));
    }
}

/// A session as Stripe keeps it: with the amount of each discount, which is only shown when expanded.
pub(super) fn with_breakdown(facts: &Facts, bill: &Bill, mut session: Value) -> Value {
    let discounts = bill.discounts.iter();
    let discounts: Vec<_> = discounts
        .map(|(it, amount)| json!({ "amount": amount, "discount": facts.discounts[*it].id }))
        .collect();
    session["total_details"]["breakdown"] = json!({ "discounts": discounts, "taxes": [] });
    session
}
