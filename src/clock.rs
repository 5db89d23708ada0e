//! The only source of time and of ids.
//!
//! Everything that asks "what time is it" or "give me a new id" asks a [`Clock`], so that tests move time by hand.

use std::sync::{Arc, Mutex};

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use uuid::{ContextV7, Timestamp, Uuid};

/// A clock that can be cloned freely; all clones share one time.
#[derive(Clone)]
pub struct Clock {
    source: Source,
    ids: Arc<Mutex<ContextV7>>,
}

#[derive(Clone)]
enum Source {
    System,
    Manual(Arc<Mutex<DateTime<Utc>>>),
}

impl Clock {
    /// The machine's clock.
    pub fn system() -> Self {
        Self::from(Source::System)
    }

    /// A clock that stands at `start` until [`Clock::advance`] moves it.
    pub fn manual(start: DateTime<Utc>) -> Self {
        Self::from(Source::Manual(Arc::new(Mutex::new(start))))
    }

    fn from(source: Source) -> Self {
        Self {
            source,
            ids: Arc::new(Mutex::new(ContextV7::new())),
        }
    }

    /// Now, in UTC, cut to whole microseconds: what both databases keep.
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the wall clock")]
    pub fn now(&self) -> DateTime<Utc> {
        match &self.source {
            Source::System => Utc::now(),
            Source::Manual(now) => *lock(now),
        }
        .trunc_subsecs(6)
    }

    /// A new UUIDv7 (RFC 9562), later than every one this clock gave before at the same or an earlier time.
    #[expect(clippy::disallowed_methods, reason = "the one place that makes ids")]
    pub fn new_id(&self) -> Uuid {
        let now = self.now();
        let seconds = u64::try_from(now.timestamp()).unwrap_or(0);
        let stamp = Timestamp::from_unix(&*lock(&self.ids), seconds, now.timestamp_subsec_nanos());
        Uuid::new_v7(stamp)
    }

    /// A new UUIDv7 that is also later than `last`, which a clock that is ahead of this one may have given.
    pub fn new_id_after(&self, last: Option<Uuid>) -> Uuid {
        let next = last.map_or(Uuid::nil(), |last| Uuid::from_u128(last.as_u128().saturating_add(1)));
        self.new_id().max(next)
    }

    /// Moves a manual clock; the machine's clock cannot be moved.
    pub fn advance(&self, by: TimeDelta) {
        if let Source::Manual(now) = &self.source {
            *lock(now) += by;
        }
    }
}

/// A poisoned lock still holds a good value here: nothing panics between two steps of a change.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_made_in_one_instant_are_in_order() {
        let clock = Clock::manual(DateTime::UNIX_EPOCH + TimeDelta::days(20_000));
        let ids: Vec<_> = (0..1000).map(|_| clock.new_id()).collect();
        assert!(ids.is_sorted_by(|a, b| a < b));
    }

    #[test]
    fn an_id_is_later_than_one_of_a_clock_that_is_ahead() {
        let (clock, ahead) = (
            Clock::manual(DateTime::UNIX_EPOCH),
            Clock::manual(DateTime::UNIX_EPOCH + TimeDelta::days(1)),
        );
        let last = ahead.new_id();
        let next = clock.new_id_after(Some(last));
        assert!(next > last && next.get_version_num() == 7);
        assert!(clock.new_id_after(None) < last);
    }

    #[test]
    fn a_manual_clock_moves_only_by_hand() {
        let clock = Clock::manual(DateTime::UNIX_EPOCH);
        clock.advance(TimeDelta::seconds(90));
        assert_eq!(clock.now(), DateTime::UNIX_EPOCH + TimeDelta::seconds(90));
    }
}
