//! Every promotion code that Stripe has of a code of ours, with what customers type there: a renamed code has several.

use sea_orm::entity::prelude::*;

use crate::id::{BrandId, CodeId};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "promotion_code")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub brand_id: BrandId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub livemode: bool,
    /// `promo_…`
    #[sea_orm(primary_key, auto_increment = false)]
    pub stripe_id: String,
    /// In upper case.
    pub code: String,
    /// Of which code: an affiliate's or a campaign's.
    pub code_id: CodeId,
    pub created_at: DateTimeUtc,
}

crate::plain_table!();
