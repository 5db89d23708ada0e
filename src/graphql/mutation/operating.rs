//! API keys, and events that are put back: for owners.

use std::sync::Arc;

use async_graphql::{Context, Object};

use super::{
    super::{
        api_keys::{
            ApiKey, CreateApiKeyInput, CreateApiKeyPayload, RevokeApiKeyInput, RevokeApiKeyPayload, RotateApiKeyInput,
            RotateApiKeyPayload,
        },
        context::May,
        errors::payload,
        inbox::{
            ReplayParkedStripeEventsInput, ReplayParkedStripeEventsPayload, ReplayStripeEventInput,
            ReplayStripeEventPayload, StripeEvent,
        },
        scalars::Long,
    },
    call, known, node,
};
use crate::{
    auth::Operation,
    domain::{api_keys, replay},
};

#[derive(Default)]
pub struct OperatingMutations;

#[Object]
impl OperatingMutations {
    /// Makes an API key for the mode of your token. It is shown this once. For owners.
    #[graphql(guard = "May(Operation::ManageApiKeys)")]
    async fn create_api_key(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to make.")] input: CreateApiKeyInput,
    ) -> async_graphql::Result<CreateApiKeyPayload> {
        let done = call(ctx, async |domain, actor| {
            api_keys::create(domain, actor, input.into()).await
        });
        Ok(CreateApiKeyPayload::new(payload(done.await.map(|(made, _)| made))?))
    }

    /// Makes an API key that takes over from another, which goes on for some hours. It is shown this once. For owners.
    #[graphql(guard = "May(Operation::ManageApiKeys)")]
    async fn rotate_api_key(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which key, and for how long the old one goes on.")] input: RotateApiKeyInput,
    ) -> async_graphql::Result<RotateApiKeyPayload> {
        let done = call(ctx, async |domain, actor| {
            api_keys::rotate(domain, actor, known(input.key_id())?, input.overlap_hours).await
        });
        Ok(RotateApiKeyPayload::new(payload(done.await.map(|(made, _)| made))?))
    }

    /// Ends an API key at once: within a second it opens nothing any more, and its sockets are closed. For owners.
    #[graphql(guard = "May(Operation::ManageApiKeys)")]
    async fn revoke_api_key(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to end.")] input: RevokeApiKeyInput,
    ) -> async_graphql::Result<RevokeApiKeyPayload> {
        let done = call(ctx, async |domain, actor| {
            api_keys::revoke(domain, actor, known(input.key_id())?).await
        });
        let (api_key, user_errors) = payload(done.await.map(|(row, _)| ApiKey { row: Arc::new(row) }))?;
        Ok(RevokeApiKeyPayload { api_key, user_errors })
    }

    /// Puts an event of Stripe's back into the inbox, whatever became of it before. It is taken up within half a second,
    /// and never counts twice. For owners.
    #[graphql(guard = "May(Operation::ReplayEvents)")]
    async fn replay_stripe_event(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to put back.")] input: ReplayStripeEventInput,
    ) -> async_graphql::Result<ReplayStripeEventPayload> {
        let done = call(ctx, async |domain, actor| {
            replay::one(domain, actor, known(input.event_id())?).await
        });
        let (stripe_event, user_errors) = payload(done.await.map(node!(StripeEvent)))?;
        Ok(ReplayStripeEventPayload {
            stripe_event,
            user_errors,
        })
    }

    /// Puts events back that were set aside, some at a time. For owners.
    #[graphql(guard = "May(Operation::ReplayEvents)")]
    async fn replay_parked_stripe_events(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to put back.")] input: ReplayParkedStripeEventsInput,
    ) -> async_graphql::Result<ReplayParkedStripeEventsPayload> {
        let done = call(ctx, async |domain, actor| {
            replay::parked(domain, actor, input.kind, input.limit).await
        });
        let (done, user_errors) = payload(done.await.map(|(done, _)| done))?;
        Ok(ReplayParkedStripeEventsPayload {
            replayed: done.map(|done| i32::try_from(done.replayed).unwrap_or(i32::MAX)),
            left: done.map(|done| Long(i64::try_from(done.left).unwrap_or(i64::MAX))),
            user_errors,
        })
    }
}
