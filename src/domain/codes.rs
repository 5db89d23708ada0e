//! Affiliate codes: reading them, and minting, given or generated. `code_switching` switches them off and on.
//!
//! **Invariant.** A code's text is unique within brand and mode, also against what codes were called before: the key of
//! `taken_code` says so, not a look before the leap.

use entity::{
    affiliate::AffiliateStatus,
    code::{self, CodeStatus},
    coupon,
    id::{AffiliateId, CampaignId, CodeId, CouponId},
    stripe_operation,
};
use sea_orm::{EntityTrait, IntoActiveModel, PaginatorTrait, QueryFilter, Select};

use super::{
    Attempt, Domain, Refusal, audit,
    code_text::{self, generated},
    minting::{self, Minter},
    owed::{self, Call},
    page::{self, Order, Page, PageArgs},
    plans, taken, tenancy,
};
use crate::{
    auth::{Actor, Operation, Scope},
    error::{Error, Result, UserErrorCode},
};

/// How many texts are tried for a generated code before giving up, and how many that Stripe has already.
const MAX_TRIES: usize = 500;
const MAX_REFUSALS: usize = 20;

#[derive(Clone, Debug)]
pub struct MintCode {
    pub coupon_id: Option<CouponId>,
    /// Given and unreadable: `Some(None)`.
    pub affiliate_id: Option<Option<AffiliateId>>,
    pub code: Option<String>,
}

/// Which codes; an id that could not be read is `Some(None)`: no row has it.
#[derive(Clone, Debug, Default)]
pub struct CodeFilter {
    pub affiliate_id: Option<Option<AffiliateId>>,
    pub coupon_id: Option<Option<CouponId>>,
    pub campaign_id: Option<Option<CampaignId>>,
    pub code_id: Option<Option<CodeId>>,
}

pub(super) fn filtered(scope: &Scope, filter: &CodeFilter) -> Select<code::Entity> {
    let conditions = [
        filter.affiliate_id.map(|id| page::is(code::Column::AffiliateId, id)),
        filter.coupon_id.map(|id| page::is(code::Column::CouponId, id)),
        filter.campaign_id.map(|id| page::is(code::Column::CampaignId, id)),
        filter.code_id.map(|id| page::is(code::Column::Id, id)),
    ];
    let rows = tenancy::find::<code::Entity>(scope);
    conditions.into_iter().flatten().fold(rows, QueryFilter::filter)
}

/// A page of the codes that the caller may see, oldest first.
pub async fn list(domain: &Domain, actor: &Actor, filter: &CodeFilter, args: &PageArgs) -> Result<Page<code::Model>> {
    actor.require(Operation::ReadCodes)?;
    let order = Order {
        time: None,
        id: code::Column::Id,
    };
    page::fetch(domain.db.reader(), filtered(&actor.scope, filter), order, args).await
}

pub async fn count(domain: &Domain, actor: &Actor, filter: &CodeFilter) -> Result<u64> {
    actor.require(Operation::ReadCodes)?;
    Ok(filtered(&actor.scope, filter).count(domain.db.reader()).await?)
}

pub async fn get(domain: &Domain, actor: &Actor, id: CodeId) -> Result<Option<code::Model>> {
    actor.require(Operation::ReadCodes)?;
    find(domain, &actor.scope, id).await
}

pub(super) async fn find(domain: &Domain, scope: &Scope, id: CodeId) -> Result<Option<code::Model>> {
    let filter = CodeFilter {
        code_id: Some(Some(id)),
        ..CodeFilter::default()
    };
    Ok(filtered(scope, &filter).one(domain.db.reader()).await?)
}

/// Mints a code, here and at Stripe.
///
/// A manager mints for any affiliate of the coupon's campaign; an affiliate for itself, where coupon and campaign allow
/// it.
///
/// # Errors
/// `PLAN_TIER_REQUIRED`, `NOT_FOUND`, `AFFILIATE_NOT_APPROVED`, `SELF_MINT_DISABLED`, `INVALID`, `TAKEN`; or
/// `STRIPE_REJECTED` with Stripe's reason, and then there is no code.
pub async fn mint(domain: &Domain, actor: &Actor, input: MintCode) -> Result<code::Model> {
    let minter = Minter::of(actor)?;
    let scope = &actor.scope;
    plans::require_coupons(domain.db.reader(), scope.brand, domain.clock.now()).await?;
    let (coupon, affiliate) = minting::check(domain, domain.db.reader(), minter, scope, &input).await?;
    let connected = domain.outbox.connected(scope).await?;
    let Some(given) = &input.code else {
        let base = generated(&affiliate.name, &coupon);
        return mint_generated(domain, actor, &coupon, affiliate.id, &base, connected).await;
    };
    let text = code_text::normalized(given).ok_or_else(|| {
        let message = "A code has 3 to 32 characters of A-Z, 0-9, - and _.";
        Error::user(UserErrorCode::Invalid, &["code"], message)
    })?;
    match try_mint(domain, actor, &coupon, affiliate.id, &text, connected).await? {
        Minted::Code(code) => Ok(code),
        Minted::Taken => {
            let message = format!("The code {text} is taken.");
            Err(Error::user(UserErrorCode::Taken, &["code"], message))
        }
        Minted::Refused(refusal) => Err(rejected(&refusal)),
    }
}

enum Minted {
    Code(code::Model),
    Taken,
    Refused(Refusal),
}

/// The next free one of `SARAH20`, `SARAH20-2`, ...; what Stripe has under the same text is passed over too.
async fn mint_generated(
    domain: &Domain,
    actor: &Actor,
    coupon: &coupon::Model,
    affiliate: AffiliateId,
    base: &str,
    connected: bool,
) -> Result<code::Model> {
    let mut number = 1;
    let mut refusals = 0;
    for _ in 0..MAX_TRIES {
        let (text, at) = taken::next_free(domain.db.reader(), &actor.scope, base, number).await?;
        match try_mint(domain, actor, coupon, affiliate, &text, connected).await? {
            Minted::Code(code) => return Ok(code),
            // Somebody was quicker: look again.
            Minted::Taken => {}
            Minted::Refused(refusal) if refusal.message.contains("already exists") && refusals < MAX_REFUSALS => {
                refusals += 1;
                number = at + 1;
            }
            Minted::Refused(refusal) => return Err(rejected(&refusal)),
        }
    }
    let message = "No free code was found; give one.";
    Err(Error::user(UserErrorCode::Taken, &["code"], message))
}

async fn try_mint(
    domain: &Domain,
    actor: &Actor,
    coupon: &coupon::Model,
    affiliate_id: AffiliateId,
    text: &str,
    connected: bool,
) -> Result<Minted> {
    let scope = &actor.scope;
    let code = code::Model {
        id: CodeId(domain.clock.new_id()),
        brand_id: scope.brand,
        livemode: scope.livemode,
        coupon_id: coupon.id,
        campaign_id: coupon.campaign_id,
        affiliate_id,
        code: text.to_owned(),
        status: CodeStatus::Active,
        stripe_id: None,
        stripe_active: None,
        stripe_reason: None,
        stripe_seen_at: None,
        stripe_made_at: None,
        batch: None,
        batch_row: None,
        created_at: domain.clock.now(),
    };
    let txn = domain.db.begin().await?;
    // Between the first look and now somebody may have deleted the coupon, or thrown a switch.
    minting::hold(&txn, scope, coupon, affiliate_id).await?;
    let again = MintCode {
        coupon_id: Some(coupon.id),
        affiliate_id: Some(Some(affiliate_id)),
        code: None,
    };
    minting::check(domain, &txn, Minter::of(actor)?, scope, &again).await?;
    if !taken::take_in_txn(&txn, &domain.clock, scope, text, code.id).await? {
        return Ok(Minted::Taken);
    }
    code::Entity::insert(code.clone().into_active_model())
        .exec_without_returning(&txn)
        .await?;
    let call = creation(&code, coupon);
    let operation = owed::owe_in_txn(&txn, domain, scope, &call, connected).await?;
    let entry = audit::Entry::created("code.minted", code.id, &code)?;
    audit::record_in_txn(&txn, &domain.clock, actor, entry).await?;
    txn.commit().await?;
    if connected && let Attempt::Refused(refusal) = domain.outbox.attempt(operation).await {
        let txn = domain.db.begin().await?;
        stripe_operation::Entity::delete_by_id(operation).exec(&txn).await?;
        taken::release_in_txn(&txn, code.id).await?;
        code::Entity::delete_by_id(code.id).exec(&txn).await?;
        let entry = audit::Entry::removed("code.refused_by_stripe", code.id, &code)?;
        let entry = entry.with("reason", refusal.message.clone());
        audit::record_in_txn(&txn, &domain.clock, actor, entry).await?;
        txn.commit().await?;
        return Ok(Minted::Refused(refusal));
    }
    let code = find(domain, scope, code.id).await?;
    code.map(Minted::Code)
        .ok_or_else(|| Error::Internal("a new code is gone".into()))
}

pub(super) fn creation(code: &code::Model, coupon: &coupon::Model) -> Call {
    Call::CreatePromotionCode {
        id: code.id,
        brand: code.brand_id,
        coupon: code.coupon_id,
        affiliate: code.affiliate_id,
        code: code.code.clone(),
        max_redemptions: coupon.max_redemptions_per_code,
    }
}

/// Stripe's refusal, on the field of ours that it is about.
fn rejected(refusal: &Refusal) -> Error {
    let field = match refusal.param.as_deref() {
        Some("promotion[coupon]" | "promotion" | "max_redemptions" | "expires_at") => "couponId",
        _ => "code",
    };
    Error::user(UserErrorCode::StripeRejected, &[field], refusal.message.clone())
}

/// Where a coupon's code may be found by the affiliate it belongs to, whether approved or not.
pub(super) fn is_approved(status: AffiliateStatus) -> bool {
    status == AffiliateStatus::Approved
}
