//! One try of an operation: what must come first, the call itself, and what its answer means.

use std::time::Duration;

use chrono::TimeDelta;
use entity::{
    campaign_code, code, coupon,
    id::CodeId,
    stripe_operation::{self, OperationKind, OperationStatus},
};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};

use super::{Operations, Outcome, Try};
use crate::{
    directory::{Name, Way},
    domain::{
        follows,
        owed::{Call, same_object},
    },
    error::Result,
    stripe::answers::{CallError, Made, Refused, Trouble},
};

/// Stripe keeps idempotency keys for at least 24 hours (<https://docs.stripe.com/api/idempotent_requests>).
const KEY_LIFE: TimeDelta = TimeDelta::hours(23);

impl Operations {
    /// One try that is given up after a while; what it was at is as unknown then as any call without an answer.
    pub(super) async fn perform_within(
        &self,
        limit: Duration,
        operation: &stripe_operation::Model,
        which: Try,
    ) -> Result<Outcome> {
        let tried = tokio::time::timeout(limit, self.perform(operation, which)).await;
        tried.unwrap_or_else(|_| Ok(Outcome::retry(CallError::unknown("Stripe did not answer in time"))))
    }

    async fn perform(&self, operation: &stripe_operation::Model, which: Try) -> Result<Outcome> {
        let account = self.directory.fresh(Name::Id(operation.brand_id)).await?;
        let Some(way) = account.and_then(|account| account.way(operation.livemode).cloned()) else {
            return Ok(Outcome::Disabled);
        };
        if self.has_earlier(operation).await? || !self.is_owed(operation).await? {
            return Ok(Outcome::Waiting);
        }
        let call: Call = serde_json::from_str(&operation.params)?;
        let target = match self.prepare(operation, &call).await? {
            Ready::Go(target) => target,
            Ready::Wait => return Ok(Outcome::Waiting),
            Ready::NothingThere => return Ok(Outcome::Done(None)),
            Ready::Refused(refused) => return Ok(Outcome::Refused(refused)),
        };
        self.call(operation, &call, target.as_deref(), &way, which).await
    }

    /// Whether an older operation on the same object is still owed.
    async fn has_earlier(&self, operation: &stripe_operation::Model) -> Result<bool> {
        let earlier = stripe_operation::Entity::find()
            .filter(same_object(operation.coupon_id, operation.code_id))
            .filter(stripe_operation::Column::Status.is_in([OperationStatus::Pending, OperationStatus::Disabled]))
            .filter(stripe_operation::Column::Id.lt(operation.id));
        Ok(earlier.one(self.db.reader()).await?.is_some())
    }

    /// Whether it was not taken back while it waited for its turn, with what it followed from.
    async fn is_owed(&self, operation: &stripe_operation::Model) -> Result<bool> {
        let row = stripe_operation::Entity::find_by_id(operation.id)
            .one(self.db.reader())
            .await?;
        Ok(row.is_some_and(|row| matches!(row.status, OperationStatus::Pending | OperationStatus::Disabled)))
    }

    /// What has to be at Stripe before the call makes sense.
    async fn prepare(&self, operation: &stripe_operation::Model, call: &Call) -> Result<Ready> {
        let db = self.db.reader();
        if let Call::RetirePromotionCode { id, promotion_code, .. } = call {
            let returned = self.promotion_code(*id).await?.as_ref() == Some(promotion_code);
            return Ok(match returned {
                // Its code has returned to it.
                true => Ready::NothingThere,
                false => Ready::Go(Some(promotion_code.clone())),
            });
        }
        let coupon = coupon::Entity::find_by_id(operation.coupon_id).one(db).await?;
        let coupon = coupon.and_then(|coupon| coupon.stripe_id);
        let on_stripe = coupon.is_some();
        Ok(match (operation.kind, operation.code_id) {
            (OperationKind::CreateCoupon, _) => Ready::Go(None),
            (OperationKind::UpdateCoupon | OperationKind::DeleteCoupon, _) if !on_stripe => Ready::NothingThere,
            (OperationKind::CreatePromotionCode, _) if !on_stripe => self.without_coupon(operation).await?,
            (OperationKind::UpdatePromotionCode, Some(code)) => match self.promotion_code(code).await? {
                Some(id) => Ready::Go(Some(id)),
                None => Ready::NothingThere,
            },
            _ => Ready::Go(coupon),
        })
    }

    /// Stripe's id of what a code is now, be it an affiliate's or a campaign's.
    async fn promotion_code(&self, id: CodeId) -> Result<Option<String>> {
        let db = self.db.reader();
        if let Some(code) = code::Entity::find_by_id(id).one(db).await? {
            return Ok(code.stripe_id);
        }
        let shared = campaign_code::Entity::find_by_id(id).one(db).await?;
        Ok(shared.and_then(|code| code.stripe_id))
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

    async fn call(
        &self,
        operation: &stripe_operation::Model,
        call: &Call,
        target: Option<&str>,
        way: &Way,
        which: Try,
    ) -> Result<Outcome> {
        let key_expired = self.clock.now() - operation.created_at > KEY_LIFE;
        if key_expired && let Some(outcome) = self.look_up(call, way).await? {
            return Ok(outcome);
        }
        let idempotency_key = match operation.key_generation {
            0 => operation.id.to_string(),
            generation => format!("{}-{generation}", operation.id),
        };
        let error = match self.stripe.make(way, call, target, &idempotency_key).await {
            Ok(made) => return Ok(Outcome::Done(Some(made))),
            Err(error) => error,
        };
        if let (CallError::Refused(refused), Call::SetPromotionCodeActive { id, active: true, .. }) = (&error, call)
            && refused.is_taken()
            && follows::endings_alone(self.db.reader(), *id, operation.id).await?
        {
            return Ok(Outcome::Behind(*id));
        }
        Ok(match error {
            // What is to be switched off or deleted is not there: that is what was wanted.
            CallError::Refused(refused) if goes(call) && refused.is_missing() => Outcome::Done(target.map(Made::gone)),
            // Nobody takes back that something goes: it is tried until the key, or what is in between, is mended.
            CallError::Refused(refused) if goes(call) && (refused.of_the_key().is_some() || refused.status == 404) => {
                Outcome::retry(CallError::Refused(refused))
            }
            CallError::Refused(refused) if refused.of_the_key().is_some() => Outcome::Refused(refused),
            // Perhaps it is ours that is in the way, made by a try whose answer was lost; or ours was made, and what
            // Stripe refuses now is another.
            CallError::Refused(refused) if which == Try::Later || refused.is_taken() => {
                let found = self.look_up(call, way).await?;
                found.unwrap_or(Outcome::Refused(refused))
            }
            CallError::Refused(refused) => Outcome::Refused(refused),
            CallError::Spent(trouble) => self.under_a_new_key(call, way, trouble).await?,
            // The second time it may be a stored failure that Stripe replays under this key for ever.
            CallError::Server(trouble) if operation.attempts > 0 => self.under_a_new_key(call, way, trouble).await?,
            error => Outcome::retry(error),
        })
    }

    /// The key tells no more: unless it is done, it is to be done under another.
    async fn under_a_new_key(&self, call: &Call, way: &Way, trouble: Trouble) -> Result<Outcome> {
        Ok(self
            .look_up(call, way)
            .await?
            .unwrap_or(Outcome::Retry { trouble, new_key: true }))
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

/// Whether something is to be switched off or deleted.
fn goes(call: &Call) -> bool {
    matches!(
        call,
        Call::DeleteCoupon { .. }
            | Call::SetPromotionCodeActive { active: false, .. }
            | Call::RetirePromotionCode { .. }
    )
}
