//! What should stand, given the facts of a sale and what we know of its codes. Pure: no database, no clock, no I/O.
//!
//! A sale has parts: a subscription's start together with its first invoice, every later paid invoice, an invoice
//! without a subscription, a one-off payment without an invoice. Each part that somebody is credited for is one conversion.

mod parts;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use entity::{
    affiliate::AffiliateStatus,
    conversion::{AttributionMethod, ConversionKind, ConversionStatus},
    id::{AffiliateId, CampaignId, CodeId},
};

use super::facts::{Discount, Facts};
use crate::{
    domain::{
        attribution::{self, Candidate, Step},
        commission::{self, Rule},
    },
    money::{self, Currency},
};
use parts::{Part, threads};

/// What we know of the codes on a sale, by Stripe's promotion code id.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Evidence {
    /// Affiliates' codes.
    pub codes: BTreeMap<String, Code>,
    /// Codes that a campaign's affiliates share: they are counted, and credit nobody.
    pub shared: BTreeMap<String, CodeId>,
}

impl FromIterator<(String, Code)> for Evidence {
    fn from_iter<T: IntoIterator<Item = (String, Code)>>(codes: T) -> Self {
        Self {
            codes: codes.into_iter().collect(),
            shared: BTreeMap::new(),
        }
    }
}

/// A code of ours, with all that a decision looks at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Code {
    pub id: CodeId,
    /// What was typed at checkout.
    pub code: String,
    pub affiliate_id: AffiliateId,
    /// In lower case.
    pub affiliate_email: String,
    /// How the affiliate stood from when on, in order.
    pub statuses: Vec<(DateTime<Utc>, AffiliateStatus)>,
    pub campaign_id: CampaignId,
    /// The campaign's rules, in the order of `effective_from`.
    pub rules: Vec<Rule>,
}

impl Code {
    /// Before the first status, the first.
    fn approved_at(&self, at: DateTime<Utc>) -> bool {
        let status = self.statuses.iter().rev().find(|(from, _)| *from <= at);
        status
            .or(self.statuses.first())
            .is_some_and(|(_, status)| *status == AffiliateStatus::Approved)
    }
}

/// What should stand.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Projection {
    pub conversions: Vec<Conversion>,
    pub redemptions: Vec<Redemption>,
}

/// One credited part of a sale. Amounts are minor units.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conversion {
    /// Stripe's id of the part: `sub_…` for a subscription's start, else `in_…`, without an invoice `cs_…`.
    pub part: String,
    /// The names under which it may be recorded: an invoice's, before it was known to be a subscription's first, or a
    /// session's, before it was known to have an invoice.
    pub aliases: Vec<String>,
    pub kind: ConversionKind,
    pub status: ConversionStatus,
    pub attribution_method: AttributionMethod,
    pub campaign_id: CampaignId,
    pub affiliate_id: AffiliateId,
    pub code_id: CodeId,
    pub coupon_code: String,
    pub amount_pending: bool,
    pub currency: Currency,
    pub amount: i64,
    pub tax: i64,
    pub refunded_amount: i64,
    pub commission_currency: Currency,
    /// Before clawbacks.
    pub earned: i64,
    pub clawed_back: i64,
    pub hold_until: DateTime<Utc>,
    pub customer_email: Option<String>,
    pub trail: Vec<Step>,
    pub occurred_at: DateTime<Utc>,
}

/// One use of a code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redemption {
    pub code_id: CodeId,
    /// The subscription, or the part itself: what a code is counted once for.
    pub usage: String,
    /// The part that counted it.
    pub part: String,
    pub occurred_at: DateTime<Utc>,
    pub refunded: bool,
}

/// Projects a sale. The order in which its facts came never matters, as facts have none.
pub fn project(facts: &Facts, evidence: &Evidence) -> Projection {
    let mut projection = Projection::default();
    for (usage, parts) in threads(facts) {
        project_thread(facts, evidence, usage.as_deref(), &parts, &mut projection);
    }
    projection
}

/// Credits the parts of one subscription, or one part without a subscription.
fn project_thread(
    facts: &Facts,
    evidence: &Evidence,
    subscription: Option<&str>,
    parts: &[Part<'_>],
    projection: &mut Projection,
) {
    let mut bound: Option<(Candidate, &Code)> = None;
    let mut counted = BTreeSet::new();
    let first_paid = parts.iter().find(|part| part.amount() > 0);
    for part in parts {
        let at = part.occurred_at();
        let candidates = candidates(facts, evidence, part);
        let shared = promotion_codes(facts, part).filter_map(|(id, ..)| evidence.shared.get(id));
        for code_id in candidates
            .iter()
            .map(|candidate| candidate.code_id)
            .chain(shared.copied())
        {
            if counted.insert(code_id) {
                projection.redemptions.push(Redemption {
                    code_id,
                    usage: subscription.unwrap_or(&part.name).to_owned(),
                    part: part.name.clone(),
                    occurred_at: at,
                    refunded: part.fully_refunded(),
                });
            }
        }
        if let Some((candidate, code)) = &mut bound {
            candidate.approved = code.approved_at(at);
        }
        let decision = attribution::decide(attribution::Evidence {
            candidates: &candidates,
            bound: bound.as_ref().map(|(candidate, _)| candidate),
            customer_email: part.customer_email,
        });
        let Some(decision) = decision else { continue };
        let Some(code) = evidence.codes.get(&decision.winner.promotion_code) else {
            continue;
        };
        projection
            .conversions
            .extend(conversion(part, first_paid, &decision, code));
        if bound.is_none() {
            bound = Some((decision.winner, code));
        }
    }
}

/// The promotion codes on a part, each with its discount and what that took off.
fn promotion_codes<'a>(facts: &'a Facts, part: &'a Part<'_>) -> impl Iterator<Item = (&'a String, &'a Discount, i64)> {
    part.discounts.iter().filter_map(|(id, off)| {
        let discount = facts.discounts.get(*id)?;
        Some((discount.promotion_code.as_ref()?, discount, *off))
    })
}

/// Our codes on a part, each once, with all that it took off.
fn candidates(facts: &Facts, evidence: &Evidence, part: &Part<'_>) -> Vec<Candidate> {
    let mut by_code: BTreeMap<CodeId, Candidate> = BTreeMap::new();
    for (promotion_code, discount, off) in promotion_codes(facts, part) {
        let Some(code) = evidence.codes.get(promotion_code) else {
            continue;
        };
        // A session tells of a code without its discount's start.
        let start = if discount.start == 0 { i64::MAX } else { discount.start };
        let candidate = by_code.entry(code.id).or_insert_with(|| Candidate {
            code_id: code.id,
            code: code.code.clone(),
            promotion_code: promotion_code.clone(),
            affiliate_id: code.affiliate_id,
            affiliate_email: code.affiliate_email.clone(),
            approved: code.approved_at(part.occurred_at()),
            discount: 0,
            start,
        });
        candidate.discount = money::sum([candidate.discount, off]);
        candidate.start = candidate.start.min(start);
    }
    by_code.into_values().collect()
}

fn conversion(
    part: &Part<'_>,
    first_paid: Option<&Part<'_>>,
    decision: &attribution::Decision,
    code: &Code,
) -> Option<Conversion> {
    let occurred_at = part.occurred_at();
    let rule = commission::rule_at(&code.rules, occurred_at)?;
    let (amount, refunded_amount) = (part.amount(), part.refunded_amount());
    let (would_earn, commission_currency) = rule.earns(&commission::Sale {
        occurred_at,
        amount,
        currency: part.currency,
        first_paid_at: first_paid.map(Part::occurred_at),
        is_first_paid: first_paid.is_some_and(|first| first.name == part.name),
    });
    let earned = if decision.held { 0 } else { would_earn };
    let clawed_back = if part.fully_refunded() {
        earned
    } else {
        commission::clawback(earned, amount, refunded_amount)
    };
    Some(Conversion {
        part: part.name.clone(),
        aliases: part.aliases.clone(),
        kind: part.kind,
        status: status(part, decision.held),
        attribution_method: AttributionMethod::Coupon,
        campaign_id: code.campaign_id,
        affiliate_id: code.affiliate_id,
        code_id: code.id,
        coupon_code: code.code.clone(),
        amount_pending: part.pending,
        currency: part.currency,
        amount,
        tax: part.gross() - amount,
        refunded_amount,
        commission_currency,
        earned,
        clawed_back,
        hold_until: rule.due(occurred_at),
        customer_email: part.customer_email.and_then(shown_email),
        trail: decision.trail.clone(),
        occurred_at,
    })
}

/// An address that the databases can keep; nobody has a longer one (RFC 5321, section 4.5.3.1.3).
fn shown_email(email: &str) -> Option<String> {
    let email = email.trim();
    let good = !email.is_empty() && email.len() <= 254 && !email.chars().any(char::is_control);
    good.then(|| email.to_owned())
}

/// The first that holds.
fn status(part: &Part<'_>, held: bool) -> ConversionStatus {
    if part.fully_refunded() {
        ConversionStatus::Refunded
    } else if part.back.disputed {
        ConversionStatus::Disputed
    } else if held {
        ConversionStatus::Held
    } else if part.back.amount > 0 && part.gross() > 0 {
        ConversionStatus::PartiallyRefunded
    } else {
        ConversionStatus::Standing
    }
}
