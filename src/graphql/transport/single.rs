//! `/graphql/stream`: the single-connection mode of GraphQL over server-sent events, in which one stream carries the
//! answers of many operations, for browsers that open few connections at once.
//!
//! `PUT` reserves a stream, `GET` opens it, `POST` runs an operation on it, `DELETE` ends one. All but `GET` take the
//! caller's token, as an `EventSource` can send no header; for `GET` the reservation's token, which is known to the caller
//! alone, is as good. Where the protocol says nothing, the reference server of graphql-sse is followed.

use axum::{
    extract::{Request, State},
    http::{HeaderValue, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use tokio::sync::oneshot;
use tracing::Instrument;

use super::{
    Gateway, Transport, auth,
    errors::{Answer, Refusal},
    event_stream::{Command, EventStream},
    events, http,
    negotiate::{self, MediaType},
    request::Params,
    reservations::{NotOpened, NotReserved},
    running::NotBegun,
};

const TOKEN: &str = "x-graphql-event-stream-token";

pub(super) async fn put<G: Gateway>(State(transport): State<Transport<G>>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    respond(&transport, &parts, async |id| {
        let caller = caller(&transport, &parts).await?;
        if !negotiate::accepts(&parts.headers, "text/plain") {
            let message = "the answer is text/plain, and the accept header does not allow it";
            return Err(Refusal::new(StatusCode::NOT_ACCEPTABLE, message));
        }
        let identity = transport.gateway.identity(&caller);
        let known = token(&parts).is_some_and(|token| transport.reservations.find(&token, &identity).is_some());
        if known {
            return Err(Refusal::new(StatusCode::CONFLICT, "the stream is reserved already"));
        }
        let reserved = transport.reservations.reserve(identity);
        let (entry, commands) = reserved.map_err(|error| match error {
            NotReserved::TooMany => Refusal::too_many("too many streams are reserved that nobody has opened"),
            NotReserved::NoRandomness => Refusal::unavailable(),
        })?;
        let token = entry.token.clone();
        let stream = EventStream::reserved(transport.clone(), caller, commands, id.to_owned());
        let task = async move {
            let _until_it_ends = entry;
            stream.serve().await;
        };
        transport.settings.tasks.spawn(task.in_current_span());
        Ok((StatusCode::CREATED, token).into_response())
    })
    .await
}

pub(super) async fn get<G: Gateway>(State(transport): State<Transport<G>>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    respond(&transport, &parts, async |_| {
        let caller = auth::caller(&transport.gateway, &parts).await?;
        if !negotiate::accepts(&parts.headers, "text/event-stream") {
            let message = "the answer is text/event-stream, and the accept header does not allow it";
            return Err(Refusal::new(StatusCode::NOT_ACCEPTABLE, message));
        }
        let identity = caller.map(|caller| transport.gateway.identity(&caller));
        let token = token(&parts).ok_or_else(no_stream)?;
        match transport.reservations.open(&token, identity.as_deref()) {
            Ok(events) => Ok(events::response(events, &transport.settings)),
            Err(NotOpened::Unknown) => Err(no_stream()),
            Err(NotOpened::Already) => Err(Refusal::new(StatusCode::CONFLICT, "the stream is open already")),
        }
    })
    .await
}

pub(super) async fn post<G: Gateway>(State(transport): State<Transport<G>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    respond(&transport, &parts, async |id| {
        negotiate::check_content_type(&parts.headers)?;
        let media = negotiate::response_type(&parts.headers)?;
        let caller = caller(&transport, &parts).await;
        let caller = caller.map_err(|refusal| http::unread(refusal, &parts))?;
        let commands = find(&transport, &parts, &caller);
        let commands = commands.map_err(|refusal| http::unread(refusal, &parts))?;
        let body = http::read_body(&transport, Request::from_parts(parts.clone(), body)).await?;
        let params = Params::from_body(&body)?;
        let operation_id = params.operation_id().ok_or_else(no_operation)?.to_owned();
        let operation = match transport.operation(params, Some(&caller)) {
            Ok(operation) => Box::new(operation),
            Err(error) => return Ok(http::refuse(Answer::refused(error, id), media)),
        };
        let (begun, outcome) = oneshot::channel();
        let begin = Command::Begin {
            id: operation_id,
            operation,
            place: events::place(&parts.headers),
            begun,
        };
        commands.send(begin).await.map_err(|_| no_stream())?;
        match outcome.await.map_err(|_| no_stream())? {
            Ok(()) => Ok(StatusCode::ACCEPTED.into_response()),
            Err(NotBegun::Duplicate) => {
                let message = "an operation with this id is running";
                Err(Refusal::new(StatusCode::CONFLICT, message))
            }
            Err(NotBegun::Refused(answer)) => Ok(http::refuse(*answer, media)),
        }
    })
    .await
}

pub(super) async fn delete<G: Gateway>(State(transport): State<Transport<G>>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    respond(&transport, &parts, async |_| {
        let caller = caller(&transport, &parts).await?;
        let commands = find(&transport, &parts, &caller)?;
        let id = parameter(&parts, "operationId").ok_or_else(no_operation)?;
        commands.send(Command::Stop { id }).await.map_err(|_| no_stream())?;
        Ok(StatusCode::OK.into_response())
    })
    .await
}

async fn caller<G: Gateway>(transport: &Transport<G>, parts: &Parts) -> Result<G::Caller, Refusal> {
    let caller = auth::caller(&transport.gateway, parts).await?;
    caller.ok_or_else(Refusal::unauthenticated)
}

/// The way to the caller's stream that the request names.
fn find<G: Gateway>(
    transport: &Transport<G>,
    parts: &Parts,
    caller: &G::Caller,
) -> Result<tokio::sync::mpsc::Sender<Command>, Refusal> {
    let identity = transport.gateway.identity(caller);
    let found = token(parts).and_then(|token| transport.reservations.find(&token, &identity));
    found.ok_or_else(no_stream)
}

/// The reservation's token: in a header, or where no header can be sent in the query string.
fn token(parts: &Parts) -> Option<String> {
    let header = parts.headers.get(TOKEN).and_then(|token| token.to_str().ok());
    let header = header.filter(|token| !token.is_empty());
    header.map(str::to_owned).or_else(|| parameter(parts, "token"))
}

fn parameter(parts: &Parts, name: &str) -> Option<String> {
    let query = parts.uri.query().unwrap_or_default();
    let mut pairs = url::form_urlencoded::parse(query.as_bytes());
    let (_, value) = pairs.find(|(key, _)| key == name)?;
    Some(value.into_owned()).filter(|value| !value.is_empty())
}

fn no_stream() -> Refusal {
    Refusal::new(StatusCode::NOT_FOUND, "there is no such stream: reserve one by PUT")
}

fn no_operation() -> Refusal {
    Refusal::new(StatusCode::BAD_REQUEST, "the operation's id is missing")
}

/// Settles the request id and the media type of refusals around `answer`.
async fn respond<G: Gateway>(
    transport: &Transport<G>,
    parts: &Parts,
    answer: impl AsyncFnOnce(&str) -> Result<Response, Refusal>,
) -> Response {
    let id = auth::request_id(transport, &parts.headers, &parts.extensions);
    let media = negotiate::response_type(&parts.headers).unwrap_or(MediaType::Json);
    let mut response = match answer(&id).await {
        Ok(response) => response,
        Err(refusal) => refusal.into_http(media, &id),
    };
    let no_store = HeaderValue::from_static("no-store");
    response.headers_mut().entry(header::CACHE_CONTROL).or_insert(no_store);
    response
}
