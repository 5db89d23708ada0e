//! The inbox: what Stripe sent, what became of it, and putting events back.

use std::sync::Arc;

use async_graphql::{Context, Enum, ID, InputObject, Object, SimpleObject};
use chrono::{DateTime, Utc};
use entity::{id::EventId, stripe_event::EventStatus};

use super::{
    context::ContextExt,
    errors::{UserError, graphql_error},
    loaders::Loaders,
    scalars::{Long, id, present},
};
use crate::{
    domain::inbox::{self, Event, EventFilter},
    error::Result,
};

/// Where an event of Stripe's stands.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "entity::stripe_event::EventStatus")]
pub enum StripeEventStatus {
    /// It is to be processed, at `nextAttemptAt`.
    Pending,
    /// What it tells is in the figures.
    Processed,
    /// It tells nothing of a sale; `lastError` says why.
    Ignored,
    /// It could not be processed, and waits for somebody to replay it; `lastError` says why.
    Parked,
}

/// How the inbox stands, for the brand and the mode of your token. Each field is looked up when it is asked for.
#[derive(Default)]
pub struct StripeInbox;

/// How the inbox stands, for the brand and the mode of your token. Each field is looked up when it is asked for.
#[Object]
impl StripeInbox {
    /// Events that are still to be processed.
    async fn pending(&self, ctx: &Context<'_>) -> async_graphql::Result<Long> {
        number(ctx, EventStatus::Pending).await
    }

    /// Events that were processed. They are counted one by one: with millions of them that takes a moment.
    async fn processed(&self, ctx: &Context<'_>) -> async_graphql::Result<Long> {
        number(ctx, EventStatus::Processed).await
    }

    /// Events that tell nothing of a sale, counted one by one.
    async fn ignored(&self, ctx: &Context<'_>) -> async_graphql::Result<Long> {
        number(ctx, EventStatus::Ignored).await
    }

    /// Events that could not be processed and were set aside.
    async fn parked(&self, ctx: &Context<'_>) -> async_graphql::Result<Long> {
        number(ctx, EventStatus::Parked).await
    }

    /// When the event was received that waits the longest; null: none waits.
    async fn oldest_pending_at(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<DateTime<Utc>>> {
        oldest_pending(ctx).await.map_err(graphql_error)
    }

    /// For how many whole seconds it has waited; null: none waits.
    async fn oldest_pending_age_seconds(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<Long>> {
        let oldest = oldest_pending(ctx).await.map_err(graphql_error)?;
        let now = ctx.domain().map_err(graphql_error)?.clock.now();
        Ok(oldest.map(|at| Long((now - at).num_seconds())))
    }
}

async fn number(ctx: &Context<'_>, status: EventStatus) -> async_graphql::Result<Long> {
    let number = async { inbox::number(ctx.domain()?, &ctx.requester()?.actor, status).await };
    let number = number.await.map_err(graphql_error)?;
    Ok(Long(i64::try_from(number).unwrap_or(i64::MAX)))
}

async fn oldest_pending(ctx: &Context<'_>) -> Result<Option<DateTime<Utc>>> {
    inbox::oldest_pending(ctx.domain()?, &ctx.requester()?.actor).await
}

/// An event as Stripe sent it, and what became of it. It is kept as it came, whatever became of it.
#[derive(Clone)]
pub struct StripeEvent {
    pub row: Arc<Event>,
    pub loaders: Arc<Loaders>,
}

/// An event as Stripe sent it, and what became of it. It is kept as it came, whatever became of it.
#[Object]
impl StripeEvent {
    /// Ours: `evt_…` and 32 hexadecimal digits.
    pub async fn id(&self) -> ID {
        self.row.id.to_string().into()
    }

    /// Stripe's `evt_…`.
    async fn stripe_id(&self) -> &str {
        &self.row.stripe_id
    }

    /// Stripe's, such as `invoice.paid`; empty where it has none.
    #[graphql(name = "type")]
    async fn kind(&self) -> &str {
        &self.row.kind
    }

    /// Where it stands.
    async fn status(&self) -> StripeEventStatus {
        self.row.status.into()
    }

    /// How often it was tried in vain since it came, or since it was replayed.
    async fn attempts(&self) -> i32 {
        self.row.attempts
    }

    /// When it happened, as Stripe says.
    async fn occurred_at(&self) -> DateTime<Utc> {
        self.row.occurred_at
    }

    /// When it came.
    async fn received_at(&self) -> DateTime<Utc> {
        self.row.received_at
    }

    /// When it will be tried, or tried again; null unless it is `PENDING`.
    async fn next_attempt_at(&self) -> Option<DateTime<Utc>> {
        let waits = self.row.status == EventStatus::Pending;
        waits.then_some(self.row.next_attempt_at)
    }

    /// Why it is parked or ignored, or why it waits to be tried again.
    async fn last_error(&self) -> Option<&str> {
        self.row.last_error.as_deref()
    }

    /// The body as it came, JSON. Bytes that are no text are shown as U+FFFD. It costs 480 points of complexity, so
    /// that no more than sixty are asked for at once.
    #[graphql(complexity = 480)]
    async fn payload(&self) -> async_graphql::Result<String> {
        let body = present(self.loaders.event_body(self.row.id).await, "event")?;
        Ok(String::from_utf8_lossy(&body).into_owned())
    }
}

/// Which events: everything that is given must hold.
#[derive(InputObject, Clone, Debug, Default)]
pub struct StripeEventFilter {
    /// Any of these.
    status: Option<Vec<StripeEventStatus>>,
    /// Stripe's, such as `invoice.paid`.
    #[graphql(name = "type")]
    kind: Option<String>,
    /// Stripe's id of the event.
    stripe_id: Option<String>,
    /// Inclusive.
    received_from: Option<DateTime<Utc>>,
    /// Exclusive.
    received_before: Option<DateTime<Utc>>,
}

impl From<StripeEventFilter> for EventFilter {
    fn from(filter: StripeEventFilter) -> Self {
        let words = |set: Vec<StripeEventStatus>| set.into_iter().map(EventStatus::from).collect();
        Self {
            status: filter.status.map(words),
            kind: filter.kind,
            stripe_id: filter.stripe_id,
            received_from: filter.received_from,
            received_before: filter.received_before,
        }
    }
}

/// Which event is to be processed again.
#[derive(InputObject, Clone, Debug)]
pub struct ReplayStripeEventInput {
    /// Ours, not Stripe's.
    id: ID,
}

impl ReplayStripeEventInput {
    pub fn event_id(&self) -> Option<EventId> {
        id(&self.id)
    }
}

/// An event that was put back.
#[derive(SimpleObject)]
pub struct ReplayStripeEventPayload {
    /// As it is now; null when there is something to mend.
    pub stripe_event: Option<StripeEvent>,
    /// What to mend; then nothing was changed.
    pub user_errors: Vec<UserError>,
}

/// Which parked events are to be processed again.
#[derive(InputObject, Clone, Debug)]
pub struct ReplayParkedStripeEventsInput {
    /// Of this type of Stripe's alone; left out: of all.
    #[graphql(name = "type")]
    pub kind: Option<String>,
    /// How many at most, 1 to 500. Those come first whose turn is the longest ago, so that asking again goes through all
    /// of them, also where some are parked again.
    #[graphql(default = 100)]
    pub limit: i32,
}

/// What was put back of what was parked.
#[derive(SimpleObject)]
pub struct ReplayParkedStripeEventsPayload {
    /// How many were put back; null when there is something to mend.
    pub replayed: Option<i32>,
    /// How many of that type are parked still; null when there is something to mend.
    pub left: Option<Long>,
    /// What to mend; then nothing was changed.
    pub user_errors: Vec<UserError>,
}
