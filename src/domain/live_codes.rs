//! The codes on a coupon that a customer can redeem: the affiliates' and the one that the campaign shares. They end with it.
//!
//! **Invariant.** A code is live here where its `status` says `ACTIVE` (`drift::Standing`), and deleting a coupon counts by
//! the same rule as what is said before.

use std::collections::HashMap;

use entity::{
    campaign_code,
    code::{self, CodeStatus},
    id::CouponId,
};
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, DatabaseTransaction, DbErr, EntityTrait, QueryFilter, QuerySelect,
    sea_query::Expr,
};

use super::{Domain, campaign_codes, tenancy};
use crate::{
    auth::{Actor, Scope},
    error::Result,
};

/// What ended with a coupon.
pub(super) struct Ended {
    /// Those that a customer could redeem until then.
    pub live: u64,
    /// The affiliates' codes that were on here.
    pub switched_off: u64,
}

fn live(status: impl ColumnTrait, active_at_stripe: impl ColumnTrait) -> Condition {
    let there = Condition::any()
        .add(active_at_stripe.is_null())
        .add(active_at_stripe.eq(true));
    Condition::all().add(status.eq(CodeStatus::Active)).add(there)
}

/// How many of those that a scope may see are live, by coupon.
pub async fn count(
    db: &impl ConnectionTrait,
    scope: &Scope,
    coupons: Vec<CouponId>,
) -> Result<HashMap<CouponId, i64>, DbErr> {
    let own: Vec<(CouponId, i64)> = tenancy::find::<code::Entity>(scope)
        .select_only()
        .column(code::Column::CouponId)
        .expr(code::Column::Id.count())
        .filter(code::Column::CouponId.is_in(coupons.iter().copied()))
        .filter(live(code::Column::Status, code::Column::StripeActive))
        .group_by(code::Column::CouponId)
        .into_tuple()
        .all(db)
        .await?;
    let shared: Vec<CouponId> = tenancy::find::<campaign_code::Entity>(scope)
        .select_only()
        .column(campaign_code::Column::CouponId)
        .filter(campaign_code::Column::CouponId.is_in(coupons))
        .filter(live(campaign_code::Column::Status, campaign_code::Column::StripeActive))
        .into_tuple()
        .all(db)
        .await?;
    let mut counts: HashMap<CouponId, i64> = own.into_iter().collect();
    for coupon in shared {
        *counts.entry(coupon).or_default() += 1;
    }
    Ok(counts)
}

/// Switches off all codes on a coupon, in a transaction that holds it.
pub(super) async fn end_in_txn(
    domain: &Domain,
    txn: &DatabaseTransaction,
    actor: &Actor,
    coupon: CouponId,
) -> Result<Ended> {
    let live = switch_off(txn, coupon, live(code::Column::Status, code::Column::StripeActive)).await?;
    let others = switch_off(
        txn,
        coupon,
        Condition::all().add(code::Column::Status.eq(CodeStatus::Active)),
    )
    .await?;
    let shared = campaign_codes::end_with_coupon_in_txn(domain, txn, actor, coupon).await?;
    Ok(Ended {
        live: live + u64::from(shared),
        switched_off: live + others,
    })
}

async fn switch_off(txn: &DatabaseTransaction, coupon: CouponId, which: Condition) -> Result<u64, DbErr> {
    let codes = code::Entity::update_many()
        .col_expr(code::Column::Status, Expr::value(CodeStatus::Inactive))
        .filter(code::Column::CouponId.eq(coupon))
        .filter(which);
    Ok(codes.exec(txn).await?.rows_affected)
}
