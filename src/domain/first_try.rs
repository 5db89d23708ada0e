//! The first try of an operation, which the mutation that owes it makes itself and, if Stripe refuses, takes back with its
//! change.
//!
//! **Invariant.** Only who holds an operation says how it ended. A mutation that was held up until a worker had taken its
//! operation over undoes nothing: what it would undo may be at Stripe by now.

use chrono::{DateTime, TimeDelta, Utc};
use entity::stripe_operation::{self, OperationStatus};
use sea_orm::{ConnectionTrait, DatabaseTransaction, EntityTrait, QuerySelect, sea_query::LockType};
use uuid::Uuid;

use super::{Domain, Refusal, owed};
use crate::error::Result;

/// How long it keeps the workers off.
const FIRST_TRY: TimeDelta = TimeDelta::seconds(15);

/// Until when what is owed now is left to its mutation.
pub(super) fn lease(owed_at: DateTime<Utc>) -> DateTime<Utc> {
    owed_at + FIRST_TRY
}

/// Whether it is still the mutation's: a worker would hold it for longer.
pub fn is_held(operation: &stripe_operation::Model) -> bool {
    operation.status == OperationStatus::Pending && operation.leased_until == Some(lease(operation.created_at))
}

/// The same, until the end of the transaction.
pub(super) async fn is_held_in_txn(txn: &impl ConnectionTrait, operation: Uuid) -> Result<bool> {
    let row = stripe_operation::Entity::find_by_id(operation).lock(LockType::NoKeyUpdate);
    Ok(row.one(txn).await?.as_ref().is_some_and(is_held))
}

/// Takes back an operation whose change is to be undone; whether the mutation still may.
pub(super) async fn take_back_in_txn(txn: &impl ConnectionTrait, operation: Uuid) -> Result<bool> {
    let held = is_held_in_txn(txn, operation).await?;
    if held {
        stripe_operation::Entity::delete_by_id(operation).exec(txn).await?;
    }
    Ok(held)
}

/// Leaves an operation to the workers though Stripe has refused it, as what it was to change cannot be undone without a
/// trace any more: it ends as it does where nobody waits. Always `false`, as nothing is taken back.
pub(super) async fn give_up(domain: &Domain, txn: DatabaseTransaction, operation: Uuid) -> Result<bool> {
    let held = is_held_in_txn(&txn, operation).await?;
    txn.rollback().await?;
    if held {
        owed::leave_to_worker(domain, vec![operation]).await?;
    }
    Ok(false)
}

/// Records that Stripe refused an operation whose change stays: the reason is shown, nothing is undone.
pub(super) async fn refused(domain: &Domain, operation: Uuid, refusal: &Refusal) -> Result<()> {
    let txn = domain.db.begin().await?;
    if is_held_in_txn(&txn, operation).await? {
        owed::fail_in_txn(&txn, operation, &refusal.message).await?;
    }
    txn.commit().await?;
    Ok(())
}
