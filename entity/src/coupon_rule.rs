//! Whether a coupon's codes go before clicks, from a moment on. Append-only.

use sea_orm::entity::prelude::*;

use crate::id::{BrandId, CouponId};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, serde::Serialize)]
#[serde(rename_all = "camelCase")]
#[sea_orm(table_name = "coupon_rule")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub brand_id: BrandId,
    pub coupon_id: CouponId,
    pub effective_from: DateTimeUtc,
    pub overrides_click_attribution: bool,
}

crate::plain_table!();
