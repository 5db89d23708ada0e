//! One WebSocket, from the handshake to its close, in one task.
//!
//! Invariants:
//! - One message is on its way out at a time, straight from the stream it came from: a client that does not read
//!   stalls its own streams, and no queue grows. One that stalls for too long is dropped.
//! - Nothing runs before `connection_ack`, and nothing is sent once the caller's token has ended.
//! - Ending the session drops its streams, which ends its subscriptions.

use std::{sync::Arc, time::Duration};

use axum::{extract::ws::WebSocket, http::Extensions};
use futures_util::{FutureExt, StreamExt, future::BoxFuture, stream, stream::BoxStream};
use serde_json::{Map, Value};
use tokio::time::{Instant, sleep_until};
use tokio_stream::StreamMap;

use super::{
    AuthError, Gateway, Transport, auth,
    errors::{self, Answer, Code},
    execute,
    protocol::{ClientMessage, Close, ServerMessage},
    request::Params,
    wire::{End, Wire},
};
use crate::clock::Clock;

/// How long the clock is trusted to go on as it does; a test moves it by hand.
const CLOCK_CHECK: Duration = Duration::from_secs(1);

/// How far the connection is.
enum Phase<C> {
    AwaitingInit,
    Authenticating(BoxFuture<'static, Result<C, AuthError>>),
    Open {
        caller: Arc<C>,
        revoked: BoxFuture<'static, ()>,
    },
}

pub(super) struct Session<G: Gateway> {
    transport: Transport<G>,
    wire: Wire,
    /// What is known of the handshake's request.
    handshake: Arc<Extensions>,
    /// Its id; each operation adds its number.
    request_id: String,
    phase: Phase<G::Caller>,
    /// What runs; `None` is an operation's end.
    operations: StreamMap<String, BoxStream<'static, Option<Answer>>>,
    /// How many operations there were.
    count: u64,
    /// When `connection_init` must have come, and after it the answer to its token.
    init_deadline: Instant,
}

impl<G: Gateway> Session<G> {
    pub(super) fn new(transport: Transport<G>, socket: WebSocket, handshake: Extensions, request_id: String) -> Self {
        transport.gateway.socket_opened();
        Self {
            wire: Wire::new(socket, transport.settings.clone()),
            init_deadline: Instant::now() + transport.settings.init_timeout,
            transport,
            handshake: Arc::new(handshake),
            request_id,
            phase: Phase::AwaitingInit,
            operations: StreamMap::new(),
            count: 0,
        }
    }

    pub(super) async fn serve(mut self) {
        let end = loop {
            if let Err(end) = self.step().await {
                break end;
            }
        };
        self.operations.clear();
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
            Some((id, answer)) = self.operations.next(), if !self.operations.is_empty() => {
                self.emit(id, answer).await
            }
        }
    }

    /// The token was looked up, or withdrawn.
    async fn settled(&mut self, changed: Settled<G::Caller>) -> Result<(), End> {
        let caller = match changed {
            Settled::Authenticated(Ok(caller)) => Arc::new(caller),
            Settled::Authenticated(Err(AuthError::Unavailable)) => {
                return Err(Close::TRY_AGAIN_LATER.into());
            }
            Settled::Authenticated(Err(AuthError::Unauthenticated)) | Settled::Revoked => {
                return Err(Close::FORBIDDEN.into());
            }
        };
        let (gateway, who) = (self.transport.gateway.clone(), caller.clone());
        let revoked = async move { gateway.revoked(&who).await }.boxed();
        self.phase = Phase::Open { caller, revoked };
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
                self.operations.remove(&id);
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
        let Phase::Open { caller, .. } = &self.phase else {
            return Err(Close::UNAUTHORIZED.into());
        };
        let caller = caller.clone();
        self.check_expiry()?;
        if self.operations.contains_key(&id) {
            return Err(Close::duplicate(&id).into());
        }
        self.count += 1;
        let request_id = format!("{}/{}", self.request_id, self.count);
        if self.operations.len() >= self.transport.settings.max_operations {
            let limit = self.transport.settings.max_operations;
            let message = format!("at most {limit} operations at once on one socket");
            let answer = Answer::refused(errors::error(message, Code::RateLimited), &request_id);
            let payload = answer.errors();
            return self.send(&ServerMessage::Error { id: &id, payload }).await;
        }
        match self.transport.operation(params, Some(&*caller)) {
            Ok(operation) => {
                let events = execute::stream(self.transport.clone(), operation, caller, request_id)
                    .map(Some)
                    .chain(stream::iter([None]));
                self.operations.insert(id, events.boxed());
                Ok(())
            }
            Err(error) => {
                let answer = Answer::refused(error, &request_id);
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
                self.operations.remove(id);
                let payload = refused.errors();
                ServerMessage::Error { id, payload }
            }
            None => {
                self.operations.remove(id);
                ServerMessage::Complete { id }
            }
        };
        self.send(&message).await
    }

    /// Sends a message, for as long as the caller may still hear it: a client that does not read holds up neither the
    /// end of its token nor that of its socket.
    async fn send(&mut self, message: &ServerMessage<'_>) -> Result<(), End> {
        let (gateway, clock) = (&self.transport.gateway, &self.transport.settings.clock);
        tokio::select! {
            biased;
            () = over(&mut self.phase, gateway, clock) => Err(Close::FORBIDDEN.into()),
            sent = self.wire.send(message) => sent,
        }
    }

    /// When to look at the time again.
    fn next_tick(&self) -> Instant {
        match &self.phase {
            Phase::Open { caller, .. } => match self.transport.gateway.expires_at(caller) {
                None => self.wire.ping_due(),
                Some(end) => {
                    let left = end - self.transport.settings.clock.now();
                    let left = left.to_std().unwrap_or_default().min(CLOCK_CHECK);
                    self.wire.ping_due().min(Instant::now() + left)
                }
            },
            _ => self.wire.ping_due().min(self.init_deadline),
        }
    }

    async fn tick(&mut self) -> Result<(), End> {
        self.check_expiry()?;
        let late = Instant::now() >= self.init_deadline;
        match self.phase {
            Phase::AwaitingInit if late => Err(Close::INIT_TIMEOUT.into()),
            Phase::Authenticating(_) if late => Err(Close::TRY_AGAIN_LATER.into()),
            _ => {
                let (gateway, clock) = (&self.transport.gateway, &self.transport.settings.clock);
                tokio::select! {
                    biased;
                    () = over(&mut self.phase, gateway, clock) => Err(Close::FORBIDDEN.into()),
                    kept = self.wire.keep_alive() => kept,
                }
            }
        }
    }

    fn check_expiry(&self) -> Result<(), End> {
        let Phase::Open { caller, .. } = &self.phase else {
            return Ok(());
        };
        match self.transport.gateway.expires_at(caller) {
            Some(end) if end <= self.transport.settings.clock.now() => Err(Close::FORBIDDEN.into()),
            _ => Ok(()),
        }
    }
}

impl<G: Gateway> Drop for Session<G> {
    fn drop(&mut self) {
        self.transport.gateway.socket_closed();
    }
}

/// Ends when the caller's token does: withdrawn, or over by the clock.
async fn over<G: Gateway>(phase: &mut Phase<G::Caller>, gateway: &G, clock: &Clock) {
    let Phase::Open { caller, revoked } = phase else {
        return std::future::pending().await;
    };
    let Some(end) = gateway.expires_at(caller) else {
        return revoked.await;
    };
    while end > clock.now() {
        let left = (end - clock.now()).to_std().unwrap_or_default().min(CLOCK_CHECK);
        tokio::select! {
            () = &mut *revoked => return,
            () = tokio::time::sleep(left) => {}
        }
    }
}

/// What the token's side of a connection brings.
enum Settled<C> {
    Authenticated(Result<C, AuthError>),
    Revoked,
}

async fn settle<C>(phase: &mut Phase<C>) -> Settled<C> {
    match phase {
        Phase::AwaitingInit => std::future::pending().await,
        Phase::Authenticating(looking) => Settled::Authenticated(looking.await),
        Phase::Open { revoked, .. } => {
            revoked.await;
            Settled::Revoked
        }
    }
}
