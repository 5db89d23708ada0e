//! Carries out what is owed to Stripe: once at the mutation's request, then by the worker until it is done or refused.
//!
//! **Invariants.** The idempotency key is the operation's id, so a call whose outcome is unknown is made again without
//! harm. Operations on one object go in order. Whoever learns the outcome writes it down: the mutation that waits takes
//! its change back on a refusal; when nobody waits any more, the refusal is kept with the row.

mod call;
mod settle;

use std::time::Duration;

use async_trait::async_trait;
use chrono::TimeDelta;
use entity::stripe_operation;
use sea_orm::EntityTrait;
use tokio::sync::{Notify, oneshot};
use uuid::Uuid;

use super::client::{Refused, Stripe};
use crate::{
    auth::Scope,
    clock::Clock,
    db::Db,
    directory::{Directory, Name},
    domain::{Attempt, Outbox, Refusal},
    error::Result,
    lease,
    worker::guarded,
};

/// How long a mutation waits for Stripe.
const PATIENCE: Duration = Duration::from_secs(3);
/// Longer than a call may take.
const LEASE: TimeDelta = TimeDelta::seconds(30);
const BATCH: u64 = 8;

#[derive(Clone)]
pub struct Operations {
    pub db: Db,
    pub clock: Clock,
    pub directory: Directory,
    pub stripe: Stripe,
    pub wake: std::sync::Arc<Notify>,
}

/// How one try ended.
enum Outcome {
    /// Stripe did it; the id is that of what was made.
    Done(Option<String>),
    Refused(Refused),
    /// To be tried again, under a new key if `new_key`.
    Retry {
        reason: String,
        new_key: bool,
    },
    /// Something else comes first.
    Waiting,
    /// The brand has no key for this mode.
    Disabled,
}

#[async_trait]
impl Outbox for Operations {
    async fn connected(&self, scope: &Scope) -> Result<bool> {
        let account = self.directory.get(Name::Id(scope.brand)).await?;
        Ok(account.is_some_and(|account| account.way(scope.livemode).is_some()))
    }

    async fn attempt(&self, operation: Uuid) -> Attempt {
        let (sender, receiver) = oneshot::channel();
        let worker = self.clone();
        tokio::spawn(async move {
            if let Err(error) = worker.first_try(operation, sender).await {
                tracing::warn!(%error, %operation, "the first try of an operation failed; the worker goes on");
            }
        });
        match tokio::time::timeout(PATIENCE, receiver).await {
            Ok(Ok(attempt)) => attempt,
            _ => Attempt::Pending,
        }
    }

    fn wake(&self) {
        self.wake.notify_one();
    }
}

impl Operations {
    async fn first_try(&self, id: Uuid, caller: oneshot::Sender<Attempt>) -> Result<()> {
        let row = stripe_operation::Entity::find_by_id(id).one(self.db.reader()).await?;
        let Some(operation) = row else { return Ok(()) };
        let outcome = self.perform(&operation).await?;
        if let Outcome::Refused(refused) = outcome {
            let refusal = Refusal {
                message: refused.message.clone(),
                param: refused.param.clone(),
            };
            // Taken: the mutation undoes its change. Not taken: nobody waits any more.
            if caller.send(Attempt::Refused(refusal)).is_err() {
                self.settle(&operation, Outcome::Refused(refused)).await?;
            }
            return Ok(());
        }
        let done = matches!(outcome, Outcome::Done(_));
        self.settle(&operation, outcome).await?;
        let attempt = if done { Attempt::Done } else { Attempt::Pending };
        // Nobody waits any more: the row says how it stands.
        let _ = caller.send(attempt);
        Ok(())
    }

    /// Does what is due, once; the number of operations that were tried.
    pub async fn run_due(&self) -> Result<usize> {
        self.owe_again().await?;
        let txn = self.db.begin().await?;
        let due = lease::claim::<stripe_operation::Entity>(&txn, self.clock.now(), LEASE, BATCH).await?;
        txn.commit().await?;
        let tries = due.iter().map(|operation| async move {
            let outcome = guarded(self.perform(operation)).await?;
            self.settle(operation, outcome).await
        });
        for result in futures_util::future::join_all(tries).await {
            result?;
        }
        Ok(due.len())
    }
}
