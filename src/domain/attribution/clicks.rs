//! Which click speaks for a sale. Pure.
//!
//! The visitors' clicks count, of those clicks that the sale names. A click is valid when it was followed at most the
//! campaign's cookie window before the sale began, to the second, and not after it: a subscription begins with its
//! creation, whenever it is paid. Clicks after it that the sale does not name are no evidence at all, or a decision would
//! change with what its visitor does later. In each campaign the click model says which
//! of the valid clicks counts, the first or the last; among the campaigns it is the last of those. Clicks of affiliates
//! that were not approved are passed over at both steps where there is another. The rules are those in force at the
//! sale's time.

use std::{cmp::Ordering, collections::BTreeMap};

use chrono::{DateTime, SecondsFormat, Utc};
use entity::{
    campaign::ClickModel,
    conversion::AttributionMethod,
    id::{AffiliateId, CampaignId, ClickId},
};

use super::{Evidence, Step, Word};
use crate::domain::commission::{self, Rule};

const DAY: i64 = 86_400;

/// Of an affiliate's clicks in one campaign, the one that counts; where none is valid, the last.
pub(super) struct Counted {
    id: ClickId,
    at: DateTime<Utc>,
    affiliate: AffiliateId,
    campaign: CampaignId,
    model: ClickModel,
    pub(super) approved: bool,
    invalid: Option<String>,
}

/// The clicks of a sale's visitors.
pub(super) struct Clicks {
    /// In each campaign, the one that counts first.
    campaigns: Vec<Vec<Counted>>,
    invalid: Vec<Counted>,
    unknown: Vec<ClickId>,
}

impl Clicks {
    pub(super) fn of(evidence: &Evidence<'_>) -> Self {
        let mut by_campaign: BTreeMap<CampaignId, Vec<Counted>> = BTreeMap::new();
        let mut invalid = Vec::new();
        for ((campaign, affiliate), clicks) in visited(evidence) {
            let rules = evidence.known.campaigns.get(&campaign);
            let Some(rule) = rules.and_then(|rules| commission::rule_at(rules, evidence.at)) else {
                continue;
            };
            let Some(counted) = count(evidence, rule, campaign, affiliate, clicks) else {
                continue;
            };
            match counted.invalid {
                None => by_campaign.entry(campaign).or_default().push(counted),
                Some(_) => invalid.push(counted),
            }
        }
        let mut campaigns: Vec<_> = by_campaign.into_values().collect();
        campaigns.iter_mut().for_each(|clicks| clicks.sort_by(in_campaign));
        campaigns.sort_by(|a, b| among_campaigns(&a[0], &b[0]));
        let unknown = evidence
            .clicks
            .iter()
            .filter(|id| !evidence.known.clicks.contains_key(id));
        Self {
            campaigns,
            invalid,
            unknown: unknown.copied().collect(),
        }
    }

    pub(super) fn best(&self) -> Option<&Counted> {
        self.campaigns.first()?.first()
    }

    pub(super) fn credited(&self) -> Option<Step> {
        let best = self.best()?;
        let at = best.at.to_rfc3339_opts(SecondsFormat::Secs, true);
        Some(Step::new(
            "CLICK",
            "CREDITED",
            format!("{} was followed at {at}", best.id),
        ))
    }

    /// Names those that do not speak, each with what it lost by; the best one too where something else won.
    pub(super) fn passed_over(&self, won: Option<AttributionMethod>, why: &str, trail: &mut Vec<Step>) {
        let mut say = |click: &Counted, why: &str| {
            let step = Step::new("CLICK", "PASSED_OVER", format!("{}: {why}", click.id));
            trail.push(step.about(click.affiliate));
        };
        for (place, clicks) in self.campaigns.iter().enumerate() {
            for (rank, click) in clicks.iter().enumerate() {
                match (rank, place, self.best()) {
                    (0, 0, _) if won == Some(AttributionMethod::Link) => {}
                    (0, 0, _) => say(click, why),
                    (0, _, Some(best)) => say(click, lost_by(click, best)),
                    _ => say(click, lost_by(click, &clicks[0])),
                }
            }
        }
        for click in &self.invalid {
            say(click, click.invalid.as_deref().unwrap_or_default());
        }
        for id in &self.unknown {
            trail.push(Step::unknown_click(&id.to_string()));
        }
    }
}

impl Counted {
    pub(super) fn owner(&self) -> Word {
        Word {
            affiliate_id: self.affiliate,
            campaign_id: self.campaign,
        }
    }
}

type Visits = BTreeMap<(CampaignId, AffiliateId), Vec<(DateTime<Utc>, ClickId)>>;

/// All clicks until then of the visitors whose clicks are named, and those themselves.
fn visited(evidence: &Evidence<'_>) -> Visits {
    let known = &evidence.known.clicks;
    let named = evidence.clicks.iter().filter_map(|id| known.get(id));
    let visitors: std::collections::BTreeSet<_> = named.map(|click| click.visitor).collect();
    let mut visits = Visits::new();
    for (id, click) in known {
        let campaign = evidence.campaign.unwrap_or(click.campaign_id);
        let of_before = !click.beyond && click.at.timestamp() <= evidence.began.timestamp();
        let counts = of_before || evidence.clicks.contains(id);
        if visitors.contains(&click.visitor) && counts && campaign == click.campaign_id {
            let place = (click.campaign_id, click.affiliate_id);
            visits.entry(place).or_default().push((click.at, *id));
        }
    }
    visits
}

fn count(
    evidence: &Evidence<'_>,
    rule: &Rule,
    campaign: CampaignId,
    affiliate: AffiliateId,
    clicks: Vec<(DateTime<Utc>, ClickId)>,
) -> Option<Counted> {
    let sold = evidence.began.timestamp();
    let since = sold - i64::from(rule.cookie_window_days) * DAY;
    let valid = clicks.iter().filter(|(at, _)| (since..=sold).contains(&at.timestamp()));
    let counted = match rule.click_model {
        ClickModel::FirstClick => valid.min(),
        ClickModel::LastClick => valid.max(),
    };
    let last = clicks.iter().max()?;
    let invalid = match counted {
        Some(_) => None,
        None if last.0.timestamp() > sold => Some("it came after the sale".to_owned()),
        None => Some(format!("it is older than {} days", rule.cookie_window_days)),
    };
    let (at, id) = *counted.unwrap_or(last);
    Some(Counted {
        id,
        at,
        affiliate,
        campaign,
        model: rule.click_model,
        approved: evidence.approved(affiliate),
        invalid,
    })
}

fn in_campaign(a: &Counted, b: &Counted) -> Ordering {
    let by_time = (a.at, a.id).cmp(&(b.at, b.id));
    let by_model = match a.model {
        ClickModel::FirstClick => by_time,
        ClickModel::LastClick => by_time.reverse(),
    };
    b.approved.cmp(&a.approved).then(by_model)
}

fn among_campaigns(a: &Counted, b: &Counted) -> Ordering {
    b.approved.cmp(&a.approved).then((b.at, b.id).cmp(&(a.at, a.id)))
}

fn lost_by(loser: &Counted, best: &Counted) -> &'static str {
    if loser.approved != best.approved {
        "its affiliate was not approved"
    } else if loser.campaign != best.campaign {
        "the click that counts in another campaign came later"
    } else {
        match best.model {
            ClickModel::FirstClick => "another click came first",
            ClickModel::LastClick => "another click came later",
        }
    }
}
