//! Plan tiers: coupons and codes need `GROWTH` or a running trial. What exists keeps attributing, whatever the plan.

use chrono::{DateTime, Utc};
use entity::{
    brand::{self, Tier},
    id::BrandId,
};
use sea_orm::{ConnectionTrait, EntityTrait};

use crate::error::{Error, Result, UserErrorCode};

/// How long a new brand without a chosen tier may try everything. Days.
pub const TRIAL_DAYS: i64 = 14;

/// Whether a brand may make coupons and codes now.
pub fn allows_coupons(brand: &brand::Model, now: DateTime<Utc>) -> bool {
    brand.tier >= Tier::Growth || brand.trial_ends_at.is_some_and(|end| now < end)
}

/// Refuses when the brand's plan does not include coupons and codes.
pub async fn require_coupons(db: &impl ConnectionTrait, brand: BrandId, now: DateTime<Utc>) -> Result<()> {
    let row = brand::Entity::find_by_id(brand).one(db).await?;
    let brand = row.ok_or_else(|| Error::Internal(format!("the brand {brand} is gone")))?;
    if allows_coupons(&brand, now) {
        return Ok(());
    }
    let message = "Coupons and codes need the GROWTH tier or a running trial.";
    Err(Error::user(UserErrorCode::PlanTierRequired, &[], message))
}
