//! Keeps within Stripe's rate limits (<https://docs.stripe.com/rate-limits>): calls take places, which are a fixed time
//! apart but for a burst of one second's worth.
//!
//! Places are given in the order in which they are asked for. Who would get one too late gets none, so that those who
//! gave up leave no queue behind them.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

const BURST: Duration = Duration::from_secs(1);
/// How long nobody gets a place after Stripe has said that there were too many calls, where it does not say how long.
pub(super) const HOLD: Duration = Duration::from_secs(1);

/// The places of one way to Stripe.
pub(super) struct Limiter {
    interval: Duration,
    places: Mutex<Places>,
}

/// When there are places.
struct Places {
    /// The end of all that was given: the next place is at most [`BURST`] before it.
    given: Instant,
    /// No place is good before.
    held: Instant,
}

impl Limiter {
    pub fn new(per_second: u32) -> Self {
        let now = Instant::now();
        Self {
            interval: Duration::from_secs(1) / per_second,
            places: Mutex::new(Places { given: now, held: now }),
        }
    }

    /// Waits for a place.
    ///
    /// # Errors
    /// At once, where there is none before `deadline`: in what time there would be.
    pub async fn place(&self, deadline: Instant) -> Result<(), Duration> {
        loop {
            let now = Instant::now();
            let taken = self.places().take(now, self.interval, deadline);
            let at = taken.map_err(|at| at - now)?;
            tokio::time::sleep_until(at).await;
            // Else somebody was refused while this one slept.
            if self.places().held <= at {
                return Ok(());
            }
        }
    }

    /// Stripe wants no calls for so long.
    pub fn hold(&self, wait: Duration) {
        self.places().hold(Instant::now() + wait);
    }

    fn places(&self) -> std::sync::MutexGuard<'_, Places> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Places {
    /// Takes the next place, and says when it is; leaves it, and says so, where that is after `deadline`.
    fn take(&mut self, now: Instant, interval: Duration, deadline: Instant) -> Result<Instant, Instant> {
        let end = self.given.max(now) + interval;
        let at = end.checked_sub(BURST).map_or(now, |at| at.max(now)).max(self.held);
        if at > deadline {
            return Err(at);
        }
        self.given = end;
        Ok(at)
    }

    /// What is given afterwards is given one by one: the burst is used up.
    fn hold(&mut self, until: Instant) {
        self.held = self.held.max(until);
        self.given = self.given.max(self.held + BURST);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_millis(40);

    /// When the next places are for somebody who asks at `now`, in milliseconds after `start`.
    fn take(places: &mut Places, start: Instant, now: u64, count: usize) -> Vec<u128> {
        let now = start + Duration::from_millis(now);
        let deadline = now + Duration::from_secs(3600);
        let at = |_| places.take(now, INTERVAL, deadline).unwrap() - start;
        (0..count).map(at).map(|at| at.as_millis()).collect()
    }

    fn places() -> (Places, Instant) {
        let start = Instant::now() + Duration::from_secs(60);
        let (given, held) = (start, start);
        (Places { given, held }, start)
    }

    #[test]
    fn a_second_s_worth_goes_at_once_and_the_rest_one_by_one() {
        let (mut places, start) = places();
        assert_eq!(take(&mut places, start, 0, 25), [0; 25]);
        assert_eq!(take(&mut places, start, 0, 3), [40, 80, 120]);
        // After a quiet while there is a burst again, and never more than one.
        assert_eq!(take(&mut places, start, 600, 12), [600; 12]);
        assert_eq!(take(&mut places, start, 600, 2), [640, 680]);
        assert_eq!(take(&mut places, start, 9000, 26)[24..], [9000, 9040]);
    }

    #[test]
    fn in_no_window_of_a_second_are_there_more_than_two_seconds_worth() {
        let (mut places, start) = places();
        let mut given: Vec<u128> = (0..300)
            .flat_map(|step| take(&mut places, start, step * 10, 1))
            .collect();
        given.sort_unstable();
        for (number, from) in given.iter().enumerate() {
            let within = given[number..].iter().filter(|at| **at < from + 1000);
            assert!(within.count() <= 50, "from {from} ms");
        }
    }

    #[test]
    fn after_a_refusal_nobody_gets_a_place_for_as_long_as_was_said_and_then_there_is_no_burst() {
        let (mut places, start) = places();
        take(&mut places, start, 0, 5);
        places.hold(start + HOLD);
        assert_eq!(take(&mut places, start, 10, 3), [1040, 1080, 1120]);
        places.hold(start + Duration::from_secs(30));
        // A shorter one that comes later ends nothing.
        places.hold(start + Duration::from_secs(3));
        assert_eq!(take(&mut places, start, 2000, 2), [30040, 30080]);
    }

    #[test]
    fn who_would_get_a_place_too_late_takes_none() {
        let (mut places, start) = places();
        take(&mut places, start, 0, 50);
        let deadline = start + Duration::from_millis(1000);
        assert_eq!(
            places.take(start, INTERVAL, deadline),
            Err(start + Duration::from_millis(1040))
        );
        assert_eq!(take(&mut places, start, 0, 1), [1040]);
    }
}
