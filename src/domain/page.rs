//! Pages by key, in both directions, as Relay's connections ask (<https://relay.dev/graphql/connections.htm>).
//!
//! A cursor is opaque to clients: the list that it belongs to and the row's place in it.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, Datelike, Utc};
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, FromQueryResult, QueryFilter, QueryOrder, QuerySelect,
    Select, sea_query::SimpleExpr,
};
use uuid::Uuid;

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

/// A row's place in its list: ordered by id, or by a time and then by id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    pub at: Option<DateTime<Utc>>,
    pub id: Uuid,
}

/// A page of rows in the list's order, whichever way it was asked for.
#[derive(Debug)]
pub struct Page<T> {
    pub rows: Vec<T>,
    pub has_previous: bool,
    pub has_next: bool,
}

impl Place {
    /// The place of a row in a list that is ordered by id.
    pub fn of(id: impl Into<Uuid>) -> Self {
        Self {
            at: None,
            id: id.into(),
        }
    }

    pub fn cursor(&self) -> String {
        let mut bytes = Vec::with_capacity(25);
        match self.at {
            None => bytes.push(b'i'),
            Some(at) => {
                bytes.push(b't');
                bytes.extend(at.timestamp_micros().to_be_bytes());
            }
        }
        bytes.extend(self.id.as_bytes());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    fn parse(cursor: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
        let (at, id) = match bytes.split_first()? {
            (b'i', id) => (None, id),
            (b't', rest) => {
                let (at, id) = rest.split_first_chunk::<8>()?;
                (Some(DateTime::from_timestamp_micros(i64::from_be_bytes(*at))?), id)
            }
            _ => return None,
        };
        let place = Uuid::from_slice(id).ok().map(|id| Self { at, id });
        place.filter(|place| place.at.is_none_or(can_be_kept))
    }
}

/// How a list is ordered: by a time (newest first) and then by id, or by id (oldest first).
#[derive(Clone, Copy)]
pub struct Order<C> {
    pub time: Option<C>,
    pub id: C,
}

impl<C: ColumnTrait> Order<C> {
    fn descends(&self) -> bool {
        self.time.is_some()
    }

    /// The rows on one side of a place.
    fn beyond(&self, place: Place, greater: bool) -> Condition {
        let side = |column: C, value: sea_orm::Value| if greater { column.gt(value) } else { column.lt(value) };
        match (self.time, place.at) {
            (Some(time), Some(at)) => Condition::any()
                .add(side(time, at.into()))
                .add(Condition::all().add(time.eq(at)).add(side(self.id, place.id.into()))),
            _ => Condition::all().add(side(self.id, place.id.into())),
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
    let (size, backward) = size(args)?;
    let after = place(&order, "after", args.after.as_deref())?;
    let before = place(&order, "before", args.before.as_deref())?;
    let mut rows = rows;
    if let Some(after) = after {
        rows = rows.filter(order.beyond(after, !order.descends()));
    }
    if let Some(before) = before {
        rows = rows.filter(order.beyond(before, order.descends()));
    }
    let direction = if order.descends() == backward {
        sea_orm::Order::Asc
    } else {
        sea_orm::Order::Desc
    };
    if let Some(time) = order.time {
        rows = rows.order_by(time, direction.clone());
    }
    let rows = rows.order_by(order.id, direction).limit(size + 1);
    let mut rows = rows.into_model::<M>().all(db).await?;
    let more = rows.len() as u64 > size;
    rows.truncate(usize::try_from(size).unwrap_or(usize::MAX));
    if backward {
        rows.reverse();
    }
    Ok(Page {
        rows,
        has_previous: if backward { more } else { after.is_some() },
        has_next: if backward { before.is_some() } else { more },
    })
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
    match u64::try_from(size) {
        Ok(rows) if (1..=MAX_PAGE).contains(&size) => Ok((rows, args.last.is_some())),
        _ => Err(Error::BadUserInput(format!("{name} must be from 1 to {MAX_PAGE}."))),
    }
}

fn place<C: ColumnTrait>(order: &Order<C>, name: &str, cursor: Option<&str>) -> Result<Option<Place>> {
    let Some(cursor) = cursor else { return Ok(None) };
    Place::parse(cursor)
        .filter(|place| place.at.is_some() == order.descends())
        .map(Some)
        .ok_or_else(|| Error::BadUserInput(format!("{name} is not a cursor of this list.")))
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

/// A column equals an id; no row does when the id could not be read.
pub fn is<C: ColumnTrait>(column: C, id: Option<impl Into<sea_orm::Value>>) -> SimpleExpr {
    match id {
        Some(id) => column.eq(id),
        None => SimpleExpr::from(false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_reads_back_and_nothing_else_does() {
        let id = Uuid::from_u128(7);
        let at = DateTime::from_timestamp_micros(1_700_000_000_123_456);
        for place in [Place { at, id }, Place::of(id)] {
            assert_eq!(Place::parse(&place.cursor()), Some(place));
        }
        for broken in ["", "!", "aQ", "eAAAAAAAAAAAAAAAAAAAAAA"] {
            assert_eq!(Place::parse(broken), None, "{broken}");
        }
    }
}
