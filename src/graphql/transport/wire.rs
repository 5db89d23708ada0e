//! A WebSocket as the session sees it: whole messages of the protocol in, whole messages out, and an orderly end.
//!
//! Invariant: a message has left, or its time is up, before the next one is taken; there is no queue here.

use std::{sync::Arc, time::Duration};

use axum::extract::ws::{Message, WebSocket};
use tokio::time::{Instant, timeout};

use super::{
    TransportSettings,
    protocol::{ClientMessage, Close, ServerMessage},
};

/// How long a client may take to answer our close.
const FAREWELL: Duration = Duration::from_secs(2);

/// How long a connection is kept whose bytes can no longer be read, for the client to see the close.
const LINGER: Duration = Duration::from_millis(200);

/// Why a session is over.
pub(super) enum End {
    /// The server closes it.
    Close(Close),
    /// The client closes it, and waits for our answer.
    Left,
    /// The client is gone, or as good as.
    Gone,
}

impl From<Close> for End {
    fn from(close: Close) -> Self {
        Self::Close(close)
    }
}

pub(super) struct Wire {
    socket: WebSocket,
    settings: Arc<TransportSettings>,
    ping_due: Instant,
    /// The client has sent something since the last ping.
    heard: bool,
}

impl Wire {
    pub(super) fn new(socket: WebSocket, settings: Arc<TransportSettings>) -> Self {
        Self {
            socket,
            ping_due: Instant::now() + settings.keep_alive,
            settings,
            heard: true,
        }
    }

    /// The next message of the client; `None` is a frame that says nothing to the protocol.
    pub(super) async fn receive(&mut self) -> Result<Option<ClientMessage>, End> {
        let message = self.socket.recv().await;
        self.heard = true;
        let text = match message {
            None => return Err(End::Gone),
            Some(Ok(Message::Close(_))) => return Err(End::Left),
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => return Ok(None),
            Some(Ok(Message::Text(text))) => text.into(),
            // The reference server takes it, so some client may send it.
            Some(Ok(Message::Binary(bytes))) => bytes,
            // axum hides the kind of error; the test of the message limit would notice other words.
            Some(Err(error)) if error.to_string().starts_with("Space limit exceeded") => {
                return Err(Close::TOO_BIG.into());
            }
            Some(Err(_)) => return Err(Close::PROTOCOL_ERROR.into()),
        };
        match ClientMessage::parse(&text) {
            Ok(message) => Ok(Some(message)),
            Err(reason) => Err(Close::bad_message(reason).into()),
        }
    }

    pub(super) async fn send(&mut self, message: &ServerMessage<'_>) -> Result<(), End> {
        let text = serde_json::to_string(message).map_err(|error| {
            tracing::error!(%error, "an answer cannot be written as JSON");
            Close::INTERNAL
        })?;
        self.send_frame(Message::Text(text.into())).await
    }

    /// When [`Wire::keep_alive`] has something to do.
    pub(super) fn ping_due(&self) -> Instant {
        self.ping_due
    }

    /// Pings when it is time to. A client that said nothing since the last ping is gone: without this, one whose
    /// network went away would hold its subscriptions until something is sent.
    pub(super) async fn keep_alive(&mut self) -> Result<(), End> {
        let now = Instant::now();
        if now < self.ping_due {
            return Ok(());
        }
        if !std::mem::replace(&mut self.heard, false) {
            return Err(End::Gone);
        }
        self.ping_due = now + self.settings.keep_alive;
        self.send_frame(Message::Ping(Default::default())).await
    }

    async fn send_frame(&mut self, frame: Message) -> Result<(), End> {
        tokio::select! {
            sent = timeout(self.settings.send_timeout, self.socket.send(frame)) => match sent {
                Ok(Ok(())) => Ok(()),
                Ok(Err(_)) | Err(_) => Err(End::Gone),
            },
            () = self.settings.shutdown.cancelled() => Err(Close::GOING_AWAY.into()),
        }
    }

    pub(super) async fn end(&mut self, end: End) {
        match end {
            End::Close(close) => self.farewell(Some(close)).await,
            End::Left => self.farewell(None).await,
            End::Gone => {}
        }
    }

    /// Says our close, or answers the client's, and waits a little for the other side: the answer to a close goes out
    /// while reading, and a connection that is dropped with unread bytes in it is reset, so that the client never sees
    /// the code.
    async fn farewell(&mut self, close: Option<Close>) {
        let goodbye = async {
            if let Some(close) = close {
                self.socket.send(close.into_message()).await?;
            }
            while let Some(message) = self.socket.recv().await {
                message?;
            }
            Ok::<_, axum::Error>(())
        };
        if let Ok(Err(_)) = timeout(FAREWELL, goodbye).await {
            tokio::time::sleep(LINGER).await;
        }
    }
}
