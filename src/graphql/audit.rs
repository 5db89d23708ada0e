//! The audit log.

use std::sync::Arc;

use async_graphql::{Enum, ID, InputObject, Object, SimpleObject};
use chrono::{DateTime, Utc};
use entity::audit_entry;

use super::errors::graphql_error;
use crate::domain::audit::{AuditFilter, Changes};

/// What somebody showed who changed something.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "entity::audit_entry::ActorKind")]
pub enum ActorKind {
    /// A JWT.
    Token,
    /// An API key.
    ApiKey,
    /// Nothing: it was done at the command line of the server's machine.
    Cli,
    /// Nothing: the server did it by itself, because Stripe said so.
    System,
}

/// What a field was and is; both null where there was no value.
#[derive(SimpleObject, Clone, Debug)]
pub struct AuditChange {
    /// The field's name.
    field: String,
    /// What it was; what is no text is written as JSON.
    before: Option<String>,
    /// What it is; what is no text is written as JSON.
    after: Option<String>,
}

/// Who changed what, when and from where. Entries are never changed or deleted.
#[derive(Clone)]
pub struct AuditEntry {
    pub row: Arc<audit_entry::Model>,
}

/// Who changed what, when and from where. Entries are never changed or deleted.
#[Object]
impl AuditEntry {
    /// `aud_…`
    pub async fn id(&self) -> ID {
        self.row.id.to_string().into()
    }

    /// When it was changed.
    async fn at(&self) -> DateTime<Utc> {
        self.row.at
    }

    /// What the actor showed.
    async fn actor_kind(&self) -> ActorKind {
        self.row.actor_kind.into()
    }

    /// The `sub` of the token, the id of the API key, `cli`, or `stripe`.
    async fn actor(&self) -> &str {
        &self.row.actor
    }

    /// The role of the token, or the scopes of the key.
    async fn authority(&self) -> &str {
        &self.row.authority
    }

    /// Such as `coupon.updated`.
    async fn action(&self) -> &str {
        &self.row.action
    }

    /// The id of what was changed.
    async fn object_id(&self) -> ID {
        self.row.object_id.clone().into()
    }

    /// Whether it concerns live or test mode; null where it concerns both.
    async fn livemode(&self) -> Option<bool> {
        self.row.livemode
    }

    /// Field by field. Of a secret only that it was set.
    async fn changes(&self) -> async_graphql::Result<Vec<AuditChange>> {
        let changes: Changes = serde_json::from_str(&self.row.changes).map_err(|error| graphql_error(error.into()))?;
        let change = |(field, change): (String, crate::domain::audit::Change)| AuditChange {
            field,
            before: change.before,
            after: change.after,
        };
        Ok(changes.into_iter().map(change).collect())
    }

    /// The address that the request came from.
    async fn address(&self) -> Option<&str> {
        self.row.address.as_deref()
    }

    /// What the client called itself.
    async fn user_agent(&self) -> Option<&str> {
        self.row.user_agent.as_deref()
    }

    /// As in the server's log.
    async fn request_id(&self) -> Option<&str> {
        self.row.request_id.as_deref()
    }
}

/// Which entries: everything that is given must hold.
#[derive(InputObject, Clone, Debug, Default)]
pub struct AuditLogFilter {
    /// Of this object.
    object_id: Option<ID>,
    /// By this actor: a token's `sub`, or the id of an API key.
    actor: Option<String>,
    /// Such as `coupon.updated`.
    action: Option<String>,
    /// Inclusive.
    from: Option<DateTime<Utc>>,
    /// Exclusive.
    before: Option<DateTime<Utc>>,
}

impl From<AuditLogFilter> for AuditFilter {
    fn from(filter: AuditLogFilter) -> Self {
        Self {
            object_id: filter.object_id.map(|id| id.0),
            actor: filter.actor,
            action: filter.action,
            from: filter.from,
            before: filter.before,
        }
    }
}
