//! One entry of the audit log: who changed what, and from where. Entries are never changed.

use sea_orm::entity::prelude::*;

use crate::id::{AuditEntryId, BrandId};

crate::text_enum! {
    /// What somebody showed who changed something.
    ActorKind { Token = "token", ApiKey = "api_key", Cli = "cli", System = "system" }
}

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "audit_entry")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: AuditEntryId,
    pub brand_id: BrandId,
    /// The mode of what was changed; none where that has no mode.
    pub livemode: Option<bool>,
    pub at: DateTimeUtc,
    pub actor_kind: ActorKind,
    /// The token's `sub`, or the key's id.
    pub actor: String,
    /// The token's role, or the key's scopes.
    pub authority: String,
    /// Such as `coupon.updated`.
    pub action: String,
    /// The public id of what was changed.
    pub object_id: String,
    /// JSON: each changed field with what it was before and after.
    pub changes: String,
    pub address: Option<String>,
    pub user_agent: Option<String>,
    pub request_id: Option<String>,
}

crate::plain_table!();
