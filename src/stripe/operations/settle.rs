//! Writes down how a try ended.

use chrono::{DateTime, TimeDelta, Utc};
use entity::{
    campaign_code, code, coupon,
    id::{BrandId, CodeId},
    promotion_code,
    stripe_operation::{self, OperationStatus},
};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, EntityTrait, IntoActiveModel, QueryFilter, QuerySelect, Set,
    sea_query::{Expr, LockType, OnConflict},
};
use uuid::Uuid;

use super::{Operations, Outcome, Trouble};
use crate::{
    auth::Actor,
    directory::Name,
    domain::{
        follows,
        owed::{self, Call},
        refused_codes,
    },
    error::Result,
    stripe::drift::record::made_in_txn,
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

    /// Writes down how a try ended, unless somebody else has the operation by now, or it was taken back with its change. What
    /// is owed now because of it.
    pub(super) async fn settle(&self, operation: &stripe_operation::Model, outcome: Outcome) -> Result<Option<Uuid>> {
        let txn = self.db.begin().await?;
        if !holds_in_txn(&txn, operation).await? {
            return Ok(None);
        }
        let mut next = None;
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
                    next = self.keep_id_in_txn(&txn, operation, &made.id).await?;
                    made_in_txn(&txn, &self.clock, operation, &made).await?;
                }
            }
            Outcome::Refused(refused) => {
                tracing::warn!(operation = %operation.id, reason = refused.message, "Stripe refused an operation");
                owed::fail_in_txn(&txn, operation.id, &refused.message).await?;
                if let Some(id) = operation.code_id
                    && serde_json::from_str::<Call>(&operation.params)?.switches_on()
                {
                    refused_codes::settle_in_txn(&txn, &self.clock, operation, id, &refused.message).await?;
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
            Outcome::Behind(code) if self.owe_last_in_txn(&txn, operation, code).await? => {
                txn.commit().await?;
                return Ok(None);
            }
            Outcome::Behind(_) => row.next_attempt_at = Set(now + WAIT),
            Outcome::Disabled => row.status = Set(OperationStatus::Disabled),
        }
        row.update(&txn).await?;
        txn.commit().await?;
        Ok(next)
    }

    /// Owes the same after all that is owed for a code, unless that is more than the end of older promotion codes.
    async fn owe_last_in_txn(
        &self,
        txn: &impl ConnectionTrait,
        operation: &stripe_operation::Model,
        code: CodeId,
    ) -> Result<bool> {
        let row = code::Entity::find_by_id(code).lock(LockType::NoKeyUpdate);
        if row.one(txn).await?.is_none() || !follows::endings_alone(txn, code, operation.id).await? {
            return Ok(false);
        }
        let scope = Actor::worker(operation.brand_id, operation.livemode).scope;
        let call = serde_json::from_str(&operation.params)?;
        owed::owe_to_worker_in_txn(txn, &self.clock, &scope, &call, true).await?;
        stripe_operation::Entity::delete_by_id(operation.id).exec(txn).await?;
        Ok(true)
    }
}

/// 1, 2, 4, ... seconds, up to half a minute, each shortened by up to a quarter so that many do not come at once.
fn backoff(now: DateTime<Utc>, attempts: i32, id: Uuid) -> DateTime<Utc> {
    let exponent = u32::try_from(attempts - 1).unwrap_or(0).min(10);
    let seconds = (1_i64 << exponent).min(MAX_BACKOFF_SECONDS);
    let jitter = i64::from(id.as_bytes()[15] ^ attempts.to_le_bytes()[0]);
    now + TimeDelta::milliseconds(seconds * 1000 - seconds * 250 * jitter / 255)
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

impl Operations {
    /// Keeps Stripe's id with our row. A promotion code that it replaces is to be switched off now; the operation that does.
    async fn keep_id_in_txn(
        &self,
        txn: &impl ConnectionTrait,
        operation: &stripe_operation::Model,
        stripe_id: &str,
    ) -> Result<Option<Uuid>> {
        match serde_json::from_str(&operation.params)? {
            Call::CreateCoupon { id, .. } => {
                let coupons = coupon::Entity::update_many().filter(coupon::Column::Id.eq(id));
                let with_id = coupons.col_expr(coupon::Column::StripeId, Expr::value(stripe_id));
                with_id.exec(txn).await?;
            }
            Call::CreatePromotionCode { id, coupon, code, .. } => {
                let replaced = replace_in_txn(txn, id, stripe_id).await?;
                insert_in_txn(txn, operation, id, code, stripe_id).await?;
                if let Some(promotion_code) = replaced.filter(|replaced| *replaced != stripe_id) {
                    let scope = Actor::worker(operation.brand_id, operation.livemode).scope;
                    let retire = Call::RetirePromotionCode {
                        id,
                        coupon,
                        promotion_code,
                    };
                    let next = owed::owe_to_worker_in_txn(txn, &self.clock, &scope, &retire, true).await?;
                    return Ok(Some(next));
                }
            }
            Call::RenameCoupon { .. }
            | Call::DeleteCoupon { .. }
            | Call::SetPromotionCodeActive { .. }
            | Call::RetirePromotionCode { .. } => {}
        }
        Ok(None)
    }
}

/// Notes that a code, an affiliate's or a campaign's, is this promotion code now; the one that it was.
async fn replace_in_txn(txn: &impl ConnectionTrait, id: CodeId, stripe_id: &str) -> Result<Option<String>> {
    macro_rules! replace {
        ($table:ident) => {
            let row = $table::Entity::find_by_id(id).lock(LockType::NoKeyUpdate);
            if let Some(row) = row.one(txn).await? {
                let replaced = row.stripe_id.clone();
                let mut change: $table::ActiveModel = row.into();
                change.stripe_id = Set(Some(stripe_id.to_owned()));
                // What Stripe told was of the one before.
                change.stripe_active = Set(None);
                change.stripe_reason = Set(None);
                change.stripe_seen_at = Set(None);
                change.stripe_made_at = Set(None);
                change.update(txn).await?;
                return Ok(replaced);
            }
        };
    }
    replace!(code);
    replace!(campaign_code);
    Ok(None)
}

async fn insert_in_txn(
    txn: &impl ConnectionTrait,
    operation: &stripe_operation::Model,
    code_id: CodeId,
    code: String,
    stripe_id: &str,
) -> Result<()> {
    let row = promotion_code::Model {
        brand_id: operation.brand_id,
        livemode: operation.livemode,
        stripe_id: stripe_id.to_owned(),
        code,
        code_id,
        created_at: operation.created_at,
    };
    use promotion_code::Column::{BrandId, Livemode, StripeId};
    let once = OnConflict::columns([BrandId, Livemode, StripeId])
        .do_nothing()
        .to_owned();
    let insert = promotion_code::Entity::insert(row.into_active_model()).on_conflict(once);
    insert.exec_without_returning(txn).await?;
    Ok(())
}
