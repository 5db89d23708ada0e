//! Room for the events that need Stripe's answer: a lane for each brand and mode, since Stripe answers each at a pace of
//! its own. One that has thousands of them holds up no other.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit},
    time::Instant,
};

use super::client::calls_per_second;
use crate::domain::feed::FeedName;

/// How many events may be in hand, of all lanes together. Of one: as many as Stripe answers in two seconds; and of those
/// as many are at Stripe at once as it answers in half a second, since a mutation's call waits behind theirs for its
/// place.
const ROOM: usize = 1024;
/// How long an event may wait for its turn.
const MAX_WAIT: Duration = Duration::from_secs(3);
/// Those that find no room come again later, and one by one: as many a second as Stripe takes of anybody.
const PAUSE: Duration = Duration::from_secs(1);
const APART: Duration = Duration::from_millis(10);

#[derive(Clone)]
pub struct Lanes {
    lanes: Arc<Mutex<HashMap<FeedName, Arc<Lane>>>>,
    room: Arc<Semaphore>,
}

struct Lane {
    turns: Semaphore,
    room: Arc<Semaphore>,
    /// When the last that found no room comes again.
    last: Mutex<Instant>,
}

/// An event's place in its lane, until it is dropped.
pub struct Place {
    lane: Arc<Lane>,
    _room: [OwnedSemaphorePermit; 2],
}

impl Lanes {
    pub fn new() -> Self {
        Self {
            lanes: Arc::default(),
            room: Arc::new(Semaphore::new(ROOM)),
        }
    }

    /// Takes a place.
    ///
    /// # Errors
    /// Where there is none: in what time to come again.
    pub fn enter(&self, name: FeedName) -> Result<Place, Duration> {
        let lane = self.lane(name);
        let room = |room: &Arc<Semaphore>| room.clone().try_acquire_owned();
        match (room(&lane.room), room(&self.room)) {
            (Ok(ours), Ok(of_all)) => Ok(Place {
                lane,
                _room: [ours, of_all],
            }),
            _ => Err(lane.again(Instant::now())),
        }
    }

    fn lane(&self, name: FeedName) -> Arc<Lane> {
        let mut lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        let lane = || Arc::new(Lane::new(calls_per_second(name.livemode) as usize));
        lanes.entry(name).or_insert_with(lane).clone()
    }
}

impl Lane {
    fn new(per_second: usize) -> Self {
        Self {
            turns: Semaphore::new(per_second / 2),
            room: Arc::new(Semaphore::new(per_second * 2)),
            last: Mutex::new(Instant::now()),
        }
    }

    fn again(&self, now: Instant) -> Duration {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        *last = (*last).max(now + PAUSE) + APART;
        *last - now
    }
}

impl Place {
    /// Waits for the event's turn to be at Stripe; `None` where it does not come soon.
    pub async fn turn(&self) -> Option<SemaphorePermit<'_>> {
        let turn = tokio::time::timeout(MAX_WAIT, self.lane.turns.acquire()).await;
        turn.ok()?.ok()
    }
}

#[cfg(test)]
mod tests {
    use entity::id::BrandId;
    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_full_lane_sends_back_one_by_one_and_leaves_room_to_others() {
        let (lanes, now) = (Lanes::new(), Instant::now());
        let [full, other] = [1, 2].map(|number| FeedName {
            brand: BrandId(Uuid::from_u128(number)),
            livemode: false,
        });
        let places: Vec<_> = std::iter::from_fn(|| lanes.enter(full).ok()).collect();
        assert_eq!(places.len(), 50);
        assert!(lanes.enter(other).is_ok());
        let lane = lanes.lane(other);
        let again = [0, 0, 0, 2000].map(|at| lane.again(now + Duration::from_millis(at)).as_millis());
        assert_eq!(again, [1010, 1020, 1030, 1010]);
        drop(places);
        assert!(lanes.enter(full).is_ok());
    }
}
