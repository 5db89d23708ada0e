//! What every resolver may use: the rules, the live feed, and who asks.

use std::sync::Arc;

use async_graphql::{Context, Guard};

use super::{errors::graphql_error, loaders::Loaders};
use crate::{
    auth::{Actor, Operation},
    domain::Domain,
    error::{Error, Result},
    live::Live,
    live_stats::LiveStats,
};

/// A caller with the loaders of this request.
#[derive(Clone)]
pub struct Requester {
    pub actor: Actor,
    pub loaders: Arc<Loaders>,
}

/// Put into each request by the gateway; nothing else is looked up in the request's data.
#[derive(Clone)]
pub struct State {
    /// Confined to the caller's brand.
    pub domain: Domain,
    pub live: Live,
    pub live_stats: LiveStats,
    /// How the server is reached from outside, without a slash at the end.
    pub public_url: Arc<str>,
    /// Where the feed stood before the request read anything, if it asks for that.
    pub feed_cursor: Option<Result<String, Arc<Error>>>,
    /// `None` without a token.
    pub requester: Option<Requester>,
}

/// Access to the state from a resolver.
pub trait ContextExt {
    fn state(&self) -> Result<&State>;

    fn domain(&self) -> Result<&Domain> {
        Ok(&self.state()?.domain)
    }

    /// # Errors
    /// `UNAUTHENTICATED` without a token.
    fn requester(&self) -> Result<&Requester> {
        self.state()?.requester.as_ref().ok_or(Error::Unauthenticated)
    }
}

impl ContextExt for Context<'_> {
    fn state(&self) -> Result<&State> {
        self.data_opt()
            .ok_or_else(|| Error::Internal("a request without its state".into()))
    }
}

/// Lets a field be asked only by roles that may do the operation.
pub struct May(pub Operation);

impl Guard for May {
    async fn check(&self, ctx: &Context<'_>) -> async_graphql::Result<()> {
        let requester = ctx.requester().map_err(graphql_error)?;
        requester.actor.require(self.0).map_err(graphql_error)
    }
}
