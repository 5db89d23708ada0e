//! Days, weeks and months of a time zone as stretches of time. Pure.
//!
//! A day begins at the first moment that has its date: where a clock jumps over midnight that is the jump. So days have
//! 23, 24, 25 or any other number of hours, and one that a zone left out altogether has none.

use chrono::{DateTime, Datelike, Days, LocalResult, Months, NaiveDate, NaiveTime, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;

/// How long a bucket is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interval {
    Day,
    /// From Monday on, as in ISO 8601.
    Week,
    Month,
}

/// A stretch of time: `start` is in it, `end` is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stretch {
    pub start: DateTime<Utc>,
    pub end: DateTime<Utc>,
}

/// A day, a week or a month, as far as it is within a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bucket {
    /// The first date of it, also where the range begins later.
    pub date: NaiveDate,
    pub within: Stretch,
}

/// The first moment of a date; `None` beyond the times that can be told.
pub fn start_of(zone: Tz, date: NaiveDate) -> Option<DateTime<Utc>> {
    let midnight = date.and_time(NaiveTime::MIN);
    match zone.from_local_datetime(&midnight) {
        LocalResult::Single(at) | LocalResult::Ambiguous(at, _) => Some(at.to_utc()),
        // The clock jumps over it: the jump is the last moment before which it was earlier.
        LocalResult::None => {
            let around = TimeDelta::hours(26).num_seconds();
            let (mut early, mut late) = (
                midnight.and_utc().timestamp() - around,
                midnight.and_utc().timestamp() + around,
            );
            while late - early > 1 {
                let middle = early + (late - early) / 2;
                let at = DateTime::from_timestamp(middle, 0)?;
                if zone.from_utc_datetime(&at.naive_utc()).naive_local() < midnight {
                    early = middle;
                } else {
                    late = middle;
                }
            }
            DateTime::from_timestamp(late, 0)
        }
    }
}

/// The date at a moment.
pub fn date_of(zone: Tz, at: DateTime<Utc>) -> NaiveDate {
    zone.from_utc_datetime(&at.naive_utc()).date_naive()
}

impl Interval {
    /// The first date of the interval that a date is in.
    fn first(self, date: NaiveDate) -> Option<NaiveDate> {
        match self {
            Self::Day => Some(date),
            Self::Week => date.checked_sub_days(Days::new(date.weekday().num_days_from_monday().into())),
            Self::Month => date.with_day(1),
        }
    }

    fn next(self, first: NaiveDate) -> Option<NaiveDate> {
        match self {
            Self::Day => first.checked_add_days(Days::new(1)),
            Self::Week => first.checked_add_days(Days::new(7)),
            Self::Month => first.checked_add_months(Months::new(1)),
        }
    }
}

/// The buckets of a range, in order: together they are the range. `None` where there are more than `most`.
pub fn buckets(zone: Tz, interval: Interval, range: Stretch, most: usize) -> Option<Vec<Bucket>> {
    let mut buckets = Vec::new();
    if range.start >= range.end {
        return Some(buckets);
    }
    let mut first = interval.first(date_of(zone, range.start))?;
    let mut start = range.start;
    while start < range.end {
        let next = interval.next(first)?;
        let end = start_of(zone, next)?.min(range.end);
        // Nothing of a date that the zone left out.
        if start < end {
            if buckets.len() == most {
                return None;
            }
            let within = Stretch { start, end };
            buckets.push(Bucket { date: first, within });
            start = end;
        }
        first = next;
    }
    Some(buckets)
}

/// The range of the same length right before: of whole months as many months, of whole days as many days, and anything
/// else of the same time.
pub fn before(zone: Tz, range: Stretch) -> Option<Stretch> {
    let end = range.start;
    let (first, last) = (date_of(zone, range.start), date_of(zone, range.end));
    let midnights = start_of(zone, first) == Some(range.start) && start_of(zone, last) == Some(range.end);
    let start = if !midnights {
        range.start.checked_sub_signed(range.end - range.start)?
    } else if first.day() == 1 && last.day() == 1 {
        let months = (last.year() - first.year()) * 12 + last.month0().cast_signed() - first.month0().cast_signed();
        start_of(
            zone,
            first.checked_sub_months(Months::new(u32::try_from(months).ok()?))?,
        )?
    } else {
        let days = u64::try_from((last - first).num_days()).ok()?;
        start_of(zone, first.checked_sub_days(Days::new(days))?)?
    };
    Some(Stretch { start, end })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn zone(name: &str) -> Tz {
        name.parse().unwrap()
    }

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    fn hours(name: &str, date: &str) -> f64 {
        let (zone, date) = (zone(name), day(date));
        let length = start_of(zone, date.succ_opt().unwrap()).unwrap() - start_of(zone, date).unwrap();
        length.as_seconds_f64() / 3600.0
    }

    #[test]
    fn days_are_as_long_as_their_zone_says() {
        assert_eq!(hours("Europe/Berlin", "2026-03-29").to_string(), "23");
        assert_eq!(hours("Europe/Berlin", "2026-10-25").to_string(), "25");
        assert_eq!(hours("Europe/Berlin", "2026-11-01").to_string(), "24");
        assert_eq!(hours("Australia/Lord_Howe", "2026-10-04").to_string(), "23.5");
        // The clock jumped from 00:00 to 01:00, and back from 00:00 to 23:00 of the day before.
        assert_eq!(hours("America/Sao_Paulo", "2018-11-04").to_string(), "23");
        assert_eq!(hours("America/Sao_Paulo", "2018-02-17").to_string(), "25");
        // From 01:00 back to 00:00: the day has two midnights, and begins at the first.
        assert_eq!(hours("America/Havana", "2026-11-01").to_string(), "25");
        // Samoa went over the date line, and had no 30th.
        assert_eq!(hours("Pacific/Apia", "2011-12-30").to_string(), "0");
    }

    #[test]
    fn a_day_without_a_midnight_begins_at_the_jump() {
        let start = start_of(zone("America/Sao_Paulo"), day("2018-11-04")).unwrap();
        assert_eq!(start.to_rfc3339(), "2018-11-04T03:00:00+00:00");
        let start = start_of(zone("Asia/Kolkata"), day("2026-11-01")).unwrap();
        assert_eq!(start.to_rfc3339(), "2026-10-31T18:30:00+00:00");
    }

    #[test]
    fn a_date_that_was_left_out_has_no_bucket() {
        let zone = zone("Pacific/Apia");
        let range = Stretch {
            start: start_of(zone, day("2011-12-29")).unwrap(),
            end: start_of(zone, day("2012-01-01")).unwrap(),
        };
        let dates = buckets(zone, Interval::Day, range, 400).unwrap();
        let dates: Vec<String> = dates.iter().map(|bucket| bucket.date.to_string()).collect();
        assert_eq!(dates, ["2011-12-29", "2011-12-31"]);
    }

    #[test]
    fn weeks_begin_on_monday_and_buckets_are_cut_to_the_range() {
        let (zone, at) = (zone("Europe/Berlin"), |text: &str| {
            text.parse::<DateTime<Utc>>().unwrap()
        });
        let range = Stretch {
            start: at("2026-10-21T10:00:00Z"),
            end: at("2026-10-27T00:00:00Z"),
        };
        let weeks = buckets(zone, Interval::Week, range, 2).unwrap();
        let told: Vec<String> = weeks
            .iter()
            .map(|it| format!("{} {} {}", it.date, it.within.start, it.within.end))
            .collect();
        assert_eq!(
            told,
            [
                "2026-10-19 2026-10-21 10:00:00 UTC 2026-10-25 23:00:00 UTC",
                "2026-10-26 2026-10-25 23:00:00 UTC 2026-10-27 00:00:00 UTC"
            ]
        );
        assert_eq!(buckets(zone, Interval::Week, range, 1), None);
        let backward = Stretch {
            start: range.end,
            end: range.start,
        };
        assert_eq!(buckets(zone, Interval::Day, backward, 1), Some(vec![]));
    }

    #[test]
    fn the_range_before_is_as_many_months_or_days_or_as_long() {
        let zone = zone("America/New_York");
        let start = |date: &str| start_of(zone, day(date)).unwrap();
        let stretch = |from, to| Stretch {
            start: start(from),
            end: start(to),
        };
        let told = |range| before(zone, range);
        assert_eq!(
            told(stretch("2026-03-01", "2026-05-01")),
            Some(stretch("2026-01-01", "2026-03-01"))
        );
        assert_eq!(
            told(stretch("2026-11-02", "2026-11-09")),
            Some(stretch("2026-10-26", "2026-11-02"))
        );
        let second = TimeDelta::seconds(1);
        let ragged = Stretch {
            start: start("2026-11-02"),
            end: start("2026-11-03") - second,
        };
        let length = |it: Stretch| it.end - it.start;
        assert_eq!(length(told(ragged).unwrap()), length(ragged));
        assert_eq!(told(ragged).unwrap().end, ragged.start);
    }

    proptest! {
        /// In any zone, at any time: the buckets are the range, without gaps, and each is of its own dates.
        #[test]
        fn buckets_are_the_range(
            zone in prop::sample::select(chrono_tz::TZ_VARIANTS.to_vec()),
            from in 0_i64..4_000_000_000,
            length in 1_i64..40_000_000,
            interval in prop::sample::select(vec![Interval::Day, Interval::Week, Interval::Month]),
        ) {
            let at = |seconds| DateTime::from_timestamp(seconds, 0).unwrap();
            let range = Stretch { start: at(from), end: at(from + length) };
            let buckets = buckets(zone, interval, range, 1000).unwrap();
            prop_assert_eq!(buckets[0].within.start, range.start);
            prop_assert_eq!(buckets[buckets.len() - 1].within.end, range.end);
            for pair in buckets.windows(2) {
                prop_assert_eq!(pair[0].within.end, pair[1].within.start);
                prop_assert!(pair[0].date < pair[1].date);
                prop_assert_eq!(interval.first(pair[1].date), Some(pair[1].date));
            }
            for bucket in &buckets {
                prop_assert!(bucket.within.start < bucket.within.end);
                let last = bucket.within.end - TimeDelta::seconds(1);
                prop_assert_eq!(interval.first(date_of(zone, last)), Some(bucket.date));
            }
            let former = before(zone, range).unwrap();
            prop_assert_eq!(former.end, range.start);
            prop_assert!(former.start < former.end);
        }
    }
}
