//! Who may mint on what. The switches that decide it are the coupon's, the campaign's and the affiliate's own standing.

use entity::{
    affiliate, campaign, coupon,
    id::{AffiliateId, CouponId},
};
use sea_orm::{ColumnTrait, ConnectionTrait, DatabaseTransaction, QueryFilter, QuerySelect};

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
    let exclusive_to_another = coupon.affiliate_id.is_some_and(|only| only != affiliate.id);
    let invalid = |message: &str| Err(Error::user(UserErrorCode::Invalid, &["affiliateId"], message));
    match minter {
        Minter::Affiliate(_) if !is_in || exclusive_to_another => return Err(Error::not_found(&["couponId"])),
        Minter::Manager if exclusive_to_another => return invalid("The coupon is exclusive to another affiliate."),
        Minter::Manager if !is_in => return invalid("The affiliate is not in the coupon's campaign."),
        _ => {}
    }
    require_not_expired(domain, &coupon, "couponId")?;
    if !codes::is_approved(affiliate.status) {
        let message = "The affiliate is not approved.";
        return Err(Error::user(
            UserErrorCode::AffiliateNotApproved,
            &["affiliateId"],
            message,
        ));
    }
    if let Minter::Affiliate(_) = minter {
        require_self_service(db, scope, &coupon).await?;
    }
    if coupon.archived {
        let message = "The coupon is archived.";
        return Err(Error::user(UserErrorCode::Invalid, &["couponId"], message));
    }
    require_there(&coupon, "couponId")?;
    Ok((coupon, affiliate))
}

/// Holds all that decides whether a code may be minted as it is, until the end of the transaction. Mints of one coupon do
/// not wait for each other.
pub(super) async fn hold(
    txn: &DatabaseTransaction,
    scope: &Scope,
    coupon: &coupon::Model,
    affiliate: AffiliateId,
) -> Result<()> {
    hold_coupon(txn, scope, coupon.id).await?;
    let row = tenancy::referenced::<affiliate::Entity>(scope).filter(affiliate::Column::Id.eq(affiliate));
    row.lock_shared().one(txn).await?;
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
async fn require_self_service(db: &impl ConnectionTrait, scope: &Scope, coupon: &coupon::Model) -> Result<()> {
    let campaign: Option<campaign::Model> = campaigns::find(db, scope, coupon.campaign_id).await?;
    let open = campaign.is_some_and(|campaign| campaign.affiliates_can_manage_codes);
    if coupon.allow_affiliate_self_mint && open {
        return Ok(());
    }
    let message = "Affiliates do not mint codes of their own here.";
    Err(Error::user(UserErrorCode::SelfMintDisabled, &["couponId"], message))
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
