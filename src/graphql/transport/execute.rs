//! Runs operations for all transports, so that each of them gives the same answer.
//!
//! Invariants: what an operation costs is paid before it runs; a mutation that has begun runs to its end even when its
//! client hangs up, so nothing is left half done, and a query ends when its time does; a panic of a resolver is an internal
//! error of that operation and of nothing else; a subscription ends with the first item that failed on our side, whose
//! place is not told, so that its client resumes before it.

use std::{panic::AssertUnwindSafe, sync::Arc};

use async_graphql::{Executor, Response, ServerError, parser::types::OperationType};
use futures_util::{FutureExt, Stream, StreamExt, stream::BoxStream};
use tokio::time::timeout;
use tracing::Instrument;

use super::{
    Gateway, Payer, Transport, cost,
    errors::{self, Answer, Code},
    place::Place,
    request::Operation,
};

/// Runs a query or a mutation.
pub(super) async fn run<G: Gateway>(
    transport: &Transport<G>,
    mut operation: Operation,
    payer: Payer<'_, G::Caller>,
    request_id: &str,
) -> Answer {
    let toll = match cost::pay(&transport.gateway, &mut operation, payer).await {
        Ok(toll) => toll,
        Err(errors) => return Answer::new(Response::from_errors(errors), request_id),
    };
    let mut answer = match execute(transport, operation, payer.caller(), request_id).await {
        Some(mut response) => {
            toll.tell(&mut response);
            Answer::new(response, request_id)
        }
        None => Answer::panicked(request_id),
    };
    answer.budget = toll.budget;
    answer
}

/// The answer to a document that is not taken, which is paid for, too.
pub(super) fn refuse<G: Gateway>(
    transport: &Transport<G>,
    error: ServerError,
    payer: Payer<'_, G::Caller>,
    request_id: &str,
) -> Answer {
    let charged = transport.gateway.charge(payer, cost::REFUSED);
    Answer::refused(charged.err().map_or(error, cost::refusal), request_id)
}

/// `None` is a panic.
async fn execute<G: Gateway>(
    transport: &Transport<G>,
    operation: Operation,
    caller: Option<&G::Caller>,
    request_id: &str,
) -> Option<Response> {
    let executor = transport.gateway.executor().clone();
    let request = transport.gateway.prepare(operation.request, caller, request_id);
    if operation.kind == OperationType::Mutation {
        let request = request.await;
        let execution = async move { executor.execute(request).await };
        let execution = execution.instrument(tracing::Span::current());
        return transport.settings.tasks.spawn(execution).await.ok();
    }
    let limit = transport.settings.query_timeout;
    let execution = async move { executor.execute(request.await).await };
    match timeout(limit, AssertUnwindSafe(execution).catch_unwind()).await {
        Ok(response) => response.ok(),
        Err(_) => {
            let message = format!("the query took longer than {} seconds: ask for less", limit.as_secs());
            Some(Response::from_errors(vec![errors::error(
                message,
                Code::QueryTooComplex,
            )]))
        }
    }
}

/// Runs any operation as a stream: a query or a mutation answers once. Dropping the stream ends a subscription.
pub(super) fn stream<G: Gateway>(
    transport: Transport<G>,
    mut operation: Operation,
    caller: Arc<G::Caller>,
    place: Place,
    request_id: String,
) -> BoxStream<'static, Answer> {
    if operation.kind != OperationType::Subscription {
        let once = async move { run(&transport, operation, Payer::Caller(&caller), &request_id).await };
        return futures_util::stream::once(once).boxed();
    }
    let gateway = transport.gateway;
    let counted = Counted::start(gateway.clone());
    let (id, told) = (request_id.clone(), place.clone());
    let begin = async move {
        if let Err(errors) = cost::pay(&gateway, &mut operation, Payer::Caller(&caller)).await {
            return futures_util::stream::iter([Response::from_errors(errors)]).boxed();
        }
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
