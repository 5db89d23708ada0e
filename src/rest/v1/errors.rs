//! The one mapper from errors to REST's: `{"error","message","field"}`, with a status.

use axum::{
    Json,
    http::{HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;

use crate::error::{Error, UserError, UserErrorCode};

/// An answer that is no success.
#[derive(Debug)]
pub struct Refusal {
    status: StatusCode,
    body: Body,
}

#[derive(Debug, Serialize)]
struct Body {
    /// One of a closed set: programs look at it.
    error: &'static str,
    /// For a person.
    message: String,
    /// Path into the input, with dots; null when it is about the whole of it.
    field: Option<String>,
}

impl Refusal {
    pub fn new(status: StatusCode, error: &'static str, message: impl Into<String>) -> Self {
        let body = Body {
            error,
            message: message.into(),
            field: None,
        };
        Self { status, body }
    }

    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad_request", message)
    }

    #[must_use]
    pub fn on(mut self, field: String) -> Self {
        self.body.field = Some(field).filter(|field| !field.is_empty());
        self
    }
}

impl From<UserError> for Refusal {
    fn from(error: UserError) -> Self {
        let (status, code) = match error.code {
            UserErrorCode::Invalid => (StatusCode::UNPROCESSABLE_ENTITY, "invalid"),
            UserErrorCode::Taken => (StatusCode::CONFLICT, "taken"),
            UserErrorCode::NotFound => (StatusCode::NOT_FOUND, "not_found"),
            UserErrorCode::PlanTierRequired => (StatusCode::PAYMENT_REQUIRED, "plan_tier_required"),
            UserErrorCode::SelfMintDisabled => (StatusCode::UNPROCESSABLE_ENTITY, "self_mint_disabled"),
            UserErrorCode::AffiliateNotApproved => (StatusCode::UNPROCESSABLE_ENTITY, "affiliate_not_approved"),
            UserErrorCode::StripeRejected => (StatusCode::UNPROCESSABLE_ENTITY, "stripe_rejected"),
            UserErrorCode::LimitExceeded => (StatusCode::UNPROCESSABLE_ENTITY, "limit_exceeded"),
        };
        Self::new(status, code, error.message).on(error.field.join("."))
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        match error {
            // Of several, the first: once it is mended, the next is told.
            Error::User(problems) => problems
                .into_iter()
                .next()
                .map_or_else(|| Self::bad_request("the input was refused"), Self::from),
            Error::BadUserInput(message) => Self::bad_request(message),
            Error::Cursor(_) => Self::bad_request(error.to_string()),
            Error::Unauthenticated => Self::new(StatusCode::UNAUTHORIZED, "unauthenticated", error.to_string()),
            Error::Forbidden => Self::new(
                StatusCode::FORBIDDEN,
                "forbidden",
                "the role or the key does not allow it",
            ),
            Error::Retry(reason) => {
                tracing::warn!(reason, "a request was given up");
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", "send it again")
            }
            Error::Internal(error) => {
                tracing::error!(error, "a request failed");
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "internal error")
            }
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(self.body)).into_response();
        let headers = response.headers_mut();
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

/// Any other method; axum adds the `Allow` header.
pub async fn only_post(method: Method) -> Refusal {
    let message = format!("{method} is not for this address: use POST");
    Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", message)
}

/// Any other address.
pub async fn no_such_address() -> Refusal {
    Refusal::new(StatusCode::NOT_FOUND, "not_found", "there is no such address")
}
