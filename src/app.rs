//! Puts the parts together: the rules, the workers, and the routes.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{Router, serve::ListenerExt};
use chrono::TimeDelta;
use secrecy::SecretString;
use tokio::{net::TcpListener, sync::Notify};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    announce::FeedBell,
    auth::{
        jwks::Jwks,
        jwt::{Others, Tokens},
    },
    budgets::Budgets,
    callers::Callers,
    clicks::{self, AddressKey, Clicks, clicks},
    clock::Clock,
    config::Config,
    db::{DatabaseUrl, Db},
    directory::Directory,
    domain::{Domain, Outbox, feed_pruning},
    error::Result,
    gateway::Gateway,
    graphql::{
        schema::Schemas,
        transport::{self, TransportSettings, documents::Documents},
    },
    keyring::Keyring,
    landings::Landings,
    lease,
    live::Live,
    live_stats::LiveStats,
    rest::{
        health, layers, redirect, script, stalled, stripe_webhook,
        v1::{self, V1},
    },
    stripe::{
        backfill::Backfill,
        books::Books,
        client::Stripe,
        fetch::Fetcher,
        inbox::{Inbox, inbox},
        operations::{Lanes, Operations},
        process::Processor,
    },
    telemetry, worker,
};

/// How often the inbox is looked at without a wake-up.
const INBOX_INTERVAL: Duration = Duration::from_millis(500);
const OPERATIONS_INTERVAL: Duration = Duration::from_secs(1);
const BACKFILL_INTERVAL: Duration = Duration::from_secs(1);
const ADDRESSES_INTERVAL: Duration = Duration::from_secs(600);
const PRUNING_INTERVAL: Duration = Duration::from_secs(600);
/// How long a stop waits for work in hand.
const STOP_TIMEOUT: Duration = Duration::from_secs(10);

/// A running instance, but for its listener.
pub struct App {
    pub config: Config,
    pub clock: Clock,
    pub db: Db,
    pub domain: Domain,
    pub directory: Directory,
    pub tokens: Tokens,
    pub keyring: Keyring,
    pub live: Live,
    pub processor: Processor,
    pub operations: Operations,
    pub shutdown: CancellationToken,
    landings: Landings,
    addresses: AddressKey,
    inbox: Inbox,
    clicks: Clicks,
    tasks: TaskTracker,
    batcher: tokio::task::JoinHandle<()>,
    recorder: tokio::task::JoinHandle<()>,
}

impl App {
    /// Opens and migrates the database, and starts the workers. Without `jwt_secret` it takes tokens of others alone.
    pub async fn start(config: Config, jwt_secret: Option<&SecretString>, clock: Clock) -> Result<Self> {
        telemetry::metrics();
        let db = Db::open(&config.database).await?;
        let db = db.with_read_timeout(config.graphql.query_timeout);
        db.migrate().await?;
        if matches!(config.database, DatabaseUrl::Sqlite(_)) {
            // One server works on an SQLite file: what is leased was held by one that died.
            let txn = db.begin().await?;
            lease::release_all::<entity::stripe_event::Entity>(&txn).await?;
            lease::release_all::<entity::stripe_operation::Entity>(&txn).await?;
            lease::release_all::<entity::backfill::Entity>(&txn).await?;
            txn.commit().await?;
        }
        let directory = Directory::new(db.clone(), &config);
        let stripe = Stripe::new(&config.stripe_api_base)?;
        let (shutdown, tasks) = (CancellationToken::new(), TaskTracker::new());
        let [events_due, operations_due] = std::array::from_fn(|_| Arc::new(Notify::new()));
        let bell = FeedBell::default();
        bell.spawn(&db, &tasks, &shutdown);
        let operations = Operations {
            db: db.clone(),
            clock: clock.clone(),
            directory: directory.clone(),
            stripe: stripe.clone(),
            wake: operations_due.clone(),
            lanes: Lanes::new(tasks.clone()),
        };
        let domain = Domain {
            db: db.clone(),
            clock: clock.clone(),
            outbox: Arc::new(operations.clone()),
            books: Arc::new(Books {
                clock: clock.clone(),
                bell: bell.clone(),
            }),
        };
        let fetcher = Fetcher {
            db: db.clone(),
            clock: clock.clone(),
            directory: directory.clone(),
            stripe: stripe.clone(),
        };
        let backfill = Backfill {
            db: db.clone(),
            clock: clock.clone(),
            directory: directory.clone(),
            stripe,
            stored: events_due.clone(),
            wake: Arc::default(),
        };
        let (processor, folder) = Processor::new(db.clone(), clock.clone(), fetcher, bell.clone());
        let (inbox, batcher) = inbox(db.clone(), clock.clone());
        let committed = events_due.clone();
        let batcher = tokio::spawn(batcher.run(move || committed.notify_one()));
        let (clicks, recorder) = clicks(db.clone());
        let recorder = tokio::spawn(recorder.run());
        spawn_forgetting(&tasks, &shutdown, &db, &clock);
        spawn_pruning(&tasks, &shutdown, &db, &clock, config.feed_days);
        let stop = shutdown.clone();
        tasks.spawn(async move { stop.run_until_cancelled(folder.run()).await });
        spawn_workers(&tasks, &shutdown, &processor, events_due, &operations);
        spawn_backfill(&tasks, &shutdown, backfill);
        let keyring = Keyring::new(db.clone(), clock.clone(), tasks.clone());
        tasks.spawn(keyring.clone().watch(shutdown.clone()));
        let jwks = config.jwks.clone().map(Jwks::new);
        if let Some(jwks) = jwks.clone() {
            let (stop, clock) = (shutdown.clone(), clock.clone());
            tasks.spawn(async move { stop.run_until_cancelled(jwks.keep_fresh(clock)).await });
        }
        Ok(Self {
            keyring,
            tokens: tokens(&config, jwt_secret, jwks),
            live: Live::new(domain.clone(), bell.heard, tasks.clone(), shutdown.clone()),
            landings: Landings::new(db.clone()),
            addresses: AddressKey::of(jwt_secret),
            config,
            clock,
            db,
            domain,
            directory,
            processor,
            operations,
            shutdown,
            inbox,
            clicks,
            tasks,
            batcher,
            recorder,
        })
    }

    /// All routes. To know their callers' addresses they are served with [`axum::extract::ConnectInfo`].
    pub fn router(&self) -> Router {
        let callers = Callers {
            tokens: self.tokens.clone(),
            keyring: self.keyring.clone(),
            directory: self.directory.clone(),
            clock: self.clock.clone(),
        };
        let v1 = V1 {
            callers: callers.clone(),
            domain: self.domain.clone(),
        };
        let gateway = Gateway {
            schemas: Schemas::new(self.config.graphql.introspection),
            budgets: Budgets::new(self.config.graphql.limits, self.clock.clone()),
            owners_send_any: self.config.graphql.owners_send_any,
            callers,
            domain: self.domain.clone(),
            live: self.live.clone(),
            live_stats: LiveStats::new(self.live.clone()),
            public_url: self.config.public_url.origin().ascii_serialization().into(),
        };
        let mut settings = TransportSettings::new(self.clock.clone(), self.shutdown.clone());
        settings.tasks = self.tasks.clone();
        settings.ide = self.config.graphql.ide;
        settings.introspection = self.config.graphql.introspection;
        settings.query_timeout = self.config.graphql.query_timeout;
        settings.documents = Arc::new(Documents::new(self.config.graphql.documents.clone()));
        let webhook = stripe_webhook::StripeWebhook {
            directory: self.directory.clone(),
            inbox: self.inbox.clone(),
            clock: self.clock.clone(),
        };
        let redirect = redirect::Redirect {
            landings: self.landings.clone(),
            clicks: self.clicks.clone(),
            addresses: self.addresses.clone(),
            clock: self.clock.clone(),
            secure: self.config.public_url.scheme() == "https",
        };
        let health = health::Health {
            db: self.db.clone(),
            clock: self.clock.clone(),
        };
        let routes = Router::new()
            .merge(transport::router(gateway, settings))
            .merge(v1::router(v1))
            .merge(stripe_webhook::router(webhook))
            .merge(redirect::router(redirect))
            .merge(script::router())
            .merge(health::router(health));
        let proxies = self.config.trusted_proxies.as_slice().into();
        layers::wrap(routes, self.clock.clone(), &self.config.cors_origins, proxies)
    }

    /// Serves until the shutdown, then lets work in hand finish: what is not done is still in its row.
    pub async fn serve(self, listener: TcpListener) -> std::io::Result<()> {
        let shutdown = self.shutdown.clone();
        let served = {
            let shutdown = shutdown.clone();
            let routes = self.router().into_make_service_with_connect_info::<SocketAddr>();
            let listener = listener.tap_io(stalled::give_up);
            let server = axum::serve(listener, routes).with_graceful_shutdown(shutdown.cancelled_owned());
            let server = tokio::spawn(server.into_future());
            self.shutdown.cancelled().await;
            tokio::time::timeout(STOP_TIMEOUT, server).await
        };
        self.stop().await;
        match served {
            Ok(Ok(result)) => result,
            Ok(Err(error)) => Err(std::io::Error::other(error)),
            Err(_) => {
                tracing::warn!("some requests did not end in time");
                Ok(())
            }
        }
    }

    /// Ends the workers and closes the database.
    pub async fn stop(self) {
        self.shutdown.cancel();
        self.operations.wake();
        self.tasks.close();
        self.processor.fetching.close();
        let work = async {
            self.tasks.wait().await;
            self.processor.fetching.wait().await;
        };
        if tokio::time::timeout(STOP_TIMEOUT, work).await.is_err() {
            tracing::warn!("some work did not end in time; it will be taken up again");
        }
        drop((self.inbox, self.clicks));
        let ends = async { tokio::join!(self.batcher, self.recorder) };
        if tokio::time::timeout(STOP_TIMEOUT, ends).await.is_err() {
            tracing::warn!("the inbox or the clicks did not end in time");
        }
        self.db.close().await;
    }
}

fn tokens(config: &Config, secret: Option<&SecretString>, jwks: Option<Jwks>) -> Tokens {
    let tokens = Tokens::new(secret, &config.jwt_issuer, &config.jwt_audience);
    tokens.and_of(Others {
        keys: config.jwt_public_keys.clone(),
        jwks,
        names: config.jwt_claims.clone(),
    })
}

fn spawn_workers(
    tasks: &TaskTracker,
    shutdown: &CancellationToken,
    processor: &Processor,
    events_due: Arc<Notify>,
    operations: &Operations,
) {
    let (processor, operations) = (processor.clone(), operations.clone());
    let operations_due = operations.wake.clone();
    tasks.spawn(worker::run(
        "inbox",
        events_due,
        INBOX_INTERVAL,
        shutdown.clone(),
        async move || processor.run_due().await,
    ));
    tasks.spawn(worker::run(
        "operations",
        operations_due,
        OPERATIONS_INTERVAL,
        shutdown.clone(),
        async move || operations.run_due().await,
    ));
}

/// The addresses of clicks are kept only for as long as a window reaches back to them.
fn spawn_forgetting(tasks: &TaskTracker, shutdown: &CancellationToken, db: &Db, clock: &Clock) {
    let (stop, db, clock) = (shutdown.clone(), db.clone(), clock.clone());
    let work = worker::run("addresses", Arc::default(), ADDRESSES_INTERVAL, stop, async move || {
        clicks::forget_addresses(&db, clock.now()).await
    });
    tasks.spawn(work);
}

/// The feed is kept for some days.
fn spawn_pruning(tasks: &TaskTracker, shutdown: &CancellationToken, db: &Db, clock: &Clock, days: u16) {
    let (stop, db, clock) = (shutdown.clone(), db.clone(), clock.clone());
    let work = worker::run("feed", Arc::default(), PRUNING_INTERVAL, stop, async move || {
        feed_pruning::prune(&db, clock.now() - TimeDelta::days(days.into())).await
    });
    tasks.spawn(work);
}

/// What is owed after no server was there. It may take long, and is given up at the stop: the row says that it is owed.
fn spawn_backfill(tasks: &TaskTracker, shutdown: &CancellationToken, backfill: Backfill) {
    let (stop, alive) = (shutdown.clone(), backfill.clone().stay_alive());
    tasks.spawn(async move { stop.run_until_cancelled(alive).await });
    let (stop, wake) = (shutdown.clone(), backfill.wake.clone());
    let work = worker::run("backfill", wake, BACKFILL_INTERVAL, shutdown.clone(), async move || {
        backfill.run_due().await
    });
    tasks.spawn(async move { stop.run_until_cancelled(work).await });
}
