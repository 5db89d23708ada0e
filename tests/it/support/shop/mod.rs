//! Servers on one database that are told of many sales at once, and die now and then.

mod managers;
mod stands;
mod visitors;

use std::{
    collections::{BTreeMap, HashMap},
    str::FromStr,
    sync::{Arc, Mutex as Cell},
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use entity::{
    code,
    id::CodeId,
    stripe_event::{self, EventStatus},
};
use futures_util::{StreamExt, stream};
use rekomi::{
    clock::Clock,
    db::{DatabaseUrl, Db, Reader},
    standin::{Fault, FaultKind, Promo, StandIn, sign},
};
use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder};
use serde_json::Value;
use tokio::{sync::Mutex, time::Instant};

use super::{
    TestApp,
    app::{Brand, http},
    database::Database,
    instance::settings,
    mortal::Mortal,
    rng::Rng,
    script::{self, Code, News},
};
use managers::Managers;
use visitors::Visitors;

/// How many deliveries are under way at once.
const AT_ONCE: usize = 24;
/// Longer than anything is leased for.
const LEASES_END: TimeDelta = TimeDelta::seconds(16);
/// How long nothing may move before the clock does.
const STANDSTILL: Duration = Duration::from_secs(2);
/// How long the inbox of a round may take.
const PATIENCE: Duration = Duration::from_secs(300);

pub struct Shop {
    pub database: Database,
    pub acme: Brand,
    pub promos: Arc<BTreeMap<Code, Promo>>,
    codes: BTreeMap<CodeId, String>,
    visitors: Visitors,
    managers: Managers,
    settings: HashMap<&'static str, String>,
    clock: Clock,
    db: Db,
    http: reqwest::Client,
    servers: Mutex<Vec<Mortal>>,
    bases: Cell<Vec<String>>,
    standin: StandIn,
}

impl Shop {
    /// One server on SQLite, two on PostgreSQL.
    pub async fn open(database: Database) -> Self {
        let app = TestApp::start(database).await;
        script::stage::set_stage(&app).await;
        // Whatever is told has happened before.
        app.pass(TimeDelta::days(3 * 365));
        let visitors = Visitors::of(&app).await;
        let managers = Managers::of(&app);
        let TestApp {
            instance,
            clock,
            standin,
            database,
            acme,
            ..
        } = app;
        instance.stop().await;
        let settings = settings(&database, &standin);
        let mut servers = Vec::new();
        for _ in 0..1 + usize::from(database.is_postgres()) {
            servers.push(Mortal::start(&settings, &clock).await);
        }
        let db = Db::open(&DatabaseUrl::from_str(&database.url).unwrap()).await.unwrap();
        let codes = code::Entity::find().all(db.reader()).await.unwrap();
        let promo = |code: Code| match code.owned() {
            Some(_) => acme.promo(&code.text()),
            None => code.promo(),
        };
        Self {
            promos: Arc::new(Code::ALL.map(|code| (code, promo(code))).into()),
            codes: codes.into_iter().map(|row| (row.id, row.code)).collect(),
            visitors,
            managers,
            bases: Cell::new(servers.iter().map(|server| server.base.clone()).collect()),
            servers: Mutex::new(servers),
            http: http(),
            db,
            clock,
            settings,
            standin,
            acme,
            database,
        }
    }

    /// Stops in good order; the database is left.
    pub async fn close(self) -> Database {
        for server in self.servers.into_inner() {
            server.stop().await;
        }
        self.standin.stop().await;
        self.db.close().await;
        self.database
    }

    pub fn db(&self) -> &Reader {
        self.db.reader()
    }

    /// Delivers news in batches of all sizes, until each is acknowledged; some of the batches are the last that a
    /// server sees. Then waits for the end of the inbox. How often a server died is given back.
    pub async fn tell(&self, mut events: Vec<News>, rng: &mut Rng) -> usize {
        // What Stripe is asked now is later than all that it was asked before.
        self.clock.advance(TimeDelta::minutes(1));
        self.standin.fault(bad_moment(rng));
        let mut deaths = 0;
        while !events.is_empty() {
            let size = if rng.below(4) == 0 {
                rng.below(8)
            } else {
                rng.below(400)
            };
            let size = (1 + size).min(events.len());
            let batch: Vec<News> = events.drain(..size).collect();
            let dies = (rng.below(6) == 0).then(|| rng.below(size));
            deaths += usize::from(dies.is_some());
            // Stripe comes again with what was not acknowledged.
            events.extend(self.post(batch, dies, rng).await);
        }
        if rng.below(2) == 0 {
            deaths += 1;
            self.die(rng.below(2)).await;
        }
        self.settle().await;
        deaths
    }

    /// Posts a batch; a server dies after this many answers. What was not acknowledged is given back.
    async fn post(&self, batch: Vec<News>, dies: Option<usize>, rng: &mut Rng) -> Vec<News> {
        let batch = batch.into_iter().map(|event| (rng.below(2), event));
        let batch: Vec<_> = batch.collect();
        let mut posts = stream::iter(batch)
            .map(async |(server, event)| (self.is_told(server, &event).await, event))
            .buffer_unordered(AT_ONCE);
        let (mut refused, mut answers) = (Vec::new(), 0);
        while let Some((acknowledged, event)) = posts.next().await {
            if !acknowledged {
                refused.push(event);
            }
            if dies == Some(answers) {
                self.die(answers).await;
            }
            answers += 1;
        }
        refused
    }

    async fn is_told(&self, server: usize, news: &News) -> bool {
        let base = {
            let bases = self.bases.lock().unwrap();
            bases[server % bases.len()].clone()
        };
        match news {
            News::Event(event) => self.acknowledged(&base, event).await,
            News::Decision(decided) => self.is_decided(&base, decided).await,
        }
    }

    async fn acknowledged(&self, base: &str, event: &Value) -> bool {
        let body = event.to_string();
        let signature = sign(body.as_bytes(), &self.acme.webhook_secret, self.clock.now().timestamp());
        let post = self.http.post(format!("{base}{}", self.acme.webhook()));
        let answer = post.header("stripe-signature", signature).body(body).send().await;
        answer.is_ok_and(|answer| answer.status() == 200)
    }

    /// One of the servers dies, and another takes its place.
    async fn die(&self, which: usize) {
        let mut servers = self.servers.lock().await;
        let which = which % servers.len();
        servers.swap_remove(which).die().await;
        let server = Mortal::start(&self.settings, &self.clock).await;
        let base = server.base.clone();
        servers.push(server);
        let mut bases = self.bases.lock().unwrap();
        bases.swap_remove(which);
        bases.push(base);
        self.clock.advance(LEASES_END);
    }

    /// Waits until nothing in the inbox is pending. What waits for its next attempt gets its time at once, and where
    /// nothing moves, what is leased: an event that found no place at Stripe is taken up again when its lease ends.
    async fn settle(&self) {
        let end = Instant::now() + PATIENCE;
        let mut moved = (0, Instant::now());
        while let Some((due, count)) = self.pending().await {
            self.clock.advance((due - self.clock.now()).max(TimeDelta::zero()));
            if count != moved.0 {
                moved = (count, Instant::now());
            } else if moved.1.elapsed() > STANDSTILL {
                self.clock.advance(LEASES_END);
                moved.1 = Instant::now();
            }
            assert!(Instant::now() < end, "{count} events stay in the inbox");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let parked = stripe_event::Entity::find().filter(stripe_event::Column::Status.eq(EventStatus::Parked));
        assert_eq!(parked.count(self.db()).await.unwrap(), 0, "events are set aside");
    }

    /// The last moment at which an event is due, and how many there are.
    async fn pending(&self) -> Option<(DateTime<Utc>, u64)> {
        let pending = stripe_event::Entity::find().filter(stripe_event::Column::Status.eq(EventStatus::Pending));
        let count = pending.clone().count(self.db()).await.unwrap();
        let last = pending.order_by_desc(stripe_event::Column::NextAttemptAt);
        let last = last.one(self.db()).await.unwrap();
        last.map(|event| (event.next_attempt_at, count))
    }
}

/// Stripe is not to be reached for a few requests.
fn bad_moment(rng: &mut Rng) -> Fault {
    let kinds = [
        FaultKind::RateLimited,
        FaultKind::ServerError,
        FaultKind::DropBefore,
        FaultKind::DropAfter,
    ];
    let kind = kinds[rng.below(kinds.len())].clone();
    Fault::new(kind).times(u32::try_from(rng.below(20)).unwrap())
}
