//! Stripe's errors, in Stripe's words where clients are known to read them ("already exists").

use serde_json::{Value, json};

use super::faults::Failure;

/// A request that Stripe answers with an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub status: u16,
    kind: &'static str,
    message: String,
    code: Option<&'static str>,
    param: Option<String>,
}

impl Refusal {
    fn new(status: u16, kind: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            kind,
            message: message.into(),
            code: None,
            param: None,
        }
    }

    /// A 400 that blames one parameter.
    pub fn invalid(message: impl Into<String>, param: impl Into<String>) -> Self {
        let refusal = Self::new(400, "invalid_request_error", message);
        Self {
            param: Some(param.into()),
            ..refusal
        }
    }

    /// A 400 that blames no parameter.
    pub fn request(message: impl Into<String>) -> Self {
        Self::new(400, "invalid_request_error", message)
    }

    pub fn coded(self, code: &'static str) -> Self {
        Self {
            code: Some(code),
            ..self
        }
    }

    pub fn missing(param: &str) -> Self {
        Self::invalid(format!("Missing required param: {param}."), param).coded("parameter_missing")
    }

    pub fn unknown(param: &str) -> Self {
        Self::invalid(format!("Received unknown parameter: {param}"), param).coded("parameter_unknown")
    }

    /// The object named in the address is not there: 404.
    pub fn no_such(what: &str, id: &str) -> Self {
        Self {
            status: 404,
            ..Self::no_such_in("id", what, id)
        }
    }

    /// The object named in a parameter is not there: 400.
    pub fn no_such_in(param: &str, what: &str, id: &str) -> Self {
        Self::invalid(format!("No such {what}: '{id}'"), param).coded("resource_missing")
    }

    /// An error that a test wants.
    pub fn of(failure: &Failure) -> Self {
        let kind = match failure.status {
            500.. => "api_error",
            _ => "invalid_request_error",
        };
        Self {
            code: failure.code,
            param: failure.param.map(str::to_owned),
            ..Self::new(failure.status, kind, &failure.message)
        }
    }

    pub fn url(method: &str, path: &str) -> Self {
        let message = format!("Unrecognized request URL ({method}: {path}).");
        Self::new(404, "invalid_request_error", message)
    }

    pub fn no_key() -> Self {
        Self::new(401, "invalid_request_error", "You did not provide an API key.")
    }

    pub fn forbidden() -> Self {
        let message = "The provided key does not have the required permissions for this endpoint.";
        Self::new(403, "invalid_request_error", message)
    }

    pub fn revoked() -> Self {
        Self::new(401, "invalid_request_error", "Expired API Key provided.").coded("api_key_expired")
    }

    pub fn key_reused(key: &str) -> Self {
        let message = format!(
            "Keys for idempotent requests can only be used with the same parameters they were first used with. \
             Try using a key other than '{key}' if you meant to execute a different request."
        );
        Self::new(400, "idempotency_error", message)
    }

    pub fn rate_limited() -> Self {
        Self::new(429, "invalid_request_error", "Request rate limit exceeded.").coded("rate_limit")
    }

    pub fn server_error() -> Self {
        Self::new(500, "api_error", "An unknown error occurred")
    }

    pub fn body(&self) -> Value {
        let mut error = json!({ "message": self.message, "type": self.kind });
        if let Some(code) = self.code {
            error["code"] = json!(code);
        }
        if let Some(param) = &self.param {
            error["param"] = json!(param);
        }
        json!({ "error": error })
    }
}
