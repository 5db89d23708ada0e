//! What is owed to Stripe: the rows, and how an object stands with Stripe because of them.
//!
//! **Invariant.** An operation is written in the transaction of the change that owes it. Its parameters are fixed then,
//! since Stripe wants the same ones under the same idempotency key.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use entity::{
    id::{AffiliateId, BrandId, CodeId, CouponId},
    stripe_operation::{self, OperationKind, OperationStatus},
};
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, ExprTrait, IntoActiveModel, QueryFilter, QueryOrder,
    sea_query::Expr,
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Domain, first_try};
use crate::{auth::Scope, clock::Clock, error::Result};

/// The parameters of a call (<https://docs.stripe.com/api/coupons>, <https://docs.stripe.com/api/promotion_codes>).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Call {
    CreateCoupon {
        id: CouponId,
        brand: BrandId,
        name: String,
        percent_off_bps: Option<i32>,
        amount_off: Option<i64>,
        currency: Option<String>,
        duration: entity::coupon::CouponDuration,
        duration_in_months: Option<i32>,
        /// Seconds since 1970.
        redeem_by: Option<i64>,
    },
    RenameCoupon {
        id: CouponId,
        name: String,
    },
    DeleteCoupon {
        id: CouponId,
    },
    CreatePromotionCode {
        id: CodeId,
        brand: BrandId,
        coupon: CouponId,
        /// None has a campaign's code.
        affiliate: Option<AffiliateId>,
        code: String,
        max_redemptions: Option<i32>,
        /// Whether it can be redeemed at once.
        #[serde(default = "at_once")]
        active: bool,
    },
    /// Switches the promotion code that a code has by then on or off.
    SetPromotionCodeActive {
        id: CodeId,
        coupon: CouponId,
        active: bool,
    },
    /// Switches off a promotion code that its code has not, or not any more.
    RetirePromotionCode {
        id: CodeId,
        coupon: CouponId,
        promotion_code: String,
    },
}

const fn at_once() -> bool {
    true
}

impl Call {
    fn kind(&self) -> OperationKind {
        match self {
            Self::CreateCoupon { .. } => OperationKind::CreateCoupon,
            Self::RenameCoupon { .. } => OperationKind::UpdateCoupon,
            Self::DeleteCoupon { .. } => OperationKind::DeleteCoupon,
            Self::CreatePromotionCode { .. } => OperationKind::CreatePromotionCode,
            Self::SetPromotionCodeActive { .. } | Self::RetirePromotionCode { .. } => {
                OperationKind::UpdatePromotionCode
            }
        }
    }

    /// Whether a code can be redeemed only once it is done.
    pub fn switches_on(&self) -> bool {
        matches!(
            self,
            Self::CreatePromotionCode { .. } | Self::SetPromotionCodeActive { active: true, .. }
        )
    }

    fn concerns(&self) -> (CouponId, Option<CodeId>) {
        match self {
            Self::CreateCoupon { id, .. } | Self::RenameCoupon { id, .. } | Self::DeleteCoupon { id } => (*id, None),
            Self::CreatePromotionCode { id, coupon, .. }
            | Self::SetPromotionCodeActive { id, coupon, .. }
            | Self::RetirePromotionCode { id, coupon, .. } => (*coupon, Some(*id)),
        }
    }
}

/// Writes down a call that the mutation itself tries first. Without a Stripe key it waits, `DISABLED`, until the brand
/// has one.
pub(super) async fn owe_in_txn(
    txn: &impl ConnectionTrait,
    domain: &Domain,
    scope: &Scope,
    call: &Call,
    connected: bool,
) -> Result<Uuid> {
    insert_in_txn(txn, &domain.clock, scope, call, status(connected), connected).await
}

/// The same for a call that is left to the worker from the first try on.
pub async fn owe_to_worker_in_txn(
    txn: &impl ConnectionTrait,
    clock: &Clock,
    scope: &Scope,
    call: &Call,
    connected: bool,
) -> Result<Uuid> {
    insert_in_txn(txn, clock, scope, call, status(connected), false).await
}

fn status(connected: bool) -> OperationStatus {
    if connected {
        OperationStatus::Pending
    } else {
        OperationStatus::Disabled
    }
}

async fn insert_in_txn(
    txn: &impl ConnectionTrait,
    clock: &Clock,
    scope: &Scope,
    call: &Call,
    status: OperationStatus,
    tried_first: bool,
) -> Result<Uuid> {
    let now = clock.now();
    let (coupon_id, code_id) = call.concerns();
    let id = next_id(txn, clock, coupon_id, code_id).await?;
    let row = stripe_operation::Model {
        id,
        brand_id: scope.brand,
        livemode: scope.livemode,
        kind: call.kind(),
        coupon_id,
        code_id,
        params: serde_json::to_string(call)?,
        status,
        attempts: 0,
        next_attempt_at: now,
        leased_until: tried_first.then(|| first_try::lease(now)),
        last_error: None,
        key_generation: 0,
        created_at: now,
    };
    stripe_operation::Entity::insert(row.into_active_model())
        .exec_without_returning(txn)
        .await?;
    Ok(id)
}

/// An id after those of all operations on the same object, which go in order of their ids: another server's clock may be
/// ahead. Whoever owes something holds the object's row, so that none comes in between.
async fn next_id(
    txn: &impl ConnectionTrait,
    clock: &Clock,
    coupon_id: CouponId,
    code_id: Option<CodeId>,
) -> Result<Uuid> {
    let id = clock.new_id();
    let last = stripe_operation::Entity::find()
        .filter(same_object(coupon_id, code_id))
        .order_by_desc(stripe_operation::Column::Id)
        .one(txn)
        .await?;
    Ok(match last {
        Some(last) if last.id >= id => Uuid::from_u128(last.id.as_u128() + 1),
        _ => id,
    })
}

/// The operations on a code or, without one, on a coupon itself. A campaign's code may have had another coupon.
pub fn same_object(coupon_id: CouponId, code_id: Option<CodeId>) -> Condition {
    match code_id {
        Some(code) => Condition::all().add(stripe_operation::Column::CodeId.eq(code)),
        None => Condition::all()
            .add(stripe_operation::Column::CodeId.is_null())
            .add(stripe_operation::Column::CouponId.eq(coupon_id)),
    }
}

/// Leaves to the worker what nobody got round to trying first.
pub(super) async fn leave_to_worker(domain: &Domain, operations: Vec<Uuid>) -> Result<()> {
    let txn = domain.db.begin().await?;
    stripe_operation::Entity::update_many()
        .col_expr(
            stripe_operation::Column::LeasedUntil,
            Expr::value(None::<DateTime<Utc>>),
        )
        .filter(stripe_operation::Column::Id.is_in(operations))
        .exec(&txn)
        .await?;
    txn.commit().await?;
    domain.outbox.wake();
    Ok(())
}

/// How an object stands with Stripe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sync {
    pub status: SyncStatus,
    pub attempts: i32,
    pub last_error: Option<String>,
}

/// Whether Stripe has what our row says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyncStatus {
    /// Owed; being tried.
    Pending,
    /// Stripe has it.
    Synced,
    /// Stripe refused it; `lastError` has the reason.
    Failed,
    /// The brand has no Stripe key for this mode; it is done once there is one.
    Disabled,
}

/// How the parameters of [`Call::RetirePromotionCode`] begin.
const RETIRES: &str = "{\"retire_promotion_code\":";

/// Sums up the operations of one object: what is still owed speaks first, then the last one.
pub fn sync(operations: &[stripe_operation::Model]) -> Sync {
    let creates = |kind| matches!(kind, OperationKind::CreateCoupon | OperationKind::CreatePromotionCode);
    let creation = operations
        .iter()
        .filter(|operation| creates(operation.kind))
        .max_by_key(|operation| operation.id);
    let made =
        |operation: &stripe_operation::Model| creates(operation.kind) && operation.status == OperationStatus::Done;
    // What was never made cannot have been changed since.
    let unmade = creation
        .filter(|operation| operation.status == OperationStatus::Failed)
        .filter(|_| !operations.iter().any(made));
    // That an older promotion code has ended says nothing of the one that is wanted, however often it was tried.
    let ended = |operation: &stripe_operation::Model| {
        let done = |other: &stripe_operation::Model| other.status == OperationStatus::Done;
        let same = |other: &&stripe_operation::Model| other.params == operation.params && other.id >= operation.id;
        operation.params.starts_with(RETIRES) && operations.iter().filter(same).any(done)
    };
    let speaks = |operation: &&stripe_operation::Model| !ended(operation);
    let last = unmade.or_else(|| operations.iter().filter(speaks).max_by_key(|operation| operation.id));
    let owed = operations
        .iter()
        .find(|operation| operation.status == OperationStatus::Pending);
    let Some(operation) = owed.or(last) else {
        return Sync {
            status: SyncStatus::Disabled,
            attempts: 0,
            last_error: None,
        };
    };
    Sync {
        status: match operation.status {
            OperationStatus::Pending => SyncStatus::Pending,
            OperationStatus::Done => SyncStatus::Synced,
            OperationStatus::Failed => SyncStatus::Failed,
            OperationStatus::Disabled => SyncStatus::Disabled,
        },
        attempts: operation.attempts,
        last_error: operation.last_error.clone(),
    }
}

/// The operations of each object, in order.
pub fn by_object<K: Ord>(
    operations: Vec<stripe_operation::Model>,
    key: impl Fn(&stripe_operation::Model) -> Option<K>,
) -> BTreeMap<K, Vec<stripe_operation::Model>> {
    let mut objects: BTreeMap<K, Vec<_>> = BTreeMap::new();
    for operation in operations {
        if let Some(key) = key(&operation) {
            objects.entry(key).or_default().push(operation);
        }
    }
    objects
}

/// Whether Stripe refused to make a code, the last time it was asked.
pub(super) async fn creation_failed(db: &impl ConnectionTrait, code: CodeId) -> Result<bool> {
    let last = stripe_operation::Entity::find()
        .filter(stripe_operation::Column::CodeId.eq(code))
        .filter(stripe_operation::Column::Kind.eq(OperationKind::CreatePromotionCode))
        .order_by_desc(stripe_operation::Column::Id)
        .one(db)
        .await?;
    Ok(last.is_some_and(|operation| operation.status == OperationStatus::Failed))
}

/// Whether something is still owed to Stripe for a coupon itself.
pub async fn is_coupon_owed(db: &impl ConnectionTrait, coupon: CouponId) -> Result<bool> {
    let owed = stripe_operation::Entity::find()
        .filter(stripe_operation::Column::CouponId.eq(coupon))
        .filter(stripe_operation::Column::CodeId.is_null())
        .filter(stripe_operation::Column::Status.is_in([OperationStatus::Pending, OperationStatus::Disabled]));
    Ok(owed.one(db).await?.is_some())
}

/// Whether something is still owed to Stripe for a code.
pub async fn is_owed(db: &impl ConnectionTrait, code: CodeId) -> Result<bool> {
    let owed = stripe_operation::Entity::find()
        .filter(stripe_operation::Column::CodeId.eq(code))
        .filter(stripe_operation::Column::Status.is_in([OperationStatus::Pending, OperationStatus::Disabled]));
    Ok(owed.one(db).await?.is_some())
}

/// Marks an operation as refused for good.
pub async fn fail_in_txn(txn: &impl ConnectionTrait, operation: Uuid, reason: &str) -> Result<()> {
    stripe_operation::Entity::update_many()
        .col_expr(stripe_operation::Column::Status, Expr::value(OperationStatus::Failed))
        .col_expr(stripe_operation::Column::LastError, Expr::value(reason))
        .col_expr(
            stripe_operation::Column::Attempts,
            Expr::col(stripe_operation::Column::Attempts).add(1),
        )
        .filter(stripe_operation::Column::Id.eq(operation))
        .exec(txn)
        .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_earlier_release_has_written_down_is_still_read() {
        let old = r#"{"create_promotion_code":{"id":"cod_01900000000070008000000000000001",
            "brand":"brd_01900000000070008000000000000002","coupon":"cpn_01900000000070008000000000000003",
            "affiliate":"aff_01900000000070008000000000000004","code":"SARAH20","max_redemptions":50}}"#;
        let read: Call = serde_json::from_str(old).unwrap();
        let Call::CreatePromotionCode { affiliate, active, .. } = &read else {
            panic!("{read:?}");
        };
        assert!(affiliate.is_some() && *active);
    }
}
