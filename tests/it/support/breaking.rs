//! What of a schema's changes breaks clients of the one before.
//!
//! Clients may select all that was there, give all that could be given, leave out all that could be left out, and know all
//! the values that they send. New types, fields, optional arguments and values do not break them.

use std::collections::BTreeMap;

use async_graphql::{
    Positioned,
    parser::{
        parse_schema,
        types::{
            BaseType, FieldDefinition, InputValueDefinition, Type, TypeDefinition, TypeKind, TypeSystemDefinition,
        },
    },
};

type Types = BTreeMap<String, TypeDefinition>;

/// One line for each breaking change, in order.
pub fn changes(released: &str, served: &str) -> Vec<String> {
    let (released, served) = (types(released), types(served));
    let mut broken = Vec::new();
    for (name, before) in &released {
        match served.get(name) {
            Some(after) => of_type(name, before, after, &mut broken),
            None => broken.push(format!("{name} was removed")),
        }
    }
    broken
}

fn types(sdl: &str) -> Types {
    let definitions = parse_schema(sdl).unwrap().definitions.into_iter();
    let types = definitions.filter_map(|definition| match definition {
        TypeSystemDefinition::Type(definition) => Some((definition.node.name.node.to_string(), definition.node)),
        _ => None,
    });
    types.collect()
}

fn of_type(name: &str, before: &TypeDefinition, after: &TypeDefinition, broken: &mut Vec<String>) {
    match (&before.kind, &after.kind) {
        (TypeKind::Scalar, TypeKind::Scalar) => {}
        (TypeKind::Object(before), TypeKind::Object(after)) => {
            of_fields(name, &before.fields, &after.fields, broken);
            for interface in &before.implements {
                if !after.implements.iter().any(|it| it.node == interface.node) {
                    broken.push(format!("{name} no longer implements {}", interface.node));
                }
            }
        }
        (TypeKind::Interface(before), TypeKind::Interface(after)) => {
            of_fields(name, &before.fields, &after.fields, broken);
        }
        (TypeKind::Union(before), TypeKind::Union(after)) => {
            let gone = before
                .members
                .iter()
                .filter(|member| !after.members.iter().any(|it| it.node == member.node));
            broken.extend(gone.map(|member| format!("{name} is no longer {}", member.node)));
        }
        (TypeKind::Enum(before), TypeKind::Enum(after)) => {
            let has = |value| after.values.iter().any(|it| it.node.value.node == value);
            let gone = before
                .values
                .iter()
                .map(|it| it.node.value.node.clone())
                .filter(|value| !has(value.clone()));
            broken.extend(gone.map(|value| format!("{name}.{value} was removed")));
        }
        (TypeKind::InputObject(then), TypeKind::InputObject(now)) => {
            of_inputs(name, &then.fields, &now.fields, broken);
            let one_of = |it: &TypeDefinition| it.directives.iter().any(|it| it.node.name.node == "oneOf");
            if one_of(before) != one_of(after) {
                broken.push(format!("{name} takes one of its fields: {} before", one_of(before)));
            }
        }
        _ => broken.push(format!("{name} is of another kind")),
    }
}

fn of_fields(
    of: &str,
    before: &[Positioned<FieldDefinition>],
    after: &[Positioned<FieldDefinition>],
    broken: &mut Vec<String>,
) {
    for field in before.iter().map(|field| &field.node) {
        let path = format!("{of}.{}", field.name.node);
        let Some(now) = after
            .iter()
            .map(|it| &it.node)
            .find(|it| it.name.node == field.name.node)
        else {
            broken.push(format!("{path} was removed"));
            continue;
        };
        let (then, is) = (&field.ty.node, &now.ty.node);
        if !gives(then, is) {
            broken.push(format!("{path} is {is}, and was {then}"));
        }
        of_inputs(&path, &field.arguments, &now.arguments, broken);
    }
}

fn of_inputs(
    of: &str,
    before: &[Positioned<InputValueDefinition>],
    after: &[Positioned<InputValueDefinition>],
    broken: &mut Vec<String>,
) {
    for input in before.iter().map(|input| &input.node) {
        let path = format!("{of}({})", input.name.node);
        let Some(now) = after
            .iter()
            .map(|it| &it.node)
            .find(|it| it.name.node == input.name.node)
        else {
            broken.push(format!("{path} was removed"));
            continue;
        };
        let (then, is) = (&input.ty.node, &now.ty.node);
        // With a default it may still be left out, though not given as null.
        if !gives(is, then) {
            broken.push(format!("{path} takes {is}, and took {then}"));
        }
        let default = |input: &InputValueDefinition| input.default_value.as_ref().map(|value| value.node.to_string());
        if default(input) != default(now) && default(input).is_some() {
            broken.push(format!("{path} has another default"));
        }
    }
    let new = after
        .iter()
        .map(|it| &it.node)
        .filter(|it| !before.iter().any(|old| old.node.name.node == it.name.node));
    let required = new.filter(|it| !it.ty.node.nullable && it.default_value.is_none());
    broken.extend(required.map(|it| format!("{of}({}) is new and required", it.name.node)));
}

/// Whether whatever is of the one type is of the other: the same, or null less often.
fn gives(wanted: &Type, given: &Type) -> bool {
    let inner = match (&wanted.base, &given.base) {
        (BaseType::Named(wanted), BaseType::Named(given)) => wanted == given,
        (BaseType::List(wanted), BaseType::List(given)) => gives(wanted, given),
        _ => false,
    };
    inner && (wanted.nullable || !given.nullable)
}
