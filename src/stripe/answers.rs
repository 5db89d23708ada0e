//! What an answer of Stripe's means: what was made, or why not, and whether to ask again.

use std::{collections::HashMap, time::Duration};

use serde::Deserialize;

use super::http::Answer;

/// All that is read of an object that we made, changed or found.
#[derive(miniserde::Deserialize, Clone, Debug, PartialEq)]
pub struct Made {
    pub id: String,
    /// A promotion code's.
    pub active: Option<bool>,
    pub metadata: Option<HashMap<String, String>>,
    pub percent_off: Option<f64>,
    pub amount_off: Option<i64>,
    pub currency: Option<String>,
    pub duration: Option<String>,
    pub duration_in_months: Option<i32>,
}

impl Made {
    /// What Stripe does not have any more: as good as switched off or deleted.
    pub fn gone(id: &str) -> Self {
        Self {
            id: id.to_owned(),
            active: Some(false),
            metadata: None,
            percent_off: None,
            amount_off: None,
            currency: None,
            duration: None,
            duration_in_months: None,
        }
    }
}

/// Why a call has no good answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallError {
    /// Stripe understood and refused (4xx).
    Refused(Refused),
    /// Stripe failed on its side (5xx), and does not say whether it would again.
    Server(Trouble),
    /// The same request under the same key comes to the same: a failure that was stored, a key used otherwise.
    Spent(Trouble),
    /// It may or may not have been done: limited, in conflict, timed out, not reached.
    Unknown(Trouble),
    /// It was not sent: Stripe takes too many calls to take this one in time.
    Unsent(Trouble),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    pub reason: String,
    /// Not again before.
    pub wait: Option<Duration>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    pub status: u16,
    pub message: String,
    pub param: Option<String>,
    /// Stripe's error code or, without one, its type.
    pub code: String,
}

/// Stripe's words for an error (<https://docs.stripe.com/api/errors>).
#[derive(Deserialize, Default)]
struct Envelope {
    error: Words,
}

#[derive(Deserialize, Default)]
struct Words {
    message: Option<String>,
    param: Option<String>,
    code: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
}

impl CallError {
    pub fn message(&self) -> &str {
        match self {
            Self::Refused(refused) => &refused.message,
            Self::Server(trouble) | Self::Spent(trouble) | Self::Unknown(trouble) | Self::Unsent(trouble) => {
                &trouble.reason
            }
        }
    }

    pub(super) fn unknown(reason: impl Into<String>) -> Self {
        Self::Unknown(Trouble {
            reason: reason.into(),
            wait: None,
        })
    }

    /// For a metric.
    pub(super) fn label(&self) -> &'static str {
        match self {
            Self::Refused(_) => "refused",
            Self::Server(_) | Self::Spent(_) => "server_error",
            Self::Unknown(_) => "unknown",
            Self::Unsent(_) => "unsent",
        }
    }
}

impl Refused {
    /// Whether it is about the brand's key or its Connect account, not about what was asked for; then what is to be mended.
    pub fn of_the_key(&self) -> Option<&'static str> {
        let of_another_mode = self.code == "livemode_mismatch" || self.message.contains("a similar object exists in");
        match self.status {
            401 => Some("Stripe does not accept the brand's key. The brand needs a good one."),
            403 => Some(
                "The brand's Stripe key lacks a permission. It needs write on coupons and promotion codes, and the \
                 Connect account, if there is one, must let it in.",
            ),
            _ if of_another_mode => Some(
                "The brand's Stripe key is of the other mode: a test key does not make live coupons and codes, nor a \
                 live key those of the test mode.",
            ),
            _ => None,
        }
    }

    /// Stripe does not have the object. A 404 without that word is none of Stripe's: a proxy's page, another address.
    pub fn is_missing(&self) -> bool {
        self.status == 404 && self.code == "resource_missing" && self.of_the_key().is_none()
    }

    /// Another object has the id, or another active code the text.
    pub(super) fn is_taken(&self) -> bool {
        self.code == "resource_already_exists" || self.message.contains("already exists")
    }
}

/// Reads an answer.
pub(super) fn read<T: miniserde::Deserialize>(answer: &Answer) -> Result<T, CallError> {
    if !(200..300).contains(&answer.status) {
        return Err(error(answer));
    }
    let text = std::str::from_utf8(&answer.body).ok();
    let read = text.and_then(|text| miniserde::json::from_str(text).ok());
    read.ok_or_else(|| CallError::unknown("Stripe's answer could not be read"))
}

/// What a status means, and what Stripe says of another try (<https://docs.stripe.com/error-low-level>).
fn error(answer: &Answer) -> CallError {
    let status = answer.status;
    let Words {
        message,
        param,
        code,
        kind,
    } = serde_json::from_slice::<Envelope>(&answer.body)
        .unwrap_or_default()
        .error;
    let message = message.unwrap_or_else(|| format!("Stripe answers with the status {status}"));
    let trouble = Trouble {
        reason: message.clone(),
        wait: answer.advice.retry_after,
    };
    match (status, answer.advice.should_retry) {
        (400, _) if kind.as_deref() == Some("idempotency_error") => CallError::Spent(trouble),
        (_, Some(true)) | (409 | 424 | 429, None) => CallError::Unknown(trouble),
        (409 | 424 | 429 | 500.., Some(false)) => CallError::Spent(trouble),
        (500.., None) if answer.advice.replayed => CallError::Spent(trouble),
        (500.., None) => CallError::Server(trouble),
        (400..=499, _) => CallError::Refused(Refused {
            status,
            message,
            param,
            code: code.or(kind).unwrap_or_default(),
        }),
        _ => CallError::Unknown(trouble),
    }
}

#[cfg(test)]
mod tests {
    use super::{super::http::Advice, *};

    /// How an error with this status, type and advice is taken.
    fn taken(status: u16, kind: &str, should_retry: Option<bool>, replayed: bool) -> &'static str {
        let body = serde_json::json!({ "error": { "message": "No.", "type": kind } });
        let advice = Advice {
            should_retry,
            retry_after: Some(Duration::from_secs(7)),
            replayed,
        };
        let body = body.to_string().into_bytes();
        match error(&Answer { status, body, advice }) {
            CallError::Refused(refused) => {
                assert_eq!((refused.status, refused.message.as_str()), (status, "No."));
                "refused"
            }
            CallError::Server(trouble) | CallError::Spent(trouble) | CallError::Unknown(trouble)
                if trouble.wait != Some(Duration::from_secs(7)) =>
            {
                "hasty"
            }
            CallError::Server(_) => "server",
            CallError::Spent(_) => "spent",
            CallError::Unknown(_) => "unknown",
            CallError::Unsent(_) => "unsent",
        }
    }

    #[test]
    fn stripes_word_on_another_try_goes_before_what_the_status_means() {
        let invalid = |status, should_retry| taken(status, "invalid_request_error", should_retry, false);
        for status in [400, 401, 402, 403, 404] {
            assert_eq!(invalid(status, None), "refused", "{status}");
            assert_eq!(invalid(status, Some(false)), "refused", "{status}");
            assert_eq!(invalid(status, Some(true)), "unknown", "{status}");
        }
        for status in [409, 424, 429] {
            assert_eq!(invalid(status, None), "unknown", "{status}");
            assert_eq!(invalid(status, Some(false)), "spent", "{status}");
            assert_eq!(invalid(status, Some(true)), "unknown", "{status}");
        }
        for status in [500, 502, 503, 504] {
            assert_eq!(taken(status, "api_error", None, false), "server", "{status}");
            assert_eq!(taken(status, "api_error", None, true), "spent", "{status}");
            assert_eq!(taken(status, "api_error", Some(false), false), "spent", "{status}");
            assert_eq!(taken(status, "api_error", Some(true), false), "unknown", "{status}");
        }
        assert_eq!(taken(400, "idempotency_error", None, false), "spent");
        // Another request under the key is still at work.
        assert_eq!(taken(409, "idempotency_error", None, false), "unknown");
        assert_eq!(invalid(302, None), "unknown");
    }

    #[test]
    fn an_answer_that_is_not_stripes_is_told_by_its_status() {
        let answer = Answer {
            status: 502,
            body: b"<html>".to_vec(),
            advice: Advice::default(),
        };
        assert_eq!(error(&answer).message(), "Stripe answers with the status 502");
    }
}
