//! Takes events out of the inbox: reads them, fetches what they do not tell, merges, projects and applies.
//!
//! A batch is one transaction. What needs Stripe's API goes its own way, so that a slow answer holds up nothing else;
//! an event that cannot be processed is tried alone, then later, and at last set aside where an operator sees it.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use chrono::TimeDelta;
use entity::stripe_event::{self, EventStatus};
use sea_orm::{ActiveModelTrait, ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, Set, sea_query::Expr};
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;

use super::{
    apply, evidence,
    facts::{Facts, Reading, read_event},
    fetch::{Fetched, Fetcher},
    sales, totals,
};
use crate::{announce::FeedBell, clock::Clock, db::Db, domain::feed::FeedName, error::Result, lease, worker::guarded};

const BATCH: u64 = 256;
/// How soon another worker takes over from one that died.
const LEASE: TimeDelta = TimeDelta::seconds(5);
/// How long all fetches of one event may take together, and its lease meanwhile.
const FETCH_TIMEOUT: Duration = Duration::from_secs(12);
const FETCH_LEASE: TimeDelta = TimeDelta::seconds(15);
/// How many events may wait for Stripe's answers at once.
const FETCHING: usize = 32;
/// Tries before an event is set aside: about three hours.
const MAX_ATTEMPTS: i32 = 40;
const MAX_BACKOFF_SECONDS: i64 = 300;

#[derive(Clone)]
pub struct Processor {
    pub db: Db,
    pub clock: Clock,
    pub fetcher: Fetcher,
    /// Rung after every commit that told the feed something.
    pub bell: FeedBell,
    /// The events that wait for Stripe.
    pub fetching: TaskTracker,
    permits: Arc<Semaphore>,
}

/// An event and all that it tells.
struct Told {
    event: stripe_event::Model,
    facts: Facts,
    /// Set aside once its facts are merged, because something could not be looked up.
    park: Option<String>,
}

impl Processor {
    pub fn new(db: Db, clock: Clock, fetcher: Fetcher, bell: FeedBell) -> Self {
        Self {
            db,
            clock,
            fetcher,
            bell,
            fetching: TaskTracker::new(),
            permits: Arc::new(Semaphore::new(FETCHING)),
        }
    }

    /// Processes what is due, once; the number of events that were taken out.
    pub async fn run_due(&self) -> Result<usize> {
        let txn = self.db.begin().await?;
        let mut events = lease::claim::<stripe_event::Entity>(&txn, self.clock.now(), LEASE, BATCH).await?;
        txn.commit().await?;
        // In the order in which they came, so that the feed tells of them in that order.
        events.sort_by_key(|event| event.id);
        let claimed = events.len();
        let mut ready = Vec::with_capacity(claimed);
        for event in events {
            match guarded(self.read(&event)).await {
                Ok(Next::Fold(told)) => ready.push(*told),
                Ok(Next::Fetch(reading)) => self.fetch_aside(event, reading).await?,
                Ok(Next::Nothing) => {}
                Err(error) => self.failed(&event, &error.to_string()).await?,
            }
        }
        self.fold(ready).await?;
        Ok(claimed)
    }

    /// Reads one event; what tells nothing of a sale, or cannot be read, is done with.
    async fn read(&self, event: &stripe_event::Model) -> Result<Next> {
        let parsed = serde_json::from_slice(&event.body);
        let reading = match parsed
            .map_err(|error| error.to_string())
            .and_then(|value| read_event(&value).map_err(|error| error.to_string()))
        {
            Ok(Reading::Nothing(why)) => {
                self.finish(event, EventStatus::Ignored, why).await?;
                return Ok(Next::Nothing);
            }
            Ok(reading) => reading,
            Err(why) => {
                self.finish(event, EventStatus::Parked, &why).await?;
                return Ok(Next::Nothing);
            }
        };
        if let Reading::Facts(facts) = &reading
            && self.fetcher.needs(feed(event), facts, facts).await?.is_empty()
        {
            let told = Told {
                facts: (**facts).clone(),
                event: event.clone(),
                park: None,
            };
            return Ok(Next::Fold(Box::new(told)));
        }
        Ok(Next::Fetch(reading))
    }

    /// Lets an event wait for Stripe without holding up the others.
    async fn fetch_aside(&self, event: stripe_event::Model, reading: Reading) -> Result<()> {
        let Ok(permit) = self.permits.clone().try_acquire_owned() else {
            // All places are taken: give it back, for a second.
            return self.postpone(&event, event.attempts, 1, event.last_error.clone()).await;
        };
        self.renew(&event).await?;
        let processor = self.clone();
        self.fetching.spawn(async move {
            if let Err(error) = processor.fetch_and_fold(event, reading).await {
                tracing::warn!(%error, "an event that needs Stripe was not processed; its lease will end");
            }
            drop(permit);
        });
        Ok(())
    }

    /// Holds an event for as long as its fetches may take.
    async fn renew(&self, event: &stripe_event::Model) -> Result<()> {
        let txn = self.db.begin().await?;
        let row = stripe_event::ActiveModel {
            id: Set(event.id),
            leased_until: Set(Some(self.clock.now() + FETCH_LEASE)),
            ..Default::default()
        };
        row.update(&txn).await?;
        txn.commit().await?;
        Ok(())
    }

    async fn fetch_and_fold(&self, event: stripe_event::Model, reading: Reading) -> Result<()> {
        let complete = guarded(self.fetcher.complete(&event, reading));
        let complete = tokio::time::timeout(FETCH_TIMEOUT, complete).await;
        let fetched = complete.unwrap_or_else(|_| Ok(Fetched::Later("Stripe did not answer in time".into())));
        match fetched? {
            Fetched::Complete(facts) => {
                self.fold(vec![Told {
                    event,
                    facts: *facts,
                    park: None,
                }])
                .await
            }
            Fetched::Without(facts, why) => {
                self.fold(vec![Told {
                    event,
                    facts: *facts,
                    park: Some(why),
                }])
                .await
            }
            Fetched::Unreadable(why) => self.finish(&event, EventStatus::Parked, &why).await,
            Fetched::Ignored(why) => self.finish(&event, EventStatus::Ignored, why).await,
            Fetched::Later(why) => self.failed(&event, &why).await,
        }
    }

    /// Folds events into their sales: together, and where that fails, each alone.
    async fn fold(&self, told: Vec<Told>) -> Result<()> {
        if told.is_empty() {
            return Ok(());
        }
        let Err(error) = guarded(self.fold_together(&told)).await else {
            return Ok(());
        };
        tracing::debug!(%error, events = told.len(), "a batch was not committed; its events are tried one by one");
        for one in &told {
            if let Err(error) = guarded(self.fold_together(std::slice::from_ref(one))).await {
                self.failed(&one.event, &error.to_string()).await?;
            }
        }
        Ok(())
    }

    async fn fold_together(&self, told: &[Told]) -> Result<()> {
        let mut feeds: BTreeMap<_, Vec<Facts>> = BTreeMap::new();
        for one in told {
            let feed = feed(&one.event);
            feeds
                .entry((feed.brand, feed.livemode))
                .or_default()
                .push(one.facts.clone());
        }
        let txn = self.db.begin().await?;
        let (mut all_totals, mut news) = (Vec::new(), Vec::new());
        for ((brand, livemode), facts) in feeds {
            let feed = FeedName { brand, livemode };
            let sales = sales::merge_in_txn(&txn, &self.clock, feed, facts).await?;
            let facts: Vec<&Facts> = sales.iter().map(|sale| &sale.facts).collect();
            let evidence = evidence::load(&txn, feed, &facts).await?;
            let (totals, told) = apply::apply_in_txn(&txn, &self.clock, feed, sales, &evidence).await?;
            all_totals.push((feed, totals));
            news.extend(told);
        }
        mark_processed(&txn, told).await?;
        for (feed, totals) in all_totals {
            totals.write_in_txn(&txn, feed).await?;
        }
        let told_feeds = totals::tell_in_txn(&txn, &self.clock, news).await?;
        txn.commit().await?;
        metrics::counter!("rekomi_inbox_processed_total", "outcome" => "processed").increment(told.len() as u64);
        if !told_feeds.is_empty() {
            self.bell.ring();
        }
        Ok(())
    }

    /// Tries an event again later, or sets it aside when it was tried long enough.
    async fn failed(&self, event: &stripe_event::Model, why: &str) -> Result<()> {
        let attempts = event.attempts + 1;
        if attempts >= MAX_ATTEMPTS {
            return self.finish(event, EventStatus::Parked, why).await;
        }
        tracing::warn!(event = %event.id, attempts, why, "an event was not processed; it will be tried again");
        let exponent = u32::try_from(attempts - 1).unwrap_or(0).min(20);
        let seconds = (1_i64 << exponent).min(MAX_BACKOFF_SECONDS);
        self.postpone(event, attempts, seconds, Some(why.to_owned())).await
    }

    async fn postpone(
        &self,
        event: &stripe_event::Model,
        attempts: i32,
        seconds: i64,
        why: Option<String>,
    ) -> Result<()> {
        let txn = self.db.begin().await?;
        let row = stripe_event::ActiveModel {
            id: Set(event.id),
            attempts: Set(attempts),
            next_attempt_at: Set(self.clock.now() + TimeDelta::seconds(seconds)),
            leased_until: Set(None),
            last_error: Set(why),
            ..Default::default()
        };
        row.update(&txn).await?;
        txn.commit().await?;
        Ok(())
    }

    /// Done with, without having told anything.
    async fn finish(&self, event: &stripe_event::Model, status: EventStatus, why: &str) -> Result<()> {
        let outcome = if status == EventStatus::Parked {
            "parked"
        } else {
            "ignored"
        };
        if status == EventStatus::Parked {
            tracing::warn!(event = %event.id, stripe_id = event.stripe_id, why, "an event was set aside");
        }
        metrics::counter!("rekomi_inbox_processed_total", "outcome" => outcome).increment(1);
        let txn = self.db.begin().await?;
        let row = stripe_event::ActiveModel {
            id: Set(event.id),
            status: Set(status),
            leased_until: Set(None),
            last_error: Set(Some(why.to_owned())),
            ..Default::default()
        };
        row.update(&txn).await?;
        txn.commit().await?;
        Ok(())
    }
}

/// How to go on with an event.
enum Next {
    Fold(Box<Told>),
    Fetch(Reading),
    /// It is done with.
    Nothing,
}

fn feed(event: &stripe_event::Model) -> FeedName {
    FeedName {
        brand: event.brand_id,
        livemode: event.livemode,
    }
}

async fn mark_processed(txn: &impl ConnectionTrait, told: &[Told]) -> Result<()> {
    let clean = told.iter().filter(|one| one.park.is_none()).map(|one| one.event.id);
    stripe_event::Entity::update_many()
        .col_expr(stripe_event::Column::Status, Expr::value(EventStatus::Processed))
        .col_expr(
            stripe_event::Column::LeasedUntil,
            Expr::value(None::<chrono::DateTime<chrono::Utc>>),
        )
        .filter(stripe_event::Column::Id.is_in(clean))
        .exec(txn)
        .await?;
    for one in told {
        if let Some(why) = &one.park {
            let row = stripe_event::ActiveModel {
                id: Set(one.event.id),
                status: Set(EventStatus::Parked),
                leased_until: Set(None),
                last_error: Set(Some(why.clone())),
                ..Default::default()
            };
            row.update(txn).await?;
        }
    }
    Ok(())
}
