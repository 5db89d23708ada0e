//! What an affiliate earns in a campaign instead of what the campaign pays, from a moment on. Append-only.

use sea_orm::entity::prelude::*;

use crate::id::{AffiliateId, BrandId, CampaignId};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, serde::Serialize)]
#[serde(rename_all = "camelCase")]
#[sea_orm(table_name = "affiliate_rate")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub brand_id: BrandId,
    pub affiliate_id: AffiliateId,
    pub campaign_id: CampaignId,
    pub effective_from: DateTimeUtc,
    /// Basis points of the paid amount; or else `flat_amount`; with neither, what the campaign pays.
    pub percent_bps: Option<i32>,
    /// Minor units of `flat_currency`.
    pub flat_amount: Option<i64>,
    pub flat_currency: Option<String>,
    /// The token's `sub`.
    pub changed_by: String,
}

crate::plain_table!();
