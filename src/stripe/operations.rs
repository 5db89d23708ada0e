//! Carries out what is owed to Stripe: once at the mutation's request, then by the worker until it is done or refused.
//!
//! **Invariants.** The idempotency key is the operation's id, so a call whose outcome is unknown is made again without
//! harm. Operations on one object go in order. Whoever learns the outcome writes it down: the mutation that waits takes
//! its change back on a refusal; when nobody waits any more, the refusal is kept with the row.

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use entity::{
    code::{self, CodeStatus},
    coupon,
    stripe_operation::{self, OperationKind, OperationStatus},
};
use sea_orm::{ActiveModelTrait, ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, Set, sea_query::Expr};
use secrecy::SecretString;
use tokio::sync::{Notify, oneshot};
use uuid::Uuid;

use super::client::{CallError, Refused, Stripe};
use crate::{
    auth::Scope,
    clock::Clock,
    db::Db,
    directory::{Directory, Name},
    domain::{
        Attempt, Outbox, Refusal,
        owed::{self, Call},
    },
    error::{Error, Result},
    lease,
};

/// How long a mutation waits for Stripe.
const PATIENCE: Duration = Duration::from_secs(3);
/// Longer than a call may take.
const LEASE: TimeDelta = TimeDelta::seconds(30);
const BATCH: u64 = 8;
/// Stripe keeps idempotency keys for at least 24 hours (<https://docs.stripe.com/api/idempotent_requests>).
const KEY_LIFE: TimeDelta = TimeDelta::hours(23);
const MAX_BACKOFF_SECONDS: i64 = 30;

#[derive(Clone)]
pub struct Operations {
    pub db: Db,
    pub clock: Clock,
    pub directory: Directory,
    pub stripe: Stripe,
    pub wake: std::sync::Arc<Notify>,
}

/// How one try ended.
enum Outcome {
    /// Stripe did it; the id is that of what was made.
    Done(Option<String>),
    Refused(Refused),
    /// To be tried again, under a new key if `new_key`.
    Retry {
        reason: String,
        new_key: bool,
    },
    /// Something else comes first.
    Waiting,
    /// The brand has no key for this mode.
    Disabled,
}

#[async_trait]
impl Outbox for Operations {
    async fn connected(&self, scope: &Scope) -> Result<bool> {
        let account = self.directory.get(Name::Id(scope.brand)).await?;
        Ok(account.is_some_and(|account| account.key(scope.livemode).is_some()))
    }

    async fn attempt(&self, operation: Uuid) -> Attempt {
        let (sender, receiver) = oneshot::channel();
        let worker = self.clone();
        tokio::spawn(async move {
            if let Err(error) = worker.first_try(operation, sender).await {
                tracing::warn!(%error, %operation, "the first try of an operation failed; the worker goes on");
            }
        });
        match tokio::time::timeout(PATIENCE, receiver).await {
            Ok(Ok(attempt)) => attempt,
            _ => Attempt::Pending,
        }
    }

    fn wake(&self) {
        self.wake.notify_one();
    }
}

impl Operations {
    async fn first_try(&self, id: Uuid, caller: oneshot::Sender<Attempt>) -> Result<()> {
        let row = stripe_operation::Entity::find_by_id(id).one(self.db.reader()).await?;
        let Some(operation) = row else { return Ok(()) };
        let outcome = self.perform(&operation).await?;
        if let Outcome::Refused(refused) = outcome {
            let refusal = Refusal {
                message: refused.message.clone(),
                param: refused.param.clone(),
            };
            // Taken: the mutation undoes its change. Not taken: nobody waits any more.
            if caller.send(Attempt::Refused(refusal)).is_err() {
                self.settle(&operation, Outcome::Refused(refused)).await?;
            }
            return Ok(());
        }
        let done = matches!(outcome, Outcome::Done(_));
        self.settle(&operation, outcome).await?;
        let attempt = if done { Attempt::Done } else { Attempt::Pending };
        // Nobody waits any more: the row says how it stands.
        let _ = caller.send(attempt);
        Ok(())
    }

    /// Does what is due, once; the number of operations that were tried.
    pub async fn run_due(&self) -> Result<usize> {
        let txn = self.db.begin().await?;
        let due = lease::claim::<stripe_operation::Entity>(&txn, self.clock.now(), LEASE, BATCH).await?;
        txn.commit().await?;
        let tries = due.iter().map(|operation| async move {
            let outcome = self.perform(operation).await?;
            self.settle(operation, outcome).await
        });
        for result in futures_util::future::join_all(tries).await {
            result?;
        }
        Ok(due.len())
    }

    async fn perform(&self, operation: &stripe_operation::Model) -> Result<Outcome> {
        let account = self.directory.get(Name::Id(operation.brand_id)).await?;
        let Some(key) = account.and_then(|account| account.key(operation.livemode).cloned()) else {
            return Ok(Outcome::Disabled);
        };
        if self.has_earlier(operation).await? {
            return Ok(Outcome::Waiting);
        }
        let call: Call = serde_json::from_str(&operation.params)?;
        let promotion_code = match self.prepare(operation).await? {
            Ready::Go(promotion_code) => promotion_code,
            Ready::Wait => return Ok(Outcome::Waiting),
            Ready::NothingThere => return Ok(Outcome::Done(None)),
        };
        Ok(self.call(operation, &call, promotion_code.as_deref(), &key).await)
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
            .filter(stripe_operation::Column::Status.eq(OperationStatus::Pending))
            .filter(stripe_operation::Column::Id.lt(operation.id));
        Ok(earlier.one(self.db.reader()).await?.is_some())
    }

    /// What has to be at Stripe before the call makes sense.
    async fn prepare(&self, operation: &stripe_operation::Model) -> Result<Ready> {
        let db = self.db.reader();
        let coupon = coupon::Entity::find_by_id(operation.coupon_id).one(db).await?;
        let on_stripe = coupon.is_some_and(|coupon| coupon.stripe_id.is_some());
        Ok(match (operation.kind, operation.code_id) {
            (OperationKind::CreateCoupon, _) => Ready::Go(None),
            (OperationKind::UpdateCoupon | OperationKind::DeleteCoupon, _) if !on_stripe => Ready::NothingThere,
            (OperationKind::CreatePromotionCode, _) if !on_stripe => Ready::Wait,
            (OperationKind::UpdatePromotionCode, Some(code)) => {
                let code = code::Entity::find_by_id(code).one(db).await?;
                match code.and_then(|code| code.stripe_id) {
                    Some(id) => Ready::Go(Some(id)),
                    None => Ready::NothingThere,
                }
            }
            _ => Ready::Go(None),
        })
    }

    async fn call(
        &self,
        operation: &stripe_operation::Model,
        call: &Call,
        promotion_code: Option<&str>,
        key: &SecretString,
    ) -> Outcome {
        let key_expired = operation.attempts > 0 && self.clock.now() - operation.created_at > KEY_LIFE;
        if key_expired && let Some(outcome) = self.look_up(call, key).await {
            return outcome;
        }
        let idempotency_key = match operation.key_generation {
            0 => operation.id.to_string(),
            generation => format!("{}-{generation}", operation.id),
        };
        let error = match self.stripe.make(key, call, promotion_code, &idempotency_key).await {
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
            CallError::Refused(refused) if exists_already(&refused) && (again || is_coupon(call)) => {
                // Perhaps it is ours, made by a try whose answer was lost.
                match self.stripe.find(key, call).await {
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
            CallError::Server(reason) if again => match self.look_up(call, key).await {
                Some(outcome) => outcome,
                None => Outcome::Retry { reason, new_key: true },
            },
            error => retry(&error),
        }
    }

    /// Whether a creation was done already, under a key that no longer tells; `None` when it was not.
    async fn look_up(&self, call: &Call, key: &SecretString) -> Option<Outcome> {
        match self.stripe.find(key, call).await {
            Ok(Some(id)) => Some(Outcome::Done(Some(id))),
            Ok(None) => None,
            Err(error) => Some(retry(&error)),
        }
    }

    /// Writes down how a try ended.
    async fn settle(&self, operation: &stripe_operation::Model, outcome: Outcome) -> Result<()> {
        let txn = self.db.begin().await?;
        let mut row: stripe_operation::ActiveModel = stripe_operation::ActiveModel {
            id: Set(operation.id),
            leased_until: Set(None),
            ..Default::default()
        };
        let attempts = operation.attempts + 1;
        match outcome {
            Outcome::Done(stripe_id) => {
                row.status = Set(OperationStatus::Done);
                row.attempts = Set(attempts);
                row.last_error = Set(None);
                if let Some(stripe_id) = stripe_id {
                    keep_id_in_txn(&txn, operation, stripe_id).await?;
                }
            }
            Outcome::Refused(refused) => {
                tracing::warn!(operation = %operation.id, reason = refused.message, "Stripe refused an operation");
                owed::fail_in_txn(&txn, operation.id, &refused.message).await?;
                if let (OperationKind::CreatePromotionCode, Some(id)) = (operation.kind, operation.code_id) {
                    code::Entity::update_many()
                        .col_expr(code::Column::Status, Expr::value(CodeStatus::Inactive))
                        .filter(code::Column::Id.eq(id))
                        .exec(&txn)
                        .await?;
                }
            }
            Outcome::Retry { reason, new_key } => {
                row.attempts = Set(attempts);
                row.next_attempt_at = Set(backoff(self.clock.now(), attempts, operation.id));
                row.last_error = Set(Some(reason));
                row.key_generation = Set(operation.key_generation + i32::from(new_key));
            }
            Outcome::Waiting => row.next_attempt_at = Set(self.clock.now() + TimeDelta::seconds(1)),
            Outcome::Disabled => row.status = Set(OperationStatus::Disabled),
        }
        match row.update(&txn).await {
            // The mutation took its change back, and the operation with it.
            Err(sea_orm::DbErr::RecordNotUpdated) => {}
            result => drop(result?),
        }
        txn.commit().await?;
        self.wake();
        Ok(())
    }
}

enum Ready {
    /// With Stripe's id of the promotion code, where there is one.
    Go(Option<String>),
    Wait,
    NothingThere,
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
        Call::DeleteCoupon { .. } | Call::SetPromotionCodeActive { active: false, .. }
    );
    goes && refused.status == 404
}

fn exists_already(refused: &Refused) -> bool {
    refused.code == "resource_already_exists" || refused.message.contains("already exists")
}

fn is_coupon(call: &Call) -> bool {
    matches!(call, Call::CreateCoupon { .. })
}

/// 1, 2, 4, ... seconds, up to half a minute, each shortened by up to a quarter so that many do not come at once.
fn backoff(now: DateTime<Utc>, attempts: i32, id: Uuid) -> DateTime<Utc> {
    let exponent = u32::try_from(attempts - 1).unwrap_or(0).min(10);
    let seconds = (1_i64 << exponent).min(MAX_BACKOFF_SECONDS);
    let jitter = i64::from(id.as_bytes()[15] ^ attempts.to_le_bytes()[0]);
    now + TimeDelta::milliseconds(seconds * 1000 - seconds * 250 * jitter / 255)
}

/// Keeps Stripe's id with our row.
async fn keep_id_in_txn(
    txn: &impl ConnectionTrait,
    operation: &stripe_operation::Model,
    stripe_id: String,
) -> Result<(), Error> {
    match (operation.kind, operation.code_id) {
        (OperationKind::CreateCoupon, _) => {
            coupon::Entity::update_many()
                .col_expr(coupon::Column::StripeId, Expr::value(stripe_id))
                .filter(coupon::Column::Id.eq(operation.coupon_id))
                .exec(txn)
                .await?;
        }
        (OperationKind::CreatePromotionCode, Some(id)) => {
            code::Entity::update_many()
                .col_expr(code::Column::StripeId, Expr::value(stripe_id))
                .filter(code::Column::Id.eq(id))
                .exec(txn)
                .await?;
        }
        _ => {}
    }
    Ok(())
}
