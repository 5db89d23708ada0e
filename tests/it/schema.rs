//! The schema in the tree is what the server serves, and it has everything of the contract.

use std::{collections::BTreeMap, path::PathBuf};

use async_graphql::parser::{
    parse_schema,
    types::{FieldDefinition, InputValueDefinition, TypeDefinition, TypeKind, TypeSystemDefinition},
};

/// What a schema says: each type, field, argument and value by its name, and how it is declared.
type Sayings = BTreeMap<String, String>;

fn file(path: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn sayings(sdl: &str) -> Sayings {
    let mut sayings = Sayings::new();
    for definition in parse_schema(sdl).unwrap().definitions {
        if let TypeSystemDefinition::Type(definition) = definition {
            say(&definition.node, &mut sayings);
        }
    }
    sayings
}

fn say(definition: &TypeDefinition, sayings: &mut Sayings) {
    let name = definition.name.node.to_string();
    let fields = |kind: &str, fields: &[async_graphql::Positioned<FieldDefinition>], sayings: &mut Sayings| {
        sayings.insert(name.clone(), kind.to_owned());
        for field in fields {
            let path = format!("{name}.{}", field.node.name.node);
            sayings.insert(path.clone(), field.node.ty.node.to_string());
            say_inputs(&path, &field.node.arguments, sayings);
        }
    };
    match &definition.kind {
        TypeKind::Scalar => drop(sayings.insert(name, "scalar".to_owned())),
        TypeKind::Object(object) => {
            fields("type", &object.fields, sayings);
            for interface in &object.implements {
                sayings.insert(format!("{name}: {}", interface.node), "implements".to_owned());
            }
        }
        TypeKind::Interface(interface) => fields("interface", &interface.fields, sayings),
        TypeKind::Union(_) => drop(sayings.insert(name, "union".to_owned())),
        TypeKind::Enum(values) => {
            sayings.insert(name.clone(), "enum".to_owned());
            sayings.extend(
                values
                    .values
                    .iter()
                    .map(|value| (format!("{name}.{}", value.node.value.node), "value".to_owned())),
            );
        }
        TypeKind::InputObject(input) => {
            let one_of = definition
                .directives
                .iter()
                .any(|directive| directive.node.name.node == "oneOf");
            sayings.insert(name.clone(), format!("input, one of: {one_of}"));
            say_inputs(&name, &input.fields, sayings);
        }
    }
}

fn say_inputs(of: &str, inputs: &[async_graphql::Positioned<InputValueDefinition>], sayings: &mut Sayings) {
    for input in inputs {
        let default = input.node.default_value.as_ref();
        let default = default.map(|value| format!(" = {}", value.node)).unwrap_or_default();
        sayings.insert(
            format!("{of}.{}", input.node.name.node),
            format!("{}{default}", input.node.ty.node),
        );
    }
}

#[test]
fn schema_graphql_is_what_the_server_serves() {
    let served = rekomi::graphql::schema::sdl();
    assert!(
        file("schema.graphql").trim_end() == served.trim_end(),
        "schema.graphql is out of date: cargo run -- schema > schema.graphql"
    );
}

#[test]
fn everything_of_the_contract_is_there() {
    let (served, contract) = (
        sayings(&rekomi::graphql::schema::sdl()),
        sayings(&file("tests/contract.graphql")),
    );
    let wrong: Vec<String> = contract
        .iter()
        .filter(|(name, said)| served.get(*name) != Some(said))
        .map(|(name, said)| format!("{name}: {said}, but served is {:?}", served.get(name)))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
