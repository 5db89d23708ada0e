//! The log, read piece by piece: what each event tells by itself, and what each answer that was fetched for one told.
//!
//! An answer was stored in the transaction that merged it into its sale. So it counts as a piece of its own, whichever
//! event asked for it: facts merge in any order, and nothing has to be fetched, or asked for, again. Several answers
//! to one question are several pieces. Only what a promotion code is belongs to no sale: that goes with every piece
//! that speaks of the code.

use std::collections::BTreeSet;

use entity::{
    id::EventId,
    sale, sale_report,
    stripe_event::{self, EventStatus},
    stripe_object,
};
use sea_orm::{ColumnTrait, DatabaseTransaction, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use serde_json::Value;
use uuid::Uuid;

use super::{
    super::{
        facts::{Facts, Reading, read_event, read_report},
        sales,
    },
    answers,
};
use crate::{
    domain::{feed::FeedName, reports::Report},
    error::Result,
};

/// How many are in memory at once.
const CHUNK: u64 = 256;

/// What one entry of the log tells.
pub(super) struct Piece {
    pub(super) feed: FeedName,
    pub(super) entry: Entry,
    pub(super) facts: Facts,
    /// Whether it is in what stands.
    pub(super) counts: bool,
}

/// An entry of the log, to be named.
#[derive(Clone)]
pub(super) enum Entry {
    Event {
        id: EventId,
        stripe_id: String,
        kind: String,
        status: EventStatus,
    },
    Answer(String),
    Report(Uuid),
}

/// What was read.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Events whose facts are in what stands.
    pub events: u64,
    /// Events that wait, and events that were set aside, which are not.
    pub pending: u64,
    pub parked: u64,
}

/// An entry that should tell something and cannot be read.
pub(super) struct Unreadable {
    pub(super) feed: FeedName,
    pub(super) entry: Entry,
    pub(super) why: String,
}

/// What was made of some entries.
#[derive(Default)]
pub(super) struct Chunk {
    pub(super) pieces: Vec<Piece>,
    pub(super) unreadable: Vec<Unreadable>,
}

/// Reads the whole log, in chunks.
pub(super) async fn each(log: &DatabaseTransaction, mut visit: impl AsyncFnMut(Chunk) -> Result<()>) -> Result<Tally> {
    let mut tally = Tally::default();
    let mut after = EventId(Uuid::nil());
    loop {
        let events = stripe_event::Entity::find()
            .filter(stripe_event::Column::Id.gt(after))
            .order_by_asc(stripe_event::Column::Id)
            .limit(CHUNK);
        let events = events.all(log).await?;
        let Some(last) = events.last() else { break };
        after = last.id;
        let mut chunk = Chunk::default();
        for event in events {
            chunk.event(log, event, &mut tally).await?;
        }
        answers::look_up(log, &mut chunk.pieces).await?;
        visit(chunk).await?;
    }
    let mut after = Uuid::nil();
    loop {
        let answers = stripe_object::Entity::find()
            .filter(stripe_object::Column::Id.gt(after))
            .order_by_asc(stripe_object::Column::Id)
            .limit(CHUNK);
        let answers = answers.all(log).await?;
        let Some(last) = answers.last() else { break };
        after = last.id;
        let mut chunk = Chunk::default();
        answers.into_iter().for_each(|answer| chunk.answer(answer));
        answers::look_up(log, &mut chunk.pieces).await?;
        visit(chunk).await?;
    }
    each_report(log, &mut visit).await?;
    Ok(tally)
}

/// What servers reported and managers decided: it was folded by the transaction that stored it.
async fn each_report(log: &DatabaseTransaction, visit: &mut impl AsyncFnMut(Chunk) -> Result<()>) -> Result<()> {
    let mut after = Uuid::nil();
    loop {
        let reports = sale_report::Entity::find()
            .filter(sale_report::Column::Id.gt(after))
            .order_by_asc(sale_report::Column::Id)
            .limit(CHUNK);
        let reports = reports.all(log).await?;
        let Some(last) = reports.last() else { return Ok(()) };
        after = last.id;
        let mut chunk = Chunk::default();
        reports.into_iter().for_each(|report| chunk.report(report));
        visit(chunk).await?;
    }
}

impl Chunk {
    /// Only what the source has processed counts. An event may have been folded and be pending or parked all the same:
    /// one that is run again, or one that was taken for what it says by itself. It is told by its facts being there.
    async fn event(&mut self, log: &DatabaseTransaction, event: stripe_event::Model, tally: &mut Tally) -> Result<()> {
        let feed = FeedName {
            brand: event.brand_id,
            livemode: event.livemode,
        };
        let read = serde_json::from_slice(&event.body).map_err(|error| error.to_string());
        let read = read.and_then(|body: Value| read_event(&body).map_err(|error| error.to_string()));
        let entry = Entry::Event {
            id: event.id,
            stripe_id: event.stripe_id,
            kind: event.kind,
            status: event.status,
        };
        let counts = match (event.status, &read) {
            (EventStatus::Processed, _) => true,
            (EventStatus::Ignored, _) => return Ok(()),
            (_, Ok(Reading::Facts(facts))) => stand(log, feed, facts).await?,
            (_, _) => false,
        };
        match event.status {
            _ if counts => tally.events += 1,
            EventStatus::Pending => tally.pending += 1,
            _ => tally.parked += 1,
        }
        match read {
            Ok(Reading::Facts(facts)) => self.pieces.push(Piece {
                feed,
                entry,
                facts: *facts,
                counts,
            }),
            // What a thin event led to is among the answers.
            Ok(Reading::Lookup(_) | Reading::Nothing(_)) => {}
            Err(why) if counts => self.unreadable.push(Unreadable { feed, entry, why }),
            Err(_) => {}
        }
        Ok(())
    }

    fn report(&mut self, row: sale_report::Model) {
        let feed = FeedName {
            brand: row.brand_id,
            livemode: row.livemode,
        };
        let entry = Entry::Report(row.id);
        match serde_json::from_str::<Report>(&row.body) {
            Ok(report) => self.pieces.push(Piece {
                feed,
                entry,
                facts: read_report(&report),
                counts: true,
            }),
            Err(error) => self.unreadable.push(Unreadable {
                feed,
                entry,
                why: error.to_string(),
            }),
        }
    }

    fn answer(&mut self, answer: stripe_object::Model) {
        let feed = FeedName {
            brand: answer.brand_id,
            livemode: answer.livemode,
        };
        let entry = Entry::Answer(answer.request.clone());
        match answers::read(&answer) {
            Ok(facts) => self.pieces.push(Piece {
                feed,
                entry,
                facts,
                counts: true,
            }),
            Err(why) => self.unreadable.push(Unreadable { feed, entry, why }),
        }
    }
}

/// Whether some facts are in what stands already.
async fn stand(log: &DatabaseTransaction, feed: FeedName, facts: &Facts) -> Result<bool> {
    let standing = standing(log, feed, facts.keys()).await?;
    let mut both = standing.clone();
    both.merge(facts.clone());
    Ok(both == standing)
}

/// All that is kept of the sales that go by any of these names.
pub(super) async fn standing(db: &DatabaseTransaction, feed: FeedName, keys: BTreeSet<String>) -> Result<Facts> {
    let ids: BTreeSet<Uuid> = sales::known(db, feed, &keys).await?.into_values().collect();
    let rows = sale::Entity::find().filter(sale::Column::Id.is_in(ids));
    let mut all = Facts::default();
    for row in rows.all(db).await? {
        all.merge(serde_json::from_str(&row.facts)?);
    }
    Ok(all)
}
