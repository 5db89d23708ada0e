//! Changing and deleting coupons: here at once, and at Stripe as soon as it can be.
//!
//! **Invariant.** The discount never changes. Deleting is a mark: codes keep attributing.

use entity::{coupon, id::CouponId};
use sea_orm::{ActiveModelTrait, ColumnTrait, QueryFilter, Select, Set};
use uuid::Uuid;

use super::{
    Attempt, Domain, Refusal, audit, coupon_rules,
    coupon_terms::MAX_NAME,
    coupons::{find, rejected},
    drift::{self, CouponDrift},
    first_try, follows, live_codes,
    owed::{self, Call},
    tenancy,
};
use crate::{
    auth::{Actor, Operation, Scope},
    error::{Error, Problems, Result, UserErrorCode},
};

/// What is left out stays.
#[derive(Clone, Debug, Default)]
pub struct UpdateCoupon {
    pub name: Option<String>,
    pub overrides_click_attribution: Option<bool>,
    pub allow_affiliate_self_mint: Option<bool>,
    pub mint_on_approval: Option<bool>,
    pub archived: Option<bool>,
}

fn to_change(scope: &Scope, id: CouponId) -> Select<coupon::Entity> {
    tenancy::find_to_change::<coupon::Entity>(scope).filter(coupon::Column::Id.eq(id))
}

/// Changes the name, the toggles, or whether new codes may be minted on it.
///
/// # Errors
/// `NOT_FOUND` on `id`; `INVALID` on `name`; `STRIPE_REJECTED` on `name`, and then nothing has changed.
pub async fn update(domain: &Domain, actor: &Actor, id: CouponId, input: UpdateCoupon) -> Result<coupon::Model> {
    actor.require(Operation::ManageCoupons)?;
    let scope = &actor.scope;
    let connected = domain.outbox.connected(scope).await?;
    let mut problems = Problems::default();
    let name = input.name.map(|name| problems.text(&["name"], &name, MAX_NAME));
    problems.check()?;
    let txn = domain.db.begin().await?;
    let row = to_change(scope, id).one(&txn).await?;
    let before = row.ok_or_else(|| Error::not_found(&["id"]))?;
    let mut change: coupon::ActiveModel = before.clone().into();
    if let Some(name) = &name {
        change.name = Set(name.clone());
    }
    if let Some(on) = input.overrides_click_attribution {
        change.overrides_click_attribution = Set(on);
    }
    if let Some(on) = input.allow_affiliate_self_mint {
        change.allow_affiliate_self_mint = Set(on);
    }
    if let Some(on) = input.mint_on_approval {
        change.mint_on_approval = Set(on);
    }
    if let Some(on) = input.archived {
        change.archived = Set(on);
    }
    let after = if change.is_changed() {
        change.update(&txn).await?
    } else {
        before.clone()
    };
    if after.overrides_click_attribution != before.overrides_click_attribution {
        coupon_rules::append_in_txn(&txn, &domain.clock, &after).await?;
    }
    let mut owed = None;
    // Naming it as it is called here takes back what it was named at Stripe.
    let renamed_there = name.is_some() && matches!(drift::of_coupon(&before), Some(CouponDrift::RenamedAtStripe(_)));
    if after.name != before.name || renamed_there {
        let name = after.name.clone();
        owed = Some(owed::owe_in_txn(&txn, domain, scope, &Call::RenameCoupon { id, name }, connected).await?);
    }
    let mut entry = audit::Entry::changed("coupon.updated", id, &before, &after)?;
    if renamed_there {
        entry = entry.with("nameAtStripe", after.name.clone());
    }
    audit::record_in_txn(&txn, &domain.clock, actor, entry).await?;
    txn.commit().await?;
    if let Some(operation) = owed.filter(|_| connected)
        && let Attempt::Refused(refusal) = domain.outbox.attempt(operation).await
        && take_back(domain, actor, operation, (before, &after), &refusal).await?
    {
        return Err(rejected(&refusal));
    }
    Ok(find(domain.db.reader(), scope, id).await?.unwrap_or(after))
}

/// Undoes a change that Stripe refused, but for what somebody else has changed once more meanwhile. `false` where a worker
/// has the operation by now.
async fn take_back(
    domain: &Domain,
    actor: &Actor,
    operation: Uuid,
    (before, after): (coupon::Model, &coupon::Model),
    refusal: &Refusal,
) -> Result<bool> {
    let txn = domain.db.begin().await?;
    if !first_try::take_back_in_txn(&txn, operation).await? {
        return Ok(false);
    }
    if let Some(row) = to_change(&actor.scope, after.id).one(&txn).await? {
        let mut undo: coupon::ActiveModel = row.clone().into();
        if row.name == after.name && !follows::naming(&txn, after.id, operation).await? {
            undo.name = Set(before.name);
        }
        if row.overrides_click_attribution == after.overrides_click_attribution {
            undo.overrides_click_attribution = Set(before.overrides_click_attribution);
        }
        if row.allow_affiliate_self_mint == after.allow_affiliate_self_mint {
            undo.allow_affiliate_self_mint = Set(before.allow_affiliate_self_mint);
        }
        if row.mint_on_approval == after.mint_on_approval {
            undo.mint_on_approval = Set(before.mint_on_approval);
        }
        if row.archived == after.archived {
            undo.archived = Set(before.archived);
        }
        let undone = undo.update(&txn).await?;
        if undone.overrides_click_attribution != row.overrides_click_attribution {
            coupon_rules::append_in_txn(&txn, &domain.clock, &undone).await?;
        }
        let entry = audit::Entry::changed("coupon.refused_by_stripe", after.id, &row, &undone)?;
        let entry = entry.with("reason", refusal.message.clone());
        audit::record_in_txn(&txn, &domain.clock, actor, entry).await?;
    }
    txn.commit().await?;
    Ok(true)
}

/// Deletes a coupon with its codes; what was redeemed keeps attributing. Stripe follows as soon as it can. Answered with
/// how many live codes ended with it, the one that the campaign shares among them.
///
/// # Errors
/// `NOT_FOUND` on `id`; `INVALID` on `expectedLiveCodeCount` where it is another number, and then nothing is deleted.
pub async fn delete(domain: &Domain, actor: &Actor, id: CouponId, expected: Option<i32>) -> Result<u64> {
    actor.require(Operation::ManageCoupons)?;
    let scope = &actor.scope;
    let connected = domain.outbox.connected(scope).await?;
    let txn = domain.db.begin().await?;
    let row = to_change(scope, id).one(&txn).await?;
    let coupon = row.ok_or_else(|| Error::not_found(&["id"]))?;
    let mut change: coupon::ActiveModel = coupon.clone().into();
    change.deleted_at = Set(Some(domain.clock.now()));
    let deleted = change.update(&txn).await?;
    let ended = live_codes::end_in_txn(domain, &txn, actor, id).await?;
    if expected.is_some_and(|expected| u64::try_from(expected) != Ok(ended.live)) {
        let message = format!("It has {} live codes.", ended.live);
        return Err(Error::user(UserErrorCode::Invalid, &["expectedLiveCodeCount"], message));
    }
    let entry = audit::Entry::changed("coupon.deleted", id, &coupon, &deleted)?;
    let entry = entry.with("codesSwitchedOff", ended.switched_off.to_string());
    audit::record_in_txn(&txn, &domain.clock, actor, entry).await?;
    let operation = owed::owe_in_txn(&txn, domain, scope, &Call::DeleteCoupon { id }, connected).await?;
    txn.commit().await?;
    if connected && let Attempt::Refused(refusal) = domain.outbox.attempt(operation).await {
        first_try::refused(domain, operation, &refusal).await?;
    }
    Ok(ended.live)
}
