//! Who gets the credit for a sale. One pure function, from evidence to a decision with its reasons: no database, no
//! clock, no I/O. The order of the evidence never matters.
//!
//! | the sale has | its coupon overrides clicks | it does not |
//! | --- | --- | --- |
//! | an affiliate's code, no click | the code's affiliate, `COUPON` | the same |
//! | a code, and another affiliate's valid click | the code's affiliate, `COUPON` | the click's, `LINK`; the code is shown |
//! | a code and a click of the same affiliate | `COUPON` | `LINK`; the code is shown |
//! | a code that a campaign's affiliates share, and a click | the click's affiliate, `LINK`; the text is shown | the same |
//! | a shared code alone | nobody: no conversion | the same |
//! | a click only | the click's affiliate, `LINK` | – |
//! | neither, but its server names an affiliate, or a link | that affiliate, `S2S` | – |
//! | none of these | nobody: no conversion | – |
//!
//! Besides: whoever was not approved at the sale's time is passed over where an approved one stands beside it. Of several
//! codes the largest discount speaks, then the earliest, then the smallest id (`codes`); which click speaks is in
//! `clicks`. A renewal is of whoever earned the subscription. Then managers decide, and what is nobody's to earn yet is
//! held (`verdicts`).

mod clicks;
mod codes;
mod known;
#[cfg(test)]
mod tests;
mod trail;
mod verdicts;

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use entity::{
    conversion::AttributionMethod,
    id::{AffiliateId, CampaignId, ClickId, CodeId},
};

pub use codes::Candidate;
pub use known::{Asked, Click, Code, History, Known, Link, Person, at};
pub use trail::Step;

use crate::domain::reports;
use clicks::Clicks;
use codes::Codes;

/// What there is to decide on.
#[derive(Clone, Copy, Debug)]
pub struct Evidence<'a> {
    /// The sale's time.
    pub at: DateTime<Utc>,
    /// When it began, at the latest then: clicks are of before.
    pub began: DateTime<Utc>,
    /// Affiliates' codes on this very sale.
    pub codes: &'a [Candidate],
    /// Codes on it that a campaign's affiliates share, as typed at checkout.
    pub shared: &'a BTreeSet<String>,
    /// The clicks that it names; their visitors' other clicks count as well.
    pub clicks: &'a BTreeSet<ClickId>,
    /// Where it is given, clicks of other campaigns do not count.
    pub campaign: Option<CampaignId>,
    /// Whom the brand's server names.
    pub word: Option<Word>,
    /// Who earned the subscription, for a renewal.
    pub bound: Option<&'a Credit>,
    pub customer_email: Option<&'a str>,
    /// What managers decided about this very sale.
    pub verdicts: &'a [&'a reports::Decision],
    pub known: &'a Known,
}

/// The brand's server's word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Word {
    pub affiliate_id: AffiliateId,
    pub campaign_id: CampaignId,
}

/// Who is credited, and by what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credit {
    pub affiliate_id: AffiliateId,
    pub campaign_id: CampaignId,
    pub method: AttributionMethod,
    pub code: Option<Shown>,
    /// A manager gave it to its affiliate.
    pub reassigned: bool,
}

/// The code that is shown with a sale.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// None for one that is shared.
    pub code: Option<(CodeId, AffiliateId)>,
    /// As typed at checkout.
    pub text: String,
}

/// What came out, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// None: nobody is, and there is no conversion.
    pub credit: Option<Credit>,
    /// Recorded, but it earns nothing until somebody approves it.
    pub held: bool,
    /// A manager refused it: it earns nothing.
    pub rejected: bool,
    pub trail: Vec<Step>,
}

impl Credit {
    /// The code that is shown is the affiliate's, or everybody's.
    pub fn code_is_own(&self) -> bool {
        let code = self.code.as_ref().and_then(|shown| shown.code);
        code.is_none_or(|(_, owner)| owner == self.affiliate_id)
    }
}

impl Evidence<'_> {
    fn approved(&self, affiliate: AffiliateId) -> bool {
        self.known.approved_at(affiliate, self.at)
    }
}

/// Decides.
pub fn decide(evidence: Evidence<'_>) -> Decision {
    let mut trail = Vec::new();
    let codes = Codes::of(&evidence);
    let credit = match evidence.bound {
        Some(bound) => Some(renewed(bound, &codes, &evidence, &mut trail)),
        None => best(&codes, &evidence, &mut trail),
    };
    match credit {
        Some(credit) => verdicts::judge(&evidence, credit, trail),
        None => {
            trail.push(Step::new("CREDIT", "NOBODY", "nothing speaks for an affiliate"));
            Decision {
                credit: None,
                held: false,
                rejected: false,
                trail,
            }
        }
    }
}

/// A renewal stays with who earned the subscription, and shows the code by which that was, or else its own.
fn renewed(bound: &Credit, codes: &Codes<'_>, evidence: &Evidence<'_>, trail: &mut Vec<Step>) -> Credit {
    let by_code = bound
        .code
        .as_ref()
        .filter(|_| bound.method == AttributionMethod::Coupon);
    let who = match by_code {
        _ if bound.reassigned => "a manager said who",
        Some(code) => &code.text,
        None => "a click",
    };
    let detail = format!("{who} earned the subscription");
    trail.push(Step::new("SUBSCRIPTION", "CREDITED", detail));
    let own = bound.code.as_ref().and_then(|shown| shown.code).map(|(id, _)| id);
    codes.all_but(own, "renewals stay with who earned the subscription", trail);
    Credit {
        code: by_code.cloned().or_else(|| codes.shown(evidence)),
        ..bound.clone()
    }
}

/// What speaks for an affiliate, the stronger one first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Voice {
    OverridingCode,
    Click,
    Code,
    Word,
}

impl Voice {
    fn method(self) -> AttributionMethod {
        match self {
            Self::OverridingCode | Self::Code => AttributionMethod::Coupon,
            Self::Click => AttributionMethod::Link,
            Self::Word => AttributionMethod::S2s,
        }
    }
}

/// The strongest voice of an approved affiliate's, or else the strongest.
fn best(codes: &Codes<'_>, evidence: &Evidence<'_>, trail: &mut Vec<Step>) -> Option<Credit> {
    let clicks = Clicks::of(evidence);
    let code = codes.best().map(|code| {
        let voice = if code.overrides {
            Voice::OverridingCode
        } else {
            Voice::Code
        };
        (!code.approved, voice, code.owner)
    });
    let click = clicks
        .best()
        .map(|click| (!click.approved, Voice::Click, click.owner()));
    let word = evidence.word;
    let word = word.map(|word| (!evidence.approved(word.affiliate_id), Voice::Word, word));
    let winner = [code, click, word].into_iter().flatten().min_by_key(|it| (it.0, it.1));
    let method = winner.map(|(_, voice, _)| voice.method());
    trail.extend(match method {
        Some(AttributionMethod::Link) => clicks.credited(),
        Some(AttributionMethod::Coupon) => codes.credited(),
        Some(AttributionMethod::S2s) => Some(Step::new(
            "SERVER",
            "CREDITED",
            "the brand's server named the affiliate",
        )),
        None => None,
    });
    // Why a voice that is not the winner's was not heard.
    let unheard = |of: Option<(bool, Voice, Word)>, otherwise: &'static str| match (of, winner) {
        (Some((true, ..)), Some((false, ..))) => "its affiliate was not approved",
        _ => otherwise,
    };
    codes.passed_over(method, unheard(code, "its coupon lets clicks go before it"), trail);
    clicks.passed_over(method, unheard(click, "a redeemed code goes before it"), trail);
    if let Some((.., named)) = word.filter(|_| method != Some(AttributionMethod::S2s)) {
        let why = unheard(word, "a code or a click goes before it");
        let detail = format!("the brand's server named an affiliate: {why}");
        trail.push(Step::new("SERVER", "PASSED_OVER", detail).about(named.affiliate_id));
    }
    for text in evidence.shared.iter().filter(|_| code.is_none()) {
        let detail = format!("{text} is of all affiliates of its campaign");
        trail.push(Step::new("SHARED_CODE", "SHOWN", detail));
    }
    winner.map(|(_, voice, winner)| Credit {
        affiliate_id: winner.affiliate_id,
        campaign_id: winner.campaign_id,
        method: voice.method(),
        code: codes.shown(evidence),
        reassigned: false,
    })
}
