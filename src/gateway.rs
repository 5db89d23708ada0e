//! Lets callers in to GraphQL, and gives each request what its resolvers use.

use std::sync::Arc;

use async_graphql::Request;
use axum::http::Extensions;
use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::{
    auth::{Actor, Credential, Operation, Origin},
    budgets::{Budget, Budgets, Exhausted},
    callers::Callers,
    domain::{Domain, feed},
    error::{Error, Result},
    graphql::{
        context::{Requester, State},
        loaders::Loaders,
        schema::{RekomiSchema, Schemas},
        transport::{self, AuthError, Payer},
    },
    live::Live,
    live_stats::LiveStats,
};

#[derive(Clone)]
pub struct Gateway {
    pub schemas: Schemas,
    pub budgets: Budgets,
    /// Whether owners may send documents that are not on the operator's list.
    pub owners_send_any: bool,
    pub callers: Callers,
    pub domain: Domain,
    pub live: Live,
    pub live_stats: LiveStats,
    /// How the server is reached from outside, without a slash at the end.
    pub public_url: Arc<str>,
}

impl transport::Gateway for Gateway {
    type Executor = RekomiSchema;
    type Caller = Actor;

    fn executor(&self) -> &RekomiSchema {
        &self.schemas.executing
    }

    fn measurer(&self) -> &RekomiSchema {
        &self.schemas.measuring
    }

    fn charge(&self, payer: Payer<'_, Actor>, points: u64) -> Result<Option<Budget>, Exhausted> {
        match payer {
            Payer::Caller(actor) => self.budgets.charge_actor(actor, points),
            Payer::Origin(request) => {
                let address = request.get::<Origin>().and_then(|origin| origin.address);
                self.budgets.charge_address(address, points)
            }
        }
    }

    fn brand(&self, actor: &Actor) -> Uuid {
        actor.scope.brand.0
    }

    fn may_send_any(&self, actor: &Actor) -> bool {
        self.owners_send_any && actor.may(Operation::SendAnyDocument)
    }

    async fn authenticate(&self, bearer: &str, request: &Extensions) -> Result<Actor, AuthError> {
        let origin = request.get::<Origin>().cloned().unwrap_or_default();
        self.callers.actor(bearer, origin).await.map_err(|error| match error {
            Error::Unauthenticated => AuthError::Unauthenticated,
            Error::Retry(error) => {
                tracing::debug!(%error, "a token could not be checked");
                AuthError::Unavailable
            }
            error => {
                tracing::error!(%error, "a token could not be checked");
                AuthError::Unavailable
            }
        })
    }

    fn identity(&self, actor: &Actor) -> String {
        format!("{} {:?} {:?}", actor.subject, actor.credential, actor.scope)
    }

    fn expires_at(&self, actor: &Actor) -> Option<DateTime<Utc>> {
        actor.expires_at
    }

    async fn revoked(&self, actor: &Actor) {
        match &actor.credential {
            Credential::ApiKey { id, .. } => self.callers.keyring.ended(*id).await,
            Credential::Token(_) | Credential::CommandLine | Credential::Worker => std::future::pending().await,
        }
    }

    async fn prepare(&self, request: Request, actor: Option<&Actor>, request_id: &str) -> Request {
        let mut actor = actor.cloned();
        if let Some(actor) = &mut actor {
            actor.origin.request_id = Some(request_id.to_owned());
        }
        let domain = match &actor {
            Some(actor) => self.domain.of_brand(actor.scope.brand),
            None => self.domain.of_nobody(),
        };
        // Before any page is read, so that nothing falls between the page and the cursor.
        let feed_cursor = match &actor {
            Some(actor) if request.query.contains("feedCursor") => {
                Some(feed::current_cursor(&domain, actor).await.map_err(Arc::new))
            }
            _ => None,
        };
        request.data(State {
            live: self.live.clone(),
            live_stats: self.live_stats.clone(),
            public_url: self.public_url.clone(),
            feed_cursor,
            requester: actor.map(|actor| Requester {
                loaders: Arc::new(Loaders::new(&domain, actor.scope)),
                actor,
            }),
            domain,
        })
    }

    fn socket_opened(&self) {
        metrics::gauge!("rekomi_sockets").increment(1);
    }

    fn socket_closed(&self) {
        metrics::gauge!("rekomi_sockets").decrement(1);
    }

    fn subscription_started(&self) {
        metrics::gauge!("rekomi_subscribers").increment(1);
    }

    fn subscription_ended(&self) {
        metrics::gauge!("rekomi_subscribers").decrement(1);
    }
}
