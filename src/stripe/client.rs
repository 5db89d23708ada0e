//! The calls that we make to Stripe, through `async-stripe`, which pins one API version.
//!
//! Requests are typed by the library; answers are read tolerantly, since a call that succeeded at Stripe must not fail
//! here because of a field that we do not look at.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use miniserde::json::Value;
use secrecy::ExposeSecret;
use serde::Serialize;
use stripe::{Client, ClientBuilder, IdempotencyKey, RequestStrategy, StripeError};
use stripe_client_core::{RequestBuilder, StripeMethod, StripeRequest};
use stripe_product::{coupon::RetrieveCoupon, promotion_code::ListPromotionCode};
use tokio::time::Instant;
use url::Url;

use super::{
    calls::build,
    facts::{CODE_METADATA, Request},
    limit::Limiter,
};
use crate::{directory::Way, domain::owed::Call};

/// How long one call may take, with the wait for its place; and one for a whole page, with all that is expanded in it.
const TIMEOUT: Duration = Duration::from_secs(10);
const PAGE_TIMEOUT: Duration = Duration::from_secs(30);

/// How many calls a second Stripe takes for an account.
pub(super) const fn calls_per_second(livemode: bool) -> u32 {
    if livemode { 100 } else { 25 }
}

/// The lines to Stripe, one for each way, so that their connections are kept and their calls counted.
#[derive(Clone)]
pub struct Stripe {
    base: Url,
    lines: Arc<Mutex<Lines>>,
}

/// By key and Connect account.
type Lines = HashMap<(String, Option<String>), Line>;

#[derive(Clone)]
struct Line {
    client: Client,
    limiter: Arc<Limiter>,
}

/// Why a call has no good answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallError {
    /// Stripe understood and refused (4xx).
    Refused(Refused),
    /// Stripe failed on its side (5xx), maybe replaying a stored failure.
    Server(String),
    /// It may or may not have been done: limited, in conflict, timed out, not reached.
    Unknown(String),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    pub status: u16,
    pub message: String,
    pub param: Option<String>,
    /// Stripe's error code or, without one, its type.
    pub code: String,
}

impl CallError {
    pub fn message(&self) -> &str {
        match self {
            Self::Refused(refused) => &refused.message,
            Self::Server(message) | Self::Unknown(message) => message,
        }
    }
}

/// An object's id and metadata, all that is read of an answer.
#[derive(miniserde::Deserialize, Debug)]
struct Object {
    id: String,
    metadata: Option<HashMap<String, String>>,
}

#[derive(miniserde::Deserialize)]
struct List {
    data: Vec<Object>,
}

/// A page of a list, its objects whole.
#[derive(miniserde::Deserialize)]
pub struct Page {
    pub data: Vec<Value>,
    pub has_more: bool,
}

impl Stripe {
    pub fn new(base: &Url) -> Self {
        Self {
            base: base.clone(),
            lines: Arc::default(),
        }
    }

    fn line(&self, way: &Way) -> Result<Line, CallError> {
        let name = (way.key.expose_secret().to_owned(), way.account.clone());
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(line) = lines.get(&name) {
            return Ok(line.clone());
        }
        let mut client = ClientBuilder::new(way.key.expose_secret()).url(self.base.as_str());
        if let Some(account) = &way.account {
            client = client.account_id(account.as_str().into());
        }
        let line = Line {
            client: client.build().map_err(call_error)?,
            limiter: Arc::new(Limiter::new(calls_per_second(way.livemode()))),
        };
        lines.insert(name, line.clone());
        Ok(line)
    }

    async fn send<T: miniserde::Deserialize>(
        &self,
        way: &Way,
        request: RequestBuilder,
        strategy: RequestStrategy,
    ) -> Result<T, CallError> {
        self.send_within(TIMEOUT, way, request, strategy).await
    }

    async fn send_within<T: miniserde::Deserialize>(
        &self,
        timeout: Duration,
        way: &Way,
        request: RequestBuilder,
        strategy: RequestStrategy,
    ) -> Result<T, CallError> {
        let Line { client, limiter } = self.line(way)?;
        let deadline = Instant::now() + timeout;
        let answer = match limiter.place(deadline).await {
            Some(()) => {
                let sent = request.customize::<T>().request_strategy(strategy).send(&client);
                let answer = tokio::time::timeout_at(deadline, sent).await;
                answer.unwrap_or(Err(StripeError::Timeout))
            }
            None => Err(StripeError::Timeout),
        };
        if let Err(StripeError::Stripe(_, 429)) = &answer {
            limiter.hold();
        }
        let answer = answer.map_err(call_error);
        let outcome = match &answer {
            Ok(_) => "ok",
            Err(CallError::Refused(_)) => "refused",
            Err(CallError::Server(_)) => "server_error",
            Err(CallError::Unknown(_)) => "unknown",
        };
        metrics::counter!("rekomi_stripe_calls_total", "outcome" => outcome).increment(1);
        answer
    }

    /// A page of a list. `path` is that below `/v1`.
    pub async fn list(&self, way: &Way, path: &str, query: &impl Serialize) -> Result<Page, CallError> {
        let get = RequestBuilder::new(StripeMethod::Get, path).query(query);
        self.send_within(PAGE_TIMEOUT, way, get, RequestStrategy::Once).await
    }

    /// Reads an object; `None` when Stripe has no such object.
    pub async fn fetch(&self, way: &Way, request: &Request) -> Result<Option<String>, CallError> {
        let get = RequestBuilder::new(StripeMethod::Get, request.path()).query(&request.query());
        match self.send::<Value>(way, get, RequestStrategy::Once).await {
            Ok(value) => Ok(Some(miniserde::json::to_string(&value))),
            Err(CallError::Refused(refused)) if refused.status == 404 => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Makes a call under an idempotency key. `target` is Stripe's id of what it changes, or of the coupon that it makes a
    /// code on.
    ///
    /// The answer is the id of what was made or changed.
    pub async fn make(
        &self,
        way: &Way,
        call: &Call,
        target: Option<&str>,
        idempotency_key: &str,
    ) -> Result<String, CallError> {
        let request = build(call, target)?;
        let idempotency_key: IdempotencyKey = idempotency_key
            .to_owned()
            .try_into()
            .map_err(|_| CallError::Unknown("not an idempotency key".into()))?;
        let strategy = RequestStrategy::Idempotent(idempotency_key);
        self.send::<Object>(way, request, strategy)
            .await
            .map(|object| object.id)
    }

    /// Looks for what a creation would make; its id when it is there already.
    pub async fn find(&self, way: &Way, call: &Call) -> Result<Option<String>, CallError> {
        match call {
            Call::CreateCoupon { id, .. } => {
                let get = RetrieveCoupon::new(id.to_string()).build();
                match self.send::<Object>(way, get, RequestStrategy::Once).await {
                    Ok(coupon) => Ok(Some(coupon.id)),
                    Err(CallError::Refused(refused)) if refused.status == 404 => Ok(None),
                    Err(error) => Err(error),
                }
            }
            Call::CreatePromotionCode { id, code, .. } => {
                // Stripe cannot search by metadata: by code, and then the metadata compared.
                let list = ListPromotionCode::new().code(code.as_str()).limit(100).build();
                let found: List = self.send(way, list, RequestStrategy::Once).await?;
                let ours = |object: &Object| {
                    let metadata = object.metadata.as_ref();
                    metadata.and_then(|metadata| metadata.get(CODE_METADATA)) == Some(&id.to_string())
                };
                Ok(found.data.into_iter().find(ours).map(|object| object.id))
            }
            _ => Ok(None),
        }
    }
}

/// What a status means (<https://docs.stripe.com/error-low-level>).
fn call_error(error: StripeError) -> CallError {
    match error {
        StripeError::Stripe(error, status) => {
            let message = error.message.clone().unwrap_or_else(|| format!("status {status}"));
            let code = error.code.as_ref().map(|code| code.as_str().to_owned());
            match status {
                409 | 424 | 429 => CallError::Unknown(message),
                400..=499 => CallError::Refused(Refused {
                    status,
                    message,
                    param: error.param.clone(),
                    code: code.unwrap_or_else(|| error.type_.as_str().to_owned()),
                }),
                _ => CallError::Server(message),
            }
        }
        StripeError::Timeout => CallError::Unknown("Stripe did not answer in time".into()),
        StripeError::JSONDeserialize(_) => CallError::Unknown("Stripe's answer could not be read".into()),
        StripeError::ClientError(message) | StripeError::ConfigError(message) => {
            CallError::Unknown(format!("Stripe could not be reached: {message}"))
        }
    }
}
