//! Folds facts into their sales: merges, projects and applies, in the caller's transaction. The inbox and the rebuild
//! both come through here, so that what is replayed is what was done.

use std::collections::BTreeMap;

use sea_orm::ConnectionTrait;

use super::{
    apply::{self, News},
    evidence,
    facts::Facts,
    sales,
    totals::{self, Totals},
};
use crate::{clock::Clock, domain::feed::FeedName, error::Result};

/// What is to be moved once all else is written: the rows that many sales share.
#[must_use = "the totals and the feed would stay behind"]
pub struct Moved {
    totals: Vec<(FeedName, Totals)>,
    news: Vec<News>,
}

/// Folds facts of any brands and modes into their sales.
pub async fn fold_in_txn(
    txn: &impl ConnectionTrait,
    clock: &Clock,
    told: impl IntoIterator<Item = (FeedName, Facts)>,
) -> Result<Moved> {
    let mut feeds: BTreeMap<_, Vec<Facts>> = BTreeMap::new();
    for (feed, facts) in told {
        feeds.entry((feed.brand, feed.livemode)).or_default().push(facts);
    }
    let (mut all_totals, mut news) = (Vec::new(), Vec::new());
    for ((brand, livemode), facts) in feeds {
        let feed = FeedName { brand, livemode };
        let sales = sales::merge_in_txn(txn, clock, feed, facts).await?;
        let facts: Vec<&Facts> = sales.iter().map(|sale| &sale.facts).collect();
        let evidence = evidence::load(txn, feed, &facts).await?;
        let (totals, told) = apply::apply_in_txn(txn, clock, feed, sales, &evidence).await?;
        all_totals.push((feed, totals));
        news.extend(told);
    }
    Ok(Moved {
        totals: all_totals,
        news,
    })
}

impl Moved {
    /// Moves the totals and tells the feed, last in the transaction; the feeds that were told something.
    pub async fn write_in_txn(self, txn: &impl ConnectionTrait, clock: &Clock) -> Result<Vec<FeedName>> {
        for (feed, totals) in self.totals {
            totals.write_in_txn(txn, feed).await?;
        }
        totals::tell_in_txn(txn, clock, self.news).await
    }
}
