//! Objects that were fetched from Stripe, with the moment: part of the log, so that a rebuild needs no network.

use sea_orm::entity::prelude::*;

use crate::id::BrandId;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "stripe_object")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub brand_id: BrandId,
    pub livemode: bool,
    /// The request that it answered, such as `/invoices/in_1`.
    pub request: String,
    pub fetched_at: DateTimeUtc,
    pub body: Vec<u8>,
}

crate::plain_table!();
