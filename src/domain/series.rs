//! What dashboards draw: figures by day, week or month in the brand's time zone, and beside those of the period before.

use chrono::{DateTime, Days, TimeDelta, Utc};
use chrono_tz::Tz;
use entity::{brand, id::BrandId};
use sea_orm::EntityTrait;

use super::{
    Domain,
    calendar::{self, Bucket, Interval, Stretch},
    figures::{self, Figures, FiguresFilter},
    page,
    stats::Period,
};
use crate::{
    auth::{Actor, Operation},
    error::{Error, Result},
};

/// More than a year of days.
pub const MAX_BUCKETS: usize = 400;

/// How many days are told where no range is given, today included.
const DAYS: u64 = 30;

/// Figures by bucket.
#[derive(Clone, Debug)]
pub struct Series {
    pub zone: Tz,
    pub range: Stretch,
    pub buckets: Vec<(Bucket, Figures)>,
    /// Of the whole range, which is the sum of the buckets.
    pub total: Figures,
}

/// Figures of a range and of the one before.
#[derive(Clone, Debug)]
pub struct Comparison {
    pub zone: Tz,
    pub current: (Stretch, Figures),
    pub previous: (Stretch, Figures),
}

/// Reads figures by interval.
///
/// # Errors
/// `BAD_USER_INPUT` for a range of more than [`MAX_BUCKETS`].
pub async fn series(
    domain: &Domain,
    actor: &Actor,
    interval: Interval,
    range: Period,
    filter: &FiguresFilter,
) -> Result<Series> {
    actor.require(Operation::ReadStats)?;
    let zone = zone_of(domain, actor.scope.brand).await?;
    let range = resolve(zone, domain.clock.now(), range)?;
    let buckets = calendar::buckets(zone, interval, range, MAX_BUCKETS).ok_or_else(|| {
        let message = "range must come to at most 400 buckets: give a shorter one, or a longer interval.";
        Error::BadUserInput(message.into())
    })?;
    let mut periods: Vec<Period> = buckets.iter().map(|bucket| bucket.within.into()).collect();
    periods.retain(|period| period.from < period.before);
    let figures = figures::of_periods(domain, &actor.scope, filter, &periods).await?;
    let mut total = Figures::default();
    for figures in &figures {
        total.add_all(figures);
    }
    Ok(Series {
        zone,
        range,
        buckets: buckets.into_iter().zip(figures).collect(),
        total,
    })
}

/// Reads the figures of a range, and those of the range of the same length right before.
///
/// # Errors
/// `BAD_USER_INPUT` for a range that is empty.
pub async fn comparison(domain: &Domain, actor: &Actor, range: Period, filter: &FiguresFilter) -> Result<Comparison> {
    actor.require(Operation::ReadStats)?;
    let zone = zone_of(domain, actor.scope.brand).await?;
    let current = resolve(zone, domain.clock.now(), range)?;
    let empty = || Error::BadUserInput("range.before must be later than range.from.".into());
    if current.start >= current.end {
        return Err(empty());
    }
    let previous = calendar::before(zone, current).ok_or_else(empty)?;
    page::moment("range.from", Some(previous.start))?;
    let periods = [current.into(), previous.into()];
    let mut figures = figures::of_periods(domain, &actor.scope, filter, &periods)
        .await?
        .into_iter();
    let mut next = || figures.next().unwrap_or_default();
    Ok(Comparison {
        zone,
        current: (current, next()),
        previous: (previous, next()),
    })
}

/// By how much a figure changed, in basis points of what it was, rounded half away from zero; `None` where it was zero.
/// Neither is negative.
pub fn change(current: i64, previous: i64) -> Option<i64> {
    if previous == 0 {
        return None;
    }
    let (current, previous) = (i128::from(current), i128::from(previous));
    let difference = (current - previous) * 10_000;
    let rounded = (2 * difference.abs() + previous) / (2 * previous);
    i64::try_from(difference.signum() * rounded).ok()
}

async fn zone_of(domain: &Domain, brand: BrandId) -> Result<Tz> {
    let row = brand::Entity::find_by_id(brand).one(domain.db.reader()).await?;
    let row = row.ok_or_else(|| Error::Internal("a token of a brand that is not there".into()))?;
    let unknown = |_| Error::Internal(format!("the stored time zone {:?}", row.time_zone));
    row.time_zone.parse().map_err(unknown)
}

/// What is left out of a range: it ends with today, and has thirty days.
fn resolve(zone: Tz, now: DateTime<Utc>, range: Period) -> Result<Stretch> {
    page::moment("range.from", range.from)?;
    page::moment("range.before", range.before)?;
    let beyond = || Error::BadUserInput("range must be in the years 0 to 9999.".into());
    let end = match range.before {
        Some(before) => before,
        None => {
            let tomorrow = calendar::date_of(zone, now).succ_opt();
            let start = tomorrow.and_then(|date| calendar::start_of(zone, date));
            start.ok_or_else(beyond)?
        }
    };
    let start = match range.from {
        Some(from) => from,
        None => {
            let last = calendar::date_of(zone, end - TimeDelta::microseconds(1));
            let first = last.checked_sub_days(Days::new(DAYS - 1));
            let start = first.and_then(|date| calendar::start_of(zone, date));
            start.ok_or_else(beyond)?
        }
    };
    page::moment("range.from", Some(start))?;
    Ok(Stretch { start, end })
}

impl From<Stretch> for Period {
    fn from(stretch: Stretch) -> Self {
        Self {
            from: Some(stretch.start),
            before: Some(stretch.end),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_exact_to_the_basis_point() {
        assert_eq!(change(150, 100), Some(5000));
        assert_eq!(change(0, 100), Some(-10_000));
        assert_eq!(change(4, 3), Some(3333));
        assert_eq!(change(2, 3), Some(-3333));
        assert_eq!(change(20_001, 20_000), Some(1));
        assert_eq!(change(0, 0), None);
        assert_eq!(change(5, 0), None);
    }

    #[test]
    fn a_range_is_thirty_days_up_to_today_unless_said_otherwise() {
        let at = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
        let zone = "America/New_York".parse().unwrap();
        let range = resolve(zone, at("2026-11-22T01:00:00Z"), Period::default()).unwrap();
        // The 21st there, and the clocks went back in between.
        assert_eq!(
            (range.start, range.end),
            (at("2026-10-23T04:00:00Z"), at("2026-11-22T05:00:00Z"))
        );
    }
}
