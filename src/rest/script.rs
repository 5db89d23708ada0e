//! `GET /js/rekomi.js`: what a brand's site loads to keep the click that a visitor came by.
//!
//! The same for every brand, and no secret: any site may load it, and keep it for an hour.

use std::sync::LazyLock;

use axum::{
    Router,
    http::{HeaderMap, HeaderName, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use sha2::{Digest, Sha256};

const SOURCE: &str = include_str!("rekomi.js");
const CACHE: &str = "public, max-age=3600";
/// So that pages may load it that let in only what says so.
const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// The source without what is for people alone: comments and indentation.
static SCRIPT: LazyLock<String> = LazyLock::new(|| {
    let lines = SOURCE.lines().map(str::trim);
    let code: Vec<&str> = lines.filter(|line| !line.starts_with("//")).collect();
    code.join("\n")
});
/// Another for another text.
static TAG: LazyLock<String> = LazyLock::new(|| {
    let digest = hex::encode(Sha256::digest(SCRIPT.as_str()));
    format!("\"{}\"", digest.get(..16).unwrap_or_default())
});

pub fn router() -> Router {
    Router::new().route("/js/rekomi.js", get(script))
}

async fn script(headers: HeaderMap) -> Response {
    let always = [
        (header::ETAG, TAG.as_str()),
        (header::CACHE_CONTROL, CACHE),
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
        (RESOURCE_POLICY, "cross-origin"),
    ];
    if is_known(&headers) {
        return (StatusCode::NOT_MODIFIED, always).into_response();
    }
    let content = [
        (header::CONTENT_TYPE, "text/javascript; charset=utf-8"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (always, content, SCRIPT.as_str()).into_response()
}

/// Whether the caller has it already. A tag may come back marked as weak.
fn is_known(headers: &HeaderMap) -> bool {
    let given = headers.get_all(header::IF_NONE_MATCH).into_iter();
    let mut tags = given
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(','));
    tags.any(|tag| {
        let tag = tag.trim();
        tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == TAG.as_str()
    })
}
