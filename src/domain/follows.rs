//! What is owed after an operation: where it decides, a refusal of the one before undoes nothing.

use entity::{
    id::{CodeId, CouponId},
    stripe_operation::{Column, Entity, OperationKind, OperationStatus},
};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, Select};
use uuid::Uuid;

use super::owed::{Call, same_object};
use crate::error::Result;

/// What is still owed of those that came after an operation.
fn after(operation: Uuid) -> Select<Entity> {
    Entity::find()
        .filter(Column::Status.is_in([OperationStatus::Pending, OperationStatus::Disabled]))
        .filter(Column::Id.gt(operation))
}

/// Whether anything was owed for a code after an operation, and be it done by now.
pub(super) async fn anything(db: &impl ConnectionTrait, code: CodeId, operation: Uuid) -> Result<bool> {
    let later = Entity::find()
        .filter(Column::CodeId.eq(code))
        .filter(Column::Id.gt(operation));
    Ok(later.one(db).await?.is_some())
}

/// Whether there is something to come, and it is only that older promotion codes of a code end.
pub async fn endings_alone(db: &impl ConnectionTrait, code: CodeId, operation: Uuid) -> Result<bool> {
    let later = after(operation).filter(Column::CodeId.eq(code)).all(db).await?;
    for row in &later {
        if !matches!(serde_json::from_str(&row.params)?, Call::RetirePromotionCode { .. }) {
            return Ok(false);
        }
    }
    Ok(!later.is_empty())
}

/// Whether a code is to be made under another text.
pub(super) async fn creation(db: &impl ConnectionTrait, code: CodeId, operation: Uuid) -> Result<bool> {
    let later = after(operation)
        .filter(Column::CodeId.eq(code))
        .filter(Column::Kind.eq(OperationKind::CreatePromotionCode));
    Ok(later.one(db).await?.is_some())
}

/// Whether a code is to be switched on, or made.
pub(super) async fn switching_on(db: &impl ConnectionTrait, code: CodeId, operation: Uuid) -> Result<bool> {
    let later = after(operation).filter(Column::CodeId.eq(code));
    for row in later.all(db).await? {
        if serde_json::from_str::<Call>(&row.params)?.switches_on() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether a coupon is to be named otherwise.
pub(super) async fn naming(db: &impl ConnectionTrait, coupon: CouponId, operation: Uuid) -> Result<bool> {
    let later = after(operation)
        .filter(same_object(coupon, None))
        .filter(Column::Kind.eq(OperationKind::UpdateCoupon));
    Ok(later.one(db).await?.is_some())
}
