//! What came out otherwise than it stands. Two ordered streams are walked side by side, so that no table is ever in
//! memory; only so many differences are kept, and the rest are counted.

use std::cmp::Ordering;

use futures_util::TryStreamExt;
use sea_orm::{ConnectionTrait, DatabaseTransaction};
use serde_json::{Map, Value, json};

use super::rows::Row;
use crate::{domain::feed::FeedName, error::Result};

/// How many differences are told one by one.
const TOLD: usize = 100;

/// Names and values, in the order in which they are shown.
pub(super) type Fields = Vec<(&'static str, Value)>;

/// Where a row is.
pub(super) struct Place {
    pub(super) feed: FeedName,
    /// The part of a sale that it is about, which is one of the sale's names too.
    pub(super) part: Option<String>,
    /// What tells it from others of its table.
    pub(super) names: Value,
}

/// One row that differs.
pub(super) struct Finding {
    pub(super) what: &'static str,
    pub(super) place: Place,
    /// The fields that differ, or all of them where the other side has no such row.
    pub(super) stands: Option<Fields>,
    pub(super) came_out: Option<Fields>,
    /// Why, as far as it can be told.
    pub(super) cause: String,
    /// The sale's names, and what tells of it.
    pub(super) sale: Vec<String>,
    pub(super) told_by: Vec<Value>,
}

/// All that was found.
#[derive(Default)]
pub(super) struct Findings {
    pub(super) told: Vec<Finding>,
    pub(super) count: u64,
}

impl Findings {
    pub(super) fn add(&mut self, finding: Finding) {
        self.count += 1;
        if self.told.len() < TOLD {
            self.told.push(finding);
        }
    }

    fn one_sided<T: Row>(&mut self, row: &T, stands: bool) {
        let fields = Some(row.fields());
        let (stands, came_out) = if stands { (fields, None) } else { (None, fields) };
        self.add(Finding::new(T::WHAT, row.place(), stands, came_out));
    }

    fn two_sided<T: Row>(&mut self, stands: &T, came_out: &T) {
        let pairs = stands.fields().into_iter().zip(came_out.fields());
        let (stood, came): (Fields, Fields) = pairs.filter(|(stood, came)| stood != came).unzip();
        if !stood.is_empty() {
            self.add(Finding::new(T::WHAT, stands.place(), Some(stood), Some(came)));
        }
    }

    /// Holds a table of what stands against what came out; how many rows stand.
    pub(super) async fn compare<T: Row>(
        &mut self,
        standing: &DatabaseTransaction,
        replayed: &DatabaseTransaction,
    ) -> Result<u64> {
        let mut stands = T::find_by_statement(T::select(standing.get_database_backend()))
            .stream(standing)
            .await?;
        let mut came_out = T::find_by_statement(T::select(replayed.get_database_backend()))
            .stream(replayed)
            .await?;
        let (mut left, mut right) = (stands.try_next().await?, came_out.try_next().await?);
        let mut rows = 0;
        loop {
            let order = match (&left, &right) {
                (None, None) => return Ok(rows),
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some(left), Some(right)) => left.key().cmp(&right.key()),
            };
            rows += u64::from(order != Ordering::Greater);
            match (&left, &right) {
                (Some(left), Some(right)) if order == Ordering::Equal => self.two_sided(left, right),
                (Some(left), _) if order == Ordering::Less => self.one_sided(left, true),
                (_, Some(right)) => self.one_sided(right, false),
                _ => {}
            }
            if order != Ordering::Greater {
                left = stands.try_next().await?;
            }
            if order != Ordering::Less {
                right = came_out.try_next().await?;
            }
        }
    }
}

impl Finding {
    pub(super) fn new(what: &'static str, place: Place, stands: Option<Fields>, came_out: Option<Fields>) -> Self {
        Self {
            what,
            place,
            stands,
            came_out,
            cause: String::new(),
            sale: Vec::new(),
            told_by: Vec::new(),
        }
    }

    /// For an operator: one object.
    pub(super) fn shown(self, brand: &str) -> Value {
        let fields = |fields: Option<Fields>| match fields {
            None => Value::Null,
            Some(fields) => fields
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect::<Map<_, _>>()
                .into(),
        };
        let mode = if self.place.feed.livemode { "live" } else { "test" };
        let mut shown = json!({
            "what": self.what, "brand": brand, "mode": mode, "which": self.place.names,
            "stands": fields(self.stands), "cameOut": fields(self.came_out), "cause": self.cause,
        });
        if self.place.part.is_some() {
            shown["sale"] = json!(self.sale);
            shown["toldBy"] = json!(self.told_by);
        }
        shown
    }
}
