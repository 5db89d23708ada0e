//! How often a link was followed. Moved by deltas only, with the clicks.

use sea_orm::entity::prelude::*;

use crate::id::{BrandId, LinkId};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "link_total")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub link_id: LinkId,
    pub brand_id: BrandId,
    pub clicks: i64,
}

crate::plain_table!();
