//! The last number that a feed gave out. Its row lock, held to the commit, keeps the feed in order.

use sea_orm::entity::prelude::*;

use crate::id::BrandId;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "feed_counter")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub brand_id: BrandId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub livemode: bool,
    pub last_sequence: i64,
    /// Rows up to this one may have been forgotten; 0 for none.
    pub pruned_sequence: i64,
    /// When the newest of them was told.
    pub pruned_before: Option<DateTimeUtc>,
}

crate::plain_table!();
