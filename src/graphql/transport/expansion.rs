//! How much a document selects once its fragments are spread.
//!
//! Twenty fragments that each spread the next one twice select a million fields in 700 bytes, and async-graphql walks
//! all of them before it knows the complexity: at thirty that is minutes of a core, for anyone who can send a request.
//! Here each fragment is counted once, so the check is linear in the document.
//!
//! And one field that is repeated with other arguments is an error for each repetition and argument, all of which
//! async-graphql makes before it says any: a document of 25 KB comes to gigabytes. Here the first one ends it.

use std::collections::{HashMap, HashSet};

use async_graphql::{
    Name,
    parser::types::{ExecutableDocument, Field, Selection, SelectionSet},
};

/// Far above what a client writes; GraphiQL's introspection is below 200.
pub(super) const MAX_SELECTIONS: u64 = 10_000;

/// Bounds our own recursion. async-graphql refuses a depth of more than 32 itself, later.
const MAX_DEPTH: usize = 128;

/// Operations of a document.
const MAX_OPERATIONS: usize = 50;

/// Fields that are compared with those of the same name, all selection sets together.
const MAX_COMPARED: usize = 500_000;

/// Whether all operations together stay within [`MAX_SELECTIONS`], and so do its fragments by themselves.
pub(super) fn is_bounded(document: &ExecutableDocument) -> bool {
    let mut counter = Counter {
        document,
        fragments: HashMap::new(),
    };
    let mut total = 0_u64;
    for (_, operation) in document.operations.iter() {
        match counter.selections(&operation.node.selection_set.node, 0) {
            Some(count) => total = total.saturating_add(count),
            None => return false,
        }
    }
    for fragment in document.fragments.values() {
        match counter.selections(&fragment.node.selection_set.node, 0) {
            Some(count) if count <= MAX_SELECTIONS => {}
            _ => return false,
        }
    }
    total <= MAX_SELECTIONS && document.operations.iter().count() <= MAX_OPERATIONS
}

/// The name of a field that is selected twice in one place, with other arguments or as another field: it is refused
/// (GraphQL, section 5.3.2). `Err` where that takes too long to say.
pub(super) fn conflict(document: &ExecutableDocument) -> Result<Option<&str>, ()> {
    let operations = document.operations.iter().map(|(_, it)| &it.node.selection_set.node);
    let fragments = document.fragments.values().map(|it| &it.node.selection_set.node);
    let mut sets: Vec<&SelectionSet> = operations.chain(fragments).collect();
    let mut left = MAX_COMPARED;
    while let Some(set) = sets.pop() {
        let mut merged = Merged {
            document,
            fields: HashMap::new(),
            spread: HashSet::new(),
            left,
        };
        if let Some(name) = merged.conflict(None, set)? {
            return Ok(Some(name));
        }
        left = merged.left;
        sets.extend(set.items.iter().filter_map(|selection| match &selection.node {
            Selection::Field(field) => Some(&field.node.selection_set.node),
            Selection::InlineFragment(fragment) => Some(&fragment.node.selection_set.node),
            Selection::FragmentSpread(_) => None,
        }));
    }
    Ok(None)
}

/// The fields of one selection set with those of its fragments, by type condition and name in the answer, as
/// async-graphql compares them.
struct Merged<'a> {
    document: &'a ExecutableDocument,
    fields: HashMap<(Option<&'a str>, &'a str), &'a Field>,
    spread: HashSet<&'a str>,
    /// How many may still be compared.
    left: usize,
}

impl<'a> Merged<'a> {
    fn conflict(&mut self, on: Option<&'a str>, set: &'a SelectionSet) -> Result<Option<&'a str>, ()> {
        for selection in &set.items {
            self.left = self.left.checked_sub(1).ok_or(())?;
            let found = match &selection.node {
                Selection::Field(field) => self.add(on, &field.node),
                Selection::InlineFragment(fragment) => {
                    let on = fragment.node.type_condition.as_ref().map(|it| it.node.on.node.as_str());
                    self.conflict(on, &fragment.node.selection_set.node)?
                }
                Selection::FragmentSpread(spread) => {
                    let name = &spread.node.fragment_name.node;
                    match self.document.fragments.get(name) {
                        Some(fragment) if self.spread.insert(name) => {
                            let on = fragment.node.type_condition.node.on.node.as_str();
                            self.conflict(Some(on), &fragment.node.selection_set.node)?
                        }
                        _ => None,
                    }
                }
            };
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    fn add(&mut self, on: Option<&'a str>, field: &'a Field) -> Option<&'a str> {
        let name = field.response_key().node.as_str();
        let first = *self.fields.entry((on, name)).or_insert(field);
        let same_arguments = || {
            let values = |of: &'a Field| of.arguments.iter().map(|(name, value)| (&name.node, &value.node));
            let other: HashMap<_, _> = values(field).collect();
            values(first).all(|(name, value)| other.get(name) == Some(&value))
        };
        let same = std::ptr::eq(first, field)
            || first.name.node == field.name.node && first.arguments.len() == field.arguments.len() && same_arguments();
        (!same).then_some(name)
    }
}

struct Counter<'a> {
    document: &'a ExecutableDocument,
    /// What a fragment comes to; 0 while it is being counted, which ends cycles. Validation refuses those.
    fragments: HashMap<&'a Name, u64>,
}

impl<'a> Counter<'a> {
    /// `None` is nesting that goes too deep.
    fn selections(&mut self, set: &'a SelectionSet, depth: usize) -> Option<u64> {
        if depth > MAX_DEPTH {
            return None;
        }
        let mut count = 0_u64;
        for selection in &set.items {
            let inner = match &selection.node {
                Selection::Field(field) => self.selections(&field.node.selection_set.node, depth + 1)?,
                Selection::InlineFragment(fragment) => self.selections(&fragment.node.selection_set.node, depth + 1)?,
                Selection::FragmentSpread(spread) => self.fragment(&spread.node.fragment_name.node, depth + 1)?,
            };
            count = count.saturating_add(inner).saturating_add(1);
        }
        Some(count)
    }

    fn fragment(&mut self, name: &'a Name, depth: usize) -> Option<u64> {
        if let Some(count) = self.fragments.get(name) {
            return Some(*count);
        }
        self.fragments.insert(name, 0);
        let count = match self.document.fragments.get(name) {
            Some(fragment) => self.selections(&fragment.node.selection_set.node, depth)?,
            None => 0,
        };
        self.fragments.insert(name, count);
        Some(count)
    }
}

#[cfg(test)]
mod tests {
    use async_graphql::parser::parse_query;

    use super::*;

    fn chain(length: usize, spreads: usize) -> bool {
        let mut document = format!("{{ ...f0 }} fragment f{length} on Q {{ a }}");
        for number in 0..length {
            let spread = format!("...f{} ", number + 1).repeat(spreads);
            document += &format!(" fragment f{number} on Q {{ {spread}}}");
        }
        is_bounded(&parse_query(document).unwrap())
    }

    #[test]
    fn fragments_count_as_often_as_they_are_spread() {
        assert!(chain(10, 2));
        assert!(!chain(13, 2));
        assert!(!chain(100, 2));
        assert!(chain(100, 1));
    }

    fn conflicting(document: &str) -> Result<Option<String>, ()> {
        let document = parse_query(document).unwrap();
        conflict(&document).map(|name| name.map(str::to_owned))
    }

    #[test]
    fn the_first_field_that_is_selected_twice_otherwise_is_told() {
        for good in [
            "{ a a b }",
            "{ a(x: 1, y: [2]) a(y: [2], x: 1) { b } c: a }",
            "{ ... on A { a(x: 1) } ... on B { a(x: 2) } }",
            "{ ...f ...f } fragment f on Q { a ...f }",
        ] {
            assert_eq!(conflicting(good), Ok(None), "{good}");
        }
        for bad in [
            "{ a a(x: 1) }",
            "{ a(x: 1) a(x: 2) }",
            "{ b { a: c a } }",
            "{ ... on A { a(x: 1) } ... on A { a(y: 1) } }",
            "{ b } fragment unused on Q { ...f ...g } fragment f on Q { a } fragment g on Q { a(x: 1) }",
        ] {
            assert_eq!(conflicting(bad), Ok(Some("a".into())), "{bad}");
        }
        let arguments: String = (0..1600).map(|number| format!("x{number}: 1 ")).collect();
        let many = format!("{{ a({arguments}) {} }}", "a ".repeat(4900));
        assert_eq!(conflicting(&many), Ok(Some("a".into())));
        let large: String = (0..3000).map(|number| format!("a{number} ")).collect();
        let sets: String = (0..1000).map(|number| format!("b{number} {{ ...f }} ")).collect();
        assert_eq!(
            conflicting(&format!("{{ {sets} }} fragment f on Q {{ {large} }}")),
            Err(())
        );
        let operations: String = (0..51).map(|number| format!("query q{number} {{ b }} ")).collect();
        assert!(!is_bounded(&parse_query(operations).unwrap()));
    }

    #[test]
    fn a_long_chain_and_a_cycle_end() {
        assert!(!chain(50_000, 1));
        let cycle = "{ ...a } fragment a on Q { ...b } fragment b on Q { ...a }";
        assert!(is_bounded(&parse_query(cycle).unwrap()));
    }
}
