//! Takes events out of the inbox: reads them, fetches what they do not tell, merges, projects and applies.
//!
//! A batch is one transaction. What needs Stripe's API goes its own way, so that a slow answer holds up nothing else;
//! an event that cannot be processed is tried alone, then later, and at last set aside where an operator sees it.

use std::{collections::BTreeMap, time::Duration};

use chrono::TimeDelta;
use entity::{id::EventId, stripe_event, stripe_object};
use sea_orm::{EntityTrait, IntoActiveModel};
use serde_json::Value;
use tokio::sync::mpsc;
use tokio_util::task::TaskTracker;

use super::{
    drift::{self, Notice, events::Heard},
    facts::{Facts, Reading, read_event},
    fetch::{Fetched, Fetcher},
    fold,
    lanes::{Lanes, Place},
    outcome::{Outcome, Reason},
    queue,
    told::{End, Told, feed},
};
use crate::{
    announce::FeedBell,
    clock::Clock,
    db::Db,
    error::{Error, Result},
    lease,
    worker::guarded,
};

const BATCH: u64 = 256;
/// How soon another worker takes over from one that died.
const LEASE: TimeDelta = TimeDelta::seconds(5);
/// How long all fetches of one event may take together; and its lease, with the wait for its turn.
const FETCH_TIMEOUT: Duration = Duration::from_secs(12);
const FETCH_LEASE: TimeDelta = TimeDelta::seconds(15);
/// How many events whose fetches are done are folded together, at most.
const FETCHED: usize = 32;
/// How often a transaction is begun again because another worker was in the way.
const MAX_CONFLICTS: usize = 10;
const CONFLICT_PAUSE: Duration = Duration::from_millis(5);
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
    lanes: Lanes,
    /// Where events go whose fetches are done, to be folded many at once.
    fetched: mpsc::Sender<Told>,
}

impl Processor {
    /// The processor, and what folds the events whose fetches are done.
    pub fn new(db: Db, clock: Clock, fetcher: Fetcher, bell: FeedBell) -> (Self, Folder) {
        let (fetched, events) = mpsc::channel(FETCHED);
        let processor = Self {
            db,
            clock,
            fetcher,
            bell,
            fetching: TaskTracker::new(),
            lanes: Lanes::new(),
            fetched,
        };
        let folder = Folder {
            processor: processor.clone(),
            events,
        };
        (processor, folder)
    }

    /// Processes what is due, once; the number of events that were taken out.
    pub async fn run_due(&self) -> Result<usize> {
        let txn = self.db.begin().await?;
        let mut events = lease::claim::<stripe_event::Entity>(&txn, self.clock.now(), LEASE, BATCH).await?;
        txn.commit().await?;
        // In the order in which they came, so that the feed tells of them in that order.
        events.sort_by_key(|event| event.id);
        let claimed = events.len();
        let mut sorted = Sorted::default();
        for event in events {
            match guarded(self.read(&event)).await {
                Ok(Next::Fold(facts)) => sorted.ready.push(Told {
                    event,
                    learned: (*facts).into(),
                    log: Vec::new(),
                }),
                Ok(Next::Fetch(work)) => match self.lanes.enter(feed(&event)) {
                    Ok(place) => sorted.to_fetch.push((event, work, place)),
                    Err(again) => sorted.no_room.entry(again.as_secs()).or_default().push(event.id),
                },
                Ok(Next::Closed) => {}
                Ok(Next::Done(outcome, why)) => sorted.done.entry((outcome, why)).or_default().push(event.id),
                Err(error) => self.failed(&event, Reason::Fault, &error.to_string()).await?,
            }
        }
        self.note(&sorted).await?;
        for (event, work, place) in sorted.to_fetch {
            self.fetch_aside(event, work, place);
        }
        self.fold(sorted.ready).await?;
        Ok(claimed)
    }

    /// Reads one event; what tells nothing of a sale, or cannot be read, is done with.
    async fn read(&self, event: &stripe_event::Model) -> Result<Next> {
        let unreadable = |why: String| Ok(Next::Done(Outcome::Parked(Reason::Unreadable), why));
        let body: Value = match serde_json::from_slice(&event.body) {
            Ok(body) => body,
            Err(error) => return unreadable(error.to_string()),
        };
        match drift::notice(&body) {
            Some(Ok(notice)) => return self.hear(event, notice).await,
            Some(Err(why)) => return unreadable(why.to_owned()),
            None => {}
        }
        let reading = match read_event(&body) {
            Ok(Reading::Nothing(why)) => return Ok(Next::Done(Outcome::Ignored, why.to_owned())),
            Ok(reading) => reading,
            Err(error) => return unreadable(error.to_string()),
        };
        match reading {
            Reading::Facts(facts) if self.fetcher.needs(feed(event), &facts, &facts).await?.is_empty() => {
                Ok(Next::Fold(facts))
            }
            reading => Ok(Next::Fetch(Work::Complete(reading))),
        }
    }

    /// What is told of a coupon or a code goes its own way: no sale has to do with it.
    async fn hear(&self, event: &stripe_event::Model, notice: Notice) -> Result<Next> {
        Ok(match self.fetcher.hear(event, &notice).await? {
            Heard::Closed(outcome) => {
                outcome.count(1);
                Next::Closed
            }
            _ => Next::Fetch(Work::Look(notice)),
        })
    }

    /// Writes down what became of a batch, but for what is folded.
    async fn note(&self, sorted: &Sorted) -> Result<()> {
        let now = self.clock.now();
        let txn = self.db.begin().await?;
        for ((outcome, why), ids) in &sorted.done {
            outcome.count(ids.len());
            queue::close(&txn, ids.iter().copied(), outcome.status(), Some(why)).await?;
        }
        if !sorted.to_fetch.is_empty() {
            let ids = sorted.to_fetch.iter().map(|(event, ..)| event.id);
            queue::hold(&txn, ids, now + FETCH_LEASE).await?;
        }
        for (seconds, ids) in &sorted.no_room {
            queue::give_back(&txn, ids.iter().copied(), now + Duration::from_secs(*seconds)).await?;
        }
        txn.commit().await?;
        Ok(())
    }

    /// Lets an event wait for Stripe without holding up the others.
    fn fetch_aside(&self, event: stripe_event::Model, work: Work, place: Place) {
        let processor = self.clone();
        self.fetching.spawn(async move {
            let done = match place.turn().await {
                Some(_turn) => match work {
                    Work::Complete(reading) => processor.fetch(event, reading).await,
                    Work::Look(notice) => processor.look(event, notice).await,
                },
                None => processor.give_back(event.id).await,
            };
            if let Err(error) = done {
                tracing::warn!(%error, "an event that needs Stripe was not processed; its lease will end");
            }
        });
    }

    /// Its turn did not come: it was not tried, and is due again at once.
    async fn give_back(&self, event: EventId) -> Result<()> {
        let txn = self.db.begin().await?;
        queue::give_back(&txn, [event], self.clock.now()).await?;
        txn.commit().await?;
        Ok(())
    }

    async fn fetch(&self, event: stripe_event::Model, reading: Reading) -> Result<()> {
        let mut log = Vec::new();
        let complete = guarded(self.fetcher.complete(&event, reading, &mut log));
        let complete = tokio::time::timeout(FETCH_TIMEOUT, complete).await;
        let fetched = complete.unwrap_or_else(|_| {
            let why = "Stripe did not answer in time".to_owned();
            Ok(Fetched::Later(Reason::Unanswered, why))
        });
        let learned = match fetched? {
            Fetched::Facts(learned) => *learned,
            Fetched::Unreadable(why) => return self.finish(&event, Outcome::Parked(Reason::Unreadable), &why).await,
            Fetched::Ignored(why) => return self.finish(&event, Outcome::Ignored, why).await,
            Fetched::Later(reason, why) => return self.failed(&event, reason, &why).await,
        };
        let told = Told { event, learned, log };
        // Without its receiver the server is stopping, and the event is taken up again.
        let _ = self.fetched.send(told).await;
        Ok(())
    }

    async fn look(&self, event: stripe_event::Model, notice: Notice) -> Result<()> {
        let look = tokio::time::timeout(FETCH_TIMEOUT, guarded(self.fetcher.look(&event, &notice)));
        let heard = look.await.unwrap_or_else(|_| {
            let why = "Stripe did not answer in time".to_owned();
            Ok(Heard::Later(Reason::Unanswered, why))
        });
        match heard {
            Ok(Heard::Closed(outcome)) => outcome.count(1),
            Ok(Heard::Look | Heard::Again) => self.give_back(event.id).await?,
            Ok(Heard::Later(reason, why)) => self.failed(&event, reason, &why).await?,
            Err(error) => self.failed(&event, Reason::Fault, &error.to_string()).await?,
        }
        Ok(())
    }

    /// Folds events into their sales: together, and where that fails, each alone.
    async fn fold(&self, told: Vec<Told>) -> Result<()> {
        if told.is_empty() {
            return Ok(());
        }
        let Err(error) = self.fold_again(&told).await else {
            return Ok(());
        };
        tracing::debug!(%error, events = told.len(), "a batch was not committed; its events are tried one by one");
        for one in &told {
            if let Err(error) = self.fold_again(std::slice::from_ref(one)).await {
                self.failed(&one.event, Reason::Fault, &error.to_string()).await?;
            }
        }
        Ok(())
    }

    /// At once again where another worker was in the way.
    async fn fold_again(&self, told: &[Told]) -> Result<()> {
        for _ in 0..MAX_CONFLICTS {
            match guarded(self.fold_together(told)).await {
                Err(Error::Retry(reason)) => tracing::debug!(reason, "once more"),
                result => return result,
            }
            tokio::time::sleep(CONFLICT_PAUSE).await;
        }
        guarded(self.fold_together(told)).await
    }

    async fn fold_together(&self, told: &[Told]) -> Result<()> {
        let txn = self.db.begin().await?;
        let facts = told.iter().map(|one| (feed(&one.event), one.learned.facts.clone()));
        let moved = fold::fold_in_txn(&txn, &self.clock, facts).await?;
        let log = told.iter().flat_map(|one| one.log.iter().cloned());
        let log: Vec<_> = log.map(IntoActiveModel::into_active_model).collect();
        if !log.is_empty() {
            stripe_object::Entity::insert_many(log)
                .exec_without_returning(&txn)
                .await?;
        }
        let now = self.clock.now();
        let mut ends: BTreeMap<_, Vec<EventId>> = BTreeMap::new();
        for one in told {
            ends.entry(one.end(&moved, now)).or_default().push(one.event.id);
        }
        for (end, ids) in &ends {
            let ids = ids.iter().copied();
            match end {
                End::Done(outcome, why) => queue::close(&txn, ids, outcome.status(), *why).await?,
                End::Again(at) => queue::give_back(&txn, ids, *at).await?,
            }
        }
        let told_feeds = moved.write_in_txn(&txn, &self.clock).await?;
        txn.commit().await?;
        for (end, ids) in &ends {
            if let End::Done(outcome, _) = end {
                outcome.count(ids.len());
            }
        }
        if !told_feeds.is_empty() {
            self.bell.ring();
        }
        Ok(())
    }

    /// Tries an event again later, or sets it aside when that went on for too long.
    async fn failed(&self, event: &stripe_event::Model, reason: Reason, why: &str) -> Result<()> {
        let now = self.clock.now();
        if now - event.received_at > reason.patience() {
            return self.finish(event, Outcome::Parked(reason), why).await;
        }
        let attempts = event.attempts + 1;
        tracing::warn!(event = %event.id, attempts, why, "an event was not processed; it will be tried again");
        let exponent = u32::try_from(attempts - 1).unwrap_or(0).min(20);
        let seconds = (1_i64 << exponent).min(MAX_BACKOFF_SECONDS);
        let txn = self.db.begin().await?;
        queue::postpone(&txn, event.id, attempts, now + TimeDelta::seconds(seconds), why).await?;
        txn.commit().await?;
        Ok(())
    }

    /// Done with, without having told anything.
    async fn finish(&self, event: &stripe_event::Model, outcome: Outcome, why: &str) -> Result<()> {
        outcome.count(1);
        let txn = self.db.begin().await?;
        queue::close(&txn, [event.id], outcome.status(), Some(why)).await?;
        txn.commit().await?;
        Ok(())
    }
}

/// Folds the events whose fetches are done: what comes while a transaction is in flight goes into the next one.
pub struct Folder {
    processor: Processor,
    events: mpsc::Receiver<Told>,
}

impl Folder {
    /// Runs until it is dropped.
    pub async fn run(mut self) {
        let mut batch = Vec::new();
        while self.events.recv_many(&mut batch, FETCHED).await > 0 {
            if let Err(error) = self.processor.fold(std::mem::take(&mut batch)).await {
                tracing::warn!(%error, "fetched events were not processed; their leases will end");
            }
        }
    }
}

/// How to go on with an event.
enum Next {
    Fold(Box<Facts>),
    Fetch(Work),
    /// It is done with, and why.
    Done(Outcome, String),
    /// It is done with, and that is written down.
    Closed,
}

/// What Stripe is asked for.
enum Work {
    /// What is missing of a sale.
    Complete(Reading),
    /// How a coupon or a code is.
    Look(Notice),
}

/// A batch, sorted by how to go on.
#[derive(Default)]
struct Sorted {
    ready: Vec<Told>,
    to_fetch: Vec<(stripe_event::Model, Work, Place)>,
    /// They would be fetched, but all places are taken: by the seconds in which they come again.
    no_room: BTreeMap<u64, Vec<EventId>>,
    done: BTreeMap<(Outcome, String), Vec<EventId>>,
}
