//! The query root, in parts.

mod codes;
mod figures;
mod operating;
mod programs;
mod sales;

use async_graphql::{Context, ID, MergedObject, Object};

use super::{
    connection::Maybe,
    context::{ContextExt, Requester},
    errors::graphql_error,
    node::{self, Node},
    viewer::Viewer,
};
use crate::domain::Domain;
use codes::CodeQueries;
use figures::FigureQueries;
use operating::OperatingQueries;
use programs::ProgramQueries;
use sales::SaleQueries;

/// What can be read: one brand's rows, of one mode, as the request's token or key says.
#[derive(MergedObject, Default)]
pub struct Query(
    NodeQuery,
    ProgramQueries,
    CodeQueries,
    SaleQueries,
    FigureQueries,
    OperatingQueries,
);

pub(super) fn parts<'a>(ctx: &'a Context<'_>) -> async_graphql::Result<(&'a Domain, &'a Requester)> {
    let parts = ctx.domain().and_then(|domain| Ok((domain, ctx.requester()?)));
    parts.map_err(graphql_error)
}

#[derive(Default)]
pub struct NodeQuery;

#[Object]
impl NodeQuery {
    /// An object by its global id; null for an unknown one and for one that is not yours. `FORBIDDEN` for a kind that you may
    /// not read.
    async fn node(&self, ctx: &Context<'_>, #[graphql(desc = "Of any kind.")] id: ID) -> Maybe<Node> {
        match node::find(ctx, &[id]).await {
            Ok(mut found) => found.pop().flatten(),
            Err(error) => Some(Err(graphql_error(error))),
        }
    }

    /// Objects by their global ids, in the order of the ids: null for an unknown one and for one that is not yours, and with an
    /// error `FORBIDDEN` in its place for a kind that you may not read.
    #[graphql(complexity = "2 + ids.len() * child_complexity")]
    async fn nodes(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Of any kinds; at most 100.")] ids: Vec<ID>,
    ) -> async_graphql::Result<Vec<Maybe<Node>>> {
        node::find(ctx, &ids).await.map_err(graphql_error)
    }

    /// Who you are, and what you may do.
    async fn viewer(&self, ctx: &Context<'_>) -> async_graphql::Result<Viewer> {
        let (_, requester) = parts(ctx)?;
        Ok(Viewer {
            requester: requester.clone(),
        })
    }
}
