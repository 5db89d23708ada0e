//! Lists: filters, and pages between cursors.

use serde_json::Value;

use super::{form::Params, refusal::Refusal};

/// A parameter, and where in an object the value is that it must equal.
pub(super) type Filter = (&'static str, &'static str);

const PAGING: [&str; 4] = ["limit", "starting_after", "ending_before", "created"];

/// One page of a list.
pub(super) struct Page<'a> {
    pub rows: &'a [&'a Value],
    pub has_more: bool,
}

/// Refuses a parameter that is neither of paging nor a filter of this list.
pub(super) fn known_params(params: &Params, filters: &[Filter], extra: &[&str]) -> Result<(), Refusal> {
    let mut known = PAGING.to_vec();
    known.extend(extra);
    known.extend(filters.iter().filter_map(|(name, _)| name.split('[').next()));
    params.only(&known)
}

/// The rows that pass every filter that was sent.
pub(super) fn filtered<'a>(
    rows: Vec<&'a Value>,
    filters: &[Filter],
    params: &Params,
) -> Result<Vec<&'a Value>, Refusal> {
    let mut kept = rows;
    for (name, pointer) in filters {
        // `all` is how the subscriptions that ended are asked for, too.
        if let Some(wanted) = params
            .given(name)?
            .filter(|wanted| (*name, *wanted) != ("status", "all"))
        {
            kept.retain(|row| row.pointer(pointer).is_some_and(|it| equals(it, wanted, name)));
        }
    }
    if params.raw("created").is_object() {
        params.only_in("created", &["gt", "gte", "lt", "lte"])?;
    } else if let Some(moment) = params.int("created")? {
        kept.retain(|row| row["created"].as_i64() == Some(moment));
    }
    for (name, holds) in CREATED {
        if let Some(moment) = params.int(name)? {
            kept.retain(|row| row["created"].as_i64().is_some_and(|it| holds(it, moment)));
        }
    }
    Ok(kept)
}

type Holds = fn(i64, i64) -> bool;

const CREATED: [(&str, Holds); 4] = [
    ("created[gt]", |created, moment| created > moment),
    ("created[gte]", |created, moment| created >= moment),
    ("created[lt]", |created, moment| created < moment),
    ("created[lte]", |created, moment| created <= moment),
];

/// Codes are compared without regard to case.
fn equals(value: &Value, wanted: &str, name: &str) -> bool {
    match value {
        Value::Bool(value) => wanted == value.to_string(),
        Value::String(value) if name == "code" => value.eq_ignore_ascii_case(wanted),
        value => value == wanted,
    }
}

/// The page that `limit`, `starting_after` and `ending_before` ask for.
pub(super) fn page<'a>(rows: &'a [&'a Value], params: &Params, kind: &str) -> Result<Page<'a>, Refusal> {
    let limit = match params.int("limit")?.map_or(Ok(10), usize::try_from) {
        Ok(limit @ 1..=100) => limit,
        _ => {
            return Err(
                Refusal::invalid("This value must be between 1 and 100.", "limit").coded("parameter_invalid_integer")
            );
        }
    };
    let cursor = |name: &str| -> Result<Option<usize>, Refusal> {
        let Some(id) = params.given(name)? else {
            return Ok(None);
        };
        let place = rows.iter().position(|row| row["id"] == id);
        let unknown = || Refusal::no_such_in(name, &kind.replace('_', " "), id);
        place.map(Some).ok_or_else(unknown)
    };
    let (start, end) = match (cursor("starting_after")?, cursor("ending_before")?) {
        (Some(_), Some(_)) => {
            let message = "You can only use one of starting_after and ending_before.";
            return Err(Refusal::invalid(message, "ending_before"));
        }
        (Some(place), None) => (place + 1, rows.len().min(place + 1 + limit)),
        (None, Some(place)) => (place.saturating_sub(limit), place),
        (None, None) => (0, rows.len().min(limit)),
    };
    let has_more = if params.has("ending_before") {
        start > 0
    } else {
        end < rows.len()
    };
    Ok(Page {
        rows: &rows[start..end],
        has_more,
    })
}
