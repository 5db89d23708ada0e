//! The feed, as readers see it: cursors, and what came after one.
//!
//! A cursor names a row, not its number, so that it tells nothing of how many there are; or, before the first row, a
//! moment. Old rows are forgotten (see [`super::feed_pruning`]), and a cursor that is from before is told so.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, TimeDelta, Utc};
use entity::{
    feed_event::{self, FeedKind},
    id::{AffiliateId, BrandId},
};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, QueryTrait};
use uuid::Uuid;

use super::{Domain, tenancy};
use crate::{
    auth::{Actor, Operation, Scope},
    error::{CursorFault, Error, Result},
};

/// How many rows are read at once.
pub const BATCH: u64 = 500;
/// How far the clocks of several servers may differ.
const SKEW: TimeDelta = TimeDelta::seconds(5);

/// One brand's feed of one mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FeedName {
    pub brand: BrandId,
    pub livemode: bool,
}

impl From<&Scope> for FeedName {
    fn from(scope: &Scope) -> Self {
        Self {
            brand: scope.brand,
            livemode: scope.livemode,
        }
    }
}

/// What a cursor names.
#[derive(Debug, PartialEq, Eq)]
enum Place {
    Row(Uuid),
    /// When nothing was told yet.
    Moment(Uuid),
}

/// The cursor that names a row of the feed; the nil id names the beginning.
pub fn cursor(row: Uuid) -> String {
    encode(b"f", row)
}

/// The cursor of a feed in which there is nothing yet.
fn moment(now: Uuid) -> String {
    encode(b"m", now)
}

fn encode(kind: &[u8], id: Uuid) -> String {
    URL_SAFE_NO_PAD.encode([kind, id.as_bytes().as_slice()].concat())
}

fn parse(cursor: &str) -> Option<Place> {
    let bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
    let (kind, id) = bytes.split_first()?;
    let id = Uuid::from_slice(id).ok()?;
    match kind {
        b'f' if !id.is_nil() => Some(Place::Row(id)),
        b'f' | b'm' => Some(Place::Moment(id)),
        _ => None,
    }
}

/// When a cursor was made; what is no UUIDv7 is older than everything.
fn age(id: Uuid) -> DateTime<Utc> {
    let made = id.get_timestamp().map(|stamp| stamp.to_unix());
    let made = made.and_then(|(seconds, nanos)| DateTime::from_timestamp(i64::try_from(seconds).ok()?, nanos));
    made.unwrap_or(DateTime::UNIX_EPOCH)
}

/// Where a subscription must start so that nothing after now is missed: the last row that the caller may see.
pub async fn current_cursor(domain: &Domain, actor: &Actor) -> Result<String> {
    actor.require(Operation::ReadFeed)?;
    let last = tenancy::find::<feed_event::Entity>(&actor.scope)
        .order_by_desc(feed_event::Column::Sequence)
        .one(domain.db.reader())
        .await?;
    Ok(last.map_or_else(|| moment(domain.clock.new_id()), |row| cursor(row.id)))
}

/// The place in the feed that a cursor names.
///
/// # Errors
/// `BAD_USER_INPUT` with the reason when it names none, or when what came after it is not all there any more.
pub async fn resolve(domain: &Domain, actor: &Actor, cursor: &str) -> Result<i64> {
    actor.require(Operation::ReadFeed)?;
    let place = parse(cursor).ok_or(Error::Cursor(CursorFault::Invalid))?;
    let rows = tenancy::find::<feed_event::Entity>(&actor.scope);
    let reader = domain.db.reader();
    let counter = entity::feed_counter::Entity::find_by_id((actor.scope.brand, actor.scope.livemode))
        .one(reader)
        .await?;
    let pruned = counter.and_then(|counter| Some((counter.pruned_sequence, counter.pruned_before?)));
    // A row's id is made after its time was taken, and has only the milliseconds of its own.
    let is_old = |id| pruned.is_some_and(|(_, before)| age(id) <= before + TimeDelta::seconds(1));
    match place {
        // Nothing was there: what is there came since, and the first of it is, unless it was forgotten.
        Place::Moment(id) => match rows.order_by_asc(feed_event::Column::Sequence).one(reader).await? {
            Some(_) if is_old(id) => Err(Error::Cursor(CursorFault::Expired)),
            Some(first) if first.created_at + SKEW < age(id) => Err(Error::Cursor(CursorFault::Unknown)),
            _ => Ok(0),
        },
        Place::Row(id) => match rows.filter(feed_event::Column::Id.eq(id)).one(reader).await? {
            // An affiliate's rows are forgotten in order: where one is, all of its later ones are. Of all affiliates'
            // some may be gone.
            Some(row) if actor.scope.affiliate.is_none() && pruned.is_some_and(|(last, _)| row.sequence < last) => {
                Err(Error::Cursor(CursorFault::Expired))
            }
            Some(row) => Ok(row.sequence),
            None if is_old(id) => Err(Error::Cursor(CursorFault::Expired)),
            None => Err(Error::Cursor(CursorFault::Unknown)),
        },
    }
}

/// The number of the newest row of a feed; 0 before the first.
pub async fn newest(domain: &Domain, feed: FeedName) -> Result<i64> {
    let row = entity::feed_counter::Entity::find_by_id((feed.brand, feed.livemode))
        .one(domain.db.reader())
        .await?;
    Ok(row.map_or(0, |row| row.last_sequence))
}

/// Up to [`BATCH`] rows after a number, in order; of one affiliate's, where one is given.
pub async fn after(
    domain: &Domain,
    feed: FeedName,
    affiliate: Option<AffiliateId>,
    sequence: i64,
) -> Result<Vec<feed_event::Model>> {
    let scope = Scope {
        brand: feed.brand,
        livemode: feed.livemode,
        affiliate,
    };
    let rows = tenancy::find::<feed_event::Entity>(&scope)
        .filter(feed_event::Column::Sequence.gt(sequence))
        .order_by_asc(feed_event::Column::Sequence)
        .limit(BATCH);
    Ok(rows.all(domain.db.reader()).await?)
}

/// Up to [`BATCH`] rows that were the last to tell of a code's figures after a number, in order; of one affiliate's
/// codes, where one is given.
pub async fn codes_after(
    domain: &Domain,
    feed: FeedName,
    affiliate: Option<AffiliateId>,
    sequence: i64,
) -> Result<Vec<feed_event::Model>> {
    let scope = Scope {
        brand: feed.brand,
        livemode: feed.livemode,
        affiliate,
    };
    let last_of_each = tenancy::find::<feed_event::Entity>(&scope)
        .select_only()
        .expr(feed_event::Column::Sequence.max())
        .filter(feed_event::Column::CodeId.is_not_null())
        .filter(feed_event::Column::Sequence.gt(sequence))
        .group_by(feed_event::Column::CodeId);
    let rows = tenancy::find::<feed_event::Entity>(&scope)
        .filter(feed_event::Column::Sequence.in_subquery(last_of_each.into_query()))
        .order_by_asc(feed_event::Column::Sequence)
        .limit(BATCH);
    Ok(rows.all(domain.db.reader()).await?)
}

/// Whether a row is one that the caller may hear of.
pub fn is_visible(row: &feed_event::Model, scope: &Scope, kind: FeedKind) -> bool {
    row.kind == kind && scope.affiliate.is_none_or(|own| own == row.affiliate_id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_names_a_row_or_a_moment_and_says_how_old_it_is() {
        let clock = crate::clock::Clock::manual(DateTime::UNIX_EPOCH + chrono::TimeDelta::days(20_000));
        let id = clock.new_id();
        assert_eq!(parse(&cursor(id)), Some(Place::Row(id)));
        assert_eq!(parse(&moment(id)), Some(Place::Moment(id)));
        assert_eq!(parse(&cursor(Uuid::nil())), Some(Place::Moment(Uuid::nil())));
        assert_eq!(age(id), clock.now());
        assert_eq!(age(Uuid::nil()), DateTime::UNIX_EPOCH);
        for broken in ["", "Zg", "nonsense", &encode(b"x", id), &format!("{}A", cursor(id))] {
            assert_eq!(parse(broken), None, "{broken}");
        }
    }
}
