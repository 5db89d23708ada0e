//! Reads what a decision looks at: codes, clicks, links, affiliates and campaigns with all that was in force of them, of
//! one brand. What is another brand's is not known.

use std::collections::{BTreeMap, BTreeSet};

use entity::{
    affiliate, affiliate_link, affiliate_rate, affiliate_recruiter, affiliate_status, campaign_code, campaign_rule,
    click, code, coupon_rule,
    id::{AffiliateId, CampaignId, ClickId, CodeId, CouponId, LinkId},
};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Select};

use super::facts::Facts;
use crate::{
    domain::{
        attribution::{Asked, Click, Code, Known, Link, Person},
        campaigns,
        feed::FeedName,
        reports::Verdict,
    },
    error::Result,
};

/// How many of a visitor's clicks are read: the first, so that later ones change nothing. A browser with more of them is a
/// machine, and of what it does afterwards only the clicks that a sale names count.
const CLICKS_OF_VISITOR: u64 = 1000;

/// What some sales name, but for their promotion codes.
pub fn named(sales: &[&Facts]) -> Asked {
    let mut asked = Asked::default();
    for facts in sales {
        asked.clicks.extend(facts.clicks());
        for sale in facts.reported.values().filter_map(|reported| reported.sale.as_ref()) {
            asked.codes.extend(sale.code.iter().map(|code| code.id));
            asked.clicks.extend(sale.click);
            asked.links.extend(sale.link);
            asked.affiliates.extend(sale.affiliate);
            asked.campaigns.extend(sale.campaign);
        }
        asked
            .affiliates
            .extend(facts.decisions.values().filter_map(|it| match it.verdict {
                Verdict::Reassigned(affiliate) => Some(affiliate),
                Verdict::Approved | Verdict::Rejected => None,
            }));
    }
    asked
}

/// Reads it.
pub async fn read(db: &impl ConnectionTrait, feed: FeedName, mut asked: Asked) -> Result<Known> {
    let mut known = Known::default();
    let reader = Reader { db, feed };
    reader.codes(&asked.codes, &mut known).await?;
    reader.clicks(&asked.clicks, &mut known).await?;
    reader.links(&asked.links, &mut known).await?;
    for code in known.codes.values() {
        asked.affiliates.insert(code.affiliate_id);
        asked.campaigns.insert(code.campaign_id);
    }
    for click in known.clicks.values() {
        asked.affiliates.insert(click.affiliate_id);
        asked.campaigns.insert(click.campaign_id);
    }
    for link in known.links.values() {
        asked.affiliates.insert(link.affiliate_id);
        asked.campaigns.insert(link.campaign_id);
    }
    reader.people(asked.affiliates, &mut known).await?;
    reader.campaigns(&asked.campaigns, &mut known).await?;
    Ok(known)
}

struct Reader<'a, C> {
    db: &'a C,
    feed: FeedName,
}

impl<C: ConnectionTrait> Reader<'_, C> {
    async fn all<E: EntityTrait>(&self, rows: Select<E>, brand: E::Column) -> Result<Vec<E::Model>> {
        Ok(rows.filter(brand.eq(self.feed.brand)).all(self.db).await?)
    }

    /// Codes of affiliates, with what was in force of their coupons; what is not among them may be a campaign's.
    async fn codes(&self, ids: &BTreeSet<CodeId>, known: &mut Known) -> Result<()> {
        if ids.is_empty() {
            return Ok(());
        }
        let rows = code::Entity::find().filter(code::Column::Id.is_in(ids.iter().copied()));
        let rows = self.all(rows, code::Column::BrandId).await?;
        let coupons: BTreeSet<CouponId> = rows.iter().map(|row| row.coupon_id).collect();
        let rules = coupon_rule::Entity::find()
            .filter(coupon_rule::Column::CouponId.is_in(coupons))
            .order_by_asc(coupon_rule::Column::EffectiveFrom)
            .order_by_asc(coupon_rule::Column::Id);
        let mut overrides: BTreeMap<CouponId, Vec<_>> = BTreeMap::new();
        for rule in self.all(rules, coupon_rule::Column::BrandId).await? {
            let since = (rule.effective_from, rule.overrides_click_attribution);
            overrides.entry(rule.coupon_id).or_default().push(since);
        }
        for row in rows {
            let code = Code {
                affiliate_id: row.affiliate_id,
                campaign_id: row.campaign_id,
                overrides: overrides.get(&row.coupon_id).cloned().unwrap_or_default(),
            };
            known.codes.insert(row.id, code);
        }
        let others: Vec<CodeId> = ids.iter().filter(|id| !known.codes.contains_key(id)).copied().collect();
        if !others.is_empty() {
            let shared = campaign_code::Entity::find().filter(campaign_code::Column::Id.is_in(others));
            let shared = self.all(shared, campaign_code::Column::BrandId).await?;
            known.shared = shared.into_iter().map(|row| (row.id, row.campaign_id)).collect();
        }
        Ok(())
    }

    async fn clicks(&self, ids: &BTreeSet<ClickId>, known: &mut Known) -> Result<()> {
        if ids.is_empty() {
            return Ok(());
        }
        let named = click::Entity::find().filter(click::Column::Id.is_in(ids.iter().copied()));
        let named = self.all(named, click::Column::BrandId).await?;
        let visitors: BTreeSet<_> = named.iter().map(|row| row.visitor).collect();
        let mut rows: Vec<_> = named.into_iter().map(|row| (row, true)).collect();
        for visitor in visitors {
            let of_visitor = click::Entity::find()
                .filter(click::Column::Visitor.eq(visitor))
                .order_by_asc(click::Column::ClickedAt)
                .order_by_asc(click::Column::Id)
                .limit(CLICKS_OF_VISITOR);
            let of_visitor = self.all(of_visitor, click::Column::BrandId).await?;
            rows.extend(of_visitor.into_iter().map(|row| (row, false)));
        }
        for (row, beyond) in rows {
            let click = Click {
                affiliate_id: row.affiliate_id,
                campaign_id: row.campaign_id,
                visitor: row.visitor,
                at: row.clicked_at,
                beyond,
            };
            known.clicks.insert(row.id, click);
        }
        Ok(())
    }

    async fn links(&self, ids: &BTreeSet<LinkId>, known: &mut Known) -> Result<()> {
        if ids.is_empty() {
            return Ok(());
        }
        let rows = affiliate_link::Entity::find().filter(affiliate_link::Column::Id.is_in(ids.iter().copied()));
        for row in self.all(rows, affiliate_link::Column::BrandId).await? {
            let link = Link {
                affiliate_id: row.affiliate_id,
                campaign_id: row.campaign_id,
            };
            known.links.insert(row.id, link);
        }
        Ok(())
    }

    /// Affiliates, and who recruited them, as they stood from when on.
    async fn people(&self, mut ids: BTreeSet<AffiliateId>, known: &mut Known) -> Result<()> {
        if ids.is_empty() {
            return Ok(());
        }
        let recruiters = affiliate_recruiter::Entity::find()
            .filter(affiliate_recruiter::Column::AffiliateId.is_in(ids.iter().copied()))
            .order_by_asc(affiliate_recruiter::Column::EffectiveFrom)
            .order_by_asc(affiliate_recruiter::Column::Id);
        let recruiters = self.all(recruiters, affiliate_recruiter::Column::BrandId).await?;
        ids.extend(recruiters.iter().filter_map(|row| row.recruiter_id));
        let people = affiliate::Entity::find().filter(affiliate::Column::Id.is_in(ids.iter().copied()));
        for row in self.all(people, affiliate::Column::BrandId).await? {
            let person = Person {
                email_key: row.email_key,
                ..Person::default()
            };
            known.people.insert(row.id, person);
        }
        for row in recruiters {
            if let Some(person) = known.people.get_mut(&row.affiliate_id) {
                person.recruiters.push((row.effective_from, row.recruiter_id));
            }
        }
        let statuses = affiliate_status::Entity::find()
            .filter(affiliate_status::Column::AffiliateId.is_in(ids.iter().copied()))
            .order_by_asc(affiliate_status::Column::EffectiveFrom)
            .order_by_asc(affiliate_status::Column::Id);
        for row in self.all(statuses, affiliate_status::Column::BrandId).await? {
            if let Some(person) = known.people.get_mut(&row.affiliate_id) {
                person.statuses.push((row.effective_from, row.status));
            }
        }
        let rates = affiliate_rate::Entity::find()
            .filter(affiliate_rate::Column::AffiliateId.is_in(ids))
            .order_by_asc(affiliate_rate::Column::EffectiveFrom)
            .order_by_asc(affiliate_rate::Column::Id);
        for row in self.all(rates, affiliate_rate::Column::BrandId).await? {
            if let Some(person) = known.people.get_mut(&row.affiliate_id) {
                let rates = person.rates.entry(row.campaign_id).or_default();
                rates.push((row.effective_from, campaigns::rate(&row)));
            }
        }
        Ok(())
    }

    async fn campaigns(&self, ids: &BTreeSet<CampaignId>, known: &mut Known) -> Result<()> {
        if ids.is_empty() {
            return Ok(());
        }
        let rows = campaign_rule::Entity::find()
            .filter(campaign_rule::Column::CampaignId.is_in(ids.iter().copied()))
            .order_by_asc(campaign_rule::Column::EffectiveFrom)
            .order_by_asc(campaign_rule::Column::Id);
        for row in self.all(rows, campaign_rule::Column::BrandId).await? {
            let rules = known.campaigns.entry(row.campaign_id).or_default();
            rules.push(campaigns::rule(&row)?);
        }
        Ok(())
    }
}
