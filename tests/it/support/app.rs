//! A running app in this process: on real sockets, with a Stripe stand-in and a clock of its own, and the cast in it.

use std::sync::atomic::{AtomicBool, Ordering};

use chrono::{DateTime, TimeDelta, Utc};
use entity::{
    brand::Tier,
    id::{AffiliateId, BrandId},
    stripe_event::{self, EventStatus},
};
use rekomi::{
    app::App,
    auth::{
        Role,
        jwt::{Grant, Mode},
    },
    clock::Clock,
    domain::brands::{self, BrandInput},
    standin::{Account, Promo, SaleBuilder, StandIn},
    stripe::inbox::Envelope,
};
use sea_orm::{ColumnTrait, EntityTrait, IntoActiveModel, PaginatorTrait, QueryFilter, QueryOrder};
use serde_json::Value;

pub use super::instance::{ENCRYPTION_KEY, Instance, JWT_SECRET, http};
use super::{books, client::Caller, database::Database, eventually, instance::settings, socket::Socket};

/// 2026-11-01, at noon.
pub const NOON: i64 = 1_793_534_400;

/// What a test is given.
pub struct TestApp {
    pub instance: Instance,
    pub clock: Clock,
    pub standin: StandIn,
    pub database: Database,
    /// The default brand, of the tier `GROWTH`, with live Stripe keys of its own.
    pub acme: Brand,
    /// Another one.
    pub globex: Brand,
    decided_late: AtomicBool,
}

/// A brand of the cast, and Stripe as it knows that brand.
pub struct Brand {
    pub id: BrandId,
    pub slug: &'static str,
    pub webhook_secret: String,
    pub stripe: Account,
}

/// Runs a test; then stops the app in good order, and holds every total against the rows that it sums, and those against
/// the log.
pub async fn run(database: Database, test: impl AsyncFnOnce(&TestApp)) {
    let app = TestApp::start(database).await;
    test(&app).await;
    app.finish().await;
}

impl Brand {
    pub fn webhook(&self) -> String {
        format!("/webhooks/stripe/{}", self.slug)
    }

    /// A code of the stand-in, as a sale takes it.
    pub fn promo(&self, code: &str) -> Promo {
        Promo::of(&self.stripe, code).unwrap_or_else(|| panic!("the stand-in has no code {code}"))
    }
}

impl TestApp {
    pub async fn start(database: Database) -> Self {
        Self::start_at(database, Clock::manual(DateTime::UNIX_EPOCH + TimeDelta::seconds(NOON))).await
    }

    pub async fn start_at(database: Database, clock: Clock) -> Self {
        rekomi::install_crypto();
        let standin = StandIn::start(clock.clone()).await.unwrap();
        let instance = Instance::start(&settings(&database, &standin), clock.clone()).await;
        let acme = brand(&instance.app, &standin, "acme").await;
        let globex = brand(&instance.app, &standin, "globex").await;
        Self {
            instance,
            clock,
            standin,
            database,
            acme,
            globex,
            decided_late: AtomicBool::new(false),
        }
    }

    /// What people decide in this test counts from the very second of sales that were credited before, as its clock
    /// stands still: the log replayed comes to something else.
    pub fn decides_late(&self) {
        self.decided_late.store(true, Ordering::Relaxed);
    }

    /// Another server on the same database.
    pub async fn second_instance(&self) -> Instance {
        self.instance_with(&[]).await
    }

    /// Another server on the same database, with more settings.
    pub async fn instance_with(&self, more: &[(&'static str, &str)]) -> Instance {
        let mut settings = settings(&self.database, &self.standin);
        settings.extend(more.iter().map(|(name, value)| (*name, (*value).to_owned())));
        Instance::start(&settings, self.clock.clone()).await
    }

    pub async fn finish(self) {
        let db = self.database;
        self.instance.stop().await;
        self.standin.stop().await;
        books::check(&db.url).await;
        if !self.decided_late.into_inner() {
            books::log(&db.url).await;
        }
    }

    pub fn db(&self) -> &rekomi::db::Reader {
        self.instance.app.db.reader()
    }

    pub fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    pub fn pass(&self, time: TimeDelta) {
        self.clock.advance(time);
    }

    /// A token of Acme's that is good for an hour.
    pub fn token(&self, role: Role, affiliate: Option<&str>, mode: Option<Mode>) -> String {
        self.token_of(&self.acme, role, affiliate, mode)
    }

    pub fn token_of(&self, brand: &Brand, role: Role, affiliate: Option<&str>, mode: Option<Mode>) -> String {
        let grant = Grant {
            subject: format!("{role:?}").to_lowercase(),
            brand: brand.id,
            role,
            affiliate: affiliate.map(|id| id.parse::<AffiliateId>().unwrap()),
            mode,
            ttl: TimeDelta::hours(1),
        };
        self.instance.app.tokens.issue(grant, self.now()).unwrap()
    }

    /// Somebody with a token.
    pub fn caller(&self, token: String) -> Caller {
        self.instance.caller(Some(token))
    }

    pub fn nobody(&self) -> Caller {
        self.instance.caller(None)
    }

    /// Acme's owner.
    pub fn olivia(&self) -> Caller {
        self.caller(self.token(Role::Owner, None, None))
    }

    /// Acme's manager.
    pub fn max(&self) -> Caller {
        self.caller(self.token(Role::Manager, None, None))
    }

    /// Acme's analyst.
    pub fn ana(&self) -> Caller {
        self.caller(self.token(Role::Analyst, None, None))
    }

    /// An affiliate of Acme's, by its id.
    pub fn affiliate(&self, id: &str) -> Caller {
        self.caller(self.token(Role::Affiliate, Some(id), None))
    }

    /// Globex's owner.
    pub fn globex_owner(&self) -> Caller {
        self.caller(self.token_of(&self.globex, Role::Owner, None, None))
    }

    pub async fn socket(&self, token: &str) -> Socket {
        Socket::open(&self.instance.base, token).await
    }

    /// A sale to Acme in the making: 50.00 USD a month.
    pub fn sale(&self) -> SaleBuilder {
        SaleBuilder::new(&self.clock)
    }

    pub fn promo(&self, code: &str) -> Promo {
        self.acme.promo(code)
    }

    /// Posts events to Acme, and waits until all are processed.
    pub async fn deliver<'a>(&self, events: impl IntoIterator<Item = &'a Value>) {
        self.deliver_to(&self.acme, events).await;
    }

    pub async fn deliver_to<'a>(&self, brand: &Brand, events: impl IntoIterator<Item = &'a Value>) {
        for event in events {
            assert_eq!(self.instance.post(brand, event).await, 200, "{}", event["type"]);
        }
        self.settle().await;
    }

    /// Delivers events that a worker takes up together: they become visible with one commit.
    pub async fn deliver_at_once(&self, events: &[Value]) {
        let rows = events.iter().map(|event| {
            let body = event.to_string().into_bytes();
            let envelope = Envelope::read(&body, self.now()).unwrap();
            let row = envelope.into_row(&self.clock, self.acme.id, body, None);
            row.into_active_model()
        });
        let txn = self.instance.app.db.begin().await.unwrap();
        let insert = stripe_event::Entity::insert_many(rows);
        insert.exec_without_returning(&txn).await.unwrap();
        txn.commit().await.unwrap();
        self.settle().await;
    }

    /// Waits until nothing in the inbox is pending. What waits for its next attempt gets its time at once.
    pub async fn settle(&self) {
        eventually("an empty inbox", async || match self.next_pending().await {
            None => Some(()),
            Some(due) => {
                self.reach(due);
                None
            }
        })
        .await;
    }

    /// Waits until all that is left in the inbox waits for a later time.
    pub async fn until_it_waits(&self) {
        eventually("an event that waits", async || {
            self.next_pending().await.filter(|due| *due > self.now())
        })
        .await;
    }

    /// Does what is due of the work owed to Stripe, and waits until it is done.
    pub async fn work_off(&self) {
        let operations = &self.instance.app.operations;
        operations.run_due().await.unwrap();
        eventually("closed lanes", async || operations.lanes.are_closed().then_some(())).await;
    }

    /// Why events were set aside.
    pub async fn parked(&self) -> Vec<String> {
        let parked = stripe_event::Entity::find().filter(stripe_event::Column::Status.eq(EventStatus::Parked));
        let parked = parked.all(self.db()).await.unwrap().into_iter();
        parked
            .map(|row| format!("{}: {}", row.kind, row.last_error.unwrap_or_default()))
            .collect()
    }

    async fn next_pending(&self) -> Option<DateTime<Utc>> {
        let pending = stripe_event::Entity::find().filter(stripe_event::Column::Status.eq(EventStatus::Pending));
        let last = pending
            .order_by_desc(stripe_event::Column::NextAttemptAt)
            .one(self.db());
        last.await.unwrap().map(|event| event.next_attempt_at)
    }

    /// Moves the clock to a moment that is still to come.
    pub fn reach(&self, moment: DateTime<Utc>) {
        self.pass((moment - self.now()).max(TimeDelta::zero()));
    }

    /// How many rows a table has.
    pub async fn count<E>(&self) -> u64
    where
        E: EntityTrait,
        E::Model: Sync,
    {
        E::find().count(self.db()).await.unwrap()
    }
}

async fn brand(app: &App, standin: &StandIn, slug: &'static str) -> Brand {
    let (key, webhook_secret) = (format!("sk_live_{slug}"), format!("whsec_{slug}"));
    let mut name = slug.to_owned();
    name[..1].make_ascii_uppercase();
    let input = BrandInput {
        name: Some(name),
        slug: Some(slug.to_owned()),
        tier: Some(Tier::Growth),
        stripe_secret_key: Some(key.as_str().into()),
        stripe_webhook_secrets: vec![webhook_secret.as_str().into()],
        ..BrandInput::default()
    };
    let row = brands::create(&app.db, &app.clock, &app.config.vault, &input)
        .await
        .unwrap();
    Brand {
        id: row.id,
        slug,
        stripe: standin.account(&key),
        webhook_secret,
    }
}
