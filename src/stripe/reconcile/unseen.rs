//! Our coupons and codes that no page of Stripe's lists showed.

use chrono::{DateTime, Utc};
use entity::{
    campaign_code, code, coupon,
    id::{CodeId, CouponId},
};
use sea_orm::{ColumnTrait, Condition, EntityTrait, QueryFilter, QueryOrder};

use super::Reconcile;
use crate::{error::Result, stripe::drift::ours::OurCode};

impl Reconcile<'_> {
    /// The next coupon that no page showed.
    pub(super) async fn unseen_coupon(
        &self,
        began: DateTime<Utc>,
        after: Option<CouponId>,
    ) -> Result<Option<coupon::Model>> {
        let unseen = Condition::any()
            .add(coupon::Column::StripeSeenAt.is_null())
            .add(coupon::Column::StripeSeenAt.lt(began));
        let mut rows = coupon::Entity::find()
            .filter(coupon::Column::BrandId.eq(self.feed.brand))
            .filter(coupon::Column::Livemode.eq(self.feed.livemode))
            .filter(coupon::Column::StripeId.is_not_null())
            .filter(coupon::Column::DeletedAt.is_null())
            .filter(unseen)
            .order_by_asc(coupon::Column::Id);
        if let Some(after) = after {
            rows = rows.filter(coupon::Column::Id.gt(after));
        }
        Ok(rows.one(self.stripe.db.reader()).await?)
    }

    /// The next code that no page showed.
    pub(super) async fn unseen_code(
        &self,
        began: DateTime<Utc>,
        after: Option<CodeId>,
        shared: bool,
    ) -> Result<Option<OurCode>> {
        macro_rules! next {
            ($table:ident) => {{
                let unseen = Condition::any()
                    .add($table::Column::StripeSeenAt.is_null())
                    .add($table::Column::StripeSeenAt.lt(began));
                let mut rows = $table::Entity::find()
                    .filter($table::Column::BrandId.eq(self.feed.brand))
                    .filter($table::Column::Livemode.eq(self.feed.livemode))
                    .filter($table::Column::StripeId.is_not_null())
                    .filter(unseen)
                    .order_by_asc($table::Column::Id);
                if let Some(after) = after {
                    rows = rows.filter($table::Column::Id.gt(after));
                }
                Ok(rows.one(self.stripe.db.reader()).await?.map(OurCode::from))
            }};
        }
        if shared { next!(campaign_code) } else { next!(code) }
    }
}
