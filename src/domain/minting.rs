//! Who may mint on what. The switches that decide it are the coupon's, the campaign's and the affiliate's own standing.

use entity::{
    affiliate, campaign, code, coupon,
    id::{AffiliateId, CampaignId, CouponId},
};
use sea_orm::{ColumnTrait, ConnectionTrait, DatabaseTransaction, QueryFilter, QuerySelect, sea_query::LockType};

use super::{Domain, affiliates, campaigns, codes, codes::MintCode, tenancy};
use crate::{
    auth::{Actor, Operation, Scope},
    error::{Error, Result, UserErrorCode},
};

/// Who mints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Minter {
    /// For any affiliate of the brand.
    Manager,
    /// For itself.
    Affiliate(AffiliateId),
}

impl Minter {
    pub(super) fn of(actor: &Actor) -> Result<Self> {
        match actor.scope.affiliate {
            Some(own) => actor.require(Operation::MintOwnCode).map(|()| Self::Affiliate(own)),
            None => actor.require(Operation::ManageCodes).map(|()| Self::Manager),
        }
    }
}

/// The coupon and the affiliate that a code is to be minted for, when all switches allow it.
pub(super) async fn check(
    domain: &Domain,
    db: &impl ConnectionTrait,
    minter: Minter,
    scope: &Scope,
    input: &MintCode,
) -> Result<(coupon::Model, affiliate::Model)> {
    let affiliate = affiliate(db, minter, scope, input).await?;
    let coupon_id = input.coupon_id.ok_or_else(|| Error::not_found(&["couponId"]))?;
    let coupon = coupon(db, scope, coupon_id, "couponId").await?;
    let is_in = affiliates::is_in(db, affiliate.id, coupon.campaign_id).await?;
    require_fit(minter, &coupon, affiliate.id, is_in)?;
    require_not_expired(domain, &coupon, "couponId")?;
    require_approved(&affiliate)?;
    if let Minter::Affiliate(_) = minter {
        require_self_service(db, scope, &coupon, "couponId").await?;
    }
    require_not_archived(&coupon)?;
    require_there(&coupon, "couponId")?;
    Ok((coupon, affiliate))
}

/// A coupon is for the affiliates of its campaign or, of those, for one.
pub(super) fn require_fit(minter: Minter, coupon: &coupon::Model, affiliate: AffiliateId, is_in: bool) -> Result<()> {
    let exclusive_to_another = coupon.affiliate_id.is_some_and(|only| only != affiliate);
    let invalid = |message: &str| Err(Error::user(UserErrorCode::Invalid, &["affiliateId"], message));
    match minter {
        Minter::Affiliate(_) if !is_in || exclusive_to_another => Err(Error::not_found(&["couponId"])),
        Minter::Manager if exclusive_to_another => invalid("The coupon is exclusive to another affiliate."),
        Minter::Manager if !is_in => invalid("The affiliate is not in the coupon's campaign."),
        _ => Ok(()),
    }
}

pub(super) fn require_approved(affiliate: &affiliate::Model) -> Result<()> {
    if codes::is_approved(affiliate.status) {
        return Ok(());
    }
    let (code, message) = (UserErrorCode::AffiliateNotApproved, "The affiliate is not approved.");
    Err(Error::user(code, &["affiliateId"], message))
}

fn require_not_archived(coupon: &coupon::Model) -> Result<()> {
    if coupon.archived {
        let message = "The coupon is archived.";
        return Err(Error::user(UserErrorCode::Invalid, &["couponId"], message));
    }
    Ok(())
}

/// The coupon, where codes may be minted on it by those who manage codes.
pub(super) async fn open_coupon(
    domain: &Domain,
    db: &impl ConnectionTrait,
    scope: &Scope,
    id: CouponId,
) -> Result<coupon::Model> {
    let coupon = coupon(db, scope, id, "couponId").await?;
    require_not_expired(domain, &coupon, "couponId")?;
    require_not_archived(&coupon)?;
    require_there(&coupon, "couponId")?;
    Ok(coupon)
}

/// The coupon of a code that is to be renamed, when it may be. A manager may wherever the code can be redeemed; an
/// affiliate where it may mint, also on an archived coupon.
pub(super) async fn check_renaming(
    domain: &Domain,
    db: &impl ConnectionTrait,
    minter: Minter,
    scope: &Scope,
    code: &code::Model,
) -> Result<coupon::Model> {
    let coupon = require_live_coupon(domain, db, scope, code.coupon_id, "id").await?;
    let Minter::Affiliate(own) = minter else {
        return Ok(coupon);
    };
    let affiliate = affiliates::find(db, scope, own).await?;
    let affiliate = affiliate.ok_or_else(|| Error::not_found(&["id"]))?;
    if !codes::is_approved(affiliate.status) {
        let message = "The affiliate is not approved.";
        return Err(Error::user(UserErrorCode::AffiliateNotApproved, &["id"], message));
    }
    let left_out = !affiliates::is_in(db, own, coupon.campaign_id).await?;
    if left_out || coupon.affiliate_id.is_some_and(|only| only != own) {
        return Err(no_self_service("id"));
    }
    require_self_service(db, scope, &coupon, "id").await?;
    Ok(coupon)
}

/// The coupon for a campaign's shared code, when it may have one.
pub(super) async fn check_shared(
    domain: &Domain,
    db: &impl ConnectionTrait,
    scope: &Scope,
    id: Option<CouponId>,
    campaign: CampaignId,
) -> Result<coupon::Model> {
    let field = "couponId";
    let coupon = coupon(db, scope, id.ok_or_else(|| Error::not_found(&[field]))?, field).await?;
    let invalid = |message: &str| Err(Error::user(UserErrorCode::Invalid, &[field], message));
    if coupon.campaign_id != campaign {
        return invalid("The coupon is another campaign's.");
    }
    if coupon.affiliate_id.is_some() {
        return invalid("The coupon is exclusive to an affiliate.");
    }
    if coupon.archived {
        return invalid("The coupon is archived.");
    }
    require_there(&coupon, field)?;
    require_not_expired(domain, &coupon, field)?;
    Ok(coupon)
}

/// Holds all that decides whether a code may be minted as it is, until the end of the transaction. Mints of one coupon do
/// not wait for each other, but those of an affiliate's own do: one at a time counts its codes and adds to them.
pub(super) async fn hold(
    txn: &DatabaseTransaction,
    minter: Minter,
    scope: &Scope,
    coupon: &coupon::Model,
    affiliate: AffiliateId,
) -> Result<()> {
    hold_coupon(txn, scope, coupon.id).await?;
    let lock = match minter {
        Minter::Manager => LockType::Share,
        Minter::Affiliate(_) => LockType::NoKeyUpdate,
    };
    let row = tenancy::referenced::<affiliate::Entity>(scope).filter(affiliate::Column::Id.eq(affiliate));
    row.lock(lock).one(txn).await?;
    let row = tenancy::referenced::<campaign::Entity>(scope).filter(campaign::Column::Id.eq(coupon.campaign_id));
    row.lock_shared().one(txn).await?;
    Ok(())
}

/// Holds a coupon as it is, until the end of the transaction.
pub(super) async fn hold_coupon(txn: &DatabaseTransaction, scope: &Scope, id: CouponId) -> Result<()> {
    let row = tenancy::referenced::<coupon::Entity>(scope).filter(coupon::Column::Id.eq(id));
    row.lock_shared().one(txn).await?;
    Ok(())
}

async fn affiliate(
    db: &impl ConnectionTrait,
    minter: Minter,
    scope: &Scope,
    input: &MintCode,
) -> Result<affiliate::Model> {
    let id = match (minter, input.affiliate_id) {
        (Minter::Affiliate(own), None) => Some(own),
        (Minter::Affiliate(own), Some(given)) => given.filter(|given| *given == own),
        (Minter::Manager, Some(given)) => given,
        (Minter::Manager, None) => {
            let message = "It says for whom the code is.";
            return Err(Error::user(UserErrorCode::Invalid, &["affiliateId"], message));
        }
    };
    let id = id.ok_or_else(|| Error::not_found(&["affiliateId"]))?;
    let row = affiliates::find(db, scope, id).await?;
    row.ok_or_else(|| Error::not_found(&["affiliateId"]))
}

/// The coupon's switch and the campaign's.
async fn require_self_service(
    db: &impl ConnectionTrait,
    scope: &Scope,
    coupon: &coupon::Model,
    field: &'static str,
) -> Result<()> {
    let campaign: Option<campaign::Model> = campaigns::find(db, scope, coupon.campaign_id).await?;
    let open = campaign.is_some_and(|campaign| campaign.affiliates_can_manage_codes);
    if coupon.allow_affiliate_self_mint && open {
        return Ok(());
    }
    Err(no_self_service(field))
}

fn no_self_service(field: &'static str) -> Error {
    let message = "Affiliates do not manage codes of their own here.";
    Error::user(UserErrorCode::SelfMintDisabled, &[field], message)
}

/// The brand's coupon, if it is not deleted. Whether the caller may know of it is still to be checked.
async fn coupon(db: &impl ConnectionTrait, scope: &Scope, id: CouponId, field: &'static str) -> Result<coupon::Model> {
    let row = tenancy::referenced::<coupon::Entity>(scope)
        .filter(coupon::Column::Id.eq(id))
        .filter(coupon::Column::DeletedAt.is_null())
        .one(db)
        .await?;
    row.ok_or_else(|| Error::not_found(&[field]))
}

fn require_not_expired(domain: &Domain, coupon: &coupon::Model, field: &'static str) -> Result<()> {
    if coupon.expires_at.is_some_and(|end| end <= domain.clock.now()) {
        return Err(Error::user(UserErrorCode::Invalid, &[field], "The coupon has expired."));
    }
    Ok(())
}

/// Stripe takes no code on a coupon that was deleted there.
fn require_there(coupon: &coupon::Model, field: &'static str) -> Result<()> {
    if coupon.stripe_gone {
        let message = "The coupon was deleted at Stripe.";
        return Err(Error::user(UserErrorCode::Invalid, &[field], message));
    }
    Ok(())
}

/// Refuses what a deleted code cannot do.
pub(super) fn require_not_deleted(code: &code::Model) -> Result<()> {
    if code.deleted_at.is_some() {
        return Err(Error::user(UserErrorCode::Invalid, &["id"], "The code is deleted."));
    }
    Ok(())
}

/// Refuses what a code of a deleted or expired coupon cannot do.
pub(super) async fn require_live_coupon(
    domain: &Domain,
    db: &impl ConnectionTrait,
    scope: &Scope,
    id: CouponId,
    field: &'static str,
) -> Result<coupon::Model> {
    let coupon = match coupon(db, scope, id, field).await {
        Err(Error::User(problems)) if problems.iter().any(|problem| problem.code == UserErrorCode::NotFound) => {
            let message = "The code's coupon is deleted.";
            return Err(Error::user(UserErrorCode::Invalid, &[field], message));
        }
        result => result?,
    };
    require_there(&coupon, field)?;
    require_not_expired(domain, &coupon, field)?;
    Ok(coupon)
}
