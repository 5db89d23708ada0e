//! Who calls, and what the body says.

use std::time::Duration;

use axum::{
    body::{Bytes, to_bytes},
    extract::{FromRequest, FromRequestParts, Request},
    http::{HeaderMap, StatusCode, header, request::Parts},
};
use serde::de::DeserializeOwned;

use super::{V1, errors::Refusal};
use crate::{
    auth::{Actor, Origin, bearer},
    domain::Domain,
    error::Error,
};

/// Bytes.
const MAX_BODY: usize = 64 * 1024;
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// A caller whose token or key was found good, with the rules confined to the brand.
pub struct Caller {
    pub actor: Actor,
    pub domain: Domain,
}

impl FromRequestParts<V1> for Caller {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, v1: &V1) -> Result<Self, Refusal> {
        let mut values = parts.headers.get_all(header::AUTHORIZATION).iter();
        let token = values.next().and_then(|value| bearer::token(value.to_str().ok()?));
        let token = token.filter(|_| values.next().is_none());
        let origin = parts.extensions.get::<Origin>().cloned().unwrap_or_default();
        let actor = v1.callers.actor(token.ok_or(Error::Unauthenticated)?, origin).await?;
        let domain = v1.domain.of_brand(actor.scope.brand);
        Ok(Self { actor, domain })
    }
}

/// An object of JSON; a field that nobody knows is refused, so that a slip of the pen is not taken for silence.
pub struct Input<T>(pub T);

impl<T: DeserializeOwned> FromRequest<V1> for Input<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, _: &V1) -> Result<Self, Refusal> {
        if !is_json(request.headers()) {
            let message = "the body must be application/json";
            return Err(Refusal::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "unsupported_media_type",
                message,
            ));
        }
        let body = read(request).await?;
        // A list would be taken for the fields in their order.
        if body.trim_ascii_start().first() == Some(&b'[') {
            return Err(Refusal::bad_request("the body must be an object"));
        }
        let mut json = serde_json::Deserializer::from_slice(&body);
        let value = serde_path_to_error::deserialize(&mut json).map_err(|error| {
            let path = error.path().to_string();
            let refusal = Refusal::bad_request(error.into_inner().to_string());
            // The path of the whole body is a dot; a question mark stands for what has none.
            if path == "." || path.contains('?') {
                refusal
            } else {
                refusal.on(path)
            }
        })?;
        json.end().map_err(|error| Refusal::bad_request(error.to_string()))?;
        Ok(Self(value))
    }
}

async fn read(request: Request) -> Result<Bytes, Refusal> {
    let too_large = || {
        let message = format!("the body is larger than {MAX_BODY} bytes");
        Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", message)
    };
    match tokio::time::timeout(BODY_TIMEOUT, to_bytes(request.into_body(), MAX_BODY)).await {
        Ok(body) => body.map_err(|_| too_large()),
        Err(_) => Err(Refusal::new(
            StatusCode::REQUEST_TIMEOUT,
            "too_slow",
            "the body did not come in time",
        )),
    }
}

/// `application/json`, whatever parameters follow.
fn is_json(headers: &HeaderMap) -> bool {
    let given = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let media = given.and_then(|given| given.split(';').next()).unwrap_or_default();
    media.trim().eq_ignore_ascii_case("application/json")
}
