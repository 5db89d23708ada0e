//! The row is the queue: claims rows of a table that are due, for a while, so that no two workers hold the same one.
//!
//! One statement on both databases: PostgreSQL passes over rows that another claim has locked; SQLite has one writer.

use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, DbErr, EntityTrait, ExprTrait, FromQueryResult, Iterable, QueryFilter,
    QueryOrder, QuerySelect, QueryTrait, Select, Value,
    sea_query::{Expr, LockBehavior, LockType, Query},
};

/// A table whose rows are work.
pub trait Queue: EntityTrait {
    fn id() -> Self::Column;
    fn status() -> Self::Column;
    fn next_attempt_at() -> Self::Column;
    fn leased_until() -> Self::Column;
    /// The status of a row that is still to be done.
    fn pending() -> Value;
}

macro_rules! queue {
    ($table:ident, $pending:expr) => {
        impl Queue for entity::$table::Entity {
            fn id() -> Self::Column {
                entity::$table::Column::Id
            }

            fn status() -> Self::Column {
                entity::$table::Column::Status
            }

            fn next_attempt_at() -> Self::Column {
                entity::$table::Column::NextAttemptAt
            }

            fn leased_until() -> Self::Column {
                entity::$table::Column::LeasedUntil
            }

            fn pending() -> Value {
                $pending.into()
            }
        }
    };
}

queue!(stripe_event, entity::stripe_event::EventStatus::Pending);
queue!(backfill, entity::backfill::BackfillStatus::Pending);
queue!(stripe_operation, entity::stripe_operation::OperationStatus::Pending);

/// Ends all leases: for a database that no other instance works on, when the one that held them is gone.
pub async fn release_all<E: Queue>(db: &impl ConnectionTrait) -> Result<(), DbErr> {
    E::update_many()
        .col_expr(E::leased_until(), Expr::value(None::<DateTime<Utc>>))
        .filter(E::leased_until().is_not_null())
        .exec(db)
        .await?;
    Ok(())
}

/// The rows that are due now, and that nobody holds.
pub fn due<E: Queue>(now: DateTime<Utc>) -> Select<E> {
    let free = Condition::any()
        .add(E::leased_until().is_null())
        .add(E::leased_until().lte(now));
    E::find()
        .filter(E::status().eq(E::pending()))
        .filter(E::next_attempt_at().lte(now))
        .filter(free)
}

/// Claims up to `limit` due rows for `lease`, the longest due first.
pub async fn claim<E: Queue>(
    db: &impl ConnectionTrait,
    now: DateTime<Utc>,
    lease: TimeDelta,
    limit: u64,
) -> Result<Vec<E::Model>, DbErr>
where
    E::Model: FromQueryResult,
{
    claim_of(db, due::<E>(now), now + lease, limit).await
}

/// The same out of some of the rows that are due.
pub async fn claim_of<E: Queue>(
    db: &impl ConnectionTrait,
    due: Select<E>,
    leased_until: DateTime<Utc>,
    limit: u64,
) -> Result<Vec<E::Model>, DbErr>
where
    E::Model: FromQueryResult,
{
    let due = due
        .select_only()
        .column(E::id())
        .order_by_asc(E::next_attempt_at())
        .order_by_asc(E::id())
        .limit(limit)
        .lock_with_behavior(LockType::Update, LockBehavior::SkipLocked)
        .into_query();
    let mut update = Query::update();
    update
        .table(E::default())
        .value(E::leased_until(), leased_until)
        .and_where(Expr::col(E::id()).in_subquery(due))
        .returning(Query::returning().columns(E::Column::iter()));
    let rows = db.query_all(&update).await?;
    rows.iter().map(|row| E::Model::from_query_result(row, "")).collect()
}
