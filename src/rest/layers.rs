//! What lies around every request: its id, its origin, its log line, its metrics, and cross-origin rules.

use axum::{
    Router,
    extract::{MatchedPath, Request},
    http::{HeaderName, HeaderValue, Method, header},
    middleware::{self, Next},
    response::Response,
};
use tokio::time::Instant;
use tower_http::{
    CompressionLevel,
    compression::{
        CompressionLayer, Predicate,
        predicate::{NotForContentType, SizeAbove},
    },
    cors::{AllowOrigin, CorsLayer},
    request_id::{MakeRequestId, PropagateRequestIdLayer, RequestId, SetRequestIdLayer},
};
use tracing::Instrument;

use super::origin::{self, TrustedProxies};
use crate::clock::Clock;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
/// Longer ids of a caller are replaced.
const MAX_ID: usize = 128;
/// Bytes; smaller answers fit a packet as they are.
const MIN_COMPRESSED: u64 = 1024;

/// Puts the layers around all routes.
pub fn wrap(router: Router, clock: Clock, cors_origins: &[String], proxies: TrustedProxies) -> Router {
    router
        .layer(middleware::from_fn_with_state(proxies, origin::attach))
        .layer(compression())
        .layer(cors(cors_origins))
        .layer(middleware::from_fn(observe))
        .layer(PropagateRequestIdLayer::new(REQUEST_ID))
        .layer(SetRequestIdLayer::new(REQUEST_ID, NewId(clock)))
        .layer(middleware::from_fn(drop_bad_id))
}

#[derive(Clone)]
struct NewId(Clock);

impl MakeRequestId for NewId {
    fn make_request_id<B>(&mut self, _request: &axum::http::Request<B>) -> Option<RequestId> {
        let id = self.0.new_id().simple().to_string();
        HeaderValue::from_str(&id).ok().map(RequestId::new)
    }
}

/// A caller's own id is kept when it is short and plain, since it goes into logs.
async fn drop_bad_id(mut request: Request, next: Next) -> Response {
    let plain = |id: &HeaderValue| {
        let bytes = id.as_bytes();
        !bytes.is_empty()
            && bytes.len() <= MAX_ID
            && bytes.iter().all(|b| b.is_ascii_alphanumeric() || b"-_.:".contains(b))
    };
    if request.headers().get(REQUEST_ID).is_some_and(|id| !plain(id)) {
        request.headers_mut().remove(REQUEST_ID);
    }
    next.run(request).await
}

/// Logs and measures a request. Of its URL only the path: a query may hold what is nobody's business.
async fn observe(request: Request, next: Next) -> Response {
    let id = request.extensions().get::<RequestId>();
    let id = id
        .and_then(|id| id.header_value().to_str().ok())
        .unwrap_or_default()
        .to_owned();
    let matched = request.extensions().get::<MatchedPath>();
    let route = matched.map_or("none", |path| path.as_str()).to_owned();
    let span = tracing::info_span!("request", id, method = %request.method(), path = request.uri().path());
    let start = Instant::now();
    let response = next.run(request).instrument(span.clone()).await;
    let took = start.elapsed();
    let status = response.status().as_u16();
    span.in_scope(|| tracing::debug!(status, took_ms = took.as_secs_f64() * 1000.0, "answered"));
    metrics::counter!("rekomi_http_requests_total", "route" => route.clone(), "status" => status.to_string())
        .increment(1);
    metrics::histogram!("rekomi_http_request_seconds", "route" => route).record(took.as_secs_f64());
    response
}

/// gzip and br, as the caller takes them. Not of a stream of events, which has to leave as it comes, nor of what is no
/// shorter for it. Fast rather than small: a page is compressed anew each time.
fn compression() -> CompressionLayer<impl Predicate> {
    let worth_it = SizeAbove::new(MIN_COMPRESSED)
        .and(NotForContentType::SSE)
        .and(NotForContentType::IMAGES);
    CompressionLayer::new()
        .quality(CompressionLevel::Fastest)
        .compress_when(worth_it)
}

/// Only the origins that the operator names may call from a browser; none by default.
fn cors(origins: &[String]) -> CorsLayer {
    let origins = origins.iter().filter_map(|origin| HeaderValue::from_str(origin).ok());
    CorsLayer::new()
        .allow_origin(AllowOrigin::list(origins))
        .allow_methods([Method::GET, Method::POST, Method::PUT, Method::DELETE])
        .allow_headers([
            header::AUTHORIZATION,
            header::CONTENT_TYPE,
            header::ACCEPT,
            REQUEST_ID,
            HeaderName::from_static("last-event-id"),
            HeaderName::from_static("x-graphql-event-stream-token"),
        ])
        .expose_headers([REQUEST_ID, header::RETRY_AFTER, RATE_LIMIT, RATE_LIMIT_POLICY])
        .max_age(std::time::Duration::from_secs(3600))
}
