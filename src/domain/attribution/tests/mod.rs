//! A sale on day 0, and what is known of it, for the tests of decisions.

mod properties;
mod table;

use chrono::TimeDelta;
use entity::{affiliate::AffiliateStatus, campaign::ClickModel, campaign_rule::CommissionDuration};
use uuid::Uuid;

use super::*;
use crate::domain::{
    commission::{Pay, Rule},
    reports::Verdict,
};

const SARAH: u128 = 1;
const BOB: u128 = 2;
/// Never approved.
const CAROL: u128 = 3;

/// The campaigns' windows, in days.
const WINDOW: u32 = 60;

fn day(days: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::days(1000 + days)
}

fn affiliate(n: u128) -> AffiliateId {
    Uuid::from_u128(n).into()
}

fn campaign(n: u128) -> CampaignId {
    Uuid::from_u128(100 + n).into()
}

/// A sale on day 0, and what is known of it. Each affiliate has codes of one's own number.
#[derive(Clone, Debug)]
struct World {
    known: Known,
    codes: Vec<Candidate>,
    shared: BTreeSet<String>,
    clicks: BTreeSet<ClickId>,
    campaign: Option<CampaignId>,
    word: Option<Word>,
    bound: Option<Credit>,
    email: Option<String>,
    verdicts: Vec<reports::Decision>,
}

impl World {
    fn new() -> Self {
        let mut known = Known::default();
        for n in [SARAH, BOB, CAROL] {
            let status = match n {
                CAROL => AffiliateStatus::Pending,
                _ => AffiliateStatus::Approved,
            };
            let person = Person {
                email_key: format!("affiliate{n}@example.test"),
                statuses: vec![(day(-500), status)],
                ..Person::default()
            };
            known.people.insert(affiliate(n), person);
        }
        for (n, click_model) in [(1, ClickModel::LastClick), (2, ClickModel::FirstClick)] {
            let rule = Rule {
                effective_from: day(-500),
                pay: Pay::Percent(1000),
                duration: CommissionDuration::Lifetime,
                months: 0,
                hold_days: 30,
                override_bps: None,
                click_model,
                cookie_window_days: WINDOW,
            };
            known.campaigns.insert(campaign(n), vec![rule]);
        }
        Self {
            known,
            codes: Vec::new(),
            shared: BTreeSet::new(),
            clicks: BTreeSet::new(),
            campaign: None,
            word: None,
            bound: None,
            email: None,
            verdicts: Vec::new(),
        }
    }

    /// A code of somebody's, in the first campaign.
    fn code(mut self, who: u128, overrides: bool, discount: i64, start: i64) -> Self {
        let number = 10 * who + self.codes.len() as u128;
        let code = Code {
            affiliate_id: affiliate(who),
            campaign_id: campaign(1),
            overrides: vec![(day(-500), overrides)],
        };
        self.known.codes.insert(Uuid::from_u128(number).into(), code);
        self.codes.push(Candidate {
            code_id: Uuid::from_u128(number).into(),
            code: format!("CODE{who}"),
            promotion_code: format!("promo_{number}"),
            discount,
            start,
        });
        self
    }

    fn shared(mut self) -> Self {
        self.shared.insert("EVERYBODY".to_owned());
        self
    }

    /// A click of the one visitor, named by the sale, so many days before it.
    fn click(mut self, who: u128, of: u128, days: i64) -> Self {
        let id = ClickId(Uuid::from_u128(1000 + self.known.clicks.len() as u128));
        let click = Click {
            affiliate_id: affiliate(who),
            campaign_id: campaign(of),
            visitor: Uuid::from_u128(7),
            at: day(-days),
            beyond: false,
        };
        self.known.clicks.insert(id, click);
        self.clicks.insert(id);
        self
    }

    fn word(mut self, who: u128) -> Self {
        self.word = Some(Word {
            affiliate_id: affiliate(who),
            campaign_id: campaign(1),
        });
        self
    }

    fn verdict(mut self, verdict: Verdict) -> Self {
        self.verdicts.push(reports::Decision {
            id: Uuid::from_u128(self.verdicts.len() as u128 + 1),
            part: "in_1".to_owned(),
            verdict,
            reason: "because".to_owned(),
            by: "max".to_owned(),
            at: 0,
        });
        self
    }

    fn decide(&self) -> Decision {
        let verdicts: Vec<_> = self.verdicts.iter().collect();
        decide(Evidence {
            at: day(0),
            began: day(0),
            codes: &self.codes,
            shared: &self.shared,
            clicks: &self.clicks,
            campaign: self.campaign,
            word: self.word,
            bound: self.bound.as_ref(),
            customer_email: self.email.as_deref(),
            verdicts: &verdicts,
            known: &self.known,
        })
    }

    /// Who is credited, by what, with which code shown; whether it is held.
    fn told(&self) -> Option<(u128, AttributionMethod, String, bool)> {
        let decision = self.decide();
        let credit = decision.credit?;
        let shown = credit.code.map_or_else(String::new, |code| code.text);
        Some((credit.affiliate_id.0.as_u128(), credit.method, shown, decision.held))
    }

    fn trail(&self) -> Vec<String> {
        let steps = self.decide().trail.into_iter();
        let line = |step: Step| format!("{} {} {}", step.rule, step.outcome, step.detail.unwrap_or_default());
        steps.map(line).collect()
    }
}
