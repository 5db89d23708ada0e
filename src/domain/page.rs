//! Pages by key, in both directions, as Relay's connections ask (<https://relay.dev/graphql/connections.htm>).
//!
//! What a list can be ordered by is indexed, with the id after it, so that a page costs the same wherever it is.

use chrono::{DateTime, Datelike, Utc};
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, FromQueryResult, ModelTrait, QueryFilter, QueryOrder,
    QuerySelect, Select, Value,
    sea_query::{SimpleExpr, ValueType},
};

use super::cursor;
pub use super::cursor::{Key, Place};

use crate::error::{Error, Result};

/// The largest page.
pub const MAX_PAGE: i32 = 100;
const DEFAULT_PAGE: i32 = 50;

/// A connection's arguments, as they came.
#[derive(Clone, Debug, Default)]
pub struct PageArgs {
    pub first: Option<i32>,
    pub after: Option<String>,
    pub last: Option<i32>,
    pub before: Option<String>,
}

/// Which way a list goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    Asc,
    Desc,
}

/// An order that a caller has chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Sort<F> {
    pub field: F,
    pub direction: Direction,
}

/// What comes before the id in an order.
#[derive(Clone, Copy, Debug)]
pub enum By<C> {
    Id,
    Time(C),
    /// As the database compares texts.
    Text(C),
}

/// How a list is ordered: by a column and then by id, or by id alone.
#[derive(Clone, Copy, Debug)]
pub struct Order<C> {
    /// What its cursors call it; the order that a list has by itself has no name.
    name: Option<&'static str>,
    by: By<C>,
    id: C,
    direction: Direction,
}

/// A page of rows in the list's order, whichever way it was asked for.
#[derive(Clone, Debug)]
pub struct Page<T> {
    pub rows: Vec<T>,
    pub has_previous: bool,
    pub has_next: bool,
}

impl<T> Page<T> {
    pub fn map<R>(self, row: impl FnMut(T) -> R) -> Page<R> {
        Page {
            rows: self.rows.into_iter().map(row).collect(),
            has_previous: self.has_previous,
            has_next: self.has_next,
        }
    }
}

impl<C: ColumnTrait> Order<C> {
    /// By id: a list's own order.
    pub fn oldest_first(id: C) -> Self {
        Self {
            name: None,
            by: By::Id,
            id,
            direction: Direction::Asc,
        }
    }

    /// By a time: a list's own order.
    pub fn newest_first(time: C, id: C) -> Self {
        Self {
            name: None,
            by: By::Time(time),
            id,
            direction: Direction::Desc,
        }
    }

    /// Another order. Its name is in its cursors, so it stays; it tells this order from all others of the list.
    pub fn named(name: &'static str, by: By<C>, id: C, direction: Direction) -> Self {
        Self {
            name: Some(name),
            by,
            id,
            direction,
        }
    }

    /// The place of a row that was read whole.
    pub fn place<M>(&self, row: &M) -> Place
    where
        M: ModelTrait,
        M::Entity: EntityTrait<Column = C>,
    {
        let key = match self.by {
            By::Id => None,
            By::Time(column) => ValueType::try_from(row.get(column)).ok().map(Key::Time),
            By::Text(column) => ValueType::try_from(row.get(column)).ok().map(Key::Text),
        };
        Place {
            order: self.name.map(|name| (name, self.direction)),
            key,
            id: ValueType::try_from(row.get(self.id)).unwrap_or_default(),
        }
    }

    /// Which page of a list in this order is asked for.
    ///
    /// # Errors
    /// `BAD_USER_INPUT` for `first` and `last` together or outside 1 to 100, for what is no cursor, and for a cursor of
    /// another order.
    pub fn asked(&self, args: &PageArgs) -> Result<Asked> {
        let (size, backward) = size(args)?;
        Ok(Asked {
            size,
            backward,
            after: self.read("after", args.after.as_deref())?,
            before: self.read("before", args.before.as_deref())?,
        })
    }

    fn read(&self, name: &str, cursor: Option<&str>) -> Result<Option<Place>> {
        let Some(cursor) = cursor else { return Ok(None) };
        let refused = |why: &str| Error::BadUserInput(format!("{name} {why}"));
        let place = cursor::read(cursor, self.name).map_err(|wrong| {
            refused(match wrong {
                cursor::Wrong::NoCursor => "is not a cursor of this list.",
                cursor::Wrong::OtherOrder => "is a cursor of another order: it goes with the orderBy that gave it.",
            })
        })?;
        let fits = match (self.by, &place.key) {
            (By::Id, None) | (By::Text(_), Some(Key::Text(_))) => true,
            (By::Time(_), Some(Key::Time(at))) => can_be_kept(*at),
            _ => false,
        };
        let other = place.order.is_some_and(|(_, direction)| direction != self.direction);
        match (fits, other) {
            (false, _) => Err(refused("is not a cursor of this list.")),
            (true, true) => Err(refused(
                "is a cursor of another order: it goes with the orderBy that gave it.",
            )),
            (true, false) => Ok(Some(place)),
        }
    }

    /// The rows on one side of a place.
    fn beyond(&self, place: &Place, greater: bool) -> Condition {
        let side = |column: C, value: Value| if greater { column.gt(value) } else { column.lt(value) };
        let keyed = |column: C, value: Value| {
            Condition::any().add(side(column, value.clone())).add(
                Condition::all()
                    .add(column.eq(value))
                    .add(side(self.id, place.id.into())),
            )
        };
        match (self.by, &place.key) {
            (By::Time(column), Some(Key::Time(at))) => keyed(column, (*at).into()),
            (By::Text(column), Some(Key::Text(text))) => keyed(column, text.clone().into()),
            _ => Condition::all().add(side(self.id, place.id.into())),
        }
    }

    /// The columns to order by, with the way to go.
    pub(super) fn columns(&self, backward: bool) -> Vec<(C, sea_orm::Order)> {
        let direction = if (self.direction == Direction::Desc) == backward {
            sea_orm::Order::Asc
        } else {
            sea_orm::Order::Desc
        };
        let key = match self.by {
            By::Id => None,
            By::Time(column) | By::Text(column) => Some(column),
        };
        key.into_iter()
            .chain([self.id])
            .map(|column| (column, direction.clone()))
            .collect()
    }

    pub(super) fn id(&self) -> C {
        self.id
    }
}

/// Which page, decoded. Pages of several lists that are asked for alike are equal.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Asked {
    size: u64,
    backward: bool,
    after: Option<Place>,
    before: Option<Place>,
}

impl Asked {
    /// The rows of the page in the order in which they are met from its end or its start, and one more if there is one.
    pub(super) fn of<E: EntityTrait>(&self, rows: Select<E>, order: Order<E::Column>) -> Select<E> {
        let descends = order.direction == Direction::Desc;
        let rows = rows.filter(
            Condition::all()
                .add_option(self.after.as_ref().map(|place| order.beyond(place, !descends)))
                .add_option(self.before.as_ref().map(|place| order.beyond(place, descends))),
        );
        let columns = order.columns(self.backward).into_iter();
        columns
            .fold(rows, |rows, (column, direction)| rows.order_by(column, direction))
            .limit(self.size + 1)
    }

    pub(super) fn backward(&self) -> bool {
        self.backward
    }

    /// The page, of the rows that were found.
    pub(super) fn page<T>(&self, mut rows: Vec<T>) -> Page<T> {
        let more = rows.len() as u64 > self.size;
        rows.truncate(usize::try_from(self.size).unwrap_or(usize::MAX));
        if self.backward {
            rows.reverse();
        }
        Page {
            rows,
            has_previous: if self.backward { more } else { self.after.is_some() },
            has_next: if self.backward { self.before.is_some() } else { more },
        }
    }
}

/// Reads one page of a list.
pub async fn fetch<E: EntityTrait>(
    db: &impl ConnectionTrait,
    rows: Select<E>,
    order: Order<E::Column>,
    args: &PageArgs,
) -> Result<Page<E::Model>> {
    fetch_as(db, rows, order, args).await
}

/// The same of rows that are not read whole: `M` has the columns that `rows` selects.
pub async fn fetch_as<E: EntityTrait, M: FromQueryResult>(
    db: &impl ConnectionTrait,
    rows: Select<E>,
    order: Order<E::Column>,
    args: &PageArgs,
) -> Result<Page<M>> {
    let asked = order.asked(args)?;
    let rows = asked.of(rows, order).into_model::<M>().all(db).await?;
    Ok(asked.page(rows))
}

/// How many rows, and whether they are counted from the end.
fn size(args: &PageArgs) -> Result<(u64, bool)> {
    let (name, size) = match (args.first, args.last) {
        (Some(_), Some(_)) => {
            return Err(Error::BadUserInput("Give first or last, not both.".into()));
        }
        (None, Some(last)) => ("last", last),
        (first, None) => ("first", first.unwrap_or(DEFAULT_PAGE)),
    };
    match <u64 as TryFrom<i32>>::try_from(size) {
        Ok(rows) if (1..=MAX_PAGE).contains(&size) => Ok((rows, args.last.is_some())),
        _ => Err(Error::BadUserInput(format!("{name} must be from 1 to {MAX_PAGE}."))),
    }
}

/// Whether both databases can compare with a time: the years up to 9999.
fn can_be_kept(at: DateTime<Utc>) -> bool {
    (0..10_000).contains(&at.year())
}

/// # Errors
/// `BAD_USER_INPUT` for a time outside the years up to 9999.
pub fn moment(name: &str, at: Option<DateTime<Utc>>) -> Result<()> {
    if at.is_none_or(can_be_kept) {
        Ok(())
    } else {
        Err(Error::BadUserInput(format!("{name} must be in the years 0 to 9999.")))
    }
}

/// # Errors
/// `BAD_USER_INPUT` for a range that ends before it begins.
pub fn range(
    from_name: &str,
    from: Option<DateTime<Utc>>,
    until_name: &str,
    until: Option<DateTime<Utc>>,
) -> Result<()> {
    match (from, until) {
        (Some(from), Some(until)) if until < from => {
            let message = format!("{until_name} must not be before {from_name}.");
            Err(Error::BadUserInput(message))
        }
        _ => Ok(()),
    }
}

/// A column equals an id; no row does when the id could not be read.
pub fn is<C: ColumnTrait>(column: C, id: Option<impl Into<sea_orm::Value>>) -> SimpleExpr {
    match id {
        Some(id) => column.eq(id),
        None => SimpleExpr::from(false),
    }
}
