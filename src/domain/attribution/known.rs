//! What a decision looks at, as it stood from when on. Pure.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use entity::{
    affiliate::AffiliateStatus,
    id::{AffiliateId, CampaignId, ClickId, CodeId, LinkId},
};
use uuid::Uuid;

use crate::domain::commission::{Pay, Rule};

/// What is in force from a moment on, in the order of the moments.
pub type History<T> = Vec<(DateTime<Utc>, T)>;

/// What is in force at a moment; before the first, the first.
pub fn at<T>(history: &History<T>, moment: DateTime<Utc>) -> Option<&T> {
    since(history, moment).or(history.first().map(|(_, value)| value))
}

/// What is in force at a moment; before the first, nothing.
pub fn since<T>(history: &History<T>, moment: DateTime<Utc>) -> Option<&T> {
    let last = history.iter().rev().find(|(from, _)| *from <= moment);
    last.map(|(_, value)| value)
}

/// What is asked about.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    pub codes: BTreeSet<CodeId>,
    /// Their visitors' other clicks come along, but for those of machines.
    pub clicks: BTreeSet<ClickId>,
    pub links: BTreeSet<LinkId>,
    pub affiliates: BTreeSet<AffiliateId>,
    pub campaigns: BTreeSet<CampaignId>,
}

/// All that is known of the codes, clicks and people that some sales name: of one brand alone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// Affiliates' codes.
    pub codes: BTreeMap<CodeId, Code>,
    /// Codes that a campaign's affiliates share: they are counted, and credit nobody.
    pub shared: BTreeMap<CodeId, CampaignId>,
    /// Those that are named, and the first thousand of each of their visitors.
    pub clicks: BTreeMap<ClickId, Click>,
    pub links: BTreeMap<LinkId, Link>,
    /// Whoever is named, and who recruited them.
    pub people: BTreeMap<AffiliateId, Person>,
    /// The campaigns' rules, in the order of `effective_from`.
    pub campaigns: BTreeMap<CampaignId, Vec<Rule>>,
}

/// A code of an affiliate's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Code {
    pub affiliate_id: AffiliateId,
    pub campaign_id: CampaignId,
    /// Whether it goes before clicks.
    pub overrides: History<bool>,
}

/// Somebody followed a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Click {
    pub affiliate_id: AffiliateId,
    pub campaign_id: CampaignId,
    /// The same for all clicks of one browser.
    pub visitor: Uuid,
    pub at: DateTime<Utc>,
    /// After its visitor's first thousand: it counts only for a sale that names it.
    pub beyond: bool,
}

/// Whose link it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    pub affiliate_id: AffiliateId,
    pub campaign_id: CampaignId,
}

/// An affiliate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Person {
    /// The e-mail in lower case.
    pub email_key: String,
    pub statuses: History<AffiliateStatus>,
    /// Nobody before the first.
    pub recruiters: History<Option<AffiliateId>>,
    /// What the affiliate earns instead of what the campaign pays; before the first, and where it is `None`, that.
    pub rates: BTreeMap<CampaignId, History<Option<Pay>>>,
}

impl Known {
    /// Before the first status, the first; somebody unknown is not approved.
    pub fn approved_at(&self, affiliate: AffiliateId, moment: DateTime<Utc>) -> bool {
        let status = self.people.get(&affiliate).and_then(|it| at(&it.statuses, moment));
        status.is_some_and(|status| *status == AffiliateStatus::Approved)
    }

    /// Who had recruited an affiliate.
    pub fn recruiter_at(&self, affiliate: AffiliateId, moment: DateTime<Utc>) -> Option<AffiliateId> {
        let recruiters = &self.people.get(&affiliate)?.recruiters;
        since(recruiters, moment).copied().flatten()
    }

    /// What an affiliate earned in a campaign instead of what the campaign paid.
    pub fn rate_at(&self, affiliate: AffiliateId, campaign: CampaignId, moment: DateTime<Utc>) -> Option<&Pay> {
        let rates = self.people.get(&affiliate)?.rates.get(&campaign)?;
        since(rates, moment)?.as_ref()
    }
}
