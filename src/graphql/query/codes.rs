//! Codes, what holds for them, and their figures.

use std::sync::Arc;

use async_graphql::{Context, ID, Object};

use super::{
    super::{
        code_settings::CodeSettings,
        codes::AffiliateCode,
        connection::{self, List, Total, list},
        context::May,
        errors::graphql_error,
        orders::AffiliateCodeOrder,
        scalars::filter_id,
        stats::{CodeRedemptionStats, CodeRedemptionStatsFilter},
    },
    parts,
};
use crate::{
    auth::Operation,
    domain::{
        self, code_settings,
        codes::{self, CodeFilter},
    },
};

#[derive(Default)]
pub struct CodeQueries;

#[Object]
impl CodeQueries {
    /// The codes that you may see, oldest first; deleted ones are left out.
    #[graphql(
        guard = "May(Operation::ReadCodes)",
        complexity = "2 + connection::rows(first, last) * child_complexity"
    )]
    #[expect(clippy::too_many_arguments, reason = "the arguments of the field")]
    async fn affiliate_codes(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Of this affiliate alone.")] affiliate_id: Option<ID>,
        #[graphql(desc = "On this coupon alone.")] coupon_id: Option<ID>,
        #[graphql(desc = "Left out: oldest first.")] order_by: Option<AffiliateCodeOrder>,
        #[graphql(desc = "How many from the start, 1 to 100; 50 where neither `first` nor `last` is given.")]
        first: Option<i32>,
        #[graphql(desc = "Only what comes after this cursor.")] after: Option<String>,
        #[graphql(desc = "How many from the end, 1 to 100. Not together with `first`.")] last: Option<i32>,
        #[graphql(desc = "Only what comes before this cursor.")] before: Option<String>,
    ) -> async_graphql::Result<List<AffiliateCode>> {
        let (domain, requester) = parts(ctx)?;
        let filter = CodeFilter {
            affiliate_id: filter_id(affiliate_id.as_ref()),
            coupon_id: filter_id(coupon_id.as_ref()),
            ..CodeFilter::default()
        };
        let args = connection::args(first, after, last, before);
        let order = codes::order(order_by.map(Into::into));
        let page = codes::list(domain, &requester.actor, &filter, order, &args).await;
        let node = |row| AffiliateCode::new(row, &requester.loaders);
        list(page, Total::Codes(filter), |row| order.place(row), node)
    }

    /// What holds for the codes that affiliates mint themselves. For all who read codes.
    #[graphql(guard = "May(Operation::ReadCodes)")]
    async fn code_settings(&self, ctx: &Context<'_>) -> async_graphql::Result<CodeSettings> {
        let (domain, requester) = parts(ctx)?;
        let settings = code_settings::get(domain, &requester.actor).await;
        settings.map(CodeSettings::from).map_err(graphql_error)
    }

    /// Figures per code, those never used included, oldest code first. A deleted code is there where it has figures in the
    /// range, so that the sums are whole.
    #[graphql(
        guard = "May(Operation::ReadStats)",
        complexity = "2 + connection::rows(first, last) * child_complexity"
    )]
    #[expect(clippy::too_many_arguments, reason = "the arguments of the field")]
    async fn code_redemption_stats(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which codes, and which of their sales; left out: all.")] filter: Option<
            CodeRedemptionStatsFilter,
        >,
        #[graphql(desc = "Left out: oldest code first.")] order_by: Option<AffiliateCodeOrder>,
        #[graphql(desc = "How many from the start, 1 to 100; 50 where neither `first` nor `last` is given.")]
        first: Option<i32>,
        #[graphql(desc = "Only what comes after this cursor.")] after: Option<String>,
        #[graphql(desc = "How many from the end, 1 to 100. Not together with `first`.")] last: Option<i32>,
        #[graphql(desc = "Only what comes before this cursor.")] before: Option<String>,
    ) -> async_graphql::Result<List<CodeRedemptionStats>> {
        let (domain, requester) = parts(ctx)?;
        let (filter, period) = filter.unwrap_or_default().decode();
        let args = connection::args(first, after, last, before);
        let order = codes::order(order_by.map(Into::into));
        let page = domain::stats::list(domain, &requester.actor, &filter, period, order, &args).await;
        let node = |stats| CodeRedemptionStats {
            stats: Arc::new(stats),
            loaders: requester.loaders.clone(),
        };
        let place = |stats: &domain::stats::CodeStats| order.place(&stats.code);
        list(page, Total::Stats(filter, period), place, node)
    }
}
