//! Who recruited an affiliate, from a moment on. Append-only; a sale pays one hop, whoever recruited the recruiter.

use sea_orm::entity::prelude::*;

use crate::id::{AffiliateId, BrandId};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, serde::Serialize)]
#[serde(rename_all = "camelCase")]
#[sea_orm(table_name = "affiliate_recruiter")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub brand_id: BrandId,
    pub affiliate_id: AffiliateId,
    pub effective_from: DateTimeUtc,
    /// None from then on, where nothing is here.
    pub recruiter_id: Option<AffiliateId>,
    /// The token's `sub`.
    pub changed_by: String,
}

crate::plain_table!();
