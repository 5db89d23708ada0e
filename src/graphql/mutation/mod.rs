//! The mutation root, in parts: one input, and a payload with the object or what to mend.

mod codes;
mod earnings;
mod operating;
mod programs;
mod sales;

use std::sync::Arc;

use async_graphql::{Context, MergedObject};

use super::{context::ContextExt, loaders::Loaders};
use crate::{
    auth::Actor,
    domain::Domain,
    error::{Error, Result},
};
use codes::CodeMutations;
use earnings::EarningMutations;
use operating::OperatingMutations;
use programs::ProgramMutations;
use sales::SaleMutations;

/// What can be changed. Each takes one `input`, and answers with the object or with `userErrors` that say what to mend.
#[derive(MergedObject, Default)]
pub struct Mutation(
    ProgramMutations,
    CodeMutations,
    SaleMutations,
    EarningMutations,
    OperatingMutations,
);

/// Calls a domain function with the caller.
async fn call<T>(
    ctx: &Context<'_>,
    function: impl AsyncFnOnce(&Domain, &Actor) -> Result<T>,
) -> Result<(T, Arc<Loaders>)> {
    let (domain, requester) = (ctx.domain()?, ctx.requester()?);
    let done = function(domain, &requester.actor).await?;
    // New loaders: a mutation before this one, in the same request, must not show through.
    Ok((done, Arc::new(Loaders::new(domain, requester.actor.scope))))
}

/// An id that could not be read is answered like one that does not exist.
fn known<T>(id: Option<T>) -> Result<T> {
    id.ok_or_else(|| Error::not_found(&["id"]))
}

macro_rules! node {
    ($node:ident) => {
        |(row, loaders)| $node {
            row: std::sync::Arc::new(row),
            loaders,
        }
    };
}
use node;
