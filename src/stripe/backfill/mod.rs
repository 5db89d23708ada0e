//! Fetches what Stripe could not deliver, and sales from before Rekomi was connected.
//!
//! It is another way into the inbox, and nothing more: events are stored as the webhook route stores them, and what comes
//! after that (reading, fetching, folding, replaying, rebuilding) knows no difference.
//!
//! **Invariants.** What is there already is not stored again, so that it may be done as often as one likes. What was
//! stored stays, however it ends. Memory does not grow with what is fetched: a page is stored before the next is asked
//! for.

mod lists;
mod owed;

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use entity::id::BrandId;
use serde::Serialize;
use tokio::sync::Notify;

use super::{
    answers::CallError,
    client::{Page, Stripe},
    inbox,
};
use crate::{
    clock::Clock,
    db::Db,
    directory::{Directory, Way},
    error::Result,
};
use lists::List;

/// The pauses before a page is asked for again.
const PAUSES: [Duration; 3] = [Duration::from_secs(1), Duration::from_secs(2), Duration::from_secs(4)];

#[derive(Clone)]
pub struct Backfill {
    pub db: Db,
    pub clock: Clock,
    pub directory: Directory,
    pub stripe: Stripe,
    /// Rung when there are new events in the inbox.
    pub stored: Arc<Notify>,
    /// Rung when something is owed.
    pub wake: Arc<Notify>,
}

/// What became of one list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Told {
    /// As in Stripe's paths; `coupon_events` are events, too.
    pub list: &'static str,
    pub fetched: u64,
    /// Of those, how many were not in the inbox yet.
    pub new: u64,
    /// Why there may be more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// Why a list was not fetched to its end.
enum Trouble {
    /// Of this list alone: the key may not read it.
    Here(String),
    /// The others would fare no better.
    Everywhere(String),
}

impl Backfill {
    /// Fetches a brand's lists since a moment, one after the other, and tells of each.
    pub async fn run(&self, brand: BrandId, way: &Way, since: DateTime<Utc>, mut tell: impl FnMut(&Told)) -> Vec<Told> {
        let mut all = Vec::new();
        let mut failed = None;
        for list in lists::reaching(since, self.clock.now()) {
            let mut told = Told {
                list: list.name,
                fetched: 0,
                new: 0,
                error: failed.map(|list| format!("not asked for after what became of {list}")),
            };
            if failed.is_none() {
                match self.fetch(brand, way, since, &list, &mut told).await {
                    Ok(()) => {}
                    Err(Trouble::Here(why)) => told.error = Some(why),
                    Err(Trouble::Everywhere(why)) => {
                        told.error = Some(why);
                        failed = Some(list.name);
                    }
                }
            }
            tell(&told);
            all.push(told);
        }
        all
    }

    async fn fetch(
        &self,
        brand: BrandId,
        way: &Way,
        since: DateTime<Utc>,
        list: &List,
        told: &mut Told,
    ) -> Result<(), Trouble> {
        let mut after: Option<String> = None;
        loop {
            let page = self.page(way, since, list, after.as_deref()).await?;
            let last = page.data.last().and_then(lists::id).map(str::to_owned);
            if last.is_some() && last == after {
                return Err(Trouble::Here("Stripe gives the same page again and again".to_owned()));
            }
            let has_more = page.has_more && last.is_some();
            after = last;
            let fetched = page.data.len() as u64;
            let new = self.store(brand, way, list, page).await.map_err(Trouble::Everywhere)?;
            told.fetched += fetched;
            told.new += new;
            if !has_more {
                return Ok(());
            }
        }
    }

    /// One page, asked for again where Stripe is busy or cannot be reached.
    async fn page(&self, way: &Way, since: DateTime<Utc>, list: &List, after: Option<&str>) -> Result<Page, Trouble> {
        let (path, query) = (format!("/{}", list.path), list.page(since, after));
        let mut pauses = PAUSES.into_iter();
        loop {
            let error = match self.stripe.list(way, &path, &query).await {
                Ok(page) => return Ok(page),
                Err(error) => error,
            };
            let why = error.message().to_owned();
            match error {
                CallError::Refused(refused) if refused.status == 401 => return Err(Trouble::Everywhere(why)),
                CallError::Refused(_) => return Err(Trouble::Here(why)),
                CallError::Server(trouble)
                | CallError::Spent(trouble)
                | CallError::Unknown(trouble)
                | CallError::Unsent(trouble) => match pauses.next() {
                    Some(pause) => tokio::time::sleep(pause.max(trouble.wait.unwrap_or_default())).await,
                    None => return Err(Trouble::Everywhere(why)),
                },
            }
        }
    }

    /// Puts a page into the inbox; how many were not there yet.
    async fn store(&self, brand: BrandId, way: &Way, list: &List, page: Page) -> Result<u64, String> {
        let mut rows = Vec::with_capacity(page.data.len());
        for object in page.data {
            let event = list.event(object, way.livemode(), self.clock.now());
            let (envelope, body) = event.map_err(|error| error.to_string())?;
            rows.push(envelope.into_row(&self.clock, brand, body, None));
        }
        let fetched = rows.len() as u64;
        let stored = inbox::store(&self.db, rows).await;
        let new = stored.map_err(|error| format!("it could not be stored: {error}"))?;
        metrics::counter!("rekomi_backfill_events_total", "outcome" => "new").increment(new);
        metrics::counter!("rekomi_backfill_events_total", "outcome" => "known").increment(fetched - new);
        if new > 0 {
            self.stored.notify_one();
        }
        Ok(new)
    }
}

/// What was not fetched, and why; `None` when everything was.
pub fn failure(all: &[Told]) -> Option<String> {
    let failed = all.iter().filter_map(|told| {
        let why = told.error.as_ref()?;
        let before = match told.fetched {
            0 => String::new(),
            count => format!("after {count}, "),
        };
        Some(format!("{} ({before}{why})", told.list))
    });
    let failed: Vec<String> = failed.collect();
    (!failed.is_empty()).then(|| format!("not fetched: {}", failed.join("; ")))
}
