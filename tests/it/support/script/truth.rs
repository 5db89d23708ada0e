//! What became of a payment's money, and what may still become of it.

use rekomi::standin::{
    DisputeStep,
    sales::{Bill, CreditTo, Dispute},
};

/// Minor units that credit notes gave back outside Stripe.
pub fn outside_stripe(bill: &Bill) -> i64 {
    let notes = bill.credit_notes.iter();
    let outside = notes.filter(|note| note.to == CreditTo::OutsideStripe);
    outside.map(|note| note.amount).sum()
}

/// Minor units that the bank took of a dispute, and those that it has not given back.
pub fn taken_and_left(dispute: &Dispute) -> (i64, i64) {
    let moved = || dispute.movements.iter().map(|movement| movement.amount);
    let taken: i64 = moved().filter(|amount| *amount < 0).map(|amount| -amount).sum();
    (taken, -moved().sum::<i64>())
}

/// Whether a dispute of this payment can take this step now.
pub fn can_happen(bill: &Bill, step: DisputeStep) -> bool {
    use DisputeStep::{
        Appealed, Created, FundsReinstated, FundsWithdrawn, Inquiry, InquiryClosed, Lost, PartReinstated, Prevented,
        UnderReview, Won,
    };
    let Some(dispute) = &bill.dispute else {
        return bill.is_charged() && matches!(step, Created | Inquiry | Prevented);
    };
    let (_, left) = taken_and_left(dispute);
    let is = |states: &[&str]| states.contains(&dispute.status);
    match step {
        Created | Inquiry | Prevented => false,
        InquiryClosed => is(&["warning_needs_response"]),
        FundsWithdrawn => left == 0 && is(&["warning_needs_response", "needs_response", "under_review"]),
        UnderReview => is(&["needs_response"]),
        Won | Lost => is(&["needs_response", "under_review", "appeal_under_review"]),
        Appealed => is(&["lost"]),
        FundsReinstated => left > 0,
        PartReinstated(amount) => amount < left,
    }
}
