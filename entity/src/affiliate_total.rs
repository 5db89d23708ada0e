//! What an affiliate's codes and links brought: for all time, and by hour of the sale. Moved by deltas only.

use sea_orm::entity::prelude::*;

use crate::{
    conversion::AttributionMethod,
    id::{AffiliateId, BrandId, CampaignId, CodeId},
};

/// The bucket that holds the sum over all hours.
pub const ALL_TIME: i64 = -1;

/// The affiliate of a code that all affiliates of a campaign share.
pub const NOBODY: AffiliateId = AffiliateId(Uuid::nil());

/// The code of a sale that none is credited for.
pub const NO_CODE: CodeId = CodeId(Uuid::nil());

/// The currency of what is only counted: redemptions, which have no amount.
pub const NO_CURRENCY: &str = "XXX";

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "affiliate_total")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub affiliate_id: AffiliateId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub livemode: bool,
    /// Hours since 1970 in UTC; `ALL_TIME` for the sum.
    #[sea_orm(primary_key, auto_increment = false)]
    pub hour: i64,
    #[sea_orm(primary_key, auto_increment = false)]
    pub campaign_id: CampaignId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub code_id: CodeId,
    /// Redemptions are under `Coupon`, whoever was credited.
    #[sea_orm(primary_key, auto_increment = false)]
    pub attribution_method: AttributionMethod,
    #[sea_orm(primary_key, auto_increment = false)]
    pub currency: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub brand_id: BrandId,
    /// Renewals included.
    pub conversions: i64,
    pub renewals: i64,
    pub redemptions: i64,
    pub refunded_redemptions: i64,
    /// Minor units, before refunds.
    pub revenue: i64,
    pub refunded: i64,
    /// Net of clawbacks.
    pub commission: i64,
}

crate::plain_table!();
