//! How much a document selects once its fragments are spread.
//!
//! Twenty fragments that each spread the next one twice select a million fields in 700 bytes, and async-graphql walks
//! all of them before it knows the complexity: at thirty that is minutes of a core, for anyone who can send a request.
//! Here each fragment is counted once, so the check is linear in the document.

use std::collections::HashMap;

use async_graphql::{
    Name,
    parser::types::{ExecutableDocument, Selection, SelectionSet},
};

/// Far above what a client writes; GraphiQL's introspection is below 200.
pub(super) const MAX_SELECTIONS: u64 = 10_000;

/// Bounds our own recursion. async-graphql refuses a depth of more than 32 itself, later.
const MAX_DEPTH: usize = 128;

/// Whether all operations together stay within [`MAX_SELECTIONS`].
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
    total <= MAX_SELECTIONS
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

    #[test]
    fn a_long_chain_and_a_cycle_end() {
        assert!(!chain(50_000, 1));
        let cycle = "{ ...a } fragment a on Q { ...b } fragment b on Q { ...a }";
        assert!(is_bounded(&parse_query(cycle).unwrap()));
    }
}
