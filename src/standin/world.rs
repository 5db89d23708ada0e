//! Everything behind the lock: the accounts, the queue of faults, the log; and how one request is answered.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use serde_json::Value;

use super::{
    faults::{Fault, FaultKind, FaultQueue},
    form::Params,
    ledger::Ledger,
    refusal::Refusal,
    routes,
};
use crate::clock::Clock;

/// The log keeps this many calls: a demo may run for days.
const LOGGED: usize = 10_000;

/// Whose world it is: that of a secret key or, with a Connect account, of that account as the key sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Holder {
    pub secret_key: String,
    pub stripe_account: Option<String>,
}

/// A request that the stand-in was sent, and its answer.
#[derive(Clone, Debug)]
pub struct Call {
    pub method: String,
    pub path: String,
    /// Query and body together, as a tree: `promotion[coupon]` is `/promotion/coupon`.
    pub params: Value,
    pub secret_key: String,
    /// The header `Stripe-Account`.
    pub stripe_account: Option<String>,
    pub idempotency_key: Option<String>,
    pub stripe_version: Option<String>,
    /// What was answered; with [`FaultKind::DropAfter`] what would have been. `None` while there is no answer.
    pub status: Option<u16>,
    pub response: Value,
    /// The answer was kept under the idempotency key by an earlier request.
    pub replayed: bool,
    /// The fault that struck.
    pub fault: Option<FaultKind>,
}

/// The parts of a request that matter.
pub(super) struct Request {
    pub method: String,
    pub path: String,
    pub params: Params,
    pub holder: Holder,
    pub idempotency_key: Option<String>,
}

/// What the client gets.
pub(super) enum Outcome {
    Reply(Reply),
    Hang,
    /// The connection is reset; the reply is what the client never saw.
    Drop(Option<Reply>),
}

#[derive(Clone)]
pub(super) struct Reply {
    pub status: u16,
    pub body: Value,
    pub replayed: bool,
    pub should_retry: Option<bool>,
    pub retry_after: Option<&'static str>,
}

impl Reply {
    fn new(status: u16, body: Value) -> Self {
        Self {
            status,
            body,
            replayed: false,
            should_retry: None,
            retry_after: None,
        }
    }
}

impl From<Refusal> for Reply {
    fn from(refusal: Refusal) -> Self {
        Self::new(refusal.status, refusal.body())
    }
}

/// The world, shared between the server and its handles.
#[derive(Clone)]
pub(super) struct Shared(Arc<Mutex<World>>);

impl Shared {
    pub fn new(clock: Clock) -> Self {
        let world = World {
            clock,
            accounts: HashMap::new(),
            faults: FaultQueue::default(),
            calls: VecDeque::new(),
            forgotten: 0,
            latency: Duration::ZERO,
        };
        Self(Arc::new(Mutex::new(world)))
    }

    /// A poisoned lock still holds a world that can be looked at: a failed test wants that.
    pub fn lock(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(super) struct World {
    clock: Clock,
    accounts: HashMap<Holder, Ledger>,
    faults: FaultQueue,
    calls: VecDeque<Call>,
    /// How many calls the log has let go of.
    forgotten: usize,
    pub latency: Duration,
}

impl World {
    /// The account of a key, with every limit applied that time has reached.
    pub fn account(&mut self, holder: &Holder) -> &mut Ledger {
        let new = || Ledger::new(self.clock.clone(), !holder.secret_key.contains("_test_"));
        let ledger = self.accounts.entry(holder.clone()).or_insert_with(new);
        ledger.settle();
        ledger
    }

    pub fn queue(&mut self, fault: Fault) {
        self.faults.push(fault);
    }

    pub fn clear_faults(&mut self) {
        self.faults.clear();
    }

    pub fn calls(&self) -> Vec<Call> {
        self.calls.iter().cloned().collect()
    }

    /// Writes down that a request came; the number is for `World::answer`.
    pub fn log(&mut self, call: Call) -> usize {
        if self.calls.len() == LOGGED {
            self.calls.pop_front();
            self.forgotten += 1;
        }
        self.calls.push_back(call);
        self.forgotten + self.calls.len() - 1
    }

    /// Answers the request logged under `number`.
    pub fn answer(&mut self, number: usize, request: &Request) -> Outcome {
        if request.holder.secret_key.is_empty() {
            let reply = Reply::from(Refusal::no_key());
            self.log_reply(number, Some(&reply), None);
            return Outcome::Reply(reply);
        }
        let fault = self
            .faults
            .take(&request.method, &request.path, &request.holder.secret_key);
        let outcome = self.outcome(fault.as_ref(), request);
        let reply = match &outcome {
            Outcome::Reply(reply) => Some(reply),
            Outcome::Drop(reply) => reply.as_ref(),
            Outcome::Hang => None,
        };
        self.log_reply(number, reply, fault);
        outcome
    }

    fn outcome(&mut self, fault: Option<&FaultKind>, request: &Request) -> Outcome {
        let reply = match fault {
            None => self.work(request),
            Some(FaultKind::DropAfter) => return Outcome::Drop(Some(self.work(request))),
            Some(FaultKind::DropBefore) => return Outcome::Drop(None),
            Some(FaultKind::Hang) => return Outcome::Hang,
            Some(FaultKind::RateLimited) => Reply {
                should_retry: Some(true),
                retry_after: Some("1"),
                ..Refusal::rate_limited().into()
            },
            Some(FaultKind::ServerError) => Refusal::server_error().into(),
            Some(FaultKind::SavedServerError) => {
                let reply = Reply::from(Refusal::server_error());
                if let Some(key) = &request.idempotency_key {
                    let ledger = self.account(&request.holder);
                    ledger.keep(key, print(request), reply.status, reply.body.clone());
                }
                reply
            }
            Some(FaultKind::Refuse { message, param }) => Refusal::invalid(message, param).into(),
            Some(FaultKind::Forbidden) => Refusal::forbidden().into(),
            Some(FaultKind::Revoked) => Refusal::revoked().into(),
            Some(FaultKind::Fail(failure)) => Reply {
                should_retry: failure.should_retry,
                retry_after: failure.retry_after,
                ..Refusal::of(failure).into()
            },
        };
        Outcome::Reply(reply)
    }

    /// Does the work once per idempotency key. A refused request is not kept.
    fn work(&mut self, request: &Request) -> Reply {
        let ledger = self.account(&request.holder);
        let key = request.idempotency_key.as_deref();
        let key = key.filter(|_| request.method == "POST");
        if let Some(key) = key {
            match ledger.replay(key, &print(request)) {
                Err(refusal) => return refusal.into(),
                Ok(Some((status, body))) => {
                    let reply = Reply::new(status, body);
                    return Reply {
                        replayed: true,
                        ..reply
                    };
                }
                Ok(None) => {}
            }
        }
        let params = request.params.clone();
        match routes::handle(ledger, &request.method, &request.path, params) {
            Err(refusal) => refusal.into(),
            Ok(body) => {
                if let Some(key) = key {
                    ledger.keep(key, print(request), 200, body.clone());
                }
                Reply::new(200, body)
            }
        }
    }

    fn log_reply(&mut self, number: usize, reply: Option<&Reply>, fault: Option<FaultKind>) {
        let place = number.checked_sub(self.forgotten);
        let Some(call) = place.and_then(|place| self.calls.get_mut(place)) else {
            return;
        };
        call.fault = fault;
        if let Some(reply) = reply {
            call.status = Some(reply.status);
            call.response = reply.body.clone();
            call.replayed = reply.replayed;
        }
    }
}

/// What must be the same when an idempotency key is used again.
fn print(request: &Request) -> (String, Value) {
    (request.path.clone(), request.params.to_value())
}
