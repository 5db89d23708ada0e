//! Finds out whose the promotion codes on a sale are: by Stripe's id, then by the row id in their metadata (a code may
//! be redeemed before our own commit is visible), then by their text within the brand. A renamed code is found by all its
//! promotion codes and texts.

use std::collections::{BTreeMap, BTreeSet};

use entity::{affiliate, affiliate_status, campaign_code, campaign_rule, code, id::CodeId, promotion_code, taken_code};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder};

use super::{
    facts::{Facts, PromotionCode},
    projection::{Code, Evidence},
};
use crate::{
    domain::{campaigns, feed::FeedName},
    error::Result,
};

/// Which of these promotion codes are ours by Stripe's id.
pub async fn matched(
    db: &impl ConnectionTrait,
    feed: FeedName,
    promotion_codes: &BTreeSet<&str>,
) -> Result<BTreeSet<String>> {
    let rows = known(db, feed, promotion_codes).await?;
    Ok(rows.into_iter().map(|row| row.stripe_id).collect())
}

async fn known(
    db: &impl ConnectionTrait,
    feed: FeedName,
    promotion_codes: &BTreeSet<&str>,
) -> Result<Vec<promotion_code::Model>> {
    if promotion_codes.is_empty() {
        return Ok(Vec::new());
    }
    let rows = promotion_code::Entity::find()
        .filter(promotion_code::Column::BrandId.eq(feed.brand))
        .filter(promotion_code::Column::Livemode.eq(feed.livemode))
        .filter(promotion_code::Column::StripeId.is_in(promotion_codes.iter().copied()));
    Ok(rows.all(db).await?)
}

/// All that is known of our codes on some sales of one brand and mode.
pub async fn load(db: &impl ConnectionTrait, feed: FeedName, sales: &[&Facts]) -> Result<Evidence> {
    let on_sales: BTreeSet<&str> = sales.iter().flat_map(|facts| facts.promotion_code_ids()).collect();
    if on_sales.is_empty() {
        return Ok(Evidence::default());
    }
    let by_id = known(db, feed, &on_sales).await?;
    let mut named: BTreeMap<String, Named> = BTreeMap::new();
    let mut looked_up: BTreeMap<&str, &PromotionCode> = BTreeMap::new();
    for row in by_id {
        let (id, code) = (row.code_id, row.code);
        named.insert(row.stripe_id, Named { id, code });
    }
    for facts in sales {
        let others = facts.promotion_codes.iter().filter(|(id, _)| !named.contains_key(*id));
        looked_up.extend(others.map(|(id, promotion_code)| (id.as_str(), promotion_code)));
    }
    let owners = Owners::read(db, feed, &looked_up).await?;
    for (promotion_code, known) in looked_up {
        if let Some(id) = owners.of(known) {
            let code = known.code.to_ascii_uppercase();
            named.insert(promotion_code.to_owned(), Named { id, code });
        }
    }
    describe(db, feed, named).await
}

/// A code of ours, by what was typed at checkout.
struct Named {
    id: CodeId,
    code: String,
}

fn row_id(promotion_code: &PromotionCode) -> Option<CodeId> {
    promotion_code.row_id.as_ref()?.parse().ok()
}

/// Whose promotion codes are that were looked up.
struct Owners {
    ids: BTreeSet<CodeId>,
    texts: BTreeMap<String, CodeId>,
}

impl Owners {
    async fn read(
        db: &impl ConnectionTrait,
        feed: FeedName,
        looked_up: &BTreeMap<&str, &PromotionCode>,
    ) -> Result<Self> {
        let mut owners = Self {
            ids: BTreeSet::new(),
            texts: BTreeMap::new(),
        };
        if looked_up.is_empty() {
            return Ok(owners);
        }
        let ids: BTreeSet<CodeId> = looked_up.values().copied().filter_map(row_id).collect();
        let texts = looked_up.values().map(|known| known.code.to_ascii_uppercase());
        let taken = taken_code::Entity::find()
            .filter(taken_code::Column::BrandId.eq(feed.brand))
            .filter(taken_code::Column::Livemode.eq(feed.livemode))
            .filter(
                sea_orm::Condition::any()
                    .add(taken_code::Column::CodeId.is_in(ids))
                    .add(taken_code::Column::Code.is_in(texts)),
            );
        for row in taken.all(db).await? {
            owners.ids.insert(row.code_id);
            owners.texts.insert(row.code, row.code_id);
        }
        Ok(owners)
    }

    /// By the row id in its metadata, then by its text.
    fn of(&self, known: &PromotionCode) -> Option<CodeId> {
        let by_text = || self.texts.get(&known.code.to_ascii_uppercase()).copied();
        row_id(known).filter(|id| self.ids.contains(id)).or_else(by_text)
    }
}

/// Adds what a decision looks at: the affiliates with their history, the campaigns' rules.
async fn describe(db: &impl ConnectionTrait, feed: FeedName, named: BTreeMap<String, Named>) -> Result<Evidence> {
    let mut evidence = Evidence::default();
    if named.is_empty() {
        return Ok(evidence);
    }
    let ids: BTreeSet<CodeId> = named.values().map(|named| named.id).collect();
    let rows = code::Entity::find()
        .filter(code::Column::BrandId.eq(feed.brand))
        .filter(code::Column::Id.is_in(ids.iter().copied()));
    let rows: BTreeMap<CodeId, code::Model> = rows.all(db).await?.into_iter().map(|row| (row.id, row)).collect();
    let shared = ids.iter().filter(|id| !rows.contains_key(id)).copied();
    let shared = shared_codes(db, feed, shared.collect()).await?;
    let history = History::read(db, &rows).await?;
    for (promotion_code, Named { id, code }) in named {
        if let Some(row) = rows.get(&id) {
            evidence.codes.insert(promotion_code, history.describe(row, code)?);
        } else if shared.contains(&id) {
            evidence.shared.insert(promotion_code, id);
        }
    }
    Ok(evidence)
}

/// Which of these are campaigns' codes.
async fn shared_codes(db: &impl ConnectionTrait, feed: FeedName, ids: Vec<CodeId>) -> Result<BTreeSet<CodeId>> {
    if ids.is_empty() {
        return Ok(BTreeSet::new());
    }
    let rows = campaign_code::Entity::find()
        .filter(campaign_code::Column::BrandId.eq(feed.brand))
        .filter(campaign_code::Column::Id.is_in(ids));
    Ok(rows.all(db).await?.into_iter().map(|row| row.id).collect())
}

/// The codes' affiliates and campaigns, as they were from when on.
struct History {
    people: Vec<affiliate::Model>,
    statuses: Vec<affiliate_status::Model>,
    rules: Vec<campaign_rule::Model>,
}

impl History {
    async fn read(db: &impl ConnectionTrait, codes: &BTreeMap<CodeId, code::Model>) -> Result<Self> {
        let affiliates: BTreeSet<_> = codes.values().map(|row| row.affiliate_id).collect();
        let campaigns: BTreeSet<_> = codes.values().map(|row| row.campaign_id).collect();
        let people = affiliate::Entity::find()
            .filter(affiliate::Column::Id.is_in(affiliates.iter().copied()))
            .all(db)
            .await?;
        let statuses = affiliate_status::Entity::find()
            .filter(affiliate_status::Column::AffiliateId.is_in(affiliates))
            .order_by_asc(affiliate_status::Column::EffectiveFrom)
            .order_by_asc(affiliate_status::Column::Id)
            .all(db)
            .await?;
        let rules = campaign_rule::Entity::find()
            .filter(campaign_rule::Column::CampaignId.is_in(campaigns))
            .order_by_asc(campaign_rule::Column::EffectiveFrom)
            .order_by_asc(campaign_rule::Column::Id)
            .all(db)
            .await?;
        Ok(Self {
            people,
            statuses,
            rules,
        })
    }

    fn describe(&self, row: &code::Model, typed: String) -> Result<Code> {
        let person = self.people.iter().find(|person| person.id == row.affiliate_id);
        let statuses = self.statuses.iter();
        let statuses = statuses.filter(|status| status.affiliate_id == row.affiliate_id);
        let rules = self.rules.iter().filter(|rule| rule.campaign_id == row.campaign_id);
        Ok(Code {
            id: row.id,
            code: typed,
            affiliate_id: row.affiliate_id,
            affiliate_email: person.map(|person| person.email_key.clone()).unwrap_or_default(),
            statuses: statuses.map(|status| (status.effective_from, status.status)).collect(),
            campaign_id: row.campaign_id,
            rules: rules.map(campaigns::rule).collect::<Result<_>>()?,
        })
    }
}
