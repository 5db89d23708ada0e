//! Figures of rows that the caller has found.

use std::{collections::HashMap, hash::Hash};

use entity::{
    affiliate_balance,
    affiliate_total::{self, ALL_TIME},
    conversion,
    id::{AffiliateId, CodeId, ConversionId, CouponId, LinkId},
    ledger_entry, link_total,
};
use sea_orm::{
    ColumnTrait, DbErr, EntityTrait, ExprTrait, QueryFilter, QueryOrder, QuerySelect, QueryTrait,
    sea_query::{Expr, SelectStatement},
};

use super::Amounts;
use crate::{
    auth::Scope,
    domain::{Domain, ledger, live_codes, tenancy},
};

pub(super) async fn balances(
    domain: Domain,
    scope: Scope,
    ids: Vec<AffiliateId>,
) -> Result<HashMap<AffiliateId, Amounts>, DbErr> {
    let rows = affiliate_balance::Entity::find()
        .filter(affiliate_balance::Column::BrandId.eq(scope.brand))
        .filter(affiliate_balance::Column::AffiliateId.is_in(ids))
        .filter(affiliate_balance::Column::Livemode.eq(scope.livemode))
        .order_by_asc(affiliate_balance::Column::Currency)
        .all(domain.db.reader())
        .await?;
    let rows = rows.into_iter().map(|row| (row.affiliate_id, row.currency, row.amount));
    Ok(amounts(rows))
}

/// What is not due yet: what waits for its time, and what an open dispute holds although its time has come.
pub(super) async fn on_hold(
    domain: Domain,
    scope: Scope,
    ids: Vec<AffiliateId>,
) -> Result<HashMap<AffiliateId, Amounts>, DbErr> {
    let (db, now) = (domain.db.reader(), domain.clock.now());
    let sums = ledger_entry::Entity::find()
        .select_only()
        .column(ledger_entry::Column::AffiliateId)
        .column(ledger_entry::Column::Currency)
        .expr(Expr::col(ledger_entry::Column::Amount).sum().cast_as("bigint"))
        .filter(ledger_entry::Column::BrandId.eq(scope.brand))
        .group_by(ledger_entry::Column::AffiliateId)
        .group_by(ledger_entry::Column::Currency);
    let waiting = sums
        .clone()
        .filter(ledger_entry::Column::AffiliateId.is_in(ids.iter().copied()))
        .filter(ledger_entry::Column::Livemode.eq(scope.livemode))
        .filter(ledger_entry::Column::AvailableAt.gt(now));
    // Everybody's: open disputes are few, while an affiliate's entries that are due may be many.
    let disputed = sums
        .filter(ledger_entry::Column::ConversionId.in_subquery(disputed(&scope)))
        .filter(ledger_entry::Column::AvailableAt.lte(now));
    let mut rows: Vec<(AffiliateId, String, i64)> = waiting.into_tuple().all(db).await?;
    rows.extend(disputed.into_tuple::<(AffiliateId, String, i64)>().all(db).await?);
    Ok(amounts(
        rows.into_iter().filter(|(affiliate, ..)| ids.contains(affiliate)),
    ))
}

/// The conversions whose dispute is open. Their status is in the statement's text, so that their partial index serves it.
fn disputed(scope: &Scope) -> SelectStatement {
    tenancy::referenced::<conversion::Entity>(scope)
        .select_only()
        .column(conversion::Column::Id)
        .filter(Expr::cust("conversion.status = 'disputed'"))
        .into_query()
}

fn amounts<K: Eq + Hash>(rows: impl IntoIterator<Item = (K, String, i64)>) -> HashMap<K, Amounts> {
    let mut amounts: HashMap<K, Amounts> = HashMap::new();
    for (key, currency, amount) in rows {
        let sums = amounts.entry(key).or_default();
        match sums.iter_mut().find(|(known, _)| *known == currency) {
            Some((_, sum)) => *sum += amount,
            None => sums.push((currency, amount)),
        }
    }
    amounts
}

pub(super) async fn overrides(
    domain: Domain,
    scope: Scope,
    ids: Vec<ConversionId>,
) -> Result<HashMap<ConversionId, Amounts>, DbErr> {
    Ok(amounts(ledger::overrides(domain.db.reader(), &scope, ids).await?))
}

pub(super) async fn redemptions(domain: Domain, scope: Scope, ids: Vec<CodeId>) -> Result<HashMap<CodeId, i64>, DbErr> {
    use affiliate_total::Column::{BrandId, CodeId as Code, Hour, Redemptions};
    let rows: Vec<(CodeId, i64)> = affiliate_total::Entity::find()
        .select_only()
        .column(Code)
        .expr(Expr::col(Redemptions).sum().cast_as("bigint"))
        .filter(BrandId.eq(scope.brand))
        .filter(Code.is_in(ids))
        .filter(Hour.eq(ALL_TIME))
        .group_by(Code)
        .into_tuple()
        .all(domain.db.reader())
        .await?;
    Ok(rows.into_iter().collect())
}

pub(super) async fn affiliate_redemptions(
    domain: Domain,
    scope: Scope,
    ids: Vec<AffiliateId>,
) -> Result<HashMap<AffiliateId, i64>, DbErr> {
    use affiliate_total::Column::{AffiliateId as Affiliate, BrandId, Hour, Livemode, Redemptions};
    let rows: Vec<(AffiliateId, i64)> = affiliate_total::Entity::find()
        .select_only()
        .column(Affiliate)
        .expr(Expr::col(Redemptions).sum().cast_as("bigint"))
        .filter(BrandId.eq(scope.brand))
        .filter(Livemode.eq(scope.livemode))
        .filter(Affiliate.is_in(ids))
        .filter(Hour.eq(ALL_TIME))
        .group_by(Affiliate)
        .into_tuple()
        .all(domain.db.reader())
        .await?;
    Ok(rows.into_iter().collect())
}

pub(super) async fn clicks(domain: Domain, scope: Scope, ids: Vec<LinkId>) -> Result<HashMap<LinkId, i64>, DbErr> {
    let rows = link_total::Entity::find()
        .filter(link_total::Column::BrandId.eq(scope.brand))
        .filter(link_total::Column::LinkId.is_in(ids))
        .all(domain.db.reader())
        .await?;
    Ok(rows.into_iter().map(|row| (row.link_id, row.clicks)).collect())
}

pub(super) async fn live_counts(
    domain: Domain,
    _: Scope,
    keys: Vec<(CouponId, Scope)>,
) -> Result<HashMap<(CouponId, Scope), i64>, DbErr> {
    let mut alike: HashMap<Scope, Vec<CouponId>> = HashMap::new();
    for (id, scope) in keys {
        alike.entry(scope).or_default().push(id);
    }
    let mut counts = HashMap::new();
    for (scope, ids) in alike {
        let found = live_codes::count(domain.db.reader(), &scope, ids).await?;
        counts.extend(found.into_iter().map(|(id, count)| ((id, scope), count)));
    }
    Ok(counts)
}
