//! The calls that we make to Stripe: requests typed by `async-stripe`, which pins one API version, sent over [`Http`].
//!
//! Answers are read tolerantly, since a call that succeeded at Stripe must not fail here because of a field that we do not
//! look at.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use miniserde::json::Value;
use secrecy::ExposeSecret;
use serde::Serialize;
use stripe_client_core::{RequestBuilder, StripeMethod};
use tokio::time::Instant;
use url::Url;

use super::{
    answers::{CallError, Made, Trouble, read},
    calls::build,
    facts::Request,
    http::{Answer, Credentials, Http},
    limit::{HOLD, Limiter},
};
use crate::{directory::Way, domain::owed::Call, error::Result as OurResult};

/// How long one call may take, with the wait for its place; and one for a whole page, with all that is expanded in it.
const TIMEOUT: Duration = Duration::from_secs(10);
const PAGE_TIMEOUT: Duration = Duration::from_secs(30);

/// How many calls a second Stripe takes for an account.
pub(super) const fn calls_per_second(livemode: bool) -> u32 {
    if livemode { 100 } else { 25 }
}

/// The lines to Stripe, one for each way, so that their calls are counted.
#[derive(Clone)]
pub struct Stripe {
    http: Http,
    lines: Arc<Mutex<Lines>>,
}

/// By key and Connect account.
type Lines = HashMap<(String, Option<String>), Line>;

#[derive(Clone)]
struct Line {
    credentials: Credentials,
    limiter: Arc<Limiter>,
}

/// A page of a list, its objects whole.
#[derive(miniserde::Deserialize)]
pub struct Page {
    pub data: Vec<Value>,
    pub has_more: bool,
}

impl Stripe {
    /// # Errors
    /// There is no TLS.
    pub fn new(base: &Url) -> OurResult<Self> {
        Ok(Self {
            http: Http::new(base)?,
            lines: Arc::default(),
        })
    }

    fn line(&self, way: &Way) -> Result<Line, CallError> {
        let name = (way.key.expose_secret().to_owned(), way.account.clone());
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(line) = lines.get(&name) {
            return Ok(line.clone());
        }
        let credentials = Credentials::new(&name.0, name.1.as_deref());
        let line = Line {
            credentials: credentials.map_err(CallError::unknown)?,
            limiter: Arc::new(Limiter::new(calls_per_second(way.livemode()))),
        };
        lines.insert(name, line.clone());
        Ok(line)
    }

    pub(super) async fn send<T: miniserde::Deserialize>(
        &self,
        way: &Way,
        request: &RequestBuilder,
        idempotency_key: Option<&str>,
    ) -> Result<T, CallError> {
        self.send_within(TIMEOUT, way, request, idempotency_key).await
    }

    async fn send_within<T: miniserde::Deserialize>(
        &self,
        timeout: Duration,
        way: &Way,
        request: &RequestBuilder,
        idempotency_key: Option<&str>,
    ) -> Result<T, CallError> {
        let Line { credentials, limiter } = self.line(way)?;
        let deadline = Instant::now() + timeout;
        let answer = match limiter.place(deadline).await {
            Ok(()) => {
                let sent = self.http.send(&credentials, request, idempotency_key);
                match tokio::time::timeout_at(deadline, sent).await {
                    Ok(Ok(answer)) => {
                        if let Some(wait) = hold(&answer) {
                            limiter.hold(wait);
                        }
                        read(&answer)
                    }
                    Ok(Err(why)) => Err(CallError::unknown(format!("Stripe could not be reached: {why}"))),
                    Err(_) => Err(CallError::unknown("Stripe did not answer in time")),
                }
            }
            Err(wait) => Err(CallError::Unsent(Trouble {
                reason: "Stripe takes no more calls for now".to_owned(),
                wait: Some(wait),
            })),
        };
        let outcome = answer.as_ref().err().map_or("ok", CallError::label);
        metrics::counter!("rekomi_stripe_calls_total", "outcome" => outcome).increment(1);
        answer
    }

    /// A page of a list. `path` is that below `/v1`.
    pub async fn list(&self, way: &Way, path: &str, query: &impl Serialize) -> Result<Page, CallError> {
        let get = RequestBuilder::new(StripeMethod::Get, path).query(query);
        self.send_within(PAGE_TIMEOUT, way, &get, None).await
    }

    /// Reads an object; `None` when Stripe has no such object.
    pub async fn fetch(&self, way: &Way, request: &Request) -> Result<Option<String>, CallError> {
        let get = RequestBuilder::new(StripeMethod::Get, request.path()).query(&request.query());
        match self.send::<Value>(way, &get, None).await {
            Ok(value) => Ok(Some(miniserde::json::to_string(&value))),
            Err(CallError::Refused(refused)) if refused.is_missing() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Makes a call under an idempotency key; a deletion needs none. `target` is Stripe's id of what it changes, or of the
    /// coupon that it makes a code on.
    ///
    /// The answer is what was made or changed.
    pub async fn make(
        &self,
        way: &Way,
        call: &Call,
        target: Option<&str>,
        idempotency_key: &str,
    ) -> Result<Made, CallError> {
        let request = build(call, target)?;
        let key = matches!(request.method, StripeMethod::Post).then_some(idempotency_key);
        self.send(way, &request, key).await
    }
}

/// How long Stripe wants no call of this account's.
fn hold(answer: &Answer) -> Option<Duration> {
    match answer.status {
        429 => Some(answer.advice.retry_after.unwrap_or(HOLD)),
        500.. => answer.advice.retry_after,
        _ => None,
    }
}
