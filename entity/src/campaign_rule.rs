//! What a campaign pays, and which clicks count, from a moment on. Append-only: a new rule touches only the sales that come after it.

use sea_orm::entity::prelude::*;

use crate::{
    campaign::ClickModel,
    id::{BrandId, CampaignId},
};

crate::text_enum! {
    /// For how long a customer's sales earn.
    CommissionDuration { FirstSale = "first_sale", Months = "months", Lifetime = "lifetime" }
}

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, serde::Serialize)]
#[serde(rename_all = "camelCase")]
#[sea_orm(table_name = "campaign_rule")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub brand_id: BrandId,
    pub campaign_id: CampaignId,
    pub effective_from: DateTimeUtc,
    /// Basis points of the paid amount; or else `flat_amount`.
    pub percent_bps: Option<i32>,
    /// Minor units of `flat_currency`.
    pub flat_amount: Option<i64>,
    pub flat_currency: Option<String>,
    pub duration: CommissionDuration,
    pub duration_months: Option<i32>,
    /// Days until a commission is due.
    pub hold_days: i32,
    /// Basis points of a recruit's commission, on top of it, for the recruiter.
    pub override_bps: Option<i32>,
    /// Which of a visitor's clicks counts, and for how many days.
    pub click_model: ClickModel,
    pub cookie_window_days: i32,
}

crate::plain_table!();
