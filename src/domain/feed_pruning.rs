//! Forgets rows of the feeds that are older than they are kept, in small steps.
//!
//! Invariants: rows go in order; of each affiliate the newest stays for ever, so that the cursor of a quiet feed names a
//! row; a feed's counter says how far and until when it was pruned, in the transaction that prunes.

use chrono::{DateTime, Utc};
use entity::{feed_counter, feed_event};
use sea_orm::{
    ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
    sea_query::{Alias, Expr, ExprTrait, LockType, Query},
};

use crate::{db::Db, error::Result};

/// Rows of a feed that one transaction forgets.
const STEP: u64 = 500;

/// Takes one step in each feed, with what was told before `horizon`; how many rows went.
pub async fn prune(db: &Db, horizon: DateTime<Utc>) -> Result<usize> {
    let mut pruned = 0;
    for feed in feed_counter::Entity::find().all(db.reader()).await? {
        let mut old = first_that_may_go(&feed).all(db.reader()).await?;
        // A feed is in the order of time: what is behind the first that is kept is not looked for.
        let kept = old.iter().position(|row| row.created_at >= horizon);
        old.truncate(kept.unwrap_or(old.len()));
        pruned += match old.last() {
            Some(last) => forget(db, &feed, &old, last).await?,
            None => 0,
        };
    }
    Ok(pruned)
}

/// The first rows that are not the newest of their affiliate.
fn first_that_may_go(feed: &feed_counter::Model) -> sea_orm::Select<feed_event::Entity> {
    use feed_event::Column::{AffiliateId, BrandId, Livemode, Sequence};
    let later = Alias::new("later");
    let newer = Query::select()
        .expr(Expr::val(1))
        .from_as(feed_event::Entity, later.clone())
        .and_where(Expr::col((later.clone(), BrandId)).equals((feed_event::Entity, BrandId)))
        .and_where(Expr::col((later.clone(), Livemode)).equals((feed_event::Entity, Livemode)))
        .and_where(Expr::col((later.clone(), AffiliateId)).equals((feed_event::Entity, AffiliateId)))
        .and_where(Expr::col((later, Sequence)).gt(Expr::col((feed_event::Entity, Sequence))))
        .to_owned();
    feed_event::Entity::find()
        .filter(BrandId.eq(feed.brand_id))
        .filter(Livemode.eq(feed.livemode))
        .filter(Expr::exists(newer))
        .order_by_asc(Sequence)
        .limit(STEP)
}

async fn forget(
    db: &Db,
    feed: &feed_counter::Model,
    old: &[feed_event::Model],
    last: &feed_event::Model,
) -> Result<usize> {
    let txn = db.begin().await?;
    // Held as whoever tells holds it: no two prune a feed at once.
    let key = (feed.brand_id, feed.livemode);
    let counter = feed_counter::Entity::find_by_id(key).lock(LockType::Update);
    let Some(counter) = counter.one(&txn).await? else {
        return Ok(0);
    };
    let gone = feed_event::Entity::delete_many()
        .filter(feed_event::Column::BrandId.eq(feed.brand_id))
        .filter(feed_event::Column::Livemode.eq(feed.livemode))
        .filter(feed_event::Column::Sequence.is_in(old.iter().map(|row| row.sequence)))
        .exec(&txn)
        .await?;
    let newest = old.iter().map(|row| row.created_at).max();
    feed_counter::Entity::update_many()
        .col_expr(
            feed_counter::Column::PrunedSequence,
            Expr::value(Ord::max(counter.pruned_sequence, last.sequence)),
        )
        .col_expr(
            feed_counter::Column::PrunedBefore,
            Expr::value(Ord::max(counter.pruned_before, newest)),
        )
        .filter(feed_counter::Column::BrandId.eq(feed.brand_id))
        .filter(feed_counter::Column::Livemode.eq(feed.livemode))
        .exec(&txn)
        .await?;
    txn.commit().await?;
    Ok(usize::try_from(gone.rows_affected).unwrap_or(usize::MAX))
}
