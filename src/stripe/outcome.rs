//! How an event leaves the inbox, and why it may be set aside; counted for the metrics, whose labels are these few words.

use chrono::TimeDelta;
use entity::stripe_event::EventStatus;

/// How an event leaves the inbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    Processed,
    Ignored,
    Parked(Reason),
}

/// Why an event is set aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// What it says, or what Stripe says of it, cannot be understood.
    Unreadable,
    /// The brand has no key to ask Stripe with.
    NoKey,
    /// Stripe has no such object.
    NotFound,
    /// Stripe gives no answer.
    Unanswered,
    /// It cannot be processed.
    Fault,
}

impl Outcome {
    pub fn status(self) -> EventStatus {
        match self {
            Self::Processed => EventStatus::Processed,
            Self::Ignored => EventStatus::Ignored,
            Self::Parked(_) => EventStatus::Parked,
        }
    }

    /// Adds so many events to the metrics.
    pub fn count(self, events: usize) {
        let outcome = match self {
            Self::Processed => "processed",
            Self::Ignored => "ignored",
            Self::Parked(reason) => {
                let reason = reason.label();
                tracing::warn!(events, reason, "events were set aside");
                metrics::counter!("rekomi_inbox_set_aside_total", "reason" => reason).increment(events as u64);
                "parked"
            }
        };
        metrics::counter!("rekomi_inbox_processed_total", "outcome" => outcome).increment(events as u64);
    }
}

impl Reason {
    fn label(self) -> &'static str {
        match self {
            Self::Unreadable => "unreadable",
            Self::NoKey => "no_key",
            Self::NotFound => "not_found",
            Self::Unanswered => "stripe_unanswered",
            Self::Fault => "fault",
        }
    }

    /// For how long an event is tried again before it is set aside.
    pub fn patience(self) -> TimeDelta {
        match self {
            Self::NotFound | Self::Unanswered => TimeDelta::days(3),
            Self::Fault => TimeDelta::hours(3),
            Self::Unreadable | Self::NoKey => TimeDelta::zero(),
        }
    }
}
