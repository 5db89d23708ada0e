//! The query root.

use std::sync::Arc;

use async_graphql::{Context, ID, Object};

use super::{
    affiliates::Affiliate,
    api_keys::ApiKey,
    audit::{AuditEntry, AuditLogFilter},
    campaigns::Campaign,
    code_settings::CodeSettings,
    codes::AffiliateCode,
    connection::{self, List, Maybe, Total, list, look_up},
    context::{ContextExt, May, Requester},
    conversions::{Conversion, ConversionFilter},
    coupons::CampaignCoupon,
    errors::graphql_error,
    inbox::{StripeEvent, StripeEventFilter, StripeInbox},
    ledger::{LedgerEntry, LedgerEntryKind},
    links::Click,
    node::{self, Node},
    scalars::{filter_id, id},
    simulation::{self, AttributionSimulation, SimulateAttributionInput},
    stats::{CodeRedemptionStats, CodeRedemptionStatsFilter},
};
use crate::{
    auth::Operation,
    domain::{
        self, Domain, affiliates, api_keys,
        audit::{self, AuditFilter},
        campaigns,
        clicks::{self, ClickFilter},
        code_settings, codes,
        codes::CodeFilter,
        conversions, coupons,
        coupons::CouponFilter,
        inbox::{self, EventFilter},
        ledger::{self, LedgerFilter},
        page::Place,
    },
    error::Error,
};

pub struct Query;

pub(super) fn parts<'a>(ctx: &'a Context<'_>) -> async_graphql::Result<(&'a Domain, &'a Requester)> {
    let parts = ctx.domain().and_then(|domain| Ok((domain, ctx.requester()?)));
    parts.map_err(graphql_error)
}

#[Object]
impl Query {
    /// An object by its global id; null for an unknown one and for one that is not yours.
    async fn node(&self, ctx: &Context<'_>, id: ID) -> Maybe<Node> {
        node::find(ctx, &id).await.map_err(graphql_error).transpose()
    }

    /// The campaigns that you may see, oldest first.
    #[graphql(
        guard = "May(Operation::ReadCampaigns)",
        complexity = "2 + connection::rows(first, last) * child_complexity"
    )]
    async fn campaigns(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
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
    async fn campaign(&self, ctx: &Context<'_>, #[graphql(name = "id")] given: ID) -> Maybe<Campaign> {
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
        campaign_id: Option<ID>,
        #[graphql(default = false)] include_archived: bool,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
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

    /// The affiliates that you may see, oldest first; for an affiliate, itself alone.
    #[graphql(
        guard = "May(Operation::ReadAffiliates)",
        complexity = "2 + connection::rows(first, last) * child_complexity"
    )]
    async fn affiliates(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> async_graphql::Result<List<Affiliate>> {
        let (domain, requester) = parts(ctx)?;
        let page = affiliates::list(domain, &requester.actor, &connection::args(first, after, last, before)).await;
        let loaders = requester.loaders.clone();
        let node = |row| Affiliate {
            row: Arc::new(row),
            loaders: loaders.clone(),
        };
        list(page, Total::Affiliates, |row| Place::of(row.id.0), node)
    }

    /// An affiliate by id; null for an unknown one and for one that is not yours.
    #[graphql(guard = "May(Operation::ReadAffiliates)")]
    async fn affiliate(&self, ctx: &Context<'_>, #[graphql(name = "id")] given: ID) -> Maybe<Affiliate> {
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

    /// The codes that you may see, oldest first; deleted ones are left out.
    #[graphql(
        guard = "May(Operation::ReadCodes)",
        complexity = "2 + connection::rows(first, last) * child_complexity"
    )]
    #[expect(clippy::too_many_arguments, reason = "the arguments of the field")]
    async fn affiliate_codes(
        &self,
        ctx: &Context<'_>,
        affiliate_id: Option<ID>,
        coupon_id: Option<ID>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> async_graphql::Result<List<AffiliateCode>> {
        let (domain, requester) = parts(ctx)?;
        let filter = CodeFilter {
            affiliate_id: filter_id(affiliate_id.as_ref()),
            coupon_id: filter_id(coupon_id.as_ref()),
            ..CodeFilter::default()
        };
        let args = connection::args(first, after, last, before);
        let page = codes::list(domain, &requester.actor, &filter, &args).await;
        let node = |row| AffiliateCode::new(row, &requester.loaders);
        list(page, Total::Codes(filter), |row| Place::of(row.id.0), node)
    }

    /// Who followed the links that you may see, newest first. Of both modes: a click does not know what will be paid with.
    #[graphql(
        guard = "May(Operation::ReadClicks)",
        complexity = "2 + connection::rows(first, last) * child_complexity"
    )]
    #[expect(clippy::too_many_arguments, reason = "the arguments of the field")]
    async fn clicks(
        &self,
        ctx: &Context<'_>,
        affiliate_id: Option<ID>,
        campaign_id: Option<ID>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> async_graphql::Result<List<Click>> {
        let (domain, requester) = parts(ctx)?;
        let filter = ClickFilter {
            affiliate_id: filter_id(affiliate_id.as_ref()),
            campaign_id: filter_id(campaign_id.as_ref()),
        };
        let args = connection::args(first, after, last, before);
        let page = clicks::list(domain, &requester.actor, &filter, &args).await;
        let place = |row: &entity::click::Model| Place {
            at: Some(row.clicked_at),
            id: row.id.0,
        };
        let node = |row| Click {
            row: Arc::new(row),
            loaders: requester.loaders.clone(),
        };
        list(page, Total::Clicks(filter), place, node)
    }

    /// What holds for the codes that affiliates mint themselves. For all who read codes.
    #[graphql(guard = "May(Operation::ReadCodes)")]
    async fn code_settings(&self, ctx: &Context<'_>) -> async_graphql::Result<CodeSettings> {
        let (domain, requester) = parts(ctx)?;
        let settings = code_settings::get(domain, &requester.actor).await;
        settings.map(CodeSettings::from).map_err(graphql_error)
    }

    /// The conversions that you may see, the newest sale first.
    #[graphql(
        guard = "May(Operation::ReadConversions)",
        complexity = "2 + connection::rows(first, last) * child_complexity"
    )]
    async fn conversions(
        &self,
        ctx: &Context<'_>,
        filter: Option<ConversionFilter>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> async_graphql::Result<List<Conversion>> {
        let (domain, requester) = parts(ctx)?;
        let filter: domain::conversions::ConversionFilter = filter.unwrap_or_default().into();
        let args = connection::args(first, after, last, before);
        let page = conversions::list(domain, &requester.actor, &filter, &args).await;
        let place = |row: &entity::conversion::Model| Place {
            at: Some(row.occurred_at),
            id: row.id.0,
        };
        let node = |row| Conversion::new(row, &requester.loaders);
        list(page, Total::Conversions(Box::new(filter)), place, node)
    }

    /// A conversion by id; null for an unknown one and for one that is not yours.
    #[graphql(guard = "May(Operation::ReadConversions)")]
    async fn conversion(&self, ctx: &Context<'_>, #[graphql(name = "id")] given: ID) -> Maybe<Conversion> {
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

    /// Who would be credited for a sale, and why. Nothing is recorded.
    #[graphql(guard = "May(Operation::SimulateAttribution)", complexity = "10 + child_complexity")]
    async fn simulate_attribution(
        &self,
        ctx: &Context<'_>,
        input: SimulateAttributionInput,
    ) -> async_graphql::Result<AttributionSimulation> {
        simulation::simulate(ctx, input).await
    }

    /// Figures per code, those never used included, oldest code first. A deleted code is there where it has figures in the
    /// range, so that the sums are whole.
    #[graphql(
        guard = "May(Operation::ReadStats)",
        complexity = "2 + connection::rows(first, last) * child_complexity"
    )]
    async fn code_redemption_stats(
        &self,
        ctx: &Context<'_>,
        filter: Option<CodeRedemptionStatsFilter>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> async_graphql::Result<List<CodeRedemptionStats>> {
        let (domain, requester) = parts(ctx)?;
        let (filter, period) = filter.unwrap_or_default().decode();
        let args = connection::args(first, after, last, before);
        let page = domain::stats::list(domain, &requester.actor, &filter, period, &args).await;
        let node = |stats| CodeRedemptionStats {
            stats,
            loaders: requester.loaders.clone(),
        };
        let place = |stats: &domain::stats::CodeStats| Place::of(stats.code.id.0);
        list(page, Total::Stats(filter, period), place, node)
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
        affiliate_id: Option<ID>,
        conversion_id: Option<ID>,
        kind: Option<Vec<LedgerEntryKind>>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> async_graphql::Result<List<LedgerEntry>> {
        let (domain, requester) = parts(ctx)?;
        let filter = LedgerFilter {
            affiliate_id: filter_id(affiliate_id.as_ref()),
            conversion_id: filter_id(conversion_id.as_ref()),
            kind: kind.map(|kinds| kinds.into_iter().map(Into::into).collect()),
        };
        let args = connection::args(first, after, last, before);
        let page = ledger::list(domain, &requester.actor, &filter, &args).await;
        let node = |row| LedgerEntry {
            row: Arc::new(row),
            loaders: requester.loaders.clone(),
        };
        list(page, Total::Ledger(Box::new(filter)), |row| Place::of(row.id.0), node)
    }

    /// The API keys of the mode of your token, oldest first, those that are over included. For owners.
    #[graphql(
        guard = "May(Operation::ManageApiKeys)",
        complexity = "2 + connection::rows(first, last) * child_complexity"
    )]
    async fn api_keys(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> async_graphql::Result<List<ApiKey>> {
        let (domain, requester) = parts(ctx)?;
        let page = api_keys::list(domain, &requester.actor, &connection::args(first, after, last, before)).await;
        let node = |row| ApiKey { row: Arc::new(row) };
        list(page, Total::ApiKeys, |row| Place::of(row.id.0), node)
    }

    /// Who changed what, the newest first: what concerns the mode of your token, and what concerns both. For owners.
    #[graphql(
        guard = "May(Operation::ReadAuditLog)",
        complexity = "2 + connection::rows(first, last) * child_complexity"
    )]
    async fn audit_log(
        &self,
        ctx: &Context<'_>,
        filter: Option<AuditLogFilter>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> async_graphql::Result<List<AuditEntry>> {
        let (domain, requester) = parts(ctx)?;
        let filter: AuditFilter = filter.unwrap_or_default().into();
        let args = connection::args(first, after, last, before);
        let page = audit::list(domain, &requester.actor, &filter, &args).await;
        let place = |row: &entity::audit_entry::Model| Place {
            at: Some(row.at),
            id: row.id.0,
        };
        let node = |row| AuditEntry { row: Arc::new(row) };
        list(page, Total::Audit(Box::new(filter)), place, node)
    }

    /// How the inbox of Stripe's events stands, for the mode of your token. For owners.
    #[graphql(guard = "May(Operation::ReadInbox)")]
    async fn stripe_inbox(&self) -> StripeInbox {
        StripeInbox
    }

    /// What Stripe sent in the mode of your token, the event received last first. For owners.
    #[graphql(
        guard = "May(Operation::ReadInbox)",
        complexity = "2 + connection::rows(first, last) * child_complexity"
    )]
    async fn stripe_events(
        &self,
        ctx: &Context<'_>,
        filter: Option<StripeEventFilter>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> async_graphql::Result<List<StripeEvent>> {
        let (domain, requester) = parts(ctx)?;
        let filter: EventFilter = filter.unwrap_or_default().into();
        let args = connection::args(first, after, last, before);
        let page = inbox::list(domain, &requester.actor, &filter, &args).await;
        let place = |row: &inbox::Event| Place {
            at: Some(row.received_at),
            id: row.id.0,
        };
        let node = |row| StripeEvent {
            row: Arc::new(row),
            loaders: requester.loaders.clone(),
        };
        list(page, Total::Events(Box::new(filter)), place, node)
    }
}
