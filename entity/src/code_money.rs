//! What the sales won by a code brought, per currency: for all time, and by hour of the sale. Moved by deltas only.

use sea_orm::entity::prelude::*;

use crate::id::{BrandId, CodeId};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "code_money")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub code_id: CodeId,
    /// As in `code_total`.
    #[sea_orm(primary_key, auto_increment = false)]
    pub hour: i64,
    #[sea_orm(primary_key, auto_increment = false)]
    pub currency: String,
    pub brand_id: BrandId,
    pub livemode: bool,
    /// Minor units, before refunds.
    pub revenue: i64,
    pub refunded: i64,
    /// Net of clawbacks.
    pub commission: i64,
}

crate::plain_table!();
