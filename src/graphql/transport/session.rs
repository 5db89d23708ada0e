//! One WebSocket, from the handshake to its close, in one task.
//!
//! Invariants:
//! - One message is on its way out at a time, straight from the stream it came from: a client that does not read
//!   stalls its own streams, and no queue grows. One that stalls for too long is dropped.
//! - Nothing runs before `connection_ack`, and nothing is sent once the caller's token has ended.
//! - Ending the session drops its streams, which ends its subscriptions.

use std::sync::Arc;

use axum::{extract::ws::WebSocket, http::Extensions};
use futures_util::{FutureExt, future::BoxFuture};
use serde_json::{Map, Value};
use tokio::time::{Instant, sleep_until};

use super::{
    AuthError, Gateway, Transport, auth,
    errors::Answer,
    place::Place,
    protocol::{ClientMessage, Close, ServerMessage},
    request::Params,
    running::{NotBegun, Running},
    stay::Stay,
    wire::{End, Wire},
};

/// How far the connection is.
enum Phase<G: Gateway> {
    AwaitingInit,
    Authenticating(BoxFuture<'static, Result<G::Caller, AuthError>>),
    Open(Stay<G>),
}

pub(super) struct Session<G: Gateway> {
    transport: Transport<G>,
    wire: Wire,
    /// What is known of the handshake's request.
    handshake: Arc<Extensions>,
    phase: Phase<G>,
    running: Running<G>,
    /// When `connection_init` must have come, and after it the answer to its token.
    init_deadline: Instant,
}

impl<G: Gateway> Session<G> {
    pub(super) fn new(transport: Transport<G>, socket: WebSocket, handshake: Extensions, request_id: String) -> Self {
        transport.gateway.socket_opened();
        Self {
            wire: Wire::new(socket, transport.settings.clone()),
            init_deadline: Instant::now() + transport.settings.init_timeout,
            running: Running::new(transport.clone(), request_id),
            transport,
            handshake: Arc::new(handshake),
            phase: Phase::AwaitingInit,
        }
    }

    pub(super) async fn serve(mut self) {
        let end = loop {
            if let Err(end) = self.step().await {
                break end;
            }
        };
        self.running.clear();
        self.wire.end(end).await;
    }

    /// Waits for the next thing to happen, and sees to it.
    async fn step(&mut self) -> Result<(), End> {
        // An operation runs while it is polled, so whether it still may comes first.
        self.check_expiry()?;
        let tick = self.next_tick();
        tokio::select! {
            biased;
            () = self.transport.settings.shutdown.cancelled() => Err(Close::GOING_AWAY.into()),
            changed = settle(&mut self.phase) => self.settled(changed).await,
            () = sleep_until(tick) => self.tick().await,
            message = self.wire.receive() => self.receive(message?).await,
            (id, answer) = self.running.next() => self.emit(id, answer).await,
        }
    }

    /// The token was looked up, or has ended.
    async fn settled(&mut self, changed: Settled<G::Caller>) -> Result<(), End> {
        let caller = match changed {
            Settled::Authenticated(Ok(caller)) => caller,
            Settled::Authenticated(Err(AuthError::Unavailable)) => {
                return Err(Close::TRY_AGAIN_LATER.into());
            }
            Settled::Authenticated(Err(AuthError::Unauthenticated)) | Settled::Over => {
                return Err(Close::FORBIDDEN.into());
            }
        };
        self.phase = Phase::Open(Stay::new(&self.transport, caller));
        self.check_expiry()?;
        self.wire.send(&ServerMessage::ConnectionAck).await
    }

    async fn receive(&mut self, message: Option<ClientMessage>) -> Result<(), End> {
        match message {
            None => Ok(()),
            Some(ClientMessage::ConnectionInit(payload)) => self.init(payload.as_ref()),
            Some(ClientMessage::Ping(payload)) => self.send(&ServerMessage::Pong { payload }).await,
            Some(ClientMessage::Pong) => Ok(()),
            Some(ClientMessage::Subscribe { id, params }) => self.subscribe(id, params).await,
            Some(ClientMessage::Complete { id }) => {
                // An id that is not there has completed on its own while this was on its way.
                self.running.stop(&id);
                Ok(())
            }
        }
    }

    fn init(&mut self, payload: Option<&Map<String, Value>>) -> Result<(), End> {
        if !matches!(self.phase, Phase::AwaitingInit) {
            return Err(Close::TOO_MANY_INITS.into());
        }
        let token = auth::payload_token(payload).ok_or(Close::FORBIDDEN)?;
        let (gateway, token) = (self.transport.gateway.clone(), token.to_owned());
        let handshake = self.handshake.clone();
        self.phase = Phase::Authenticating(async move { gateway.authenticate(&token, &handshake).await }.boxed());
        self.init_deadline = Instant::now() + self.transport.settings.init_timeout;
        Ok(())
    }

    async fn subscribe(&mut self, id: String, params: Params) -> Result<(), End> {
        self.check_expiry()?;
        let Phase::Open(stay) = &self.phase else {
            return Err(Close::UNAUTHORIZED.into());
        };
        let operation = self.transport.operation(params, Some(&**stay.caller()));
        match self
            .running
            .begin(id.clone(), operation, stay.caller(), Place::default())
        {
            Ok(()) => Ok(()),
            Err(NotBegun::Duplicate) => Err(Close::duplicate(&id).into()),
            Err(NotBegun::Refused(answer)) => {
                let payload = answer.errors();
                self.send(&ServerMessage::Error { id: &id, payload }).await
            }
        }
    }

    /// Passes on what an operation brought.
    async fn emit(&mut self, id: String, answer: Option<Answer>) -> Result<(), End> {
        self.check_expiry()?;
        let id = id.as_str();
        let message = match &answer {
            Some(answer) if !answer.is_request_error() => ServerMessage::Next { id, payload: answer },
            // An error ends the operation: no `complete` follows it.
            Some(refused) => {
                self.running.stop(id);
                let payload = refused.errors();
                ServerMessage::Error { id, payload }
            }
            None => ServerMessage::Complete { id },
        };
        self.send(&message).await
    }

    /// Sends a message, for as long as the caller may still hear it: a client that does not read holds up neither the
    /// end of its token nor that of its socket.
    async fn send(&mut self, message: &ServerMessage<'_>) -> Result<(), End> {
        tokio::select! {
            biased;
            () = over(&mut self.phase) => Err(Close::FORBIDDEN.into()),
            sent = self.wire.send(message) => sent,
        }
    }

    /// When something is to be done that nobody asks for.
    fn next_tick(&self) -> Instant {
        match &self.phase {
            Phase::Open(_) => self.wire.ping_due(),
            _ => self.wire.ping_due().min(self.init_deadline),
        }
    }

    async fn tick(&mut self) -> Result<(), End> {
        let late = Instant::now() >= self.init_deadline;
        match self.phase {
            Phase::AwaitingInit if late => Err(Close::INIT_TIMEOUT.into()),
            Phase::Authenticating(_) if late => Err(Close::TRY_AGAIN_LATER.into()),
            _ => {
                tokio::select! {
                    biased;
                    () = over(&mut self.phase) => Err(Close::FORBIDDEN.into()),
                    kept = self.wire.keep_alive() => kept,
                }
            }
        }
    }

    fn check_expiry(&self) -> Result<(), End> {
        match &self.phase {
            Phase::Open(stay) if stay.is_over() => Err(Close::FORBIDDEN.into()),
            _ => Ok(()),
        }
    }
}

impl<G: Gateway> Drop for Session<G> {
    fn drop(&mut self) {
        self.transport.gateway.socket_closed();
    }
}

/// Ends when the caller's token does; never before there is one.
async fn over<G: Gateway>(phase: &mut Phase<G>) {
    match phase {
        Phase::Open(stay) => stay.over().await,
        _ => std::future::pending().await,
    }
}

/// What the token's side of a connection brings.
enum Settled<C> {
    Authenticated(Result<C, AuthError>),
    Over,
}

async fn settle<G: Gateway>(phase: &mut Phase<G>) -> Settled<G::Caller> {
    match phase {
        Phase::AwaitingInit => std::future::pending().await,
        Phase::Authenticating(looking) => Settled::Authenticated(looking.await),
        Phase::Open(stay) => {
            stay.over().await;
            Settled::Over
        }
    }
}
