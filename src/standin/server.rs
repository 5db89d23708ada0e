//! HTTP: from a request to what matters in it, and from the outcome to an answer, a silence or a reset.

use axum::{
    Router,
    body::Bytes,
    extract::{ConnectInfo, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::{
    API_VERSION,
    form::Params,
    wire::{Door, Switch},
    world::{Call, Holder, Outcome, Reply, Request, Shared},
};

/// Serves until `closing`, which also cuts every connection.
pub(super) async fn serve(shared: Shared, listener: TcpListener, closing: CancellationToken) -> std::io::Result<()> {
    let router = Router::new().fallback(answer).with_state(shared);
    let door = Door::new(listener, closing.clone());
    axum::serve(door, router.into_make_service_with_connect_info::<Switch>())
        .with_graceful_shutdown(closing.cancelled_owned())
        .await
}

async fn answer(
    State(shared): State<Shared>,
    ConnectInfo(switch): ConnectInfo<Switch>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let request = read(&method, &uri, &headers, &body);
    let version = text(&headers, "stripe-version");
    let (number, latency) = {
        let mut world = shared.lock();
        (world.log(call(&request, version)), world.latency)
    };
    if !latency.is_zero() {
        tokio::time::sleep(latency).await;
    }
    let outcome = shared.lock().answer(number, &request);
    match outcome {
        Outcome::Reply(reply) => respond(number, &headers, reply),
        Outcome::Hang => std::future::pending().await,
        Outcome::Drop(_) => {
            switch.cut();
            StatusCode::OK.into_response() // never written: the wire is cut
        }
    }
}

fn read(method: &Method, uri: &Uri, headers: &HeaderMap, body: &[u8]) -> Request {
    let body = if method == Method::POST { body } else { b"" };
    Request {
        method: method.to_string(),
        path: decoded(uri.path()),
        params: Params::parse(uri.query().unwrap_or_default(), body),
        holder: Holder {
            secret_key: secret_key(headers),
            stripe_account: text(headers, "stripe-account"),
        },
        idempotency_key: text(headers, "idempotency-key"),
    }
}

/// A path as it is meant: ids may have any characters.
fn decoded(path: &str) -> String {
    // A form's rules, but for what has a meaning in forms alone.
    let form = path.replace('+', "%2B").replace('&', "%26").replace('=', "%3D");
    let mut names = url::form_urlencoded::parse(form.as_bytes());
    names.next().map_or_else(String::new, |(name, _)| name.into_owned())
}

fn call(request: &Request, stripe_version: Option<String>) -> Call {
    Call {
        method: request.method.clone(),
        path: request.path.clone(),
        params: request.params.to_value(),
        secret_key: request.holder.secret_key.clone(),
        stripe_account: request.holder.stripe_account.clone(),
        idempotency_key: request.idempotency_key.clone(),
        stripe_version,
        status: None,
        response: Value::Null,
        replayed: false,
        fault: None,
    }
}

/// The key, as a bearer token or as the user name of basic authentication; empty if there is none.
fn secret_key(headers: &HeaderMap) -> String {
    let authorization = text(headers, "authorization").unwrap_or_default();
    match authorization.split_once(' ') {
        Some((scheme, key)) if scheme.eq_ignore_ascii_case("bearer") => key.trim().to_owned(),
        Some((scheme, pair)) if scheme.eq_ignore_ascii_case("basic") => {
            let pair = BASE64_STANDARD.decode(pair.trim()).unwrap_or_default();
            let pair = String::from_utf8(pair).unwrap_or_default();
            pair.split(':').next().unwrap_or_default().to_owned()
        }
        _ => String::new(),
    }
}

fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name)?.to_str().ok().map(str::to_owned)
}

fn respond(number: usize, asked: &HeaderMap, reply: Reply) -> Response {
    let status = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = (status, reply.body.to_string()).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if let Ok(id) = HeaderValue::try_from(format!("req_{number:014}")) {
        headers.insert("request-id", id);
    }
    let version = asked.get("stripe-version").cloned();
    headers.insert(
        "stripe-version",
        version.unwrap_or(HeaderValue::from_static(API_VERSION)),
    );
    if let Some(key) = asked.get("idempotency-key") {
        headers.insert("idempotency-key", key.clone());
    }
    if reply.replayed {
        headers.insert("idempotent-replayed", HeaderValue::from_static("true"));
    }
    if let Some(should_retry) = reply.should_retry {
        let text = if should_retry { "true" } else { "false" };
        headers.insert("stripe-should-retry", HeaderValue::from_static(text));
    }
    if let Some(moment) = reply.retry_after {
        headers.insert(header::RETRY_AFTER, HeaderValue::from_static(moment));
    }
    response
}
