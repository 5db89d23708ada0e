//! What is known of the codes, the campaigns, the affiliates and a visitor's clicks where no server is asked.

use chrono::{DateTime, Utc};
use entity::{
    affiliate::AffiliateStatus,
    campaign::ClickModel,
    campaign_rule::CommissionDuration,
    id::{AffiliateId, CampaignId},
};
use rekomi::{
    domain::{
        attribution::{self, History},
        commission::{Pay, Rule},
    },
    stripe::projection::{Evidence, Named},
};
use uuid::Uuid;

use super::{
    super::{app::NOON, evidence::lifetime},
    Code, Lived,
    programs::{CHANGES, Campaign, Model, Owner, at},
};

/// All of it, for one sale.
pub fn evidence(lived: &Lived) -> Evidence {
    let mut evidence = Evidence::default();
    for campaign in Campaign::ALL {
        let rules = vec![campaign.rule(NOON), campaign.rule(CHANGES)];
        evidence.known.campaigns.insert(campaign.id(), rules);
    }
    for owner in Owner::ALL {
        evidence.known.people.insert(owner.id(), owner.person());
    }
    for code in Code::ALL {
        if let Some((owner, campaign)) = code.owned() {
            let id = Uuid::from_u128(code as u128 + 1).into();
            let text = code.text();
            let named = Named { id, code: text };
            evidence.promotion_codes.insert(code.promo().promotion_code_id, named);
            let known = attribution::Code {
                affiliate_id: owner.id(),
                campaign_id: campaign.id(),
                overrides: history(|seconds| code.overrides(seconds)),
            };
            evidence.known.codes.insert(id, known);
        }
    }
    for click in &lived.clicks {
        let known = attribution::Click {
            affiliate_id: click.followed.of.id(),
            campaign_id: click.followed.campaign.id(),
            visitor: Uuid::from_u128(7),
            at: at(click.at),
            beyond: false,
        };
        evidence.known.clicks.insert(click.id, known);
    }
    evidence
}

/// What something was from the start on, and what it was made at [`CHANGES`].
fn history<T>(of: impl Fn(i64) -> T) -> History<T> {
    let since = |seconds: i64| -> (DateTime<Utc>, T) { (at(seconds), of(seconds)) };
    vec![since(NOON), since(CHANGES)]
}

impl Owner {
    pub fn id(self) -> AffiliateId {
        Uuid::from_u128(self as u128 + 100).into()
    }

    pub fn named(id: AffiliateId) -> Self {
        Self::ALL.into_iter().find(|owner| owner.id() == id).unwrap()
    }

    fn person(self) -> attribution::Person {
        let status = |seconds| match self.is_approved(seconds) {
            true => AffiliateStatus::Approved,
            false => AffiliateStatus::Suspended,
        };
        attribution::Person {
            email_key: self.email(),
            statuses: history(status),
            recruiters: history(|seconds| self.recruiter(seconds).map(Self::id)),
            ..attribution::Person::default()
        }
    }
}

impl Campaign {
    fn id(self) -> CampaignId {
        Uuid::from_u128(self as u128 + 200).into()
    }

    /// What is in force from then on.
    fn rule(self, seconds: i64) -> Rule {
        let (pay, duration, months) = match self {
            Self::Spring => (Pay::Percent(2000), CommissionDuration::Lifetime, 0),
            Self::Autumn => (Pay::Flat(700, "USD".parse().unwrap()), CommissionDuration::FirstSale, 0),
            Self::Winter if seconds < CHANGES => (Pay::Percent(1250), CommissionDuration::Months, 2),
            Self::Winter => (Pay::Percent(2500), CommissionDuration::Months, 2),
        };
        let (model, days) = self.clicks(seconds);
        Rule {
            effective_from: at(seconds),
            pay,
            duration,
            months,
            override_bps: Some(self.on_top(seconds)).filter(|points| *points > 0),
            click_model: match model {
                Model::First => ClickModel::FirstClick,
                Model::Last => ClickModel::LastClick,
            },
            cookie_window_days: u32::try_from(days).unwrap(),
            ..lifetime(0)
        }
    }
}
