//! How an affiliate stood from a moment on. Append-only: a sale is judged by how it stood then.

use sea_orm::entity::prelude::*;

use crate::{
    affiliate::AffiliateStatus,
    id::{AffiliateId, BrandId},
};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "affiliate_status")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub brand_id: BrandId,
    pub affiliate_id: AffiliateId,
    pub effective_from: DateTimeUtc,
    pub status: AffiliateStatus,
    /// The token's `sub`.
    pub changed_by: String,
    pub reason: Option<String>,
}

crate::plain_table!();
