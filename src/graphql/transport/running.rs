//! The operations that run on one connection, whatever it is made of: begun, counted, polled and dropped here.
//!
//! An operation runs while it is polled. What is polled is handed on before more is, so a client that does not read
//! stalls its own operations, and nothing piles up.

use std::sync::Arc;

use async_graphql::ServerError;
use futures_util::{StreamExt, future, stream, stream::BoxStream};
use tokio_stream::StreamMap;

use super::{
    Gateway, Transport,
    errors::{self, Answer, Code},
    execute,
    place::Place,
    request::Operation,
};

pub(super) struct Running<G: Gateway> {
    transport: Transport<G>,
    /// The connection's; each operation adds its number.
    request_id: String,
    /// What runs; `None` is an operation's end.
    operations: StreamMap<String, BoxStream<'static, Option<Answer>>>,
    /// How many operations there were.
    count: u64,
}

/// Why an operation did not begin.
pub(super) enum NotBegun {
    /// Another one has its id.
    Duplicate,
    /// Its document is not taken, or there are too many already.
    Refused(Box<Answer>),
}

impl<G: Gateway> Running<G> {
    pub(super) fn new(transport: Transport<G>, request_id: String) -> Self {
        Self {
            transport,
            request_id,
            operations: StreamMap::new(),
            count: 0,
        }
    }

    /// Begins an operation; `place` is where a subscription goes on.
    pub(super) fn begin(
        &mut self,
        id: String,
        operation: Result<Operation, ServerError>,
        caller: &Arc<G::Caller>,
        place: Place,
    ) -> Result<(), NotBegun> {
        if self.operations.contains_key(&id) {
            return Err(NotBegun::Duplicate);
        }
        self.count += 1;
        let request_id = format!("{}/{}", self.request_id, self.count);
        let limit = self.transport.settings.max_operations;
        let operation = if self.operations.len() < limit {
            operation
        } else {
            let message = format!("at most {limit} operations at once on one connection");
            Err(errors::error(message, Code::RateLimited))
        };
        let operation = operation.map_err(|error| NotBegun::Refused(Box::new(Answer::refused(error, &request_id))))?;
        let answers = execute::stream(self.transport.clone(), operation, caller.clone(), place, request_id);
        self.insert(id, answers);
        Ok(())
    }

    /// An operation that says only that it was refused.
    pub(super) fn say(&mut self, id: String, refused: Answer) {
        self.insert(id, stream::iter([refused]).boxed());
    }

    fn insert(&mut self, id: String, answers: BoxStream<'static, Answer>) {
        let ended = answers.map(Some).chain(stream::iter([None]));
        self.operations.insert(id, ended.boxed());
    }

    /// How many run.
    pub(super) fn len(&self) -> usize {
        self.operations.len()
    }

    /// Ends an operation. One that is not there has ended by itself meanwhile.
    pub(super) fn stop(&mut self, id: &str) {
        self.operations.remove(id);
    }

    /// Ends all.
    pub(super) fn clear(&mut self) {
        self.operations.clear();
    }

    /// The next answer of any operation, or an operation's end; never, where nothing runs.
    pub(super) async fn next(&mut self) -> (String, Option<Answer>) {
        let Some((id, answer)) = self.operations.next().await else {
            return future::pending().await;
        };
        if answer.is_none() {
            self.operations.remove(&id);
        }
        (id, answer)
    }
}
