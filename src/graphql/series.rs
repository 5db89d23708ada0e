//! Time series, and periods beside the ones before.

use std::collections::BTreeSet;

use async_graphql::{Enum, Object, SimpleObject};
use chrono::{DateTime, Utc};

use super::{figures::SalesFigures, scalars::Long};
use crate::domain::{
    calendar::{self, Bucket, Stretch},
    figures::Figures,
    series::{self, Comparison, Series},
    stats::Money,
};

/// How long a bucket of a time series is, in the brand's time zone.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "calendar::Interval")]
pub enum SeriesInterval {
    /// From midnight to midnight: 23 or 25 hours where the clocks change.
    Day,
    /// From Monday to Sunday, as in ISO 8601.
    Week,
    /// From the first to the last of a month.
    Month,
}

/// Sales by day, week or month.
pub struct SalesSeries(pub Series);

/// Sales by day, week or month.
#[Object]
impl SalesSeries {
    /// The brand's time zone, by its IANA name.
    async fn time_zone(&self) -> &'static str {
        self.0.zone.name()
    }

    /// Where the range starts, inclusive.
    async fn start(&self) -> DateTime<Utc> {
        self.0.range.start
    }

    /// Where it ends, exclusive.
    async fn end(&self) -> DateTime<Utc> {
        self.0.range.end
    }

    /// Oldest first, without gaps, also where nothing was sold. Each has a sum for each currency of the whole range.
    async fn buckets(&self) -> Vec<SalesBucket> {
        let buckets = self.0.buckets.iter();
        buckets
            .map(|(bucket, figures)| SalesBucket::new(bucket, figures.clone()))
            .collect()
    }

    /// Of the whole range: the sum of the buckets.
    async fn total(&self) -> SalesFigures {
        SalesFigures(self.0.total.clone())
    }
}

/// A day, a week or a month, as far as it is within the range.
#[derive(SimpleObject)]
pub struct SalesBucket {
    /// Its first date in the brand's time zone, as `2026-11-01`; of the first bucket it may be before the range.
    date: String,
    /// Inclusive.
    start: DateTime<Utc>,
    /// Exclusive.
    end: DateTime<Utc>,
    /// Of the sales in it.
    figures: SalesFigures,
}

impl SalesBucket {
    fn new(bucket: &Bucket, figures: Figures) -> Self {
        Self {
            date: bucket.date.to_string(),
            start: bucket.within.start,
            end: bucket.within.end,
            figures: SalesFigures(figures),
        }
    }
}

/// A range beside the one of the same length right before.
pub struct SalesComparison(pub Comparison);

/// A range beside the one of the same length right before.
#[Object]
impl SalesComparison {
    /// The brand's time zone, by its IANA name.
    async fn time_zone(&self) -> &'static str {
        self.0.zone.name()
    }

    /// The range that was asked for.
    async fn current(&self) -> SalesPeriod {
        SalesPeriod::new(&self.0.current)
    }

    /// The one before: of whole months in the brand's time zone as many months, of whole days as many days, of anything
    /// else as many seconds.
    async fn previous(&self) -> SalesPeriod {
        SalesPeriod::new(&self.0.previous)
    }

    /// From the previous range to the current one.
    async fn change(&self) -> SalesChange {
        SalesChange::new(&self.0.current.1, &self.0.previous.1)
    }
}

/// A stretch of time and its sales.
#[derive(SimpleObject)]
pub struct SalesPeriod {
    /// Inclusive.
    start: DateTime<Utc>,
    /// Exclusive.
    end: DateTime<Utc>,
    /// Of the sales in it.
    figures: SalesFigures,
}

impl SalesPeriod {
    fn new((within, figures): &(Stretch, Figures)) -> Self {
        Self {
            start: within.start,
            end: within.end,
            figures: SalesFigures(figures.clone()),
        }
    }
}

/// By how much each figure changed, in basis points of what it was before: 150 is 1.5 % more. Null where it was zero.
#[derive(SimpleObject)]
pub struct SalesChange {
    /// Basis points.
    redemptions: Option<Long>,
    /// Basis points.
    refunded_redemptions: Option<Long>,
    /// Basis points.
    conversions: Option<Long>,
    /// Basis points.
    renewals: Option<Long>,
    /// By currency.
    revenue: Vec<MoneyChange>,
    /// By currency.
    refunded: Vec<MoneyChange>,
    /// By currency.
    commission: Vec<MoneyChange>,
}

/// By how much a sum of money changed.
#[derive(SimpleObject)]
pub struct MoneyChange {
    /// ISO 4217, upper case.
    currency: String,
    /// Of what it was before: 150 is 1.5 % more. Null where it was zero.
    basis_points: Option<Long>,
}

impl SalesChange {
    fn new(current: &Figures, previous: &Figures) -> Self {
        let change = |of: fn(&Figures) -> i64| series::change(of(current), of(previous)).map(Long);
        let currencies: BTreeSet<&String> = current.money.keys().chain(previous.money.keys()).collect();
        let money = |of: fn(&Money) -> i64| {
            let sum = |figures: &Figures, currency: &String| figures.money.get(currency).map_or(0, of);
            let change = |currency: &String| MoneyChange {
                currency: currency.clone(),
                basis_points: series::change(sum(current, currency), sum(previous, currency)).map(Long),
            };
            currencies.iter().map(|currency| change(currency)).collect()
        };
        Self {
            redemptions: change(|it| it.redemptions),
            refunded_redemptions: change(|it| it.refunded_redemptions),
            conversions: change(|it| it.conversions),
            renewals: change(|it| it.renewals),
            revenue: money(|it| it.revenue),
            refunded: money(|it| it.refunded),
            commission: money(|it| it.commission),
        }
    }
}
