//! Folds facts into their sales: merges, projects and applies, in the caller's transaction. The inbox and the rebuild
//! both come through here, so that what is replayed is what was done.

use std::collections::{BTreeMap, BTreeSet};

use entity::id::ClickId;
use sea_orm::ConnectionTrait;

use super::{
    apply::{self, News},
    evidence,
    facts::{Facts, charges_with_failed_refunds},
    sales,
    totals::{self, Totals},
};
use crate::{clock::Clock, domain::feed::FeedName, error::Result};

/// What is to be moved once all else is written: the rows that many sales share.
#[derive(Default)]
#[must_use = "the totals and the feed would stay behind"]
pub struct Moved {
    totals: Vec<(FeedName, Totals)>,
    news: Vec<News>,
    /// Charges of which what is merged does not say what stands of their refunds.
    pub unclear: BTreeSet<(FeedName, String)>,
    /// Clicks that are named, and not known.
    pub unseen: BTreeSet<(FeedName, ClickId)>,
}

/// Folds facts of any brands and modes into their sales.
pub async fn fold_in_txn(
    txn: &impl ConnectionTrait,
    clock: &Clock,
    told: impl IntoIterator<Item = (FeedName, Facts)>,
) -> Result<Moved> {
    let mut feeds: BTreeMap<FeedName, Vec<Facts>> = BTreeMap::new();
    for (feed, facts) in told {
        feeds.entry(feed).or_default().push(facts);
    }
    let mut moved = Moved::default();
    for (feed, facts) in feeds {
        let sales = sales::merge_in_txn(txn, clock, feed, facts).await?;
        let facts: Vec<&Facts> = sales.iter().map(|sale| &sale.facts).collect();
        let unclear = facts.iter().flat_map(|facts| charges_with_failed_refunds(facts));
        moved.unclear.extend(unclear.map(|charge| (feed, charge.clone())));
        let evidence = evidence::load(txn, feed, &facts).await?;
        let named = facts.iter().flat_map(|facts| facts.clicks());
        let unseen = named.filter(|click| !evidence.known.clicks.contains_key(click));
        moved.unseen.extend(unseen.map(|click| (feed, click)));
        let (totals, told) = apply::apply_in_txn(txn, clock, feed, sales, &evidence).await?;
        moved.totals.push((feed, totals));
        moved.news.extend(told);
    }
    Ok(moved)
}

impl Moved {
    /// Moves the totals and tells the feed, last in the transaction; the feeds that were told something.
    pub async fn write_in_txn(self, txn: &impl ConnectionTrait, clock: &Clock) -> Result<Vec<FeedName>> {
        let mut news = self.news;
        for (feed, totals) in self.totals {
            news.extend(totals.news_in_txn(txn, feed).await?);
            totals.write_in_txn(txn, feed).await?;
        }
        totals::tell_in_txn(txn, clock, news).await
    }
}
