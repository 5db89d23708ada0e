//! Puts events back into the inbox's queue; the workers take them up by themselves, within half a second.
//!
//! **Invariants.** Running an event again adds no facts that it did not add before, so that it counts once however often
//! that is done. One that a worker holds is left alone. Each is in the audit log.

use chrono::{DateTime, Utc};
use entity::{
    id::EventId,
    stripe_event::{Column, Entity, EventStatus},
};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DatabaseTransaction, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder,
    QuerySelect, sea_query::Expr,
};
use serde_json::json;

use super::{
    Domain, audit,
    inbox::{Event, EventFilter},
    tenancy,
};
use crate::{
    auth::{Actor, Operation},
    clock::Clock,
    error::{Error, Problems, Result, UserErrorCode},
};

/// How many parked events are put back at once, at most.
pub const MAX_AT_ONCE: i32 = 500;

/// What was done. The events are as they were before.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Replayed {
    pub again: Vec<Event>,
    /// A worker has them in hand.
    pub held: Vec<Event>,
}

/// What was done about parked events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParkedReplayed {
    pub replayed: usize,
    /// How many of the kind that was asked for are parked still.
    pub left: u64,
}

/// Puts one event back, whatever became of it before; the event as it is then.
///
/// # Errors
/// `NOT_FOUND` on `id`; `INVALID` on `id` while a worker has it in hand.
pub async fn one(domain: &Domain, actor: &Actor, id: EventId) -> Result<Event> {
    actor.require(Operation::ReplayEvents)?;
    let txn = domain.db.begin().await?;
    let row = || Event::of(tenancy::find_to_change::<Entity>(&actor.scope)).filter(Column::Id.eq(id));
    let found = row().into_model::<Event>().one(&txn).await?;
    let event = found.ok_or_else(|| Error::not_found(&["id"]))?;
    let replayed = put_back_in_txn(&txn, &domain.clock, vec![event], |_| actor.clone()).await?;
    if !replayed.held.is_empty() {
        let message = "It is being processed right now.";
        return Err(Error::user(UserErrorCode::Invalid, &["id"], message));
    }
    let event = row().into_model::<Event>().one(&txn).await?;
    txn.commit().await?;
    told(1);
    event.ok_or_else(|| Error::Internal("an event is gone".into()))
}

/// Puts parked events back, of one of Stripe's types or of all, those first whose turn is the longest ago: who asks again
/// and again goes through all of them, also where some are parked again at once.
///
/// # Errors
/// `INVALID` on `limit`.
pub async fn parked(domain: &Domain, actor: &Actor, kind: Option<String>, limit: i32) -> Result<ParkedReplayed> {
    actor.require(Operation::ReplayEvents)?;
    let mut problems = Problems::default();
    problems.range(&["limit"], limit, 1, MAX_AT_ONCE);
    problems.check()?;
    let filter = EventFilter {
        status: Some(vec![EventStatus::Parked]),
        kind,
        ..EventFilter::default()
    };
    let parked = filter.condition()?;
    let txn = domain.db.begin().await?;
    let turn = tenancy::find::<Entity>(&actor.scope)
        .select_only()
        .column(Column::Id)
        .filter(parked.clone())
        .order_by_asc(Column::NextAttemptAt)
        .order_by_asc(Column::Id)
        .limit(u64::from(limit.unsigned_abs()));
    let turn: Vec<EventId> = turn.into_tuple().all(&txn).await?;
    // Locked by their ids, as the command line does it: two that meet do not wait for each other.
    let events = Event::of(tenancy::find_to_change::<Entity>(&actor.scope))
        .filter(parked.clone())
        .filter(Column::Id.is_in(turn))
        .order_by_asc(Column::Id);
    let events = events.into_model::<Event>().all(&txn).await?;
    let replayed = put_back_in_txn(&txn, &domain.clock, events, |_| actor.clone()).await?;
    let left = tenancy::find::<Entity>(&actor.scope).filter(parked).count(&txn).await?;
    txn.commit().await?;
    told(replayed.again.len());
    Ok(ParkedReplayed {
        replayed: replayed.again.len(),
        left,
    })
}

fn told(events: usize) {
    metrics::counter!("rekomi_inbox_replayed_total").increment(events as u64);
}

/// Puts events back that the caller has locked, each in the name of `actor`.
pub async fn put_back_in_txn(
    txn: &DatabaseTransaction,
    clock: &Clock,
    events: Vec<Event>,
    actor: impl Fn(&Event) -> Actor,
) -> Result<Replayed> {
    let now = clock.now();
    let is_held = |event: &Event| {
        let in_hand = event.leased_until.is_some_and(|until| until > now);
        in_hand && event.status == EventStatus::Pending
    };
    let (held, again): (Vec<Event>, Vec<Event>) = events.into_iter().partition(is_held);
    for event in &again {
        let status = |status: EventStatus| json!({ "status": status });
        let (before, after) = (status(event.status), status(EventStatus::Pending));
        let entry = audit::Entry::changed("event.replayed", event.id, &before, &after)?;
        let entry = entry.with("stripeId", &event.stripe_id);
        audit::record_in_txn(txn, clock, &actor(event), entry).await?;
    }
    queue(txn, again.iter().map(|event| event.id), now).await?;
    Ok(Replayed { again, held })
}

/// To be done from the beginning, at `at`.
async fn queue(txn: &impl ConnectionTrait, ids: impl IntoIterator<Item = EventId>, at: DateTime<Utc>) -> Result<()> {
    Entity::update_many()
        .col_expr(Column::LeasedUntil, Expr::value(None::<DateTime<Utc>>))
        .col_expr(Column::Status, Expr::value(EventStatus::Pending))
        .col_expr(Column::Attempts, Expr::value(0))
        .col_expr(Column::NextAttemptAt, Expr::value(at))
        .filter(Column::Id.is_in(ids))
        .exec(txn)
        .await?;
    Ok(())
}
