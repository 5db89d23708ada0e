//! Which events `rekomi replay` puts back into the queue, of all brands; `domain::replay` puts them back.

use entity::{
    brand,
    id::EventId,
    stripe_event::{Column, Entity, EventStatus},
};
use sea_orm::{ColumnTrait, Condition, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Select};
use uuid::Uuid;

use crate::{
    auth::Actor,
    clock::Clock,
    db::Db,
    domain::{
        inbox::Event,
        replay::{Replayed, put_back_in_txn},
    },
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
    let to_change = |rows: Select<Entity>| {
        let rows = match brand {
            Some(brand) => rows.filter(Column::BrandId.eq(brand.id)),
            None => rows,
        };
        Event::of(rows).order_by_asc(Column::Id).lock_exclusive()
    };
    let operator = |event: &Event| Actor::command_line(event.brand_id, event.livemode);
    match which {
        Which::Named(names) => {
            let txn = db.begin().await?;
            let events = to_change(named(names)).into_model::<Event>().all(&txn).await?;
            each_is_one(names, &events)?;
            let replayed = put_back_in_txn(&txn, clock, events, operator).await?;
            txn.commit().await?;
            tell(replayed)
        }
        Which::Parked => {
            let mut after = EventId(Uuid::nil());
            loop {
                let txn = db.begin().await?;
                let parked = Entity::find()
                    .filter(Column::Status.eq(EventStatus::Parked))
                    .filter(Column::Id.gt(after));
                let events = to_change(parked).limit(CHUNK).into_model::<Event>().all(&txn).await?;
                let Some(last) = events.last() else { return Ok(()) };
                after = last.id;
                let replayed = put_back_in_txn(&txn, clock, events, operator).await?;
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
fn each_is_one(names: &[String], events: &[Event]) -> Result<()> {
    let has = |event: &Event, name: &String| event.stripe_id == *name || event.id.to_string() == *name;
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
