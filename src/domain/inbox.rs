//! The inbox, read: what Stripe sent, and what became of it. Owners look at it; putting events back is in `replay`.
//!
//! **Invariant.** Events are read without their bodies, which may have a megabyte each.

use chrono::{DateTime, Utc};
use entity::{
    id::{BrandId, EventId},
    stripe_event::{Column, Entity, EventStatus},
};
use sea_orm::{
    ColumnTrait, Condition, FromQueryResult, Iterable, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect, Select,
};

use super::{
    Domain,
    page::{self, Order, Page, PageArgs},
    tenancy,
};
use crate::{
    auth::{Actor, Operation},
    error::Result,
};

/// An event of the inbox without its body.
#[derive(Clone, Debug, PartialEq, Eq, FromQueryResult)]
pub struct Event {
    pub id: EventId,
    pub brand_id: BrandId,
    pub stripe_id: String,
    pub kind: String,
    pub livemode: bool,
    pub occurred_at: DateTime<Utc>,
    pub received_at: DateTime<Utc>,
    pub status: EventStatus,
    pub attempts: i32,
    pub next_attempt_at: DateTime<Utc>,
    pub leased_until: Option<DateTime<Utc>>,
    /// Why it was retried, parked or ignored.
    pub last_error: Option<String>,
}

impl Event {
    /// Selects what an event is read from.
    pub fn of(rows: Select<Entity>) -> Select<Entity> {
        rows.select_only()
            .columns(Column::iter().filter(|column| !matches!(column, Column::Body)))
    }
}

/// Which events: everything that is given must hold.
#[derive(Clone, Debug, Default)]
pub struct EventFilter {
    pub status: Option<Vec<EventStatus>>,
    /// Stripe's, such as `invoice.paid`.
    pub kind: Option<String>,
    pub stripe_id: Option<String>,
    /// Inclusive.
    pub received_from: Option<DateTime<Utc>>,
    /// Exclusive.
    pub received_before: Option<DateTime<Utc>>,
}

impl EventFilter {
    pub(super) fn condition(&self) -> Result<Condition> {
        page::moment("receivedFrom", self.received_from)?;
        page::moment("receivedBefore", self.received_before)?;
        page::range(
            "receivedFrom",
            self.received_from,
            "receivedBefore",
            self.received_before,
        )?;
        // No event has a NUL in these, and PostgreSQL takes none.
        let text = |text: &String| text.replace('\0', "\u{fffd}");
        Ok(Condition::all()
            .add_option(self.status.clone().map(|set| Column::Status.is_in(set)))
            .add_option(self.kind.as_ref().map(|kind| Column::Kind.eq(text(kind))))
            .add_option(self.stripe_id.as_ref().map(|id| Column::StripeId.eq(text(id))))
            .add_option(self.received_from.map(|from| Column::ReceivedAt.gte(from)))
            .add_option(self.received_before.map(|before| Column::ReceivedAt.lt(before))))
    }
}

fn filtered(actor: &Actor, filter: &EventFilter) -> Result<Select<Entity>> {
    actor.require(Operation::ReadInbox)?;
    Ok(tenancy::find::<Entity>(&actor.scope).filter(filter.condition()?))
}

/// A page of the events of the caller's brand and mode, the one received last first.
pub async fn list(domain: &Domain, actor: &Actor, filter: &EventFilter, args: &PageArgs) -> Result<Page<Event>> {
    let order = Order::newest_first(Column::ReceivedAt, Column::Id);
    let rows = Event::of(filtered(actor, filter)?);
    page::fetch_as(domain.db.reader(), rows, order, args).await
}

pub async fn count(domain: &Domain, actor: &Actor, filter: &EventFilter) -> Result<u64> {
    Ok(filtered(actor, filter)?.count(domain.db.reader()).await?)
}

pub async fn get(domain: &Domain, actor: &Actor, id: EventId) -> Result<Option<Event>> {
    let rows = Event::of(filtered(actor, &EventFilter::default())?).filter(Column::Id.eq(id));
    Ok(rows.into_model::<Event>().one(domain.db.reader()).await?)
}

/// How many events are in a state.
pub async fn number(domain: &Domain, actor: &Actor, status: EventStatus) -> Result<u64> {
    let filter = EventFilter {
        status: Some(vec![status]),
        ..EventFilter::default()
    };
    count(domain, actor, &filter).await
}

/// When the event was received that waits the longest; `None` where none waits.
pub async fn oldest_pending(domain: &Domain, actor: &Actor) -> Result<Option<DateTime<Utc>>> {
    actor.require(Operation::ReadInbox)?;
    let oldest = tenancy::find::<Entity>(&actor.scope)
        .select_only()
        .column(Column::ReceivedAt)
        .filter(Column::Status.eq(EventStatus::Pending))
        .order_by_asc(Column::ReceivedAt)
        .into_tuple()
        .one(domain.db.reader());
    Ok(oldest.await?)
}
