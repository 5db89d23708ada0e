//! Reads the credentials and the id of a request. Owns the form they have; whether a token is good is the
//! application's to say.

use axum::http::{Extensions, HeaderMap, header::AUTHORIZATION, request::Parts};
use serde_json::{Map, Value};
use tower_http::request_id::RequestId;

use super::{AuthError, Gateway, Payer, Transport, cost, errors::Refusal};
use crate::auth::bearer;

/// The header that the outer layer sets and answers with.
const REQUEST_ID: &str = "x-request-id";

/// Longer ids are not ours, and would be repeated into every log line.
const MAX_REQUEST_ID: usize = 128;

/// The id of this request: what the outer layer put there, else a new one.
pub(super) fn request_id<G>(transport: &Transport<G>, headers: &HeaderMap, extensions: &Extensions) -> String {
    extensions
        .get::<RequestId>()
        .map(RequestId::header_value)
        .or_else(|| headers.get(REQUEST_ID))
        .and_then(|value| value.to_str().ok())
        .filter(|id| !id.is_empty() && id.len() <= MAX_REQUEST_ID)
        .map_or_else(|| transport.settings.clock.new_id().simple().to_string(), str::to_owned)
}

/// The caller that the `Authorization` header names. No header is nobody; one that is not good is a refusal, so that
/// an expired token is never mistaken for a visitor. All refusals are the same: why is nobody's business. They are paid
/// for by the address; a token is looked at all the same where that has nothing left, as it may be a neighbour's good one.
pub(super) async fn caller<G: Gateway>(gateway: &G, parts: &Parts) -> Result<Option<G::Caller>, Refusal> {
    let mut values = parts.headers.get_all(AUTHORIZATION).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    let token = value
        .to_str()
        .ok()
        .and_then(bearer::token)
        .filter(|_| values.next().is_none());
    let token = token.ok_or_else(|| not_good(gateway, parts))?;
    match gateway.authenticate(token, &parts.extensions).await {
        Ok(caller) => Ok(Some(caller)),
        Err(AuthError::Unauthenticated) => Err(not_good(gateway, parts)),
        Err(AuthError::Unavailable) => Err(Refusal::unavailable()),
    }
}

fn not_good<G: Gateway>(gateway: &G, parts: &Parts) -> Refusal {
    match gateway.charge(Payer::Origin(&parts.extensions), cost::REFUSED) {
        Ok(_) => Refusal::unauthenticated(),
        Err(exhausted) => Refusal::rate_limited(exhausted),
    }
}

/// The token of a `connection_init` payload: `{"authorization": "Bearer …"}`, the key in any case. Clients may send it
/// in several cases at once; where those do not say the same, there is no token.
pub(super) fn payload_token(payload: Option<&Map<String, Value>>) -> Option<&str> {
    let mut values = payload?
        .iter()
        .filter(|(key, _)| key.eq_ignore_ascii_case("authorization"))
        .map(|(_, value)| value);
    let value = values.next()?;
    values
        .all(|other| other == value)
        .then(|| bearer::token(value.as_str()?))?
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_payload_key_may_be_in_any_case_but_says_one_thing() {
        let token = |payload: Value| payload_token(payload.as_object()).map(str::to_owned);
        assert_eq!(token(json!({"Authorization": "Bearer t"})).as_deref(), Some("t"));
        assert_eq!(token(json!({"authorization": "Bearer t"})).as_deref(), Some("t"));
        assert_eq!(
            token(json!({"authorization": "Bearer t", "AUTHORIZATION": "Bearer u"})),
            None
        );
        let twice = json!({"authorization": "Bearer t", "Authorization": "Bearer t"});
        assert_eq!(token(twice).as_deref(), Some("t"));
        assert_eq!(token(json!({"authorization": 1})), None);
        assert_eq!(token(json!({})), None);
        assert_eq!(payload_token(None), None);
    }
}
