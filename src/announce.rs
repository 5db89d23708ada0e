//! Tells the other instances on one PostgreSQL that the feed has grown, so that their subscribers hear of it at once.
//!
//! Sent after the commit and throttled: a `NOTIFY` inside a transaction takes a lock that all commits share. It only
//! saves time; what is lost is found by the timer of `live`.

use std::{sync::Arc, time::Duration};

use sea_orm::{ConnectionTrait, DatabaseBackend, DbErr, RuntimeErr};
use tokio::sync::Notify;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::db::Db;

const CHANNEL: &str = "rekomi_feed";
/// Between two announcements.
const THROTTLE: Duration = Duration::from_millis(20);
/// Before the next try to listen.
const PAUSE: Duration = Duration::from_secs(1);

/// The feed's wake-up: rung here, heard here and on the other instances.
#[derive(Clone, Default)]
pub struct FeedBell {
    /// Rung by this instance and by what it hears from others.
    pub heard: Arc<Notify>,
    to_announce: Arc<Notify>,
}

impl FeedBell {
    /// The feed has grown; the commit is done.
    pub fn ring(&self) {
        self.heard.notify_waiters();
        self.to_announce.notify_one();
    }

    /// Announces and listens until the shutdown; on SQLite there is nobody to tell.
    pub fn spawn(&self, db: &Db, tasks: &TaskTracker, shutdown: &CancellationToken) {
        if db.reader().get_database_backend() != DatabaseBackend::Postgres {
            return;
        }
        let (announced, stop) = (self.to_announce.clone(), shutdown.clone());
        let sender = db.clone();
        tasks.spawn(async move { stop.run_until_cancelled(announce(sender, announced)).await });
        let (heard, stop, receiver) = (self.heard.clone(), shutdown.clone(), db.clone());
        tasks.spawn(async move { stop.run_until_cancelled(listen(receiver, heard)).await });
    }
}

async fn announce(db: Db, announced: Arc<Notify>) {
    loop {
        announced.notified().await;
        let notify = format!("NOTIFY {CHANNEL}");
        if let Err(error) = db.reader().execute_unprepared(&notify).await {
            tracing::debug!(%error, "the other instances were not told; their timers will find it");
        }
        tokio::time::sleep(THROTTLE).await;
    }
}

async fn listen(db: Db, heard: Arc<Notify>) {
    loop {
        if let Err(error) = listen_once(&db, &heard).await {
            tracing::warn!(%error, "cannot listen for the other instances; trying again");
        }
        // Something may have been missed while nobody listened.
        heard.notify_waiters();
        tokio::time::sleep(PAUSE).await;
    }
}

async fn listen_once(db: &Db, heard: &Notify) -> Result<(), DbErr> {
    let lost = |error: sea_orm::sqlx::Error| DbErr::Conn(RuntimeErr::SqlxError(error.into()));
    let mut listener = db.listener().await?;
    listener.listen(CHANNEL).await.map_err(lost)?;
    loop {
        listener.recv().await.map_err(lost)?;
        heard.notify_waiters();
    }
}
