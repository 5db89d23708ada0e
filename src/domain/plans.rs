//! Plan tiers: coupons and codes need `GROWTH` or a running trial. What exists keeps attributing, whatever the plan.

use chrono::{DateTime, Utc};
use entity::{
    brand::{self, Tier},
    id::BrandId,
};
use sea_orm::{ConnectionTrait, EntityTrait, QuerySelect, sea_query::LockType};

use crate::error::{Error, Result, UserErrorCode};

/// How long a new brand without a chosen tier may try everything. Days.
pub const TRIAL_DAYS: i64 = 14;

/// Whether a brand may make coupons and codes now.
pub fn allows_coupons(brand: &brand::Model, now: DateTime<Utc>) -> bool {
    brand.tier >= Tier::Growth || brand.trial_ends_at.is_some_and(|end| now < end)
}

/// The brand as it is, held until the end of the transaction. Those that take several texts in one transaction hold it
/// before anything else, so that no two of them wait for each other.
pub(super) async fn hold_brand_in_txn(txn: &impl ConnectionTrait, id: BrandId) -> Result<brand::Model> {
    let row = brand::Entity::find_by_id(id)
        .lock(LockType::NoKeyUpdate)
        .one(txn)
        .await?;
    row.ok_or_else(|| Error::Internal(format!("the brand {id} is gone")))
}

/// The brand as it is.
pub(super) async fn brand(db: &impl ConnectionTrait, id: BrandId) -> Result<brand::Model> {
    let row = brand::Entity::find_by_id(id).one(db).await?;
    row.ok_or_else(|| Error::Internal(format!("the brand {id} is gone")))
}

/// Refuses when the brand's plan does not include coupons and codes.
pub async fn require_coupons(db: &impl ConnectionTrait, brand: BrandId, now: DateTime<Utc>) -> Result<()> {
    require(&self::brand(db, brand).await?, now)
}

/// The same of a brand that was read.
pub(super) fn require(brand: &brand::Model, now: DateTime<Utc>) -> Result<()> {
    if allows_coupons(brand, now) {
        return Ok(());
    }
    let message = "Coupons and codes need the GROWTH tier or a running trial.";
    Err(Error::user(UserErrorCode::PlanTierRequired, &[], message))
}
