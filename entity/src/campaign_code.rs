//! The code that all affiliates of a campaign share, one for each mode. Who sold is told by the click alone.

use sea_orm::entity::prelude::*;

use crate::{
    code::{CodeStatus, StripeReason},
    id::{BrandId, CampaignId, CodeId, CouponId},
};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, serde::Serialize)]
#[serde(rename_all = "camelCase")]
#[sea_orm(table_name = "campaign_code")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: CodeId,
    pub brand_id: BrandId,
    pub livemode: bool,
    pub campaign_id: CampaignId,
    pub coupon_id: CouponId,
    /// Upper case; unique within brand and mode, also against affiliates' codes. It changes, and so does the coupon.
    pub code: String,
    /// Inactive when it was taken away.
    pub status: CodeStatus,
    /// Of the newest promotion code that Stripe has of it.
    pub stripe_id: Option<String>,
    /// Whether it was active at Stripe when Stripe last told of it.
    #[serde(skip)]
    pub stripe_active: Option<bool>,
    /// Why it was not.
    #[serde(skip)]
    pub stripe_reason: Option<StripeReason>,
    /// When it told so, by our clock; without a key to ask with, by Stripe's.
    #[serde(skip)]
    pub stripe_seen_at: Option<DateTimeUtc>,
    /// When Stripe last did what we owed for it, by our clock.
    #[serde(skip)]
    pub stripe_made_at: Option<DateTimeUtc>,
    pub created_at: DateTimeUtc,
}

crate::plain_table!();
