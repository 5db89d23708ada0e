//! The event streams that several operations share, by their tokens: reserved, opened once, and gone with their task.
//!
//! Invariants: a stream is its caller's alone, and whoever else names it is told that there is none; those that nobody
//! has opened yet are bounded in number and in time.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use axum::response::sse::Event;
use tokio::sync::mpsc;

use super::event_stream::Command;

/// Streams that one caller may have waiting to be opened.
const MAX_OF_CALLER: usize = 4;

/// Streams that may wait to be opened at all.
const MAX: usize = 4096;

/// Requests that wait for a stream's task; more of them wait themselves.
const ASKED: usize = 16;

#[derive(Clone, Default)]
pub(super) struct Reservations(Arc<Mutex<HashMap<String, Reservation>>>);

struct Reservation {
    /// Whose it is.
    identity: String,
    opened: bool,
    commands: mpsc::Sender<Command>,
}

/// Why there is no reservation.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NotReserved {
    TooMany,
    NoRandomness,
}

/// Why a stream is not opened.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NotOpened {
    Unknown,
    Already,
}

impl Reservations {
    /// A new one of a caller's: its token, and the task's end of it.
    pub(super) fn reserve(&self, identity: String) -> Result<(Entry, mpsc::Receiver<Command>), NotReserved> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).map_err(|_| NotReserved::NoRandomness)?;
        let token = hex::encode(bytes);
        let (commands, asked) = mpsc::channel(ASKED);
        let mut all = self.lock();
        let waiting = || all.values().filter(|it| !it.opened);
        let own = waiting().filter(|it| it.identity == identity).count();
        if own >= MAX_OF_CALLER || waiting().count() >= MAX {
            return Err(NotReserved::TooMany);
        }
        let reservation = Reservation {
            identity,
            opened: false,
            commands,
        };
        all.insert(token.clone(), reservation);
        let entry = Entry {
            reservations: self.clone(),
            token,
        };
        Ok((entry, asked))
    }

    /// The way to a caller's stream.
    pub(super) fn find(&self, token: &str, identity: &str) -> Option<mpsc::Sender<Command>> {
        let all = self.lock();
        let found = all.get(token).filter(|it| it.identity == identity)?;
        Some(found.commands.clone())
    }

    /// Opens a stream, once: its events. The token is what lets in; a caller that says who it is has to be the right one.
    pub(super) fn open(&self, token: &str, identity: Option<&str>) -> Result<mpsc::Receiver<Event>, NotOpened> {
        let mut all = self.lock();
        let found = all
            .get_mut(token)
            .filter(|it| identity.is_none_or(|identity| it.identity == identity))
            .ok_or(NotOpened::Unknown)?;
        if found.opened {
            return Err(NotOpened::Already);
        }
        let (out, events) = mpsc::channel(1);
        // Where its task is just ending, or is asked too much, there is none.
        let told = found.commands.try_send(Command::Open(out));
        told.map_err(|_| NotOpened::Unknown)?;
        found.opened = true;
        Ok(events)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Reservation>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A stream's place among the reservations, for as long as this is kept.
pub(super) struct Entry {
    reservations: Reservations,
    pub(super) token: String,
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.reservations.lock().remove(&self.token);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_is_bounded_by_caller_and_what_is_open_does_not_count() {
        let reservations = Reservations::default();
        let mut kept = Vec::new();
        for _ in 0..MAX_OF_CALLER {
            kept.push(reservations.reserve("olivia".into()).ok().unwrap());
        }
        let refused = |who: &str| reservations.reserve(who.into()).err();
        assert_eq!(refused("olivia"), Some(NotReserved::TooMany));
        assert_eq!(refused("max"), None);
        assert!(reservations.open(&kept[0].0.token, None).is_ok());
        assert_eq!(refused("olivia"), None);
        kept.clear();
        assert!(reservations.lock().is_empty(), "gone with their tasks");
    }

    #[test]
    fn a_stream_is_its_callers_alone_and_is_opened_once() {
        let reservations = Reservations::default();
        let (entry, _asked) = reservations.reserve("olivia".into()).ok().unwrap();
        assert!(reservations.find(&entry.token, "max").is_none());
        assert!(reservations.find(&entry.token, "olivia").is_some());
        let open = |identity| reservations.open(&entry.token, identity).err();
        assert_eq!(open(Some("max")), Some(NotOpened::Unknown));
        assert_eq!(open(Some("olivia")), None);
        assert_eq!(open(None), Some(NotOpened::Already));
    }
}
