//! The feed, as readers see it: cursors, and what came after one.
//!
//! A cursor names a row, not its number, so that it tells nothing of how many there are.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use entity::{
    feed_event::{self, FeedKind},
    id::{AffiliateId, BrandId},
};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use uuid::Uuid;

use super::{Domain, tenancy};
use crate::{
    auth::{Actor, Operation, Scope},
    error::{Error, Result},
};

/// How many rows are read at once.
pub const BATCH: u64 = 500;

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

/// The cursor that names a row of the feed; the nil id names the beginning.
pub fn cursor(row: Uuid) -> String {
    URL_SAFE_NO_PAD.encode([b"f", row.as_bytes().as_slice()].concat())
}

fn parse(cursor: &str) -> Option<Uuid> {
    let bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
    bytes.strip_prefix(b"f").and_then(|id| Uuid::from_slice(id).ok())
}

/// Where a subscription must start so that nothing after now is missed: the last row that the caller may see.
pub async fn current_cursor(domain: &Domain, actor: &Actor) -> Result<String> {
    actor.require(Operation::ReadFeed)?;
    let last = tenancy::find::<feed_event::Entity>(&actor.scope)
        .order_by_desc(feed_event::Column::Sequence)
        .one(domain.db.reader())
        .await?;
    Ok(cursor(last.map_or(Uuid::nil(), |row| row.id)))
}

/// The place in the feed that a cursor names.
///
/// # Errors
/// `BAD_USER_INPUT` when it names none: broken, of another feed, or older than the feed keeps.
pub async fn resolve(domain: &Domain, actor: &Actor, cursor: &str) -> Result<i64> {
    actor.require(Operation::ReadFeed)?;
    let unknown = || Error::BadUserInput("after is not a cursor of this feed.".into());
    let id = parse(cursor).ok_or_else(unknown)?;
    if id.is_nil() {
        return Ok(0);
    }
    let row = tenancy::find::<feed_event::Entity>(&actor.scope)
        .filter(feed_event::Column::Id.eq(id))
        .one(domain.db.reader())
        .await?;
    row.map(|row| row.sequence).ok_or_else(unknown)
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

/// Whether a row is one that the caller may hear of.
pub fn is_visible(row: &feed_event::Model, scope: &Scope, kind: FeedKind) -> bool {
    row.kind == kind && scope.affiliate.is_none_or(|own| own == row.affiliate_id)
}
