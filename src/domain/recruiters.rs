//! Who recruited whom: what a recruiter earns of its recruits' sales is the campaign's to say.
//!
//! **Invariants.** A row is never edited: a change appends one that is in force from now on. Nobody is its own recruiter,
//! also not by way of others: changes of a brand's recruiters take turns by the brand's row.

use std::collections::HashMap;

use entity::{affiliate, affiliate_recruiter, id::AffiliateId};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, IntoActiveModel, QueryFilter, QuerySelect, QueryTrait, Select,
    sea_query::{Expr, SimpleExpr},
};
use serde_json::json;

use super::{
    Domain, affiliates, audit,
    effective::after_the_last,
    nested,
    page::{Asked, Order, Page},
    plans, tenancy,
};
use crate::{
    auth::{Actor, Operation, Scope},
    error::{Error, Problems, Result, UserErrorCode},
};

/// Where a recruiter is given.
const FIELD: &[&str] = &["recruitedById"];

/// That no later row of the same affiliate is there.
fn is_current() -> SimpleExpr {
    Expr::cust(
        "NOT EXISTS (SELECT 1 FROM affiliate_recruiter later
           WHERE later.affiliate_id = affiliate_recruiter.affiliate_id
             AND (later.effective_from, later.id) > (affiliate_recruiter.effective_from, affiliate_recruiter.id))",
    )
}

/// Who recruited some affiliates that the caller has found, as it stands now.
pub async fn current(
    db: &impl ConnectionTrait,
    scope: &Scope,
    affiliates: Vec<AffiliateId>,
) -> Result<Vec<affiliate_recruiter::Model>, DbErr> {
    affiliate_recruiter::Entity::find()
        .filter(affiliate_recruiter::Column::BrandId.eq(scope.brand))
        .filter(affiliate_recruiter::Column::AffiliateId.is_in(affiliates))
        .filter(is_current())
        .all(db)
        .await
}

/// Those whom each of some affiliates has recruited. An affiliate finds none: affiliates do not see each other.
fn recruits(scope: &Scope) -> Select<affiliate::Entity> {
    let recruits = affiliate_recruiter::Entity::find()
        .select_only()
        .column(affiliate_recruiter::Column::AffiliateId)
        .filter(nested::below(affiliate_recruiter::Column::RecruiterId))
        .filter(is_current())
        .into_query();
    let others = scope.affiliate.is_none();
    tenancy::find::<affiliate::Entity>(scope)
        .filter(affiliate::Column::Id.in_subquery(recruits))
        .filter(SimpleExpr::from(others))
}

/// The order of an affiliate's recruits.
pub fn order() -> Order<affiliate::Column> {
    Order::oldest_first(affiliate::Column::Id)
}

/// The same page of the recruits of each of some affiliates that the caller has found, oldest first.
pub async fn pages_of(
    domain: &Domain,
    scope: &Scope,
    affiliates: &[AffiliateId],
    asked: &Asked,
) -> Result<HashMap<AffiliateId, Page<affiliate::Model>>, DbErr> {
    let db = domain.db.reader();
    nested::pages::<affiliate::Entity, _, _>(db, affiliates, recruits(scope), order(), asked).await
}

/// How many recruits each of some affiliates has.
pub async fn counts_of(
    domain: &Domain,
    scope: &Scope,
    affiliates: &[AffiliateId],
) -> Result<HashMap<AffiliateId, i64>, DbErr> {
    let db = domain.db.reader();
    nested::counts::<affiliate::Entity, _, _>(db, affiliates, recruits(scope), affiliate::Column::Id).await
}

/// Sets who recruited an affiliate, or that nobody did, for sales from now on; an id that could not be read is given as
/// `Some(None)`. The affiliate.
///
/// # Errors
/// `NOT_FOUND` on `id` or `recruitedById`; `INVALID` on `recruitedById` where the affiliate would have recruited itself,
/// also by way of others.
pub async fn set(
    domain: &Domain,
    actor: &Actor,
    id: AffiliateId,
    given: Option<Option<AffiliateId>>,
) -> Result<affiliate::Model> {
    actor.require(Operation::ManageAffiliates)?;
    let txn = domain.db.begin().await?;
    plans::hold_brand_in_txn(&txn, actor.scope.brand).await?;
    let affiliate = affiliates::find(&txn, &actor.scope, id).await?;
    let affiliate = affiliate.ok_or_else(|| Error::not_found(&["id"]))?;
    let mut problems = Problems::default();
    let recruiter = given_in_txn(&txn, &actor.scope, &mut problems, given).await?;
    problems.check()?;
    let old = recruiter_of(&txn, &actor.scope, id).await?;
    if old == recruiter {
        return Ok(affiliate);
    }
    refuse_circle(&txn, &actor.scope, id, recruiter).await?;
    append_in_txn(&txn, domain, actor, id, recruiter).await?;
    let shown = |recruiter: Option<AffiliateId>| json!({ "recruitedById": recruiter });
    let entry = audit::Entry::changed("affiliate.recruiter_set", id, &shown(old), &shown(recruiter))?;
    audit::record_in_txn(&txn, &domain.clock, actor, entry.of_both_modes()).await?;
    txn.commit().await?;
    Ok(affiliate)
}

/// The recruiter that was given; one that is not the brand's is a problem.
pub(super) async fn given_in_txn(
    txn: &impl ConnectionTrait,
    scope: &Scope,
    problems: &mut Problems,
    given: Option<Option<AffiliateId>>,
) -> Result<Option<AffiliateId>> {
    let Some(given) = given else { return Ok(None) };
    let found = match given {
        Some(id) => affiliates::find(txn, scope, id).await?,
        None => None,
    };
    if found.is_none() {
        problems.add(UserErrorCode::NotFound, FIELD, "There is no such affiliate.");
    }
    Ok(found.map(|row| row.id))
}

pub(super) async fn append_in_txn(
    txn: &impl ConnectionTrait,
    domain: &Domain,
    actor: &Actor,
    affiliate: AffiliateId,
    recruiter: Option<AffiliateId>,
) -> Result<()> {
    let of_affiliate = affiliate_recruiter::Column::AffiliateId.eq(affiliate);
    let column = affiliate_recruiter::Column::EffectiveFrom;
    let effective_from = after_the_last(txn, column, of_affiliate, domain.clock.now()).await?;
    let row = affiliate_recruiter::Model {
        id: domain.clock.new_id(),
        brand_id: actor.scope.brand,
        affiliate_id: affiliate,
        effective_from,
        recruiter_id: recruiter,
        changed_by: actor.subject.clone(),
    };
    affiliate_recruiter::Entity::insert(row.into_active_model())
        .exec_without_returning(txn)
        .await?;
    Ok(())
}

async fn recruiter_of(db: &impl ConnectionTrait, scope: &Scope, affiliate: AffiliateId) -> Result<Option<AffiliateId>> {
    let rows = current(db, scope, vec![affiliate]).await?;
    Ok(rows.into_iter().find_map(|row| row.recruiter_id))
}

/// Goes up from the new recruiter: the affiliate must not be there.
async fn refuse_circle(
    txn: &impl ConnectionTrait,
    scope: &Scope,
    affiliate: AffiliateId,
    recruiter: Option<AffiliateId>,
) -> Result<()> {
    let mut above = recruiter;
    while let Some(id) = above {
        if id == affiliate {
            let message = "An affiliate cannot have recruited itself, also not by way of others.";
            return Err(Error::user(UserErrorCode::Invalid, FIELD, message));
        }
        above = recruiter_of(txn, scope, id).await?;
    }
    Ok(())
}
