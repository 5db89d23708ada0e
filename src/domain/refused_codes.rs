//! What becomes of a code when Stripe refuses, after everybody has stopped waiting, to make its promotion code.
//!
//! **Invariant.** A row says what can be redeemed: it goes back to what Stripe has of it, or it is switched off.

use entity::{
    campaign_code,
    code::{self, CodeStatus, StripeReason},
    coupon,
    id::{CodeId, CouponId},
    promotion_code,
    stripe_operation::{self, OperationStatus},
};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Set,
    sea_query::LockType,
};

use super::{audit, follows, owed::Call, tenancy};
use crate::{
    auth::{Actor, Scope},
    clock::Clock,
    error::Result,
};

/// Takes back, or switches off, what the refused operation was to make.
pub async fn settle_in_txn(
    txn: &impl ConnectionTrait,
    clock: &Clock,
    operation: &stripe_operation::Model,
    id: CodeId,
    reason: &str,
) -> Result<()> {
    let row = code::Entity::find_by_id(id)
        .lock(LockType::NoKeyUpdate)
        .one(txn)
        .await?;
    let entry = match row {
        Some(row) => affiliates_code(txn, operation, row).await?,
        None => campaigns_code(txn, operation, id).await?,
    };
    let Some(entry) = entry else {
        return Ok(());
    };
    let actor = Actor::worker(operation.brand_id, operation.livemode);
    audit::record_in_txn(txn, clock, &actor, entry.with("reason", reason)).await
}

async fn affiliates_code(
    txn: &impl ConnectionTrait,
    operation: &stripe_operation::Model,
    before: code::Model,
) -> Result<Option<audit::Entry>> {
    // It has another text by now, and that decides.
    if follows::creation(txn, before.id, operation.id).await? {
        return Ok(None);
    }
    let mut change: code::ActiveModel = before.clone().into();
    match at_stripe(txn, &before).await? {
        Some(text) if text != before.code => change.code = Set(text),
        // It was switched off and on again meanwhile, and that decides.
        Some(_) if follows::switching_on(txn, before.id, operation.id).await? => return Ok(None),
        _ if before.status == CodeStatus::Active => change.status = Set(CodeStatus::Inactive),
        _ => return Ok(None),
    }
    let after = change.update(txn).await?;
    audit::Entry::changed("code.refused_by_stripe", after.id, &before, &after).map(Some)
}

/// What customers type for what Stripe has of a code.
pub(super) async fn at_stripe(db: &impl ConnectionTrait, code: &code::Model) -> Result<Option<String>> {
    let Some(stripe_id) = code.stripe_id.clone() else {
        return Ok(None);
    };
    let key = (code.brand_id, code.livemode, stripe_id);
    let row = promotion_code::Entity::find_by_id(key).one(db).await?;
    Ok(row.map(|row| row.code))
}

async fn campaigns_code(
    txn: &impl ConnectionTrait,
    operation: &stripe_operation::Model,
    id: CodeId,
) -> Result<Option<audit::Entry>> {
    let row = campaign_code::Entity::find_by_id(id).lock(LockType::NoKeyUpdate);
    let row = row.one(txn).await?;
    let Some(before) = row.filter(|row| row.status == CodeStatus::Active) else {
        return Ok(None);
    };
    if follows::creation(txn, id, operation.id).await? {
        return Ok(None);
    }
    let mut change: campaign_code::ActiveModel = before.clone().into();
    let scope = Actor::worker(operation.brand_id, operation.livemode).scope;
    match last_made(txn, operation, id).await? {
        Some((coupon, text)) if is_there(txn, &scope, coupon).await? => {
            return_to(&mut change, &before, coupon);
            change.code = Set(text);
        }
        _ => change.status = Set(CodeStatus::Inactive),
    }
    let after = change.update(txn).await?;
    let campaign = after.campaign_id;
    audit::Entry::changed("campaign_code.refused_by_stripe", campaign, &before, &after).map(Some)
}

/// Gives a code its former coupon again. It has not ended with the one that it was to move to, if that is gone: how it is on
/// the former one is not known any more, until Stripe tells.
pub(super) fn return_to(change: &mut campaign_code::ActiveModel, row: &campaign_code::Model, coupon: CouponId) {
    change.coupon_id = Set(coupon);
    if coupon != row.coupon_id && row.stripe_reason == Some(StripeReason::CouponDeleted) {
        change.stripe_active = Set(None);
        change.stripe_reason = Set(None);
    }
}

/// Whether a coupon's codes can be redeemed: with it they have ended.
pub(super) async fn is_there(db: &impl ConnectionTrait, scope: &Scope, id: CouponId) -> Result<bool> {
    let row = tenancy::referenced::<coupon::Entity>(scope).filter(coupon::Column::Id.eq(id));
    let row = row.one(db).await?;
    Ok(row.is_some_and(|coupon| coupon.deleted_at.is_none() && !coupon.stripe_gone))
}

/// The coupon and the text of the promotion code that could be redeemed before an operation; `None` where there was none
/// yet, or it had been switched off.
async fn last_made(
    db: &impl ConnectionTrait,
    operation: &stripe_operation::Model,
    id: CodeId,
) -> Result<Option<(CouponId, String)>> {
    let earlier = stripe_operation::Entity::find()
        .filter(stripe_operation::Column::CodeId.eq(id))
        .filter(stripe_operation::Column::Id.lt(operation.id))
        .filter(stripe_operation::Column::Status.eq(OperationStatus::Done))
        .order_by_desc(stripe_operation::Column::Id);
    for row in earlier.all(db).await? {
        match serde_json::from_str(&row.params)? {
            Call::CreatePromotionCode { coupon, code, .. } => return Ok(Some((coupon, code))),
            Call::SetPromotionCodeActive { active: false, .. } => return Ok(None),
            _ => {}
        }
    }
    Ok(None)
}
