//! Writes down how a try ended.

use chrono::{DateTime, TimeDelta, Utc};
use entity::{
    campaign_code,
    code::{self, CodeStatus},
    coupon,
    id::{BrandId, CodeId},
    promotion_code,
    stripe_operation::{self, OperationStatus},
};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, EntityTrait, IntoActiveModel, QueryFilter, QuerySelect, Set,
    sea_query::{Expr, LockType, OnConflict},
};
use uuid::Uuid;

use super::{Made, Operations, Outcome, Trouble};
use crate::{
    auth::Actor,
    directory::Name,
    domain::{
        audit,
        owed::{self, Call},
    },
    error::{Error, Result},
};

const MAX_BACKOFF_SECONDS: i64 = 30;
/// For what must come first.
const WAIT: TimeDelta = TimeDelta::seconds(1);

impl Operations {
    /// What waited, `DISABLED`, for a Stripe key is owed again where the brand has one now.
    pub(super) async fn owe_again(&self) -> Result<()> {
        let waiting =
            || stripe_operation::Entity::find().filter(stripe_operation::Column::Status.eq(OperationStatus::Disabled));
        let brands: Vec<(BrandId, bool)> = waiting()
            .select_only()
            .column(stripe_operation::Column::BrandId)
            .column(stripe_operation::Column::Livemode)
            .distinct()
            .into_tuple()
            .all(self.db.reader())
            .await?;
        for (brand, livemode) in brands {
            let account = self.directory.get(Name::Id(brand)).await?;
            if account.is_none_or(|account| account.way(livemode).is_none()) {
                continue;
            }
            let txn = self.db.begin().await?;
            stripe_operation::Entity::update_many()
                .col_expr(stripe_operation::Column::Status, Expr::value(OperationStatus::Pending))
                .filter(stripe_operation::Column::BrandId.eq(brand))
                .filter(stripe_operation::Column::Livemode.eq(livemode))
                .filter(stripe_operation::Column::Status.eq(OperationStatus::Disabled))
                .exec(&txn)
                .await?;
            txn.commit().await?;
        }
        Ok(())
    }

    /// Writes down how a try ended, unless somebody else has the operation by now, or it was taken back with its change.
    pub(super) async fn settle(&self, operation: &stripe_operation::Model, outcome: Outcome) -> Result<()> {
        let txn = self.db.begin().await?;
        if !holds_in_txn(&txn, operation).await? {
            return Ok(());
        }
        let mut row = stripe_operation::ActiveModel {
            id: Set(operation.id),
            leased_until: Set(None),
            ..Default::default()
        };
        let (now, attempts) = (self.clock.now(), operation.attempts + 1);
        match outcome {
            Outcome::Done(made) => {
                row.status = Set(OperationStatus::Done);
                row.attempts = Set(attempts);
                row.last_error = Set(None);
                if let Some(made) = made {
                    keep_id_in_txn(&txn, operation, made).await?;
                }
            }
            Outcome::Refused(refused) => {
                tracing::warn!(operation = %operation.id, reason = refused.message, "Stripe refused an operation");
                owed::fail_in_txn(&txn, operation.id, &refused.message).await?;
                if let Some(id) = operation.code_id
                    && switches_on(&serde_json::from_str(&operation.params)?)
                {
                    self.switch_off_in_txn(&txn, operation, id, &refused.message).await?;
                }
            }
            Outcome::Retry { trouble, new_key } => {
                row.attempts = Set(attempts);
                row.next_attempt_at = Set(backoff(now, attempts, operation.id).max(after(now, &trouble)));
                row.last_error = Set(Some(trouble.reason));
                row.key_generation = Set(operation.key_generation + i32::from(new_key));
            }
            Outcome::Unsent(trouble) => {
                row.next_attempt_at = Set(after(now, &trouble));
                row.last_error = Set(Some(trouble.reason));
            }
            Outcome::Waiting => row.next_attempt_at = Set(now + WAIT),
            Outcome::Disabled => row.status = Set(OperationStatus::Disabled),
        }
        row.update(&txn).await?;
        txn.commit().await?;
        Ok(())
    }
}

impl Operations {
    /// A code that Stripe will not have cannot be redeemed.
    async fn switch_off_in_txn(
        &self,
        txn: &impl ConnectionTrait,
        operation: &stripe_operation::Model,
        id: CodeId,
        reason: &str,
    ) -> Result<()> {
        let row = code::Entity::find_by_id(id)
            .lock(LockType::NoKeyUpdate)
            .one(txn)
            .await?;
        let Some(before) = row.filter(|code| code.status == CodeStatus::Active) else {
            return Ok(());
        };
        let mut change: code::ActiveModel = before.clone().into();
        change.status = Set(CodeStatus::Inactive);
        let after = change.update(txn).await?;
        let actor = Actor::worker(operation.brand_id, operation.livemode);
        let entry = audit::Entry::changed("code.refused_by_stripe", id, &before, &after)?.with("reason", reason);
        audit::record_in_txn(txn, &self.clock, &actor, entry).await
    }
}

/// 1, 2, 4, ... seconds, up to half a minute, each shortened by up to a quarter so that many do not come at once.
fn backoff(now: DateTime<Utc>, attempts: i32, id: Uuid) -> DateTime<Utc> {
    let exponent = u32::try_from(attempts - 1).unwrap_or(0).min(10);
    let seconds = (1_i64 << exponent).min(MAX_BACKOFF_SECONDS);
    let jitter = i64::from(id.as_bytes()[15] ^ attempts.to_le_bytes()[0]);
    now + TimeDelta::milliseconds(seconds * 1000 - seconds * 250 * jitter / 255)
}

/// Whether a code can be redeemed only once it is done.
fn switches_on(call: &Call) -> bool {
    matches!(
        call,
        Call::CreatePromotionCode { .. } | Call::SetPromotionCodeActive { active: true, .. }
    )
}

/// Not before Stripe wants to be asked again.
fn after(now: DateTime<Utc>, trouble: &Trouble) -> DateTime<Utc> {
    let wait = TimeDelta::from_std(trouble.wait.unwrap_or_default());
    now + wait.unwrap_or(WAIT)
}

/// Whether the operation is still owed, and under the lease that it was tried under.
async fn holds_in_txn(txn: &impl ConnectionTrait, operation: &stripe_operation::Model) -> Result<bool> {
    let row = stripe_operation::Entity::find_by_id(operation.id)
        .lock(LockType::NoKeyUpdate)
        .one(txn)
        .await?;
    Ok(row.is_some_and(|row| row.status == OperationStatus::Pending && row.leased_until == operation.leased_until))
}

/// Keeps Stripe's id with our row.
async fn keep_id_in_txn(
    txn: &impl ConnectionTrait,
    operation: &stripe_operation::Model,
    made: Made,
) -> Result<(), Error> {
    let stripe_id = made.id;
    match serde_json::from_str(&operation.params)? {
        Call::CreateCoupon { id, .. } => {
            let coupons = coupon::Entity::update_many().filter(coupon::Column::Id.eq(id));
            let with_id = coupons.col_expr(coupon::Column::StripeId, Expr::value(stripe_id));
            with_id.exec(txn).await?;
        }
        Call::CreatePromotionCode { id, code, .. } => {
            // What the code is called now: an older name's promotion code is one more of it.
            let codes = code::Entity::update_many().filter(code::Column::Id.eq(id));
            let current = codes.filter(code::Column::Code.eq(&code));
            let with_id = current.col_expr(code::Column::StripeId, Expr::value(&stripe_id));
            with_id.exec(txn).await?;
            if made.active == Some(false) {
                switched_off_in_txn(txn, id).await?;
            }
            let shared = campaign_code::Entity::update_many().filter(campaign_code::Column::Id.eq(id));
            let with_id = shared.col_expr(campaign_code::Column::StripeId, Expr::value(&stripe_id));
            with_id.exec(txn).await?;
            let row = promotion_code::Model {
                brand_id: operation.brand_id,
                livemode: operation.livemode,
                stripe_id,
                code,
                code_id: id,
                created_at: operation.created_at,
            };
            use promotion_code::Column::{BrandId, Livemode, StripeId};
            let once = OnConflict::columns([BrandId, Livemode, StripeId])
                .do_nothing()
                .to_owned();
            let insert = promotion_code::Entity::insert(row.into_active_model()).on_conflict(once);
            insert.exec_without_returning(txn).await?;
        }
        Call::RenameCoupon { .. } | Call::DeleteCoupon { .. } | Call::SetPromotionCodeActive { .. } => {}
    }
    Ok(())
}

/// A promotion code that was found, and that somebody had switched off at Stripe before it was known here.
async fn switched_off_in_txn(txn: &impl ConnectionTrait, id: CodeId) -> Result<(), Error> {
    let codes = code::Entity::update_many().filter(code::Column::Id.eq(id));
    codes
        .col_expr(code::Column::StripeActive, Expr::value(false))
        .col_expr(
            code::Column::StripeReason,
            Expr::value("It was switched off at Stripe."),
        )
        .exec(txn)
        .await?;
    Ok(())
}
