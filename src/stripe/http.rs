//! One request to Stripe over HTTP, and what the answer says of the next one.
//!
//! **Invariants.** Connections are kept and shared by all brands; nothing of one request is in another but the address. An
//! answer is whole and bounded, or there is none. No redirect is followed, no proxy is asked.

use std::{sync::Arc, time::Duration};

use chrono::DateTime;
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use stripe_client_core::{RequestBuilder, StripeMethod, VERSION};
use url::Url;

use crate::error::{Error, Result, causes};

/// Bytes; a longer answer is none. A page has 100 objects, with all that is expanded in them.
const MAX_BODY: usize = 32 * 1024 * 1024;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a connection that nobody uses is kept, and how many of them.
const IDLE: Duration = Duration::from_secs(30);
const MAX_IDLE: usize = 64;
/// Stripe may ask us to wait for longer; we come again then.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(300);

const USER_AGENT: &str = concat!("Rekomi/", env!("CARGO_PKG_VERSION"));
const STRIPE_VERSION: HeaderName = HeaderName::from_static("stripe-version");
const STRIPE_ACCOUNT: HeaderName = HeaderName::from_static("stripe-account");
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// The connections to one address.
#[derive(Clone)]
pub(super) struct Http {
    client: reqwest::Client,
    base: Url,
    version: HeaderValue,
}

/// As whom Stripe is asked.
#[derive(Clone)]
pub(super) struct Credentials {
    authorization: HeaderValue,
    account: Option<HeaderValue>,
}

/// A whole answer, good or bad.
pub(super) struct Answer {
    pub status: u16,
    pub body: Vec<u8>,
    pub advice: Advice,
}

/// What the headers say of another try (<https://docs.stripe.com/error-low-level>).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Advice {
    /// `Stripe-Should-Retry`: whether the same request may do better.
    pub should_retry: Option<bool>,
    /// `Retry-After`, five minutes at most: not before.
    pub retry_after: Option<Duration>,
    /// `Idempotent-Replayed`: the answer is the one that was kept under the idempotency key.
    pub replayed: bool,
}

impl Http {
    /// # Errors
    /// There is no TLS.
    pub fn new(base: &Url) -> Result<Self> {
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(tls()?)
            .user_agent(USER_AGENT)
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT_TIMEOUT)
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(MAX_IDLE)
            .build()
            .map_err(|error| Error::Internal(causes(&error)))?;
        Ok(Self {
            client,
            base: base.clone(),
            version: HeaderValue::from_str(VERSION.as_str()).map_err(|error| Error::Internal(causes(&error)))?,
        })
    }

    /// Sends one request, once. How long that may take is the caller's to say.
    ///
    /// # Errors
    /// Why there is no whole answer; the request may have arrived all the same.
    pub async fn send(
        &self,
        credentials: &Credentials,
        request: &RequestBuilder,
        idempotency_key: Option<&str>,
    ) -> Result<Answer, String> {
        let told = |error: reqwest::Error| causes(&error.without_url());
        let request = self.request(credentials, request, idempotency_key)?;
        let mut answer = self.client.execute(request).await.map_err(told)?;
        let (status, advice) = (answer.status().as_u16(), Advice::read(answer.headers()));
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(told)? {
            if body.len() + chunk.len() > MAX_BODY {
                return Err("the answer is too long".to_owned());
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Answer { status, body, advice })
    }

    fn request(
        &self,
        credentials: &Credentials,
        request: &RequestBuilder,
        idempotency_key: Option<&str>,
    ) -> Result<reqwest::Request, String> {
        let mut url = self.base.clone();
        // The path is as its ids are, which may have any characters; what it does not escape by itself is the escape.
        url.set_path(&format!("/v1{}", request.path.replace('%', "%25")));
        url.set_query(request.query.as_deref());
        let method = match request.method {
            StripeMethod::Get => Method::GET,
            StripeMethod::Post => Method::POST,
            StripeMethod::Delete => Method::DELETE,
        };
        let mut made = reqwest::Request::new(method, url);
        let headers = made.headers_mut();
        headers.insert(header::AUTHORIZATION, credentials.authorization.clone());
        headers.insert(STRIPE_VERSION, self.version.clone());
        if let Some(account) = &credentials.account {
            headers.insert(STRIPE_ACCOUNT, account.clone());
        }
        if let Some(key) = idempotency_key {
            let key = HeaderValue::try_from(key).map_err(|_| "not an idempotency key".to_owned())?;
            headers.insert(IDEMPOTENCY_KEY, key);
        }
        if let Some(form) = &request.body {
            let form_type = HeaderValue::from_static("application/x-www-form-urlencoded");
            headers.insert(header::CONTENT_TYPE, form_type);
            *made.body_mut() = Some(form.clone().into());
        }
        Ok(made)
    }
}

impl Credentials {
    /// # Errors
    /// What of it cannot be sent.
    pub fn new(key: &str, account: Option<&str>) -> Result<Self, String> {
        let unfit = |what| move |_| format!("the {what} cannot be sent: it has characters that no {what} has");
        let mut authorization = HeaderValue::try_from(format!("Bearer {key}")).map_err(unfit("key"))?;
        authorization.set_sensitive(true);
        let account = account.map(HeaderValue::try_from).transpose();
        Ok(Self {
            authorization,
            account: account.map_err(unfit("account"))?,
        })
    }
}

impl Advice {
    fn read(headers: &HeaderMap) -> Self {
        let text = |name: &str| headers.get(name)?.to_str().ok();
        Self {
            should_retry: text("stripe-should-retry").and_then(|text| text.parse().ok()),
            retry_after: retry_after(text("retry-after"), text("date")),
            replayed: text("idempotent-replayed") == Some("true"),
        }
    }
}

/// Seconds, or a moment, which is held against the answer's own clock.
fn retry_after(text: Option<&str>, date: Option<&str>) -> Option<Duration> {
    let text = text?.trim();
    let wait = match text.parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => {
            let moment = |text| DateTime::parse_from_rfc2822(text).ok();
            (moment(text)? - moment(date?)?).to_std().unwrap_or_default()
        }
    };
    Some(wait.min(MAX_RETRY_AFTER))
}

/// Trusts the root certificates in the program, so that it needs none on the machine.
fn tls() -> Result<rustls::ClientConfig> {
    let roots = rustls::RootCertStore::from_iter(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let versions = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let versions = versions.map_err(|error| Error::Internal(causes(&error)))?;
    Ok(versions.with_root_certificates(roots).with_no_client_auth())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_in_seconds_or_until_a_moment_and_at_most_five_minutes() {
        let date = Some("Sun, 01 Nov 2026 12:00:00 GMT");
        let wait = |text| retry_after(Some(text), date).map(|wait| wait.as_secs());
        assert_eq!(wait("0"), Some(0));
        assert_eq!(wait(" 7 "), Some(7));
        assert_eq!(wait("86400"), Some(300));
        assert_eq!(wait("Sun, 01 Nov 2026 12:00:30 GMT"), Some(30));
        assert_eq!(wait("Sun, 01 Nov 2026 11:00:00 GMT"), Some(0));
        assert_eq!(wait("Mon, 02 Nov 2026 12:00:00 GMT"), Some(300));
        for text in ["", "-1", "1.5", "soon"] {
            assert_eq!(wait(text), None, "{text}");
        }
        assert_eq!(retry_after(Some("Sun, 01 Nov 2026 12:00:30 GMT"), None), None);
        assert_eq!(retry_after(None, date), None);
    }

    #[test]
    fn a_request_says_who_asks_in_which_version_and_under_which_key() {
        let http = Http::new(&"https://api.stripe.com/".parse().unwrap()).unwrap();
        let form = serde_json::json!({ "code": "SARAH20", "promotion": { "type": "coupon" } });
        let request = RequestBuilder::new(StripeMethod::Post, "/promotion_codes").form(&form);
        let acct = Credentials::new("sk_live_1", Some("acct_1")).unwrap();
        let made = http.request(&acct, &request, Some("key-1")).unwrap();
        assert_eq!(
            (made.method(), made.url().as_str()),
            (&Method::POST, "https://api.stripe.com/v1/promotion_codes")
        );
        let headers = made.headers();
        let mut told: Vec<_> = headers
            .iter()
            .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
            .collect();
        told.sort();
        assert_eq!(
            told,
            [
                "authorization: Bearer sk_live_1",
                "content-type: application/x-www-form-urlencoded",
                "idempotency-key: key-1",
                "stripe-account: acct_1",
                "stripe-version: 2026-09-30.endive",
            ]
        );
        assert!(headers["authorization"].is_sensitive());
        let body = made.body().and_then(reqwest::Body::as_bytes).unwrap();
        assert_eq!(body, b"code=SARAH20&promotion[type]=coupon");

        let own = Credentials::new("sk_live_1", None).unwrap();
        let read = RequestBuilder::new(StripeMethod::Get, "/coupons").query(&serde_json::json!({ "limit": 1 }));
        let made = http.request(&own, &read, None).unwrap();
        assert_eq!(made.url().as_str(), "https://api.stripe.com/v1/coupons?limit=1");
        assert_eq!((made.headers().len(), made.body().is_none()), (2, true));
    }

    #[test]
    fn a_key_that_is_no_header_is_told_without_it() {
        let error = Credentials::new("sk_live_\n", None).err();
        assert_eq!(
            error.as_deref(),
            Some("the key cannot be sent: it has characters that no key has")
        );
    }
}
