//! Clicks, conversions and the ledger.

use std::sync::Arc;

use async_graphql::{Context, ID, Object};

use super::{
    super::{
        connection::{self, List, Maybe, Total, list, look_up},
        context::{ContextExt, May},
        conversions::{Conversion, ConversionFilter},
        errors::graphql_error,
        ledger::{LedgerEntry, LedgerEntryKind},
        links::Click,
        orders::{ConversionOrder, LedgerEntryOrder},
        scalars::{filter_id, id},
        simulation::{self, AttributionSimulation, SimulateAttributionInput},
    },
    parts,
};
use crate::{
    auth::Operation,
    domain::{
        self,
        clicks::{self, ClickFilter},
        conversions,
        ledger::{self, LedgerFilter},
        page::Place,
    },
    error::Error,
};

#[derive(Default)]
pub struct SaleQueries;

#[Object]
impl SaleQueries {
    /// Who followed the links that you may see, newest first. Of both modes: a click does not know what will be paid with.
    #[graphql(
        guard = "May(Operation::ReadClicks)",
        complexity = "2 + connection::rows(first, last) * child_complexity"
    )]
    #[expect(clippy::too_many_arguments, reason = "the arguments of the field")]
    async fn clicks(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Of this affiliate alone.")] affiliate_id: Option<ID>,
        #[graphql(desc = "Of this campaign alone.")] campaign_id: Option<ID>,
        #[graphql(desc = "How many from the start, 1 to 100; 50 where neither `first` nor `last` is given.")]
        first: Option<i32>,
        #[graphql(desc = "Only what comes after this cursor.")] after: Option<String>,
        #[graphql(desc = "How many from the end, 1 to 100. Not together with `first`.")] last: Option<i32>,
        #[graphql(desc = "Only what comes before this cursor.")] before: Option<String>,
    ) -> async_graphql::Result<List<Click>> {
        let (domain, requester) = parts(ctx)?;
        let filter = ClickFilter {
            affiliate_id: filter_id(affiliate_id.as_ref()),
            campaign_id: filter_id(campaign_id.as_ref()),
        };
        let args = connection::args(first, after, last, before);
        let page = clicks::list(domain, &requester.actor, &filter, &args).await;
        let place = |row: &entity::click::Model| Place::at(row.clicked_at, row.id.0);
        let node = |row| Click {
            row: Arc::new(row),
            loaders: requester.loaders.clone(),
        };
        list(page, Total::Clicks(filter), place, node)
    }

    /// The conversions that you may see, the newest sale first.
    #[graphql(
        guard = "May(Operation::ReadConversions)",
        complexity = "2 + connection::rows(first, last) * child_complexity"
    )]
    #[expect(clippy::too_many_arguments, reason = "the arguments of the field")]
    async fn conversions(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which conversions; left out: all.")] filter: Option<ConversionFilter>,
        #[graphql(desc = "Left out: the newest sale first.")] order_by: Option<ConversionOrder>,
        #[graphql(desc = "How many from the start, 1 to 100; 50 where neither `first` nor `last` is given.")]
        first: Option<i32>,
        #[graphql(desc = "Only what comes after this cursor.")] after: Option<String>,
        #[graphql(desc = "How many from the end, 1 to 100. Not together with `first`.")] last: Option<i32>,
        #[graphql(desc = "Only what comes before this cursor.")] before: Option<String>,
    ) -> async_graphql::Result<List<Conversion>> {
        let (domain, requester) = parts(ctx)?;
        let filter: domain::conversions::ConversionFilter = filter.unwrap_or_default().into();
        let args = connection::args(first, after, last, before);
        let order = conversions::order(order_by.map(Into::into));
        let page = conversions::list(domain, &requester.actor, &filter, order, &args).await;
        let node = |row| Conversion::new(row, &requester.loaders);
        list(page, Total::Conversions(Box::new(filter)), |row| order.place(row), node)
    }

    /// A conversion by id; null for an unknown one and for one that is not yours.
    #[graphql(guard = "May(Operation::ReadConversions)")]
    async fn conversion(
        &self,
        ctx: &Context<'_>,
        #[graphql(name = "id", desc = "`cnv_…`")] given: ID,
    ) -> Maybe<Conversion> {
        let (domain, requester) = match parts(ctx) {
            Ok(parts) => parts,
            Err(error) => return Some(Err(error)),
        };
        let node = |row| Conversion::new(row, &requester.loaders);
        look_up(
            id(&given),
            async |id| conversions::get(domain, &requester.actor, id).await,
            node,
        )
        .await
    }

    /// Where a subscription must start so that nothing between this answer and it is missed.
    #[graphql(guard = "May(Operation::ReadFeed)")]
    async fn feed_cursor(&self, ctx: &Context<'_>) -> async_graphql::Result<String> {
        let missing = || graphql_error(Error::Internal("the feed's cursor was not taken".into()));
        match &ctx.state().map_err(graphql_error)?.feed_cursor {
            Some(Ok(cursor)) => Ok(cursor.clone()),
            Some(Err(error)) => Err(graphql_error(Error::Internal(error.to_string()))),
            None => Err(missing()),
        }
    }

    /// Who would be credited for a sale, and why. Nothing is recorded.
    #[graphql(guard = "May(Operation::SimulateAttribution)", complexity = "10 + child_complexity")]
    async fn simulate_attribution(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The sale.")] input: SimulateAttributionInput,
    ) -> async_graphql::Result<AttributionSimulation> {
        simulation::simulate(ctx, input).await
    }

    /// The entries of the ledger that you may see, oldest first; for an affiliate, its own.
    #[graphql(
        guard = "May(Operation::ReadLedger)",
        complexity = "2 + connection::rows(first, last) * child_complexity"
    )]
    #[expect(clippy::too_many_arguments, reason = "the arguments of the field")]
    async fn ledger_entries(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Of this affiliate alone.")] affiliate_id: Option<ID>,
        #[graphql(desc = "About this conversion alone.")] conversion_id: Option<ID>,
        #[graphql(desc = "Of any of these kinds.")] kind: Option<Vec<LedgerEntryKind>>,
        #[graphql(desc = "Left out: oldest first.")] order_by: Option<LedgerEntryOrder>,
        #[graphql(desc = "How many from the start, 1 to 100; 50 where neither `first` nor `last` is given.")]
        first: Option<i32>,
        #[graphql(desc = "Only what comes after this cursor.")] after: Option<String>,
        #[graphql(desc = "How many from the end, 1 to 100. Not together with `first`.")] last: Option<i32>,
        #[graphql(desc = "Only what comes before this cursor.")] before: Option<String>,
    ) -> async_graphql::Result<List<LedgerEntry>> {
        let (domain, requester) = parts(ctx)?;
        let filter = LedgerFilter {
            affiliate_id: filter_id(affiliate_id.as_ref()),
            conversion_id: filter_id(conversion_id.as_ref()),
            kind: kind.map(|kinds| kinds.into_iter().map(Into::into).collect()),
        };
        let args = connection::args(first, after, last, before);
        let order = ledger::order(order_by.map(Into::into));
        let page = ledger::list(domain, &requester.actor, &filter, order, &args).await;
        let node = |row| LedgerEntry {
            row: Arc::new(row),
            loaders: requester.loaders.clone(),
        };
        list(page, Total::Ledger(Box::new(filter)), |row| order.place(row), node)
    }
}
