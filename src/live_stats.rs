//! Live figures of codes: what the feed says has moved is read once for all who listen, a few times a second.
//!
//! All rows of the feed that come within [`GATHERED`] are told as one: each code once, with its figures as they are
//! then, under the cursor of the last row that told of it, in the order of those rows. So whoever resumes after a cursor
//! is told of every code that moved since, and nothing piles up for who is slow: what it did not hear is read from the
//! database again, each code once.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};

use entity::{
    feed_event,
    id::{AffiliateId, CodeId},
};
use futures_util::{Stream, StreamExt};
use tokio::{
    sync::broadcast,
    time::{Instant, timeout, timeout_at},
};

use crate::{
    domain::{
        Domain,
        feed::{self, FeedName},
        stats::{self, CodeStats},
    },
    error::Result,
    graphql::loaders::Loaders,
    live::Live,
};

/// For how long rows are gathered.
const GATHERED: Duration = Duration::from_millis(250);
/// How many items a listener may lag behind before it reads from the database again.
const KEPT: usize = 1024;
/// How often it is looked whether anybody listens still, and after an error.
const INTERVAL: Duration = Duration::from_secs(1);

/// A code's figures, and the last row of the feed that told of them.
#[derive(Clone)]
pub struct Figures {
    pub event: Arc<feed_event::Model>,
    pub stats: Arc<CodeStats>,
    /// Shared by all who hear of it.
    pub loaders: Arc<Loaders>,
}

type Channel = broadcast::Sender<Figures>;

/// Hands out the figures of all feeds. Clones share one.
#[derive(Clone)]
pub struct LiveStats {
    live: Live,
    channels: Arc<Mutex<HashMap<FeedName, Weak<Channel>>>>,
}

impl LiveStats {
    pub fn new(live: Live) -> Self {
        Self {
            live,
            channels: Arc::default(),
        }
    }

    /// The figures of every code that moves after a place in the feed, and on as they move; of one affiliate's codes,
    /// where one is given.
    pub async fn listen(
        &self,
        name: FeedName,
        affiliate: Option<AffiliateId>,
        after: Option<i64>,
    ) -> Result<impl Stream<Item = Result<Figures>> + use<>> {
        let domain = self.live.domain.of_brand(name.brand);
        let newest = feed::newest(&domain, name).await?;
        let channel = self.channel(name, newest);
        let listener = Listener {
            domain,
            name,
            affiliate,
            receiver: channel.subscribe(),
            last: after.unwrap_or(newest),
            backlog: VecDeque::new(),
            behind: true,
            failed: false,
            _channel: channel,
        };
        Ok(futures_util::stream::unfold(listener, |mut listener| async move {
            let figures = listener.next().await;
            figures.map(|figures| (figures, listener))
        }))
    }

    /// The feed's channel; the first listener starts what gathers for it, and the last one's leaving ends that.
    fn channel(&self, name: FeedName, newest: i64) -> Arc<Channel> {
        let mut channels = self.channels.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(channel) = channels.get(&name).and_then(Weak::upgrade) {
            return channel;
        }
        channels.retain(|_, channel| channel.strong_count() > 0);
        let channel = Arc::new(Channel::new(KEPT));
        channels.insert(name, Arc::downgrade(&channel));
        let (live, weak) = (self.live.clone(), Arc::downgrade(&channel));
        let stop = self.live.shutdown.clone();
        let gathering = async move { stop.run_until_cancelled(gather(live, name, weak, newest)).await };
        self.live.tasks.spawn(gathering);
        channel
    }
}

/// Gathers and hands out, until nobody listens.
async fn gather(live: Live, name: FeedName, channel: Weak<Channel>, mut last: i64) {
    while channel.strong_count() > 0 {
        if let Err(error) = gather_after(&live, name, &channel, &mut last).await {
            tracing::warn!(%error, "the figures could not be read; trying again");
            tokio::time::sleep(INTERVAL).await;
        }
    }
}

/// The same, until it cannot read; `last` is the row up to which all was handed out.
async fn gather_after(live: &Live, name: FeedName, channel: &Weak<Channel>, last: &mut i64) -> Result<()> {
    let domain = live.domain.of_brand(name.brand);
    let feed = live.listen(name, None, Some(*last)).await?;
    tokio::pin!(feed);
    while channel.strong_count() > 0 {
        let Ok(first) = timeout(INTERVAL, feed.next()).await else {
            continue;
        };
        let (mut moved, mut next) = (HashMap::new(), first);
        let until = Instant::now() + GATHERED;
        let reached = loop {
            let Some(item) = next else { return Ok(()) };
            let event = item?.event;
            let sequence = event.sequence;
            if let Some(code) = event.code_id {
                moved.insert(code, event);
            }
            match timeout_at(until, feed.next()).await {
                Ok(item) => next = item,
                Err(_) => break sequence,
            }
        };
        let figures = read(&domain, name, moved).await?;
        let Some(channel) = channel.upgrade() else {
            return Ok(());
        };
        for item in figures {
            // Nobody may listen at this moment; whoever comes reads from the database.
            let _ = channel.send(item);
        }
        *last = reached;
    }
    Ok(())
}

/// The figures of codes as they are now, in the order of the rows that told of them.
async fn read(
    domain: &Domain,
    name: FeedName,
    mut moved: HashMap<CodeId, Arc<feed_event::Model>>,
) -> Result<Vec<Figures>> {
    let mut codes: Vec<CodeId> = moved.keys().copied().collect();
    codes.sort_unstable();
    let loaders = Arc::new(Loaders::of_feed(domain, name));
    let mut figures = Vec::new();
    for some in codes.chunks(usize::try_from(feed::BATCH).unwrap_or(usize::MAX)) {
        for stats in stats::of_codes(domain, name, some).await? {
            if let Some(event) = moved.remove(&stats.code.id) {
                let (stats, loaders) = (Arc::new(stats), loaders.clone());
                figures.push(Figures { event, stats, loaders });
            }
        }
    }
    figures.sort_by_key(|item| item.event.sequence);
    Ok(figures)
}

/// One subscription's place.
struct Listener {
    domain: Domain,
    name: FeedName,
    /// Whose codes it hears of; `None` for all.
    affiliate: Option<AffiliateId>,
    receiver: broadcast::Receiver<Figures>,
    /// The row of the last figures that were given or passed over.
    last: i64,
    backlog: VecDeque<Figures>,
    /// There may be rows in the database that the channel will not bring.
    behind: bool,
    /// It could not read, and has said so: the subscriber comes again with its cursor.
    failed: bool,
    /// Keeps the gathering going.
    _channel: Arc<Channel>,
}

impl Listener {
    async fn catch_up(&mut self) -> Result<()> {
        let rows = feed::codes_after(&self.domain, self.name, self.affiliate, self.last).await?;
        self.behind = rows.len() as u64 >= feed::BATCH;
        let moved = rows.into_iter().filter_map(|row| Some((row.code_id?, Arc::new(row))));
        self.backlog = read(&self.domain, self.name, moved.collect()).await?.into();
        Ok(())
    }

    async fn next(&mut self) -> Option<Result<Figures>> {
        if self.failed {
            return None;
        }
        loop {
            if let Some(figures) = self.backlog.pop_front() {
                self.last = figures.event.sequence;
                return Some(Ok(figures));
            }
            if self.behind {
                if let Err(error) = self.catch_up().await {
                    self.failed = true;
                    return Some(Err(error));
                }
                continue;
            }
            match self.receiver.recv().await {
                Ok(figures) if figures.event.sequence <= self.last => {}
                Ok(figures) => {
                    self.last = figures.event.sequence;
                    if self.affiliate.is_none_or(|own| own == figures.event.affiliate_id) {
                        return Some(Ok(figures));
                    }
                }
                Err(broadcast::error::RecvError::Lagged(_)) => self.behind = true,
                Err(broadcast::error::RecvError::Closed) => return None,
            }
        }
    }
}
