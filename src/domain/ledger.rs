//! The ledger, read: what affiliates earned and what was taken back, entry by entry. It is written by the projection
//! alone, see `stripe::apply`.
//!
//! An affiliate sees its own entries. Of the sale that an entry is about it sees what is its own: a recruiter's override is
//! about a sale of its recruit's, and of that it sees nothing but the campaign.

use entity::{
    conversion,
    id::{AffiliateId, ConversionId, LedgerEntryId},
    ledger_entry::{self, EntryKind},
};
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, DbErr, ExprTrait, PaginatorTrait, QueryFilter, QuerySelect, QueryTrait,
    Select, sea_query::Expr,
};

use super::{
    Domain,
    page::{self, By, Direction, Order, Page, PageArgs, Sort},
    tenancy,
};
use crate::{
    auth::{Actor, Operation, Scope},
    error::Result,
};

/// Which entries; everything that is given must hold. An id that could not be read is `Some(None)`: no row has it.
#[derive(Clone, Debug, Default)]
pub struct LedgerFilter {
    pub affiliate_id: Option<Option<AffiliateId>>,
    pub conversion_id: Option<Option<ConversionId>>,
    pub kind: Option<Vec<EntryKind>>,
}

fn filtered(scope: &Scope, filter: &LedgerFilter) -> Select<ledger_entry::Entity> {
    use ledger_entry::Column;
    // By a sale that the caller may not see, nothing is found: also not what it earned as a recruiter.
    let of_conversion = filter.conversion_id.map(|id| {
        let seen = tenancy::find::<conversion::Entity>(scope)
            .select_only()
            .column(conversion::Column::Id)
            .filter(page::is(conversion::Column::Id, id));
        Condition::all().add(Column::ConversionId.in_subquery(seen.into_query()))
    });
    tenancy::find::<ledger_entry::Entity>(scope).filter(
        Condition::all()
            .add_option(filter.affiliate_id.map(|id| page::is(Column::AffiliateId, id)))
            .add_option(of_conversion)
            .add_option(filter.kind.clone().map(|kinds| Column::Kind.is_in(kinds))),
    )
}

/// What entries can be ordered by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OrderField {
    CreatedAt,
}

/// The order that was asked for; oldest first by itself.
pub fn order(sort: Option<Sort<OrderField>>) -> Order<ledger_entry::Column> {
    let id = ledger_entry::Column::Id;
    match sort.map(|sort| sort.direction) {
        None | Some(Direction::Asc) => Order::oldest_first(id),
        Some(Direction::Desc) => Order::named("created", By::Id, id, Direction::Desc),
    }
}

/// A page of the entries that the caller may see.
pub async fn list(
    domain: &Domain,
    actor: &Actor,
    filter: &LedgerFilter,
    order: Order<ledger_entry::Column>,
    args: &PageArgs,
) -> Result<Page<ledger_entry::Model>> {
    actor.require(Operation::ReadLedger)?;
    page::fetch(domain.db.reader(), filtered(&actor.scope, filter), order, args).await
}

pub async fn count(domain: &Domain, actor: &Actor, filter: &LedgerFilter) -> Result<u64> {
    actor.require(Operation::ReadLedger)?;
    Ok(filtered(&actor.scope, filter).count(domain.db.reader()).await?)
}

pub async fn get(domain: &Domain, actor: &Actor, id: LedgerEntryId) -> Result<Option<ledger_entry::Model>> {
    actor.require(Operation::ReadLedger)?;
    let row = tenancy::find::<ledger_entry::Entity>(&actor.scope).filter(ledger_entry::Column::Id.eq(id));
    Ok(row.one(domain.db.reader()).await?)
}

/// Whether the caller may see the sale that an entry of its own is about.
pub fn shows(actor: &Actor, conversion: &conversion::Model) -> bool {
    actor.scope.affiliate.is_none_or(|own| own == conversion.affiliate_id)
}

/// What recruiters earn of some conversions that the caller has found, net of clawbacks, by currency.
pub async fn overrides(
    db: &impl ConnectionTrait,
    scope: &Scope,
    conversions: Vec<ConversionId>,
) -> Result<Vec<(ConversionId, String, i64)>, DbErr> {
    use ledger_entry::Column;
    tenancy::referenced::<ledger_entry::Entity>(scope)
        .select_only()
        .column(Column::ConversionId)
        .column(Column::Currency)
        .expr(Expr::col(Column::Amount).sum().cast_as("bigint"))
        .filter(Column::ConversionId.is_in(conversions))
        .filter(Column::Kind.is_in([EntryKind::Override, EntryKind::OverrideClawback]))
        .group_by(Column::ConversionId)
        .group_by(Column::Currency)
        .into_tuple()
        .all(db)
        .await
}
