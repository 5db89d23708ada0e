//! How much a document asks of the schema itself.
//!
//! A type leads to its fields, these to their types, and so on: `possibleTypes { interfaces { possibleTypes { …` is
//! seven times as long with each step, and async-graphql counts each of its fields once. A document of 250 bytes could ask
//! for gigabytes. Here each list counts as often as a schema like ours has entries; fragments are counted once, so the
//! check is linear in the document.

use std::collections::HashMap;

use async_graphql::{
    Name,
    parser::types::{ExecutableDocument, Selection, SelectionSet},
};

/// Entries of answers about the schema, all operations together. GraphiQL's question comes to three quarters of it.
pub(super) const MAX_ENTRIES: u64 = 600_000;

/// How long a list is, by the name of its field (<https://spec.graphql.org/draft/#sec-Schema-Introspection>). No type of
/// ours has a field by one of these names.
fn length(field: &str) -> u64 {
    match field {
        "types" => 100,
        "fields" | "inputFields" | "interfaces" | "possibleTypes" | "enumValues" => 20,
        "args" | "directives" | "locations" => 5,
        _ => 1,
    }
}

/// What all operations together ask for. The document's nesting must be bounded already.
pub(super) fn entries(document: &ExecutableDocument) -> u64 {
    let mut counter = Counter {
        document,
        fragments: HashMap::new(),
    };
    let operations = document.operations.iter();
    operations.fold(0_u64, |total, (_, operation)| {
        total.saturating_add(counter.about_the_schema(&operation.node.selection_set.node))
    })
}

/// Whether the document asks anything of the schema itself, anywhere. `__typename` does not.
pub(super) fn is_asked(document: &ExecutableDocument) -> bool {
    let operations = document.operations.iter().map(|(_, it)| &it.node.selection_set.node);
    let fragments = document.fragments.values().map(|it| &it.node.selection_set.node);
    operations.chain(fragments).any(asks)
}

fn asks(set: &SelectionSet) -> bool {
    set.items.iter().any(|selection| match &selection.node {
        Selection::Field(field) => {
            matches!(field.node.name.node.as_str(), "__schema" | "__type") || asks(&field.node.selection_set.node)
        }
        Selection::InlineFragment(fragment) => asks(&fragment.node.selection_set.node),
        Selection::FragmentSpread(_) => false,
    })
}

struct Counter<'a> {
    document: &'a ExecutableDocument,
    /// What a fragment comes to; 0 while it is being counted, which ends cycles. Validation refuses those.
    fragments: HashMap<&'a Name, u64>,
}

impl<'a> Counter<'a> {
    /// What stands outside `__schema` and `__type` has limits of its own.
    fn about_the_schema(&mut self, set: &'a SelectionSet) -> u64 {
        let counts = set.items.iter().map(|selection| match &selection.node {
            Selection::Field(field) if field.node.name.node.starts_with("__") => {
                self.entries(&field.node.selection_set.node)
            }
            Selection::Field(_) => 0,
            Selection::InlineFragment(fragment) => self.about_the_schema(&fragment.node.selection_set.node),
            // It may hold both; whatever is in it is taken for the schema's.
            Selection::FragmentSpread(spread) => self.fragment(&spread.node.fragment_name.node),
        });
        counts.fold(0, u64::saturating_add)
    }

    fn entries(&mut self, set: &'a SelectionSet) -> u64 {
        let counts = set.items.iter().map(|selection| match &selection.node {
            Selection::Field(field) => {
                let inner = self.entries(&field.node.selection_set.node);
                length(&field.node.name.node).saturating_mul(inner.max(1))
            }
            Selection::InlineFragment(fragment) => self.entries(&fragment.node.selection_set.node),
            Selection::FragmentSpread(spread) => self.fragment(&spread.node.fragment_name.node),
        });
        counts.fold(0, u64::saturating_add)
    }

    fn fragment(&mut self, name: &'a Name) -> u64 {
        if let Some(count) = self.fragments.get(name) {
            return *count;
        }
        self.fragments.insert(name, 0);
        let fragment = self.document.fragments.get(name);
        let count = fragment.map_or(0, |fragment| self.entries(&fragment.node.selection_set.node));
        self.fragments.insert(name, count);
        count
    }
}

#[cfg(test)]
mod tests {
    use async_graphql::parser::parse_query;

    use super::*;

    fn bounded(document: &str) -> bool {
        entries(&parse_query(document).unwrap()) <= MAX_ENTRIES
    }

    /// What GraphiQL and code generators ask for.
    const USUAL: &str = "
        query { __schema { queryType { name } mutationType { name } subscriptionType { name }
          types { ...FullType } directives { name description locations args { ...InputValue } } } }
        fragment FullType on __Type { kind name description specifiedByURL isOneOf
          fields(includeDeprecated: true) { name description args(includeDeprecated: true) { ...InputValue }
            type { ...TypeRef } isDeprecated deprecationReason }
          inputFields(includeDeprecated: true) { ...InputValue } interfaces { ...TypeRef }
          enumValues(includeDeprecated: true) { name description isDeprecated deprecationReason }
          possibleTypes { ...TypeRef } }
        fragment InputValue on __InputValue { name description type { ...TypeRef } defaultValue isDeprecated
          deprecationReason }
        fragment TypeRef on __Type { kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name
          ofType { kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name } } } } } } } } } }";

    #[test]
    fn the_usual_question_is_within_the_limit_and_what_grows_with_each_step_is_not() {
        assert!(bounded(USUAL));
        for steps in 1..20 {
            let open = "possibleTypes { interfaces { ".repeat(steps);
            let close = "} } ".repeat(steps);
            let query = format!("{{ __type(name: \"Node\") {{ {open} name {close} }} }}");
            assert_eq!(bounded(&query), steps <= 2, "{steps}");
        }
        let fields = "{ __schema { types { fields { type { fields { type { fields { name } } } } } } } }";
        assert!(!bounded(fields));
    }

    #[test]
    fn aliases_and_fragments_count_as_often_as_they_are_used() {
        let aliased: String = (0..99)
            .map(|n| format!("a{n}: fields {{ type {{ fields {{ name }} }} }} "))
            .collect();
        assert!(!bounded(&format!("{{ __schema {{ types {{ {aliased} }} }} }}")));
        let fragments = "{ ...a } fragment a on Query { __schema { types { fields { type { ...b } } } } }
            fragment b on __Type { fields { type { ...c } } } fragment c on __Type { fields { name } }";
        assert!(!bounded(fragments));
        assert!(bounded(
            "{ ...a } fragment a on Query { ...b } fragment b on Query { ...a }"
        ));
    }

    #[test]
    fn no_type_of_ours_has_a_field_that_would_count_as_a_list_of_the_schema() {
        let sdl = crate::graphql::schema::sdl();
        for line in sdl.lines().map(str::trim) {
            let name = line.split([':', '(']).next().unwrap_or_default();
            assert_eq!(length(name), 1, "{line}");
        }
    }
}
