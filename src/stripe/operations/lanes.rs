//! Who works at what is owed: a lane for each brand and mode, so that one whose Stripe hangs holds up no other.
//!
//! A lane is there while something of its brand's is due. What must come after something else is not taken up before it.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use entity::stripe_operation::{self, Column};
use sea_orm::{ColumnTrait, Condition, QueryFilter, QuerySelect, sea_query::Expr};
use tokio::task::JoinSet;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use super::{LEASE, Operations, Try};
use crate::{domain::feed::FeedName, error::Result, lease, worker::guarded};

/// How many lanes are open at a time.
const MAX_LANES: usize = 256;
/// How many calls of one lane are at Stripe at a time. A mutation's call waits behind theirs for its place.
const ROOM: usize = 16;
/// Shorter than the lease, so that who comes to an end still holds it.
const MAX_TRY: Duration = Duration::from_secs(25);

/// No older operation on the same object is owed and, for a code, not the making of its coupon. Literals, as the indexes
/// have them; the coupons that are not made yet are looked up once, and not for each of thousands of codes.
const NOTHING_FIRST: &str = "stripe_operation.status = 'pending'
AND NOT EXISTS (
  SELECT 1 FROM stripe_operation AS earlier
  WHERE earlier.code_id = stripe_operation.code_id AND earlier.id < stripe_operation.id
    AND earlier.status IN ('pending', 'disabled')
)
AND (stripe_operation.code_id IS NULL OR stripe_operation.coupon_id NOT IN (
  SELECT unmade.coupon_id FROM stripe_operation AS unmade
  WHERE unmade.kind = 'create_coupon' AND unmade.status IN ('pending', 'disabled')
))
AND (stripe_operation.code_id IS NOT NULL OR NOT EXISTS (
  SELECT 1 FROM stripe_operation AS earlier
  WHERE earlier.coupon_id = stripe_operation.coupon_id AND earlier.id < stripe_operation.id
    AND earlier.code_id IS NULL AND earlier.status IN ('pending', 'disabled')
))";

/// The lanes that are open.
#[derive(Clone, Default)]
pub struct Lanes {
    open: Arc<Mutex<HashSet<FeedName>>>,
    tasks: TaskTracker,
}

/// An open lane, until it is dropped.
struct Lane {
    lanes: Lanes,
    name: FeedName,
}

impl Lanes {
    /// Whose work is among these tasks, and takes up nothing new once they are closed.
    pub fn new(tasks: TaskTracker) -> Self {
        Self {
            open: Arc::default(),
            tasks,
        }
    }

    /// Whether nobody is at work.
    pub fn are_closed(&self) -> bool {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// Opens a lane; `None` where it is open already, or too many are.
    fn open(&self, name: FeedName) -> Option<Lane> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let free = open.len() < MAX_LANES && open.insert(name);
        free.then(|| Lane {
            lanes: self.clone(),
            name,
        })
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        let mut open = self.lanes.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.remove(&self.name);
    }
}

/// What is owed of a brand and mode.
fn of(name: FeedName) -> Condition {
    Condition::all()
        .add(Column::BrandId.eq(name.brand))
        .add(Column::Livemode.eq(name.livemode))
}

impl Operations {
    /// Opens a lane wherever something is due; how many.
    pub async fn run_due(&self) -> Result<usize> {
        self.owe_again().await?;
        let mut opened = 0;
        for (brand, livemode) in self.due().await? {
            let Some(lane) = self.lanes.open(FeedName { brand, livemode }) else {
                continue;
            };
            opened += 1;
            let operations = self.clone();
            self.lanes.tasks.spawn(async move {
                let worked = guarded(operations.work(lane.name)).await;
                drop(lane);
                match worked {
                    Ok(0) => {}
                    // What became due while the lane was open, and was not seen any more.
                    Ok(_) => operations.wake.notify_one(),
                    Err(error) => tracing::error!(%error, "a lane failed; what is left of it is taken up again"),
                }
            });
        }
        Ok(opened)
    }

    /// Where something is due.
    async fn due(&self) -> Result<Vec<(entity::id::BrandId, bool)>> {
        let due = lease::due::<stripe_operation::Entity>(self.clock.now())
            .filter(Expr::cust(NOTHING_FIRST))
            .select_only()
            .columns([Column::BrandId, Column::Livemode])
            .distinct();
        Ok(due.into_tuple().all(self.db.reader()).await?)
    }

    /// Does what is due of a brand until nothing is; how many tries that took.
    ///
    /// Tries are tasks of their own: one that holds the database goes on while the lane waits for it.
    async fn work(&self, name: FeedName) -> Result<usize> {
        let (mut tries, mut tried) = (JoinSet::new(), 0);
        loop {
            let free = ROOM - tries.len();
            if free >= ROOM / 2 && !self.lanes.tasks.is_closed() {
                for operation in self.claim(of(name), free).await? {
                    tries.spawn(self.clone().once(operation));
                }
            }
            match tries.join_next().await {
                Some(_) => tried += 1,
                None => return Ok(tried),
            }
        }
    }

    /// Goes on at once with what an operation has led to, if its turn has come.
    pub(super) async fn carry_on(&self, id: Uuid) -> Result<()> {
        for operation in self.claim(Condition::all().add(Column::Id.eq(id)), 1).await? {
            self.clone().once(operation).await;
        }
        Ok(())
    }

    async fn claim(&self, which: Condition, limit: usize) -> Result<Vec<stripe_operation::Model>> {
        let now = self.clock.now();
        let due = lease::due::<stripe_operation::Entity>(now)
            .filter(which)
            .filter(Expr::cust(NOTHING_FIRST));
        let txn = self.db.begin().await?;
        let claimed = lease::claim_of(&txn, due, now + LEASE, limit as u64).await?;
        txn.commit().await?;
        Ok(claimed)
    }

    /// One try. What it could not write down is tried again when the lease ends.
    async fn once(self, operation: stripe_operation::Model) {
        let trying = async {
            let outcome = self.perform_within(MAX_TRY, &operation, Try::Later).await?;
            self.settle(&operation, outcome.late()).await.map(drop)
        };
        if let Err(error) = guarded(trying).await {
            tracing::error!(%error, operation = %operation.id, "a try of an operation failed; it is tried again");
        }
    }
}
