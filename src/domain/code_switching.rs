//! Switching codes off and on: here at once, and at Stripe as soon as it can be. What is so here already, and otherwise at
//! Stripe, is switched there.

use entity::{
    code::{self, CodeStatus},
    coupon,
    id::CodeId,
};
use sea_orm::{ActiveModelTrait, ColumnTrait, QueryFilter, Select, Set};
use uuid::Uuid;

use super::{
    Attempt, Domain, Refusal, audit,
    codes::{creation, find},
    drift::{CodeDrift, Standing},
    first_try, follows, minting,
    owed::{self, Call},
    plans, tenancy,
};
use crate::{
    auth::{Actor, Operation, Scope},
    error::{Error, Result, UserErrorCode},
};

/// Switches a code off, here at once, and at Stripe as soon as it can be.
///
/// # Errors
/// `NOT_FOUND` on `id`.
pub async fn deactivate(domain: &Domain, actor: &Actor, id: CodeId) -> Result<code::Model> {
    actor.require(Operation::ManageCodes)?;
    let (code, operation) = set_active(domain, actor, id, Switch::Off).await?;
    if let Some(operation) = operation
        && let Attempt::Refused(refusal) = domain.outbox.attempt(operation).await
    {
        first_try::refused(domain, operation, &refusal).await?;
    }
    Ok(find(domain, &actor.scope, id).await?.unwrap_or(code))
}

/// Switches a code on again.
///
/// # Errors
/// `NOT_FOUND` on `id`; `PLAN_TIER_REQUIRED`; `INVALID` when it or its coupon is deleted, or the coupon has expired;
/// `STRIPE_REJECTED` with Stripe's reason, and then it is still off.
pub async fn reactivate(domain: &Domain, actor: &Actor, id: CodeId) -> Result<code::Model> {
    actor.require(Operation::ManageCodes)?;
    let scope = &actor.scope;
    plans::require_coupons(domain.db.reader(), scope.brand, domain.clock.now()).await?;
    let row = find(domain, scope, id).await?;
    let code = row.ok_or_else(|| Error::not_found(&["id"]))?;
    let coupon = minting::require_live_coupon(domain, domain.db.reader(), scope, code.coupon_id, "id").await?;
    let was = code.status;
    let (code, operation) = set_active(domain, actor, id, Switch::On(&coupon)).await?;
    if let Some(operation) = operation
        && let Attempt::Refused(refusal) = domain.outbox.attempt(operation).await
        && take_back(domain, actor, &code, was, operation, &refusal).await?
    {
        let field: &[&'static str] = if refusal.param.is_some() { &["id"] } else { &[] };
        return Err(Error::user(UserErrorCode::StripeRejected, field, refusal.message));
    }
    let code = find(domain, scope, id).await?;
    code.ok_or_else(|| Error::Internal(format!("the code {id} is gone")))
}

/// Undoes what Stripe refused, unless the code was switched off and on again meanwhile: then the last one decides. `false`
/// where a worker has the operation by now.
async fn take_back(
    domain: &Domain,
    actor: &Actor,
    code: &code::Model,
    was: CodeStatus,
    operation: Uuid,
    refusal: &Refusal,
) -> Result<bool> {
    let txn = domain.db.begin().await?;
    if !first_try::take_back_in_txn(&txn, operation).await? {
        return Ok(false);
    }
    let row = to_change(&actor.scope, code.id).one(&txn).await?;
    let overtaken = follows::switching_on(&txn, code.id, operation).await?;
    if let Some(row) = row.filter(|row| row.status == code.status && !overtaken) {
        let mut change: code::ActiveModel = row.clone().into();
        change.status = Set(was);
        let undone = change.update(&txn).await?;
        let entry = audit::Entry::changed("code.refused_by_stripe", code.id, &row, &undone)?;
        let entry = entry.with("reason", refusal.message.clone());
        audit::record_in_txn(&txn, &domain.clock, actor, entry).await?;
    }
    txn.commit().await?;
    Ok(true)
}

fn to_change(scope: &Scope, id: CodeId) -> Select<code::Entity> {
    tenancy::find_to_change::<code::Entity>(scope).filter(code::Column::Id.eq(id))
}

enum Switch<'a> {
    Off,
    On(&'a coupon::Model),
}

/// Writes the new status with what it owes; the operation is given where it can be tried at once.
async fn set_active(
    domain: &Domain,
    actor: &Actor,
    id: CodeId,
    switch: Switch<'_>,
) -> Result<(code::Model, Option<Uuid>)> {
    let scope = &actor.scope;
    let connected = domain.outbox.connected(scope).await?;
    let txn = domain.db.begin().await?;
    let (status, action) = match switch {
        Switch::Off => (CodeStatus::Inactive, "code.deactivated"),
        Switch::On(coupon) => {
            // The coupon before the code, as whoever deletes it does.
            minting::hold_coupon(&txn, scope, coupon.id).await?;
            minting::require_live_coupon(domain, &txn, scope, coupon.id, "id").await?;
            (CodeStatus::Active, "code.reactivated")
        }
    };
    let row = to_change(scope, id).one(&txn).await?;
    let code = row.ok_or_else(|| Error::not_found(&["id"]))?;
    if status == CodeStatus::Active {
        minting::require_not_deleted(&code)?;
    }
    let unlike_ours = matches!(
        Standing::from(&code).drift(),
        Some(CodeDrift::OffAtStripe | CodeDrift::OnAtStripe | CodeDrift::DeletedAndOn)
    );
    if code.status == status && (!unlike_ours || owed::is_owed(&txn, id).await?) {
        return Ok((code, None));
    }
    // A code that Stripe refused is not there to be switched on: it is made anew.
    let anew = code.stripe_id.is_none() && owed::creation_failed(&txn, id).await?;
    let mut change: code::ActiveModel = code.clone().into();
    change.status = Set(status);
    let (before, code) = (code, change.update(&txn).await?);
    let mut entry = audit::Entry::changed(action, id, &before, &code)?;
    if unlike_ours {
        entry = entry.with("activeAtStripe", (status == CodeStatus::Active).to_string());
    }
    audit::record_in_txn(&txn, &domain.clock, actor, entry).await?;
    let call = match switch {
        Switch::On(coupon) if anew => creation(&code, coupon.max_redemptions_per_code),
        _ => Call::SetPromotionCodeActive {
            id,
            coupon: code.coupon_id,
            active: status == CodeStatus::Active,
        },
    };
    let operation = owed::owe_in_txn(&txn, domain, scope, &call, connected).await?;
    txn.commit().await?;
    Ok((code, connected.then_some(operation)))
}
