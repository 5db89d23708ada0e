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
};
use crate::domain::Domain;
use codes::CodeQueries;
use figures::FigureQueries;
use operating::OperatingQueries;
use programs::ProgramQueries;
use sales::SaleQueries;

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
    /// An object by its global id; null for an unknown one and for one that is not yours.
    async fn node(&self, ctx: &Context<'_>, id: ID) -> Maybe<Node> {
        node::find(ctx, &id).await.map_err(graphql_error).transpose()
    }
}
