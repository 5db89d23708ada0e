//! Rekomi's tables and typed ids, and nothing else: no rule lives here.
//!
//! One file per table. Times are UTC, cut to microseconds; money is integer minor units beside an ISO 4217 currency in
//! upper case; every enum is text with a check constraint behind it. Rows that belong to a brand's live or test side
//! carry `livemode`, as Stripe names it. What the audit log shows of a row is its serialised form, without secrets.

pub mod affiliate;
pub mod affiliate_balance;
pub mod affiliate_campaign;
pub mod affiliate_link;
pub mod affiliate_rate;
pub mod affiliate_recruiter;
pub mod affiliate_status;
pub mod affiliate_total;
pub mod api_key;
pub mod audit_entry;
pub mod backfill;
pub mod brand;
pub mod campaign;
pub mod campaign_code;
pub mod campaign_rule;
pub mod campaign_total;
pub mod click;
pub mod code;
pub mod conversion;
pub mod coupon;
pub mod coupon_rule;
pub mod feed_counter;
pub mod feed_event;
pub mod id;
pub mod ledger_entry;
pub mod link_total;
pub mod promotion_code;
pub mod redemption;
pub mod sale;
pub mod sale_key;
pub mod sale_report;
pub mod sign_of_life;
pub mod stripe_event;
pub mod stripe_object;
pub mod stripe_operation;
pub mod taken_code;

/// Declares an enum that is stored as text; its database values are the given words.
macro_rules! text_enum {
    ($(#[$meta:meta])* $name:ident { $($(#[$variant_meta:meta])* $variant:ident = $value:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord,
            sea_orm::EnumIter, sea_orm::DeriveActiveEnum, serde::Serialize, serde::Deserialize,
        )]
        #[sea_orm(rs_type = "String", db_type = "Text")]
        pub enum $name {
            $($(#[$variant_meta])* #[sea_orm(string_value = $value)] #[serde(rename = $value)] $variant),+
        }
    };
}

/// Declares that a table has no relations and no hooks: joins are written where they are needed.
macro_rules! plain_table {
    () => {
        #[derive(Copy, Clone, Debug, sea_orm::EnumIter, sea_orm::DeriveRelation)]
        pub enum Relation {}

        impl sea_orm::ActiveModelBehavior for ActiveModel {}
    };
}

pub(crate) use {plain_table, text_enum};
