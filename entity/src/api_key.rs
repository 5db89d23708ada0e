//! An API key: what a brand's back end shows instead of a token. The key itself is not here, only its hash.

use sea_orm::entity::prelude::*;

use crate::id::{ApiKeyId, BrandId};

crate::text_enum! {
    /// What a key may do; one key may have several.
    ApiKeyScope {
        /// Everything that an analyst may.
        Read = "read",
        /// Everything that a manager may.
        ReadWrite = "read_write",
        /// Read codes, and the coupons, campaigns and affiliates they belong to, with what these have earned.
        CodesRead = "codes_read",
        /// Mint and switch codes too.
        CodesWrite = "codes_write",
        /// Read conversions, their figures and what they refer to.
        ConversionsRead = "conversions_read",
        /// Report conversions too.
        ConversionsWrite = "conversions_write",
        /// Read webhook endpoints and their deliveries.
        WebhooksRead = "webhooks_read",
        /// Change them too.
        WebhooksWrite = "webhooks_write",
    }
}

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, serde::Serialize)]
#[serde(rename_all = "camelCase")]
#[sea_orm(table_name = "api_key")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: ApiKeyId,
    pub brand_id: BrandId,
    pub livemode: bool,
    pub name: String,
    /// How the key begins, enough to find it by and to tell it from others; unique.
    pub prefix: String,
    /// SHA-256 of the whole key, which is random enough to need no salt.
    #[serde(skip)]
    pub hash: Vec<u8>,
    /// Words of [`ApiKeyScope`], with blanks between.
    pub scopes: String,
    pub created_by: String,
    pub created_at: DateTimeUtc,
    pub expires_at: Option<DateTimeUtc>,
    pub revoked_at: Option<DateTimeUtc>,
    /// To the minute.
    pub last_used_at: Option<DateTimeUtc>,
    /// The key that this one takes over from.
    pub replaces: Option<ApiKeyId>,
}

crate::plain_table!();
