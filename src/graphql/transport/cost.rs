//! What an operation costs, and who pays for it before it runs.
//!
//! The cost is the schema's complexity, in which each field counts as often as its page has rows, and a point for each
//! hundred entries of answers about the schema itself. It is known before anything is read.

use std::{
    collections::HashSet,
    panic::AssertUnwindSafe,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use async_graphql::{
    Executor, Request, Response, ServerError, ValidationResult, Value, Variables,
    extensions::{Extension, ExtensionContext, ExtensionFactory, NextValidation},
    parser::types::{ExecutableDocument, Selection, SelectionSet},
    value,
};
use async_trait::async_trait;
use futures_util::FutureExt;

use super::{
    Gateway, Payer,
    errors::{self, Code},
    request::Operation,
};
use crate::budgets::{Budget, Exhausted};

/// What is paid for a document that is refused, and for a token that is not good.
pub(super) const REFUSED: u64 = 100;

/// Entries of answers about the schema that cost a point.
const ENTRIES: u64 = 100;

/// Makes of a schema one that checks and measures documents, and runs none. That is a schema of its own, since one with
/// an extension takes a slower way through each field.
pub struct Measure;

impl ExtensionFactory for Measure {
    fn create(&self) -> Arc<dyn Extension> {
        Arc::new(Measuring)
    }
}

struct Measuring;

/// The complexity of a document that is in order.
type Figure = Arc<AtomicUsize>;

#[async_trait]
impl Extension for Measuring {
    async fn validation(
        &self,
        ctx: &ExtensionContext<'_>,
        next: NextValidation<'_>,
    ) -> Result<ValidationResult, Vec<ServerError>> {
        let result = next.run(ctx).await?;
        ctx.data::<Figure>()
            .map_err(|error| vec![error.into_server_error(Default::default())])?
            .store(result.complexity, Ordering::Relaxed);
        // No error, and no execution.
        Err(Vec::new())
    }
}

/// What was paid.
pub(super) struct Toll {
    points: u64,
    pub(super) budget: Option<Budget>,
    /// The client asked to be told.
    told: bool,
}

impl Toll {
    /// Writes it into the answer, for a client that asked.
    pub(super) fn tell(&self, response: &mut Response) {
        if !self.told {
            return;
        }
        let number = |figure: fn(&Budget) -> u32| self.budget.as_ref().map_or(Value::Null, |it| figure(it).into());
        let cost = value!({
            "requested": self.points,
            "limit": number(|it| it.limit),
            "remaining": number(|it| it.remaining),
            "resetAfter": number(|it| it.reset_after),
        });
        response.extensions.insert("cost".to_owned(), cost);
    }
}

/// Checks an operation, and takes what it costs out of the payer's budget.
///
/// # Errors
/// What is wrong with the document; `RATE_LIMITED`.
pub(super) async fn pay<G: Gateway>(
    gateway: &G,
    operation: &mut Operation,
    payer: Payer<'_, G::Caller>,
) -> Result<Toll, Vec<ServerError>> {
    let measured = measure(gateway.measurer(), operation).await;
    let points = *measured.as_ref().unwrap_or(&REFUSED);
    let budget = gateway.charge(payer, points);
    let budget = budget.map_err(|exhausted| vec![refusal(exhausted)])?;
    Ok(Toll {
        points: measured?,
        budget,
        told: operation.wants_cost,
    })
}

async fn measure(measurer: &impl Executor, operation: &mut Operation) -> Result<u64, Vec<ServerError>> {
    let figure = Figure::default();
    let asked = &mut operation.request;
    let document = asked.parsed_query().map_err(|error| vec![error])?.clone();
    leave_out_sizes(&document, &mut asked.variables);
    let mut request = Request::new("").variables(asked.variables.clone()).data(figure.clone());
    request.operation_name = asked.operation_name.clone();
    request.set_parsed_query(document);
    let checked = AssertUnwindSafe(measurer.execute(request)).catch_unwind().await;
    let errors = match checked {
        Ok(response) => response.errors,
        Err(_) => vec![errors::error("a document could not be checked", Code::Internal)],
    };
    if !errors.is_empty() {
        return Err(errors);
    }
    let complexity = u64::try_from(figure.load(Ordering::Relaxed)).unwrap_or(u64::MAX);
    Ok(complexity.max(1).saturating_add(operation.entries / ENTRIES))
}

/// Gives null to variables that were left out and size a page. GraphQL lets a nullable one be left out, and the argument is
/// then as if it were not there; the schema's complexity would refuse the document.
fn leave_out_sizes(document: &ExecutableDocument, variables: &mut Variables) {
    let operations: Vec<_> = document.operations.iter().map(|(_, it)| &it.node).collect();
    let fragments = document.fragments.values().map(|it| &it.node.selection_set.node);
    let mut found = HashSet::new();
    for set in operations.iter().map(|it| &it.selection_set.node).chain(fragments) {
        sizes(set, &mut found);
    }
    for definition in operations
        .iter()
        .flat_map(|it| &it.variable_definitions)
        .map(|it| &it.node)
    {
        let name = &definition.name.node;
        let may_be_left_out = definition.var_type.node.nullable && definition.default_value.is_none();
        if may_be_left_out && !variables.contains_key(name) && found.contains(&format!("${name}")) {
            variables.insert(name.clone(), Value::Null);
        }
    }
}

/// What sizes pages, as it is written.
fn sizes(set: &SelectionSet, found: &mut HashSet<String>) {
    for selection in &set.items {
        match &selection.node {
            Selection::Field(field) => {
                let given = ["first", "last"].map(|name| field.node.get_argument(name));
                found.extend(given.into_iter().flatten().map(|size| size.node.to_string()));
                sizes(&field.node.selection_set.node, found);
            }
            Selection::InlineFragment(fragment) => sizes(&fragment.node.selection_set.node, found),
            Selection::FragmentSpread(_) => {}
        }
    }
}

/// The words of a refusal, for errors of either form.
pub(super) fn words(exhausted: Exhausted) -> String {
    format!(
        "the budget is spent: try again in {} seconds, or ask for less",
        exhausted.retry_after
    )
}

pub(super) fn refusal(exhausted: Exhausted) -> ServerError {
    let mut error = errors::error(words(exhausted), Code::RateLimited);
    let extensions = error.extensions.get_or_insert_default();
    extensions.set("retryAfter", exhausted.retry_after);
    error
}
