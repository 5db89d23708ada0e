//! `GET /r/{slug}`: an affiliate's link.
//!
//! **Invariant.** Where it leads comes from the link's campaign alone, so nobody can be sent anywhere else. The click is
//! written down beside the answer, never before it.

use axum::{
    Router,
    extract::{Extension, Path, State, rejection::PathRejection},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use entity::{click, id::ClickId};

use super::visits;
use crate::{
    auth::Origin,
    clicks::{AddressKey, Clicks},
    clock::Clock,
    domain::links,
    landings::{Landing, Landings},
};

const ROBOTS: HeaderName = HeaderName::from_static("x-robots-tag");

#[derive(Clone)]
pub struct Redirect {
    pub landings: Landings,
    pub clicks: Clicks,
    pub addresses: AddressKey,
    pub clock: Clock,
    /// Whether the server is reached by https.
    pub secure: bool,
}

pub fn router(state: Redirect) -> Router {
    Router::new().route("/r/{slug}", get(follow)).with_state(state)
}

/// HEAD comes here, too.
async fn follow(
    State(redirect): State<Redirect>,
    slug: Result<Path<String>, PathRejection>,
    method: Method,
    Extension(origin): Extension<Origin>,
    headers: HeaderMap,
) -> Response {
    // What is no text is no slug.
    let slug = slug.map(|Path(slug)| slug).unwrap_or_default();
    let landing = match redirect.landings.find(&slug).await {
        Ok(Some(landing)) => landing,
        Ok(None) => return plain(StatusCode::NOT_FOUND, "There is no such link.\n"),
        Err(error) => {
            tracing::error!(%error, "a link could not be followed");
            return plain(StatusCode::SERVICE_UNAVAILABLE, "Try again in a moment.\n");
        }
    };
    if method != Method::GET || visits::is_nobody(&headers) {
        return found(&landing, None, None);
    }
    let click = redirect.click(&landing, &headers, &origin);
    let cookie = visits::set_cookie(click.visitor, landing.cookie_days, redirect.secure);
    let answer = found(&landing, Some(click.id), Some(cookie));
    redirect.clicks.record(click);
    answer
}

impl Redirect {
    fn click(&self, landing: &Landing, headers: &HeaderMap, origin: &Origin) -> click::Model {
        let address = origin.address;
        click::Model {
            id: ClickId(self.clock.new_id()),
            brand_id: landing.brand_id,
            link_id: landing.id,
            affiliate_id: landing.affiliate_id,
            campaign_id: landing.campaign_id,
            visitor: visits::visitor(headers).unwrap_or_else(|| self.clock.new_id()),
            address_hash: address.and_then(|address| self.addresses.hash(landing.brand_id, address)),
            clicked_at: self.clock.now(),
        }
    }
}

fn plain(status: StatusCode, text: &'static str) -> Response {
    (status, [(header::CACHE_CONTROL, "no-store")], text).into_response()
}

fn found(landing: &Landing, click: Option<ClickId>, cookie: Option<String>) -> Response {
    let location = links::location(&landing.landing_url, &landing.slug, click);
    let Ok(location) = HeaderValue::from_str(&location) else {
        tracing::error!(link = %landing.id, "the landing page's address cannot be sent");
        return plain(StatusCode::SERVICE_UNAVAILABLE, "Try again in a moment.\n");
    };
    let mut answer = StatusCode::FOUND.into_response();
    let headers = answer.headers_mut();
    headers.insert(header::LOCATION, location);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // The landing page learns from which site its visitor came, not from which page.
    let policy = HeaderValue::from_static("strict-origin-when-cross-origin");
    headers.insert(header::REFERRER_POLICY, policy);
    headers.insert(ROBOTS, HeaderValue::from_static("noindex, nofollow"));
    if let Some(cookie) = cookie.and_then(|cookie| HeaderValue::from_str(&cookie).ok()) {
        headers.insert(header::SET_COOKIE, cookie);
    }
    answer
}
