//! Whether a coupon's codes go before clicks: appending what is in force from now on.
//!
//! **Invariant.** A rule is never edited, so that an old sale which is told of again keeps its credit.

use entity::{coupon, coupon_rule, id::CouponId};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, IntoActiveModel, QueryFilter};

use super::effective::after_the_last;
use crate::{clock::Clock, error::Result};

/// Counts for sales from now on.
pub(super) async fn append_in_txn(txn: &impl ConnectionTrait, clock: &Clock, coupon: &coupon::Model) -> Result<()> {
    let of_coupon = coupon_rule::Column::CouponId.eq(coupon.id);
    let now = clock.now().max(coupon.created_at);
    let effective_from = after_the_last(txn, coupon_rule::Column::EffectiveFrom, of_coupon, now).await?;
    let row = coupon_rule::Model {
        id: clock.new_id(),
        brand_id: coupon.brand_id,
        coupon_id: coupon.id,
        effective_from,
        overrides_click_attribution: coupon.overrides_click_attribution,
    };
    coupon_rule::Entity::insert(row.into_active_model())
        .exec_without_returning(txn)
        .await?;
    Ok(())
}

/// Those of a coupon that never was.
pub(super) async fn remove_in_txn(txn: &impl ConnectionTrait, coupon: CouponId) -> Result<()> {
    let rows = coupon_rule::Entity::delete_many().filter(coupon_rule::Column::CouponId.eq(coupon));
    rows.exec(txn).await?;
    Ok(())
}
