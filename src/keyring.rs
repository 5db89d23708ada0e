//! API keys, as requests show them: from a key to its actor, and word to open sockets when a key ends.
//!
//! **Invariants.** A good key is remembered for half a second at most, so that its end is felt within a second on every
//! instance; a bad one is never remembered, and is always looked up, whether its beginning is known or not. Only hashes
//! are kept in memory. That a key was used is written down once a minute at most.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use entity::{api_key, id::ApiKeyId};
use moka::sync::Cache;
use sea_orm::{ColumnTrait, Condition, EntityTrait, QueryFilter, sea_query::Expr};
use subtle::ConstantTimeEq;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    auth::{Actor, Credential, Origin, Scope, api_key as form},
    clock::Clock,
    db::Db,
    domain::api_keys::is_good,
    error::{Error, Result},
};

/// How long a good key may be taken for good without a look at its row.
const FRESH: Duration = Duration::from_millis(500);
/// How many keys are remembered at once.
const REMEMBERED: u64 = 10_000;
/// How often the keys of open sockets are looked at.
const WATCH_INTERVAL: Duration = Duration::from_millis(300);
/// How old `last_used_at` may be before it is written again.
const USED_INTERVAL: TimeDelta = TimeDelta::minutes(1);
/// How many keys one statement looks at.
const CHUNK: usize = 1000;

#[derive(Clone)]
pub struct Keyring {
    db: Db,
    clock: Clock,
    tasks: TaskTracker,
    /// By the hash of the whole key.
    known: Cache<[u8; 32], Arc<api_key::Model>>,
    watched: Arc<Mutex<HashMap<ApiKeyId, Watched>>>,
}

/// A key of open sockets.
#[derive(Default)]
struct Watched {
    ended: CancellationToken,
    sockets: usize,
}

impl Keyring {
    pub fn new(db: Db, clock: Clock, tasks: TaskTracker) -> Self {
        Self {
            db,
            clock,
            tasks,
            known: Cache::builder().max_capacity(REMEMBERED).time_to_live(FRESH).build(),
            watched: Arc::default(),
        }
    }

    /// Whose key it is.
    ///
    /// # Errors
    /// `Unauthenticated` when it is not good, whatever is wrong with it; `Internal` when it cannot be told now.
    pub async fn actor(&self, shown: &str, origin: Origin) -> Result<Actor> {
        let shown = form::read(shown).ok_or(Error::Unauthenticated)?;
        let now = self.clock.now();
        let row = match self.known.get(&shown.hash) {
            Some(row) => row,
            None => self.look_up(&shown, now).await?,
        };
        if !is_good(&row, now) {
            return Err(Error::Unauthenticated);
        }
        Ok(Actor {
            subject: row.id.to_string(),
            credential: Credential::ApiKey {
                id: row.id,
                scopes: form::scopes(&row.scopes),
            },
            scope: Scope {
                brand: row.brand_id,
                livemode: row.livemode,
                affiliate: None,
            },
            expires_at: row.expires_at,
            origin,
        })
    }

    async fn look_up(&self, shown: &form::Shown<'_>, now: DateTime<Utc>) -> Result<Arc<api_key::Model>> {
        // The hash is asked for too, so that a key whose beginning is known takes no longer than one that is not.
        let found = api_key::Entity::find()
            .filter(api_key::Column::Prefix.eq(shown.prefix))
            .filter(api_key::Column::Hash.eq(shown.hash.as_slice()))
            .one(self.db.reader())
            .await?;
        let same = |row: &api_key::Model| bool::from(row.hash.ct_eq(&shown.hash)) && row.livemode == shown.livemode;
        let row = found
            .filter(|row| same(row) && is_good(row, now))
            .ok_or(Error::Unauthenticated)?;
        let row = Arc::new(row);
        self.known.insert(shown.hash, row.clone());
        if row.last_used_at.is_none_or(|at| at + USED_INTERVAL <= now) {
            let (keyring, id) = (self.clone(), row.id);
            self.tasks.spawn(async move { keyring.used(id, now).await });
        }
        Ok(row)
    }

    async fn used(&self, id: ApiKeyId, now: DateTime<Utc>) {
        let due = Condition::any()
            .add(api_key::Column::LastUsedAt.is_null())
            .add(api_key::Column::LastUsedAt.lte(now - USED_INTERVAL));
        let write = async {
            let txn = self.db.begin().await?;
            api_key::Entity::update_many()
                .col_expr(api_key::Column::LastUsedAt, Expr::value(now))
                .filter(api_key::Column::Id.eq(id))
                .filter(due)
                .exec(&txn)
                .await?;
            txn.commit().await
        };
        if let Err(error) = write.await {
            tracing::warn!(%error, "that a key was used could not be written down");
        }
    }

    /// Ends when the key does: revoked, replaced by another, or expired.
    pub async fn ended(&self, id: ApiKeyId) {
        let socket = Socket::open(self, id);
        socket.ended.cancelled().await;
    }

    /// Looks at the keys of open sockets, until the shutdown.
    pub async fn watch(self, shutdown: CancellationToken) {
        let mut interval = tokio::time::interval(WATCH_INTERVAL);
        interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        while shutdown.run_until_cancelled(interval.tick()).await.is_some() {
            let ids: Vec<ApiKeyId> = self.watched().keys().copied().collect();
            for ids in ids.chunks(CHUNK) {
                if let Err(error) = self.end_those_over(ids).await {
                    tracing::warn!(%error, "the keys of open sockets could not be looked at");
                }
            }
        }
    }

    async fn end_those_over(&self, ids: &[ApiKeyId]) -> Result<()> {
        let rows = api_key::Entity::find()
            .filter(api_key::Column::Id.is_in(ids.iter().copied()))
            .all(self.db.reader())
            .await?;
        let now = self.clock.now();
        let good = |id: &ApiKeyId| rows.iter().any(|row| row.id == *id && is_good(row, now));
        let over: Vec<&ApiKeyId> = ids.iter().filter(|id| !good(id)).collect();
        let watched = self.watched();
        over.iter()
            .filter_map(|id| watched.get(id))
            .for_each(|key| key.ended.cancel());
        Ok(())
    }

    fn watched(&self) -> MutexGuard<'_, HashMap<ApiKeyId, Watched>> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Keeps a key watched while its socket is open.
struct Socket<'a> {
    keyring: &'a Keyring,
    id: ApiKeyId,
    ended: CancellationToken,
}

impl<'a> Socket<'a> {
    fn open(keyring: &'a Keyring, id: ApiKeyId) -> Self {
        let mut watched = keyring.watched();
        let key = watched.entry(id).or_default();
        key.sockets += 1;
        let ended = key.ended.clone();
        Self { keyring, id, ended }
    }
}

impl Drop for Socket<'_> {
    fn drop(&mut self) {
        let mut watched = self.keyring.watched();
        if let Some(key) = watched.get_mut(&self.id) {
            key.sockets -= 1;
            if key.sockets == 0 {
                watched.remove(&self.id);
            }
        }
    }
}
