//! Deleting a code: here at once, and at Stripe as soon as it can be.
//!
//! **Invariants.** Deleting is a mark: the code keeps attributing, and its texts stay taken. Whatever was owed for it goes
//! first, since nobody knows how much of that Stripe has done; after all that is owed, none of its promotion codes is on.

use entity::{
    code::{self, CodeStatus},
    id::CodeId,
    promotion_code,
};
use sea_orm::{ActiveModelTrait, ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Set};

use super::{
    Attempt, Domain, audit, first_try,
    owed::{self, Call},
    tenancy,
};
use crate::{
    auth::{Actor, Operation},
    error::{Error, Result},
};

/// Deletes a code; what was redeemed keeps attributing. Stripe follows as soon as it can.
///
/// # Errors
/// `NOT_FOUND` on `id`, also where it is deleted already.
pub async fn delete(domain: &Domain, actor: &Actor, id: CodeId) -> Result<CodeId> {
    actor.require(Operation::ManageCodes)?;
    let scope = &actor.scope;
    let connected = domain.outbox.connected(scope).await?;
    let txn = domain.db.begin().await?;
    let row = tenancy::find_to_change::<code::Entity>(scope)
        .filter(code::Column::Id.eq(id))
        .filter(code::Column::DeletedAt.is_null());
    let row = row.one(&txn).await?;
    let before = row.ok_or_else(|| Error::not_found(&["id"]))?;
    let mut change: code::ActiveModel = before.clone().into();
    change.status = Set(CodeStatus::Inactive);
    change.deleted_at = Set(Some(domain.clock.now()));
    let after = change.update(&txn).await?;
    let entry = audit::Entry::changed("code.deleted", id, &before, &after)?;
    audit::record_in_txn(&txn, &domain.clock, actor, entry).await?;
    let coupon = after.coupon_id;
    let switch_off = Call::SetPromotionCodeActive {
        id,
        coupon,
        active: false,
    };
    let operation = owed::owe_in_txn(&txn, domain, scope, &switch_off, connected).await?;
    for promotion_code in former(&txn, &after).await? {
        let retire = Call::RetirePromotionCode {
            id,
            coupon,
            promotion_code,
        };
        owed::owe_to_worker_in_txn(&txn, &domain.clock, scope, &retire, connected).await?;
    }
    txn.commit().await?;
    if connected && let Attempt::Refused(refusal) = domain.outbox.attempt(operation).await {
        first_try::refused(domain, operation, &refusal).await?;
    }
    Ok(id)
}

/// What Stripe has of a code from earlier texts. One of them may have stayed on, or be on again: Stripe refused to switch
/// it off, or somebody switched it on there.
async fn former(txn: &impl ConnectionTrait, code: &code::Model) -> Result<Vec<String>> {
    let known = promotion_code::Entity::find()
        .filter(promotion_code::Column::CodeId.eq(code.id))
        .select_only()
        .column(promotion_code::Column::StripeId)
        .order_by_asc(promotion_code::Column::CreatedAt)
        .order_by_asc(promotion_code::Column::StripeId);
    let known: Vec<String> = known.into_tuple().all(txn).await?;
    let is_former = |id: &String| code.stripe_id.as_ref() != Some(id);
    Ok(known.into_iter().filter(is_former).collect())
}
