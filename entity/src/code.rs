//! An affiliate's code: what a customer types, and one Stripe `promotion_code`.

use sea_orm::entity::prelude::*;

use crate::id::{AffiliateId, BrandId, CampaignId, CodeId, CouponId};

crate::text_enum! {
    /// Whether a customer can redeem it.
    CodeStatus { Active = "active", Inactive = "inactive" }
}

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, serde::Serialize)]
#[serde(rename_all = "camelCase")]
#[sea_orm(table_name = "affiliate_code")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: CodeId,
    pub brand_id: BrandId,
    pub livemode: bool,
    pub coupon_id: CouponId,
    pub campaign_id: CampaignId,
    pub affiliate_id: AffiliateId,
    /// Upper case; unique within brand and mode, also against retired codes.
    pub code: String,
    pub status: CodeStatus,
    /// Set once Stripe has it.
    pub stripe_id: Option<String>,
    pub created_at: DateTimeUtc,
}

crate::plain_table!();
