//! The messages of `graphql-transport-ws`, and the codes that close a socket.
//!
//! Pure: text in, a message or the reason for 4400 out. The rules are those of graphql-ws's PROTOCOL.md and, where it
//! is silent, of its reference server.

use std::borrow::Cow;

use async_graphql::ServerError;
use axum::extract::ws::{CloseFrame, Message};
use serde::Serialize;
use serde_json::{Map, Value};

use super::{errors::Answer, request::Params};

/// The one sub-protocol that is spoken here; the older `graphql-ws` is another protocol.
pub(super) const SUBPROTOCOL: &str = "graphql-transport-ws";

/// What a client may send.
#[derive(Debug)]
pub(super) enum ClientMessage {
    ConnectionInit(Option<Map<String, Value>>),
    Ping(Option<Map<String, Value>>),
    Pong,
    Subscribe { id: String, params: Params },
    Complete { id: String },
}

impl ClientMessage {
    pub(super) fn parse(text: &[u8]) -> Result<Self, Cow<'static, str>> {
        let Ok(Value::Object(mut map)) = serde_json::from_slice(text) else {
            return Err("a message is a JSON object".into());
        };
        let Some(Value::String(kind)) = map.remove("type") else {
            return Err("a message has a type".into());
        };
        match kind.as_str() {
            "connection_init" => payload(&mut map).map(Self::ConnectionInit),
            "ping" => payload(&mut map).map(Self::Ping),
            "pong" => payload(&mut map).map(|_| Self::Pong),
            "complete" => id(&mut map).map(|id| Self::Complete { id }),
            "subscribe" => {
                let id = id(&mut map)?;
                let payload = payload(&mut map)?.ok_or("subscribe needs a payload")?;
                let params = Params::from_map(payload)?;
                Ok(Self::Subscribe { id, params })
            }
            _ => Err("no such type of message".into()),
        }
    }
}

fn payload(map: &mut Map<String, Value>) -> Result<Option<Map<String, Value>>, Cow<'static, str>> {
    match map.remove("payload") {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Object(payload)) => Ok(Some(payload)),
        Some(_) => Err("a payload is an object".into()),
    }
}

fn id(map: &mut Map<String, Value>) -> Result<String, Cow<'static, str>> {
    match map.remove("id") {
        Some(Value::String(id)) if !id.is_empty() => Ok(id),
        _ => Err("an id is a string that is not empty".into()),
    }
}

/// What the server sends.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum ServerMessage<'a> {
    ConnectionAck,
    Pong {
        #[serde(skip_serializing_if = "Option::is_none")]
        payload: Option<Map<String, Value>>,
    },
    Next {
        id: &'a str,
        payload: &'a Answer,
    },
    Error {
        id: &'a str,
        payload: &'a [ServerError],
    },
    Complete {
        id: &'a str,
    },
}

/// Why the server closes a socket.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Close {
    code: u16,
    reason: Cow<'static, str>,
}

impl Close {
    pub(super) const GOING_AWAY: Self = Self::new(1001, "server is shutting down");
    pub(super) const PROTOCOL_ERROR: Self = Self::new(1002, "not the WebSocket protocol");
    pub(super) const TOO_BIG: Self = Self::new(1009, "message too big");
    pub(super) const INTERNAL: Self = Self::new(1011, "internal error");
    pub(super) const TRY_AGAIN_LATER: Self = Self::new(1013, "try again later");
    pub(super) const UNAUTHORIZED: Self = Self::new(4401, "Unauthorized");
    pub(super) const FORBIDDEN: Self = Self::new(4403, "Forbidden");
    pub(super) const SUBPROTOCOL: Self = Self::new(4406, "Subprotocol not acceptable");
    pub(super) const INIT_TIMEOUT: Self = Self::new(4408, "Connection initialisation timeout");
    pub(super) const TOO_MANY_INITS: Self = Self::new(4429, "Too many initialisation requests");

    const fn new(code: u16, reason: &'static str) -> Self {
        Self {
            code,
            reason: Cow::Borrowed(reason),
        }
    }

    pub(super) fn bad_message(reason: Cow<'static, str>) -> Self {
        Self { code: 4400, reason }
    }

    pub(super) fn duplicate(id: &str) -> Self {
        Self {
            code: 4409,
            reason: format!("Subscriber for {id} already exists").into(),
        }
    }

    /// The frame; a reason has at most 123 bytes, and ids of clients may be longer.
    pub(super) fn into_message(self) -> Message {
        let end = self.reason.floor_char_boundary(123);
        Message::Close(Some(CloseFrame {
            code: self.code,
            reason: self.reason[..end].into(),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_that_the_protocol_does_not_know_are_refused() {
        for bad in [
            "",
            "null",
            "[]",
            "{}",
            r#"{"type":1}"#,
            r#"{"type":"start","id":"1","payload":{"query":"{a}"}}"#,
            r#"{"type":"connection_init","payload":"x"}"#,
            r#"{"type":"ping","payload":1}"#,
            r#"{"type":"subscribe","payload":{"query":"{a}"}}"#,
            r#"{"type":"subscribe","id":"","payload":{"query":"{a}"}}"#,
            r#"{"type":"subscribe","id":1,"payload":{"query":"{a}"}}"#,
            r#"{"type":"subscribe","id":"1"}"#,
            r#"{"type":"subscribe","id":"1","payload":{}}"#,
            r#"{"type":"subscribe","id":"1","payload":{"query":1}}"#,
            r#"{"type":"subscribe","id":"1","payload":{"query":"{a}","variables":[]}}"#,
            r#"{"type":"complete"}"#,
        ] {
            assert!(ClientMessage::parse(bad.as_bytes()).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_close_reason_fits_its_frame() {
        let Message::Close(Some(frame)) = Close::duplicate(&"ü".repeat(200)).into_message() else {
            panic!("not a close frame");
        };
        assert!(frame.reason.len() <= 123);
    }
}
