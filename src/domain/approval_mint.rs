//! Minting on approval: an affiliate that is newly approved gets a generated code on each coupon that is marked so.
//!
//! **Invariant.** The codes come in the transaction of the approval, and an affiliate has one on a coupon at most once by
//! approval, however often it is approved.

use entity::{affiliate, brand, code, coupon};
use sea_orm::{ColumnTrait, Condition, ConnectionTrait, QueryFilter, QueryOrder, QuerySelect, QueryTrait};

use super::{
    Domain,
    code_settings::CodeSettings,
    code_text::generated,
    new_code::{NewCode, insert_generated_in_txn},
    plans, tenancy,
};
use crate::{
    auth::{Actor, Scope},
    error::Result,
};

/// For each mode, whether the brand has a Stripe key: found out before the transaction begins.
pub(super) struct Modes([(bool, bool); 2]);

pub(super) async fn modes(domain: &Domain, actor: &Actor) -> Result<Modes> {
    let connected = async |livemode| domain.outbox.connected(&of_mode(actor, livemode).scope).await;
    Ok(Modes([
        (true, connected(true).await?),
        (false, connected(false).await?),
    ]))
}

/// The approver, for the codes of a mode.
fn of_mode(actor: &Actor, livemode: bool) -> Actor {
    let scope = Scope {
        livemode,
        ..actor.scope
    };
    Actor { scope, ..actor.clone() }
}

/// Mints for an affiliate that this transaction approves; how many codes. The transaction holds the affiliate, and the
/// brand before it. The calls to Stripe are left to the worker.
pub(super) async fn mint_in_txn(
    txn: &impl ConnectionTrait,
    domain: &Domain,
    actor: &Actor,
    (brand, affiliate): (&brand::Model, &affiliate::Model),
    modes: &Modes,
) -> Result<usize> {
    // The approval stands whatever the plan.
    if !plans::allows_coupons(brand, domain.clock.now()) {
        return Ok(0);
    }
    let reserved = CodeSettings::of(brand)?.reserved_words;
    let mut minted = 0;
    for (livemode, connected) in modes.0 {
        let actor = of_mode(actor, livemode);
        for coupon in marked(txn, domain, &actor.scope, affiliate).await? {
            let new = NewCode {
                coupon: &coupon,
                affiliate: affiliate.id,
                batch: None,
                connected,
                tried_at_once: false,
            };
            let base = generated(&affiliate.name, &coupon, &reserved);
            match insert_generated_in_txn(txn, domain, &actor, &new, (&base, 1), &reserved).await? {
                Some(_) => minted += 1,
                None => tracing::warn!(affiliate = %affiliate.id, coupon = %coupon.id, "no form of {base} is free"),
            }
        }
    }
    Ok(minted)
}

/// The coupons of a mode that give the affiliate a code now, each held as it is.
async fn marked(
    txn: &impl ConnectionTrait,
    domain: &Domain,
    scope: &Scope,
    affiliate: &affiliate::Model,
) -> Result<Vec<coupon::Model>> {
    use coupon::Column::{AffiliateId, Archived, CampaignId, DeletedAt, ExpiresAt, Id, MintOnApproval, StripeGone};
    let had = tenancy::referenced::<code::Entity>(scope)
        .select_only()
        .column(code::Column::CouponId)
        .filter(code::Column::AffiliateId.eq(affiliate.id))
        .into_query();
    let for_it = Condition::any()
        .add(AffiliateId.is_null())
        .add(AffiliateId.eq(affiliate.id));
    let lasting = Condition::any()
        .add(ExpiresAt.is_null())
        .add(ExpiresAt.gt(domain.clock.now()));
    let coupons = tenancy::referenced::<coupon::Entity>(scope)
        .filter(MintOnApproval.eq(true))
        .filter(Archived.eq(false))
        .filter(DeletedAt.is_null())
        .filter(StripeGone.eq(false))
        .filter(CampaignId.in_subquery(tenancy::campaigns_of(affiliate.id)))
        .filter(Id.not_in_subquery(had))
        .filter(for_it)
        .filter(lasting)
        .order_by_asc(Id)
        .lock_shared();
    Ok(coupons.all(txn).await?)
}
