//! Holds the layers apart, by reading the code: calls go one way, and the pure files call nothing that does I/O.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// A file of `src`, without its tests.
struct Source {
    /// Below `src`, with slashes.
    path: String,
    text: String,
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    collect(&root, &mut files);
    assert!(files.len() > 60, "the code was not found");
    let read = |file: PathBuf| {
        let path = file.strip_prefix(&root).unwrap().to_str().unwrap().replace('\\', "/");
        let text = fs::read_to_string(&file).unwrap();
        let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
        Source {
            path,
            text: code.to_owned(),
        }
    };
    files.into_iter().map(read).collect()
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// The files below `within` that mention any of `words`, but for those that may.
fn offenders(within: &[&str], words: &[&str], allowed: &[&str]) -> Vec<String> {
    let sources = sources();
    for path in within.iter().chain(allowed) {
        assert!(
            sources.iter().any(|source| source.path.starts_with(path)),
            "there is no {path}"
        );
    }
    let found = sources
        .iter()
        .filter(|source| within.iter().any(|path| source.path.starts_with(path)));
    let found = found.filter(|source| !allowed.contains(&source.path.as_str()));
    let mut offenders = Vec::new();
    for source in found {
        // Comments may speak of anything.
        let code: String = source
            .text
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"))
            .collect::<Vec<_>>()
            .join("\n");
        let hits = words.iter().filter(|word| mentions(&code, word));
        offenders.extend(hits.map(|word| format!("{}: {word}", source.path)));
    }
    offenders
}

/// Whether a word stands in the code, and not as the end of a longer one.
fn mentions(code: &str, word: &str) -> bool {
    code.match_indices(word).any(|(at, _)| {
        let before = code.get(..at).and_then(|text| text.chars().next_back());
        !before.is_some_and(|c| c.is_alphanumeric() || c == '_') || !word.starts_with(char::is_alphanumeric)
    })
}

const NONE: Vec<String> = Vec::new();

#[test]
fn the_rules_know_neither_protocols_nor_stripe() {
    let protocols = [
        "graphql::",
        "rest::",
        "stripe::",
        "live::",
        "axum::",
        "app::",
        "gateway::",
    ];
    assert_eq!(offenders(&["domain/"], &protocols, &[]), NONE);
}

#[test]
fn the_pure_files_do_no_io() {
    let pure = [
        "domain/attribution.rs",
        "domain/commission.rs",
        "domain/code_text.rs",
        "money.rs",
        "stripe/projection/",
        "stripe/facts/",
    ];
    let io = [
        "sea_orm",
        "crate::db",
        "Clock",
        "async ",
        "tokio",
        "std::fs",
        "std::net",
        "reqwest",
        "Utc::now",
    ];
    assert_eq!(offenders(&pure, &io, &[]), NONE);
}

#[test]
fn protocols_reach_rows_only_through_the_rules() {
    let queries = [
        "Entity::find",
        "Entity::insert",
        "Entity::update",
        "Entity::delete",
        "execute_raw",
        "query_all",
    ];
    // The loaders read what found rows refer to, by brand; the health page counts queues for the operator.
    let allowed = ["graphql/loaders.rs", "rest/health.rs"];
    assert_eq!(offenders(&["graphql/", "rest/"], &queries, &allowed), NONE);
    assert_eq!(
        offenders(
            &["graphql/", "rest/"],
            &["db.begin(", "tenancy::"],
            &["graphql/loaders.rs"]
        ),
        NONE
    );
}

#[test]
fn only_the_finder_and_the_loaders_read_tenants_rows_for_callers() {
    let tables = [
        "campaign::Entity::find",
        "affiliate::Entity::find",
        "coupon::Entity::find",
        "conversion::Entity::find",
    ];
    // The finder itself; and the figures, which read the rows of codes that were found through it.
    assert_eq!(
        offenders(&["domain/"], &tables, &["domain/tenancy.rs", "domain/stats.rs"]),
        NONE
    );
    assert_eq!(offenders(&["graphql/"], &tables, &[]), NONE);
}

#[test]
fn roles_are_compared_in_one_file() {
    let comparisons = [
        "== Role::",
        "!= Role::",
        "Role::Owner =>",
        "Role::Manager =>",
        "Role::Analyst =>",
        "Role::Affiliate =>",
        "matches!(role",
    ];
    assert_eq!(offenders(&[""], &comparisons, &["auth/roles.rs"]), NONE);
}

#[test]
fn the_environment_is_read_in_one_file() {
    assert_eq!(offenders(&[""], &["env::var"], &["config.rs"]), NONE);
}

#[test]
fn the_demo_and_the_stand_in_are_used_by_nothing_that_serves() {
    let serving = [
        "domain/",
        "graphql/",
        "rest/",
        "stripe/",
        "auth/",
        "app.rs",
        "live.rs",
        "gateway.rs",
    ];
    assert_eq!(offenders(&serving, &["standin::", "demo::"], &[]), NONE);
}
