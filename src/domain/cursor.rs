//! Cursors: opaque to clients, the order that they belong to and a row's place in it.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::page::Direction;

/// What a row is ordered by before its id.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Key {
    Time(DateTime<Utc>),
    Text(String),
}

/// A row's place in its list.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Place {
    /// The order, where it is not the list's own.
    pub order: Option<(&'static str, Direction)>,
    /// `None` in an order by id.
    pub key: Option<Key>,
    pub id: Uuid,
}

/// Why a text is no cursor of a list.
#[derive(Debug, PartialEq, Eq)]
pub enum Wrong {
    NoCursor,
    OtherOrder,
}

const BY_ID: u8 = b'i';
const BY_TIME: u8 = b't';
const BY_TEXT: u8 = b's';
const NAMED: u8 = b'o';

impl Place {
    /// The place of a row in a list that is ordered by id.
    pub fn of(id: impl Into<Uuid>) -> Self {
        Self {
            order: None,
            key: None,
            id: id.into(),
        }
    }

    /// The place of a row in a list that is ordered by a time.
    pub fn at(time: DateTime<Utc>, id: impl Into<Uuid>) -> Self {
        Self {
            key: Some(Key::Time(time)),
            ..Self::of(id)
        }
    }

    pub fn cursor(&self) -> String {
        let mut bytes = Vec::with_capacity(64);
        if let Some((name, direction)) = self.order {
            bytes.push(NAMED);
            bytes.push(direction as u8);
            // Names are literals of a few letters.
            bytes.push(u8::try_from(name.len()).unwrap_or(u8::MAX));
            bytes.extend(name.as_bytes());
        }
        match &self.key {
            None => bytes.push(BY_ID),
            Some(Key::Time(at)) => {
                bytes.push(BY_TIME);
                bytes.extend(at.timestamp_micros().to_be_bytes());
            }
            Some(Key::Text(text)) => {
                bytes.push(BY_TEXT);
                bytes.extend(text.as_bytes());
            }
        }
        bytes.extend(self.id.as_bytes());
        URL_SAFE_NO_PAD.encode(bytes)
    }
}

/// Reads a cursor of the order of this name.
///
/// # Errors
/// What is no cursor at all, and one of an order of another name.
pub fn read(cursor: &str, order: Option<&'static str>) -> Result<Place, Wrong> {
    let bytes = URL_SAFE_NO_PAD.decode(cursor).map_err(|_| Wrong::NoCursor)?;
    let (named, rest) = named(&bytes).ok_or(Wrong::NoCursor)?;
    let (key, id) = place(rest).ok_or(Wrong::NoCursor)?;
    let order = match (order, named) {
        (None, None) => None,
        (Some(name), Some((given, direction))) if name.as_bytes() == given => Some((name, direction)),
        _ => return Err(Wrong::OtherOrder),
    };
    Ok(Place { order, key, id })
}

type Named<'a> = Option<(&'a [u8], Direction)>;

fn named(bytes: &[u8]) -> Option<(Named<'_>, &[u8])> {
    let [NAMED, direction, length, rest @ ..] = bytes else {
        return Some((None, bytes));
    };
    let (name, rest) = rest.split_at_checked(usize::from(*length))?;
    let direction = [Direction::Asc, Direction::Desc]
        .into_iter()
        .find(|it| *it as u8 == *direction)?;
    Some((Some((name, direction)), rest))
}

fn place(bytes: &[u8]) -> Option<(Option<Key>, Uuid)> {
    let (key, id) = bytes.split_last_chunk::<16>()?;
    let key = match key.split_first()? {
        (&BY_ID, []) => None,
        (&BY_TIME, at) => {
            let micros = i64::from_be_bytes(at.try_into().ok()?);
            Some(Key::Time(DateTime::from_timestamp_micros(micros)?))
        }
        // PostgreSQL takes no NUL.
        (&BY_TEXT, text) if !text.contains(&0) => Some(Key::Text(std::str::from_utf8(text).ok()?.to_owned())),
        _ => return None,
    };
    Some((key, Uuid::from_bytes(*id)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_reads_back_and_nothing_else_does() {
        let id = Uuid::from_u128(7);
        let at = DateTime::from_timestamp_micros(1_700_000_000_123_456).unwrap();
        for place in [Place::at(at, id), Place::of(id)] {
            assert_eq!(read(&place.cursor(), None), Ok(place));
        }
        for broken in ["", "!", "aQ", "eAAAAAAAAAAAAAAAAAAAAAA"] {
            assert_eq!(read(broken, None), Err(Wrong::NoCursor), "{broken}");
        }
    }

    #[test]
    fn a_cursor_belongs_to_its_order() {
        let place = Place {
            order: Some(("name", Direction::Desc)),
            key: Some(Key::Text("zoë".into())),
            id: Uuid::from_u128(7),
        };
        assert_eq!(read(&place.cursor(), Some("name")), Ok(place.clone()));
        assert_eq!(read(&place.cursor(), Some("email")), Err(Wrong::OtherOrder));
        assert_eq!(read(&place.cursor(), None), Err(Wrong::OtherOrder));
        assert_eq!(
            read(&Place::of(place.id).cursor(), Some("name")),
            Err(Wrong::OtherOrder)
        );
        let nul = Place {
            key: Some(Key::Text("a\0".into())),
            ..place
        };
        assert_eq!(read(&nul.cursor(), Some("name")), Err(Wrong::NoCursor));
    }
}
