//! Reads tokens into actors, and gives each GraphQL request what its resolvers use.

use std::sync::Arc;

use async_graphql::Request;
use chrono::{DateTime, Utc};

use crate::{
    auth::{
        Actor, Scope,
        jwt::{Claims, Mode, Tokens},
    },
    directory::{Directory, Name},
    domain::{Domain, feed},
    graphql::{
        context::{Requester, State},
        loaders::Loaders,
        schema::RekomiSchema,
        transport,
        transport::AuthError,
    },
    live::Live,
};

#[derive(Clone)]
pub struct Gateway {
    pub schema: RekomiSchema,
    pub tokens: Tokens,
    pub directory: Directory,
    pub domain: Domain,
    pub live: Live,
}

impl Gateway {
    async fn actor(&self, claims: Claims) -> Result<Actor, AuthError> {
        let account = self.directory.get(Name::Id(claims.brand)).await.map_err(|error| {
            tracing::error!(%error, "a token could not be checked");
            AuthError::Unavailable
        })?;
        let account = account.ok_or(AuthError::Unauthenticated)?;
        let expires_at = claims.expires_at();
        let livemode = claims
            .mode
            .map_or_else(|| account.default_livemode(), |mode| mode == Mode::Live);
        Ok(Actor {
            role: claims.role,
            scope: Scope {
                brand: claims.brand,
                livemode,
                affiliate: claims.affiliate,
            },
            subject: claims.sub,
            expires_at,
        })
    }
}

impl transport::Gateway for Gateway {
    type Executor = RekomiSchema;
    type Caller = Actor;

    fn executor(&self) -> &RekomiSchema {
        &self.schema
    }

    async fn authenticate(&self, bearer: &str) -> Result<Actor, AuthError> {
        let claims = self.tokens.read(bearer, self.domain.clock.now());
        self.actor(claims.map_err(|_| AuthError::Unauthenticated)?).await
    }

    fn expires_at(&self, actor: &Actor) -> Option<DateTime<Utc>> {
        Some(actor.expires_at)
    }

    async fn prepare(&self, request: Request, actor: Option<&Actor>, _request_id: &str) -> Request {
        let domain = match actor {
            Some(actor) => self.domain.of_brand(actor.scope.brand),
            None => self.domain.of_nobody(),
        };
        // Before any page is read, so that nothing falls between the page and the cursor.
        let feed_cursor = match actor {
            Some(actor) if request.query.contains("feedCursor") => {
                Some(feed::current_cursor(&domain, actor).await.map_err(Arc::new))
            }
            _ => None,
        };
        request.data(State {
            live: self.live.clone(),
            feed_cursor,
            requester: actor.map(|actor| Requester {
                loaders: Arc::new(Loaders::new(&domain, actor.scope)),
                actor: actor.clone(),
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
