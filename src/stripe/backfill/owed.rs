//! What is owed after no server was there: found at the start, and fetched by the worker until it is done.
//!
//! A server that runs and cannot store answers 503. Stripe sends what was answered so again, for three days, so nothing
//! is owed for that.

use chrono::{DateTime, TimeDelta, Utc};
use entity::{
    backfill::{self, BackfillStatus},
    id::BrandId,
    sign_of_life,
};
use futures_util::future::join_all;
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, EntityTrait, IntoActiveModel, QueryFilter, QuerySelect, Set,
    sea_query::{Expr, LockType, OnConflict},
};
use std::time::Duration;

use super::{Backfill, failure, lists::EVENTS_REACH};
use crate::{
    directory::Name,
    domain::brands,
    error::{Error, Result},
    lease,
    worker::guarded,
};

/// How often a server notes that it is alive, and how often it looks at the clock for that.
const SIGN_EVERY: TimeDelta = TimeDelta::seconds(60);
const LOOK: Duration = Duration::from_secs(1);
/// Without a sign for longer, nobody was there.
const ABSENT: TimeDelta = TimeDelta::minutes(2);
/// What was sent shortly before the last sign may have got lost as well.
const MARGIN: TimeDelta = TimeDelta::minutes(10);
/// Renewed while it is worked on.
const LEASE: TimeDelta = TimeDelta::seconds(60);
const RENEW: Duration = Duration::from_secs(20);
const AT_ONCE: u64 = 4;
const MAX_BACKOFF_SECONDS: i64 = 900;

impl Backfill {
    /// Notes that a server is alive, now and then until it is dropped. The first time it looks for how long none was.
    pub async fn stay_alive(self) {
        let mut noted: Option<DateTime<Utc>> = None;
        loop {
            let now = self.clock.now();
            // Either way: the clock may have been set right.
            if noted.is_none_or(|noted| (now - noted).abs() >= SIGN_EVERY) {
                match self.note(now, noted.is_none()).await {
                    Ok(()) => noted = Some(now),
                    Err(error) => tracing::warn!(%error, "the sign of life could not be written"),
                }
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    async fn note(&self, now: DateTime<Utc>, at_start: bool) -> Result<()> {
        let only = || sign_of_life::Entity::find_by_id(sign_of_life::ONLY);
        let missed_since = |sign: &Option<sign_of_life::Model>| {
            let sign = sign.as_ref().filter(|_| at_start)?;
            missed_since(sign.seen_at, now)
        };
        // Seldom: so the brands are looked at before the transaction.
        let brands = match missed_since(&only().one(self.db.reader()).await?) {
            Some(_) => self.connected().await?,
            None => Vec::new(),
        };
        let txn = self.db.begin().await?;
        // Held, so that of several servers that start only one finds nobody there.
        let sign = only().lock(LockType::Update).one(&txn).await?;
        if let Some(since) = missed_since(&sign) {
            tracing::info!(%since, brands = brands.len(), "nobody was there: fetching what Stripe could not deliver");
            for brand in brands {
                self.owe_in_txn(&txn, brand, since).await?;
            }
        }
        let later = sign.map(|sign| sign.seen_at).filter(|at| !is_ahead(*at, now));
        let row = sign_of_life::Model {
            id: sign_of_life::ONLY,
            seen_at: later.map_or(now, |at| at.max(now)),
        };
        let mut again = OnConflict::column(sign_of_life::Column::Id);
        sign_of_life::Entity::insert(row.into_active_model())
            .on_conflict(again.update_column(sign_of_life::Column::SeenAt).to_owned())
            .exec_without_returning(&txn)
            .await?;
        txn.commit().await?;
        self.wake.notify_one();
        Ok(())
    }

    /// Owes a brand everything since a moment, or since an earlier one that is owed already.
    async fn owe_in_txn(
        &self,
        txn: &impl ConnectionTrait,
        (brand, livemode): (BrandId, bool),
        since: DateTime<Utc>,
    ) -> Result<()> {
        let known = backfill::Entity::find()
            .filter(backfill::Column::BrandId.eq(brand))
            .filter(backfill::Column::Livemode.eq(livemode))
            .lock(LockType::Update)
            .one(txn)
            .await?;
        let now = self.clock.now();
        let owed = known.as_ref().filter(|row| row.status == BackfillStatus::Pending);
        let row = backfill::Model {
            id: known.as_ref().map_or_else(|| self.clock.new_id(), |row| row.id),
            brand_id: brand,
            livemode,
            since: owed.map_or(since, |row| row.since.min(since)),
            owed_at: now,
            status: BackfillStatus::Pending,
            attempts: 0,
            next_attempt_at: now,
            leased_until: owed.and_then(|row| row.leased_until),
            last_error: None,
        };
        let row = row.into_active_model().reset_all();
        match known {
            Some(_) => backfill::Entity::update(row).exec(txn).await.map(drop)?,
            None => backfill::Entity::insert(row)
                .exec_without_returning(txn)
                .await
                .map(drop)?,
        }
        Ok(())
    }

    /// The brands that have a way to Stripe, each with its mode.
    async fn connected(&self) -> Result<Vec<(BrandId, bool)>> {
        let mut connected = Vec::new();
        for brand in brands::list(&self.db).await? {
            let account = self.directory.get(Name::Id(brand.id)).await?;
            if let Some(way) = account.as_ref().and_then(|account| account.any_way()) {
                connected.push((brand.id, way.livemode()));
            }
        }
        Ok(connected)
    }

    /// Fetches what is due, once; the number of those that were tried.
    pub async fn run_due(&self) -> Result<usize> {
        let txn = self.db.begin().await?;
        let due = lease::claim::<backfill::Entity>(&txn, self.clock.now(), LEASE, AT_ONCE).await?;
        txn.commit().await?;
        for result in join_all(due.iter().map(|owed| self.work(owed))).await {
            result?;
        }
        Ok(due.len())
    }

    async fn work(&self, owed: &backfill::Model) -> Result<()> {
        let done = tokio::select! {
            done = guarded(self.fetch_owed(owed)) => done,
            error = self.keep(owed) => Err(error),
        };
        self.settle(owed, done.err()).await
    }

    async fn fetch_owed(&self, owed: &backfill::Model) -> Result<()> {
        let account = self.directory.fresh(Name::Id(owed.brand_id)).await?;
        let way = account.as_ref().and_then(|account| account.way(owed.livemode));
        let way = way.ok_or_else(|| Error::Internal("the brand has no Stripe key for this mode any more".into()))?;
        let all = self.run(owed.brand_id, way, owed.since, |_| {}).await;
        let (fetched, new) = all
            .iter()
            .fold((0, 0), |sum, told| (sum.0 + told.fetched, sum.1 + told.new));
        tracing::info!(brand = %owed.brand_id, since = %owed.since, fetched, new, "fetched what Stripe could not deliver");
        failure(&all).map_or(Ok(()), |why| Err(Error::Internal(why)))
    }

    /// Renews the lease again and again; ends when it cannot be.
    async fn keep(&self, owed: &backfill::Model) -> Error {
        loop {
            tokio::time::sleep(RENEW).await;
            let leased_until = Some(self.clock.now() + LEASE);
            let row = backfill::ActiveModel {
                leased_until: Set(leased_until),
                ..Default::default()
            };
            if let Err(error) = self.change(owed, row).await {
                return error;
            }
        }
    }

    /// Writes down how it ended. What is owed anew meanwhile stays owed.
    async fn settle(&self, owed: &backfill::Model, failed: Option<Error>) -> Result<()> {
        let mut row = backfill::ActiveModel {
            leased_until: Set(None),
            ..Default::default()
        };
        match failed {
            None => {
                row.status = Set(BackfillStatus::Done);
                row.last_error = Set(None);
            }
            Some(error) => {
                let attempts = owed.attempts + 1;
                tracing::warn!(brand = %owed.brand_id, attempts, %error, "what Stripe could not deliver is still owed; it will be tried again");
                let exponent = u32::try_from(attempts).unwrap_or(0).min(20);
                let pause = (5 << exponent).min(MAX_BACKOFF_SECONDS);
                row.attempts = Set(attempts);
                row.next_attempt_at = Set(self.clock.now() + TimeDelta::seconds(pause));
                row.last_error = Set(Some(error.to_string()));
            }
        }
        self.change(owed, row).await
    }

    async fn change(&self, owed: &backfill::Model, row: backfill::ActiveModel) -> Result<()> {
        let txn = self.db.begin().await?;
        let same = backfill::Entity::update_many()
            .set(row)
            .filter(backfill::Column::Id.eq(owed.id))
            .filter(backfill::Column::OwedAt.eq(owed.owed_at));
        if same.exec(&txn).await?.rows_affected == 0 {
            backfill::Entity::update_many()
                .col_expr(backfill::Column::LeasedUntil, Expr::value(None::<DateTime<Utc>>))
                .filter(backfill::Column::Id.eq(owed.id))
                .exec(&txn)
                .await?;
        }
        txn.commit().await?;
        Ok(())
    }
}

/// Whether a sign is of a clock that was ahead: servers' clocks do not differ so much.
fn is_ahead(seen_at: DateTime<Utc>, now: DateTime<Utc>) -> bool {
    seen_at - now > ABSENT
}

/// Since when something may have got lost, given the last sign. One of a clock that was ahead does not tell: then it is
/// all that Stripe still lists.
fn missed_since(seen_at: DateTime<Utc>, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    if is_ahead(seen_at, now) {
        return Some(now - EVENTS_REACH);
    }
    (now - seen_at > ABSENT).then(|| seen_at - MARGIN)
}
