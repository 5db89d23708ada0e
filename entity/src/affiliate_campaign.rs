//! Which campaigns an affiliate is in.

use sea_orm::entity::prelude::*;

use crate::id::{AffiliateId, BrandId, CampaignId};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "affiliate_campaign")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub affiliate_id: AffiliateId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub campaign_id: CampaignId,
    pub brand_id: BrandId,
    pub created_at: DateTimeUtc,
}

crate::plain_table!();
