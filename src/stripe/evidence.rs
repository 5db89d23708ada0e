//! Finds out whose the promotion codes on a sale are: by Stripe's id, then by the row id in their metadata (a code may
//! be redeemed before our own commit is visible), then by their text within the brand.

use std::collections::{BTreeMap, BTreeSet};

use entity::{affiliate, affiliate_status, campaign_rule, code, id::CodeId};
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
    if promotion_codes.is_empty() {
        return Ok(BTreeSet::new());
    }
    let rows = of_brand(feed).filter(code::Column::StripeId.is_in(promotion_codes.iter().copied()));
    Ok(rows
        .all(db)
        .await?
        .into_iter()
        .filter_map(|row| row.stripe_id)
        .collect())
}

/// All that is known of our codes on some sales of one brand and mode.
pub async fn load(db: &impl ConnectionTrait, feed: FeedName, sales: &[&Facts]) -> Result<Evidence> {
    let on_sales: BTreeSet<&str> = sales.iter().flat_map(|facts| facts.promotion_code_ids()).collect();
    if on_sales.is_empty() {
        return Ok(Evidence::new());
    }
    let mut looked_up: BTreeMap<&str, &PromotionCode> = BTreeMap::new();
    for facts in sales {
        looked_up.extend(
            facts
                .promotion_codes
                .iter()
                .map(|(id, promotion_code)| (id.as_str(), promotion_code)),
        );
    }
    let rows = rows(db, feed, &on_sales, &looked_up).await?;
    let owner = |id: &str| {
        let by_id = rows.iter().find(|row| row.stripe_id.as_deref() == Some(id));
        let known = looked_up.get(id);
        by_id
            .or_else(|| {
                rows.iter()
                    .find(|row| known.is_some_and(|known| row_id(known) == Some(row.id)))
            })
            .or_else(|| {
                rows.iter()
                    .find(|row| known.is_some_and(|known| known.code.to_ascii_uppercase() == row.code))
            })
    };
    let owned: Vec<(&str, &code::Model)> = on_sales.into_iter().filter_map(|id| Some((id, owner(id)?))).collect();
    describe(db, owned).await
}

fn of_brand(feed: FeedName) -> sea_orm::Select<code::Entity> {
    code::Entity::find()
        .filter(code::Column::BrandId.eq(feed.brand))
        .filter(code::Column::Livemode.eq(feed.livemode))
}

fn row_id(promotion_code: &PromotionCode) -> Option<CodeId> {
    promotion_code.row_id.as_ref()?.parse().ok()
}

/// The rows that any of the three ways leads to.
async fn rows(
    db: &impl ConnectionTrait,
    feed: FeedName,
    ids: &BTreeSet<&str>,
    looked_up: &BTreeMap<&str, &PromotionCode>,
) -> Result<Vec<code::Model>> {
    let mut any = sea_orm::Condition::any().add(code::Column::StripeId.is_in(ids.iter().copied()));
    if !looked_up.is_empty() {
        let row_ids = looked_up.values().copied().filter_map(row_id);
        let texts = looked_up
            .values()
            .map(|promotion_code| promotion_code.code.to_ascii_uppercase());
        any = any
            .add(code::Column::Id.is_in(row_ids))
            .add(code::Column::Code.is_in(texts));
    }
    Ok(of_brand(feed)
        .filter(any)
        .order_by_asc(code::Column::Id)
        .all(db)
        .await?)
}

/// Adds what a decision looks at: the affiliates with their history, the campaigns' rules.
async fn describe(db: &impl ConnectionTrait, owned: Vec<(&str, &code::Model)>) -> Result<Evidence> {
    if owned.is_empty() {
        return Ok(Evidence::new());
    }
    let affiliates: BTreeSet<_> = owned.iter().map(|(_, row)| row.affiliate_id).collect();
    let campaigns: BTreeSet<_> = owned.iter().map(|(_, row)| row.campaign_id).collect();
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
    let describe = |row: &code::Model| -> Result<Code> {
        let person = people.iter().find(|person| person.id == row.affiliate_id);
        let history = statuses.iter().filter(|status| status.affiliate_id == row.affiliate_id);
        let rules = rules.iter().filter(|rule| rule.campaign_id == row.campaign_id);
        Ok(Code {
            id: row.id,
            code: row.code.clone(),
            affiliate_id: row.affiliate_id,
            affiliate_email: person.map(|person| person.email_key.clone()).unwrap_or_default(),
            statuses: history.map(|status| (status.effective_from, status.status)).collect(),
            campaign_id: row.campaign_id,
            rules: rules.map(campaigns::rule).collect::<Result<_>>()?,
        })
    };
    owned
        .into_iter()
        .map(|(id, row)| Ok((id.to_owned(), describe(row)?)))
        .collect()
}
