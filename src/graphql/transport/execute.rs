//! Runs operations for all transports, so that each of them gives the same answer.
//!
//! Invariants: a mutation that has begun runs to its end even when its client hangs up, so nothing is left half
//! done; a panic of a resolver is an internal error of that operation and of nothing else; a subscription ends with the
//! first item that failed on our side, whose place is not told, so that its client resumes before it.

use std::{panic::AssertUnwindSafe, sync::Arc};

use async_graphql::{Executor, parser::types::OperationType};
use futures_util::{FutureExt, Stream, StreamExt, stream::BoxStream};
use tracing::Instrument;

use super::{Gateway, Transport, errors::Answer, place::Place, request::Operation};

/// Runs a query or a mutation.
pub(super) async fn run<G: Gateway>(
    transport: &Transport<G>,
    operation: Operation,
    caller: Option<&G::Caller>,
    request_id: &str,
) -> Answer {
    let executor = transport.gateway.executor().clone();
    let request = transport.gateway.prepare(operation.request, caller, request_id).await;
    let execution = async move { executor.execute(request).await };
    let response = if operation.kind == OperationType::Mutation {
        let execution = execution.instrument(tracing::Span::current());
        transport.settings.tasks.spawn(execution).await.ok()
    } else {
        AssertUnwindSafe(execution).catch_unwind().await.ok()
    };
    match response {
        Some(response) => Answer::new(response, request_id),
        None => Answer::panicked(request_id),
    }
}

/// Runs any operation as a stream: a query or a mutation answers once. Dropping the stream ends a subscription.
pub(super) fn stream<G: Gateway>(
    transport: Transport<G>,
    operation: Operation,
    caller: Arc<G::Caller>,
    place: Place,
    request_id: String,
) -> BoxStream<'static, Answer> {
    if operation.kind != OperationType::Subscription {
        let once = async move { run(&transport, operation, Some(&caller), &request_id).await };
        return futures_util::stream::once(once).boxed();
    }
    let gateway = transport.gateway;
    let counted = Counted::start(gateway.clone());
    let (id, told) = (request_id.clone(), place.clone());
    let begin = async move {
        let request = gateway.prepare(operation.request.data(told), Some(&caller), &id).await;
        gateway.executor().execute_stream(request, None)
    };
    let responses = futures_util::stream::once(begin).flatten();
    let answers = AssertUnwindSafe(responses).catch_unwind().map(move |response| {
        let _until_the_stream_is_dropped = &counted;
        match response {
            Ok(response) => Answer::new(response, &request_id).at(place.take()),
            Err(_) => Answer::panicked(&request_id),
        }
    });
    until_it_fails(answers.boxed()).boxed()
}

/// Ends with the first answer that failed on our side.
fn until_it_fails(answers: BoxStream<'static, Answer>) -> impl Stream<Item = Answer> + Send {
    futures_util::stream::unfold(Some(answers), |answers| async {
        let mut answers = answers?;
        let answer = answers.next().await?;
        let goes_on = !answer.has_failed();
        Some((answer, goes_on.then_some(answers)))
    })
}

/// Tells the application of a subscription's beginning and end.
struct Counted<G: Gateway>(G);

impl<G: Gateway> Counted<G> {
    fn start(gateway: G) -> Self {
        gateway.subscription_started();
        Self(gateway)
    }
}

impl<G: Gateway> Drop for Counted<G> {
    fn drop(&mut self) {
        self.0.subscription_ended();
    }
}
