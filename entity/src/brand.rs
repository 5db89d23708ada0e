//! The tenant: who runs campaigns, with its plan and its Stripe account.

use sea_orm::entity::prelude::*;

use crate::id::BrandId;

crate::text_enum! {
    /// What a brand pays for. Coupons and codes need `Growth` or a running trial.
    Tier { Starter = "starter", Growth = "growth", Pro = "pro" }
}

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, serde::Serialize)]
#[serde(rename_all = "camelCase")]
#[sea_orm(table_name = "brand")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: BrandId,
    /// In URLs and on the command line; unique.
    pub slug: String,
    pub name: String,
    pub tier: Tier,
    /// Until then every tier may use coupons and codes.
    pub trial_ends_at: Option<DateTimeUtc>,
    /// The one brand that `/webhooks/stripe` and the single-brand settings serve.
    pub is_default: bool,
    /// IANA name, for figures by day.
    pub time_zone: String,
    /// The Connect account whose events are this brand's.
    pub stripe_account: Option<String>,
    /// Encrypted.
    #[serde(skip)]
    pub stripe_secret_key: Option<Vec<u8>>,
    /// A JSON list, encrypted.
    #[serde(skip)]
    pub stripe_webhook_secrets: Option<Vec<u8>>,
    /// The mode of the stored key.
    pub stripe_livemode: Option<bool>,
    /// How many codes an affiliate may mint for itself in each mode; none for no limit.
    pub max_codes_per_affiliate: Option<i32>,
    /// A JSON list of words, in upper case, that affiliates do not mint codes with.
    pub reserved_words: String,
    pub created_at: DateTimeUtc,
}

crate::plain_table!();
