//! `schema.graphql` is what the server serves, and it agrees with the part that clients already use.

use std::collections::{BTreeMap, BTreeSet};

use async_graphql::parser::{
    parse_schema,
    types::{FieldDefinition, InputValueDefinition, TypeKind, TypeSystemDefinition},
};
use rekomi::graphql::schema::sdl;

const SERVED: &str = include_str!("../../schema.graphql");
const CONTRACT: &str = include_str!("../contract.graphql");
/// What is yet to come; it may only shrink.
const PENDING: &str = include_str!("../contract_pending.txt");

#[test]
fn schema_graphql_is_what_the_server_serves() {
    assert!(
        sdl().trim_end() == SERVED.trim_end(),
        "schema.graphql is out of date; make it anew: cargo run -- schema > schema.graphql"
    );
}

#[test]
fn what_clients_use_is_served_but_for_what_is_yet_to_come() {
    let (served, contract) = (elements(SERVED), elements(CONTRACT));
    let differing: Vec<_> = contract
        .iter()
        .filter_map(|(name, form)| {
            let served = served.get(name)?;
            (served != form).then(|| format!("{name}: the contract has {form:?}, served is {served:?}"))
        })
        .collect();
    assert_eq!(differing, Vec::<String>::new());
    let missing: BTreeSet<&str> = contract
        .keys()
        .filter(|name| !served.contains_key(*name))
        .map(String::as_str)
        .collect();
    let pending: BTreeSet<&str> = PENDING.lines().filter(|line| !line.is_empty()).collect();
    assert_eq!(
        missing.difference(&pending).collect::<Vec<_>>(),
        Vec::<&&str>::new(),
        "missing, and not on the list"
    );
    assert_eq!(
        pending.difference(&missing).collect::<Vec<_>>(),
        Vec::<&&str>::new(),
        "served by now: take it off the list"
    );
}

/// Every element of a schema by its name, such as `Query.node(id)`, with its form, such as `ID!`.
fn elements(sdl: &str) -> BTreeMap<String, String> {
    let mut elements = BTreeMap::new();
    for definition in parse_schema(sdl).unwrap().definitions {
        let TypeSystemDefinition::Type(definition) = definition else {
            continue;
        };
        let (name, kind) = (definition.node.name.node.to_string(), definition.node.kind);
        let mut add = |element: String, form: String| {
            assert!(
                elements.insert(element.clone(), form).is_none(),
                "{element} stands twice"
            );
        };
        match kind {
            TypeKind::Scalar => add(name, "scalar".into()),
            TypeKind::Object(object) => {
                for interface in &object.implements {
                    add(format!("{name} implements {}", interface.node), String::new());
                }
                fields(&name, object.fields.iter().map(|field| &field.node), &mut add);
                add(name, "type".into());
            }
            TypeKind::Interface(interface) => {
                fields(&name, interface.fields.iter().map(|field| &field.node), &mut add);
                add(name, "interface".into());
            }
            TypeKind::Enum(values) => {
                for value in &values.values {
                    add(format!("{name}.{}", value.node.value.node), "value".into());
                }
                add(name, "enum".into());
            }
            TypeKind::InputObject(input) => {
                for field in &input.fields {
                    add(format!("{name}.{}", field.node.name.node), input_form(&field.node));
                }
                let one_of = definition
                    .node
                    .directives
                    .iter()
                    .any(|directive| directive.node.name.node == "oneOf");
                add(name, if one_of { "input, one of" } else { "input" }.into());
            }
            TypeKind::Union(_) => add(name, "union".into()),
        }
    }
    elements
}

fn fields<'a>(owner: &str, fields: impl Iterator<Item = &'a FieldDefinition>, add: &mut impl FnMut(String, String)) {
    for field in fields {
        let name = format!("{owner}.{}", field.name.node);
        for argument in &field.arguments {
            add(
                format!("{name}({})", argument.node.name.node),
                input_form(&argument.node),
            );
        }
        add(name, field.ty.node.to_string());
    }
}

fn input_form(input: &InputValueDefinition) -> String {
    let default = input.default_value.as_ref();
    let default = default.map(|value| format!(" = {}", value.node)).unwrap_or_default();
    format!("{}{default}", input.ty.node)
}
