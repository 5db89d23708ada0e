//! Proves that what stands is what the log tells: replays the log into a scratch database, without the network, and
//! compares.
//!
//! **Invariants.** The source is only read, in one snapshot, so that a running server is not in the way, nor in the
//! result. Nothing is asked of Stripe: the answers that were fetched are in the log. Facts are folded by the code that
//! folds the inbox. Memory does not grow with the log.
//!
//! Only what the source has processed is replayed: what waits, was set aside or ignored has no part in what stands
//! either. What people decided of programs, people and codes, and the clicks, are taken as they are.

mod answers;
mod explain;
mod findings;
mod log;
mod rows;
mod scratch;
mod totals;

use std::collections::BTreeMap;

use entity::{affiliate_balance, affiliate_total, brand, campaign_total, conversion, id::BrandId, redemption, sale};
use sea_orm::{ColumnTrait, DatabaseTransaction, EntityTrait, PaginatorTrait, QueryFilter};
use serde_json::{Value, json};

use super::fold;
use crate::{clock::Clock, db::Db, domain::feed::FeedName, error::Result};
use findings::{Finding, Findings, Place};
pub use log::Tally;
use log::{Chunk, Entry, Piece};
use rows::LedgerSum;
use scratch::Scratch;

/// What came of a comparison.
#[derive(Debug, PartialEq, Eq)]
pub struct Report {
    pub tally: Tally,
    pub sales: u64,
    pub conversions: u64,
    /// How many rows differ.
    pub differences: u64,
    /// The first of them, each as an operator reads it.
    pub told: Vec<Value>,
}

/// Replays the log and compares.
pub async fn verify(db: &Db, clock: &Clock) -> Result<Report> {
    let scratch = Scratch::make().await?;
    let log = db.snapshot().await?;
    let compared = compare(&log, &scratch, clock).await;
    scratch.db.close().await;
    log.rollback().await?;
    compared
}

async fn compare(log: &DatabaseTransaction, scratch: &Scratch, clock: &Clock) -> Result<Report> {
    scratch.copy_decided(log).await?;
    let mut findings = Findings::default();
    let tally = log::each(log, async |chunk| {
        replay(chunk, &scratch.db, clock, &mut findings).await
    })
    .await?;
    let replayed = scratch.db.snapshot().await?;
    let conversions = findings.compare::<conversion::Model>(log, &replayed).await?;
    findings.compare::<redemption::Model>(log, &replayed).await?;
    findings.compare::<LedgerSum>(log, &replayed).await?;
    findings.compare::<affiliate_total::Model>(log, &replayed).await?;
    findings.compare::<campaign_total::Model>(log, &replayed).await?;
    findings.compare::<affiliate_balance::Model>(log, &replayed).await?;
    explain::explain(&mut findings, log, &replayed).await?;
    let sales = sale::Entity::find().filter(sale::Column::MergedInto.is_null());
    let sales = sales.count(&replayed).await?;
    replayed.rollback().await?;
    let slugs = brand::Entity::find().all(log).await?;
    let slugs: BTreeMap<BrandId, String> = slugs.into_iter().map(|brand| (brand.id, brand.slug)).collect();
    let told = findings.told.into_iter().map(|finding| {
        let brand = finding.place.feed.brand;
        finding.shown(slugs.get(&brand).map_or("", String::as_str))
    });
    Ok(Report {
        tally,
        sales,
        conversions,
        differences: findings.count,
        told: told.collect(),
    })
}

/// Folds what counts; where that fails, each piece alone, so that the one to blame is named.
async fn replay(chunk: Chunk, scratch: &Db, clock: &Clock, findings: &mut Findings) -> Result<()> {
    for lost in chunk.unreadable {
        findings.add(unusable(
            lost.feed,
            &lost.entry,
            format!("it cannot be read: {}", lost.why),
        ));
    }
    let pieces: Vec<Piece> = chunk.pieces.into_iter().filter(|piece| piece.counts).collect();
    if fold(&pieces, scratch, clock).await.is_ok() {
        return Ok(());
    }
    for piece in &pieces {
        if let Err(error) = fold(std::slice::from_ref(piece), scratch, clock).await {
            findings.add(unusable(
                piece.feed,
                &piece.entry,
                format!("it cannot be folded: {error}"),
            ));
        }
    }
    Ok(())
}

async fn fold(pieces: &[Piece], scratch: &Db, clock: &Clock) -> Result<()> {
    let txn = scratch.begin().await?;
    let told = pieces.iter().map(|piece| (piece.feed, piece.facts.clone()));
    let moved = fold::fold_in_txn(&txn, clock, told).await?;
    moved.write_in_txn(&txn, clock).await?;
    txn.commit().await?;
    Ok(())
}

/// An entry of the log that was processed, and cannot be any more.
fn unusable(feed: FeedName, entry: &Entry, why: String) -> Finding {
    let place = Place {
        feed,
        part: None,
        names: explain::shown(entry),
    };
    let mut finding = Finding::new("log", place, Some(vec![("processed", json!(true))]), None);
    finding.cause = why;
    finding
}
