//! An affiliate's code: what a customer types, and one Stripe `promotion_code`.

use sea_orm::entity::prelude::*;

use crate::id::{AffiliateId, BrandId, CampaignId, CodeId, CouponId};

crate::text_enum! {
    /// Whether a customer can redeem it.
    CodeStatus { Active = "active", Inactive = "inactive" }
}

crate::text_enum! {
    /// Why a promotion code is not active at Stripe.
    StripeReason {
        /// Somebody switched it off.
        Deactivated = "deactivated",
        /// Its time or its coupon's is over.
        Expired = "expired",
        /// It, or its coupon, was redeemed as often as it may be.
        FullyRedeemed = "fully_redeemed",
        CouponDeleted = "coupon_deleted",
        /// Stripe has no such promotion code.
        Missing = "missing",
    }
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
    /// Upper case, what it is called now; unique within brand and mode, also against what codes were called before.
    pub code: String,
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
    /// What an imported promotion code has of its own, as Stripe calls it: `max_redemptions, restrictions`. Another one that
    /// is made of it would not have that.
    #[serde(skip)]
    pub own_terms: Option<String>,
    /// The caller's name of the batch that it was minted in, and its row there; unique within brand and mode.
    #[serde(skip)]
    pub batch: Option<String>,
    #[serde(skip)]
    pub batch_row: Option<i32>,
    /// The text that the row asked for; none where it was to be generated.
    #[serde(skip)]
    pub batch_text: Option<String>,
    pub created_at: DateTimeUtc,
    /// Deleted codes stay, so that they keep attributing and their texts stay taken.
    pub deleted_at: Option<DateTimeUtc>,
}

crate::plain_table!();
