//! Campaigns, coupons and affiliates.

use std::sync::Arc;

use async_graphql::{Context, ID, Object};

use super::{
    super::{
        affiliates::{Affiliate, AffiliateFilter},
        campaigns::Campaign,
        connection::{self, List, Maybe, Total, list, look_up},
        context::May,
        coupons::CampaignCoupon,
        orders::AffiliateOrder,
        scalars::{filter_id, id},
    },
    parts,
};
use crate::{
    auth::Operation,
    domain::{
        affiliates, campaigns,
        coupons::{self, CouponFilter},
        page::Place,
    },
};

#[derive(Default)]
pub struct ProgramQueries;

#[Object]
impl ProgramQueries {
    /// The campaigns that you may see, oldest first.
    #[graphql(
        guard = "May(Operation::ReadCampaigns)",
        complexity = "2 + connection::rows(first, last) * child_complexity"
    )]
    async fn campaigns(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many from the start, 1 to 100; 50 where neither `first` nor `last` is given.")]
        first: Option<i32>,
        #[graphql(desc = "Only what comes after this cursor.")] after: Option<String>,
        #[graphql(desc = "How many from the end, 1 to 100. Not together with `first`.")] last: Option<i32>,
        #[graphql(desc = "Only what comes before this cursor.")] before: Option<String>,
    ) -> async_graphql::Result<List<Campaign>> {
        let (domain, requester) = parts(ctx)?;
        let page = campaigns::list(domain, &requester.actor, &connection::args(first, after, last, before)).await;
        let loaders = requester.loaders.clone();
        let node = |row| Campaign {
            row: Arc::new(row),
            loaders: loaders.clone(),
        };
        list(page, Total::Campaigns, |row| Place::of(row.id.0), node)
    }

    /// A campaign by id; null for an unknown one and for one that is not yours.
    #[graphql(guard = "May(Operation::ReadCampaigns)")]
    async fn campaign(
        &self,
        ctx: &Context<'_>,
        #[graphql(name = "id", desc = "`cmp_…`")] given: ID,
    ) -> Maybe<Campaign> {
        let (domain, requester) = match parts(ctx) {
            Ok(parts) => parts,
            Err(error) => return Some(Err(error)),
        };
        let node = |row| Campaign {
            row: Arc::new(row),
            loaders: requester.loaders.clone(),
        };
        look_up(
            id(&given),
            async |id| campaigns::get(domain, &requester.actor, id).await,
            node,
        )
        .await
    }

    /// What the caller may see: an affiliate sees those of its campaigns that it may mint on or has codes on.
    #[graphql(
        guard = "May(Operation::ReadCoupons)",
        complexity = "2 + connection::rows(first, last) * child_complexity"
    )]
    #[expect(clippy::too_many_arguments, reason = "the arguments of the field")]
    async fn campaign_coupons(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Of this campaign alone.")] campaign_id: Option<ID>,
        #[graphql(default = false, desc = "Whether those too that are archived.")] include_archived: bool,
        #[graphql(desc = "How many from the start, 1 to 100; 50 where neither `first` nor `last` is given.")]
        first: Option<i32>,
        #[graphql(desc = "Only what comes after this cursor.")] after: Option<String>,
        #[graphql(desc = "How many from the end, 1 to 100. Not together with `first`.")] last: Option<i32>,
        #[graphql(desc = "Only what comes before this cursor.")] before: Option<String>,
    ) -> async_graphql::Result<List<CampaignCoupon>> {
        let (domain, requester) = parts(ctx)?;
        let filter = CouponFilter {
            campaign_id: filter_id(campaign_id.as_ref()),
            include_archived,
        };
        let args = connection::args(first, after, last, before);
        let page = coupons::list(domain, &requester.actor, &filter, &args).await;
        let loaders = requester.loaders.clone();
        let node = |row| CampaignCoupon {
            row: Arc::new(row),
            loaders: loaders.clone(),
        };
        list(page, Total::Coupons(filter), |row| Place::of(row.id.0), node)
    }

    /// The affiliates that you may see; for an affiliate, itself alone.
    #[graphql(
        guard = "May(Operation::ReadAffiliates)",
        complexity = "2 + connection::rows(first, last) * child_complexity"
    )]
    #[expect(clippy::too_many_arguments, reason = "the arguments of the field")]
    async fn affiliates(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which affiliates; left out: all.")] filter: Option<AffiliateFilter>,
        #[graphql(desc = "Left out: oldest first.")] order_by: Option<AffiliateOrder>,
        #[graphql(desc = "How many from the start, 1 to 100; 50 where neither `first` nor `last` is given.")]
        first: Option<i32>,
        #[graphql(desc = "Only what comes after this cursor.")] after: Option<String>,
        #[graphql(desc = "How many from the end, 1 to 100. Not together with `first`.")] last: Option<i32>,
        #[graphql(desc = "Only what comes before this cursor.")] before: Option<String>,
    ) -> async_graphql::Result<List<Affiliate>> {
        let (domain, requester) = parts(ctx)?;
        let filter: affiliates::AffiliateFilter = filter.unwrap_or_default().into();
        let order = affiliates::order(order_by.map(Into::into));
        let args = connection::args(first, after, last, before);
        let page = affiliates::list(domain, &requester.actor, &filter, order, &args).await;
        let loaders = requester.loaders.clone();
        let node = |row| Affiliate {
            row: Arc::new(row),
            loaders: loaders.clone(),
        };
        list(page, Total::Affiliates(filter), |row| order.place(row), node)
    }

    /// An affiliate by id; null for an unknown one and for one that is not yours.
    #[graphql(guard = "May(Operation::ReadAffiliates)")]
    async fn affiliate(
        &self,
        ctx: &Context<'_>,
        #[graphql(name = "id", desc = "`aff_…`")] given: ID,
    ) -> Maybe<Affiliate> {
        let (domain, requester) = match parts(ctx) {
            Ok(parts) => parts,
            Err(error) => return Some(Err(error)),
        };
        let node = |row| Affiliate {
            row: Arc::new(row),
            loaders: requester.loaders.clone(),
        };
        look_up(
            id(&given),
            async |id| affiliates::get(domain, &requester.actor, id).await,
            node,
        )
        .await
    }
}
