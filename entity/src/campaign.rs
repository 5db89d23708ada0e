//! A campaign: where its links lead, and what its affiliates may do. What it pays is in `campaign_rule`.

use sea_orm::entity::prelude::*;

use crate::id::{BrandId, CampaignId};

crate::text_enum! {
    /// Which of several clicks counts.
    ClickModel { FirstClick = "first_click", LastClick = "last_click" }
}

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, serde::Serialize)]
#[serde(rename_all = "camelCase")]
#[sea_orm(table_name = "campaign")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: CampaignId,
    pub brand_id: BrandId,
    pub name: String,
    pub landing_url: String,
    /// Off: affiliates mint no codes of their own in it.
    pub affiliates_can_manage_codes: bool,
    pub click_model: ClickModel,
    /// Days.
    pub cookie_window_days: i32,
    pub created_at: DateTimeUtc,
}

crate::plain_table!();
