//! The names that a sale goes by: Stripe's ids of its subscription, invoices, payments and charges.

use sea_orm::entity::prelude::*;

use crate::id::BrandId;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "sale_key")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub brand_id: BrandId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub livemode: bool,
    /// Stripe's id.
    #[sea_orm(primary_key, auto_increment = false)]
    pub key: String,
    pub sale_id: Uuid,
}

crate::plain_table!();
