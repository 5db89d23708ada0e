//! How often a code was used: for all time, and by hour of the sale. Moved by deltas only.

use sea_orm::entity::prelude::*;

use crate::id::{BrandId, CodeId};

/// The bucket that holds the sum over all hours.
pub const ALL_TIME: i64 = -1;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "code_total")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub code_id: CodeId,
    /// Hours since 1970 in UTC; `ALL_TIME` for the sum.
    #[sea_orm(primary_key, auto_increment = false)]
    pub hour: i64,
    pub brand_id: BrandId,
    pub livemode: bool,
    pub redemptions: i64,
    pub refunded_redemptions: i64,
    pub renewals: i64,
}

crate::plain_table!();
