//! The schema and its limits.

use async_graphql::Schema;

use super::{mutation::Mutation, query::Query, subscription::Subscriptions};

pub type RekomiSchema = Schema<Query, Mutation, Subscriptions>;

/// The standard introspection query is 15 deep.
const MAX_DEPTH: usize = 20;
/// Fields, each counted as often as its page has rows.
const MAX_COMPLEXITY: usize = 30_000;
const MAX_ALIASES: usize = 100;

pub fn build() -> RekomiSchema {
    Schema::build(Query::default(), Mutation::default(), Subscriptions)
        .limit_depth(MAX_DEPTH)
        .limit_complexity(MAX_COMPLEXITY)
        .limit_aliases(MAX_ALIASES)
        .finish()
}

/// The schema definition language, as `schema.graphql` has it.
pub fn sdl() -> String {
    build().sdl()
}
