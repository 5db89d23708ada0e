//! Live delivery: each new row of the feed is read once and handed to all who listen, in memory.
//!
//! A subscription is a cursor on the feed: catching up and live delivery are the same stream. The hand-over between the
//! two leaves no gap: a listener joins first, then reads what it missed, then takes what is newer. A listener that falls
//! behind what is kept in memory reads from the database again, at its own pace; nothing grows with it.
//!
//! A wake-up only saves time: a timer finds what other instances wrote.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};

use entity::{
    conversion, feed_event,
    id::{AffiliateId, ConversionId},
};
use futures_util::Stream;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use tokio::sync::{Notify, broadcast};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    domain::{
        Domain,
        feed::{self, FeedName},
    },
    error::Result,
    graphql::loaders::Loaders,
};

/// How many items a listener may lag behind before it reads from the database again.
const KEPT: usize = 1024;
/// How often the feed is looked at without a wake-up.
const INTERVAL: Duration = Duration::from_millis(500);

/// A row of the feed with its conversion, and loaders that all who hear of it share, so that what they ask for is read
/// once, and fresh.
#[derive(Clone)]
pub struct Item {
    pub event: Arc<feed_event::Model>,
    /// `None` where it tells of figures.
    pub conversion: Option<Arc<conversion::Model>>,
    pub loaders: Arc<Loaders>,
}

/// Hands out the feeds. Clones share one.
#[derive(Clone)]
pub struct Live {
    /// Not confined: each feed is read as its brand.
    pub(crate) domain: Domain,
    told: Arc<Notify>,
    pub(crate) tasks: TaskTracker,
    pub(crate) shutdown: CancellationToken,
    channels: Arc<Mutex<HashMap<FeedName, Weak<broadcast::Sender<Item>>>>>,
}

impl Live {
    /// `told` is rung when this instance wrote to a feed.
    pub fn new(domain: Domain, told: Arc<Notify>, tasks: TaskTracker, shutdown: CancellationToken) -> Self {
        Self {
            domain,
            told,
            tasks,
            shutdown,
            channels: Arc::default(),
        }
    }

    /// Everything after a place in the feed, in order, once, and then on as it happens.
    ///
    /// An affiliate's catching up reads its own rows alone, so that neither its cost nor its time tells of the others;
    /// live, the rows of others come by and are the caller's to leave out.
    pub async fn listen(
        &self,
        name: FeedName,
        affiliate: Option<AffiliateId>,
        after: Option<i64>,
    ) -> Result<impl Stream<Item = Result<Item>> + use<>> {
        let domain = self.domain.of_brand(name.brand);
        let channel = self.channel(&domain, name).await?;
        let receiver = channel.subscribe();
        let last = match after {
            Some(sequence) => sequence,
            None => feed::newest(&domain, name).await?,
        };
        let listener = Listener {
            domain,
            name,
            affiliate,
            receiver,
            last,
            reached: last,
            backlog: Vec::new().into_iter(),
            behind: true,
            failed: false,
            _channel: channel,
        };
        Ok(futures_util::stream::unfold(listener, |mut listener| async move {
            let item = listener.next().await;
            item.map(|item| (item, listener))
        }))
    }

    /// The feed's channel; the first listener starts its reader, and the last one's leaving ends it.
    async fn channel(&self, domain: &Domain, name: FeedName) -> Result<Arc<broadcast::Sender<Item>>> {
        if let Some(channel) = self.open(name) {
            return Ok(channel);
        }
        let last = feed::newest(domain, name).await?;
        let mut channels = self.channels.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(channel) = channels.get(&name).and_then(Weak::upgrade) {
            return Ok(channel);
        }
        channels.retain(|_, channel| channel.strong_count() > 0);
        let channel = Arc::new(broadcast::Sender::new(KEPT));
        channels.insert(name, Arc::downgrade(&channel));
        let reader = self.clone();
        let weak = Arc::downgrade(&channel);
        self.tasks.spawn(async move { reader.read(name, weak, last).await });
        Ok(channel)
    }

    fn open(&self, name: FeedName) -> Option<Arc<broadcast::Sender<Item>>> {
        let channels = self.channels.lock().unwrap_or_else(PoisonError::into_inner);
        channels.get(&name).and_then(Weak::upgrade)
    }

    /// Reads new rows once and hands them out, until nobody listens.
    async fn read(&self, name: FeedName, channel: Weak<broadcast::Sender<Item>>, mut last: i64) {
        let domain = self.domain.of_brand(name.brand);
        loop {
            let woken = self.told.notified();
            tokio::pin!(woken);
            woken.as_mut().enable();
            let Some(open) = channel.upgrade() else { return };
            match items(&domain, name, None, last).await {
                Ok(items) => {
                    let full = items.len() as u64 >= feed::BATCH;
                    for item in items {
                        last = item.event.sequence;
                        // Nobody may listen at this moment; whoever comes reads from the database.
                        let _ = open.send(item);
                    }
                    if full {
                        continue;
                    }
                }
                Err(error) => tracing::warn!(%error, "the feed could not be read; trying again"),
            }
            drop(open);
            tokio::select! {
                () = woken => {}
                () = tokio::time::sleep(INTERVAL) => {}
                () = self.shutdown.cancelled() => return,
            }
        }
    }
}

/// The rows after a number, with their conversions.
async fn items(domain: &Domain, name: FeedName, affiliate: Option<AffiliateId>, after: i64) -> Result<Vec<Item>> {
    let events = feed::after(domain, name, affiliate, after).await?;
    if events.is_empty() {
        return Ok(Vec::new());
    }
    let ids: Vec<ConversionId> = events.iter().filter_map(|event| event.conversion_id).collect();
    let rows = conversion::Entity::find()
        .filter(conversion::Column::Id.is_in(ids))
        .all(domain.db.reader())
        .await?;
    let rows: HashMap<ConversionId, Arc<conversion::Model>> =
        rows.into_iter().map(|row| (row.id, Arc::new(row))).collect();
    let loaders = Arc::new(Loaders::of_feed(domain, name));
    let item = |event: feed_event::Model| Item {
        conversion: event.conversion_id.and_then(|id| rows.get(&id).cloned()),
        event: Arc::new(event),
        loaders: loaders.clone(),
    };
    Ok(events.into_iter().map(item).collect())
}

/// One subscription's place in the feed.
struct Listener {
    domain: Domain,
    name: FeedName,
    /// Whose rows are read when it catches up; `None` for all.
    affiliate: Option<AffiliateId>,
    receiver: broadcast::Receiver<Item>,
    /// The number of the last row that was given or passed over.
    last: i64,
    /// How far the feed had come before the backlog was read: up to there the backlog is all there is.
    reached: i64,
    backlog: std::vec::IntoIter<Item>,
    /// There may be rows in the database that the channel will not bring.
    behind: bool,
    /// It could not read, and has said so: the subscriber comes again with its cursor.
    failed: bool,
    /// Keeps the reader going.
    _channel: Arc<broadcast::Sender<Item>>,
}

impl Listener {
    async fn catch_up(&mut self) -> Result<()> {
        let newest = feed::newest(&self.domain, self.name).await?;
        let items = items(&self.domain, self.name, self.affiliate, self.last).await?;
        self.behind = items.len() as u64 >= feed::BATCH;
        if !self.behind {
            self.reached = newest;
        }
        self.backlog = items.into_iter();
        Ok(())
    }

    async fn next(&mut self) -> Option<Result<Item>> {
        if self.failed {
            return None;
        }
        loop {
            if let Some(item) = self.backlog.next() {
                self.last = item.event.sequence;
                return Some(Ok(item));
            }
            self.last = self.last.max(self.reached);
            if self.behind {
                match self.catch_up().await {
                    Ok(()) => {}
                    Err(error) => {
                        self.failed = true;
                        return Some(Err(error));
                    }
                }
                continue;
            }
            match self.receiver.recv().await {
                Ok(item) if item.event.sequence <= self.last => {}
                // A gap would mean a row that the channel did not bring: read it.
                Ok(item) if item.event.sequence > self.last + 1 => self.behind = true,
                Ok(item) => {
                    self.last = item.event.sequence;
                    return Some(Ok(item));
                }
                Err(broadcast::error::RecvError::Lagged(_)) => self.behind = true,
                Err(broadcast::error::RecvError::Closed) => return None,
            }
        }
    }
}
