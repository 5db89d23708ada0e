//! What a campaign brought, by method: the sums of `affiliate_total` over affiliates and codes. Moved by deltas only.

use sea_orm::entity::prelude::*;

use crate::{
    conversion::AttributionMethod,
    id::{BrandId, CampaignId},
};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "campaign_total")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub campaign_id: CampaignId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub livemode: bool,
    /// As in `affiliate_total`, and so are all others.
    #[sea_orm(primary_key, auto_increment = false)]
    pub hour: i64,
    #[sea_orm(primary_key, auto_increment = false)]
    pub attribution_method: AttributionMethod,
    #[sea_orm(primary_key, auto_increment = false)]
    pub currency: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub brand_id: BrandId,
    pub conversions: i64,
    pub renewals: i64,
    pub redemptions: i64,
    pub refunded_redemptions: i64,
    pub revenue: i64,
    pub refunded: i64,
    pub commission: i64,
}

crate::plain_table!();
