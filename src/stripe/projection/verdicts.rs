//! Which part of a sale a manager's decision is about. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::Part;
use crate::{domain::reports::Decision, stripe::facts::Facts};

/// The decisions on each part, by its name. One that is about a name which several parts went by is the first one's.
pub(super) fn of_parts<'a>(
    facts: &'a Facts,
    parts: impl Iterator<Item = &'a Part<'a>>,
) -> BTreeMap<&'a str, Vec<&'a Decision>> {
    let mut verdicts: BTreeMap<&str, Vec<&Decision>> = BTreeMap::new();
    if facts.decisions.is_empty() {
        return verdicts;
    }
    let parts: Vec<_> = parts.collect();
    let names: BTreeSet<&str> = parts.iter().map(|part| part.name.as_str()).collect();
    for decision in facts.decisions.values() {
        let name = names.get(decision.part.as_str()).copied().or_else(|| {
            let part = parts.iter().find(|part| part.aliases.contains(&decision.part))?;
            Some(part.name.as_str())
        });
        if let Some(name) = name {
            verdicts.entry(name).or_default().push(decision);
        }
    }
    verdicts
}
