//! When a server on this database was last alive, whichever: a single row.

use sea_orm::entity::prelude::*;

/// The id of the single row.
pub const ONLY: i32 = 1;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "sign_of_life")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: i32,
    pub seen_at: DateTimeUtc,
}

crate::plain_table!();
