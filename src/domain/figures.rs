//! What was sold, summed: whole hours from the totals, and the ragged edges from the rows by index. The cost grows with
//! the hours that are asked for, and not with the sales in them.
//!
//! Sales are chosen by when they occurred, and what happened to them since counts with them: a refund, a decision. Every
//! conversion that stands in the list of conversions counts, held and rejected ones too. Redemptions count for the code
//! that was used, and so for its affiliate and campaign, whoever was credited.

use std::collections::BTreeMap;

use entity::{
    affiliate_total::NO_CURRENCY,
    conversion::AttributionMethod,
    id::{AffiliateId, CampaignId, CodeId},
};
use sea_orm::{
    ConnectionTrait, FromQueryResult,
    sea_query::{Expr, ExprTrait, Order, Query, SelectStatement, SimpleExpr},
};
use uuid::Uuid;

use super::{
    Domain,
    figure_parts::{self, Parts},
    stats::{Money, Period},
};
use crate::{auth::Scope, error::Result};

/// Which sales count; all that are given must hold. `Some(None)` is an id of nothing.
#[derive(Clone, Debug, Default)]
pub struct FiguresFilter {
    pub campaign_id: Option<Option<CampaignId>>,
    pub affiliate_id: Option<Option<AffiliateId>>,
    pub code_id: Option<Option<CodeId>>,
    pub attribution_method: Option<Vec<AttributionMethod>>,
}

/// The sums of some sales.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    pub redemptions: i64,
    pub refunded_redemptions: i64,
    /// Renewals included.
    pub conversions: i64,
    pub renewals: i64,
    /// By currency.
    pub money: BTreeMap<String, Money>,
}

/// What is summed apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    Affiliate,
    Code,
    Campaign,
}

/// By what subjects are ranked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Metric {
    Redemptions,
    Conversions,
    Revenue,
    Commission,
}

#[derive(FromQueryResult)]
struct OfPeriod {
    part: i64,
    #[sea_orm(nested)]
    sums: Sums,
}

/// Nobody's where an edge is empty.
#[derive(FromQueryResult)]
struct OfSubject {
    part: Option<Uuid>,
    #[sea_orm(nested)]
    sums: Sums,
}

/// In one currency; all but that is `None` where a period is empty.
#[derive(FromQueryResult)]
struct Sums {
    currency: Option<String>,
    conversions: i64,
    renewals: i64,
    redemptions: i64,
    refunded_redemptions: i64,
    revenue: i64,
    refunded: i64,
    commission: i64,
}

#[derive(FromQueryResult)]
struct Ranked {
    part: Uuid,
    value: i64,
}

impl Figures {
    /// Adds those of another period.
    pub fn add_all(&mut self, other: &Self) {
        self.redemptions += other.redemptions;
        self.refunded_redemptions += other.refunded_redemptions;
        self.conversions += other.conversions;
        self.renewals += other.renewals;
        for (currency, of_other) in &other.money {
            let money = self.money.entry(currency.clone()).or_default();
            money.revenue += of_other.revenue;
            money.refunded += of_other.refunded;
            money.commission += of_other.commission;
        }
    }

    fn add(&mut self, sums: Sums) {
        let Some(currency) = sums.currency else { return };
        self.redemptions += sums.redemptions;
        self.refunded_redemptions += sums.refunded_redemptions;
        self.conversions += sums.conversions;
        self.renewals += sums.renewals;
        if currency != NO_CURRENCY {
            let money = self.money.entry(currency).or_default();
            money.revenue += sums.revenue;
            money.refunded += sums.refunded;
            money.commission += sums.commission;
        }
    }
}

/// The figures of each period, in order, with one and the same statement for any number of them. Each has an entry for
/// each currency that any of them has.
pub async fn of_periods(
    domain: &Domain,
    scope: &Scope,
    filter: &FiguresFilter,
    periods: &[Period],
) -> Result<Vec<Figures>> {
    let mut figures = vec![Figures::default(); periods.len()];
    let Some(parts) = Parts::of_periods(scope, filter, periods) else {
        return Ok(figures);
    };
    let db = domain.db.reader();
    let sums = sums(parts.union());
    for row in OfPeriod::find_by_statement(db.get_database_backend().build(&sums))
        .all(db)
        .await?
    {
        let place = usize::try_from(row.part).ok();
        if let Some(figures) = place.and_then(|place| figures.get_mut(place)) {
            figures.add(row.sums);
        }
    }
    level(&mut figures);
    Ok(figures)
}

/// So that the lines of a chart do not break where nothing was sold.
fn level(figures: &mut [Figures]) {
    let of_all: Vec<String> = figures.iter().flat_map(|it| it.money.keys().cloned()).collect();
    for figures in figures {
        for currency in &of_all {
            figures.money.entry(currency.clone()).or_default();
        }
    }
}

/// The first subjects of a period by a metric, with it, the largest first, and by id where it is the same. Money is that
/// of one currency. Those that have none of it are not among them.
pub async fn ranked(
    domain: &Domain,
    scope: &Scope,
    filter: &FiguresFilter,
    period: Period,
    (by, metric, currency): (By, Metric, Option<&str>),
    first: u64,
) -> Result<Vec<(Uuid, i64)>> {
    let Some(parts) = Parts::of_subjects(scope, filter, period, by, None) else {
        return Ok(Vec::new());
    };
    let value = sum(match metric {
        Metric::Redemptions => "redemptions",
        Metric::Conversions => "conversions",
        Metric::Revenue => "revenue",
        Metric::Commission => "commission",
    });
    let mut ranked = Query::select();
    ranked
        .expr_as(Expr::col("part"), "part")
        .expr_as(value.clone(), "value")
        .from_subquery(parts.union(), "pieces")
        .group_by_col("part")
        .and_having(value.clone().gt(0))
        .order_by_expr(value, Order::Desc)
        .order_by("part", Order::Asc)
        .limit(first);
    if let Some(currency) = currency {
        ranked.and_where(Expr::col("currency").eq(currency));
    }
    let db = domain.db.reader();
    let rows = Ranked::find_by_statement(db.get_database_backend().build(&ranked))
        .all(db)
        .await?;
    Ok(rows.into_iter().map(|row| (row.part, row.value)).collect())
}

/// The figures of some subjects in a period.
pub async fn of_subjects(
    domain: &Domain,
    scope: &Scope,
    filter: &FiguresFilter,
    period: Period,
    by: By,
    ids: &[Uuid],
) -> Result<BTreeMap<Uuid, Figures>> {
    let mut figures: BTreeMap<Uuid, Figures> = BTreeMap::new();
    let parts = Parts::of_subjects(scope, filter, period, by, Some(ids));
    let Some(parts) = parts.filter(|_| !ids.is_empty()) else {
        return Ok(figures);
    };
    let db = domain.db.reader();
    let sums = sums(parts.union());
    for row in OfSubject::find_by_statement(db.get_database_backend().build(&sums))
        .all(db)
        .await?
    {
        if let Some(subject) = row.part {
            figures.entry(subject).or_default().add(row.sums);
        }
    }
    Ok(figures)
}

/// A sum as a 64-bit integer; PostgreSQL sums to a decimal otherwise. Of nothing it is zero.
fn sum(column: &'static str) -> SimpleExpr {
    Expr::col(column).sum().if_null(0).cast_as("bigint")
}

fn sums(pieces: SelectStatement) -> SelectStatement {
    let mut sums = Query::select();
    sums.columns(["part", "currency"]);
    for column in figure_parts::SUMS {
        sums.expr_as(sum(column), column);
    }
    sums.from_subquery(pieces, "pieces")
        .group_by_columns(["part", "currency"]);
    sums
}
