//! A campaign coupon: a discount, and one Stripe `coupon`: under the same id, unless it was adopted.

use sea_orm::entity::prelude::*;

use crate::id::{AffiliateId, BrandId, CampaignId, CouponId};

crate::text_enum! {
    /// For how many invoices of a subscription the discount counts.
    CouponDuration { Once = "once", Repeating = "repeating", Forever = "forever" }
}

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, serde::Serialize)]
#[serde(rename_all = "camelCase")]
#[sea_orm(table_name = "campaign_coupon")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: CouponId,
    pub brand_id: BrandId,
    pub livemode: bool,
    pub campaign_id: CampaignId,
    /// Only this affiliate may have codes on it.
    pub affiliate_id: Option<AffiliateId>,
    pub name: String,
    /// Basis points; or else `amount_off`.
    pub percent_off_bps: Option<i32>,
    /// Minor units of `currency`.
    pub amount_off: Option<i64>,
    pub currency: Option<String>,
    pub duration: CouponDuration,
    pub duration_in_months: Option<i32>,
    pub max_redemptions_per_code: Option<i32>,
    /// Whole seconds, as Stripe's `redeem_by`.
    pub expires_at: Option<DateTimeUtc>,
    pub overrides_click_attribution: bool,
    pub allow_affiliate_self_mint: bool,
    /// Each newly approved affiliate of the campaign gets a code on it.
    pub mint_on_approval: bool,
    pub archived: bool,
    /// Set once Stripe has it; an adopted one keeps the id that it had there.
    pub stripe_id: Option<String>,
    /// What Stripe calls it, where that is not its name.
    #[serde(skip)]
    pub stripe_name: Option<String>,
    /// It was deleted at Stripe.
    #[serde(skip)]
    pub stripe_gone: bool,
    /// When Stripe last told of it, by our clock; without a key to ask with, by Stripe's.
    #[serde(skip)]
    pub stripe_seen_at: Option<DateTimeUtc>,
    /// When Stripe last did what we owed for it, by our clock.
    #[serde(skip)]
    pub stripe_made_at: Option<DateTimeUtc>,
    pub created_at: DateTimeUtc,
    /// Deleted coupons stay, so that their codes keep attributing.
    pub deleted_at: Option<DateTimeUtc>,
}

crate::plain_table!();
