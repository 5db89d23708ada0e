//! How an event leaves the inbox's queue, or stays in it for later. Many at once: one statement for all of a kind.

use chrono::{DateTime, Utc};
use entity::{
    id::EventId,
    stripe_event::{Column, Entity, EventStatus},
};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, UpdateMany, sea_query::Expr};

use crate::error::Result;

const NO_LEASE: Option<DateTime<Utc>> = None;

fn update(ids: impl IntoIterator<Item = EventId>, leased_until: Option<DateTime<Utc>>) -> UpdateMany<Entity> {
    Entity::update_many()
        .col_expr(Column::LeasedUntil, Expr::value(leased_until))
        .filter(Column::Id.is_in(ids))
}

/// Done with: processed, ignored or parked, and why.
pub async fn close(
    txn: &impl ConnectionTrait,
    ids: impl IntoIterator<Item = EventId>,
    status: EventStatus,
    why: Option<&str>,
) -> Result<()> {
    update(ids, NO_LEASE)
        .col_expr(Column::Status, Expr::value(status))
        .col_expr(Column::LastError, Expr::value(why))
        .exec(txn)
        .await?;
    Ok(())
}

/// Held for as long as its fetches may take.
pub async fn hold(
    txn: &impl ConnectionTrait,
    ids: impl IntoIterator<Item = EventId>,
    until: DateTime<Utc>,
) -> Result<()> {
    update(ids, Some(until)).exec(txn).await?;
    Ok(())
}

/// Given back untried, to be taken again at `at`.
pub async fn give_back(
    txn: &impl ConnectionTrait,
    ids: impl IntoIterator<Item = EventId>,
    at: DateTime<Utc>,
) -> Result<()> {
    update(ids, NO_LEASE)
        .col_expr(Column::NextAttemptAt, Expr::value(at))
        .exec(txn)
        .await?;
    Ok(())
}

/// Tried in vain, to be tried again at `at`.
pub async fn postpone(
    txn: &impl ConnectionTrait,
    id: EventId,
    attempts: i32,
    at: DateTime<Utc>,
    why: &str,
) -> Result<()> {
    update([id], NO_LEASE)
        .col_expr(Column::NextAttemptAt, Expr::value(at))
        .col_expr(Column::Attempts, Expr::value(attempts))
        .col_expr(Column::LastError, Expr::value(why))
        .exec(txn)
        .await?;
    Ok(())
}
