//! `/graphql/ws`: the WebSocket handshake. What is said on the socket is [`super::session`]'s.
//!
//! The `Origin` header is not looked at. It guards against pages that use a cookie which the browser adds by itself;
//! here a socket can do nothing before its `connection_init` brings a token, which another site's page has not got.

use axum::{
    extract::{FromRequestParts, Request, State, WebSocketUpgrade},
    http::{StatusCode, header},
    response::Response,
};
use tracing::Instrument;

use super::{
    Gateway, Transport, auth,
    errors::Refusal,
    negotiate::MediaType,
    protocol::{Close, SUBPROTOCOL},
    session::Session,
    wire::Wire,
};

/// Less than the default of 128 KiB each way, since most sockets carry small messages and there are many of them.
const BUFFER: usize = 16 * 1024;

pub(super) async fn upgrade<G: Gateway>(State(transport): State<Transport<G>>, request: Request) -> Response {
    let (mut parts, _) = request.into_parts();
    let id = auth::request_id(&transport, &parts.headers, &parts.extensions);
    let Ok(upgrade) = WebSocketUpgrade::from_request_parts(&mut parts, &()).await else {
        return Refusal::new(
            StatusCode::UPGRADE_REQUIRED,
            "this address speaks WebSocket only, with the sub-protocol graphql-transport-ws",
        )
        .with(header::UPGRADE, "websocket")
        .into_http(MediaType::Json, &id);
    };
    if transport.settings.shutdown.is_cancelled() {
        return Refusal::unavailable().into_http(MediaType::Json, &id);
    }
    let limit = transport.settings.max_message_bytes;
    let upgrade = upgrade
        .protocols([SUBPROTOCOL])
        .max_message_size(limit)
        .max_frame_size(limit)
        .read_buffer_size(BUFFER)
        .write_buffer_size(BUFFER);
    let spoken = upgrade.selected_protocol().is_some();
    let tracked = transport.settings.tasks.token();
    let span = tracing::Span::current();
    upgrade.on_upgrade(move |socket| {
        let task = async move {
            let _until_the_socket_is_closed = tracked;
            if spoken {
                Session::new(transport, socket, parts.extensions, id).serve().await;
            } else {
                // As the reference server does: the handshake succeeds, so that the client sees the code.
                let mut wire = Wire::new(socket, transport.settings);
                wire.end(Close::SUBPROTOCOL.into()).await;
            }
        };
        task.instrument(span)
    })
}
