//! Affiliate codes: reading them, and minting, given or generated. `code_switching` switches them off and on, and
//! `code_renaming` gives them another text.
//!
//! **Invariant.** A code's text is unique within brand and mode, also against what codes were called before: the key of
//! `taken_code` says so, not a look before the leap.

use std::collections::HashMap;

use entity::{
    affiliate::{self, AffiliateStatus},
    code::{self, CodeStatus},
    id::{AffiliateId, CampaignId, CodeId, CouponId},
};
use sea_orm::{ColumnTrait, DbErr, PaginatorTrait, QueryFilter, Select};

use super::{
    Attempt, Domain, Refusal, code_settings,
    code_text::{self, generated},
    minting::{self, Minter},
    nested,
    new_code::{self, Minted, NewCode},
    owed::Call,
    page::{self, Asked, By, Direction, Order, Page, PageArgs, Sort},
    plans, tenancy,
};
use crate::{
    auth::{Actor, Operation, Scope},
    error::{Error, Result, UserErrorCode},
};

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

impl CodeFilter {
    /// Whether a code is among those that are asked for.
    pub fn matches(&self, row: &code::Model) -> bool {
        fn holds<T: PartialEq>(given: Option<Option<T>>, own: T) -> bool {
            given.is_none_or(|id| id == Some(own))
        }
        holds(self.affiliate_id, row.affiliate_id)
            && holds(self.coupon_id, row.coupon_id)
            && holds(self.campaign_id, row.campaign_id)
            && holds(self.code_id, row.id)
    }
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

/// Deleted ones are in no list.
fn listed(scope: &Scope, filter: &CodeFilter) -> Select<code::Entity> {
    filtered(scope, filter).filter(code::Column::DeletedAt.is_null())
}

/// What codes, and their figures, can be ordered by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OrderField {
    CreatedAt,
    Code,
}

/// The order that was asked for; oldest first by itself.
pub fn order(sort: Option<Sort<OrderField>>) -> Order<code::Column> {
    let Some(Sort { field, direction }) = sort else {
        return own_order();
    };
    match (field, direction) {
        (OrderField::CreatedAt, Direction::Asc) => own_order(),
        (OrderField::CreatedAt, Direction::Desc) => Order::named("created", By::Id, code::Column::Id, direction),
        (OrderField::Code, _) => Order::named("code", By::Text(code::Column::Code), code::Column::Id, direction),
    }
}

/// A page of the codes that the caller may see.
pub async fn list(
    domain: &Domain,
    actor: &Actor,
    filter: &CodeFilter,
    order: Order<code::Column>,
    args: &PageArgs,
) -> Result<Page<code::Model>> {
    actor.require(Operation::ReadCodes)?;
    page::fetch(domain.db.reader(), listed(&actor.scope, filter), order, args).await
}

pub async fn count(domain: &Domain, actor: &Actor, filter: &CodeFilter) -> Result<u64> {
    actor.require(Operation::ReadCodes)?;
    Ok(listed(&actor.scope, filter).count(domain.db.reader()).await?)
}

/// The order of an affiliate's codes.
pub fn own_order() -> Order<code::Column> {
    Order::oldest_first(code::Column::Id)
}

/// The codes of each of some affiliates.
fn of_affiliates(scope: &Scope) -> Select<code::Entity> {
    listed(scope, &CodeFilter::default()).filter(nested::below(code::Column::AffiliateId))
}

/// The same page of the codes of each of some affiliates that the caller has found, oldest first.
pub async fn pages_of(
    domain: &Domain,
    scope: &Scope,
    affiliates: &[AffiliateId],
    asked: &Asked,
) -> Result<HashMap<AffiliateId, Page<code::Model>>, DbErr> {
    let db = domain.db.reader();
    nested::pages::<affiliate::Entity, _, _>(db, affiliates, of_affiliates(scope), own_order(), asked).await
}

/// How many codes each of some affiliates has.
pub async fn counts_of(
    domain: &Domain,
    scope: &Scope,
    affiliates: &[AffiliateId],
) -> Result<HashMap<AffiliateId, i64>, DbErr> {
    let db = domain.db.reader();
    nested::counts::<affiliate::Entity, _, _>(db, affiliates, of_affiliates(scope), code::Column::Id).await
}

/// A code, deleted or not.
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
    let settings = code_settings::read(domain.db.reader(), scope.brand).await?;
    let given = input.code.as_deref().map(checked).transpose()?;
    if let (Minter::Affiliate(_), Some(text)) = (minter, &given) {
        code_settings::require_free_for_affiliates(&settings, text)?;
    }
    let base = generated(&affiliate.name, &coupon, &settings.reserved_words);
    let connected = domain.outbox.connected(scope).await?;
    let new = NewCode {
        coupon: &coupon,
        affiliate: affiliate.id,
        batch: None,
        connected,
        tried_at_once: true,
    };
    let (deadline, mut number, mut refusals) = (new_code::deadline(), 1, 0);
    loop {
        let (minted, at) = insert(domain, actor, &new, given.as_deref(), (&base, number)).await?;
        if connected
            && let Attempt::Refused(refusal) = new_code::attempt(domain, &minted, deadline).await
            && new_code::take_back(domain, actor, &minted, &refusal).await?
        {
            if given.is_some() || !new_code::goes_on(&refusal, refusals, deadline) {
                return Err(rejected(&refusal, "couponId"));
            }
            refusals += 1;
            number = at + 1;
            continue;
        }
        let code = find(domain, scope, minted.code.id).await?;
        return code.ok_or_else(|| Error::Internal("a new code is gone".into()));
    }
}

/// A given text in upper case, if it keeps the rule.
pub(super) fn checked(given: &str) -> Result<String> {
    code_text::normalized(given).ok_or_else(|| {
        let message = "A code has 3 to 32 characters of A-Z, 0-9, - and _.";
        Error::user(UserErrorCode::Invalid, &["code"], message)
    })
}

/// Makes the code of the given text, or of the next free form of the base from a number on; with that number.
async fn insert(
    domain: &Domain,
    actor: &Actor,
    new: &NewCode<'_>,
    given: Option<&str>,
    base: (&str, usize),
) -> Result<(Minted, usize)> {
    let (scope, minter) = (&actor.scope, Minter::of(actor)?);
    let txn = domain.db.begin().await?;
    // Between the first look and now somebody may have deleted the coupon, or thrown a switch.
    minting::hold(&txn, minter, scope, new.coupon, new.affiliate).await?;
    let again = MintCode {
        coupon_id: Some(new.coupon.id),
        affiliate_id: Some(Some(new.affiliate)),
        code: None,
    };
    minting::check(domain, &txn, minter, scope, &again).await?;
    let settings = code_settings::read(&txn, scope.brand).await?;
    if let Minter::Affiliate(own) = minter {
        code_settings::require_room_in_txn(&txn, scope, &settings, own).await?;
    }
    let minted = match given {
        Some(text) => new_code::insert_in_txn(&txn, domain, actor, new, text)
            .await?
            .map(|minted| (minted, 1))
            .ok_or_else(|| is_taken(text))?,
        None => new_code::insert_generated_in_txn(&txn, domain, actor, new, base, &settings.reserved_words)
            .await?
            .ok_or_else(none_free)?,
    };
    txn.commit().await?;
    Ok(minted)
}

pub(super) fn is_taken(text: &str) -> Error {
    let message = format!("The code {text} is taken.");
    Error::user(UserErrorCode::Taken, &["code"], message)
}

pub(super) fn none_free() -> Error {
    let message = "No free code was found; give one.";
    Error::user(UserErrorCode::Taken, &["code"], message)
}

pub(super) fn creation(code: &code::Model, max_redemptions: Option<i32>) -> Call {
    Call::CreatePromotionCode {
        id: code.id,
        brand: code.brand_id,
        coupon: code.coupon_id,
        affiliate: Some(code.affiliate_id),
        code: code.code.clone(),
        max_redemptions,
        active: code.status == CodeStatus::Active,
    }
}

/// Stripe's refusal, on the field of ours that it is about: what a code has of its coupon's is on the one that says which.
pub(super) fn rejected(refusal: &Refusal, coupon: &'static str) -> Error {
    let param = refusal.param.as_deref().unwrap_or_default();
    let coupon = [coupon];
    let field: &[&'static str] = match param.split('[').next() {
        Some("code") => &["code"],
        Some("promotion" | "coupon" | "max_redemptions" | "expires_at") => &coupon,
        _ if refusal.message.contains("already exists") => &["code"],
        _ => &[],
    };
    Error::user(UserErrorCode::StripeRejected, field, refusal.message.clone())
}

/// Where a coupon's code may be found by the affiliate it belongs to, whether approved or not.
pub(super) fn is_approved(status: AffiliateStatus) -> bool {
    status == AffiliateStatus::Approved
}
