//! The totals, and the feed: what many sales share. Moved by deltas, in order, last in the transaction.

use std::collections::{BTreeMap, BTreeSet};

use entity::{
    affiliate_balance, code, code_money,
    code_total::{self, ALL_TIME},
    conversion::{self, ConversionKind},
    feed_counter,
    feed_event::{self, FeedKind},
    id::{AffiliateId, CodeId},
    redemption,
};
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, ExprTrait, IdenStatic, IntoActiveModel, QueryFilter, QueryOrder,
    QuerySelect, Set,
    sea_query::{Expr, OnConflict},
};

use super::apply::{About, News};
use crate::{
    clock::Clock,
    domain::{feed::FeedName, stats},
    error::{Error, Result},
};

/// Deltas of one brand and mode.
#[derive(Debug, Default)]
pub struct Totals {
    /// Redemptions, refunded redemptions and renewals, by code and hour.
    counts: BTreeMap<(CodeId, i64), [i64; 3]>,
    /// Revenue, refunds and commission, by code, hour and currency.
    money: BTreeMap<(CodeId, i64, String), [i64; 3]>,
    balances: BTreeMap<(AffiliateId, String), i64>,
}

fn add(into: &mut [i64; 3], delta: [i64; 3]) {
    for (sum, part) in into.iter_mut().zip(delta) {
        *sum += part;
    }
}

impl Totals {
    /// Adds (`sign` 1) or takes off (-1) what a conversion counts for.
    pub fn conversion(&mut self, row: &conversion::Model, sign: i64) {
        let Some(code) = stats::credited_code(row) else { return };
        for hour in [ALL_TIME, stats::hour(row.occurred_at)] {
            let renewals = i64::from(row.kind == ConversionKind::Renewal);
            add(self.counts.entry((code, hour)).or_default(), [0, 0, sign * renewals]);
            let mut money = |currency: &String, delta| {
                add(self.money.entry((code, hour, currency.clone())).or_default(), delta);
            };
            money(&row.currency, [sign * row.amount, sign * row.refunded_amount, 0]);
            money(&row.commission_currency, [0, 0, sign * row.commission]);
        }
    }

    /// The same for a redemption.
    pub fn redemption(&mut self, row: &redemption::Model, sign: i64) {
        for hour in [ALL_TIME, stats::hour(row.occurred_at)] {
            let delta = if row.refunded { [0, sign, 0] } else { [sign, 0, 0] };
            add(self.counts.entry((row.code_id, hour)).or_default(), delta);
        }
    }

    /// The same for an entry of the ledger.
    pub fn balance(&mut self, affiliate: AffiliateId, currency: &str, amount: i64) {
        *self.balances.entry((affiliate, currency.to_owned())).or_default() += amount;
    }

    /// What the feed has to tell of codes whose figures move. A code that a campaign's affiliates share is nobody's.
    pub async fn news_in_txn(&self, txn: &impl ConnectionTrait, feed: FeedName) -> Result<Vec<News>> {
        let counts = self.counts.iter().filter(|(_, delta)| **delta != [0; 3]);
        let money = self.money.iter().filter(|(_, delta)| **delta != [0; 3]);
        let codes: BTreeSet<CodeId> = counts
            .map(|(key, _)| key.0)
            .chain(money.map(|(key, _)| key.0))
            .collect();
        if codes.is_empty() {
            return Ok(Vec::new());
        }
        let owners: Vec<(CodeId, AffiliateId)> = code::Entity::find()
            .select_only()
            .columns([code::Column::Id, code::Column::AffiliateId])
            .filter(code::Column::Id.is_in(codes))
            .order_by_asc(code::Column::Id)
            .into_tuple()
            .all(txn)
            .await?;
        let news = owners.into_iter().map(|(code, affiliate)| News {
            feed,
            kind: FeedKind::CodeStatsUpdated,
            about: About::Code(code),
            affiliate,
        });
        Ok(news.collect())
    }

    /// Moves the totals.
    pub async fn write_in_txn(self, txn: &impl ConnectionTrait, feed: FeedName) -> Result<()> {
        let counts = self.counts.into_iter().filter(|(_, delta)| *delta != [0; 3]);
        let rows = counts.map(
            |((code, hour), [redemptions, refunded, renewals])| code_total::ActiveModel {
                code_id: Set(code),
                hour: Set(hour),
                brand_id: Set(feed.brand),
                livemode: Set(feed.livemode),
                redemptions: Set(redemptions),
                refunded_redemptions: Set(refunded),
                renewals: Set(renewals),
            },
        );
        {
            use code_total::Column::{CodeId, Hour, Redemptions, RefundedRedemptions, Renewals};
            let sums = [Redemptions, RefundedRedemptions, Renewals];
            add_rows::<code_total::Entity>(txn, rows.collect(), &[CodeId, Hour], &sums).await?;
        }
        let money = self.money.into_iter().filter(|(_, delta)| *delta != [0; 3]);
        let rows = money.map(
            |((code, hour, currency), [revenue, refunded, commission])| code_money::ActiveModel {
                code_id: Set(code),
                hour: Set(hour),
                currency: Set(currency),
                brand_id: Set(feed.brand),
                livemode: Set(feed.livemode),
                revenue: Set(revenue),
                refunded: Set(refunded),
                commission: Set(commission),
            },
        );
        {
            use code_money::Column::{CodeId, Commission, Currency, Hour, Refunded, Revenue};
            let sums = [Revenue, Refunded, Commission];
            add_rows::<code_money::Entity>(txn, rows.collect(), &[CodeId, Hour, Currency], &sums).await?;
        }
        let balances = self.balances.into_iter().filter(|(_, delta)| *delta != 0);
        let rows = balances.map(|((affiliate, currency), amount)| affiliate_balance::ActiveModel {
            affiliate_id: Set(affiliate),
            livemode: Set(feed.livemode),
            currency: Set(currency),
            brand_id: Set(feed.brand),
            amount: Set(amount),
        });
        use affiliate_balance::Column::{AffiliateId, Amount, Currency, Livemode};
        let key = [AffiliateId, Livemode, Currency];
        add_rows::<affiliate_balance::Entity>(txn, rows.collect(), &key, &[Amount]).await
    }
}

/// Inserts rows; where one is there already, its sums grow by the new ones. The rows are in the order of their key.
async fn add_rows<E>(
    txn: &impl ConnectionTrait,
    rows: Vec<E::ActiveModel>,
    key: &[E::Column],
    sums: &[E::Column],
) -> Result<()>
where
    E: EntityTrait,
    E::ActiveModel: Send,
{
    const CHUNK: usize = 500;
    let mut on_conflict = OnConflict::columns(key.iter().copied());
    for column in sums {
        let new = Expr::cust(format!("excluded.{}", column.as_str()));
        on_conflict.value(*column, Expr::col((E::default(), *column)).add(new));
    }
    let mut rows = rows.into_iter().peekable();
    while rows.peek().is_some() {
        let chunk: Vec<_> = rows.by_ref().take(CHUNK).collect();
        E::insert_many(chunk)
            .on_conflict(on_conflict.clone())
            .exec_without_returning(txn)
            .await?;
    }
    Ok(())
}

/// Writes the feed's rows. Their numbers come from the counter's row, whose lock is held to the commit, so that they
/// become visible in order.
pub async fn tell_in_txn(txn: &impl ConnectionTrait, clock: &Clock, news: Vec<News>) -> Result<Vec<FeedName>> {
    let mut feeds: BTreeMap<_, Vec<News>> = BTreeMap::new();
    for item in news {
        feeds
            .entry((item.feed.brand, item.feed.livemode))
            .or_default()
            .push(item);
    }
    let mut told = Vec::new();
    for ((brand, livemode), news) in feeds {
        let count = i64::try_from(news.len()).unwrap_or(i64::MAX);
        let last = take_numbers(txn, brand, livemode, count).await?;
        let now = clock.now();
        let rows = news
            .iter()
            .zip(last - count + 1..)
            .map(|(item, sequence)| feed_event::Model {
                brand_id: brand,
                livemode,
                sequence,
                id: clock.new_id(),
                kind: item.kind,
                conversion_id: match item.about {
                    About::Conversion(id) => Some(id),
                    About::Code(_) => None,
                },
                affiliate_id: item.affiliate,
                created_at: now,
                code_id: match item.about {
                    About::Code(id) => Some(id),
                    About::Conversion(_) => None,
                },
            })
            .map(IntoActiveModel::into_active_model);
        feed_event::Entity::insert_many(rows)
            .exec_without_returning(txn)
            .await?;
        told.push(FeedName { brand, livemode });
    }
    Ok(told)
}

/// Takes the next `count` numbers of a feed; the last of them.
async fn take_numbers(
    txn: &impl ConnectionTrait,
    brand: entity::id::BrandId,
    livemode: bool,
    count: i64,
) -> Result<i64> {
    use feed_counter::Column::{BrandId, LastSequence, Livemode};
    let row = feed_counter::ActiveModel {
        brand_id: Set(brand),
        livemode: Set(livemode),
        last_sequence: Set(count),
        ..Default::default()
    };
    let grown = Expr::col((feed_counter::Entity, LastSequence)).add(count);
    let counter = feed_counter::Entity::insert(row)
        .on_conflict(
            OnConflict::columns([BrandId, Livemode])
                .value(LastSequence, grown)
                .to_owned(),
        )
        .exec_with_returning(txn)
        .await?;
    if counter.last_sequence < count {
        return Err(Error::Internal("the feed's counter went back".into()));
    }
    Ok(counter.last_sequence)
}
