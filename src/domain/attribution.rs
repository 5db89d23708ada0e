//! Who gets the credit for a sale. One pure function, from evidence to a decision with its reasons: no database, no
//! clock, no I/O. The order of the evidence never matters.
//!
//! | the sale has | credited |
//! | --- | --- |
//! | an earlier sale of its subscription that was credited | the same affiliate, with the same code |
//! | one affiliate's code | the code's affiliate |
//! | several codes | of those whose affiliate is approved: the largest discount, then the earliest, then the smallest id |
//! | codes of unapproved affiliates alone | the best of them, and the conversion is held |
//! | a winner whose own e-mail the customer has | the winner, and the conversion is held |
//! | none of these | nobody: no conversion |

use entity::id::{AffiliateId, CodeId};
use serde::{Deserialize, Serialize};

/// One of our codes on the sale.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    pub code_id: CodeId,
    /// As typed at checkout.
    pub code: String,
    /// Stripe's id of it.
    pub promotion_code: String,
    pub affiliate_id: AffiliateId,
    /// In lower case.
    pub affiliate_email: String,
    /// How the affiliate stood at the sale's time.
    pub approved: bool,
    /// Minor units that the code took off this sale.
    pub discount: i64,
    /// The Stripe discount's `start`, seconds since 1970.
    pub start: i64,
}

/// What there is to decide on.
#[derive(Clone, Copy, Debug)]
pub struct Evidence<'a> {
    /// Our codes on this very sale.
    pub candidates: &'a [Candidate],
    /// Who earned the subscription, for a renewal, as it stands at this sale's time.
    pub bound: Option<&'a Candidate>,
    pub customer_email: Option<&'a str>,
}

/// Who is credited, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    pub winner: Candidate,
    /// Recorded, but it earns nothing until somebody approves it.
    pub held: bool,
    pub trail: Vec<Step>,
}

/// One reason. The trail is their list, in the order in which the rules spoke.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// The rule that spoke.
    pub rule: String,
    /// What it said.
    pub outcome: String,
    pub detail: Option<String>,
    /// Whom it is about; other affiliates are not told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub affiliate: Option<AffiliateId>,
}

impl Step {
    fn new(rule: &str, outcome: &str, detail: impl Into<Option<String>>) -> Self {
        Self {
            rule: rule.to_owned(),
            outcome: outcome.to_owned(),
            detail: detail.into(),
            affiliate: None,
        }
    }

    fn about(self, affiliate: AffiliateId) -> Self {
        Self {
            affiliate: Some(affiliate),
            ..self
        }
    }
}

/// Decides; `None` when there is nobody to credit.
pub fn decide(evidence: Evidence<'_>) -> Option<Decision> {
    let mut trail = Vec::new();
    let winner = match evidence.bound {
        Some(bound) => {
            trail.push(Step::new(
                "SUBSCRIPTION",
                "CREDITED",
                format!("{} earned the subscription", bound.code),
            ));
            others(
                evidence.candidates,
                bound,
                "renewals stay with who earned the subscription",
                &mut trail,
            );
            bound
        }
        None => best_code(evidence.candidates, &mut trail)?,
    };
    let held = held(winner, evidence.customer_email, &mut trail);
    Some(Decision {
        winner: winner.clone(),
        held,
        trail,
    })
}

/// The code that wins among those on the sale itself.
fn best_code<'a>(candidates: &'a [Candidate], trail: &mut Vec<Step>) -> Option<&'a Candidate> {
    let strength = |candidate: &&Candidate| {
        (
            !candidate.approved,
            std::cmp::Reverse(candidate.discount),
            candidate.start,
            candidate.promotion_code.clone(),
        )
    };
    let winner = candidates.iter().min_by_key(strength)?;
    trail.push(Step::new("CODE", "CREDITED", format!("{} was redeemed", winner.code)));
    others(candidates, winner, "", trail);
    Some(winner)
}

/// Names the codes that were passed over, each with what it lost by.
fn others(candidates: &[Candidate], winner: &Candidate, reason: &str, trail: &mut Vec<Step>) {
    let mut losers: Vec<_> = candidates
        .iter()
        .filter(|candidate| candidate.code_id != winner.code_id)
        .collect();
    losers.sort_by(|a, b| a.promotion_code.cmp(&b.promotion_code));
    losers.dedup_by(|a, b| a.code_id == b.code_id);
    for loser in losers {
        let why = if reason.is_empty() {
            lost_by(loser, winner)
        } else {
            reason
        };
        let step = Step::new("CODE", "PASSED_OVER", format!("{}: {why}", loser.code));
        trail.push(step.about(loser.affiliate_id));
    }
}

fn lost_by(loser: &Candidate, winner: &Candidate) -> &'static str {
    if loser.approved != winner.approved {
        "its affiliate was not approved"
    } else if loser.discount != winner.discount {
        "its discount is smaller"
    } else if loser.start != winner.start {
        "it was redeemed later"
    } else {
        "its promotion code's id sorts later"
    }
}

fn held(winner: &Candidate, customer_email: Option<&str>, trail: &mut Vec<Step>) -> bool {
    if !winner.approved {
        let detail = "the affiliate was not approved at the time of the sale".to_owned();
        trail.push(Step::new("AFFILIATE_APPROVED", "HELD", detail));
        return true;
    }
    if customer_email.is_some_and(|email| email.trim().to_lowercase() == winner.affiliate_email) {
        let detail = "the customer's e-mail is the affiliate's".to_owned();
        trail.push(Step::new("SELF_REFERRAL", "HELD", detail));
        return true;
    }
    false
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;

    fn candidate(n: u128, approved: bool, discount: i64, start: i64) -> Candidate {
        Candidate {
            code_id: CodeId(Uuid::from_u128(n)),
            code: format!("CODE{n}"),
            promotion_code: format!("promo_{n}"),
            affiliate_id: AffiliateId(Uuid::from_u128(n)),
            affiliate_email: format!("affiliate{n}@example.test"),
            approved,
            discount,
            start,
        }
    }

    fn winner(candidates: &[Candidate], bound: Option<&Candidate>, email: Option<&str>) -> Option<(String, bool)> {
        let decision = decide(Evidence {
            candidates,
            bound,
            customer_email: email,
        })?;
        Some((decision.winner.code, decision.held))
    }

    #[test]
    fn the_decision_table() {
        let (one, two) = (candidate(1, true, 500, 9), candidate(2, true, 700, 10));
        let tie = candidate(3, true, 700, 9);
        let same = candidate(4, true, 700, 9);
        let unapproved = candidate(5, false, 900, 1);
        let credited = |code: &str| Some((code.to_owned(), false));
        assert_eq!(winner(&[], None, None), None);
        assert_eq!(winner(std::slice::from_ref(&one), None, None), credited("CODE1"));
        assert_eq!(winner(&[one.clone(), two.clone()], None, None), credited("CODE2"));
        assert_eq!(winner(&[two.clone(), tie.clone()], None, None), credited("CODE3"));
        assert_eq!(winner(&[same, tie], None, None), credited("CODE3"));
        assert_eq!(
            winner(&[unapproved.clone(), one.clone()], None, None),
            credited("CODE1")
        );
        assert_eq!(
            winner(std::slice::from_ref(&unapproved), None, None),
            Some(("CODE5".into(), true))
        );
        assert_eq!(winner(&[two], Some(&one), None), credited("CODE1"));
        assert_eq!(winner(&[], Some(&unapproved), None), Some(("CODE5".into(), true)));
        assert_eq!(
            winner(&[one], None, Some(" Affiliate1@Example.test ")),
            Some(("CODE1".into(), true))
        );
    }

    #[test]
    fn the_trail_names_the_losers_and_what_they_lost_by() {
        let candidates = [
            candidate(1, true, 500, 9),
            candidate(2, true, 700, 10),
            candidate(3, false, 900, 1),
        ];
        let decision = decide(Evidence {
            candidates: &candidates,
            bound: None,
            customer_email: None,
        });
        let trail: Vec<_> = decision
            .into_iter()
            .flat_map(|decision| decision.trail)
            .map(|step| (step.rule, step.outcome, step.detail.unwrap_or_default()))
            .collect();
        let step = |outcome: &str, detail: &str| ("CODE".to_owned(), outcome.to_owned(), detail.to_owned());
        assert_eq!(
            trail,
            [
                step("CREDITED", "CODE2 was redeemed"),
                step("PASSED_OVER", "CODE1: its discount is smaller"),
                step("PASSED_OVER", "CODE3: its affiliate was not approved"),
            ]
        );
    }

    proptest! {
        #[test]
        fn the_order_of_the_evidence_never_matters(
            specs in prop::collection::vec((1..6u128, any::<bool>(), 0..3i64, 0..3i64), 0..8),
            seed in any::<u64>(),
        ) {
            let candidates: Vec<_> = specs.iter().map(|&(n, a, d, s)| candidate(n, a, d, s)).collect();
            let mut shuffled = candidates.clone();
            shuffled.sort_by_key(|c| c.discount.wrapping_mul(31).wrapping_add(c.start) as u64 ^ seed);
            shuffled.reverse();
            let run = |candidates: &[Candidate]| {
                decide(Evidence { candidates, bound: None, customer_email: None })
                    .map(|d| (d.winner.code_id, d.winner.discount, d.held, d.trail.first().cloned()))
            };
            prop_assert_eq!(run(&candidates), run(&shuffled));
        }
    }
}
