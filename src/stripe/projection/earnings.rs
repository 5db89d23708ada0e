//! What a part of a sale earns for whom it is credited to and for that one's recruiter, and what is taken back. Pure.

use chrono::{DateTime, Utc};

use super::{Override, Part, Thread};
use crate::{
    domain::{
        attribution::Credit,
        commission::{self, Rule},
    },
    money::Currency,
};

/// Minor units of `currency`.
pub(super) struct Earnings {
    pub(super) currency: Currency,
    /// Before clawbacks.
    pub(super) earned: i64,
    pub(super) clawed_back: i64,
    pub(super) overriding: Option<Override>,
    /// When it is due.
    pub(super) hold_until: DateTime<Utc>,
}

impl Thread<'_> {
    /// By what was in force at the part's time. What is held or rejected does not earn.
    pub(super) fn earnings(&self, part: &Part<'_>, credit: &Credit, earns: bool) -> Option<Earnings> {
        let (known, at) = (&self.evidence.known, part.occurred_at());
        let rule = commission::rule_at(known.campaigns.get(&credit.campaign_id)?, at)?;
        let rule = rule.at_rate(known.rate_at(credit.affiliate_id, credit.campaign_id, at));
        let (would_earn, currency) = rule.earns(&commission::Sale {
            occurred_at: at,
            amount: part.amount(),
            currency: part.currency,
            first_paid_at: self.first_paid.map(Part::occurred_at),
            is_first_paid: self.first_paid.is_some_and(|first| first.name == part.name),
        });
        let earned = if earns { would_earn } else { 0 };
        Some(Earnings {
            currency,
            earned,
            clawed_back: clawed_back(part, earned),
            overriding: self.overriding(part, credit, &rule, earned),
            hold_until: rule.due(at),
        })
    }

    /// One hop: whoever recruited the recruiter has no part in it.
    fn overriding(&self, part: &Part<'_>, credit: &Credit, rule: &Rule, earned: i64) -> Option<Override> {
        let (known, at) = (&self.evidence.known, part.occurred_at());
        let recruiter = known.recruiter_at(credit.affiliate_id, at)?;
        let on_top = rule.override_on(earned);
        (on_top > 0 && known.approved_at(recruiter, at)).then(|| Override {
            affiliate_id: recruiter,
            earned: on_top,
            clawed_back: clawed_back(part, on_top),
        })
    }
}

fn clawed_back(part: &Part<'_>, earned: i64) -> i64 {
    if part.fully_refunded() {
        earned
    } else {
        commission::clawback(earned, part.amount(), part.refunded_amount())
    }
}
