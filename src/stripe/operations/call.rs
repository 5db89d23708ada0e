//! One try of an operation: what must come first, the call itself, and what its answer means.

use chrono::TimeDelta;
use entity::{
    code, coupon,
    stripe_operation::{self, OperationKind, OperationStatus},
};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};

use super::{Operations, Outcome};
use crate::{
    directory::{Name, Way},
    domain::owed::Call,
    error::Result,
    stripe::client::{CallError, Refused},
};

/// Stripe keeps idempotency keys for at least 24 hours (<https://docs.stripe.com/api/idempotent_requests>).
const KEY_LIFE: TimeDelta = TimeDelta::hours(23);

impl Operations {
    pub(super) async fn perform(&self, operation: &stripe_operation::Model) -> Result<Outcome> {
        let account = self.directory.fresh(Name::Id(operation.brand_id)).await?;
        let Some(way) = account.and_then(|account| account.way(operation.livemode).cloned()) else {
            return Ok(Outcome::Disabled);
        };
        if self.has_earlier(operation).await? {
            return Ok(Outcome::Waiting);
        }
        let call: Call = serde_json::from_str(&operation.params)?;
        let target = match self.prepare(operation, &call).await? {
            Ready::Go(target) => target,
            Ready::Wait => return Ok(Outcome::Waiting),
            Ready::NothingThere => return Ok(Outcome::Done(None)),
            Ready::Refused(refused) => return Ok(Outcome::Refused(refused)),
        };
        Ok(self.call(operation, &call, target.as_deref(), &way).await)
    }

    /// Whether an older operation on the same object is still owed.
    async fn has_earlier(&self, operation: &stripe_operation::Model) -> Result<bool> {
        let same = match operation.code_id {
            Some(code) => stripe_operation::Column::CodeId.eq(code),
            None => stripe_operation::Column::CodeId.is_null(),
        };
        let earlier = stripe_operation::Entity::find()
            .filter(stripe_operation::Column::CouponId.eq(operation.coupon_id))
            .filter(same)
            .filter(stripe_operation::Column::Status.is_in([OperationStatus::Pending, OperationStatus::Disabled]))
            .filter(stripe_operation::Column::Id.lt(operation.id));
        Ok(earlier.one(self.db.reader()).await?.is_some())
    }

    /// What has to be at Stripe before the call makes sense.
    async fn prepare(&self, operation: &stripe_operation::Model, call: &Call) -> Result<Ready> {
        let db = self.db.reader();
        if let Call::RetirePromotionCode { promotion_code, .. } = call {
            return Ok(Ready::Go(Some(promotion_code.clone())));
        }
        let coupon = coupon::Entity::find_by_id(operation.coupon_id).one(db).await?;
        let coupon = coupon.and_then(|coupon| coupon.stripe_id);
        let on_stripe = coupon.is_some();
        Ok(match (operation.kind, operation.code_id) {
            (OperationKind::CreateCoupon, _) => Ready::Go(None),
            (OperationKind::UpdateCoupon | OperationKind::DeleteCoupon, _) if !on_stripe => Ready::NothingThere,
            (OperationKind::CreatePromotionCode, _) if !on_stripe => self.without_coupon(operation).await?,
            (OperationKind::UpdatePromotionCode, Some(code)) => {
                let code = code::Entity::find_by_id(code).one(db).await?;
                match code.and_then(|code| code.stripe_id) {
                    Some(id) => Ready::Go(Some(id)),
                    None => Ready::NothingThere,
                }
            }
            _ => Ready::Go(coupon),
        })
    }

    /// A code whose coupon Stripe does not have waits for it, unless Stripe refused the coupon.
    async fn without_coupon(&self, operation: &stripe_operation::Model) -> Result<Ready> {
        let refused = stripe_operation::Entity::find()
            .filter(stripe_operation::Column::CouponId.eq(operation.coupon_id))
            .filter(stripe_operation::Column::Kind.eq(OperationKind::CreateCoupon))
            .filter(stripe_operation::Column::Status.eq(OperationStatus::Failed))
            .one(self.db.reader())
            .await?;
        Ok(match refused {
            Some(coupon) => Ready::Refused(Refused {
                status: 400,
                message: format!("Stripe refused the coupon: {}", coupon.last_error.unwrap_or_default()),
                param: Some("promotion[coupon]".to_owned()),
                code: "coupon_refused".to_owned(),
            }),
            None => Ready::Wait,
        })
    }

    async fn call(&self, operation: &stripe_operation::Model, call: &Call, target: Option<&str>, way: &Way) -> Outcome {
        let key_expired = self.clock.now() - operation.created_at > KEY_LIFE;
        if key_expired && let Some(outcome) = self.look_up(call, way).await {
            return outcome;
        }
        let idempotency_key = match operation.key_generation {
            0 => operation.id.to_string(),
            generation => format!("{}-{generation}", operation.id),
        };
        let error = match self.stripe.make(way, call, target, &idempotency_key).await {
            Ok(id) => return Outcome::Done(Some(id)),
            Err(error) => error,
        };
        let again = operation.attempts > 0;
        match error {
            CallError::Refused(refused) if refused.code == "idempotency_error" => Outcome::Retry {
                reason: refused.message,
                new_key: true,
            },
            CallError::Refused(refused) if is_gone(call, &refused) => Outcome::Done(None),
            CallError::Refused(refused) if exists_already(&refused) => {
                // Perhaps it is ours, made by a try whose answer was lost.
                match self.stripe.find(way, call).await {
                    Ok(Some(id)) => Outcome::Done(Some(id)),
                    Ok(None) => Outcome::Refused(refused),
                    Err(error) => retry(&error),
                }
            }
            CallError::Refused(refused) if again && matches!(refused.status, 401 | 403) => Outcome::Retry {
                reason: refused.message,
                new_key: false,
            },
            CallError::Refused(refused) => Outcome::Refused(refused),
            // The second time it may be a stored failure that Stripe replays under this key for ever.
            CallError::Server(reason) if again => match self.look_up(call, way).await {
                Some(outcome) => outcome,
                None => Outcome::Retry { reason, new_key: true },
            },
            error => retry(&error),
        }
    }

    /// Whether a creation was done already, under a key that no longer tells; `None` when it was not.
    async fn look_up(&self, call: &Call, way: &Way) -> Option<Outcome> {
        match self.stripe.find(way, call).await {
            Ok(Some(id)) => Some(Outcome::Done(Some(id))),
            Ok(None) => None,
            Err(error) => Some(retry(&error)),
        }
    }
}

enum Ready {
    /// With Stripe's id of what is changed, or of the coupon that a code is made on.
    Go(Option<String>),
    Wait,
    NothingThere,
    /// It cannot be done, for good.
    Refused(Refused),
}

fn retry(error: &CallError) -> Outcome {
    Outcome::Retry {
        reason: error.message().to_owned(),
        new_key: false,
    }
}

/// What is to be switched off or deleted is not there: that is what was wanted.
fn is_gone(call: &Call, refused: &Refused) -> bool {
    let goes = matches!(
        call,
        Call::DeleteCoupon { .. }
            | Call::SetPromotionCodeActive { active: false, .. }
            | Call::RetirePromotionCode { .. }
    );
    goes && refused.status == 404
}

fn exists_already(refused: &Refused) -> bool {
    refused.code == "resource_already_exists" || refused.message.contains("already exists")
}
