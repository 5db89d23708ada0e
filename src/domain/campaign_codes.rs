//! The code that a campaign's affiliates share: who redeems it is credited by the click alone.
//!
//! **Invariants.** A campaign has one row for each mode, whose text and coupon change: each change makes a promotion code
//! at Stripe, with the whole limit of its coupon, and switches the one before off. What it was called stays the campaign's.

use entity::{
    campaign, campaign_code,
    code::CodeStatus,
    coupon,
    id::{CampaignId, CodeId, CouponId},
};
use sea_orm::{ActiveModelTrait, ColumnTrait, DatabaseTransaction, EntityTrait, IntoActiveModel, QueryFilter, Set};
use uuid::Uuid;

use super::{
    Attempt, Domain, Refusal, audit,
    codes::{checked, is_taken, rejected},
    drift::{CodeDrift, Standing},
    first_try, follows, minting,
    owed::{self, Call},
    plans, refused_codes, taken, tenancy,
};
use crate::{
    auth::{Actor, Operation, Scope},
    error::{Error, Result, UserErrorCode},
};

#[derive(Clone, Debug)]
pub struct SetCampaignCode {
    pub campaign_id: Option<CampaignId>,
    pub coupon_id: Option<CouponId>,
    pub code: String,
}

/// Gives a campaign its shared code, or another one, here and at Stripe. The one that it has is switched on again where
/// somebody switched it off at Stripe.
///
/// # Errors
/// `PLAN_TIER_REQUIRED`; `NOT_FOUND` on `campaignId` or `couponId`; `INVALID` on `couponId` when the coupon is another
/// campaign's, exclusive, archived or expired; `INVALID` and `TAKEN` on `code`; or `STRIPE_REJECTED` with Stripe's reason,
/// and then nothing has changed.
pub async fn set(domain: &Domain, actor: &Actor, input: SetCampaignCode) -> Result<campaign::Model> {
    actor.require(Operation::ManageCoupons)?;
    let scope = &actor.scope;
    plans::require_coupons(domain.db.reader(), scope.brand, domain.clock.now()).await?;
    let connected = domain.outbox.connected(scope).await?;
    let txn = domain.db.begin().await?;
    let (campaign, coupon) = held(domain, &txn, scope, &input).await?;
    let text = checked(&input.code)?;
    let before = current(&txn, scope, campaign.id).await?;
    if let Some(active) = before.as_ref().filter(|row| row.status == CodeStatus::Active)
        && active.code == text
    {
        if active.coupon_id == coupon.id {
            switch_on_again(domain, txn, actor, active, connected).await?;
            return Ok(campaign);
        }
        let message = "The campaign's code is this one, on another coupon. Remove it first.";
        return Err(Error::user(UserErrorCode::Invalid, &["code"], message));
    }
    let id = before
        .as_ref()
        .map_or_else(|| CodeId(domain.clock.new_id()), |row| row.id);
    let had = taken::owner(&txn, scope, &text).await? == Some(id);
    if !taken::take_in_txn(&txn, &domain.clock, scope, &text, id).await? {
        return Err(is_taken(&text));
    }
    let uses = taken::uses(&txn, id).await?;
    let after = write_in_txn(domain, &txn, before.as_ref(), id, &coupon, text).await?;
    let call = creation(&after, &coupon);
    let operation = owed::owe_in_txn(&txn, domain, scope, &call, connected).await?;
    let entry = match &before {
        Some(before) => audit::Entry::changed("campaign_code.set", campaign.id, before, &after)?,
        None => audit::Entry::created("campaign_code.set", campaign.id, &after)?,
    };
    audit::record_in_txn(&txn, &domain.clock, actor, entry).await?;
    txn.commit().await?;
    let setting = Setting {
        before,
        after,
        had,
        uses,
    };
    if connected
        && let Attempt::Refused(refusal) = domain.outbox.attempt(operation).await
        && setting.take_back(domain, actor, operation, &refusal).await?
    {
        return Err(rejected(&refusal, "couponId"));
    }
    Ok(campaign)
}

/// Switches a code on again that somebody switched off at Stripe; nothing to do for any other.
async fn switch_on_again(
    domain: &Domain,
    txn: DatabaseTransaction,
    actor: &Actor,
    row: &campaign_code::Model,
    connected: bool,
) -> Result<()> {
    let is_off = Standing::from(row).drift() == Some(CodeDrift::OffAtStripe);
    if !is_off || owed::is_owed(&txn, row.id).await? {
        return Ok(());
    }
    let call = Call::SetPromotionCodeActive {
        id: row.id,
        coupon: row.coupon_id,
        active: true,
    };
    let operation = owed::owe_in_txn(&txn, domain, &actor.scope, &call, connected).await?;
    let entry = audit::Entry::changed("campaign_code.set", row.campaign_id, row, row)?;
    let entry = entry.with("activeAtStripe", "true");
    audit::record_in_txn(&txn, &domain.clock, actor, entry).await?;
    txn.commit().await?;
    if connected && let Attempt::Refused(refusal) = domain.outbox.attempt(operation).await {
        let txn = domain.db.begin().await?;
        if !first_try::take_back_in_txn(&txn, operation).await? {
            return Ok(());
        }
        let entry = audit::Entry::changed("campaign_code.refused_by_stripe", row.campaign_id, row, row)?;
        let entry = entry.with("reason", refusal.message.clone());
        audit::record_in_txn(&txn, &domain.clock, actor, entry).await?;
        txn.commit().await?;
        return Err(rejected(&refusal, "couponId"));
    }
    Ok(())
}

/// Ends a campaign's shared code, here at once, and at Stripe as soon as it can be. Its text stays the campaign's.
///
/// # Errors
/// `NOT_FOUND` on `campaignId`.
pub async fn remove(domain: &Domain, actor: &Actor, id: Option<CampaignId>) -> Result<campaign::Model> {
    actor.require(Operation::ManageCoupons)?;
    let scope = &actor.scope;
    let connected = domain.outbox.connected(scope).await?;
    let txn = domain.db.begin().await?;
    let campaign = campaign(&txn, scope, id).await?;
    let row = current(&txn, scope, campaign.id).await?;
    let Some(row) = row.filter(|row| row.status == CodeStatus::Active) else {
        return Ok(campaign);
    };
    let call = switch_off_in_txn(domain, &txn, actor, row).await?;
    let operation = owed::owe_in_txn(&txn, domain, scope, &call, connected).await?;
    txn.commit().await?;
    if connected && let Attempt::Refused(refusal) = domain.outbox.attempt(operation).await {
        first_try::refused(domain, operation, &refusal).await?;
    }
    Ok(campaign)
}

/// The shared code on a coupon ends with it; whether a customer could redeem it until then.
pub(super) async fn end_with_coupon_in_txn(
    domain: &Domain,
    txn: &DatabaseTransaction,
    actor: &Actor,
    coupon: CouponId,
) -> Result<bool> {
    let rows = tenancy::find_to_change::<campaign_code::Entity>(&actor.scope)
        .filter(campaign_code::Column::CouponId.eq(coupon))
        .filter(campaign_code::Column::Status.eq(CodeStatus::Active));
    // The coupon is of one campaign, and the campaign has one code.
    let Some(row) = rows.one(txn).await? else {
        return Ok(false);
    };
    let was_live = Standing::from(&row).status() == CodeStatus::Active;
    let call = switch_off_in_txn(domain, txn, actor, row).await?;
    owed::owe_to_worker_in_txn(txn, &domain.clock, &actor.scope, &call, true).await?;
    Ok(was_live)
}

async fn campaign(txn: &DatabaseTransaction, scope: &Scope, id: Option<CampaignId>) -> Result<campaign::Model> {
    let missing = || Error::not_found(&["campaignId"]);
    let row =
        tenancy::find_to_change::<campaign::Entity>(scope).filter(campaign::Column::Id.eq(id.ok_or_else(missing)?));
    row.one(txn).await?.ok_or_else(missing)
}

/// The campaign and the coupon, held as they are until the end of the transaction; the coupon first, as in minting.
async fn held(
    domain: &Domain,
    txn: &DatabaseTransaction,
    scope: &Scope,
    input: &SetCampaignCode,
) -> Result<(campaign::Model, coupon::Model)> {
    if let Some(id) = input.coupon_id {
        minting::hold_coupon(txn, scope, id).await?;
    }
    let campaign = campaign(txn, scope, input.campaign_id).await?;
    let coupon = minting::check_shared(domain, txn, scope, input.coupon_id, campaign.id).await?;
    Ok((campaign, coupon))
}

async fn current(
    txn: &DatabaseTransaction,
    scope: &Scope,
    campaign: CampaignId,
) -> Result<Option<campaign_code::Model>> {
    let row = tenancy::find_to_change::<campaign_code::Entity>(scope);
    let row = row.filter(campaign_code::Column::CampaignId.eq(campaign));
    Ok(row.one(txn).await?)
}

async fn write_in_txn(
    domain: &Domain,
    txn: &DatabaseTransaction,
    before: Option<&campaign_code::Model>,
    id: CodeId,
    coupon: &coupon::Model,
    text: String,
) -> Result<campaign_code::Model> {
    let Some(before) = before else {
        let row = campaign_code::Model {
            id,
            brand_id: coupon.brand_id,
            livemode: coupon.livemode,
            campaign_id: coupon.campaign_id,
            coupon_id: coupon.id,
            code: text,
            status: CodeStatus::Active,
            stripe_id: None,
            stripe_active: None,
            stripe_reason: None,
            stripe_seen_at: None,
            stripe_made_at: None,
            created_at: domain.clock.now(),
        };
        let insert = campaign_code::Entity::insert(row.clone().into_active_model());
        insert.exec_without_returning(txn).await?;
        return Ok(row);
    };
    let mut change: campaign_code::ActiveModel = before.clone().into();
    change.coupon_id = Set(coupon.id);
    change.code = Set(text);
    change.status = Set(CodeStatus::Active);
    Ok(change.update(txn).await?)
}

/// The call that does the same at Stripe is still to be owed.
async fn switch_off_in_txn(
    domain: &Domain,
    txn: &DatabaseTransaction,
    actor: &Actor,
    before: campaign_code::Model,
) -> Result<Call> {
    let mut change: campaign_code::ActiveModel = before.clone().into();
    change.status = Set(CodeStatus::Inactive);
    let after = change.update(txn).await?;
    let entry = audit::Entry::changed("campaign_code.removed", after.campaign_id, &before, &after)?;
    audit::record_in_txn(txn, &domain.clock, actor, entry).await?;
    Ok(Call::SetPromotionCodeActive {
        id: after.id,
        coupon: after.coupon_id,
        active: false,
    })
}

fn creation(code: &campaign_code::Model, coupon: &coupon::Model) -> Call {
    Call::CreatePromotionCode {
        id: code.id,
        brand: code.brand_id,
        coupon: code.coupon_id,
        affiliate: None,
        code: code.code.clone(),
        max_redemptions: coupon.max_redemptions_per_code,
        active: true,
    }
}

struct Setting {
    before: Option<campaign_code::Model>,
    after: campaign_code::Model,
    /// Whether the text was the campaign's already, from an earlier time.
    had: bool,
    /// How often the code had been redeemed.
    uses: i64,
}

impl Setting {
    /// Undoes what Stripe refused, unless the campaign's code was changed once more meanwhile. `false` where a worker has the
    /// operation by now, or is to have it, since the code has been redeemed: the text stays taken.
    async fn take_back(self, domain: &Domain, actor: &Actor, operation: Uuid, refusal: &Refusal) -> Result<bool> {
        let Self {
            before,
            after,
            had,
            uses,
        } = self;
        let (scope, id) = (&actor.scope, after.id);
        let txn = domain.db.begin().await?;
        if taken::uses(&txn, id).await? != uses {
            return first_try::give_up(domain, txn, operation).await;
        }
        if !first_try::take_back_in_txn(&txn, operation).await? {
            return Ok(false);
        }
        let row = current(&txn, scope, after.campaign_id).await?;
        let overtaken = follows::creation(&txn, id, operation).await?;
        if let Some(row) = row.filter(|row| row.code == after.code && row.status == after.status && !overtaken) {
            let entry = match before {
                Some(before) => {
                    let mut change: campaign_code::ActiveModel = row.clone().into();
                    change.code = Set(before.code);
                    // Its coupon may have been deleted meanwhile.
                    let there = refused_codes::is_there(&txn, scope, before.coupon_id).await?;
                    refused_codes::return_to(&mut change, &row, before.coupon_id);
                    change.status = Set(if there { before.status } else { CodeStatus::Inactive });
                    let undone = change.update(&txn).await?;
                    audit::Entry::changed("campaign_code.refused_by_stripe", row.campaign_id, &row, &undone)?
                }
                None => {
                    campaign_code::Entity::delete_by_id(id).exec(&txn).await?;
                    audit::Entry::removed("campaign_code.refused_by_stripe", row.campaign_id, &row)?
                }
            };
            if !had {
                taken::give_back_in_txn(&txn, scope, &after.code).await?;
            }
            let entry = entry.with("reason", refusal.message.clone());
            audit::record_in_txn(&txn, &domain.clock, actor, entry).await?;
        }
        txn.commit().await?;
        Ok(true)
    }
}
