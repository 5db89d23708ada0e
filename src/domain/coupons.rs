//! Campaign coupons: a discount that never changes, and one Stripe `coupon` under the same id.
//!
//! **Invariant.** The row and what it owes Stripe are written together. Deleting is a mark: codes keep attributing.

use entity::{
    campaign_code, code, coupon,
    id::{AffiliateId, CampaignId, CouponId},
    stripe_operation,
};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DatabaseTransaction, EntityTrait, IntoActiveModel, PaginatorTrait, QueryFilter,
    Select,
};
use uuid::Uuid;

pub use super::coupon_terms::{CreateCoupon, DiscountInput};
use super::{
    Attempt, Domain, Refusal, affiliates, audit, campaigns, coupon_rules,
    coupon_terms::Terms,
    first_try,
    owed::{self, Call},
    page::{self, Order, Page, PageArgs},
    plans, tenancy,
};
use crate::{
    auth::{Actor, Operation, Scope},
    error::{Error, Problems, Result, UserErrorCode},
};

#[derive(Clone, Debug, Default)]
pub struct CouponFilter {
    pub campaign_id: Option<Option<CampaignId>>,
    pub include_archived: bool,
}

fn filtered(scope: &Scope, filter: &CouponFilter) -> Select<coupon::Entity> {
    let mut rows = tenancy::find::<coupon::Entity>(scope);
    if let Some(campaign) = filter.campaign_id {
        rows = rows.filter(page::is(coupon::Column::CampaignId, campaign));
    }
    if !filter.include_archived {
        rows = rows.filter(coupon::Column::Archived.eq(false));
    }
    rows
}

/// A page of the coupons that the caller may see, oldest first.
pub async fn list(
    domain: &Domain,
    actor: &Actor,
    filter: &CouponFilter,
    args: &PageArgs,
) -> Result<Page<coupon::Model>> {
    actor.require(Operation::ReadCoupons)?;
    let order = Order::oldest_first(coupon::Column::Id);
    page::fetch(domain.db.reader(), filtered(&actor.scope, filter), order, args).await
}

pub async fn count(domain: &Domain, actor: &Actor, filter: &CouponFilter) -> Result<u64> {
    actor.require(Operation::ReadCoupons)?;
    Ok(filtered(&actor.scope, filter).count(domain.db.reader()).await?)
}

pub async fn get(domain: &Domain, actor: &Actor, id: CouponId) -> Result<Option<coupon::Model>> {
    actor.require(Operation::ReadCoupons)?;
    Ok(find(domain.db.reader(), &actor.scope, id).await?)
}

pub(super) async fn find(
    db: &impl ConnectionTrait,
    scope: &Scope,
    id: CouponId,
) -> Result<Option<coupon::Model>, sea_orm::DbErr> {
    tenancy::find::<coupon::Entity>(scope)
        .filter(coupon::Column::Id.eq(id))
        .one(db)
        .await
}

/// Creates a coupon, here and at Stripe.
///
/// # Errors
/// `PLAN_TIER_REQUIRED`; `INVALID` or `NOT_FOUND` on a field; `STRIPE_REJECTED` with Stripe's reason, and then there is
/// no coupon.
pub async fn create(domain: &Domain, actor: &Actor, input: CreateCoupon) -> Result<coupon::Model> {
    actor.require(Operation::ManageCoupons)?;
    let scope = &actor.scope;
    let now = domain.clock.now();
    plans::require_coupons(domain.db.reader(), scope.brand, now).await?;
    let mut problems = Problems::default();
    let terms = Terms::check(&mut problems, &input, now);
    let connected = domain.outbox.connected(scope).await?;

    let txn = domain.db.begin().await?;
    let campaign = match input.campaign_id {
        Some(id) => campaigns::find(&txn, scope, id).await?,
        None => None,
    };
    let missing =
        |problems: &mut Problems, field| problems.add(UserErrorCode::NotFound, &[field], "There is no such object.");
    if campaign.is_none() {
        missing(&mut problems, "campaignId");
    }
    if let Some(affiliate) = input.affiliate_id {
        check_exclusive(&txn, scope, &mut problems, affiliate, input.campaign_id).await?;
    }
    problems.check()?;
    let (Some(campaign), Some(terms)) = (campaign, terms) else {
        return Err(Error::Internal("an unchecked coupon".into()));
    };
    let coupon = coupon::Model {
        id: CouponId(domain.clock.new_id()),
        brand_id: scope.brand,
        livemode: scope.livemode,
        campaign_id: campaign.id,
        affiliate_id: input.affiliate_id.flatten(),
        name: terms.name,
        percent_off_bps: terms.percent_off_bps,
        amount_off: terms.amount_off,
        currency: terms.currency,
        duration: input.duration,
        duration_in_months: input.duration_in_months,
        max_redemptions_per_code: input.max_redemptions_per_code,
        expires_at: terms.expires_at,
        overrides_click_attribution: input.overrides_click_attribution,
        allow_affiliate_self_mint: input.allow_affiliate_self_mint,
        archived: false,
        mint_on_approval: input.mint_on_approval,
        stripe_id: None,
        stripe_name: None,
        stripe_gone: false,
        stripe_seen_at: None,
        stripe_made_at: None,
        created_at: now,
        deleted_at: None,
    };
    coupon::Entity::insert(coupon.clone().into_active_model())
        .exec_without_returning(&txn)
        .await?;
    coupon_rules::append_in_txn(&txn, &domain.clock, &coupon).await?;
    let operation = owed::owe_in_txn(&txn, domain, scope, &creation(&coupon), connected).await?;
    let entry = audit::Entry::created("coupon.created", coupon.id, &coupon)?;
    audit::record_in_txn(&txn, &domain.clock, actor, entry).await?;
    txn.commit().await?;
    if connected
        && let Attempt::Refused(refusal) = domain.outbox.attempt(operation).await
        && undo_creation(domain, actor, operation, &coupon, &refusal).await?
    {
        return Err(rejected(&refusal));
    }
    reread(domain, scope, coupon.id).await
}

/// An exclusive coupon is for an affiliate of the coupon's campaign.
async fn check_exclusive(
    txn: &DatabaseTransaction,
    scope: &Scope,
    problems: &mut Problems,
    affiliate: Option<AffiliateId>,
    campaign: Option<CampaignId>,
) -> Result<()> {
    let field = &["affiliateId"];
    let found = match affiliate {
        Some(id) => affiliates::find(txn, scope, id).await?,
        None => None,
    };
    match (found, campaign) {
        (None, _) => problems.add(UserErrorCode::NotFound, field, "There is no such object."),
        (Some(found), Some(campaign)) => {
            let is_in = affiliates::is_in(txn, found.id, campaign).await?;
            problems.require(is_in, field, "The affiliate is not in the campaign.");
        }
        (Some(_), None) => {}
    }
    Ok(())
}

fn creation(coupon: &coupon::Model) -> Call {
    Call::CreateCoupon {
        id: coupon.id,
        brand: coupon.brand_id,
        name: coupon.name.clone(),
        percent_off_bps: coupon.percent_off_bps,
        amount_off: coupon.amount_off,
        currency: coupon.currency.clone(),
        duration: coupon.duration,
        duration_in_months: coupon.duration_in_months,
        redeem_by: coupon.expires_at.map(|at| at.timestamp()),
    }
}

/// Takes back a coupon that Stripe refused, unless somebody already minted on it. `false` where a worker has the operation
/// by now.
async fn undo_creation(
    domain: &Domain,
    actor: &Actor,
    operation: Uuid,
    coupon: &coupon::Model,
    refusal: &Refusal,
) -> Result<bool> {
    let id = coupon.id;
    let txn = domain.db.begin().await?;
    if !first_try::is_held_in_txn(&txn, operation).await? {
        return Ok(false);
    }
    // Held before the look, so that nobody mints on it between that and its end.
    let row = tenancy::find_to_change::<coupon::Entity>(&actor.scope).filter(coupon::Column::Id.eq(id));
    row.one(&txn).await?;
    let codes = code::Entity::find().filter(code::Column::CouponId.eq(id));
    let shared = campaign_code::Entity::find().filter(campaign_code::Column::CouponId.eq(id));
    if codes.one(&txn).await?.is_none() && shared.one(&txn).await?.is_none() {
        stripe_operation::Entity::delete_by_id(operation).exec(&txn).await?;
        coupon_rules::remove_in_txn(&txn, id).await?;
        coupon::Entity::delete_by_id(id).exec(&txn).await?;
        let entry = audit::Entry::removed("coupon.refused_by_stripe", id, coupon)?;
        let entry = entry.with("reason", refusal.message.clone());
        audit::record_in_txn(&txn, &domain.clock, actor, entry).await?;
    }
    txn.commit().await?;
    Ok(true)
}

/// Stripe's refusal, on the field of ours that it is about.
pub(super) fn rejected(refusal: &Refusal) -> Error {
    let field: &[&'static str] = match refusal.param.as_deref() {
        Some("name") => &["name"],
        Some("percent_off") => &["discount", "percentOff"],
        Some("amount_off" | "currency") => &["discount", "amountOff"],
        Some("duration") => &["duration"],
        Some("duration_in_months") => &["durationInMonths"],
        Some("redeem_by") => &["expiresAt"],
        _ => &[],
    };
    Error::user(UserErrorCode::StripeRejected, field, refusal.message.clone())
}

async fn reread(domain: &Domain, scope: &Scope, id: CouponId) -> Result<coupon::Model> {
    let row = find(domain.db.reader(), scope, id).await?;
    row.ok_or_else(|| Error::Internal(format!("the coupon {id} is gone")))
}
