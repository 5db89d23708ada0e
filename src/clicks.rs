//! Writes clicks down, many in one commit, out of the redirects' way; and forgets where they came from.
//!
//! There is no timer: what comes while a commit is in flight goes into the next one. The queue is bounded and never
//! waited for: a click that finds it full is dropped, and counted. While the database is down clicks wait in it. At a
//! stop it is emptied first.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use entity::{
    campaign, click,
    id::{BrandId, ClickId, LinkId},
    link_total,
};
use hmac::{Hmac, KeyInit, Mac};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, ExprTrait, IntoActiveModel, QueryFilter, QueryOrder, QuerySelect,
    QueryTrait, SqlErr,
    sea_query::{Expr, OnConflict},
};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;
use tokio::sync::mpsc;

use crate::{db::Db, error::Result};

/// How many clicks may wait: some 20 MB of them.
const QUEUE: usize = 65_536;
/// How many are committed together; eight values each, well below SQLite's limit of 32,766.
const BATCH: usize = 512;
/// After a failure, such as a database that is down.
const PAUSE: Duration = Duration::from_millis(500);
/// How many addresses are forgotten in one transaction.
const FORGOTTEN: u64 = 1000;

/// The way to have clicks written down.
#[derive(Clone)]
pub struct Clicks {
    queue: mpsc::Sender<click::Model>,
}

/// Writes down what comes through the queue, until the last [`Clicks`] is gone and it is empty.
pub struct Recorder {
    queue: mpsc::Receiver<click::Model>,
    db: Db,
}

/// The way to the recorder, and what must run for it.
pub fn clicks(db: Db) -> (Clicks, Recorder) {
    let (sender, receiver) = mpsc::channel(QUEUE);
    (Clicks { queue: sender }, Recorder { queue: receiver, db })
}

impl Clicks {
    /// Has a click written down soon; it is not waited for.
    pub fn record(&self, click: click::Model) {
        if self.queue.try_send(click).is_err() {
            count("dropped", 1);
        }
    }
}

fn count(outcome: &'static str, clicks: usize) {
    metrics::counter!("rekomi_clicks_total", "outcome" => outcome).increment(clicks as u64);
}

impl Recorder {
    pub async fn run(mut self) {
        let mut batch = Vec::with_capacity(BATCH);
        while self.queue.recv_many(&mut batch, BATCH).await > 0 {
            self.write_down(&batch).await;
            batch.clear();
        }
    }

    /// Tries until it is done. A link that is gone from the database takes only its own clicks with it.
    async fn write_down(&self, clicks: &[click::Model]) {
        let mut again = false;
        loop {
            match write(&self.db, clicks, again).await {
                Ok(()) => return count("recorded", clicks.len()),
                Err(error) if matches!(error.sql_err(), Some(SqlErr::ForeignKeyConstraintViolation(_))) => break,
                Err(error) => tracing::warn!(%error, clicks = clicks.len(), "clicks could not be stored yet"),
            }
            again = true;
            tokio::time::sleep(PAUSE).await;
        }
        match clicks {
            [_] => count("dropped", 1),
            many => {
                for click in many {
                    Box::pin(self.write_down(std::slice::from_ref(click))).await;
                }
            }
        }
    }
}

/// Stores clicks and moves the totals of their links in one commit. `again`: a commit may have come through unheard.
async fn write(db: &Db, clicks: &[click::Model], again: bool) -> Result<(), DbErr> {
    let txn = db.begin().await?;
    let known = if again {
        known(&txn, clicks).await?
    } else {
        BTreeSet::new()
    };
    let new: Vec<&click::Model> = clicks.iter().filter(|click| !known.contains(&click.id)).collect();
    if !new.is_empty() {
        let rows = new.iter().map(|click| (*click).clone().into_active_model());
        click::Entity::insert_many(rows).exec_without_returning(&txn).await?;
        add_to_totals(&txn, &new).await?;
    }
    txn.commit().await
}

async fn known(txn: &impl ConnectionTrait, clicks: &[click::Model]) -> Result<BTreeSet<ClickId>, DbErr> {
    let rows = click::Entity::find()
        .select_only()
        .column(click::Column::Id)
        .filter(click::Column::Id.is_in(clicks.iter().map(|click| click.id)));
    Ok(rows.into_tuple().all(txn).await?.into_iter().collect())
}

/// In the order of the links, so that two instances cannot wait for each other.
async fn add_to_totals(txn: &impl ConnectionTrait, clicks: &[&click::Model]) -> Result<(), DbErr> {
    use link_total::Column::{Clicks, LinkId as Link};
    let mut added: BTreeMap<LinkId, (BrandId, i64)> = BTreeMap::new();
    for click in clicks {
        added.entry(click.link_id).or_insert((click.brand_id, 0)).1 += 1;
    }
    let rows = added.into_iter().map(|(link_id, (brand_id, clicks))| {
        let row = link_total::Model {
            link_id,
            brand_id,
            clicks,
        };
        row.into_active_model()
    });
    let sum = Expr::col((link_total::Entity, Clicks)).add(Expr::cust("excluded.clicks"));
    link_total::Entity::insert_many(rows)
        .on_conflict(OnConflict::column(Link).value(Clicks, sum).to_owned())
        .exec_without_returning(txn)
        .await?;
    Ok(())
}

/// Forgets the addresses of clicks that no campaign's window reaches back to any more, some for each brand; how many.
pub async fn forget_addresses(db: &Db, now: DateTime<Utc>) -> Result<usize> {
    let windows: Vec<(BrandId, i32)> = campaign::Entity::find()
        .select_only()
        .column(campaign::Column::BrandId)
        .column_as(campaign::Column::CookieWindowDays.max(), "longest")
        .group_by(campaign::Column::BrandId)
        .into_tuple()
        .all(db.reader())
        .await?;
    let mut forgotten = 0;
    for (brand, days) in windows {
        let old = click::Entity::find()
            .select_only()
            .column(click::Column::Id)
            .filter(click::Column::BrandId.eq(brand))
            .filter(click::Column::ClickedAt.lt(now - TimeDelta::days(days.into())))
            .filter(click::Column::AddressHash.is_not_null());
        if old.clone().into_tuple::<ClickId>().one(db.reader()).await?.is_none() {
            continue;
        }
        let some = old.order_by_asc(click::Column::ClickedAt).limit(FORGOTTEN);
        let txn = db.begin().await?;
        let done = click::Entity::update_many()
            .col_expr(click::Column::AddressHash, Expr::value(Option::<Vec<u8>>::None))
            .filter(click::Column::Id.in_subquery(some.into_query()))
            .exec(&txn)
            .await?;
        txn.commit().await?;
        forgotten += usize::try_from(done.rows_affected).unwrap_or(usize::MAX);
    }
    Ok(forgotten)
}

/// Makes of an address what can be compared with another click's of the same brand, and is nothing without the key.
#[derive(Clone)]
pub struct AddressKey(Option<Hmac<Sha256>>);

impl AddressKey {
    /// The key comes from the secret that signs tokens, which is not in the database. Without one no address is kept.
    pub fn of(secret: Option<&SecretString>) -> Self {
        let mac = |key: &[u8]| Hmac::<Sha256>::new_from_slice(key).ok();
        let key = secret.and_then(|secret| mac(secret.expose_secret().as_bytes()));
        let key = key.map(|key| key.chain_update("rekomi: addresses of clicks").finalize().into_bytes());
        Self(key.and_then(|key| mac(&key)))
    }

    pub fn hash(&self, brand: BrandId, address: IpAddr) -> Option<Vec<u8>> {
        let mac = self.0.clone()?.chain_update(brand.0.as_bytes());
        let mac = match address {
            IpAddr::V4(address) => mac.chain_update(address.octets()),
            IpAddr::V6(address) => mac.chain_update(address.octets()),
        };
        Some(mac.finalize().into_bytes().to_vec())
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn an_address_is_told_from_others_by_those_who_have_the_key_and_within_a_brand() {
        let key = |secret: &str| AddressKey::of(Some(&secret.into()));
        let brand = |id| BrandId(Uuid::from_u128(id));
        let hash = |secret, id, address: &str| key(secret).hash(brand(id), address.parse().unwrap()).unwrap();
        let one = hash("a", 1, "192.0.2.1");
        assert_eq!(one.len(), 32);
        assert_eq!(one, hash("a", 1, "192.0.2.1"));
        for other in [
            hash("b", 1, "192.0.2.1"),
            hash("a", 2, "192.0.2.1"),
            hash("a", 1, "192.0.2.2"),
            hash("a", 1, "2001:db8::1"),
        ] {
            assert_ne!(one, other);
        }
        assert_eq!(AddressKey::of(None).hash(brand(1), "192.0.2.1".parse().unwrap()), None);
    }
}
