//! Conversions, read. They are written by the projection alone, see `stripe::apply`.

use chrono::{DateTime, Utc};
use entity::{
    conversion::{self, AttributionMethod, ConversionKind, ConversionStatus},
    id::{AffiliateId, CampaignId, CodeId, ConversionId},
};
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, ExprTrait, PaginatorTrait, QueryFilter, Select,
    sea_query::{Expr, SimpleExpr},
};
use serde::Serialize;

use super::{
    Domain,
    attribution::Step,
    code_text,
    page::{self, By, Direction, Order, Page, PageArgs, Sort},
    reports, tenancy,
};
use crate::{
    auth::{Actor, Operation, Scope},
    error::Result,
};

/// How a conversion stands for a reader, the clock included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Its hold runs.
    Pending,
    /// Its commission is due.
    Approved,
    /// It earns nothing until a manager approves it.
    Held,
    /// A part of it was refunded.
    PartiallyRefunded,
    /// All of it was refunded, or its dispute was lost.
    Refunded,
    /// Its dispute is open.
    Disputed,
    /// A manager refused it.
    Rejected,
}

/// How a conversion stands at a moment.
pub fn status(row: &conversion::Model, now: DateTime<Utc>) -> Status {
    match row.status {
        ConversionStatus::Standing if now < row.hold_until => Status::Pending,
        ConversionStatus::Standing => Status::Approved,
        ConversionStatus::Held => Status::Held,
        ConversionStatus::PartiallyRefunded => Status::PartiallyRefunded,
        ConversionStatus::Refunded => Status::Refunded,
        ConversionStatus::Disputed => Status::Disputed,
        ConversionStatus::Rejected => Status::Rejected,
    }
}

/// The same as a condition.
fn has_status(status: Status, now: DateTime<Utc>) -> Condition {
    use conversion::Column;
    let stored = |status: ConversionStatus| Condition::all().add(Column::Status.eq(status));
    match status {
        Status::Pending => stored(ConversionStatus::Standing).add(Column::HoldUntil.gt(now)),
        Status::Approved => stored(ConversionStatus::Standing).add(Column::HoldUntil.lte(now)),
        Status::Held => stored(ConversionStatus::Held),
        Status::PartiallyRefunded => stored(ConversionStatus::PartiallyRefunded),
        Status::Refunded => stored(ConversionStatus::Refunded),
        Status::Disputed => stored(ConversionStatus::Disputed),
        Status::Rejected => stored(ConversionStatus::Rejected),
    }
}

/// Which conversions; everything that is given must hold. An id that could not be read is `Some(None)`: no row has it.
#[derive(Clone, Debug, Default)]
pub struct ConversionFilter {
    pub attribution_method: Option<Vec<AttributionMethod>>,
    pub status: Option<Vec<Status>>,
    pub kind: Option<Vec<ConversionKind>>,
    pub campaign_id: Option<Option<CampaignId>>,
    pub affiliate_id: Option<Option<AffiliateId>>,
    pub code_id: Option<Option<CodeId>>,
    /// Any case.
    pub coupon_code: Option<String>,
    pub occurred_from: Option<DateTime<Utc>>,
    pub occurred_before: Option<DateTime<Utc>>,
}

impl ConversionFilter {
    fn condition(&self, scope: &Scope, now: DateTime<Utc>) -> Condition {
        use conversion::Column;
        let by_code = self.code_id.is_some() || self.coupon_code.is_some();
        let told_own = by_code && scope.affiliate.is_some();
        Condition::all()
            .add_option(told_own.then(|| Column::CodeIsOwn.eq(true)))
            .add_option(
                self.attribution_method
                    .clone()
                    .map(|set| Column::AttributionMethod.is_in(set)),
            )
            .add_option(self.status.as_ref().map(|set| {
                let any = set.iter().map(|status| has_status(*status, now));
                any.fold(Condition::any().add(SimpleExpr::from(false)), Condition::add)
            }))
            .add_option(self.kind.clone().map(|set| Column::Kind.is_in(set)))
            .add_option(self.campaign_id.map(|id| page::is(Column::CampaignId, id)))
            .add_option(self.affiliate_id.map(|id| page::is(Column::AffiliateId, id)))
            .add_option(self.code_id.map(|id| page::is(Column::CodeId, id)))
            .add_option(
                self.coupon_code
                    .as_ref()
                    .map(|code| page::is(Column::CouponCode, code_text::normalized(code))),
            )
            .add_option(self.occurred_from.map(|from| Column::OccurredAt.gte(from)))
            .add_option(self.occurred_before.map(|before| Column::OccurredAt.lt(before)))
    }

    /// The same on a row at hand: what a subscription filters by.
    pub fn matches(&self, row: &conversion::Model, scope: &Scope, now: DateTime<Utc>) -> bool {
        fn holds<T>(given: Option<T>, test: impl FnOnce(T) -> bool) -> bool {
            given.is_none_or(test)
        }
        holds(self.attribution_method.as_ref(), |set| {
            set.contains(&row.attribution_method)
        }) && holds(self.status.as_ref(), |set| set.contains(&status(row, now)))
            && holds(self.kind.as_ref(), |set| set.contains(&row.kind))
            && holds(self.campaign_id, |id| id == Some(row.campaign_id))
            && holds(self.affiliate_id, |id| id == Some(row.affiliate_id))
            && holds(self.code_id, |id| id.is_some() && id == code_id(row, scope))
            && holds(self.coupon_code.as_ref(), |code| {
                let code = code_text::normalized(code);
                code.is_some() && coupon_code(row, scope) == code.as_deref()
            })
            && holds(self.occurred_from, |from| row.occurred_at >= from)
            && holds(self.occurred_before, |before| row.occurred_at < before)
    }

    /// # Errors
    /// `BAD_USER_INPUT` for a time that no sale can have, and for a range that ends before it begins.
    pub fn check(&self) -> Result<()> {
        page::moment("occurredFrom", self.occurred_from)?;
        page::moment("occurredBefore", self.occurred_before)?;
        page::range(
            "occurredFrom",
            self.occurred_from,
            "occurredBefore",
            self.occurred_before,
        )
    }
}

fn filtered(scope: &Scope, filter: &ConversionFilter, now: DateTime<Utc>) -> Select<conversion::Entity> {
    tenancy::find::<conversion::Entity>(scope)
        .filter(conversion::Column::MergedInto.is_null())
        .filter(filter.condition(scope, now))
}

/// What conversions can be ordered by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OrderField {
    OccurredAt,
}

/// The order that was asked for; the newest sale first by itself.
pub fn order(sort: Option<Sort<OrderField>>) -> Order<conversion::Column> {
    let (at, id) = (conversion::Column::OccurredAt, conversion::Column::Id);
    match sort {
        None
        | Some(Sort {
            field: OrderField::OccurredAt,
            direction: Direction::Desc,
        }) => Order::newest_first(at, id),
        Some(Sort {
            field: OrderField::OccurredAt,
            direction,
        }) => Order::named("occurred", By::Time(at), id, direction),
    }
}

/// A page of the conversions that the caller may see.
pub async fn list(
    domain: &Domain,
    actor: &Actor,
    filter: &ConversionFilter,
    order: Order<conversion::Column>,
    args: &PageArgs,
) -> Result<Page<conversion::Model>> {
    actor.require(Operation::ReadConversions)?;
    filter.check()?;
    let rows = filtered(&actor.scope, filter, domain.clock.now());
    page::fetch(domain.db.reader(), rows, order, args).await
}

pub async fn count(domain: &Domain, actor: &Actor, filter: &ConversionFilter) -> Result<u64> {
    actor.require(Operation::ReadConversions)?;
    filter.check()?;
    let rows = filtered(&actor.scope, filter, domain.clock.now());
    Ok(rows.count(domain.db.reader()).await?)
}

/// A conversion; the id of one that turned out to be another's gives that other one.
pub async fn get(domain: &Domain, actor: &Actor, id: ConversionId) -> Result<Option<conversion::Model>> {
    actor.require(Operation::ReadConversions)?;
    current(domain.db.reader(), &actor.scope, id).await
}

/// The same for who asked already whether it may.
pub(super) async fn current(
    db: &impl ConnectionTrait,
    scope: &Scope,
    id: ConversionId,
) -> Result<Option<conversion::Model>> {
    let mut row = by_id(db, scope, id).await?;
    // That one may have turned out to be a third one's: each leads to one that is older.
    while let Some(older) = row.as_ref().and_then(conversion::Model::leads_to) {
        row = by_id(db, scope, older).await?;
    }
    Ok(row)
}

/// Those that stand, and those that nobody is credited for any more.
pub fn not_joined() -> SimpleExpr {
    conversion::Column::MergedInto
        .is_null()
        .or(Expr::col(conversion::Column::MergedInto).eq(Expr::col(conversion::Column::Id)))
}

async fn by_id(db: &impl ConnectionTrait, scope: &Scope, id: ConversionId) -> Result<Option<conversion::Model>> {
    let rows = tenancy::find::<conversion::Entity>(scope).filter(conversion::Column::Id.eq(id));
    Ok(rows.one(db).await?)
}

/// Whether the caller may know which code was redeemed: another affiliate's is not an affiliate's to know.
fn knows_code(row: &conversion::Model, scope: &Scope) -> bool {
    scope.affiliate.is_none() || row.code_is_own
}

/// The redeemed code, as far as the caller may know it.
pub fn code_id(row: &conversion::Model, scope: &Scope) -> Option<CodeId> {
    row.code_id.filter(|_| knows_code(row, scope))
}

/// The same, as typed at checkout.
pub fn coupon_code<'a>(row: &'a conversion::Model, scope: &Scope) -> Option<&'a str> {
    row.coupon_code.as_deref().filter(|_| knows_code(row, scope))
}

/// What a dashboard's Source column shows.
pub fn source(row: &conversion::Model, scope: &Scope) -> String {
    match (row.attribution_method, coupon_code(row, scope)) {
        (AttributionMethod::Coupon, Some(code)) => format!("Coupon · {code}"),
        (AttributionMethod::Coupon, None) => "Coupon".to_owned(),
        (AttributionMethod::Link, _) => "Link".to_owned(),
        (AttributionMethod::S2s, _) => "S2S".to_owned(),
    }
}

/// Why it is credited as it is; an affiliate is told nothing of others.
pub fn trail(row: &conversion::Model, scope: &Scope) -> Result<Vec<Step>> {
    let steps: Vec<Step> = serde_json::from_str(&row.attribution_trail)?;
    Ok(match scope.affiliate {
        Some(own) => steps.into_iter().filter_map(|step| step.told_to(own)).collect(),
        None => steps,
    })
}

/// What the brand's own server calls the sale, if it reported it.
pub fn external_id(row: &conversion::Model) -> Option<&str> {
    row.part.strip_prefix(reports::PREFIX)
}

/// The customer's e-mail; an affiliate is shown enough of it to tell two customers apart, and no more.
pub fn customer_email(row: &conversion::Model, actor: &Actor) -> Option<String> {
    let email = row.customer_email.as_deref()?;
    Some(if actor.scope.affiliate.is_some() {
        masked(email)
    } else {
        email.to_owned()
    })
}

/// `jane@shop.example.com` becomes `j***@s***.com`.
fn masked(email: &str) -> String {
    let (local, host) = email.split_once('@').unwrap_or((email, ""));
    let (name, top) = host.rsplit_once('.').unwrap_or((host, ""));
    let first = |text: &str| text.chars().next().map(String::from).unwrap_or_default();
    let dot = if top.is_empty() { "" } else { "." };
    format!("{}***@{}***{dot}{top}", first(local), first(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_masked_address_shows_two_letters_and_the_top_level() {
        assert_eq!(masked("jane@shop.example.com"), "j***@s***.com");
        assert_eq!(masked("j@x"), "j***@x***");
        assert_eq!(masked("nobody"), "n***@***");
        assert_eq!(masked("éva@müller.example"), "é***@m***.example");
    }
}
