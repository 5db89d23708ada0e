//! What the pure tests know of codes, made by hand.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use entity::{
    affiliate::AffiliateStatus,
    campaign::ClickModel,
    campaign_rule::CommissionDuration,
    id::{AffiliateId, CampaignId, CodeId},
};
use rekomi::{
    domain::{
        attribution,
        commission::{Pay, Rule},
    },
    stripe::projection::{Evidence, Named},
};

/// A code of an affiliate's, with all that a decision looks at.
#[derive(Clone)]
pub struct Ours {
    pub id: CodeId,
    pub text: String,
    pub affiliate: AffiliateId,
    pub email: String,
    pub statuses: Vec<(DateTime<Utc>, AffiliateStatus)>,
    pub campaign: CampaignId,
    pub rules: Vec<Rule>,
}

/// A rule that pays a percentage of every sale after 30 days.
pub fn lifetime(basis_points: i64) -> Rule {
    Rule {
        effective_from: DateTime::UNIX_EPOCH,
        pay: Pay::Percent(basis_points),
        duration: CommissionDuration::Lifetime,
        months: 0,
        hold_days: 30,
        override_bps: None,
        click_model: ClickModel::LastClick,
        cookie_window_days: 60,
    }
}

/// The evidence of codes, each under Stripe's id of it.
pub fn of_codes(codes: impl IntoIterator<Item = (String, Ours)>) -> Evidence {
    let mut evidence = Evidence::default();
    for (promotion_code, ours) in codes {
        let named = Named {
            id: ours.id,
            code: ours.text,
        };
        evidence.promotion_codes.insert(promotion_code, named);
        let code = attribution::Code {
            affiliate_id: ours.affiliate,
            campaign_id: ours.campaign,
            overrides: Vec::new(),
        };
        evidence.known.codes.insert(ours.id, code);
        let person = attribution::Person {
            email_key: ours.email.to_lowercase(),
            statuses: ours.statuses,
            recruiters: Vec::new(),
            rates: BTreeMap::new(),
        };
        evidence.known.people.insert(ours.affiliate, person);
        evidence.known.campaigns.insert(ours.campaign, ours.rules);
    }
    evidence
}
