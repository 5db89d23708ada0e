//! Which of the affiliates' codes on a sale speaks: of those whose affiliate was approved the one with the largest
//! discount, then the earliest, then the smallest id. Pure.

use std::cmp::Reverse;

use entity::{conversion::AttributionMethod, id::CodeId};

use super::{Evidence, Shown, Step, Word, at};

/// A code on a sale.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    pub code_id: CodeId,
    /// As typed at checkout.
    pub code: String,
    /// Stripe's id of it; where there is none, ours.
    pub promotion_code: String,
    /// Minor units that the code took off this sale.
    pub discount: i64,
    /// The Stripe discount's `start`, seconds since 1970.
    pub start: i64,
}

/// A code with what was known of it at the sale's time.
pub(super) struct Redeemed<'a> {
    it: &'a Candidate,
    pub(super) owner: Word,
    pub(super) overrides: bool,
    pub(super) approved: bool,
}

/// The codes on a sale, each once, the one that speaks first.
pub(super) struct Codes<'a>(Vec<Redeemed<'a>>);

impl<'a> Codes<'a> {
    pub(super) fn of(evidence: &Evidence<'a>) -> Self {
        let redeemed = |it: &'a Candidate| {
            let code = evidence.known.codes.get(&it.code_id)?;
            Some(Redeemed {
                it,
                owner: Word {
                    affiliate_id: code.affiliate_id,
                    campaign_id: code.campaign_id,
                },
                overrides: at(&code.overrides, evidence.at).copied().unwrap_or(true),
                approved: evidence.approved(code.affiliate_id),
            })
        };
        let mut codes: Vec<Redeemed<'a>> = evidence.codes.iter().filter_map(redeemed).collect();
        codes.sort_by_key(|code| {
            let it = code.it;
            (
                !code.approved,
                Reverse(it.discount),
                it.start,
                &it.promotion_code,
                it.code_id,
            )
        });
        let mut seen = std::collections::BTreeSet::new();
        codes.retain(|code| seen.insert(code.it.code_id));
        Self(codes)
    }

    pub(super) fn best(&self) -> Option<&Redeemed<'a>> {
        self.0.first()
    }

    pub(super) fn credited(&self) -> Option<Step> {
        let best = self.best()?;
        Some(Step::new("CODE", "CREDITED", format!("{} was redeemed", best.it.code)))
    }

    /// The code that is shown with the sale: the best, or else one that is shared.
    pub(super) fn shown(&self, evidence: &Evidence<'_>) -> Option<Shown> {
        let own = self.best().map(|code| Shown {
            code: Some((code.it.code_id, code.owner.affiliate_id)),
            text: code.it.code.clone(),
        });
        let shared = || {
            evidence.shared.first().map(|text| Shown {
                code: None,
                text: text.clone(),
            })
        };
        own.or_else(shared)
    }

    /// Names those that do not speak, each with what it lost by; the best one too where something else won.
    pub(super) fn passed_over(&self, won: Option<AttributionMethod>, why: &str, trail: &mut Vec<Step>) {
        let Some((best, others)) = self.0.split_first() else {
            return;
        };
        let mut losers: Vec<_> = others.iter().map(|loser| (loser, lost_by(loser, best))).collect();
        if won != Some(AttributionMethod::Coupon) {
            losers.push((best, why));
        }
        name(losers, trail);
    }

    /// Names all but one, with one reason.
    pub(super) fn all_but(&self, kept: Option<CodeId>, why: &str, trail: &mut Vec<Step>) {
        let losers = self.0.iter().filter(|code| Some(code.it.code_id) != kept);
        name(losers.map(|code| (code, why)).collect(), trail);
    }
}

fn name(mut losers: Vec<(&Redeemed<'_>, &str)>, trail: &mut Vec<Step>) {
    losers.sort_by_key(|(loser, _)| (&loser.it.promotion_code, loser.it.code_id));
    for (loser, why) in losers {
        let step = Step::new("CODE", "PASSED_OVER", format!("{}: {why}", loser.it.code));
        trail.push(step.about(loser.owner.affiliate_id));
    }
}

fn lost_by(loser: &Redeemed<'_>, best: &Redeemed<'_>) -> &'static str {
    if loser.approved != best.approved {
        "its affiliate was not approved"
    } else if loser.it.discount != best.it.discount {
        "its discount is smaller"
    } else if loser.it.start != best.it.start {
        "it was redeemed later"
    } else {
        "its promotion code's id sorts later"
    }
}
