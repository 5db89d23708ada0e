//! Takes deliveries in: many are stored by one durable commit, each is answered only after it.
//!
//! There is no timer and no added latency: the batcher commits at once when it is idle, and what arrives while a commit
//! is in flight goes into the next one. The queue is bounded; when it is full, Stripe is told to come back.

use std::{collections::BTreeMap, sync::Arc};

use chrono::{DateTime, Datelike, Utc};
use entity::{
    id::{BrandId, EventId},
    stripe_event::{self, EventStatus},
};
use sea_orm::{EntityTrait, IntoActiveModel, sea_query::OnConflict};
use serde_json::Value;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use crate::{
    clock::Clock,
    db::Db,
    error::{Error, Result},
};

/// How many deliveries may wait for their commit, and how many KiB of them.
const QUEUE: usize = 4096;
const QUEUE_KIB: usize = 64 * 1024;
/// How many are committed together; thirteen values each, well below SQLite's limit of 32,766.
const BATCH: usize = 512;

/// What the envelope of an event says, snapshot or thin (<https://docs.stripe.com/api/events/object>).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    pub id: String,
    pub kind: String,
    pub livemode: bool,
    pub created: DateTime<Utc>,
    /// The Connect account that it is about.
    pub account: Option<String>,
}

impl Envelope {
    /// Reads a body; `None` when it is not JSON or has no id, so that it cannot be told from another.
    pub fn read(body: &[u8], now: DateTime<Utc>) -> Option<Self> {
        let event: Value = serde_json::from_slice(body).ok()?;
        let text = |field: &str, max: usize| {
            let value = event[field].as_str()?;
            let good = (1..=max).contains(&value.len()) && !value.chars().any(char::is_control);
            good.then(|| value.to_owned())
        };
        let created = match &event["created"] {
            Value::String(time) => DateTime::parse_from_rfc3339(time).ok().map(|time| time.to_utc()),
            number => number.as_i64().and_then(|seconds| DateTime::from_timestamp(seconds, 0)),
        };
        // Both databases keep the years up to 9999.
        let created = created.filter(|at| (1970..10_000).contains(&at.year()));
        Some(Self {
            id: text("id", 255)?,
            kind: text("type", 255).unwrap_or_default(),
            livemode: event["livemode"].as_bool().unwrap_or(false),
            created: created.unwrap_or(now),
            account: text("account", 255),
        })
    }
}

impl Envelope {
    /// The event as a row of the inbox, to be processed at once. `ignored` says why it is kept, but not processed.
    pub fn into_row(
        self,
        clock: &Clock,
        brand: BrandId,
        body: Vec<u8>,
        ignored: Option<String>,
    ) -> stripe_event::Model {
        let now = clock.now();
        stripe_event::Model {
            id: EventId(clock.new_id()),
            brand_id: brand,
            stripe_id: self.id,
            kind: self.kind,
            livemode: self.livemode,
            occurred_at: self.created,
            received_at: now,
            body,
            status: if ignored.is_some() {
                EventStatus::Ignored
            } else {
                EventStatus::Pending
            },
            attempts: 0,
            next_attempt_at: now,
            leased_until: None,
            last_error: ignored,
        }
    }
}

/// Stores events in one commit, but for those that are there already; the number of those that were not.
pub(super) async fn store(db: &Db, rows: Vec<stripe_event::Model>) -> Result<u64> {
    // In one order and each once, so that two batches cannot wait for each other.
    let rows: BTreeMap<(BrandId, String), stripe_event::Model> = rows
        .into_iter()
        .map(|row| ((row.brand_id, row.stripe_id.clone()), row))
        .collect();
    if rows.is_empty() {
        return Ok(0);
    }
    match insert(db, &rows).await {
        // Once more where another instance was in the way.
        Err(Error::Retry(_)) => insert(db, &rows).await,
        result => result,
    }
}

async fn insert(db: &Db, rows: &BTreeMap<(BrandId, String), stripe_event::Model>) -> Result<u64> {
    let mut known = OnConflict::columns([stripe_event::Column::BrandId, stripe_event::Column::StripeId]);
    let txn = db.begin().await?;
    let stored = stripe_event::Entity::insert_many(rows.values().cloned().map(IntoActiveModel::into_active_model))
        .on_conflict(known.do_nothing().to_owned())
        .exec_without_returning(&txn)
        .await?;
    txn.commit().await?;
    Ok(stored)
}

/// The storage cannot take it now: Stripe comes again.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the event could not be stored")]
pub struct Unavailable;

struct Delivery {
    row: stripe_event::Model,
    stored: oneshot::Sender<Result<(), Unavailable>>,
    /// Its share of the queue's memory.
    _room: OwnedSemaphorePermit,
}

/// The way into the inbox.
#[derive(Clone)]
pub struct Inbox {
    queue: mpsc::Sender<Delivery>,
    room: Arc<Semaphore>,
    clock: Clock,
}

/// Commits what comes through the queue, until the last [`Inbox`] is gone.
pub struct Batcher {
    queue: mpsc::Receiver<Delivery>,
    db: Db,
}

/// The inbox, and what must run for it.
pub fn inbox(db: Db, clock: Clock) -> (Inbox, Batcher) {
    let (sender, receiver) = mpsc::channel(QUEUE);
    let inbox = Inbox {
        queue: sender,
        room: Arc::new(Semaphore::new(QUEUE_KIB)),
        clock,
    };
    (inbox, Batcher { queue: receiver, db })
}

impl Inbox {
    /// Stores an event durably; one that is stored already is as good. `ignored` says why it is kept, but not processed.
    pub async fn store(
        &self,
        brand: BrandId,
        envelope: Envelope,
        body: Vec<u8>,
        ignored: Option<String>,
    ) -> Result<(), Unavailable> {
        let row = envelope.into_row(&self.clock, brand, body, ignored);
        let kib = u32::try_from(row.body.len() / 1024 + 1).map_err(|_| Unavailable)?;
        let room = self.room.clone().try_acquire_many_owned(kib).map_err(|_| Unavailable)?;
        let (stored, answer) = oneshot::channel();
        self.queue
            .try_send(Delivery {
                row,
                stored,
                _room: room,
            })
            .map_err(|_| Unavailable)?;
        answer.await.map_err(|_| Unavailable)?
    }
}

impl Batcher {
    /// `committed` is called after each commit.
    pub async fn run(mut self, committed: impl Fn()) {
        let mut batch = Vec::with_capacity(BATCH);
        while self.queue.recv_many(&mut batch, BATCH).await > 0 {
            let parts = batch
                .drain(..)
                .map(|delivery: Delivery| (delivery.row, (delivery.stored, delivery._room)));
            let (rows, answers): (Vec<_>, Vec<_>) = parts.unzip();
            let result = store(&self.db, rows).await.map_err(|error| {
                tracing::error!(%error, "events could not be stored");
                Unavailable
            });
            let outcome = if result.is_ok() { "stored" } else { "unavailable" };
            metrics::counter!("rekomi_inbox_acknowledged_total", "outcome" => outcome).increment(answers.len() as u64);
            for (answer, _room) in answers {
                // Stripe may have hung up; it will come again, and find the event stored.
                let _ = answer.send(if result.is_ok() { Ok(()) } else { Err(Unavailable) });
            }
            committed();
        }
    }
}
