//! Makes Stripe what our rows say, where somebody asked for it: what differs is owed, as anything else is.

use entity::{
    campaign_code,
    code::{self, CodeStatus},
    coupon,
    id::{CodeId, CouponId},
};
use sea_orm::{ColumnTrait, DatabaseTransaction, QueryFilter};
use serde_json::json;

use super::{
    Attempt, Domain, audit,
    code_renaming::redemptions_left,
    codes, first_try,
    owed::{self, Call},
    tenancy,
};
use crate::{
    auth::{Actor, Operation, Scope},
    error::{Error, Result},
};

/// What would mend a difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Repair {
    /// Switch a code's promotion code to what the code is here.
    Switch(CodeId, CouponId, CodeStatus),
    /// Make the promotion code of a code anew.
    Make(CodeId),
    /// Switch off a promotion code that no code has.
    Retire(CodeId, CouponId, String),
    /// Name a coupon as it is called here.
    Rename(CouponId),
    /// Delete a coupon that is deleted here.
    Delete(CouponId),
    /// Nothing would, and why.
    Nothing(&'static str),
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Repaired {
    Done,
    /// Stripe did not answer; a server goes on with it.
    Owed,
    /// Not, and why.
    Not(String),
}

/// Owes what mends a difference, and tries it at once.
pub async fn repair(domain: &Domain, actor: &Actor, repair: &Repair) -> Result<Repaired> {
    actor.require(Operation::ManageCodes)?;
    actor.require(Operation::ManageCoupons)?;
    let scope = &actor.scope;
    let connected = domain.outbox.connected(scope).await?;
    let txn = domain.db.begin().await?;
    let (call, object) = match call(&txn, scope, repair).await? {
        Ok(call) => call,
        Err(why) => return Ok(Repaired::Not(why.to_owned())),
    };
    let operation = owed::owe_in_txn(&txn, domain, scope, &call, connected).await?;
    let done = json!({ "owed": serde_json::to_value(&call)? });
    let entry = audit::Entry::created("stripe.repaired", object, &done)?;
    audit::record_in_txn(&txn, &domain.clock, actor, entry).await?;
    txn.commit().await?;
    Ok(match domain.outbox.attempt(operation).await {
        Attempt::Done => Repaired::Done,
        Attempt::Pending => Repaired::Owed,
        Attempt::Refused(refusal) => {
            first_try::refused(domain, operation, &refusal).await?;
            Repaired::Not(refusal.message)
        }
    })
}

const CHANGED: &str = "it was changed here meanwhile";

/// The call, and the id of what it is about; or why there is none.
async fn call(
    txn: &DatabaseTransaction,
    scope: &Scope,
    repair: &Repair,
) -> Result<Result<(Call, String), &'static str>> {
    Ok(match repair {
        Repair::Nothing(why) => Err(why),
        Repair::Switch(id, coupon, status) => {
            let (id, coupon, active) = (*id, *coupon, *status == CodeStatus::Active);
            let call = Call::SetPromotionCodeActive { id, coupon, active };
            match status_of(txn, scope, id).await? {
                Some(now) if now == *status => Ok((call, id.to_string())),
                _ => Err(CHANGED),
            }
        }
        Repair::Make(id) => {
            let Some(code) = code(txn, scope, *id).await? else {
                return Ok(Err("a campaign's code is not made anew: give the campaign another"));
            };
            let coupon = coupon_of(txn, scope, code.coupon_id).await?;
            let coupon_gone = coupon.stripe_gone || coupon.deleted_at.is_some();
            match code.status {
                CodeStatus::Inactive => Err(CHANGED),
                _ if coupon_gone => Err("its coupon is deleted"),
                _ if code.own_terms.is_some() => {
                    Err("it had terms of its own at Stripe, which a new promotion code would not have")
                }
                CodeStatus::Active => match redemptions_left(txn, &coupon, *id).await {
                    Ok(left) => Ok((codes::creation(&code, left), id.to_string())),
                    Err(Error::User(_)) => Err("it has been redeemed as often as its coupon allows"),
                    Err(error) => return Err(error),
                },
            }
        }
        Repair::Retire(id, coupon, promotion_code) => {
            let (id, coupon, promotion_code) = (*id, *coupon, promotion_code.clone());
            let call = Call::RetirePromotionCode {
                id,
                coupon,
                promotion_code,
            };
            Ok((call, id.to_string()))
        }
        Repair::Rename(id) => {
            let (id, name) = (*id, coupon_of(txn, scope, *id).await?.name);
            Ok((Call::RenameCoupon { id, name }, id.to_string()))
        }
        Repair::Delete(id) => Ok((Call::DeleteCoupon { id: *id }, id.to_string())),
    })
}

async fn code(txn: &DatabaseTransaction, scope: &Scope, id: CodeId) -> Result<Option<code::Model>> {
    let row = tenancy::find_to_change::<code::Entity>(scope).filter(code::Column::Id.eq(id));
    Ok(row.one(txn).await?)
}

/// Whether a code, an affiliate's or a campaign's, is on here.
async fn status_of(txn: &DatabaseTransaction, scope: &Scope, id: CodeId) -> Result<Option<CodeStatus>> {
    if let Some(row) = code(txn, scope, id).await? {
        return Ok(Some(row.status));
    }
    let shared = tenancy::find_to_change::<campaign_code::Entity>(scope).filter(campaign_code::Column::Id.eq(id));
    Ok(shared.one(txn).await?.map(|row| row.status))
}

async fn coupon_of(txn: &DatabaseTransaction, scope: &Scope, id: CouponId) -> Result<coupon::Model> {
    let row = tenancy::referenced::<coupon::Entity>(scope).filter(coupon::Column::Id.eq(id));
    let row = row.one(txn).await?;
    row.ok_or_else(|| Error::Internal(format!("the coupon {id} is gone")))
}
