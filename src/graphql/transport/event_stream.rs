//! One event stream, from its reservation or its only operation to its end, in one task.
//!
//! Invariants:
//! - Little is on its way out at a time: a client that does not read stalls its own operations, and nothing grows. One
//!   that stalls for too long is cut off, and resumes by the last id that it has.
//! - Nothing runs before the stream is open, and nothing is sent once the caller's token has ended.
//! - Ending the task drops its operations, and its place among the reservations.

use axum::response::sse::Event;
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, sleep_until},
};

use super::{
    Gateway, Transport,
    errors::{self, Answer, Code},
    events,
    place::Place,
    request::Operation,
    running::{NotBegun, Running},
    stay::Stay,
};

/// Operations that may wait for their stream to be opened.
const MAX_WAITING: usize = 8;

/// What requests beside a stream ask of it.
pub(super) enum Command {
    /// The stream is opened, and written here.
    Open(mpsc::Sender<Event>),
    Begin {
        id: String,
        operation: Box<Operation>,
        place: Place,
        begun: oneshot::Sender<Result<(), NotBegun>>,
    },
    Stop {
        id: String,
    },
}

/// Nothing more is to be done for the stream.
struct Over;

pub(super) struct EventStream<G: Gateway> {
    transport: Transport<G>,
    stay: Stay<G>,
    running: Running<G>,
    /// `None` for a stream of one operation, which ends with it.
    commands: Option<mpsc::Receiver<Command>>,
    /// Where events go, once it is open; one at a time.
    out: Option<mpsc::Sender<Event>>,
    /// Until when a reservation must be opened, and each event taken.
    deadline: Instant,
}

impl<G: Gateway> EventStream<G> {
    /// A stream that is to be opened.
    pub(super) fn reserved(
        transport: Transport<G>,
        caller: G::Caller,
        commands: mpsc::Receiver<Command>,
        request_id: String,
    ) -> Self {
        Self {
            stay: Stay::new(&transport, caller),
            running: Running::new(transport.clone(), request_id),
            commands: Some(commands),
            out: None,
            deadline: Instant::now() + transport.settings.reservation,
            transport,
        }
    }

    /// The stream of one operation; one that cannot begin says why.
    pub(super) fn distinct(
        transport: Transport<G>,
        caller: G::Caller,
        operation: Result<Operation, async_graphql::ServerError>,
        place: Place,
        out: mpsc::Sender<Event>,
        request_id: String,
    ) -> Self {
        let (_, none) = mpsc::channel(1);
        let mut stream = Self::reserved(transport, caller, none, request_id);
        stream.commands = None;
        stream.open(out);
        let begun = stream
            .running
            .begin(String::new(), operation, stream.stay.caller(), place);
        if let Err(NotBegun::Refused(answer)) = begun {
            stream.running.say(String::new(), *answer);
        }
        stream
    }

    pub(super) async fn serve(mut self) {
        while let Ok(()) = self.step().await {}
        self.running.clear();
    }

    /// Waits for the next thing to happen, and sees to it.
    async fn step(&mut self) -> Result<(), Over> {
        // An operation runs while it is polled, so whether it still may comes first.
        if self.stay.is_over() {
            return Err(Over);
        }
        let has_room = self.out.as_ref().is_some_and(|out| out.capacity() > 0);
        tokio::select! {
            biased;
            () = self.transport.settings.shutdown.cancelled() => Err(Over),
            () = self.stay.over() => Err(Over),
            () = left(self.out.as_ref()) => Err(Over),
            command = asked(self.commands.as_mut()) => self.obey(command),
            (id, answer) = self.running.next(), if has_room => self.emit(&id, answer),
            () = taken(self.out.as_ref()), if !has_room => Ok(()),
            () = sleep_until(self.deadline), if !has_room => Err(Over),
        }
    }

    fn open(&mut self, out: mpsc::Sender<Event>) {
        if self.out.is_none() {
            self.transport.gateway.socket_opened();
        }
        self.out = Some(out);
    }

    fn obey(&mut self, command: Command) -> Result<(), Over> {
        match command {
            Command::Open(out) => self.open(out),
            Command::Begin {
                id,
                operation,
                place,
                begun,
            } => {
                // Nothing is polled, or paid, before the stream is open.
                let operation = if self.out.is_none() && self.running.len() >= MAX_WAITING {
                    let message = format!("at most {MAX_WAITING} operations wait for a stream to be opened");
                    Err(errors::error(message, Code::RateLimited))
                } else {
                    Ok(*operation)
                };
                let outcome = self.running.begin(id, operation, self.stay.caller(), place);
                // Whoever asked may be gone; the operation goes on.
                let _ = begun.send(outcome);
            }
            Command::Stop { id } => self.running.stop(&id),
        }
        Ok(())
    }

    /// Passes on what an operation brought: there is room for one event.
    fn emit(&mut self, id: &str, answer: Option<Answer>) -> Result<(), Over> {
        let single = self.commands.is_some();
        let operation = single.then_some(id);
        let event = match &answer {
            Some(answer) => events::next(operation, answer),
            None => events::complete(operation),
        };
        let event = event.map_err(|error| {
            tracing::error!(%error, "an answer cannot be written as an event");
            Over
        })?;
        let out = self.out.as_ref().ok_or(Over)?;
        out.try_send(event).map_err(|_| Over)?;
        self.deadline = Instant::now() + self.transport.settings.send_timeout;
        if answer.is_none() && !single { Err(Over) } else { Ok(()) }
    }
}

impl<G: Gateway> Drop for EventStream<G> {
    fn drop(&mut self) {
        if self.out.is_some() {
            self.transport.gateway.socket_closed();
        }
    }
}

/// Ends when the client has gone.
async fn left(out: Option<&mpsc::Sender<Event>>) {
    match out {
        Some(out) => out.closed().await,
        None => std::future::pending().await,
    }
}

/// Ends when the last event was taken.
async fn taken(out: Option<&mpsc::Sender<Event>>) {
    match out {
        Some(out) => drop(out.reserve().await),
        None => std::future::pending().await,
    }
}

/// The next thing that is asked; never, where nothing can be.
async fn asked(commands: Option<&mut mpsc::Receiver<Command>>) -> Command {
    if let Some(commands) = commands
        && let Some(command) = commands.recv().await
    {
        return command;
    }
    std::future::pending().await
}
