//! The one place where errors become fit for a client, on every transport.
//!
//! Owns the codes that the transport gives and the rule for errors that came without one: a request error (parse,
//! validation, limits) is the client's to mend and says so; anything else that has no code is ours, and leaves only
//! `internal error` and the request id. What was hidden is logged here, once.

use std::borrow::Cow;

use async_graphql::{Response, ServerError, Value};
use axum::{
    Json,
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response as HttpResponse},
};
use serde::{Serialize, Serializer, ser::SerializeMap};
use serde_json::json;

use super::{cost, negotiate::MediaType};
use crate::budgets::{Budget, Exhausted};

/// The codes of the specification that the transport itself gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Code {
    Unauthenticated,
    BadUserInput,
    RateLimited,
    QueryTooComplex,
    /// Not of the specification: clients of Apollo's protocol know it by this name.
    PersistedQueryNotFound,
    Internal,
}

impl Code {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Unauthenticated => "UNAUTHENTICATED",
            Self::BadUserInput => "BAD_USER_INPUT",
            Self::RateLimited => "RATE_LIMITED",
            Self::QueryTooComplex => "QUERY_TOO_COMPLEX",
            Self::PersistedQueryNotFound => "PERSISTED_QUERY_NOT_FOUND",
            Self::Internal => "INTERNAL",
        }
    }
}

/// How async-graphql words the limits; it gives them no code and no type.
const LIMITS: [&str; 6] = [
    "Query is too complex.",
    "Query is nested too deep.",
    "The number of directives on the field",
    "The amount of aliases of the query",
    "The recursion depth of the query",
    "recursion limit exceeded.",
];

/// How async-graphql words an argument that only execution could find wrong (custom scalars, validators).
const BAD_INPUT: [&str; 2] = ["Failed to parse \"", "Expected input type \""];

/// Bytes of an error's message.
const MAX_MESSAGE: usize = 1000;

/// A document can be wrong in more places than anyone reads.
const MAX_REQUEST_ERRORS: usize = 50;

/// A response whose errors are fit for a client. Written as JSON it has `data` only where execution began, as the
/// GraphQL specification has it; async-graphql writes `"data": null` always.
pub(super) struct Answer {
    response: Response,
    executed: bool,
    /// Where a subscription stands after it.
    place: Option<String>,
    /// How its payer's budget stands, for who has one.
    pub(super) budget: Option<Budget>,
}

impl Answer {
    pub(super) fn new(mut response: Response, request_id: &str) -> Self {
        // Every error of an executed field has a path; those of parsing, validation and limits have none.
        let executed = response.data != Value::Null
            || response.errors.is_empty()
            || response.errors.iter().any(|error| !error.path.is_empty());
        if !executed {
            response.errors.truncate(MAX_REQUEST_ERRORS);
        }
        for error in &mut response.errors {
            make_fit(error, executed, request_id);
        }
        Self {
            response,
            executed,
            place: None,
            budget: None,
        }
    }

    /// The same, with where a subscription stands after it; one that failed stands where it was.
    pub(super) fn at(self, place: Option<String>) -> Self {
        let place = place.filter(|_| !self.has_failed());
        Self { place, ..self }
    }

    /// Where a subscription stands after it.
    pub(super) fn place(&self) -> Option<&str> {
        self.place.as_deref()
    }

    /// Something in it failed on our side.
    pub(super) fn has_failed(&self) -> bool {
        let internal = Some(Code::Internal.as_str());
        self.response.errors.iter().any(|error| code_of(error) == internal)
    }

    /// The answer to a document that is not taken.
    pub(super) fn refused(error: ServerError, request_id: &str) -> Self {
        Self::new(Response::from_errors(vec![error]), request_id)
    }

    /// The answer to an operation that panicked; the panic hook has logged why.
    pub(super) fn panicked(request_id: &str) -> Self {
        let mut error = error("internal error", Code::Internal);
        set_request_id(&mut error, request_id);
        Self {
            response: Response::from_errors(vec![error]),
            executed: false,
            place: None,
            budget: None,
        }
    }

    /// Nothing was executed: what the specification calls a request error.
    pub(super) fn is_request_error(&self) -> bool {
        !self.executed
    }

    /// When to come again, for what was refused as too much; seconds.
    pub(super) fn retry_after(&self) -> Option<u32> {
        let refusal = self.response.errors.first()?.extensions.as_ref()?;
        match refusal.get("retryAfter")? {
            Value::Number(seconds) => seconds.as_u64()?.try_into().ok(),
            _ => None,
        }
    }

    pub(super) fn errors(&self) -> &[ServerError] {
        &self.response.errors
    }

    pub(super) fn into_response(self) -> Response {
        self.response
    }

    /// The status: a request error shows in it only where the media type says that this answer is GraphQL's. What
    /// failed on our side before there was any data shows in both.
    pub(super) fn status(&self, media: MediaType) -> StatusCode {
        if self.executed {
            return StatusCode::OK;
        }
        match (media, self.response.errors.first().and_then(code_of)) {
            (_, Some("INTERNAL")) => StatusCode::INTERNAL_SERVER_ERROR,
            (_, Some("RATE_LIMITED")) => StatusCode::TOO_MANY_REQUESTS,
            (MediaType::Json, _) => StatusCode::OK,
            (_, Some("UNAUTHENTICATED")) => StatusCode::UNAUTHORIZED,
            (_, Some("FORBIDDEN")) => StatusCode::FORBIDDEN,
            _ => StatusCode::BAD_REQUEST,
        }
    }
}

impl Serialize for Answer {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        if !self.response.errors.is_empty() {
            map.serialize_entry("errors", &self.response.errors)?;
        }
        if self.executed {
            map.serialize_entry("data", &self.response.data)?;
        }
        if !self.response.extensions.is_empty() {
            map.serialize_entry("extensions", &self.response.extensions)?;
        }
        map.end()
    }
}

fn make_fit(error: &mut ServerError, executed: bool, request_id: &str) {
    // Validation repeats names of the document, however long they are.
    if error.message.len() > MAX_MESSAGE {
        let end = error.message.floor_char_boundary(MAX_MESSAGE);
        error.message.truncate(end);
        error.message.push('…');
    }
    let starts = |list: &[&str]| list.iter().any(|start| error.message.starts_with(start));
    // A source means that some `?` turned a Rust error into this one: nothing of it may be shown.
    let ours = error.source.is_some();
    match code_of(error) {
        Some(code) if code != Code::Internal.as_str() => {}
        None if !ours && !executed && starts(&LIMITS) => set_code(error, Code::QueryTooComplex),
        None if !ours && (!executed || starts(&BAD_INPUT)) => set_code(error, Code::BadUserInput),
        _ => hide(error, request_id),
    }
    set_request_id(error, request_id);
}

fn hide(error: &mut ServerError, request_id: &str) {
    tracing::error!(request_id, path = ?error.path, error = %error.message, "a resolver failed");
    let mut fit = ServerError::new("internal error", None);
    fit.locations = std::mem::take(&mut error.locations);
    fit.path = std::mem::take(&mut error.path);
    set_code(&mut fit, Code::Internal);
    *error = fit;
}

fn code_of(error: &ServerError) -> Option<&str> {
    match error.extensions.as_ref()?.get("code")? {
        Value::String(code) => Some(code),
        Value::Enum(code) => Some(code),
        _ => None,
    }
}

fn set_code(error: &mut ServerError, code: Code) {
    error.extensions.get_or_insert_default().set("code", code.as_str());
}

fn set_request_id(error: &mut ServerError, request_id: &str) {
    error.extensions.get_or_insert_default().set("requestId", request_id);
}

/// A single error with a code, for what the transport itself refuses on a socket.
pub(super) fn error(message: impl Into<String>, code: Code) -> ServerError {
    let mut error = ServerError::new(message, None);
    set_code(&mut error, code);
    error
}

/// An HTTP request that is refused before it is a GraphQL request.
#[derive(Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    code: Code,
    message: Cow<'static, str>,
    headers: Vec<(HeaderName, HeaderValue)>,
    /// Seconds.
    retry_after: Option<u32>,
}

impl Refusal {
    pub(super) fn new(status: StatusCode, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            status,
            code: Code::BadUserInput,
            message: message.into(),
            headers: Vec::new(),
            retry_after: None,
        }
    }

    pub(super) fn unauthenticated() -> Self {
        Self {
            code: Code::Unauthenticated,
            ..Self::new(StatusCode::UNAUTHORIZED, "no valid token")
        }
        .with(header::WWW_AUTHENTICATE, "Bearer")
    }

    /// The caller has as much of it as one may have.
    pub(super) fn too_many(message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            code: Code::RateLimited,
            ..Self::new(StatusCode::TOO_MANY_REQUESTS, message)
        }
    }

    pub(super) fn rate_limited(exhausted: Exhausted) -> Self {
        Self {
            code: Code::RateLimited,
            retry_after: Some(exhausted.retry_after),
            ..Self::new(StatusCode::TOO_MANY_REQUESTS, cost::words(exhausted))
        }
    }

    pub(super) fn unavailable() -> Self {
        Self {
            code: Code::Internal,
            ..Self::new(StatusCode::SERVICE_UNAVAILABLE, "internal error")
        }
    }

    pub(super) fn with(mut self, name: HeaderName, value: &'static str) -> Self {
        self.headers.push((name, HeaderValue::from_static(value)));
        self
    }

    pub(super) fn into_http(self, media: MediaType, request_id: &str) -> HttpResponse {
        let mut extensions = json!({ "code": self.code.as_str(), "requestId": request_id });
        if let Some(seconds) = self.retry_after {
            extensions["retryAfter"] = seconds.into();
        }
        let body = json!({"errors": [{"message": self.message, "extensions": extensions}]});
        let mut response = (self.status, Json(body)).into_response();
        response.headers_mut().insert(header::CONTENT_TYPE, media.header());
        response.headers_mut().extend(self.headers);
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
        }
        response
    }
}
