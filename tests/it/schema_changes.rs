//! No breaking change goes unnoticed, and everything in the schema says what it is.

use async_graphql::{
    Positioned,
    parser::{
        parse_schema,
        types::{FieldDefinition, InputValueDefinition, TypeKind, TypeSystemDefinition},
    },
};

use crate::support::breaking::changes;

/// The schema of the last release; a release copies `schema.graphql` over it.
const RELEASED: &str = include_str!("../released_schema.graphql");

#[test]
fn nothing_breaks_clients_of_the_last_release() {
    let broken = changes(RELEASED, &rekomi::graphql::schema::sdl());
    assert!(
        broken.is_empty(),
        "clients of the last release would break:\n{}",
        broken.join("\n")
    );
}

/// One change to a small schema, and what it breaks.
fn change(before: &str, after: &str) -> Vec<String> {
    const SMALL: &str = "
        interface Node { id: ID! }
        type Query { row(id: ID!, size: Int = 5, kinds: [Kind!]): Row rows: [Row!]! any: Any }
        type Row implements Node { id: ID! name: String! note: String }
        union Any = Row | Other
        type Other { text: String }
        enum Kind { ONE TWO }
        input RowInput { name: String! note: String limit: Int! = 3 }
        scalar Long";
    assert!(SMALL.contains(before), "{before}");
    changes(SMALL, &SMALL.replacen(before, after, 1))
}

#[test]
fn what_is_taken_away_breaks() {
    assert_eq!(change("scalar Long", ""), ["Long was removed"]);
    assert_eq!(change("note: String }", "}"), ["Row.note was removed"]);
    assert_eq!(change("size: Int = 5, ", ""), ["Query.row(size) was removed"]);
    assert_eq!(change("ONE TWO", "ONE"), ["Kind.TWO was removed"]);
    assert_eq!(
        change("name: String! note: String limit", "name: String! limit"),
        ["RowInput(note) was removed"]
    );
    assert_eq!(change("implements Node ", ""), ["Row no longer implements Node"]);
    assert_eq!(change("Row | Other", "Row"), ["Any is no longer Other"]);
}

#[test]
fn another_type_breaks() {
    assert_eq!(
        change("name: String! note: String }", "name: Int! note: String }"),
        ["Row.name is Int!, and was String!"]
    );
    assert_eq!(
        change("rows: [Row!]!", "rows: [Row]!"),
        ["Query.rows is [Row]!, and was [Row!]!"]
    );
    assert_eq!(
        change("rows: [Row!]!", "rows: Row!"),
        ["Query.rows is Row!, and was [Row!]!"]
    );
    assert_eq!(
        change("kinds: [Kind!]", "kinds: Kind"),
        ["Query.row(kinds) takes Kind, and took [Kind!]"]
    );
    assert_eq!(change("scalar Long", "enum Long { A }"), ["Long is of another kind"]);
    assert_eq!(
        change("input RowInput {", "input RowInput @oneOf {"),
        ["RowInput takes one of its fields: false before"]
    );
}

#[test]
fn what_has_to_be_given_from_now_on_breaks() {
    assert_eq!(
        change("kinds: [Kind!])", "kinds: [Kind!]!)"),
        ["Query.row(kinds) takes [Kind!]!, and took [Kind!]"]
    );
    assert_eq!(
        change("kinds: [Kind!])", "kinds: [Kind!], mode: String!)"),
        ["Query.row(mode) is new and required"]
    );
    assert_eq!(
        change("note: String limit", "note: String! limit"),
        ["RowInput(note) takes String!, and took String"]
    );
    assert_eq!(
        change("limit: Int! = 3", "limit: Int! = 3 more: Int!"),
        ["RowInput(more) is new and required"]
    );
    assert_eq!(
        change("limit: Int! = 3", "limit: Int! = 4"),
        ["RowInput(limit) has another default"]
    );
}

#[test]
fn what_is_added_or_loosened_breaks_nobody() {
    let none: [&str; 0] = [];
    assert_eq!(change("ONE TWO", "ONE TWO THREE"), none);
    assert_eq!(change("note: String }", "note: String! more: Int }"), none);
    assert_eq!(change("row(id: ID!", "row(id: ID, order: Kind, limit: Int! = 3"), none);
    assert_eq!(
        change(
            "input RowInput { name: String!",
            "input RowInput { name: String more: [Int!]"
        ),
        none
    );
    assert_eq!(change("scalar Long", "scalar Long type More { a: Int }"), none);
}

#[test]
fn everything_in_the_schema_says_what_it_is() {
    let mut silent = Vec::new();
    for definition in parse_schema(rekomi::graphql::schema::sdl()).unwrap().definitions {
        let TypeSystemDefinition::Type(definition) = definition else {
            continue;
        };
        let (definition, name) = (&definition.node, definition.node.name.node.as_str());
        if definition.description.is_none() {
            silent.push(name.to_owned());
        }
        match &definition.kind {
            TypeKind::Object(object) => fields(name, &object.fields, &mut silent),
            TypeKind::Interface(interface) => fields(name, &interface.fields, &mut silent),
            TypeKind::InputObject(input) => inputs(name, &input.fields, &mut silent),
            TypeKind::Enum(values) => {
                let values = values.values.iter().filter(|value| value.node.description.is_none());
                silent.extend(values.map(|value| format!("{name}.{}", value.node.value.node)));
            }
            TypeKind::Scalar | TypeKind::Union(_) => {}
        }
    }
    assert!(silent.is_empty(), "without a description:\n{}", silent.join("\n"));
}

fn fields(of: &str, fields: &[Positioned<FieldDefinition>], silent: &mut Vec<String>) {
    for field in fields.iter().map(|field| &field.node) {
        let path = format!("{of}.{}", field.name.node);
        inputs(&path, &field.arguments, silent);
        if field.description.is_none() {
            silent.push(path);
        }
    }
}

fn inputs(of: &str, inputs: &[Positioned<InputValueDefinition>], silent: &mut Vec<String>) {
    let inputs = inputs.iter().filter(|input| input.node.description.is_none());
    silent.extend(inputs.map(|input| format!("{of}({})", input.node.name.node)));
}
