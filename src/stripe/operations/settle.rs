//! Writes down how a try ended.

use chrono::{DateTime, TimeDelta, Utc};
use entity::{
    campaign_code,
    code::{self, CodeStatus},
    coupon,
    id::{BrandId, CodeId},
    promotion_code,
    stripe_operation::{self, OperationKind, OperationStatus},
};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, EntityTrait, IntoActiveModel, QueryFilter, QuerySelect, Set,
    sea_query::{Expr, LockType, OnConflict},
};
use uuid::Uuid;

use super::{Operations, Outcome};
use crate::{
    auth::Actor,
    directory::Name,
    domain::{
        Outbox, audit,
        owed::{self, Call},
    },
    error::{Error, Result},
    stripe::drift::record::made_in_txn,
};

const MAX_BACKOFF_SECONDS: i64 = 30;

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

    /// Writes down how a try ended.
    pub(super) async fn settle(&self, operation: &stripe_operation::Model, outcome: Outcome) -> Result<()> {
        let txn = self.db.begin().await?;
        let mut row = stripe_operation::ActiveModel {
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
                    keep_id_in_txn(&txn, operation, stripe_id.clone()).await?;
                    made_in_txn(&txn, &self.clock, operation, &stripe_id).await?;
                }
            }
            Outcome::Refused(refused) => {
                tracing::warn!(operation = %operation.id, reason = refused.message, "Stripe refused an operation");
                owed::fail_in_txn(&txn, operation.id, &refused.message).await?;
                if let (OperationKind::CreatePromotionCode, Some(id)) = (operation.kind, operation.code_id) {
                    self.switch_off_in_txn(&txn, operation, id, &refused.message).await?;
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
        // Only what is still owed: somebody else may have done it meanwhile, or taken it back with its change.
        stripe_operation::Entity::update_many()
            .set(row)
            .filter(stripe_operation::Column::Id.eq(operation.id))
            .filter(stripe_operation::Column::Status.eq(OperationStatus::Pending))
            .exec(&txn)
            .await?;
        txn.commit().await?;
        self.wake();
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

/// Keeps Stripe's id with our row.
async fn keep_id_in_txn(
    txn: &impl ConnectionTrait,
    operation: &stripe_operation::Model,
    stripe_id: String,
) -> Result<(), Error> {
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
        Call::RenameCoupon { .. }
        | Call::DeleteCoupon { .. }
        | Call::SetPromotionCodeActive { .. }
        | Call::RetirePromotionCode { .. } => {}
    }
    Ok(())
}
