//! What an affiliate shares of a campaign: `/r/{slug}` leads to its landing page.

use sea_orm::entity::prelude::*;

use crate::id::{AffiliateId, BrandId, CampaignId, LinkId};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "affiliate_link")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: LinkId,
    pub brand_id: BrandId,
    pub affiliate_id: AffiliateId,
    pub campaign_id: CampaignId,
    /// Unique on the server, in lower case.
    pub slug: String,
    pub created_at: DateTimeUtc,
}

crate::plain_table!();
