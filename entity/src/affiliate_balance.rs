//! The sum of an affiliate's ledger entries per currency. Moved by deltas, with the entries.

use sea_orm::entity::prelude::*;

use crate::id::{AffiliateId, BrandId};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "affiliate_balance")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub affiliate_id: AffiliateId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub livemode: bool,
    #[sea_orm(primary_key, auto_increment = false)]
    pub currency: String,
    pub brand_id: BrandId,
    /// Minor units.
    pub amount: i64,
}

crate::plain_table!();
