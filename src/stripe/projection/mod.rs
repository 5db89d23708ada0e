//! What should stand, given the facts of a sale and what we know of its codes. Pure: no database, no clock, no I/O.
//!
//! A sale has parts: a subscription's start together with its first invoice, every later paid invoice, an invoice
//! without a subscription, a one-off payment without an invoice, a sale that the brand's server reported. Each part that somebody is credited for is one conversion.

mod codes;
mod earnings;
mod parts;
mod reported;
#[cfg(test)]
mod tests;
mod verdicts;

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use entity::{
    conversion::{AttributionMethod, ConversionKind, ConversionStatus},
    id::{AffiliateId, CampaignId, CodeId},
};

use super::facts::Facts;
use crate::{
    domain::{
        attribution::{self, Credit, Known, Step, Word},
        reports::{Decision, ReportedSale},
    },
    money::Currency,
};
use codes::OnPart;
use parts::{Part, moment, threads};

/// What we know of the codes, the clicks and the people on some sales.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Evidence {
    /// Which of our codes a promotion code is, by Stripe's id.
    pub promotion_codes: BTreeMap<String, Named>,
    pub known: Known,
}

/// A code of ours, an affiliate's or one that is shared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    pub id: CodeId,
    /// What was typed at checkout.
    pub code: String,
}

/// What should stand.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Projection {
    pub conversions: Vec<Conversion>,
    pub redemptions: Vec<Redemption>,
    pub uncredited: Vec<Uncredited>,
}

/// A part that nobody is credited for, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Uncredited {
    /// Its name and its aliases.
    pub names: Vec<String>,
    pub trail: Vec<Step>,
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
    /// The code that is shown; none, but a text, for one that is shared.
    pub code_id: Option<CodeId>,
    pub coupon_code: Option<String>,
    /// The code is the affiliate's, or everybody's.
    pub code_is_own: bool,
    pub amount_pending: bool,
    pub currency: Currency,
    pub amount: i64,
    pub tax: i64,
    pub refunded_amount: i64,
    pub commission_currency: Currency,
    /// Before clawbacks.
    pub earned: i64,
    pub clawed_back: i64,
    /// What the affiliate's recruiter earns on top.
    pub overriding: Option<Override>,
    pub hold_until: DateTime<Utc>,
    pub customer_email: Option<String>,
    pub trail: Vec<Step>,
    pub occurred_at: DateTime<Utc>,
}

/// What a recruiter earns on a recruit's commission: minor units of its currency.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Override {
    pub affiliate_id: AffiliateId,
    /// Before clawbacks.
    pub earned: i64,
    pub clawed_back: i64,
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
    let threads = threads(facts);
    let verdicts = verdicts::of_parts(facts, threads.iter().flat_map(|(_, parts)| parts));
    for (usage, parts) in &threads {
        let thread = Thread {
            facts,
            evidence,
            verdicts: &verdicts,
            first_paid: parts.iter().find(|part| part.amount() > 0),
        };
        thread.project(usage.as_deref(), parts, &mut projection);
    }
    projection
}

/// One subscription, or one part without a subscription.
struct Thread<'a> {
    facts: &'a Facts,
    evidence: &'a Evidence,
    verdicts: &'a BTreeMap<&'a str, Vec<&'a Decision>>,
    first_paid: Option<&'a Part<'a>>,
}

impl Thread<'_> {
    /// Credits the parts.
    fn project(&self, subscription: Option<&str>, parts: &[Part<'_>], projection: &mut Projection) {
        let mut bound: Option<Credit> = None;
        let mut counted = BTreeSet::new();
        for part in parts {
            let on_part = OnPart::of(self.facts, self.evidence, part);
            for code_id in on_part.ids() {
                if counted.insert(code_id) {
                    projection.redemptions.push(Redemption {
                        code_id,
                        usage: subscription.unwrap_or(&part.name).to_owned(),
                        part: part.name.clone(),
                        occurred_at: part.occurred_at(),
                        refunded: part.fully_refunded(),
                    });
                }
            }
            let decision = attribution::decide(attribution::Evidence {
                at: part.occurred_at(),
                began: moment(part.began),
                codes: &on_part.codes,
                shared: &on_part.shared.values().cloned().collect(),
                clicks: if on_part.is_silent() {
                    part.clicks_of_any()
                } else {
                    &part.clicks
                },
                campaign: part.reported.and_then(|reported| reported.campaign),
                word: part.reported.and_then(|reported| self.word(reported)),
                bound: bound.as_ref(),
                customer_email: part.customer_email,
                verdicts: self.verdicts.get(part.name.as_str()).map_or(&[], Vec::as_slice),
                known: &self.evidence.known,
            });
            let Some(credit) = decision.credit.clone() else {
                projection.uncredited.push(Uncredited {
                    names: part.aliases.iter().chain([&part.name]).cloned().collect(),
                    trail: decision.trail,
                });
                continue;
            };
            projection.conversions.extend(self.conversion(part, decision, &credit));
            bound.get_or_insert(credit);
        }
    }

    /// Whom the brand's server names: the affiliate, in the campaign that it names or that of the affiliate's link; or
    /// else whose link it names.
    fn word(&self, reported: &ReportedSale) -> Option<Word> {
        let known = &self.evidence.known;
        let link = reported.link.and_then(|link| known.links.get(&link)).map(|link| Word {
            affiliate_id: link.affiliate_id,
            campaign_id: link.campaign_id,
        });
        let Some(affiliate_id) = reported.affiliate else {
            return link;
        };
        let of_link = link.filter(|link| link.affiliate_id == affiliate_id);
        let campaign_id = reported.campaign.or(of_link.map(|link| link.campaign_id))?;
        known.people.contains_key(&affiliate_id).then_some(Word {
            affiliate_id,
            campaign_id,
        })
    }

    fn conversion(&self, part: &Part<'_>, decision: attribution::Decision, credit: &Credit) -> Option<Conversion> {
        let earnings = self.earnings(part, credit, !decision.held && !decision.rejected)?;
        let amount = part.amount();
        let reported = self.facts.reported.get(&part.name);
        let misfits = reported.into_iter().flat_map(reported::misfits);
        Some(Conversion {
            part: part.name.clone(),
            aliases: part.aliases.clone(),
            kind: part.kind,
            status: status(part, &decision),
            attribution_method: credit.method,
            campaign_id: credit.campaign_id,
            affiliate_id: credit.affiliate_id,
            code_id: credit.code.as_ref().and_then(|shown| shown.code).map(|(id, _)| id),
            coupon_code: credit.code.as_ref().map(|shown| shown.text.clone()),
            code_is_own: credit.code_is_own(),
            amount_pending: part.pending,
            currency: part.currency,
            amount,
            tax: part.gross() - amount,
            refunded_amount: part.refunded_amount(),
            commission_currency: earnings.currency,
            earned: earnings.earned,
            clawed_back: earnings.clawed_back,
            overriding: earnings.overriding,
            hold_until: earnings.hold_until,
            customer_email: part.customer_email.and_then(shown_email),
            trail: decision.trail.into_iter().chain(misfits).collect(),
            occurred_at: part.occurred_at(),
        })
    }
}

/// An address that the databases can keep; nobody has a longer one (RFC 5321, section 4.5.3.1.3).
fn shown_email(email: &str) -> Option<String> {
    let email = email.trim();
    let good = !email.is_empty() && email.len() <= 254 && !email.chars().any(char::is_control);
    good.then(|| email.to_owned())
}

/// The first that holds.
fn status(part: &Part<'_>, decision: &attribution::Decision) -> ConversionStatus {
    if decision.rejected {
        ConversionStatus::Rejected
    } else if part.fully_refunded() {
        ConversionStatus::Refunded
    } else if part.back.disputed {
        ConversionStatus::Disputed
    } else if decision.held {
        ConversionStatus::Held
    } else if part.back.amount > 0 && part.gross() > 0 {
        ConversionStatus::PartiallyRefunded
    } else {
        ConversionStatus::Standing
    }
}
