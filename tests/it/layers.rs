//! The layers, held apart: who may call whom, read off the sources.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// A source file, by its path below `src`, without its unit tests and comments.
struct Source {
    path: String,
    text: String,
}

fn sources() -> Vec<Source> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut sources = Vec::new();
    collect(&root, &root, &mut sources);
    assert!(sources.len() > 50, "the sources are found");
    sources
}

fn collect(root: &Path, folder: &Path, sources: &mut Vec<Source>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            if path.file_name().is_none_or(|name| name != "tests") {
                collect(root, &path, sources);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
            let lines = text.lines().map(|line| line.split("//").next().unwrap());
            sources.push(Source {
                path: path.strip_prefix(root).unwrap().display().to_string(),
                text: lines.collect::<Vec<_>>().join("\n"),
            });
        }
    }
}

impl Source {
    fn is_in(&self, places: &[&str]) -> bool {
        places.iter().any(|place| self.path.starts_with(place))
    }

    /// The module below `src` that it belongs to.
    fn layer(&self) -> &str {
        let name = self.path.split('/').next().unwrap();
        name.strip_suffix(".rs").unwrap_or(name)
    }

    /// The modules of this crate that it names, in `use` trees and in paths.
    fn uses(&self) -> BTreeSet<String> {
        let mut uses = BTreeSet::new();
        let mut rest = self.text.as_str();
        while let Some(place) = rest.find("crate::") {
            rest = &rest[place + "crate::".len()..];
            uses.extend(heads(rest));
        }
        uses
    }
}

/// The first names of a path or of a tree of paths: `a::b` is `a`; `{a::{b, c}, d}` are `a` and `d`.
fn heads(text: &str) -> Vec<String> {
    let name = |text: &str| {
        text.chars()
            .take_while(|c| c.is_alphanumeric() || *c == '_')
            .collect::<String>()
    };
    let Some(tree) = text.strip_prefix('{') else {
        return vec![name(text)];
    };
    let (mut depth, mut heads, mut start) = (0, Vec::new(), true);
    for (place, c) in tree.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => start = true,
            c if start && c.is_alphanumeric() => {
                heads.push(name(&tree[place..]));
                start = false;
            }
            _ => {}
        }
    }
    heads
}

/// Each layer, and what it never calls.
const NEVER: &[(&str, &str)] = &[
    (
        "domain",
        "graphql rest stripe standin demo cli app live gateway config directory worker",
    ),
    ("stripe", "graphql rest standin demo cli app live gateway config"),
    (
        "graphql",
        "rest stripe standin demo cli app gateway config directory db",
    ),
    ("rest", "graphql standin demo cli app gateway config"),
    (
        "auth",
        "graphql rest stripe domain db config directory live standin demo",
    ),
    (
        "standin",
        "graphql rest stripe domain db config directory live app auth demo cli",
    ),
    ("live", "rest stripe standin app gateway config demo cli"),
    ("gateway", "rest stripe standin app config demo cli"),
    ("callers", "graphql rest stripe standin app gateway config demo cli"),
    ("app", "standin demo cli"),
    ("db", "domain graphql rest stripe auth config app"),
    ("lease", "domain graphql rest stripe auth config app"),
    ("money", "domain graphql rest stripe auth db error clock"),
    ("clock", "domain graphql rest stripe auth db error money"),
];

/// Files that compute and do nothing else.
const PURE: &[&str] = &[
    "domain/attribution",
    "domain/calendar.rs",
    "domain/commission.rs",
    "domain/reports.rs",
    "domain/code_text.rs",
    "stripe/projection",
    "stripe/facts",
    "money.rs",
];

/// That no file of `places` but those of `doors` has any of these words.
fn nowhere(places: &[&str], doors: &[&str], words: &[&str]) {
    let sources = sources();
    for place in places.iter().chain(doors) {
        assert!(
            sources.iter().any(|source| source.is_in(&[place])),
            "there is no src/{place}"
        );
    }
    for source in sources
        .iter()
        .filter(|source| source.is_in(places) && !source.is_in(doors))
    {
        for word in words {
            assert!(!source.text.contains(word), "src/{} has {word}", source.path);
        }
    }
}

#[test]
fn calls_go_one_way() {
    let mut wrong = Vec::new();
    for source in sources() {
        let uses = source.uses();
        let never = NEVER
            .iter()
            .filter(|(layer, _)| *layer == source.layer())
            .flat_map(|(_, never)| never.split(' '));
        wrong.extend(
            never
                .filter(|it| uses.contains(*it))
                .map(|it| format!("src/{} uses {it}", source.path)),
        );
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_rules_know_no_protocol() {
    nowhere(
        &["domain/", "stripe/"],
        &[],
        &["axum::", "async_graphql_axum", "tungstenite"],
    );
}

#[test]
fn pure_files_know_no_database_no_clock_and_no_io() {
    let io = [
        "sea_orm",
        "crate::db",
        "Clock",
        "async ",
        ".await",
        "tokio",
        "std::fs",
        "std::net",
        "reqwest",
        "tracing::",
    ];
    nowhere(PURE, &[], &io);
}

#[test]
fn resolvers_and_handlers_come_to_rows_through_the_domain_alone() {
    // The loaders read, within the caller's brand, what rows that were found refer to. Health counts queues, of all brands.
    let doors = ["graphql/loaders/", "rest/health.rs"];
    let queries = [
        "EntityTrait",
        "Entity::",
        "::Entity",
        "QueryFilter",
        "ConnectionTrait",
        "ActiveModel",
        "sea_orm",
        "db.begin(",
        "tenancy::",
    ];
    nowhere(&["graphql/", "rest/"], &doors, &queries);
}

#[test]
fn the_domain_comes_to_tenants_rows_by_the_one_door() {
    let tables = [
        "campaign",
        "affiliate",
        "coupon",
        "conversion",
        "api_key",
        "audit_entry",
        "stripe_event",
        "affiliate_link",
        "click",
    ]
    .map(|table| format!(" {table}::Entity::find"));
    let tables: Vec<&str> = tables.iter().map(String::as_str).collect();
    // The door itself; and the figures, which read the rows of codes that were found through it.
    nowhere(
        &["domain/", "graphql/"],
        &["domain/tenancy.rs", "domain/stats.rs"],
        &tables,
    );
}

#[test]
fn loaders_never_ask_without_the_brand() {
    let sources = sources();
    let loaders = sources.iter().filter(|source| source.is_in(&["graphql/loaders/"]));
    let queries: Vec<&str> = loaders
        .flat_map(|source| source.text.split("::find()").skip(1))
        .collect();
    assert!(queries.len() > 5, "the loaders are found");
    for query in queries {
        let query = query.split(';').next().unwrap();
        assert!(
            query.contains("BrandId.eq(scope.brand)"),
            "a query without its brand: {query}"
        );
    }
}

#[test]
fn only_config_reads_the_environment() {
    nowhere(
        &[""],
        &["config/"],
        &["env::var", "env::vars", "env::set_var", "std::env::{"],
    );
}

#[test]
fn only_the_clock_reads_the_time_and_makes_ids() {
    nowhere(
        &[""],
        &["clock.rs"],
        &["Utc::now", "SystemTime", "Local::now", "now_v7", "new_v4", "new_v7"],
    );
}

#[test]
fn only_the_table_compares_roles() {
    for source in sources().iter().filter(|source| source.path != "auth/roles.rs") {
        for line in source.text.lines().filter(|line| line.contains("Role::")) {
            let compares = ["==", "!=", "=>", "matches!", "if let"]
                .iter()
                .any(|word| line.contains(word));
            assert!(!compares, "src/{}: {}", source.path, line.trim());
        }
    }
}
