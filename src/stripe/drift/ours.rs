//! Which rows of ours Stripe's coupons and promotion codes belong to, and what is recorded of them.

use chrono::{DateTime, Utc};
use entity::{
    campaign_code,
    code::{self, StripeReason},
    coupon,
    id::{CodeId, CouponId},
    promotion_code,
};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QuerySelect, sea_query::LockType};

use super::told::{CodeTold, CouponTold, Object, Told};
use crate::{
    domain::{
        drift::{AtStripe, Standing},
        feed::FeedName,
    },
    error::Result,
};

/// A row of ours that something at Stripe belongs to.
#[derive(Clone, Debug)]
pub enum Ours {
    Coupon(Box<coupon::Model>),
    Code(OurCode),
}

/// An affiliate's code or a campaign's.
#[derive(Clone, Debug)]
pub struct OurCode {
    pub id: CodeId,
    /// All affiliates of a campaign have it.
    pub shared: bool,
    pub coupon: CouponId,
    pub text: String,
    pub stripe_id: Option<String>,
    pub standing: Standing,
    pub seen_at: Option<DateTime<Utc>>,
    pub made_at: Option<DateTime<Utc>>,
}

macro_rules! our_code {
    ($table:ident, $shared:literal) => {
        impl From<$table::Model> for OurCode {
            fn from(row: $table::Model) -> Self {
                Self {
                    standing: (&row).into(),
                    id: row.id,
                    shared: $shared,
                    coupon: row.coupon_id,
                    text: row.code,
                    stripe_id: row.stripe_id,
                    seen_at: row.stripe_seen_at,
                    made_at: row.stripe_made_at,
                }
            }
        }
    };
}
our_code!(code, false);
our_code!(campaign_code, true);

pub const NOT_OURS: &str = "Rekomi has no such coupon or code";
const FORMER: &str = "it is about a promotion code that its code has not any more";
const NOT_YET: &str = "it is about a code that Rekomi is making, and that will say how it is";

/// The row that an object of Stripe's belongs to, held against other changes where it is read in a transaction. Only
/// what it is called now counts for a code.
pub async fn ours(db: &impl ConnectionTrait, feed: FeedName, told: &Told) -> Result<Result<Ours, &'static str>> {
    match told {
        Told::Coupon(coupon) => {
            let row = coupon_of(db, feed, &coupon.id).await?;
            Ok(row.map(|row| Ours::Coupon(Box::new(row))).ok_or(NOT_OURS))
        }
        Told::Code(told) => {
            let row = code_of(db, feed, &told.id, told.row).await?;
            Ok(match row {
                None => Err(NOT_OURS),
                Some(row) if row.stripe_id.is_none() => Err(NOT_YET),
                Some(row) if row.stripe_id.as_ref() != Some(&told.id) => Err(FORMER),
                Some(row) => Ok(Ours::Code(row)),
            })
        }
    }
}

/// Whether a thin event's object is ours, by Stripe's id alone.
pub async fn is_ours(db: &impl ConnectionTrait, feed: FeedName, object: &Object) -> Result<bool> {
    Ok(match object {
        Object::Coupon(id) => coupon_of(db, feed, id).await?.is_some(),
        Object::Code(id) => code_of(db, feed, id, None).await?.is_some(),
    })
}

pub async fn coupon_of(db: &impl ConnectionTrait, feed: FeedName, stripe_id: &str) -> Result<Option<coupon::Model>> {
    let row = coupon::Entity::find()
        .filter(coupon::Column::BrandId.eq(feed.brand))
        .filter(coupon::Column::Livemode.eq(feed.livemode))
        .filter(coupon::Column::StripeId.eq(stripe_id))
        .lock(LockType::NoKeyUpdate);
    Ok(row.one(db).await?)
}

/// By any promotion code that it has or had, then by the row that the metadata names.
pub async fn code_of(
    db: &impl ConnectionTrait,
    feed: FeedName,
    stripe_id: &str,
    named: Option<CodeId>,
) -> Result<Option<OurCode>> {
    let key = (feed.brand, feed.livemode, stripe_id.to_owned());
    let known = promotion_code::Entity::find_by_id(key).one(db).await?;
    match known.map(|row| row.code_id).or(named) {
        Some(id) => code_by_id(db, feed, id).await,
        None => Ok(None),
    }
}

async fn code_by_id(db: &impl ConnectionTrait, feed: FeedName, id: CodeId) -> Result<Option<OurCode>> {
    macro_rules! look {
        ($table:ident) => {
            let row = $table::Entity::find_by_id(id)
                .filter($table::Column::BrandId.eq(feed.brand))
                .filter($table::Column::Livemode.eq(feed.livemode))
                .lock(LockType::NoKeyUpdate);
            if let Some(row) = row.one(db).await? {
                return Ok(Some(row.into()));
            }
        };
    }
    look!(code);
    look!(campaign_code);
    Ok(None)
}

impl Ours {
    /// Whether what is recorded is what is told.
    pub async fn says(&self, db: &impl ConnectionTrait, told: &Told) -> Result<bool> {
        Ok(match (self, told) {
            (Self::Coupon(row), Told::Coupon(told)) => {
                row.stripe_seen_at.max(row.stripe_made_at).is_some()
                    && (row.stripe_gone, &row.stripe_name) == (told.gone, &other_name(row, told))
            }
            (Self::Code(row), Told::Code(told)) => row.standing.at_stripe == at_stripe(db, row, told).await?,
            _ => false,
        })
    }
}

/// What Stripe calls it, where that is not its name. Without a name it is shown under its id, which is nobody's wish.
pub(super) fn other_name(row: &coupon::Model, told: &CouponTold) -> Option<String> {
    told.name.clone().filter(|name| *name != row.name)
}

/// With what our row knows of its coupon: since 2025 a promotion code only names it.
pub(super) async fn at_stripe(db: &impl ConnectionTrait, row: &OurCode, told: &CodeTold) -> Result<AtStripe> {
    if told.at_stripe != AtStripe::Off(StripeReason::Deactivated) {
        return Ok(told.at_stripe);
    }
    let coupon = coupon::Entity::find_by_id(row.coupon).one(db).await?;
    let over = |coupon: &coupon::Model| coupon.expires_at.is_some_and(|end| end.timestamp() <= told.at);
    Ok(AtStripe::Off(match coupon {
        Some(coupon) if coupon.stripe_gone => StripeReason::CouponDeleted,
        Some(coupon) if over(&coupon) => StripeReason::Expired,
        _ => StripeReason::Deactivated,
    }))
}
