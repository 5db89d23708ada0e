//! What owners look at.

use std::sync::Arc;

use async_graphql::{Context, Object};

use super::{
    super::{
        api_keys::ApiKey,
        audit::{AuditEntry, AuditLogFilter},
        connection::{self, List, Total, list},
        context::May,
        inbox::{StripeEvent, StripeEventFilter, StripeInbox},
    },
    parts,
};
use crate::{
    auth::Operation,
    domain::{
        api_keys,
        audit::{self, AuditFilter},
        inbox::{self, EventFilter},
        page::Place,
    },
};

#[derive(Default)]
pub struct OperatingQueries;

#[Object]
impl OperatingQueries {
    /// The API keys of the mode of your token, oldest first, those that are over included. For owners.
    #[graphql(
        guard = "May(Operation::ManageApiKeys)",
        complexity = "2 + connection::rows(first, last) * child_complexity"
    )]
    async fn api_keys(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many from the start, 1 to 100; 50 where neither `first` nor `last` is given.")]
        first: Option<i32>,
        #[graphql(desc = "Only what comes after this cursor.")] after: Option<String>,
        #[graphql(desc = "How many from the end, 1 to 100. Not together with `first`.")] last: Option<i32>,
        #[graphql(desc = "Only what comes before this cursor.")] before: Option<String>,
    ) -> async_graphql::Result<List<ApiKey>> {
        let (domain, requester) = parts(ctx)?;
        let page = api_keys::list(domain, &requester.actor, &connection::args(first, after, last, before)).await;
        let node = |row| ApiKey { row: Arc::new(row) };
        list(page, Total::ApiKeys, |row| Place::of(row.id.0), node)
    }

    /// Who changed what, the newest first: what concerns the mode of your token, and what concerns both. For owners.
    #[graphql(
        guard = "May(Operation::ReadAuditLog)",
        complexity = "2 + connection::rows(first, last) * child_complexity"
    )]
    async fn audit_log(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which entries; left out: all.")] filter: Option<AuditLogFilter>,
        #[graphql(desc = "How many from the start, 1 to 100; 50 where neither `first` nor `last` is given.")]
        first: Option<i32>,
        #[graphql(desc = "Only what comes after this cursor.")] after: Option<String>,
        #[graphql(desc = "How many from the end, 1 to 100. Not together with `first`.")] last: Option<i32>,
        #[graphql(desc = "Only what comes before this cursor.")] before: Option<String>,
    ) -> async_graphql::Result<List<AuditEntry>> {
        let (domain, requester) = parts(ctx)?;
        let filter: AuditFilter = filter.unwrap_or_default().into();
        let args = connection::args(first, after, last, before);
        let page = audit::list(domain, &requester.actor, &filter, &args).await;
        let place = |row: &entity::audit_entry::Model| Place::at(row.at, row.id.0);
        let node = |row| AuditEntry { row: Arc::new(row) };
        list(page, Total::Audit(Box::new(filter)), place, node)
    }

    /// How the inbox of Stripe's events stands, for the mode of your token. For owners.
    #[graphql(guard = "May(Operation::ReadInbox)")]
    async fn stripe_inbox(&self) -> StripeInbox {
        StripeInbox
    }

    /// What Stripe sent in the mode of your token, the event received last first. For owners.
    #[graphql(
        guard = "May(Operation::ReadInbox)",
        complexity = "2 + connection::rows(first, last) * child_complexity"
    )]
    async fn stripe_events(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which events; left out: all.")] filter: Option<StripeEventFilter>,
        #[graphql(desc = "How many from the start, 1 to 100; 50 where neither `first` nor `last` is given.")]
        first: Option<i32>,
        #[graphql(desc = "Only what comes after this cursor.")] after: Option<String>,
        #[graphql(desc = "How many from the end, 1 to 100. Not together with `first`.")] last: Option<i32>,
        #[graphql(desc = "Only what comes before this cursor.")] before: Option<String>,
    ) -> async_graphql::Result<List<StripeEvent>> {
        let (domain, requester) = parts(ctx)?;
        let filter: EventFilter = filter.unwrap_or_default().into();
        let args = connection::args(first, after, last, before);
        let page = inbox::list(domain, &requester.actor, &filter, &args).await;
        let place = |row: &inbox::Event| Place::at(row.received_at, row.id.0);
        let node = |row| StripeEvent {
            row: Arc::new(row),
            loaders: requester.loaders.clone(),
        };
        list(page, Total::Events(Box::new(filter)), place, node)
    }
}
