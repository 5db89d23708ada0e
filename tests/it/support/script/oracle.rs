//! What must come of a sale, worked out from what truly happened: who redeemed which code, what was charged, what went
//! back. It knows nothing of events, and calls nothing of what it is to judge.

use std::collections::BTreeSet;

use rekomi::standin::sales::{Bill, Dispute};

use super::{
    Code, Lived, Ruling,
    credit::{Credit, Use, credit},
    programs::Owner,
    truth::{outside_stripe, taken_and_left},
};

/// A line for each conversion and each redemption, sorted.
pub fn should_stand(lived: &Lived) -> Vec<String> {
    let mut lines = Vec::new();
    let mut counted = BTreeSet::new();
    let mut bound: Option<Credit> = None;
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
        if let Some(credit) = credit(lived, number, bill, &mut uses, bound) {
            lines.push(conversion(lived, number, bill, credit, first_paid));
            bound = bound.or(Some(credit));
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

fn conversion(lived: &Lived, number: usize, bill: &Bill, credit: Credit, first_paid: Option<i64>) -> String {
    let (total, amount) = (paid(lived, bill), without_tax(lived, bill));
    let back = gone(lived, bill);
    let all_gone = total > 0 && back == total;
    let refunded = if all_gone { amount } else { share(amount, back, total) };
    let judged = lived
        .rulings(number)
        .rfind(|ruling| !matches!(ruling, Ruling::Reassign(_)));
    let is_self = lived.script.buyer_is_sarah && credit.owner == Owner::Sarah;
    let held = judged.is_none() && (is_self || !credit.owner.is_approved(bill.at));
    let rejected = judged == Some(Ruling::Reject);
    let currency = &lived.sale.facts().currency;
    let (would_earn, earned_in) = credit.campaign.earns(amount, currency, bill.at, first_paid);
    let earned = if held || rejected { 0 } else { would_earn };
    let taken_back = |earned: i64| {
        if all_gone {
            earned
        } else {
            share(earned, refunded, amount)
        }
    };
    let recruiter = credit.owner.recruiter(bill.at).filter(|it| it.is_approved(bill.at));
    let on_top = share(earned, credit.campaign.on_top(bill.at), 10_000);
    let open = bill.dispute.as_ref().is_some_and(is_open);
    let status = match () {
        () if rejected => "Rejected",
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
        owner: &format!("{:?}", credit.owner),
        method: if credit.by_code { "Coupon" } else { "Link" },
        code: &credit.code.map(Code::text).unwrap_or_default(),
        amount,
        tax: total - amount,
        refunded,
        currency: &currency.to_uppercase(),
        earned,
        clawed_back: taken_back(earned),
        earned_in: &earned_in,
        on_top: recruiter
            .filter(|_| on_top > 0)
            .map(|it| (format!("{it:?}"), on_top, taken_back(on_top))),
    })
}

/// What is told of a conversion. Amounts are minor units.
pub struct Line<'a> {
    /// The payment's, counted from the start.
    pub number: usize,
    pub kind: &'a str,
    pub at: i64,
    pub status: &'a str,
    /// Who is credited, and by what.
    pub owner: &'a str,
    pub method: &'a str,
    pub code: &'a str,
    pub amount: i64,
    pub tax: i64,
    pub refunded: i64,
    pub currency: &'a str,
    pub earned: i64,
    pub clawed_back: i64,
    pub earned_in: &'a str,
    /// The recruiter, and what it earns and gives back.
    pub on_top: Option<(String, i64, i64)>,
}

pub fn line(line: &Line<'_>) -> String {
    let mut told = format!(
        "{} {} at {} {} {} by {} {}: {} + {} - {} {}, earned {} - {} {}",
        line.number,
        line.kind,
        line.at,
        line.status,
        line.owner,
        line.method,
        line.code,
        line.amount,
        line.tax,
        line.refunded,
        line.currency,
        line.earned,
        line.clawed_back,
        line.earned_in
    );
    if let Some((recruiter, earned, clawed_back)) = &line.on_top {
        told += &format!(", {recruiter} {earned} - {clawed_back}");
    }
    told
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
