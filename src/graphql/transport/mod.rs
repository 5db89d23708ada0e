//! GraphQL over HTTP, over WebSockets and over server-sent events, and the IDE page: from bytes to a [`Request`], from a [`Response`] to bytes.
//!
//! Owns the routes `/graphql`, `/graphql/ws`, `/graphql/stream` and `/graphql/assets/…`. It does not know the schema, the roles or the
//! database: the application hands those in through [`Gateway`].
//!
//! Invariants, on every transport:
//! - GET never changes anything, and a POST must be `application/json`, so no page can forge a request with a form.
//! - A token that is present is good or the request is refused; a socket and an event stream need one, and end when the
//!   token does.
//! - No error reaches a client without a code, and what is internal leaves only a request id (see [`errors`]).
//! - Nothing is read or kept without a bound, and nothing waits for a client without a time-out.

mod auth;
mod cost;
pub mod documents;
mod errors;
mod event_stream;
mod events;
mod execute;
mod expansion;
mod http;
mod ide;
mod introspection;
mod negotiate;
mod place;
mod protocol;
mod request;
mod reservations;
mod running;
mod session;
mod single;
mod stay;
#[cfg(test)]
mod tests;
mod tokens;
mod wire;
mod ws;

use std::{future::Future, sync::Arc, time::Duration};

use async_graphql::{Request, ServerError};
use axum::{
    Router,
    extract::DefaultBodyLimit,
    http::Extensions,
    routing::{any, get},
};
use chrono::{DateTime, Utc};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use uuid::Uuid;

pub use cost::Measure;
use documents::{Documents, Reader};
pub use place::Place;
use request::{Operation, Params};
use reservations::Reservations;

use crate::{
    budgets::{Budget, Exhausted},
    clock::Clock,
};

/// What the transport needs from the application.
pub trait Gateway: Clone + Send + Sync + 'static {
    /// The schema.
    type Executor: async_graphql::Executor;

    /// Who is calling, once a token was found good.
    type Caller: Send + Sync + 'static;

    /// Runs what the measurer found in order.
    fn executor(&self) -> &Self::Executor;

    /// The same schema with its limits and [`Measure`].
    fn measurer(&self) -> &Self::Executor;

    /// Takes points out of a budget; `None` is one without a limit.
    ///
    /// # Errors
    /// There are too few left; none is taken.
    fn charge(&self, _payer: Payer<'_, Self::Caller>, _points: u64) -> Result<Option<Budget>, Exhausted> {
        Ok(None)
    }

    /// With whom the caller shares the documents that clients named: its brand.
    fn brand(&self, caller: &Self::Caller) -> Uuid;

    /// Whether the caller may send documents that are not on the operator's list.
    fn may_send_any(&self, _caller: &Self::Caller) -> bool {
        false
    }

    /// Looks up a token; `bearer` comes without the word `Bearer`. What the layers around the routes know of the
    /// request, or of the socket's handshake, is in its extensions.
    fn authenticate(
        &self,
        bearer: &str,
        request: &Extensions,
    ) -> impl Future<Output = Result<Self::Caller, AuthError>> + Send;

    /// Who the caller is and what it may, as one word: what one request reserved is for another that has the same.
    fn identity(&self, caller: &Self::Caller) -> String;

    /// When the caller's token ends by itself: its sockets are closed then.
    fn expires_at(&self, caller: &Self::Caller) -> Option<DateTime<Utc>>;

    /// Ends when the caller's token is withdrawn before its time: its sockets are closed then.
    fn revoked(&self, _caller: &Self::Caller) -> impl Future<Output = ()> + Send {
        std::future::pending()
    }

    /// Puts what resolvers need (actor or none, request id, fresh loaders) into the request's data. Called once per
    /// operation, a subscription included.
    fn prepare(
        &self,
        request: Request,
        caller: Option<&Self::Caller>,
        request_id: &str,
    ) -> impl Future<Output = Request> + Send;

    /// For metrics, event streams among the sockets; each of the two pairs is called in pairs, whatever happens between.
    fn socket_opened(&self) {}
    fn socket_closed(&self) {}
    fn subscription_started(&self) {}
    fn subscription_ended(&self) {}
}

/// Out of whose budget something is paid.
pub enum Payer<'a, C> {
    Caller(&'a C),
    /// Nobody who showed a good token: the request's extensions tell where it came from.
    Origin(&'a Extensions),
}

impl<C> Clone for Payer<'_, C> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<C> Copy for Payer<'_, C> {}

impl<'a, C> Payer<'a, C> {
    fn of(caller: Option<&'a C>, request: &'a Extensions) -> Self {
        caller.map_or(Self::Origin(request), Self::Caller)
    }

    fn caller(self) -> Option<&'a C> {
        match self {
            Self::Caller(caller) => Some(caller),
            Self::Origin(_) => None,
        }
    }
}

/// Why a token did not open the door.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthError {
    /// The token is not good.
    Unauthenticated,
    /// It cannot be told now (storage is down): the caller may try again.
    Unavailable,
}

/// Limits and time-outs; [`TransportSettings::new`] has the defaults.
#[derive(Clone)]
pub struct TransportSettings {
    pub clock: Clock,
    /// Cancelled when the server stops: sockets close with 1001.
    pub shutdown: CancellationToken,
    /// Holds every open socket and every mutation that runs: to stop well, cancel `shutdown`, then close this and
    /// wait for it. (axum's graceful shutdown does not wait for upgraded connections.)
    pub tasks: TaskTracker,
    /// Serves the IDE at `GET /graphql` in a browser.
    pub ide: bool,
    /// Answers questions about the schema.
    pub introspection: bool,
    /// Documents that clients name instead of sending them.
    pub documents: Arc<Documents>,
    /// How long a query may run; a mutation is never cut.
    pub query_timeout: Duration,
    /// Largest POST body; more is 413.
    pub max_body_bytes: usize,
    /// How long a body may take to arrive; longer is 408.
    pub body_timeout: Duration,
    /// Largest WebSocket message; more closes with 1009.
    pub max_message_bytes: usize,
    /// Operations that one socket or event stream may have running at once.
    pub max_operations: usize,
    /// How long a socket may stay without `connection_init`; longer closes with 4408.
    pub init_timeout: Duration,
    /// How long a reserved event stream may wait to be opened; longer, and there is none.
    pub reservation: Duration,
    /// How long one message may wait for a client that does not read; longer drops the socket or event stream.
    pub send_timeout: Duration,
    /// How often a socket is pinged; one that stays silent for a whole interval after a ping is dropped. An event stream
    /// is sent a comment where nothing else was sent for as long.
    pub keep_alive: Duration,
}

impl TransportSettings {
    pub fn new(clock: Clock, shutdown: CancellationToken) -> Self {
        Self {
            clock,
            shutdown,
            tasks: TaskTracker::new(),
            ide: true,
            introspection: true,
            documents: Arc::default(),
            query_timeout: Duration::from_secs(10),
            max_body_bytes: 1024 * 1024,
            body_timeout: Duration::from_secs(30),
            max_message_bytes: 256 * 1024,
            max_operations: 100,
            init_timeout: Duration::from_secs(10),
            reservation: Duration::from_secs(30),
            send_timeout: Duration::from_secs(30),
            keep_alive: Duration::from_secs(25),
        }
    }
}

/// The state of all handlers here.
#[derive(Clone)]
struct Transport<G> {
    gateway: G,
    settings: Arc<TransportSettings>,
    reservations: Reservations,
}

impl<G: Gateway> Transport<G> {
    /// From a request's parameters to its operation. What is wrong is a GraphQL error, to be answered as one.
    fn operation(&self, params: Params, caller: Option<&G::Caller>) -> Result<Operation, ServerError> {
        let documents = &self.settings.documents;
        let reader = Reader {
            shelf: caller.map(|caller| self.gateway.brand(caller)),
            may_send_any: caller.is_some_and(|caller| self.gateway.may_send_any(caller)),
        };
        let named = params.document.clone();
        let text = documents.find(&named, reader)?;
        let operation = Operation::parse(&text, params, self.settings.introspection)?;
        documents.keep(&named, reader);
        Ok(operation)
    }
}

/// The routes. CORS, compression and the request id header are layers of the application around them.
pub fn router<G: Gateway>(gateway: G, settings: TransportSettings) -> Router {
    let body_limit = DefaultBodyLimit::max(settings.max_body_bytes);
    let transport = Transport {
        gateway,
        settings: Arc::new(settings),
        reservations: Reservations::default(),
    };
    Router::new()
        .route(
            "/graphql",
            get(http::get::<G>)
                .post(http::post::<G>)
                .fallback(http::method_not_allowed::<G>),
        )
        .route("/graphql/ws", any(ws::upgrade::<G>))
        .route(
            "/graphql/stream",
            get(single::get::<G>)
                .put(single::put::<G>)
                .post(single::post::<G>)
                .delete(single::delete::<G>)
                .fallback(http::method_not_allowed::<G>),
        )
        .route("/graphql/assets/{name}", get(ide::asset))
        .layer(body_limit)
        .with_state(transport)
}
