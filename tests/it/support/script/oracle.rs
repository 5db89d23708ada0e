//! What must come of a sale, worked out from what truly happened: who redeemed which code, what was charged, what went
//! back. It knows nothing of events, and calls nothing of what it is to judge.

use std::{cmp::Reverse, collections::BTreeSet};

use rekomi::standin::sales::{Bill, Dispute};

use super::{
    Code, Lived,
    codes::{Campaign, Owner},
    truth::{outside_stripe, taken_and_left},
};

/// One of our codes on a bill.
struct Use {
    code: Code,
    owner: Owner,
    campaign: Campaign,
    off: i64,
    start: i64,
}

/// A line for each conversion and each redemption, sorted.
pub fn should_stand(lived: &Lived) -> Vec<String> {
    let mut lines = Vec::new();
    let mut counted = BTreeSet::new();
    let mut credited: Option<Use> = None;
    let bills = lived.sale.bills();
    let first_paid = bills
        .iter()
        .find(|bill| without_tax(lived, bill) > 0)
        .map(|bill| bill.at);
    for (number, bill) in bills.iter().enumerate() {
        let mut uses = uses(lived, number, bill);
        let all_gone = paid(lived, bill) > 0 && gone(lived, bill) == paid(lived, bill);
        for used in &uses {
            if counted.insert(used.code) {
                lines.push(redemption(used.code.text(), number, all_gone));
            }
        }
        uses.sort_by_key(|used| (!used.owner.is_approved(bill.at), Reverse(used.off), used.start));
        credited = credited.or(uses.into_iter().next());
        if let Some(credited) = &credited {
            lines.push(conversion(lived, number, bill, credited, first_paid));
        }
    }
    lines.sort();
    lines
}

fn uses(lived: &Lived, number: usize, bill: &Bill) -> Vec<Use> {
    let discounts = &lived.sale.facts().discounts;
    let on_subscription = number == 0 && !(lived.script.line_level && lived.script.is_subscription());
    let off = |place: usize| {
        let off = bill.discounts.iter().find(|(on, _)| *on == place).map(|(_, off)| *off);
        off.or((on_subscription && place < lived.at_start).then_some(0))
    };
    let used = |(place, code): (usize, &Code)| {
        let (owner, campaign) = code.owned()?;
        Some(Use {
            code: *code,
            owner,
            campaign,
            off: off(place)?,
            start: discounts[place].start,
        })
    };
    lived.codes.iter().enumerate().filter_map(used).collect()
}

fn conversion(lived: &Lived, number: usize, bill: &Bill, credited: &Use, first_paid: Option<i64>) -> String {
    let (total, amount) = (paid(lived, bill), without_tax(lived, bill));
    let back = gone(lived, bill);
    let all_gone = total > 0 && back == total;
    let refunded = if all_gone { amount } else { share(amount, back, total) };
    let is_self = lived.script.buyer_is_sarah && credited.owner == Owner::Sarah;
    let held = is_self || !credited.owner.is_approved(bill.at);
    let (earned, earned_in) = credited
        .campaign
        .earns(amount, &lived.sale.facts().currency, bill.at, first_paid);
    let earned = if held { 0 } else { earned };
    let clawed_back = if all_gone {
        earned
    } else {
        share(earned, refunded, amount)
    };
    let open = bill.dispute.as_ref().is_some_and(is_open);
    let status = match () {
        () if all_gone => "Refunded",
        () if open => "Disputed",
        () if held => "Held",
        () if back > 0 => "PartiallyRefunded",
        () => "Standing",
    };
    let kind = match (lived.script.is_subscription(), number) {
        (false, _) => "OneOff",
        (true, 0) => "Acquisition",
        (true, _) => "Renewal",
    };
    line(&Line {
        number,
        kind,
        at: bill.at,
        status,
        code: &credited.code.text(),
        amount,
        tax: total - amount,
        refunded,
        currency: &lived.sale.facts().currency.to_uppercase(),
        earned,
        clawed_back,
        earned_in: &earned_in,
    })
}

/// What is told of a conversion. Amounts are minor units.
pub struct Line<'a> {
    /// The payment's, counted from the start.
    pub number: usize,
    pub kind: &'a str,
    pub at: i64,
    pub status: &'a str,
    pub code: &'a str,
    pub amount: i64,
    pub tax: i64,
    pub refunded: i64,
    pub currency: &'a str,
    pub earned: i64,
    pub clawed_back: i64,
    pub earned_in: &'a str,
}

pub fn line(line: &Line<'_>) -> String {
    format!(
        "{} {} at {} {} {}: {} + {} - {} {}, earned {} - {} {}",
        line.number,
        line.kind,
        line.at,
        line.status,
        line.code,
        line.amount,
        line.tax,
        line.refunded,
        line.currency,
        line.earned,
        line.clawed_back,
        line.earned_in
    )
}

pub fn redemption(code: impl std::fmt::Display, number: usize, taken_off: bool) -> String {
    format!("{code} redeemed with {number}, taken off: {taken_off}")
}

/// Minor units that were paid, with tax.
fn paid(lived: &Lived, bill: &Bill) -> i64 {
    lived.script.paid(bill.total())
}

/// The part of it that is no tax.
fn without_tax(lived: &Lived, bill: &Bill) -> i64 {
    share(paid(lived, bill), bill.total() - bill.tax, bill.total())
}

/// Half up to the minor unit.
fn share(of: i64, part: i64, whole: i64) -> i64 {
    if whole == 0 {
        0
    } else {
        (2 * of * part + whole) / (2 * whole)
    }
}

/// Minor units that the customer has back, with tax; what was paid can go back once.
fn gone(lived: &Lived, bill: &Bill) -> i64 {
    let lost = bill.dispute.as_ref().map_or(0, lost);
    let through_stripe = (bill.refunded() + lost).min(paid(lived, bill));
    (through_stripe + outside_stripe(bill)).min(paid(lived, bill))
}

/// What the bank kept; where it never said what it took, all that was disputed.
fn lost(dispute: &Dispute) -> i64 {
    match (dispute.status, taken_and_left(dispute)) {
        ("lost", (0, _)) => dispute.amount,
        ("lost", (_, left)) => left,
        _ => 0,
    }
}

/// An inquiry is no dispute, and one whose money is all back is over.
fn is_open(dispute: &Dispute) -> bool {
    let (taken, left) = taken_and_left(dispute);
    let all_back = taken > 0 && left == 0;
    matches!(
        dispute.status,
        "needs_response" | "under_review" | "appeal_under_review"
    ) && !all_back
}
