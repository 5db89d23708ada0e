//! A small schema behind the transport, and the tests of what goes over the wire.

mod client;
mod closing;
mod events;
mod http;
mod operations;
mod refusals;
mod single;

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use async_graphql::{Context, Error, ErrorExtensions, Object, Request, Result, Schema, Subscription, ValidationMode};
use axum::http::Extensions;
use chrono::{DateTime, TimeDelta, Utc};
use futures_util::{Stream, StreamExt, stream};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{AuthError, Gateway, Measure, Payer, Place, TransportSettings, router};
use crate::{
    budgets::{Budget, Exhausted},
    clock::Clock,
};

pub(super) struct Query;

#[Object]
impl Query {
    async fn hello(&self) -> &str {
        "world"
    }

    async fn me(&self, ctx: &Context<'_>) -> Result<String> {
        let who = ctx
            .data_opt::<Who>()
            .ok_or_else(|| Error::new("sign in first").extend_with(|_, it| it.set("code", "UNAUTHENTICATED")))?;
        Ok(who.0.clone())
    }

    async fn request_id(&self, ctx: &Context<'_>) -> String {
        ctx.data_unchecked::<RequestId>().0.clone()
    }

    /// Fails as a database does.
    async fn broken(&self) -> Option<Result<i32>> {
        Some(Err(std::io::Error::other("SQLSTATE 42P01: no such table").into()))
    }

    /// Fails with words and no code.
    async fn uncoded(&self) -> Option<Result<i32>> {
        Some(Err(Error::new("select * from secrets")))
    }

    async fn panics(&self, #[graphql(default)] not: bool) -> i32 {
        assert!(not, "on purpose");
        0
    }

    async fn length(&self, #[graphql(validator(max_length = 3))] text: String) -> usize {
        text.len()
    }

    async fn nested(&self) -> Self {
        Self
    }

    async fn waits(&self) -> bool {
        std::future::pending().await
    }
}

pub(super) struct Mutation;

#[Object]
impl Mutation {
    /// Takes a moment, then counts.
    async fn count(&self, ctx: &Context<'_>) -> i64 {
        tokio::time::sleep(Duration::from_millis(50)).await;
        let tally = ctx.data_unchecked::<Arc<Tally>>();
        tally.mutations.fetch_add(1, Ordering::SeqCst) + 1
    }
}

pub(super) struct Subscriptions;

#[Subscription]
impl Subscriptions {
    async fn ticks(&self, up_to: i32) -> impl Stream<Item = i32> {
        stream::iter(1..=up_to)
    }

    async fn forever(&self) -> impl Stream<Item = i32> {
        stream::iter([1]).chain(stream::pending())
    }

    /// As much as anyone reads.
    async fn flood(&self, ctx: &Context<'_>) -> impl Stream<Item = String> {
        let tally = ctx.data_unchecked::<Arc<Tally>>().clone();
        stream::repeat_with(move || {
            tally.flooded.fetch_add(1, Ordering::SeqCst);
            "x".repeat(10_000)
        })
    }

    async fn refused(&self) -> Result<stream::Empty<i32>> {
        Err(Error::new("not you").extend_with(|_, it| it.set("code", "FORBIDDEN")))
    }

    /// Tells its place, and goes on after the one that it is given.
    async fn steps(&self, ctx: &Context<'_>, up_to: i32) -> impl Stream<Item = i32> {
        let place = ctx.data_unchecked::<Place>().clone();
        let after = place.resumed().and_then(|at| at.strip_prefix("at-")?.parse().ok());
        stream::iter(after.unwrap_or(0) + 1..=up_to).map(move |step| {
            place.reach(format!("at-{step}"));
            step
        })
    }

    /// The second item fails as a database does.
    async fn failing(&self, ctx: &Context<'_>) -> impl Stream<Item = Result<i32>> {
        let place = ctx.data_unchecked::<Place>().clone();
        stream::iter(1..=3).map(move |step| {
            place.reach(format!("at-{step}"));
            if step == 2 {
                Err(Error::from(std::io::Error::other("SQLSTATE 42P01: no such table")))
            } else {
                Ok(step)
            }
        })
    }

    async fn panics(&self) -> impl Stream<Item = i32> {
        stream::iter([1]).map(|_| panic!("on purpose"))
    }
}

struct Who(String);
struct RequestId(String);

/// What the application hears of.
#[derive(Default)]
pub(super) struct Tally {
    sockets: AtomicI64,
    subscriptions: AtomicI64,
    mutations: AtomicI64,
    flooded: AtomicI64,
    /// Points that callers and visitors have paid.
    paid: AtomicI64,
}

type TestSchema = Schema<Query, Mutation, Subscriptions>;

/// Takes the tokens `olivia`, `brief` (ends in a minute), `slow` (takes for ever), `down` (storage is), `revoked`.
#[derive(Clone)]
pub(super) struct TestGateway {
    schema: TestSchema,
    measuring: TestSchema,
    /// Points in all; `None` is no limit.
    limit: Option<u32>,
    clock: Clock,
    tally: Arc<Tally>,
    revoke: CancellationToken,
}

pub(super) struct Caller {
    name: String,
    expires_at: Option<DateTime<Utc>>,
}

impl Gateway for TestGateway {
    type Executor = TestSchema;
    type Caller = Caller;

    fn executor(&self) -> &TestSchema {
        &self.schema
    }

    fn measurer(&self) -> &TestSchema {
        &self.measuring
    }

    fn charge(&self, _payer: Payer<'_, Caller>, points: u64) -> Result<Option<Budget>, Exhausted> {
        let Some(limit) = self.limit else {
            return Ok(None);
        };
        let points = i64::try_from(points).unwrap();
        let paid = self.tally.paid.load(Ordering::SeqCst) + points;
        let remaining = u32::try_from(i64::from(limit) - paid).map_err(|_| Exhausted { retry_after: 7 })?;
        self.tally.paid.store(paid, Ordering::SeqCst);
        let reset_after = 60;
        Ok(Some(Budget {
            limit,
            remaining,
            reset_after,
        }))
    }

    fn brand(&self, _caller: &Caller) -> Uuid {
        Uuid::nil()
    }

    async fn authenticate(&self, bearer: &str, _request: &Extensions) -> Result<Caller, AuthError> {
        let expires_at = match bearer {
            "olivia" => None,
            "brief" => Some(self.clock.now() + TimeDelta::minutes(1)),
            "slow" => std::future::pending().await,
            "down" => return Err(AuthError::Unavailable),
            _ => return Err(AuthError::Unauthenticated),
        };
        let name = bearer.to_owned();
        Ok(Caller { name, expires_at })
    }

    fn identity(&self, caller: &Caller) -> String {
        caller.name.clone()
    }

    fn expires_at(&self, caller: &Caller) -> Option<DateTime<Utc>> {
        caller.expires_at
    }

    async fn revoked(&self, _caller: &Caller) {
        self.revoke.cancelled().await;
    }

    async fn prepare(&self, request: Request, caller: Option<&Caller>, request_id: &str) -> Request {
        let request = request.data(RequestId(request_id.to_owned())).data(self.tally.clone());
        match caller {
            Some(caller) => request.data(Who(caller.name.clone())),
            None => request,
        }
    }

    fn socket_opened(&self) {
        self.tally.sockets.fetch_add(1, Ordering::SeqCst);
    }

    fn socket_closed(&self) {
        self.tally.sockets.fetch_sub(1, Ordering::SeqCst);
    }

    fn subscription_started(&self) {
        self.tally.subscriptions.fetch_add(1, Ordering::SeqCst);
    }

    fn subscription_ended(&self) {
        self.tally.subscriptions.fetch_sub(1, Ordering::SeqCst);
    }
}

pub(super) struct Fixture {
    gateway: TestGateway,
    settings: TransportSettings,
}

impl Fixture {
    pub(super) fn new() -> Self {
        let clock = Clock::manual(DateTime::UNIX_EPOCH + TimeDelta::days(20_000));
        let build = || Schema::build(Query, Mutation, Subscriptions);
        let measuring = build()
            .limit_depth(5)
            .limit_complexity(20)
            .limit_aliases(3)
            .limit_directives(2)
            .extension(Measure);
        Self {
            gateway: TestGateway {
                schema: build().validation_mode(ValidationMode::Fast).finish(),
                measuring: measuring.finish(),
                limit: None,
                clock: clock.clone(),
                tally: Arc::default(),
                revoke: CancellationToken::new(),
            },
            settings: TransportSettings::new(clock, CancellationToken::new()),
        }
    }

    pub(super) fn router(&self) -> axum::Router {
        router(self.gateway.clone(), self.settings.clone())
    }

    fn tally(&self) -> &Tally {
        &self.gateway.tally
    }

    /// Waits until `what` holds; for what happens on the server's side after the client has seen all it will see.
    async fn until(&self, what: impl Fn(&Tally) -> bool) {
        let waiting = async {
            while !what(self.tally()) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let waited = tokio::time::timeout(Duration::from_secs(5), waiting).await;
        waited.expect("it never came about");
    }
}
