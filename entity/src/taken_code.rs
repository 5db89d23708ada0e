//! Every text that a code of a brand's has or had, in upper case: what is here is nobody else's any more.

use sea_orm::entity::prelude::*;

use crate::id::{BrandId, CodeId};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "taken_code")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub brand_id: BrandId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub livemode: bool,
    #[sea_orm(primary_key, auto_increment = false)]
    pub code: String,
    /// Whose it is: an affiliate's code or a campaign's.
    pub code_id: CodeId,
    pub created_at: DateTimeUtc,
}

crate::plain_table!();
