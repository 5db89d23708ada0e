//! The audit log: who changed what, and from where. Owners read it.
//!
//! **Invariants.** An entry is written in the transaction of the change that it tells of, so there is neither without
//! the other; the database itself refuses to change or delete one. No secret is in it: rows are shown in their serialised
//! form, which has none, and of a secret only that it was set.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use entity::{
    audit_entry::{self, ActorKind},
    id::AuditEntryId,
};
use sea_orm::{
    ActiveEnum, ColumnTrait, ConnectionTrait, EntityTrait, IntoActiveModel, PaginatorTrait, QueryFilter, Select,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    Domain,
    page::{self, Order, Page, PageArgs},
    tenancy,
};
use crate::{
    auth::{Actor, Credential, Operation, api_key::scopes_text},
    clock::Clock,
    error::Result,
};

/// What a field was and is; values that are no text are written as JSON.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    pub before: Option<String>,
    pub after: Option<String>,
}

/// By the field's name.
pub type Changes = BTreeMap<String, Change>;

/// What is to be written down.
pub struct Entry {
    /// Such as `coupon.updated`.
    pub action: &'static str,
    /// The public id of what was changed.
    pub object: String,
    /// Whether it belongs to the mode of the caller's scope, or to both modes.
    pub of_mode: bool,
    pub changes: Changes,
}

/// Which entries: everything that is given must hold.
#[derive(Clone, Debug, Default)]
pub struct AuditFilter {
    pub object_id: Option<String>,
    pub actor: Option<String>,
    pub action: Option<String>,
    /// Inclusive.
    pub from: Option<DateTime<Utc>>,
    /// Exclusive.
    pub before: Option<DateTime<Utc>>,
}

impl Entry {
    /// Something new.
    pub fn created<T: Serialize>(action: &'static str, object: impl ToString, row: &T) -> Result<Self> {
        Self::new(action, object, None, Some(row))
    }

    /// Something that is gone.
    pub fn removed<T: Serialize>(action: &'static str, object: impl ToString, row: &T) -> Result<Self> {
        Self::new(action, object, Some(row), None)
    }

    /// Something that is different.
    pub fn changed<T: Serialize>(action: &'static str, object: impl ToString, before: &T, after: &T) -> Result<Self> {
        Self::new(action, object, Some(before), Some(after))
    }

    fn new<T: Serialize>(
        action: &'static str,
        object: impl ToString,
        before: Option<&T>,
        after: Option<&T>,
    ) -> Result<Self> {
        Ok(Self {
            action,
            object: object.to_string(),
            of_mode: true,
            changes: diff(before, after)?,
        })
    }

    /// Adds what the rows do not show.
    pub fn with(mut self, field: &str, after: impl Into<String>) -> Self {
        let change = Change {
            before: None,
            after: Some(after.into()),
        };
        self.changes.insert(field.to_owned(), change);
        self
    }

    /// Adds what another row of the same object shows.
    pub fn and<T: Serialize>(mut self, before: Option<&T>, after: Option<&T>) -> Result<Self> {
        self.changes.extend(diff(before, after)?);
        Ok(self)
    }

    /// It is of no mode.
    pub fn of_both_modes(mut self) -> Self {
        self.of_mode = false;
        self
    }
}

/// The fields that differ. A row's own id, its brand and its mode are not among them: the entry has them.
fn diff<T: Serialize>(before: Option<&T>, after: Option<&T>) -> Result<Changes> {
    const KNOWN: [&str; 4] = ["id", "brandId", "livemode", "createdAt"];
    let fields = |row: Option<&T>| -> Result<BTreeMap<String, String>> {
        let Some(Value::Object(fields)) = row.map(serde_json::to_value).transpose()? else {
            return Ok(BTreeMap::new());
        };
        let shown = fields
            .into_iter()
            .filter(|(name, value)| !value.is_null() && !KNOWN.contains(&name.as_str()));
        Ok(shown.map(|(name, value)| (name, text(value))).collect())
    };
    let (mut before, mut after) = (fields(before)?, fields(after)?);
    before.retain(|name, value| match after.get(name) {
        Some(same) if same == value => {
            after.remove(name);
            false
        }
        _ => true,
    });
    let mut changes = Changes::new();
    for (name, value) in before {
        changes.entry(name).or_default().before = Some(value);
    }
    for (name, value) in after {
        changes.entry(name).or_default().after = Some(value);
    }
    Ok(changes)
}

fn text(value: Value) -> String {
    match value {
        Value::String(text) => text,
        value => value.to_string(),
    }
}

/// Writes an entry down; a change of nothing is none.
pub async fn record_in_txn(txn: &impl ConnectionTrait, clock: &Clock, actor: &Actor, entry: Entry) -> Result<()> {
    if entry.changes.is_empty() {
        return Ok(());
    }
    let (actor_kind, authority) = match &actor.credential {
        Credential::Token(role) => (ActorKind::Token, text(serde_json::to_value(role)?)),
        Credential::ApiKey { scopes, .. } => (ActorKind::ApiKey, scopes_text(scopes)),
        Credential::CommandLine => (ActorKind::Cli, ActorKind::Cli.to_value()),
        Credential::Worker => (ActorKind::System, ActorKind::System.to_value()),
    };
    let row = audit_entry::Model {
        id: AuditEntryId(clock.new_id()),
        brand_id: actor.scope.brand,
        livemode: entry.of_mode.then_some(actor.scope.livemode),
        at: clock.now(),
        actor_kind,
        actor: actor.subject.clone(),
        authority,
        action: entry.action.to_owned(),
        object_id: entry.object,
        changes: serde_json::to_string(&entry.changes)?,
        address: actor.origin.address.map(|address| address.to_string()),
        user_agent: actor.origin.user_agent.clone(),
        request_id: actor.origin.request_id.clone(),
    };
    audit_entry::Entity::insert(row.into_active_model())
        .exec_without_returning(txn)
        .await?;
    Ok(())
}

fn filtered(actor: &Actor, filter: &AuditFilter) -> Result<Select<audit_entry::Entity>> {
    use audit_entry::Column;
    page::moment("from", filter.from)?;
    page::moment("before", filter.before)?;
    let mut rows = tenancy::find::<audit_entry::Entity>(&actor.scope);
    let texts = [
        (Column::ObjectId, &filter.object_id),
        (Column::Actor, &filter.actor),
        (Column::Action, &filter.action),
    ];
    for (column, text) in texts {
        if let Some(text) = text {
            // No entry has a NUL in it, and PostgreSQL takes none.
            rows = rows.filter(column.eq(text.replace('\0', "\u{fffd}")));
        }
    }
    if let Some(from) = filter.from {
        rows = rows.filter(Column::At.gte(from));
    }
    if let Some(before) = filter.before {
        rows = rows.filter(Column::At.lt(before));
    }
    Ok(rows)
}

/// A page of the log, the newest entry first.
pub async fn list(
    domain: &Domain,
    actor: &Actor,
    filter: &AuditFilter,
    args: &PageArgs,
) -> Result<Page<audit_entry::Model>> {
    actor.require(Operation::ReadAuditLog)?;
    let order = Order::newest_first(audit_entry::Column::At, audit_entry::Column::Id);
    page::fetch(domain.db.reader(), filtered(actor, filter)?, order, args).await
}

pub async fn count(domain: &Domain, actor: &Actor, filter: &AuditFilter) -> Result<u64> {
    actor.require(Operation::ReadAuditLog)?;
    Ok(filtered(actor, filter)?.count(domain.db.reader()).await?)
}

pub async fn get(domain: &Domain, actor: &Actor, id: AuditEntryId) -> Result<Option<audit_entry::Model>> {
    actor.require(Operation::ReadAuditLog)?;
    let row = tenancy::find::<audit_entry::Entity>(&actor.scope).filter(audit_entry::Column::Id.eq(id));
    Ok(row.one(domain.db.reader()).await?)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_differs_is_told() {
        let (old, new) = (
            json!({ "id": 1, "name": "Old", "on": true, "same": 1, "gone": "x" }),
            json!({ "id": 2, "name": "New", "on": false, "same": 1, "gone": null }),
        );
        let told = |before, after| serde_json::to_value(diff(before, after).unwrap()).unwrap();
        assert_eq!(
            told(Some(&old), Some(&new)),
            json!({
                "name": { "before": "Old", "after": "New" },
                "on": { "before": "true", "after": "false" },
                "gone": { "before": "x", "after": null },
            })
        );
        assert_eq!(told(Some(&old), Some(&old)), json!({}));
        assert_eq!(
            told(None, Some(&json!({ "a": 1 }))),
            json!({ "a": { "before": null, "after": "1" } })
        );
    }
}
