//! Per-code figures, from the totals: the same cost with ten conversions and with ten million.
//!
//! A range reads the whole hours from the totals, and the ragged edges from the rows themselves by index, so that any
//! instant comes out exact. Sales are chosen by when they occurred; refunds count with their sale.

use std::{collections::BTreeMap, ops::Range};

use chrono::{DateTime, Utc};
use entity::{
    affiliate_total::{self, ALL_TIME, NO_CURRENCY},
    code,
    conversion::{self, AttributionMethod, ConversionKind},
    id::CodeId,
    redemption,
};
use sea_orm::{
    ColumnTrait, Condition, EntityTrait, ExprTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect, QueryTrait,
    Select,
    sea_query::{Expr, SimpleExpr, SubQueryStatement},
};

use super::{
    Domain,
    codes::{self, CodeFilter},
    feed::FeedName,
    page::{self, Order, Page, PageArgs},
    tenancy,
};
use crate::{
    auth::{Actor, Operation, Scope},
    error::Result,
};

const HOUR: i64 = 3600;

/// Which sales count: from (inclusive) and before (exclusive).
#[derive(Clone, Copy, Debug, Default)]
pub struct Period {
    pub from: Option<DateTime<Utc>>,
    pub before: Option<DateTime<Utc>>,
}

impl Period {
    /// # Errors
    /// `BAD_USER_INPUT` for a time that no sale can have, and for a period that ends before it begins.
    fn check(&self) -> Result<()> {
        page::moment("from", self.from)?;
        page::moment("before", self.before)?;
        page::range("from", self.from, "before", self.before)
    }
}

/// A code with its figures.
#[derive(Clone, Debug)]
pub struct CodeStats {
    pub code: code::Model,
    pub redemptions: i64,
    pub refunded_redemptions: i64,
    pub renewals: i64,
    /// By currency.
    pub money: BTreeMap<String, Money>,
    pub last_redeemed_at: Option<DateTime<Utc>>,
}

/// Minor units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Money {
    pub revenue: i64,
    pub refunded: i64,
    pub commission: i64,
}

/// The codes of a page: of deleted ones those that have figures in the period, so that no sum loses money.
fn counted(scope: &Scope, filter: &CodeFilter, period: Period) -> Select<code::Entity> {
    let id = (code::Entity, code::Column::Id);
    let redeemed =
        redemption::Entity::find().filter(Expr::col((redemption::Entity, redemption::Column::CodeId)).equals(id));
    let sold = conversion::Entity::find()
        .filter(conversion::Column::MergedInto.is_null())
        .filter(Expr::col((conversion::Entity, conversion::Column::CodeId)).equals(id));
    let redeemed = within(redeemed, redemption::Column::OccurredAt, period);
    let sold = within(sold, conversion::Column::OccurredAt, period);
    let shown = Condition::any()
        .add(code::Column::DeletedAt.is_null())
        .add(Expr::exists(redeemed.into_query()))
        .add(Expr::exists(sold.into_query()));
    codes::filtered(scope, filter).filter(shown)
}

/// A page of codes with their figures, those never used included; deleted ones only where they have some.
pub async fn list(
    domain: &Domain,
    actor: &Actor,
    filter: &CodeFilter,
    period: Period,
    order: Order<code::Column>,
    args: &PageArgs,
) -> Result<Page<CodeStats>> {
    actor.require(Operation::ReadStats)?;
    period.check()?;
    let page = page::fetch(domain.db.reader(), counted(&actor.scope, filter, period), order, args).await?;
    let stats = figures(domain, page.rows, period).await?;
    Ok(Page {
        rows: stats,
        has_previous: page.has_previous,
        has_next: page.has_next,
    })
}

/// The figures of all time of some of a feed's codes.
pub async fn of_codes(domain: &Domain, feed: FeedName, codes: &[CodeId]) -> Result<Vec<CodeStats>> {
    let scope = Scope {
        brand: feed.brand,
        livemode: feed.livemode,
        affiliate: None,
    };
    let rows = tenancy::find::<code::Entity>(&scope).filter(code::Column::Id.is_in(codes.iter().copied()));
    let rows = rows.all(domain.db.reader()).await?;
    figures(domain, rows, Period::default()).await
}

/// The figures of codes that were found.
async fn figures(domain: &Domain, codes: Vec<code::Model>, period: Period) -> Result<Vec<CodeStats>> {
    let mut stats: Vec<CodeStats> = codes.into_iter().map(CodeStats::unused).collect();
    let mut by_code: BTreeMap<CodeId, &mut CodeStats> = stats.iter_mut().map(|row| (row.code.id, row)).collect();
    let codes: Vec<CodeId> = by_code.keys().copied().collect();
    if !codes.is_empty() {
        let reader = Reader { domain, codes };
        let (hours, edges) = split(period);
        reader.totals(hours, &mut by_code).await?;
        for edge in edges {
            reader.rows(edge, &mut by_code).await?;
        }
        reader.last_redeemed(period, &mut by_code).await?;
    }
    Ok(stats)
}

pub async fn count(domain: &Domain, actor: &Actor, filter: &CodeFilter, period: Period) -> Result<u64> {
    actor.require(Operation::ReadStats)?;
    period.check()?;
    Ok(counted(&actor.scope, filter, period).count(domain.db.reader()).await?)
}

impl CodeStats {
    fn unused(code: code::Model) -> Self {
        Self {
            code,
            redemptions: 0,
            refunded_redemptions: 0,
            renewals: 0,
            money: BTreeMap::new(),
            last_redeemed_at: None,
        }
    }

    fn add_money(&mut self, currency: String, revenue: i64, refunded: i64, commission: i64) {
        if currency == NO_CURRENCY {
            return;
        }
        let money = self.money.entry(currency).or_default();
        money.revenue += revenue;
        money.refunded += refunded;
        money.commission += commission;
    }
}

/// The code that a conversion counts for: the one by which its affiliate is credited.
pub fn credited_code(row: &conversion::Model) -> Option<CodeId> {
    let by_code = row.attribution_method == AttributionMethod::Coupon && row.code_is_own;
    row.code_id.filter(|_| by_code)
}

/// The hour that a moment is in, since 1970.
pub fn hour(at: DateTime<Utc>) -> i64 {
    at.timestamp().div_euclid(HOUR)
}

/// Which totals to read, and which stretches of time from the rows.
pub(super) fn split(period: Period) -> (Option<Range<i64>>, Vec<Period>) {
    if period.from.is_none() && period.before.is_none() {
        return (Some(ALL_TIME..ALL_TIME + 1), Vec::new());
    }
    let start_of = |hour: i64| DateTime::from_timestamp(hour * HOUR, 0);
    let first = period.from.map_or(0, |from| {
        let hour = hour(from);
        let whole = if start_of(hour) == Some(from) { hour } else { hour + 1 };
        // Before 1970 there are no whole hours: the number of the last one is that of the sum of all.
        if whole < 0 { 0 } else { whole }
    });
    let end = period.before.map_or(i64::MAX, hour);
    if first > end {
        return (None, vec![period]);
    }
    let edge = |from, before| Period { from, before };
    let lead = period
        .from
        .filter(|from| Some(*from) != start_of(first))
        .map(|from| edge(Some(from), start_of(first)));
    let tail = period
        .before
        .filter(|before| Some(*before) != start_of(end))
        .map(|before| edge(start_of(end), Some(before)));
    (Some(first..end), lead.into_iter().chain(tail).collect())
}

type ByCode<'a> = BTreeMap<CodeId, &'a mut CodeStats>;

struct Reader<'a> {
    domain: &'a Domain,
    codes: Vec<CodeId>,
}

/// A sum as a 64-bit integer; PostgreSQL sums to a decimal otherwise.
fn sum(column: impl ColumnTrait) -> SimpleExpr {
    Expr::col(column).sum().cast_as("bigint")
}

impl Reader<'_> {
    async fn totals(&self, hours: Option<Range<i64>>, stats: &mut ByCode<'_>) -> Result<()> {
        use affiliate_total::Column::{
            CodeId as Code, Commission, Currency, Hour, Redemptions, Refunded, RefundedRedemptions, Renewals, Revenue,
        };
        let Some(hours) = hours else { return Ok(()) };
        let mut sums = affiliate_total::Entity::find()
            .select_only()
            .columns([Code, Currency])
            .filter(Code.is_in(self.codes.iter().copied()))
            .filter(Hour.gte(hours.start))
            .filter(Hour.lt(hours.end))
            .group_by(Code)
            .group_by(Currency);
        for column in [
            Redemptions,
            RefundedRedemptions,
            Renewals,
            Revenue,
            Refunded,
            Commission,
        ] {
            sums = sums.expr(sum(column));
        }
        let rows = sums.into_tuple().all(self.domain.db.reader()).await?;
        for (code, currency, redemptions, refunded_redemptions, renewals, revenue, refunded, commission) in rows {
            let code: CodeId = code;
            let Some(row) = stats.get_mut(&code) else { continue };
            let counts: [i64; 3] = [redemptions, refunded_redemptions, renewals];
            row.redemptions += counts[0];
            row.refunded_redemptions += counts[1];
            row.renewals += counts[2];
            row.add_money(currency, revenue, refunded, commission);
        }
        Ok(())
    }

    /// The edges: at most an hour of rows each, or a range within one hour.
    async fn rows(&self, edge: Period, stats: &mut ByCode<'_>) -> Result<()> {
        let redemptions =
            redemption::Entity::find().filter(redemption::Column::CodeId.is_in(self.codes.iter().copied()));
        let redemptions = within(redemptions, redemption::Column::OccurredAt, edge);
        for row in redemptions.all(self.domain.db.reader()).await? {
            if let Some(stats) = stats.get_mut(&row.code_id) {
                *(if row.refunded {
                    &mut stats.refunded_redemptions
                } else {
                    &mut stats.redemptions
                }) += 1;
            }
        }
        let conversions = conversion::Entity::find()
            .filter(conversion::Column::CodeId.is_in(self.codes.iter().copied()))
            .filter(conversion::Column::MergedInto.is_null());
        let conversions = within(conversions, conversion::Column::OccurredAt, edge);
        for row in conversions.all(self.domain.db.reader()).await? {
            let Some(stats) = credited_code(&row).and_then(|code| stats.get_mut(&code)) else {
                continue;
            };
            stats.renewals += i64::from(row.kind == ConversionKind::Renewal);
            stats.add_money(row.currency, row.amount, row.refunded_amount, 0);
            stats.add_money(row.commission_currency, 0, 0, row.commission);
        }
        Ok(())
    }

    /// A look at the end of an index for each code.
    async fn last_redeemed(&self, period: Period, stats: &mut ByCode<'_>) -> Result<()> {
        let last = redemption::Entity::find()
            .select_only()
            .expr(Expr::col((redemption::Entity, redemption::Column::OccurredAt)).max())
            .filter(
                Expr::col((redemption::Entity, redemption::Column::CodeId)).equals((code::Entity, code::Column::Id)),
            );
        let last = within(last, redemption::Column::OccurredAt, period).into_query();
        let rows: Vec<(CodeId, Option<DateTime<Utc>>)> = code::Entity::find()
            .select_only()
            .column(code::Column::Id)
            .expr(SimpleExpr::SubQuery(
                None,
                Box::new(SubQueryStatement::SelectStatement(last)),
            ))
            .filter(code::Column::Id.is_in(self.codes.iter().copied()))
            .order_by_asc(code::Column::Id)
            .into_tuple()
            .all(self.domain.db.reader())
            .await?;
        for (code, at) in rows {
            if let Some(row) = stats.get_mut(&code) {
                row.last_redeemed_at = at;
            }
        }
        Ok(())
    }
}

fn within<E: EntityTrait>(rows: Select<E>, column: E::Column, period: Period) -> Select<E> {
    let rows = match period.from {
        Some(from) => rows.filter(column.gte(from)),
        None => rows,
    };
    match period.before {
        Some(before) => rows.filter(column.lt(before)),
        None => rows,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Option<DateTime<Utc>> {
        DateTime::from_timestamp(seconds, 0)
    }

    type Edges = Vec<(Option<i64>, Option<i64>)>;

    fn parts(from: Option<i64>, before: Option<i64>) -> (Option<Range<i64>>, Edges) {
        let period = Period {
            from: from.and_then(at),
            before: before.and_then(at),
        };
        let (hours, edges) = split(period);
        let seconds = |at: Option<DateTime<Utc>>| at.map(|at| at.timestamp());
        let edges = edges.into_iter().map(|edge| (seconds(edge.from), seconds(edge.before)));
        (hours, edges.collect())
    }

    #[test]
    fn a_range_is_whole_hours_and_ragged_edges() {
        assert_eq!(parts(None, None), (Some(ALL_TIME..0), vec![]));
        assert_eq!(parts(Some(7200), Some(14_400)), (Some(2..4), vec![]));
        assert_eq!(
            parts(Some(7201), Some(14_401)),
            (
                Some(3..4),
                vec![(Some(7201), Some(10_800)), (Some(14_400), Some(14_401))]
            )
        );
        assert_eq!(parts(Some(7201), Some(7300)), (None, vec![(Some(7201), Some(7300))]));
        assert_eq!(
            parts(Some(7201), None),
            (Some(3..i64::MAX), vec![(Some(7201), Some(10_800))])
        );
        assert_eq!(parts(None, Some(7201)), (Some(0..2), vec![(Some(7200), Some(7201))]));
        assert_eq!(parts(Some(7200), Some(7200)), (Some(2..2), vec![]));
    }
}
