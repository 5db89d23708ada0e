//! Carries out what is owed to Stripe: once at the mutation's request, then by the worker until it is done or refused.
//!
//! **Invariants.** The idempotency key is the operation's id, so a call whose outcome is unknown is made again without
//! harm. Operations on one object go in order. Whoever learns the outcome, and still holds the row's lease, writes it
//! down: the mutation that waits takes its change back on a refusal; when nobody waits any more, the refusal is kept with
//! the row.

mod call;
mod lanes;
mod look_up;
mod settle;

use std::time::Duration;

use async_trait::async_trait;
use chrono::TimeDelta;
use entity::{id::CodeId, stripe_operation};
use sea_orm::EntityTrait;
use tokio::sync::{Notify, oneshot};
use uuid::Uuid;

pub use self::lanes::Lanes;
use super::{
    answers::{CallError, Made, Refused, Trouble},
    client::Stripe,
};
use crate::{
    auth::Scope,
    clock::Clock,
    db::Db,
    directory::{Directory, Name},
    domain::{Attempt, Outbox, Refusal, first_try},
    error::Result,
};

/// How long a mutation waits for Stripe.
const PATIENCE: Duration = Duration::from_secs(3);
/// Shorter than the mutation keeps the workers off.
const MAX_FIRST_TRY: Duration = Duration::from_secs(12);
/// Longer than a try may take.
const LEASE: TimeDelta = TimeDelta::seconds(30);

#[derive(Clone)]
pub struct Operations {
    pub db: Db,
    pub clock: Clock,
    pub directory: Directory,
    pub stripe: Stripe,
    pub wake: std::sync::Arc<Notify>,
    pub lanes: Lanes,
}

/// Which try of an operation it is, as far as that is known.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Try {
    /// The mutation's own: nobody has called Stripe for it yet.
    First,
    /// Somebody may have, and died.
    Later,
}

/// How one try ended.
enum Outcome {
    /// Stripe did it; what was made, changed or found.
    Done(Option<Made>),
    Refused(Refused),
    /// To be tried again, under a new key if `new_key`.
    Retry {
        trouble: Trouble,
        new_key: bool,
    },
    /// Stripe was not asked, and is not to be for so long.
    Unsent(Trouble),
    /// Something else comes first.
    Waiting,
    /// Older promotion codes of this code are in the way, whose end is owed after it: it comes after that.
    Behind(CodeId),
    /// The brand has no key for this mode.
    Disabled,
}

impl Outcome {
    /// Again under the same key.
    fn retry(error: CallError) -> Self {
        match error {
            CallError::Unsent(trouble) => Self::Unsent(trouble),
            CallError::Server(trouble) | CallError::Spent(trouble) | CallError::Unknown(trouble) => Self::Retry {
                trouble,
                new_key: false,
            },
            CallError::Refused(refused) => Self::Retry {
                trouble: Trouble {
                    reason: words(&refused),
                    wait: None,
                },
                new_key: false,
            },
        }
    }

    /// Nobody waits for it: what is the key's fault is tried again until the key is mended.
    fn late(self) -> Self {
        match self {
            Self::Refused(refused) if refused.of_the_key().is_some() => Self::retry(CallError::Refused(refused)),
            outcome => outcome,
        }
    }
}

/// What people are told of a refusal: Stripe's words, or what is wrong with the key; the log has Stripe's words on that.
fn words(refused: &Refused) -> String {
    match refused.of_the_key() {
        Some(mend) => {
            tracing::warn!(
                reason = refused.message,
                code = refused.code,
                "Stripe does not let us in"
            );
            mend.to_owned()
        }
        None => refused.message.clone(),
    }
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
        // Else a worker has it by now.
        let Some(operation) = row.filter(first_try::is_held) else {
            return Ok(());
        };
        let outcome = self.perform_within(MAX_FIRST_TRY, &operation, Try::First).await?;
        if let Outcome::Refused(refused) = outcome {
            let refusal = Refusal {
                message: words(&refused),
                param: refused.param.clone().filter(|_| refused.of_the_key().is_none()),
            };
            // Taken: the mutation undoes its change. Not taken: nobody waits any more.
            if caller.send(Attempt::Refused(refusal)).is_err() {
                self.settle(&operation, Outcome::Refused(refused).late()).await?;
            }
            return Ok(());
        }
        let done = matches!(outcome, Outcome::Done(_));
        if let Some(next) = self.settle(&operation, outcome).await? {
            self.carry_on(next).await?;
        }
        let attempt = if done { Attempt::Done } else { Attempt::Pending };
        // Nobody waits any more: the row says how it stands.
        let _ = caller.send(attempt);
        Ok(())
    }
}
