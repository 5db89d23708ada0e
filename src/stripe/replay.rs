//! Puts events back into the queue, beside a running server, which takes them up by itself.
//!
//! **Invariants.** Running an event again adds no facts that it did not add before, so that it counts once however often
//! that is done. One that a worker holds is left alone. Each is in the audit log.

use entity::{
    brand,
    id::{BrandId, EventId},
    stripe_event::{self, Column, Entity, EventStatus},
};
use sea_orm::{ColumnTrait, Condition, DatabaseTransaction, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Select};
use serde_json::json;
use uuid::Uuid;

use super::queue;
use crate::{
    auth::Actor,
    clock::Clock,
    db::Db,
    domain::audit::{self, Entry},
    error::{Error, Result},
};

/// How many are put back in one transaction.
const CHUNK: u64 = 500;

/// Which events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Which {
    /// By our ids or Stripe's.
    Named(Vec<String>),
    Parked,
}

/// An event, as it was before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    pub id: EventId,
    pub stripe_id: String,
    pub kind: String,
    pub status: EventStatus,
}

/// What was done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Replayed {
    pub again: Vec<Seen>,
    /// A worker has them in hand.
    pub held: Vec<Seen>,
}

/// Puts events back: those that are named all at once or none of them, those that are parked a chunk at a time. `tell`
/// hears of each chunk after its commit.
///
/// # Errors
/// Where a name is of no event, or of several brands' events.
pub async fn replay(
    db: &Db,
    clock: &Clock,
    which: &Which,
    brand: Option<&brand::Model>,
    mut tell: impl FnMut(Replayed) -> Result<()>,
) -> Result<()> {
    let of_brand = |rows: Select<Entity>| match brand {
        Some(brand) => rows.filter(Column::BrandId.eq(brand.id)),
        None => rows,
    };
    match which {
        Which::Named(names) => {
            let txn = db.begin().await?;
            let events = of_brand(named(names)).order_by_asc(Column::Id).lock_exclusive();
            let events = events.all(&txn).await?;
            each_is_one(names, &events)?;
            let replayed = put_back_in_txn(&txn, clock, events).await?;
            txn.commit().await?;
            tell(replayed)
        }
        Which::Parked => {
            let mut after = EventId(Uuid::nil());
            loop {
                let txn = db.begin().await?;
                let events = of_brand(Entity::find())
                    .filter(Column::Status.eq(EventStatus::Parked))
                    .filter(Column::Id.gt(after))
                    .order_by_asc(Column::Id)
                    .limit(CHUNK)
                    .lock_exclusive();
                let events = events.all(&txn).await?;
                let Some(last) = events.last() else { return Ok(()) };
                after = last.id;
                let replayed = put_back_in_txn(&txn, clock, events).await?;
                txn.commit().await?;
                tell(replayed)?;
            }
        }
    }
}

/// Both kinds of ids begin with `evt_`.
fn named(names: &[String]) -> Select<Entity> {
    let ours = names.iter().filter_map(|name| name.parse::<EventId>().ok());
    let any = Condition::any()
        .add(Column::Id.is_in(ours))
        .add(Column::StripeId.is_in(names.iter().map(String::as_str)));
    Entity::find().filter(any)
}

/// That each name is of just one event.
fn each_is_one(names: &[String], events: &[stripe_event::Model]) -> Result<()> {
    let has = |event: &stripe_event::Model, name: &String| event.stripe_id == *name || event.id.to_string() == *name;
    let count = |name: &String| events.iter().filter(|event| has(event, name)).count();
    let listed = |names: Vec<&String>| names.into_iter().map(String::as_str).collect::<Vec<_>>().join(", ");
    let unknown: Vec<&String> = names.iter().filter(|name| count(name) == 0).collect();
    if !unknown.is_empty() {
        let unknown = listed(unknown);
        return Err(Error::BadUserInput(format!(
            "there is no such event: {unknown}; nothing was changed"
        )));
    }
    let shared: Vec<&String> = names.iter().filter(|name| count(name) > 1).collect();
    if !shared.is_empty() {
        let shared = listed(shared);
        return Err(Error::BadUserInput(format!(
            "several brands have {shared}: say which with --brand; nothing was changed"
        )));
    }
    Ok(())
}

async fn put_back_in_txn(
    txn: &DatabaseTransaction,
    clock: &Clock,
    events: Vec<stripe_event::Model>,
) -> Result<Replayed> {
    let now = clock.now();
    let mut replayed = Replayed::default();
    for event in events {
        let seen = Seen {
            id: event.id,
            stripe_id: event.stripe_id,
            kind: event.kind,
            status: event.status,
        };
        let in_hand = event.leased_until.is_some_and(|until| until > now);
        if in_hand && event.status == EventStatus::Pending {
            replayed.held.push(seen);
            continue;
        }
        write_down(txn, clock, event.brand_id, event.livemode, &seen).await?;
        replayed.again.push(seen);
    }
    queue::put_back(txn, replayed.again.iter().map(|seen| seen.id), now).await?;
    Ok(replayed)
}

async fn write_down(
    txn: &DatabaseTransaction,
    clock: &Clock,
    brand: BrandId,
    livemode: bool,
    seen: &Seen,
) -> Result<()> {
    let status = |status: EventStatus| json!({ "status": status });
    let entry = Entry::changed(
        "event.replayed",
        seen.id,
        &status(seen.status),
        &status(EventStatus::Pending),
    )?;
    let entry = entry.with("stripeId", &seen.stripe_id);
    audit::record_in_txn(txn, clock, &Actor::command_line(brand, livemode), entry).await
}
