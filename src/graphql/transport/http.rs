//! `/graphql` over HTTP: queries by GET and POST, mutations by POST, the IDE page for a browser; and all of them, with
//! subscriptions, as an event stream of their own for who asks for one (the distinct connections mode of GraphQL over
//! server-sent events).
//!
//! Follows the GraphQL-over-HTTP specification; all audits of the npm package `graphql-http` pass. Every answer, a
//! refusal too, is a GraphQL response in the media type that the client asked for.

use async_graphql::{ServerError, parser::types::OperationType};
use async_graphql_axum::GraphQLResponse;
use axum::{
    body::{Body, Bytes},
    extract::{FromRequest, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version, header, request::Parts},
    response::{IntoResponse, Response},
};

use tokio::sync::mpsc;
use tracing::Instrument;

use super::{
    Gateway, Payer, Transport, auth,
    errors::{Answer, Refusal},
    event_stream, events, execute, ide,
    negotiate::{self, EventStream, MediaType},
    request::{Operation, Params},
};
use crate::budgets::Budget;

const NO_SUBSCRIPTIONS: &str = "a subscription needs an event stream (accept: text/event-stream) or a WebSocket: \
    connect to /graphql/ws with the sub-protocol graphql-transport-ws";

/// What a request came to.
enum Reply {
    Answer(Answer),
    Events(Response),
}

pub(super) async fn post<G: Gateway>(State(transport): State<Transport<G>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    respond(&transport, &parts, async |id| {
        negotiate::check_content_type(&parts.headers)?;
        let caller = auth::caller(&transport.gateway, &parts).await;
        let caller = caller.map_err(|refusal| unread(refusal, &parts))?;
        let body = read_body(&transport, Request::from_parts(parts.clone(), body)).await?;
        let payer = Payer::of(caller.as_ref(), &parts.extensions);
        let operation = transport.operation(Params::from_body(&body)?, caller.as_ref());
        if is_streamed(&parts, &operation) {
            return stream(&transport, &parts, operation, caller, id);
        }
        let answer = match operation {
            Err(error) => execute::refuse(&transport, error, payer, id),
            Ok(operation) if operation.kind == OperationType::Subscription => {
                return Err(Refusal::new(StatusCode::BAD_REQUEST, NO_SUBSCRIPTIONS));
            }
            Ok(operation) => execute::run(&transport, operation, payer, id).await,
        };
        Ok(Reply::Answer(answer))
    })
    .await
}

/// Whether an operation is answered by an event stream; one that was not understood is answered as the client asks.
fn is_streamed(parts: &Parts, operation: &Result<Operation, ServerError>) -> bool {
    match negotiate::event_stream(&parts.headers) {
        EventStream::No => false,
        EventStream::ForSubscriptions => {
            matches!(operation, Ok(operation) if operation.kind == OperationType::Subscription)
        }
        EventStream::ForAll => true,
    }
}

/// An event stream with one operation. Like a socket it needs a token, and ends with it.
fn stream<G: Gateway>(
    transport: &Transport<G>,
    parts: &Parts,
    operation: Result<Operation, ServerError>,
    caller: Option<G::Caller>,
    id: &str,
) -> Result<Reply, Refusal> {
    let caller = caller.ok_or_else(Refusal::unauthenticated)?;
    let (out, events) = mpsc::channel(1);
    let place = events::place(&parts.headers);
    let stream = event_stream::EventStream::distinct(transport.clone(), caller, operation, place, out, id.to_owned());
    let task = stream.serve().in_current_span();
    transport.settings.tasks.spawn(task);
    Ok(Reply::Events(events::response(events, &transport.settings)))
}

/// The body of a refused request stays unread, and HTTP/1.1 has no use for the connection then: the client is told, so
/// that it does not send its next request into the void (RFC 9112, section 9.6).
pub(super) fn unread(refusal: Refusal, parts: &Parts) -> Refusal {
    if parts.version < Version::HTTP_2 {
        refusal.with(header::CONNECTION, "close")
    } else {
        refusal
    }
}

/// Runs queries only. That another site's page can cause a GET does no harm: there are no cookies, so it is nobody's,
/// and the answer stays hidden from that page.
pub(super) async fn get<G: Gateway>(State(transport): State<Transport<G>>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    let params = Params::from_query_string(parts.uri.query().unwrap_or_default());
    if transport.settings.ide && matches!(params, Ok(None)) && negotiate::wants_page(&parts.headers) {
        return ide::page();
    }
    respond(&transport, &parts, async |id| {
        let caller = auth::caller(&transport.gateway, &parts).await?;
        let params = params?.ok_or_else(|| Refusal::new(StatusCode::BAD_REQUEST, "the parameter query is missing"))?;
        let payer = Payer::of(caller.as_ref(), &parts.extensions);
        let operation = transport.operation(params, caller.as_ref());
        let refuse = |message| {
            let refusal = Refusal::new(StatusCode::METHOD_NOT_ALLOWED, message);
            Err(refusal.with(header::ALLOW, "POST"))
        };
        if matches!(&operation, Ok(operation) if operation.kind == OperationType::Mutation) {
            return refuse("GET runs queries only: send a mutation by POST");
        }
        if is_streamed(&parts, &operation) {
            return stream(&transport, &parts, operation, caller, id);
        }
        let answer = match operation {
            Err(error) => execute::refuse(&transport, error, payer, id),
            Ok(operation) if operation.kind == OperationType::Subscription => return refuse(NO_SUBSCRIPTIONS),
            Ok(operation) => execute::run(&transport, operation, payer, id).await,
        };
        Ok(Reply::Answer(answer))
    })
    .await
}

/// Any other method; axum adds the `Allow` header.
pub(super) async fn method_not_allowed<G: Gateway>(
    State(transport): State<Transport<G>>,
    method: Method,
    request: Request,
) -> Response {
    let (parts, _) = request.into_parts();
    respond(&transport, &parts, async |_| {
        Err(Refusal::new(
            StatusCode::METHOD_NOT_ALLOWED,
            format!("{method} is not for this address: use POST, or GET for queries"),
        ))
    })
    .await
}

/// Settles the media type and the request id around `answer`, and writes what it says.
async fn respond<G: Gateway>(
    transport: &Transport<G>,
    parts: &Parts,
    answer: impl AsyncFnOnce(&str) -> Result<Reply, Refusal>,
) -> Response {
    let id = auth::request_id(transport, &parts.headers, &parts.extensions);
    let only_events = negotiate::event_stream(&parts.headers) == EventStream::ForAll;
    let (media, answer) = match negotiate::response_type(&parts.headers) {
        Ok(media) => (media, answer(&id).await),
        Err(_) if only_events => (MediaType::Json, answer(&id).await),
        Err(refusal) => (MediaType::Json, Err(refusal)),
    };
    let mut response = match answer {
        Ok(Reply::Answer(answer)) => write(answer, media),
        Ok(Reply::Events(events)) => events,
        Err(refusal) => refusal.into_http(media, &id),
    };
    let headers = response.headers_mut();
    // What one token may see is not for a shared cache, nor for the next user of a browser.
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    headers.append(header::VARY, HeaderValue::from_static("accept, authorization"));
    response
}

/// async-graphql's own responder writes the body and what resolvers set of headers; it knows one media type, one
/// status, and always writes `data`.
fn write(answer: Answer, media: MediaType) -> Response {
    let status = answer.status(media);
    let (budget, retry_after) = (answer.budget, answer.retry_after());
    let without_data = answer
        .is_request_error()
        .then(|| serde_json::to_vec(&answer).unwrap_or_default());
    let mut response = GraphQLResponse::from(answer.into_response()).into_response();
    if let Some(body) = without_data {
        *response.body_mut() = Body::from(body);
    }
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, media.header());
    if let Some(seconds) = retry_after {
        headers.insert(header::RETRY_AFTER, seconds.into());
    }
    if let Some(budget) = budget {
        show_budget(headers, budget);
    }
    response
}

/// A document that is not taken, where only a status says that it is not: also to clients of the older media type.
pub(super) fn refuse(answer: Answer, media: MediaType) -> Response {
    let status = answer.status(MediaType::GraphqlResponse);
    let mut response = write(answer, media);
    *response.status_mut() = status;
    response
}

/// As the IETF's draft on rate limit headers has it.
fn show_budget(headers: &mut HeaderMap, budget: Budget) {
    let Budget {
        limit,
        remaining,
        reset_after,
    } = budget;
    let fields = [
        ("ratelimit-policy", format!("\"points\";q={limit};w=60")),
        ("ratelimit", format!("\"points\";r={remaining};t={reset_after}")),
    ];
    for (name, field) in fields {
        if let Ok(value) = HeaderValue::from_str(&field) {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
}

/// The body, within its limits of size and time.
pub(super) async fn read_body<G: Gateway>(transport: &Transport<G>, request: Request) -> Result<Bytes, Refusal> {
    let reading = Bytes::from_request(request, &());
    match tokio::time::timeout(transport.settings.body_timeout, reading).await {
        Ok(Ok(body)) => Ok(body),
        Ok(Err(error)) if error.status() == StatusCode::PAYLOAD_TOO_LARGE => Err(Refusal::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            format!("the body is larger than {} bytes", transport.settings.max_body_bytes),
        )),
        Ok(Err(_)) => Err(Refusal::new(StatusCode::BAD_REQUEST, "the body broke off")),
        Err(_) => Err(Refusal::new(
            StatusCode::REQUEST_TIMEOUT,
            "the body took too long to arrive",
        )),
    }
}
