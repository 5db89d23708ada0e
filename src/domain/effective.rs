//! From when on what is decided about an affiliate, a campaign or a coupon is in force.
//!
//! **Invariant.** What was decided last is in force last, whichever instance's clock was ahead: a row that came before
//! another one would never come into force.

use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QuerySelect, sea_query::SimpleExpr};

use crate::error::Result;

/// Now, or the first moment after the last row of the same object, where that is still to come. The caller holds what
/// keeps others from adding one.
pub(super) async fn after_the_last<C>(
    txn: &impl ConnectionTrait,
    column: C,
    of_object: SimpleExpr,
    now: DateTime<Utc>,
) -> Result<DateTime<Utc>>
where
    C: ColumnTrait,
    C::EntityName: EntityTrait<Column = C>,
{
    let last: Option<Option<DateTime<Utc>>> = <C::EntityName as EntityTrait>::find()
        .select_only()
        .expr(column.max())
        .filter(of_object)
        .into_tuple()
        .one(txn)
        .await?;
    let ahead = last.flatten().filter(|last| *last > now);
    Ok(ahead.map_or(now, |last| last + TimeDelta::microseconds(1)))
}
