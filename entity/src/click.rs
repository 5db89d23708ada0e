//! Somebody followed an affiliate's link. Of both modes: a click does not know what will be paid with.

use sea_orm::entity::prelude::*;

use crate::id::{AffiliateId, BrandId, CampaignId, ClickId, LinkId};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "click")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: ClickId,
    pub brand_id: BrandId,
    pub link_id: LinkId,
    pub affiliate_id: AffiliateId,
    pub campaign_id: CampaignId,
    /// What the cookie says: the same for all clicks of one browser.
    pub visitor: Uuid,
    /// A keyed hash of the address; taken out once no window reaches back to the click.
    pub address_hash: Option<Vec<u8>>,
    pub clicked_at: DateTimeUtc,
}

crate::plain_table!();
