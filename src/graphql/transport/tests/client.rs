//! A client of `/graphql/ws`.

use std::net::SocketAddr;

use futures_util::SinkExt;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream,
    tungstenite::{Message, client::IntoClientRequest},
};

use super::*;

impl Fixture {
    pub(super) async fn listen(&self) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = self.router();
        tokio::spawn(async move { axum::serve(listener, router).await });
        address
    }

    pub(super) async fn connect(&self) -> Socket {
        let address = self.listen().await;
        Socket::connect(address, Some("graphql-transport-ws")).await
    }

    /// A socket that is past its acknowledgement.
    pub(super) async fn open(&self, token: &str) -> Socket {
        let mut socket = self.connect().await;
        let payload = json!({"Authorization": format!("Bearer {token}")});
        socket
            .send(json!({"type": "connection_init", "payload": payload}))
            .await;
        assert_eq!(socket.receive().await, json!({"type": "connection_ack"}));
        socket
    }
}

pub(super) struct Socket(pub(super) WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Socket {
    pub(super) async fn connect(address: SocketAddr, protocol: Option<&'static str>) -> Self {
        let uri = format!("ws://{address}/graphql/ws");
        let mut request = uri.into_client_request().unwrap();
        if let Some(protocol) = protocol {
            let headers = request.headers_mut();
            headers.insert("sec-websocket-protocol", protocol.parse().unwrap());
        }
        let (socket, _) = tokio_tungstenite::connect_async(request).await.unwrap();
        Self(socket)
    }

    pub(super) async fn send(&mut self, message: Value) {
        self.text(&message.to_string()).await;
    }

    pub(super) async fn text(&mut self, text: &str) {
        self.0.send(Message::text(text)).await.unwrap();
    }

    pub(super) async fn subscribe(&mut self, id: &str, query: &str) {
        self.send(json!({"type": "subscribe", "id": id, "payload": {"query": query}}))
            .await;
    }

    pub(super) async fn next(&mut self) -> Message {
        loop {
            let next = tokio::time::timeout(Duration::from_secs(5), self.0.next()).await;
            match next.expect("nothing came").expect("no close came").unwrap() {
                Message::Ping(_) => {}
                message => return message,
            }
        }
    }

    pub(super) async fn receive(&mut self) -> Value {
        let message = self.next().await;
        serde_json::from_str(message.to_text().unwrap()).unwrap()
    }

    pub(super) async fn closed(&mut self) -> (u16, String) {
        match self.next().await {
            Message::Close(Some(frame)) => (frame.code.into(), frame.reason.to_string()),
            other => panic!("not a close: {other:?}"),
        }
    }
}

pub(super) fn next(id: &str, payload: Value) -> Value {
    json!({"type": "next", "id": id, "payload": payload})
}

pub(super) fn complete(id: &str) -> Value {
    json!({"type": "complete", "id": id})
}
