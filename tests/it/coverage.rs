//! The walks over roles and tenants go through every operation, by construction: a field, a route or an argument of the
//! schema that no specimen calls fails here.

use std::{collections::BTreeSet, fs, path::Path};

use serde_json::Value;

use crate::support::{
    operations::{Specimen, mutations, queries, subscriptions},
    routes::ROUTES,
    sdl::Sdl,
};

fn specimens() -> Vec<Specimen> {
    [queries(), mutations(), subscriptions()].concat()
}

#[test]
fn every_operation_has_a_specimen() {
    let sdl = Sdl::served();
    let known: BTreeSet<String> = specimens().iter().map(Specimen::name).collect();
    for root in ["Query", "Mutation", "Subscription"] {
        for field in sdl.fields(root) {
            let name = format!("{root}.{}", field.name.node);
            assert!(
                known.contains(&name),
                "{name} has no specimen in tests/it/support/operations.rs"
            );
        }
    }
}

#[test]
fn every_argument_is_given_in_a_specimen_and_every_id_and_cursor_stands_for_something() {
    let sdl = Sdl::served();
    for root in ["Query", "Mutation", "Subscription"] {
        for field in sdl.fields(root) {
            let name = field.name.node.as_str();
            let of_field: Vec<Specimen> = specimens()
                .into_iter()
                .filter(|it| it.root == root && it.field == name)
                .collect();
            for argument in sdl.arguments(root, name) {
                let given: Vec<Value> = of_field
                    .iter()
                    .flat_map(|it| {
                        it.leaves()
                            .into_iter()
                            .map(|(path, value)| (path, value.clone()))
                            .collect::<Vec<_>>()
                    })
                    .filter(|(path, _)| *path == argument.path)
                    .map(|(_, value)| value)
                    .collect();
                assert!(
                    !given.is_empty(),
                    "no specimen of {root}.{name} gives {}",
                    argument.path
                );
                let refers = argument.of == "ID" || ["after", "before"].contains(&argument.path.as_str());
                let stands = |value: &Value| value.as_str().is_some_and(|text| text.starts_with('$'));
                assert!(
                    !refers || given.iter().all(stands),
                    "{root}.{name} {}: an id or a cursor must be a placeholder, so that others are tried",
                    argument.path
                );
            }
        }
    }
}

#[test]
fn every_kind_of_node_is_asked_for() {
    let sdl = Sdl::served();
    let document = queries()[0].document(&sdl);
    let kinds = document.matches("... on ").count();
    let asked: BTreeSet<String> = queries()
        .iter()
        .filter(|it| it.field == "node")
        .flat_map(Specimen::placeholders)
        .collect();
    assert_eq!(
        asked.len(),
        kinds,
        "a specimen of node for each type that implements Node: {asked:?}"
    );
}

/// Every `.route("…")` of the sources, but for the stand-in's and those of the demo's shop.
#[test]
fn every_route_is_in_the_list_that_the_matrix_walks() {
    fn collect(folder: &Path, routes: &mut BTreeSet<String>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                if !["standin", "demo", "tests"].iter().any(|name| path.ends_with(name)) {
                    collect(&path, routes);
                }
                continue;
            }
            if path.extension().is_none_or(|extension| extension != "rs") {
                continue;
            }
            let source = fs::read_to_string(&path).unwrap();
            let source = source.split("#[cfg(test)]\nmod tests {").next().unwrap();
            for after in source.split(".route(").skip(1) {
                let route = after.split('"').nth(1).expect("a route is a literal");
                assert!(
                    after.trim_start().starts_with('"'),
                    "a route is a literal: {}",
                    path.display()
                );
                routes.insert(route.to_owned());
            }
            for other in [".nest(", ".nest_service(", ".route_service(", ".fallback_service("] {
                assert!(
                    !source.contains(other),
                    "{}: {other} is not looked into here",
                    path.display()
                );
            }
        }
    }
    let mut routes = BTreeSet::new();
    collect(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut routes);
    let listed: BTreeSet<String> = ROUTES.iter().map(|route| route.pattern.to_owned()).collect();
    assert_eq!(
        routes, listed,
        "tests/it/support/routes.rs lists the routes of the sources"
    );
}
