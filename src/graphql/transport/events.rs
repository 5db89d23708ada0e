//! Server-sent events: the form that answers have in them, and the HTTP response that carries them.
//!
//! The rules are those of graphql-sse's PROTOCOL.md. An event of a subscription that says its place has it as its id,
//! which browsers send back as `Last-Event-ID`.

use std::convert::Infallible;

use axum::{
    http::{HeaderMap, HeaderName, HeaderValue, header},
    response::{
        IntoResponse, Response, Sse,
        sse::{Event, KeepAlive},
    },
};
use futures_util::{StreamExt, stream};
use serde::Serialize;
use serde_json::json;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::{TransportSettings, errors::Answer, place::Place};

const LAST_EVENT_ID: &str = "last-event-id";

/// Of a stream that carries several operations.
#[derive(Serialize)]
struct Next<'a> {
    id: &'a str,
    payload: &'a Answer,
}

/// An answer; with the id of its operation, where a stream carries several.
pub(super) fn next(operation: Option<&str>, answer: &Answer) -> Result<Event, axum::Error> {
    let event = Event::default().event("next");
    let event = match answer.place().filter(|place| is_plain(place)) {
        Some(place) => event.id(place),
        None => event,
    };
    match operation {
        Some(id) => event.json_data(Next { id, payload: answer }),
        None => event.json_data(answer),
    }
}

/// The end of an operation. The data is never left out, as browsers pass over events without any; and axum leaves out
/// what is empty.
pub(super) fn complete(operation: Option<&str>) -> Result<Event, axum::Error> {
    let event = Event::default().event("complete");
    match operation {
        Some(id) => event.json_data(json!({ "id": id })),
        None => Ok(event.data("null")),
    }
}

/// What may stand on one line.
fn is_plain(id: &str) -> bool {
    id.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Where a client that comes again wants to go on. A header that says nothing is none, as an `EventSource` has it.
pub(super) fn place(headers: &HeaderMap) -> Place {
    let id = headers.get(LAST_EVENT_ID).and_then(|id| id.to_str().ok());
    Place::resuming(id.filter(|id| !id.is_empty()).map(str::to_owned))
}

/// The response: kept alive by comments, for nobody else's eyes, and neither gathered nor packed on its way.
pub(super) fn response(events: mpsc::Receiver<Event>, settings: &TransportSettings) -> Response {
    // Some browsers wait for a first byte before they take the stream for open.
    let begun = stream::iter([Event::default().comment("")]);
    let events = begun.chain(ReceiverStream::new(events)).map(Ok::<_, Infallible>);
    let keep_alive = KeepAlive::new().interval(settings.keep_alive);
    let mut response = Sse::new(events).keep_alive(keep_alive).into_response();
    let headers = response.headers_mut();
    headers.insert(
        header::CACHE_CONTROL,
        HeaderValue::from_static("no-store, no-transform"),
    );
    headers.insert(
        HeaderName::from_static("x-accel-buffering"),
        HeaderValue::from_static("no"),
    );
    response
}
