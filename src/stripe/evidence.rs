//! Finds out whose the promotion codes on a sale are: by Stripe's id, then by the row id in their metadata (a code may
//! be redeemed before our own commit is visible), then by their text within the brand. A renamed code is found by all its
//! promotion codes and texts.

use std::collections::{BTreeMap, BTreeSet};

use entity::{id::CodeId, promotion_code, taken_code};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter};

use super::{
    facts::{Facts, PromotionCode},
    known::{self, Asked},
    projection::{Evidence, Named},
};
use crate::{domain::feed::FeedName, error::Result};

/// Which of these promotion codes are ours by Stripe's id.
pub async fn matched(
    db: &impl ConnectionTrait,
    feed: FeedName,
    promotion_codes: &BTreeSet<&str>,
) -> Result<BTreeSet<String>> {
    let rows = ours(db, feed, promotion_codes).await?;
    Ok(rows.into_iter().map(|row| row.stripe_id).collect())
}

async fn ours(
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

/// All that is known of our codes on some sales of one brand and mode, and of all that they name.
pub async fn load(db: &impl ConnectionTrait, feed: FeedName, sales: &[&Facts]) -> Result<Evidence> {
    let promotion_codes = named(db, feed, sales).await?;
    let mut asked = Asked::of(sales);
    asked.codes.extend(promotion_codes.values().map(|named| named.id));
    Ok(Evidence {
        promotion_codes,
        known: known::read(db, feed, asked).await?,
    })
}

/// Which of our codes the promotion codes on some sales are.
async fn named(db: &impl ConnectionTrait, feed: FeedName, sales: &[&Facts]) -> Result<BTreeMap<String, Named>> {
    let on_sales: BTreeSet<&str> = sales.iter().flat_map(|facts| facts.promotion_code_ids()).collect();
    let mut named: BTreeMap<String, Named> = BTreeMap::new();
    let mut looked_up: BTreeMap<&str, &PromotionCode> = BTreeMap::new();
    for row in ours(db, feed, &on_sales).await? {
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
    Ok(named)
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
