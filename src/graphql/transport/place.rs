//! Where a subscription is in what it tells: said by the resolver, carried by transports that can.
//!
//! A client of server-sent events sends the last event's id when it comes again; the resolver takes it for where to go
//! on. With each item the resolver says its place, which is that item's event id. The transport looks into neither.

use std::sync::{Arc, Mutex, PoisonError};

/// The place of one operation. In the request's data.
#[derive(Clone, Default)]
pub struct Place(Arc<State>);

#[derive(Default)]
struct State {
    resumed: Option<String>,
    reached: Mutex<Option<String>>,
}

impl Place {
    /// An operation that goes on after the event of that id, if there is one.
    pub(super) fn resuming(last_event_id: Option<String>) -> Self {
        Self(Arc::new(State {
            resumed: last_event_id,
            reached: Mutex::default(),
        }))
    }

    /// After what the subscription goes on, where the client's transport said so.
    pub fn resumed(&self) -> Option<&str> {
        self.0.resumed.as_deref()
    }

    /// The place after the item that is given out next.
    pub fn reach(&self, place: String) {
        *self.reached() = Some(place);
    }

    /// The place after the item that was given out last.
    pub(super) fn take(&self) -> Option<String> {
        self.reached().take()
    }

    fn reached(&self) -> std::sync::MutexGuard<'_, Option<String>> {
        self.0.reached.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
