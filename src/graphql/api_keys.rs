//! API keys.

use std::sync::Arc;

use async_graphql::{Context, Enum, ID, InputObject, Object, SimpleObject};
use chrono::{DateTime, Utc};
use entity::api_key;
use secrecy::ExposeSecret;

use super::{
    context::ContextExt,
    errors::{UserError, graphql_error},
    scalars::id,
};
use crate::{
    auth::api_key::scopes,
    domain::api_keys::{self, CreateApiKey, NewApiKey},
};

/// What an API key may do.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "entity::api_key::ApiKeyScope")]
pub enum ApiKeyScope {
    /// Everything that an analyst may.
    Read,
    /// Everything that a manager may.
    ReadWrite,
    /// Read codes, and the coupons, campaigns and affiliates they belong to, with what these have earned.
    CodesRead,
    /// Mint and switch codes too.
    CodesWrite,
    /// Read conversions, their figures and what they refer to.
    ConversionsRead,
    /// Report conversions too.
    ConversionsWrite,
    /// Read webhook endpoints and their deliveries.
    WebhooksRead,
    /// Change them too.
    WebhooksWrite,
}

/// Whether an API key may be used.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum ApiKeyStatus {
    /// It may be used.
    Active,
    /// Its time is over.
    Expired,
    /// Somebody ended it.
    Revoked,
}

/// What a brand's back end shows instead of a token. The key itself is shown once, when it is made.
#[derive(Clone)]
pub struct ApiKey {
    pub row: Arc<api_key::Model>,
}

/// What a brand's back end shows instead of a token. The key itself is shown once, when it is made.
#[Object]
impl ApiKey {
    /// `key_…`; not the key.
    pub async fn id(&self) -> ID {
        self.row.id.to_string().into()
    }

    /// What it is for.
    async fn name(&self) -> &str {
        &self.row.name
    }

    /// How the key begins, to tell it from others.
    async fn prefix(&self) -> &str {
        &self.row.prefix
    }

    /// What it may do.
    async fn scopes(&self) -> Vec<ApiKeyScope> {
        scopes(&self.row.scopes).into_iter().map(ApiKeyScope::from).collect()
    }

    /// Whether it is for Stripe's live mode, and begins with `rk_live_`; or else for test mode.
    async fn livemode(&self) -> bool {
        self.row.livemode
    }

    /// Whether it may be used now.
    async fn status(&self, ctx: &Context<'_>) -> async_graphql::Result<ApiKeyStatus> {
        let now = ctx.domain().map_err(graphql_error)?.clock.now();
        Ok(if self.row.revoked_at.is_some() {
            ApiKeyStatus::Revoked
        } else if api_keys::is_good(&self.row, now) {
            ApiKeyStatus::Active
        } else {
            ApiKeyStatus::Expired
        })
    }

    /// The `sub` of the token that made it; `cli` for the command line.
    async fn created_by(&self) -> &str {
        &self.row.created_by
    }

    /// When it was made.
    async fn created_at(&self) -> DateTime<Utc> {
        self.row.created_at
    }

    /// When it ends by itself; null: not at all.
    async fn expires_at(&self) -> Option<DateTime<Utc>> {
        self.row.expires_at
    }

    /// When somebody ended it; null: nobody has.
    async fn revoked_at(&self) -> Option<DateTime<Utc>> {
        self.row.revoked_at
    }

    /// To the minute; null: never used.
    async fn last_used_at(&self) -> Option<DateTime<Utc>> {
        self.row.last_used_at
    }

    /// The id of the key that it took over from.
    async fn replaces_id(&self) -> Option<ID> {
        self.row.replaces.map(|id| id.to_string().into())
    }
}

/// A new API key, for the mode of your token.
#[derive(InputObject, Clone, Debug)]
pub struct CreateApiKeyInput {
    /// What it is for, for people to read.
    name: String,
    /// At least one.
    scopes: Vec<ApiKeyScope>,
    /// Left out: it is good until it is revoked.
    expires_at: Option<DateTime<Utc>>,
}

impl From<CreateApiKeyInput> for CreateApiKey {
    fn from(input: CreateApiKeyInput) -> Self {
        Self {
            name: input.name,
            scopes: input.scopes.into_iter().map(Into::into).collect(),
            expires_at: input.expires_at,
        }
    }
}

/// Which API key is to be replaced by a new one.
#[derive(InputObject, Clone, Debug)]
pub struct RotateApiKeyInput {
    /// The old key's id, `key_…`.
    id: ID,
    /// For how long the old key goes on, 0 to 168.
    #[graphql(default = 24)]
    pub overlap_hours: i32,
}

impl RotateApiKeyInput {
    pub fn key_id(&self) -> Option<entity::id::ApiKeyId> {
        id(&self.id)
    }
}

/// Which API key is to be ended at once.
#[derive(InputObject, Clone, Debug)]
pub struct RevokeApiKeyInput {
    /// The key's id, `key_…`.
    id: ID,
}

impl RevokeApiKeyInput {
    pub fn key_id(&self) -> Option<entity::id::ApiKeyId> {
        id(&self.id)
    }
}

macro_rules! shows_a_key {
    ($($(#[$meta:meta])* $name:ident),+) => {$(
        $(#[$meta])*
        #[derive(SimpleObject)]
        pub struct $name {
            /// Null when there is something to mend.
            api_key: Option<ApiKey>,
            /// The key itself: keep it, it is not shown again.
            key: Option<String>,
            /// What to mend; then nothing was changed.
            user_errors: Vec<UserError>,
        }

        impl $name {
            pub fn new((made, user_errors): (Option<NewApiKey>, Vec<UserError>)) -> Self {
                let key = made.as_ref().map(|made| made.key.expose_secret().to_owned());
                Self {
                    api_key: made.map(|made| ApiKey { row: made.row.into() }),
                    key,
                    user_errors,
                }
            }
        }
    )+};
}

shows_a_key! {
    /// A new API key, shown once.
    CreateApiKeyPayload,
    /// The API key that takes over, shown once.
    RotateApiKeyPayload
}

/// An API key that was ended.
#[derive(SimpleObject)]
pub struct RevokeApiKeyPayload {
    /// Null when there is something to mend.
    pub api_key: Option<ApiKey>,
    /// What to mend; then nothing was changed.
    pub user_errors: Vec<UserError>,
}
