//! The schema and its limits.

use async_graphql::{Schema, SchemaBuilder, ValidationMode};

use super::{mutation::Mutation, query::Query, subscription::Subscriptions, transport::Measure};

pub type RekomiSchema = Schema<Query, Mutation, Subscriptions>;

/// The standard introspection query is 15 deep.
const MAX_DEPTH: usize = 20;
/// Fields, each counted as often as its page has rows.
const MAX_COMPLEXITY: usize = 30_000;
const MAX_ALIASES: usize = 100;
/// On one field.
const MAX_DIRECTIVES: usize = 10;

/// The schema twice: an operation is checked and measured by one, and run by the other.
#[derive(Clone)]
pub struct Schemas {
    /// Has the limits.
    pub measuring: RekomiSchema,
    /// Takes it that what comes was checked.
    pub executing: RekomiSchema,
}

impl Schemas {
    /// Without `suggestions` a name that is not there is refused without naming those that are.
    pub fn new(suggestions: bool) -> Self {
        let measuring = builder()
            .limit_depth(MAX_DEPTH)
            .limit_complexity(MAX_COMPLEXITY)
            .limit_aliases(MAX_ALIASES)
            .limit_directives(MAX_DIRECTIVES)
            .extension(Measure);
        let measuring = if suggestions {
            measuring
        } else {
            measuring.disable_suggestions()
        };
        Self {
            measuring: measuring.finish(),
            executing: builder().validation_mode(ValidationMode::Fast).finish(),
        }
    }
}

fn builder() -> SchemaBuilder<Query, Mutation, Subscriptions> {
    Schema::build(Query::default(), Mutation::default(), Subscriptions)
}

/// The schema definition language, as `schema.graphql` has it.
pub fn sdl() -> String {
    builder().finish().sdl()
}
