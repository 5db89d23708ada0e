//! What dashboards draw.

use std::sync::Arc;

use async_graphql::{Context, Object};

use super::{
    super::{
        context::May,
        errors::graphql_error,
        figures::{DateTimeRangeInput, SalesFilter},
        leaderboards::{AffiliateStanding, CampaignStanding, CodeStanding, LeaderboardMetric},
        loaders::Loaders,
        series::{SalesComparison, SalesSeries, SeriesInterval},
    },
    parts,
};
use crate::{
    auth::Operation,
    domain::{
        figures::By,
        leaderboards::{self, LeaderboardInput, Standing},
        series,
    },
};

#[derive(Default)]
pub struct FigureQueries;

/// What reading figures costs, beside what is asked of each row.
const COST: usize = 20;

/// What of a page counts towards a query's complexity.
fn rows(first: i32) -> usize {
    usize::try_from(first.clamp(1, 100)).unwrap_or(100)
}

#[Object]
impl FigureQueries {
    /// The sales that you may see, by day, week or month in the brand's time zone; at most 400 buckets, else
    /// `BAD_USER_INPUT`. What is left out of the range: it ends with today, and begins 30 days before its end.
    #[graphql(guard = "May(Operation::ReadStats)", complexity = "COST + child_complexity")]
    async fn sales_series(
        &self,
        ctx: &Context<'_>,
        #[graphql(default_with = "SeriesInterval::Day", desc = "How long a bucket is.")] interval: SeriesInterval,
        #[graphql(desc = "When the sales occurred; its first and last bucket are cut to it.")] range: Option<
            DateTimeRangeInput,
        >,
        #[graphql(desc = "Which sales count; all without it.")] filter: Option<SalesFilter>,
    ) -> async_graphql::Result<SalesSeries> {
        let (domain, requester) = parts(ctx)?;
        let (range, filter) = (range.unwrap_or_default().into(), filter.unwrap_or_default().into());
        let series = series::series(domain, &requester.actor, interval.into(), range, &filter).await;
        series.map(SalesSeries).map_err(graphql_error)
    }

    /// The sales of a range beside those of the range of the same length right before, in the brand's time zone. The range
    /// is by default as in `salesSeries`.
    #[graphql(guard = "May(Operation::ReadStats)", complexity = "COST + child_complexity")]
    async fn sales_comparison(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "When the sales occurred.")] range: Option<DateTimeRangeInput>,
        #[graphql(desc = "Which sales count; all without it.")] filter: Option<SalesFilter>,
    ) -> async_graphql::Result<SalesComparison> {
        let (domain, requester) = parts(ctx)?;
        let (range, filter) = (range.unwrap_or_default().into(), filter.unwrap_or_default().into());
        let comparison = series::comparison(domain, &requester.actor, range, &filter).await;
        comparison.map(SalesComparison).map_err(graphql_error)
    }

    /// The affiliates that sold the most, the first one first. Not for affiliates, who do not see each other.
    #[graphql(
        guard = "May(Operation::ReadLeaderboards)",
        complexity = "COST + rows(first) * child_complexity"
    )]
    async fn top_affiliates(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "By what they are ordered.")] metric: LeaderboardMetric,
        #[graphql(desc = "ISO 4217, any case: needed for revenue and commission, and only for them.")] currency: Option<
            String,
        >,
        #[graphql(desc = "When the sales occurred; of all time without it.")] range: Option<DateTimeRangeInput>,
        #[graphql(desc = "Which sales count; all without it.")] filter: Option<SalesFilter>,
        #[graphql(default = 10, desc = "From 1 to 100.")] first: i32,
    ) -> async_graphql::Result<Vec<AffiliateStanding>> {
        let input = input(By::Affiliate, metric, currency, range, filter, first);
        standings(ctx, input, |standing, loaders| AffiliateStanding { standing, loaders }).await
    }

    /// The codes that sold the most, the first one first: by the uses of each, and the sales that it is credited for. Not
    /// for affiliates.
    #[graphql(
        guard = "May(Operation::ReadLeaderboards)",
        complexity = "COST + rows(first) * child_complexity"
    )]
    async fn top_codes(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "By what they are ordered.")] metric: LeaderboardMetric,
        #[graphql(desc = "ISO 4217, any case: needed for revenue and commission, and only for them.")] currency: Option<
            String,
        >,
        #[graphql(desc = "When the sales occurred; of all time without it.")] range: Option<DateTimeRangeInput>,
        #[graphql(desc = "Which sales count; all without it.")] filter: Option<SalesFilter>,
        #[graphql(default = 10, desc = "From 1 to 100.")] first: i32,
    ) -> async_graphql::Result<Vec<CodeStanding>> {
        let input = input(By::Code, metric, currency, range, filter, first);
        standings(ctx, input, |standing, loaders| CodeStanding { standing, loaders }).await
    }

    /// The campaigns that sold the most, the first one first; their shared codes count. Not for affiliates.
    #[graphql(
        guard = "May(Operation::ReadLeaderboards)",
        complexity = "COST + rows(first) * child_complexity"
    )]
    async fn top_campaigns(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "By what they are ordered.")] metric: LeaderboardMetric,
        #[graphql(desc = "ISO 4217, any case: needed for revenue and commission, and only for them.")] currency: Option<
            String,
        >,
        #[graphql(desc = "When the sales occurred; of all time without it.")] range: Option<DateTimeRangeInput>,
        #[graphql(desc = "Which sales count; all without it.")] filter: Option<SalesFilter>,
        #[graphql(default = 10, desc = "From 1 to 100.")] first: i32,
    ) -> async_graphql::Result<Vec<CampaignStanding>> {
        let input = input(By::Campaign, metric, currency, range, filter, first);
        standings(ctx, input, |standing, loaders| CampaignStanding { standing, loaders }).await
    }
}

fn input(
    by: By,
    metric: LeaderboardMetric,
    currency: Option<String>,
    range: Option<DateTimeRangeInput>,
    filter: Option<SalesFilter>,
    first: i32,
) -> LeaderboardInput {
    LeaderboardInput {
        by,
        metric: metric.into(),
        currency,
        first,
        period: range.unwrap_or_default().into(),
        filter: filter.unwrap_or_default().into(),
    }
}

async fn standings<T>(
    ctx: &Context<'_>,
    input: LeaderboardInput,
    place: impl Fn(Standing, Arc<Loaders>) -> T,
) -> async_graphql::Result<Vec<T>> {
    let (domain, requester) = parts(ctx)?;
    let standings = leaderboards::leaderboard(domain, &requester.actor, &input).await;
    let standings = standings.map_err(graphql_error)?.into_iter();
    Ok(standings
        .map(|standing| place(standing, requester.loaders.clone()))
        .collect())
}
