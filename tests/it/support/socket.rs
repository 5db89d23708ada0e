//! A `graphql-transport-ws` client.

use std::{collections::VecDeque, time::Duration};

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{Message, client::IntoClientRequest, http::HeaderValue},
};

use super::PATIENCE;

pub struct Socket {
    stream: WebSocketStream<MaybeTlsStream<TcpStream>>,
    heard: VecDeque<Value>,
}

/// What a socket brings.
#[derive(Debug, PartialEq)]
pub enum Heard {
    Message(Value),
    Closed(u16),
}

impl Socket {
    /// A connection without a word said.
    pub async fn connect(base: &str) -> Self {
        let url = format!("{}/graphql/ws", base.replacen("http", "ws", 1));
        let mut request = url.into_client_request().unwrap();
        request.headers_mut().insert(
            "sec-websocket-protocol",
            HeaderValue::from_static("graphql-transport-ws"),
        );
        let (stream, _) = connect_async(request).await.unwrap();
        Self {
            stream,
            heard: VecDeque::new(),
        }
    }

    /// A connection that was acknowledged.
    pub async fn open(base: &str, token: &str) -> Self {
        let mut socket = Self::connect(base).await;
        socket.init(json!({ "authorization": format!("Bearer {token}") })).await;
        assert_eq!(socket.next().await, Heard::Message(json!({ "type": "connection_ack" })));
        socket
    }

    pub async fn init(&mut self, payload: Value) {
        self.send(json!({ "type": "connection_init", "payload": payload }))
            .await;
    }

    pub async fn send(&mut self, message: Value) {
        self.stream.send(Message::text(message.to_string())).await.unwrap();
    }

    /// Subscribes to new conversions.
    pub async fn listen(&mut self, id: &str, arguments: &str) {
        self.listen_to("conversionCreated", id, arguments).await;
    }

    /// Subscribes to what the feed tells of conversions.
    pub async fn listen_to(&mut self, field: &str, id: &str, arguments: &str) {
        let query = format!(
            "subscription {{ {field}{arguments} {{ cursor conversion {{ id kind status couponCode amountPending affiliate {{ name }} \
             amount {{ minorUnits currency }} tax {{ minorUnits }} refundedAmount {{ minorUnits }} \
             commission {{ minorUnits currency }} }} }} }}"
        );
        self.send(json!({ "id": id, "type": "subscribe", "payload": { "query": query } }))
            .await;
    }

    /// The next message that is no ping.
    pub async fn next(&mut self) -> Heard {
        if let Some(message) = self.heard.pop_front() {
            return Heard::Message(message);
        }
        tokio::time::timeout(PATIENCE, self.receive())
            .await
            .expect("the socket brings something in time")
    }

    async fn receive(&mut self) -> Heard {
        loop {
            match self.stream.next().await {
                Some(Ok(Message::Text(text))) => return Heard::Message(serde_json::from_str(&text).unwrap()),
                Some(Ok(Message::Close(frame))) => return Heard::Closed(frame.map_or(1005, |frame| frame.code.into())),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Heard::Closed(1006),
            }
        }
    }

    /// The next event of a subscription: its cursor and its conversion.
    pub async fn event(&mut self, id: &str) -> (String, Value) {
        match self.next().await {
            Heard::Message(mut message) => {
                assert_eq!(
                    (&message["type"], &message["id"]),
                    (&json!("next"), &json!(id)),
                    "{message}"
                );
                let told = message["payload"]["data"]
                    .as_object_mut()
                    .and_then(|data| data.values_mut().next());
                let event = told.map(Value::take).unwrap_or_default();
                assert!(event.is_object(), "{message}");
                (
                    event["cursor"].as_str().unwrap().to_owned(),
                    event["conversion"].clone(),
                )
            }
            closed @ Heard::Closed(_) => panic!("{closed:?}"),
        }
    }

    /// The id of the conversion that the next event tells of.
    pub async fn conversion(&mut self, id: &str) -> String {
        self.event(id).await.1["id"].as_str().unwrap().to_owned()
    }

    /// The codes of the errors that end an operation.
    pub async fn refusal(&mut self, id: &str) -> Vec<String> {
        let Heard::Message(message) = self.next().await else {
            panic!("the socket was closed");
        };
        assert_eq!(message["id"], id, "{message}");
        let errors = if message["type"] == "error" {
            &message["payload"]
        } else {
            &message["payload"]["errors"]
        };
        let errors = errors.as_array().unwrap_or_else(|| panic!("{message}"));
        errors
            .iter()
            .map(|error| error["extensions"]["code"].as_str().unwrap().to_owned())
            .collect()
    }

    pub async fn close(mut self) {
        // The server may have been faster.
        let _ = tokio::time::timeout(Duration::from_secs(1), self.stream.close(None)).await;
    }
}
