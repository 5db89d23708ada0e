//! `POST /webhooks/stripe` and `/webhooks/stripe/{brandSlug}`.
//!
//! **Invariant.** 200 means that the event is durably stored. Nothing of a delivery with a bad signature is.

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{Path, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
    routing::post,
};
use secrecy::SecretString;

use crate::{
    clock::Clock,
    directory::{Account, Directory, Name},
    stripe::{
        inbox::{Envelope, Inbox},
        signature,
    },
};

/// A body of this size is accepted, a byte more is not.
const MAX_BODY: usize = 1 << 20;
const BODY_TIMEOUT: Duration = Duration::from_secs(30);
const HEADER: &str = "stripe-signature";

#[derive(Clone)]
pub struct StripeWebhook {
    pub directory: Directory,
    pub inbox: Inbox,
    pub clock: Clock,
}

pub fn router(state: StripeWebhook) -> Router {
    Router::new()
        .route("/webhooks/stripe", post(default_brand))
        .route("/webhooks/stripe/{slug}", post(named_brand))
        .with_state(state)
}

/// Why a delivery was not taken.
enum Refusal {
    UnknownBrand,
    BadSignature,
    NotAnEvent,
    TooLarge,
    TooSlow,
    Unavailable,
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (status, message) = match self {
            Self::UnknownBrand => (StatusCode::NOT_FOUND, "there is no such brand"),
            Self::BadSignature => (StatusCode::BAD_REQUEST, "the Stripe-Signature header is not valid"),
            Self::NotAnEvent => (
                StatusCode::BAD_REQUEST,
                "the body is no event: not JSON, or without an id",
            ),
            Self::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "the body is larger than 1 MiB"),
            Self::TooSlow => (StatusCode::REQUEST_TIMEOUT, "the body did not come in time"),
            Self::Unavailable => (
                StatusCode::SERVICE_UNAVAILABLE,
                "the event could not be stored; send it again",
            ),
        };
        (status, format!("{message}\n")).into_response()
    }
}

async fn named_brand(
    State(webhook): State<StripeWebhook>,
    Path(slug): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<&'static str, Refusal> {
    let (account, body) = webhook.verified(Name::Slug(slug), &headers, body).await?;
    let envelope = webhook.envelope(&body)?;
    webhook.store(&account, envelope, body, None).await
}

/// The default brand's events, and those of the Connect accounts that brands are tied to.
async fn default_brand(
    State(webhook): State<StripeWebhook>,
    headers: HeaderMap,
    body: Body,
) -> Result<&'static str, Refusal> {
    let (platform, body) = webhook.verified(Name::Default, &headers, body).await?;
    let envelope = webhook.envelope(&body)?;
    let Some(account) = &envelope.account else {
        return webhook.store(&platform, envelope, body, None).await;
    };
    match webhook.find(Name::StripeAccount(account.clone())).await? {
        Some(owner) => webhook.store(&owner, envelope, body, None).await,
        None => {
            let why = format!("no brand is tied to the Connect account {account}");
            webhook.store(&platform, envelope, body, Some(why)).await
        }
    }
}

impl StripeWebhook {
    async fn find(&self, name: Name) -> Result<Option<Arc<Account>>, Refusal> {
        self.directory.get(name).await.map_err(|error| {
            tracing::error!(%error, "a delivery could not be checked");
            Refusal::Unavailable
        })
    }

    /// The brand and the raw bytes, once the signature is found good.
    async fn verified(&self, name: Name, headers: &HeaderMap, body: Body) -> Result<(Arc<Account>, Vec<u8>), Refusal> {
        let account = self.find(name).await?.ok_or(Refusal::UnknownBrand)?;
        let read = tokio::time::timeout(BODY_TIMEOUT, to_bytes(body, MAX_BODY)).await;
        let body = read.map_err(|_| Refusal::TooSlow)?.map_err(|_| Refusal::TooLarge)?;
        let header = headers
            .get(HEADER)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default();
        let secrets = account.secrets.webhook_secrets.iter().map(Secret);
        signature::verify(header, &body, secrets, self.clock.now()).map_err(|_| Refusal::BadSignature)?;
        Ok((account, body.into()))
    }

    fn envelope(&self, body: &[u8]) -> Result<Envelope, Refusal> {
        Envelope::read(body, self.clock.now()).ok_or(Refusal::NotAnEvent)
    }

    /// `ignored` gives the reason why the event is kept but not processed.
    async fn store(
        &self,
        account: &Account,
        envelope: Envelope,
        body: Vec<u8>,
        ignored: Option<String>,
    ) -> Result<&'static str, Refusal> {
        let stored = self.inbox.store(account.brand.id, envelope, body, ignored).await;
        stored.map(|()| "stored\n").map_err(|_| Refusal::Unavailable)
    }
}

struct Secret<'a>(&'a SecretString);

impl AsRef<SecretString> for Secret<'_> {
    fn as_ref(&self) -> &SecretString {
        self.0
    }
}
