//! One use of a code: one per code and subscription, or per code and one-off sale.

use sea_orm::entity::prelude::*;

use crate::id::{BrandId, CodeId};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "redemption")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    /// An affiliate's code or a campaign's.
    pub code_id: CodeId,
    /// The subscription, or the one-off sale's part.
    #[sea_orm(primary_key, auto_increment = false)]
    pub usage: String,
    pub brand_id: BrandId,
    pub livemode: bool,
    pub sale_id: Uuid,
    /// Which part of the sale counted it.
    pub part: String,
    pub occurred_at: DateTimeUtc,
    /// Taken off by a full refund of the very part that counted it.
    pub refunded: bool,
}

crate::plain_table!();
