//! The totals, and the feed: what many sales share. Moved by deltas, in order, last in the transaction.

use std::collections::{BTreeMap, BTreeSet};

use entity::{
    affiliate_balance,
    affiliate_total::{self, ALL_TIME, NO_CODE, NO_CURRENCY, NOBODY},
    campaign_code, campaign_total, code,
    conversion::{self, AttributionMethod, ConversionKind},
    feed_counter,
    feed_event::{self, FeedKind},
    id::{AffiliateId, CampaignId, CodeId},
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
    sums: BTreeMap<Key, Sums>,
    /// Redemptions and refunded ones, by code and hour: whose the code is, is looked up when they are written.
    uses: BTreeMap<(CodeId, i64), [i64; 2]>,
    balances: BTreeMap<(AffiliateId, String), i64>,
}

/// What a total is of. The order is that in which rows are touched.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    campaign: CampaignId,
    affiliate: AffiliateId,
    code: CodeId,
    method: AttributionMethod,
    hour: i64,
    currency: String,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Sums {
    conversions: i64,
    renewals: i64,
    redemptions: i64,
    refunded_redemptions: i64,
    revenue: i64,
    refunded: i64,
    commission: i64,
}

impl Sums {
    fn add(&mut self, other: Self) {
        self.conversions += other.conversions;
        self.renewals += other.renewals;
        self.redemptions += other.redemptions;
        self.refunded_redemptions += other.refunded_redemptions;
        self.revenue += other.revenue;
        self.refunded += other.refunded;
        self.commission += other.commission;
    }
}

impl Totals {
    /// Adds (`sign` 1) or takes off (-1) what a conversion counts for.
    pub fn conversion(&mut self, row: &conversion::Model, sign: i64) {
        let sold = Sums {
            conversions: sign,
            renewals: sign * i64::from(row.kind == ConversionKind::Renewal),
            revenue: sign * row.amount,
            refunded: sign * row.refunded_amount,
            ..Sums::default()
        };
        let earned = Sums {
            commission: sign * row.commission,
            ..Sums::default()
        };
        for hour in [ALL_TIME, stats::hour(row.occurred_at)] {
            for (currency, delta) in [(&row.currency, sold), (&row.commission_currency, earned)] {
                let key = Key {
                    campaign: row.campaign_id,
                    affiliate: row.affiliate_id,
                    code: stats::credited_code(row).unwrap_or(NO_CODE),
                    method: row.attribution_method,
                    hour,
                    currency: currency.clone(),
                };
                self.sums.entry(key).or_default().add(delta);
            }
        }
    }

    /// The same for a redemption.
    pub fn redemption(&mut self, row: &redemption::Model, sign: i64) {
        for hour in [ALL_TIME, stats::hour(row.occurred_at)] {
            self.uses.entry((row.code_id, hour)).or_default()[usize::from(row.refunded)] += sign;
        }
    }

    /// The same for an entry of the ledger.
    pub fn balance(&mut self, affiliate: AffiliateId, currency: &str, amount: i64) {
        *self.balances.entry((affiliate, currency.to_owned())).or_default() += amount;
    }

    /// What the feed has to tell of codes whose figures move. A code that a campaign's affiliates share is nobody's.
    pub async fn news_in_txn(&self, txn: &impl ConnectionTrait, feed: FeedName) -> Result<Vec<News>> {
        let sums = self.sums.iter().filter(|(_, sums)| **sums != Sums::default());
        let uses = self.uses.iter().filter(|(_, delta)| **delta != [0; 2]);
        let mut codes: BTreeSet<CodeId> = sums
            .map(|(key, _)| key.code)
            .chain(uses.map(|(key, _)| key.0))
            .collect();
        codes.remove(&NO_CODE);
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
    pub async fn write_in_txn(mut self, txn: &impl ConnectionTrait, feed: FeedName) -> Result<()> {
        self.count_uses_in_txn(txn).await?;
        self.sums.retain(|_, sums| *sums != Sums::default());
        let mut of_campaigns: BTreeMap<_, Sums> = BTreeMap::new();
        for (key, sums) in &self.sums {
            let place = (key.campaign, key.method, key.hour, &key.currency);
            of_campaigns.entry(place).or_default().add(*sums);
        }
        let rows = of_campaigns
            .into_iter()
            .map(|(place, sums)| of_campaign(feed, place, sums));
        {
            use campaign_total::Column::*;
            let key = [BrandId, Livemode, CampaignId, Hour, AttributionMethod, Currency];
            let sums = [
                Conversions,
                Renewals,
                Redemptions,
                RefundedRedemptions,
                Revenue,
                Refunded,
                Commission,
            ];
            add_rows::<campaign_total::Entity>(txn, rows.collect(), &key, &sums).await?;
        }
        let rows = self.sums.into_iter().map(|(key, sums)| of_affiliate(feed, key, sums));
        {
            use affiliate_total::Column::*;
            let key = [
                BrandId,
                Livemode,
                AffiliateId,
                Hour,
                CampaignId,
                CodeId,
                AttributionMethod,
                Currency,
            ];
            let sums = [
                Conversions,
                Renewals,
                Redemptions,
                RefundedRedemptions,
                Revenue,
                Refunded,
                Commission,
            ];
            add_rows::<affiliate_total::Entity>(txn, rows.collect(), &key, &sums).await?;
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

    /// Adds the redemptions to whose code it is, and to its campaign, whoever was credited.
    async fn count_uses_in_txn(&mut self, txn: &impl ConnectionTrait) -> Result<()> {
        let mut uses = std::mem::take(&mut self.uses);
        uses.retain(|_, delta| *delta != [0; 2]);
        let sellers = sellers_in_txn(txn, uses.keys().map(|(code, _)| *code).collect()).await?;
        for ((code, hour), [redemptions, refunded_redemptions]) in uses {
            let seller = sellers.get(&code);
            let (campaign, affiliate) =
                *seller.ok_or_else(|| Error::Internal(format!("a redemption of {code}, which is not there")))?;
            let key = Key {
                campaign,
                affiliate,
                code,
                method: AttributionMethod::Coupon,
                hour,
                currency: NO_CURRENCY.to_owned(),
            };
            let delta = Sums {
                redemptions,
                refunded_redemptions,
                ..Sums::default()
            };
            self.sums.entry(key).or_default().add(delta);
        }
        Ok(())
    }
}

/// The campaign of each code, and whose it is. Neither ever changes.
async fn sellers_in_txn(
    txn: &impl ConnectionTrait,
    mut codes: Vec<CodeId>,
) -> Result<BTreeMap<CodeId, (CampaignId, AffiliateId)>> {
    codes.dedup();
    let mut sellers = BTreeMap::new();
    if codes.is_empty() {
        return Ok(sellers);
    }
    let rows: Vec<(CodeId, CampaignId, AffiliateId)> = code::Entity::find()
        .select_only()
        .columns([code::Column::Id, code::Column::CampaignId, code::Column::AffiliateId])
        .filter(code::Column::Id.is_in(codes.iter().copied()))
        .into_tuple()
        .all(txn)
        .await?;
    sellers.extend(
        rows.into_iter()
            .map(|(code, campaign, affiliate)| (code, (campaign, affiliate))),
    );
    codes.retain(|code| !sellers.contains_key(code));
    if codes.is_empty() {
        return Ok(sellers);
    }
    let shared: Vec<(CodeId, CampaignId)> = campaign_code::Entity::find()
        .select_only()
        .columns([campaign_code::Column::Id, campaign_code::Column::CampaignId])
        .filter(campaign_code::Column::Id.is_in(codes))
        .into_tuple()
        .all(txn)
        .await?;
    sellers.extend(shared.into_iter().map(|(code, campaign)| (code, (campaign, NOBODY))));
    Ok(sellers)
}

fn of_affiliate(feed: FeedName, key: Key, sums: Sums) -> affiliate_total::ActiveModel {
    let row = affiliate_total::Model {
        affiliate_id: key.affiliate,
        livemode: feed.livemode,
        hour: key.hour,
        campaign_id: key.campaign,
        code_id: key.code,
        attribution_method: key.method,
        currency: key.currency,
        brand_id: feed.brand,
        conversions: sums.conversions,
        renewals: sums.renewals,
        redemptions: sums.redemptions,
        refunded_redemptions: sums.refunded_redemptions,
        revenue: sums.revenue,
        refunded: sums.refunded,
        commission: sums.commission,
    };
    row.into_active_model()
}

type OfCampaign<'a> = (CampaignId, AttributionMethod, i64, &'a String);

fn of_campaign(feed: FeedName, place: OfCampaign<'_>, sums: Sums) -> campaign_total::ActiveModel {
    let (campaign_id, attribution_method, hour, currency) = place;
    let row = campaign_total::Model {
        campaign_id,
        livemode: feed.livemode,
        hour,
        attribution_method,
        currency: currency.clone(),
        brand_id: feed.brand,
        conversions: sums.conversions,
        renewals: sums.renewals,
        redemptions: sums.redemptions,
        refunded_redemptions: sums.refunded_redemptions,
        revenue: sums.revenue,
        refunded: sums.refunded,
        commission: sums.commission,
    };
    row.into_active_model()
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
