//! The outbox towards Stripe: a call that we owe, written with the change that owes it. Its id is the idempotency key.

use sea_orm::entity::prelude::*;

use crate::id::{BrandId, CodeId, CouponId};

crate::text_enum! {
    /// Which call.
    OperationKind {
        CreateCoupon = "create_coupon",
        UpdateCoupon = "update_coupon",
        DeleteCoupon = "delete_coupon",
        CreatePromotionCode = "create_promotion_code",
        UpdatePromotionCode = "update_promotion_code",
    }
}

crate::text_enum! {
    /// Where it stands.
    OperationStatus {
        /// Owed.
        Pending = "pending",
        /// Stripe did it.
        Done = "done",
        /// Stripe refused it, for good.
        Failed = "failed",
        /// The brand has no Stripe key for this mode; owed again once it has one.
        Disabled = "disabled",
    }
}

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "stripe_operation")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub brand_id: BrandId,
    pub livemode: bool,
    pub kind: OperationKind,
    pub coupon_id: CouponId,
    /// Set for what concerns a promotion code.
    pub code_id: Option<CodeId>,
    /// The call's parameters as JSON, fixed, since a repeated idempotency key needs the same ones.
    pub params: String,
    pub status: OperationStatus,
    pub attempts: i32,
    pub next_attempt_at: DateTimeUtc,
    pub leased_until: Option<DateTimeUtc>,
    pub last_error: Option<String>,
    /// Counts keys given up because Stripe replays a stored failure under them.
    pub key_generation: i32,
    pub created_at: DateTimeUtc,
}

crate::plain_table!();
