//! Adopts promotion codes that Stripe has already: each becomes a code of an affiliate, its coupon a coupon of the
//! campaign. Nothing is changed at Stripe.
//!
//! **Invariant.** A code comes with its coupon, its text and its promotion code, or not at all; adopting it again changes
//! nothing.

use chrono::{DateTime, Utc};
use entity::{
    affiliate,
    code::{self, CodeStatus, StripeReason},
    coupon::{self, CouponDuration},
    id::{AffiliateId, CampaignId, CodeId, CouponId},
    promotion_code,
};
use sea_orm::{ColumnTrait, DatabaseTransaction, EntityTrait, IntoActiveModel, QueryFilter};

use super::{
    Domain, affiliates, audit, campaigns, code_text, coupon_rules, coupon_terms::MAX_NAME, drift::AtStripe, plans,
    taken, tenancy,
};
use crate::{
    auth::{Actor, Operation, Scope},
    error::{Error, Result, UserErrorCode},
};

/// A promotion code as Stripe has it, and whose it is to be.
#[derive(Clone, Debug)]
pub struct Adopt {
    pub campaign: CampaignId,
    /// An id or an e-mail address.
    pub affiliate: String,
    /// `promo_…`
    pub stripe_id: String,
    /// What customers type.
    pub text: String,
    pub at_stripe: AtStripe,
    /// What it has of its own, as Stripe calls it: `max_redemptions, restrictions`.
    pub own_terms: Option<String>,
    pub coupon: AdoptedCoupon,
}

/// A coupon as Stripe has it.
#[derive(Clone, Debug)]
pub struct AdoptedCoupon {
    pub stripe_id: String,
    pub name: Option<String>,
    pub percent_off_bps: Option<i32>,
    pub amount_off: Option<i64>,
    pub currency: Option<String>,
    pub duration: CouponDuration,
    pub duration_in_months: Option<i32>,
    pub expires_at: Option<DateTime<Utc>>,
}

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Adopted {
    Now(CodeId),
    /// It was adopted, or made here, before.
    Before(CodeId),
}

fn refuse<T>(code: UserErrorCode, field: &'static str, message: impl Into<String>) -> Result<T> {
    Err(Error::user(code, &[field], message))
}

/// Adopts a promotion code; with `dry_run` it only says what would come of it.
///
/// # Errors
/// `PLAN_TIER_REQUIRED`; `NOT_FOUND`, `INVALID` or `TAKEN` on `campaign`, `affiliate`, `code` or `coupon`.
pub async fn adopt(domain: &Domain, actor: &Actor, input: &Adopt, dry_run: bool) -> Result<Adopted> {
    actor.require(Operation::ManageCodes)?;
    actor.require(Operation::ManageCoupons)?;
    let scope = &actor.scope;
    plans::require_coupons(domain.db.reader(), scope.brand, domain.clock.now()).await?;
    let txn = domain.db.begin().await?;
    // In turn: two that adopt codes of one coupon make it once.
    plans::hold_brand_in_txn(&txn, scope.brand).await?;
    let affiliate = affiliate(&txn, scope, input).await?;
    if let Some(id) = known(&txn, scope, input, affiliate.id).await? {
        return Ok(Adopted::Before(id));
    }
    let Some(text) = code_text::normalized(&input.text) else {
        let message = "A code has 3 to 32 characters of A-Z, 0-9, - and _.";
        return refuse(UserErrorCode::Invalid, "code", message);
    };
    let coupon = adopt_coupon(domain, &txn, actor, input, affiliate.id).await?;
    let id = CodeId(domain.clock.new_id());
    if !taken::take_in_txn(&txn, &domain.clock, scope, &text, id).await? {
        return refuse(UserErrorCode::Taken, "code", format!("The code {text} is taken."));
    }
    let row = row(domain, scope, input, &coupon, affiliate.id, id, text);
    let (seen, text) = (promotion_code_of(&row, input), row.code.clone());
    code::Entity::insert(row.clone().into_active_model())
        .exec_without_returning(&txn)
        .await?;
    promotion_code::Entity::insert(seen.into_active_model())
        .exec_without_returning(&txn)
        .await?;
    let entry = audit::Entry::created("code.imported", id, &row)?;
    audit::record_in_txn(&txn, &domain.clock, actor, entry).await?;
    if !dry_run {
        txn.commit().await?;
        tracing::info!(code = text, "imported");
    }
    Ok(Adopted::Now(id))
}

/// Somebody of the campaign.
async fn affiliate(txn: &DatabaseTransaction, scope: &Scope, input: &Adopt) -> Result<affiliate::Model> {
    if campaigns::find(txn, scope, input.campaign).await?.is_none() {
        return refuse(UserErrorCode::NotFound, "campaign", "There is no such campaign.");
    }
    let row = match input.affiliate.parse::<AffiliateId>() {
        Ok(id) => affiliates::find(txn, scope, id).await?,
        Err(_) => {
            let key = affiliate::Column::EmailKey.eq(input.affiliate.to_lowercase());
            tenancy::find::<affiliate::Entity>(scope).filter(key).one(txn).await?
        }
    };
    let Some(row) = row else {
        return refuse(UserErrorCode::NotFound, "affiliate", "There is no such affiliate.");
    };
    if !affiliates::is_in(txn, row.id, input.campaign).await? {
        return refuse(
            UserErrorCode::Invalid,
            "affiliate",
            "The affiliate is not in the campaign.",
        );
    }
    Ok(row)
}

/// The code that has the promotion code already.
async fn known(
    txn: &DatabaseTransaction,
    scope: &Scope,
    input: &Adopt,
    affiliate: AffiliateId,
) -> Result<Option<CodeId>> {
    let key = (scope.brand, scope.livemode, input.stripe_id.clone());
    let Some(known) = promotion_code::Entity::find_by_id(key).one(txn).await? else {
        return Ok(None);
    };
    let row = tenancy::find::<code::Entity>(scope).filter(code::Column::Id.eq(known.code_id));
    match row.one(txn).await? {
        Some(row) if row.deleted_at.is_some() => refuse(UserErrorCode::Invalid, "code", "It was deleted here."),
        Some(row) if (row.affiliate_id, row.campaign_id) == (affiliate, input.campaign) => Ok(Some(row.id)),
        Some(_) => refuse(
            UserErrorCode::Taken,
            "code",
            "It is another affiliate's, or of another campaign.",
        ),
        None => refuse(UserErrorCode::Taken, "code", "It is a campaign's code."),
    }
}

/// The campaign coupon of a Stripe coupon: the one there is, or a new one.
async fn adopt_coupon(
    domain: &Domain,
    txn: &DatabaseTransaction,
    actor: &Actor,
    input: &Adopt,
    affiliate: AffiliateId,
) -> Result<coupon::Model> {
    let (scope, told) = (&actor.scope, &input.coupon);
    let row = tenancy::referenced::<coupon::Entity>(scope).filter(coupon::Column::StripeId.eq(&told.stripe_id));
    let invalid = |message: &str| refuse(UserErrorCode::Invalid, "coupon", message);
    match row.one(txn).await? {
        Some(row) if row.campaign_id != input.campaign => return invalid("Its coupon is of another campaign."),
        Some(row) if row.deleted_at.is_some() => return invalid("Its coupon is deleted."),
        Some(row) if row.affiliate_id.is_some_and(|only| only != affiliate) => {
            return invalid("Its coupon is exclusive to another affiliate.");
        }
        Some(row) => return Ok(row),
        None => {}
    }
    let now = domain.clock.now();
    // Stripe needs no name; ours is then its id.
    let name = told.name.clone().unwrap_or_else(|| told.stripe_id.clone());
    let row = coupon::Model {
        id: CouponId(domain.clock.new_id()),
        brand_id: scope.brand,
        livemode: scope.livemode,
        campaign_id: input.campaign,
        affiliate_id: None,
        name: name.chars().take(MAX_NAME).collect(),
        percent_off_bps: told.percent_off_bps,
        amount_off: told.amount_off,
        currency: told.currency.clone(),
        duration: told.duration,
        duration_in_months: told.duration_in_months,
        max_redemptions_per_code: None,
        expires_at: told.expires_at,
        overrides_click_attribution: true,
        allow_affiliate_self_mint: false,
        archived: false,
        mint_on_approval: false,
        stripe_id: Some(told.stripe_id.clone()),
        stripe_name: None,
        stripe_gone: false,
        stripe_seen_at: Some(now),
        stripe_made_at: None,
        created_at: now,
        deleted_at: None,
    };
    coupon::Entity::insert(row.clone().into_active_model())
        .exec_without_returning(txn)
        .await?;
    coupon_rules::append_in_txn(txn, &domain.clock, &row).await?;
    let entry = audit::Entry::created("coupon.imported", row.id, &row)?;
    audit::record_in_txn(txn, &domain.clock, actor, entry).await?;
    Ok(row)
}

fn row(
    domain: &Domain,
    scope: &Scope,
    input: &Adopt,
    coupon: &coupon::Model,
    affiliate_id: AffiliateId,
    id: CodeId,
    code: String,
) -> code::Model {
    let now = domain.clock.now();
    let (stripe_active, stripe_reason) = input.at_stripe.columns();
    code::Model {
        id,
        brand_id: scope.brand,
        livemode: scope.livemode,
        coupon_id: coupon.id,
        campaign_id: coupon.campaign_id,
        affiliate_id,
        code,
        // As it is there: what was switched off stays off, and keeps its past sales. What is over is over by itself.
        status: match input.at_stripe {
            AtStripe::Off(StripeReason::Deactivated) => CodeStatus::Inactive,
            _ => CodeStatus::Active,
        },
        stripe_id: Some(input.stripe_id.clone()),
        stripe_active,
        stripe_reason,
        stripe_seen_at: Some(now),
        stripe_made_at: None,
        own_terms: input.own_terms.clone(),
        batch: None,
        batch_row: None,
        batch_text: None,
        created_at: now,
        deleted_at: None,
    }
}

fn promotion_code_of(row: &code::Model, input: &Adopt) -> promotion_code::Model {
    promotion_code::Model {
        brand_id: row.brand_id,
        livemode: row.livemode,
        stripe_id: input.stripe_id.clone(),
        code: row.code.clone(),
        code_id: row.id,
        created_at: row.created_at,
    }
}
