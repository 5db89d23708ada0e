//! Minting many codes on one coupon: each row comes to an end of its own, and holds up no other.
//!
//! **Invariant.** A row of a named batch is minted once, whatever is begun again: the rows of a brand's batches are looked
//! for and added in turn. What no answer came for in time is owed like any other code.

use entity::{
    brand, code, coupon,
    id::{AffiliateId, CouponId},
};
use futures_util::{TryStreamExt, stream};
use sea_orm::{ColumnTrait, ConnectionTrait, QueryFilter};
use tokio::time::Instant;

use super::{
    Attempt, Domain,
    bulk_rows::{End, Row, insert_in_txn},
    codes::rejected,
    minting, new_code, owed, plans, tenancy,
};
use crate::{
    auth::{Actor, Operation},
    error::{Error, Problems, Result, UserError, UserErrorCode},
};

pub const MAX_ROWS: usize = 250;
/// Characters.
const MAX_BATCH_NAME: usize = 64;
/// How many rows are committed together.
const CHUNK: usize = 50;
/// How many rows are tried at Stripe at the same time: other calls of the brand's find their places in between.
const CALLS: usize = 32;

#[derive(Clone, Debug)]
pub struct BulkMint {
    pub coupon_id: Option<CouponId>,
    /// The caller's name for it; without one nothing tells that a row was minted before.
    pub batch: Option<String>,
    pub rows: Vec<BulkRow>,
}

#[derive(Clone, Debug)]
pub struct BulkRow {
    pub affiliate_id: Option<AffiliateId>,
    /// Left out: generated.
    pub code: Option<String>,
}

/// The row's code, or what to mend: fields are the row's own, but for `couponId`.
pub type RowResult = Result<code::Model, Vec<UserError>>;

/// What all rows share.
pub(super) struct Bulk<'a> {
    pub domain: &'a Domain,
    pub actor: &'a Actor,
    pub coupon: CouponId,
    pub batch: Option<String>,
    /// Whether the brand has a Stripe key.
    pub connected: bool,
}

/// Mints a code for each row, here and at Stripe; what became of each, in order.
///
/// # Errors
/// For the whole of it: `INVALID` on `batch`; `INVALID` or `LIMIT_EXCEEDED` on `rows`; `PLAN_TIER_REQUIRED`; `NOT_FOUND` or
/// `INVALID` on `couponId`, these for each row that is not minted yet where the batch was begun. For a row: what
/// [`super::codes::mint`] says of a single one, and `INVALID` where the row of the batch was minted with other content, or its
/// code was deleted.
pub async fn mint(domain: &Domain, actor: &Actor, input: BulkMint) -> Result<Vec<RowResult>> {
    actor.require(Operation::ManageCodes)?;
    let batch = check(&input)?;
    let bulk = Bulk {
        domain,
        actor,
        coupon: input.coupon_id.ok_or_else(|| Error::not_found(&["couponId"]))?,
        batch,
        connected: domain.outbox.connected(&actor.scope).await?,
    };
    bulk.require_open_or_begun().await?;
    let mut rows: Vec<Row> = (0..)
        .zip(&input.rows)
        .map(|(number, row)| Row::new(number, row))
        .collect();
    let mut open: Vec<&mut Row> = rows.iter_mut().filter(|row| matches!(row.end, End::Open)).collect();
    // A generated text gives way to those that are asked for.
    open.sort_by_key(|row| row.text.is_none());
    for chunk in open.chunks_mut(CHUNK) {
        bulk.insert(chunk).await?;
    }
    if bulk.connected {
        bulk.try_all(&mut rows).await?;
    }
    bulk.results(rows).await
}

/// Checks what can be judged alone; the name of the batch.
fn check(input: &BulkMint) -> Result<Option<String>> {
    let mut problems = Problems::default();
    let batch = input.batch.as_deref();
    let batch = batch.map(|name| problems.text(&["batch"], name, MAX_BATCH_NAME));
    problems.require(!input.rows.is_empty(), &["rows"], "There must be at least one row.");
    if input.rows.len() > MAX_ROWS {
        problems.add(UserErrorCode::LimitExceeded, &["rows"], "There are at most 250 rows.");
    }
    problems.check()?;
    Ok(batch)
}

impl Bulk<'_> {
    /// Refuses the whole where nothing can be minted. A batch that was begun is answered all the same: each row for itself.
    async fn require_open_or_begun(&self) -> Result<()> {
        let (db, scope) = (self.domain.db.reader(), &self.actor.scope);
        let plan = plans::brand(db, scope.brand).await?;
        match (self.open_coupon(db, &plan).await, &self.batch) {
            (Err(Error::User(problems)), Some(batch)) => {
                let begun = tenancy::find::<code::Entity>(scope)
                    .filter(code::Column::Batch.eq(batch))
                    .filter(code::Column::CouponId.eq(self.coupon));
                let begun = begun.one(db).await?.is_some();
                if begun { Ok(()) } else { Err(Error::User(problems)) }
            }
            (open, _) => open.map(drop),
        }
    }

    /// The coupon, where the plan and its own standing allow that codes are minted on it.
    pub(super) async fn open_coupon(&self, db: &impl ConnectionTrait, plan: &brand::Model) -> Result<coupon::Model> {
        plans::require(plan, self.domain.clock.now())?;
        minting::open_coupon(self.domain, db, &self.actor.scope, self.coupon).await
    }

    /// Mints rows here, in one transaction.
    async fn insert(&self, rows: &mut [&mut Row]) -> Result<()> {
        let txn = self.domain.db.begin().await?;
        insert_in_txn(&txn, self, rows).await?;
        txn.commit().await?;
        Ok(())
    }

    /// Has Stripe asked for all that were minted, for as long as the mutation waits. The worker goes on with the rest.
    async fn try_all(&self, rows: &mut [Row]) -> Result<()> {
        let deadline = new_code::deadline();
        let tries = stream::iter(rows.iter_mut().map(Ok));
        tries
            .try_for_each_concurrent(CALLS, |row| self.try_row(row, deadline))
            .await?;
        let untried = rows.iter().filter_map(|row| match &row.end {
            End::New(minted) => Some(minted.operation),
            _ => None,
        });
        let untried: Vec<_> = untried.collect();
        if !untried.is_empty() {
            owed::leave_to_worker(self.domain, untried).await?;
        }
        Ok(())
    }

    /// A row that Stripe refuses is taken back; one whose text was generated goes on to the next form of it, where it is
    /// only that Stripe has the text already.
    async fn try_row(&self, row: &mut Row, deadline: Instant) -> Result<()> {
        for refusals in 0.. {
            if Instant::now() >= deadline {
                break;
            }
            let Some(minted) = row.tried() else { break };
            let Attempt::Refused(refusal) = new_code::attempt(self.domain, &minted, deadline).await else {
                break;
            };
            if !new_code::take_back(self.domain, self.actor, &minted, &refusal).await? {
                break;
            }
            row.refuse(rejected(&refusal, "couponId"))?;
            if row.text.is_none() && new_code::goes_on(&refusal, refusals, deadline) {
                row.end = End::Open;
                self.insert(&mut [&mut *row]).await?;
            }
        }
        Ok(())
    }

    /// The codes as they are now.
    async fn results(&self, rows: Vec<Row>) -> Result<Vec<RowResult>> {
        let ids = rows.iter().filter_map(Row::code);
        let codes = tenancy::find::<code::Entity>(&self.actor.scope).filter(code::Column::Id.is_in(ids));
        let codes = codes.all(self.domain.db.reader()).await?;
        let result = |row: Row| match (row.code(), row.end) {
            (_, End::Refused(problems)) => Err(problems),
            (Some(id), _) => codes
                .iter()
                .find(|code| code.id == id)
                .cloned()
                .ok_or_else(refused_meanwhile),
            (None, _) => Err(refused_meanwhile()),
        };
        Ok(rows.into_iter().map(result).collect())
    }
}

/// Another request, which minted the row, has had Stripe's refusal.
fn refused_meanwhile() -> Vec<UserError> {
    let mut problems = Problems::default();
    problems.add(UserErrorCode::StripeRejected, &["code"], "Stripe has refused it.");
    problems.into_list()
}
