//! An event with all that it tells, and what becomes of it once that is folded.

use chrono::{DateTime, TimeDelta, Utc};
use entity::{id::ClickId, stripe_event, stripe_object};

use super::{
    fetch::Learned,
    fold::Moved,
    outcome::{Outcome, Reason},
};
use crate::domain::feed::FeedName;

/// How long an event waits for a click that is not stored, from when it came, and how often it looks.
const CLICK_PATIENCE: TimeDelta = TimeDelta::seconds(10);
const CLICK_PAUSE: TimeDelta = TimeDelta::seconds(1);
/// Seconds between a click and an event that is worth the wait. Older ones are stored or lost; instances' clocks differ.
const YOUNG_CLICK: std::ops::Range<i64> = -60..600;
/// What becomes of an event whose facts are merged, but which could not be completed.
const WITHOUT_KEY: Outcome = Outcome::Parked(Reason::NoKey);

/// What becomes of an event that was folded.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum End<'a> {
    /// It is done with, and why.
    Done(Outcome, Option<&'a str>),
    /// What it tells beside others is to be looked up, or is not there yet: it comes again.
    Again(DateTime<Utc>),
}

/// An event and all that it tells.
pub(super) struct Told {
    pub(super) event: stripe_event::Model,
    pub(super) learned: Learned,
    /// What was fetched for it.
    pub(super) log: Vec<stripe_object::Model>,
}

impl Told {
    /// What becomes of it at a moment, and why.
    pub(super) fn end(&self, moved: &Moved, now: DateTime<Utc>) -> End<'_> {
        let feed = feed(&self.event);
        let mut unlisted = self.learned.unlisted.iter();
        if unlisted.any(|charge| moved.unclear.contains(&(feed, charge.clone()))) {
            return End::Again(now);
        }
        if now < self.event.received_at + CLICK_PATIENCE && self.awaits_click(moved) {
            return End::Again(now + CLICK_PAUSE);
        }
        match &self.learned.missing {
            Some(missing) => End::Done(WITHOUT_KEY, Some(missing.as_str())),
            None => End::Done(Outcome::Processed, None),
        }
    }

    /// Whether it names a click that is so young that it may not be stored yet.
    fn awaits_click(&self, moved: &Moved) -> bool {
        let feed = feed(&self.event);
        let unseen = |click: &ClickId| moved.unseen.contains(&(feed, *click));
        let mut unseen = self.learned.facts.clicks().filter(unseen);
        unseen.any(|click| {
            let seconds = click.0.get_timestamp().map_or(0, |stamp| stamp.to_unix().0);
            let age = self.event.received_at.timestamp() - i64::try_from(seconds).unwrap_or(i64::MAX);
            YOUNG_CLICK.contains(&age)
        })
    }
}

/// Whose event it is.
pub(super) fn feed(event: &stripe_event::Model) -> FeedName {
    FeedName {
        brand: event.brand_id,
        livemode: event.livemode,
    }
}
