//! The subscription root: a subscription is a cursor on the feed.

use async_graphql::{Context, SimpleObject, Subscription};
use entity::feed_event::{self, FeedKind};
use futures_util::{Stream, StreamExt};

use super::{
    context::{ContextExt, May},
    conversions::{Conversion, ConversionFilter},
    errors::graphql_error,
    stats::{CodeRedemptionStats, CodeStatsUpdatedFilter},
    transport::Place,
};
use crate::{
    auth::Operation,
    domain::{
        conversions,
        feed::{self, FeedName},
    },
    error::Result,
};

/// A conversion, and where the feed stands after it.
#[derive(SimpleObject)]
pub struct ConversionEvent {
    /// Give the last one seen as `after` to resume.
    cursor: String,
    /// As it is when it is told.
    conversion: Conversion,
}

/// A code's figures, and where the feed stands after them.
#[derive(SimpleObject)]
pub struct CodeStatsEvent {
    /// Give the last one seen as `after` to resume.
    cursor: String,
    /// Of all time, as they are now.
    stats: CodeRedemptionStats,
}

pub struct Subscriptions;

/// What can be heard live. Each event has a cursor; give the last one seen as `after`, and nothing is missed and nothing comes
/// twice.
#[Subscription(name = "Subscription")]
impl Subscriptions {
    /// New conversions as they are recorded. With `after`, first everything since that cursor.
    #[graphql(guard = "May(Operation::ReadFeed)")]
    async fn conversion_created(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which conversions; left out: all.")] filter: Option<ConversionFilter>,
        #[graphql(desc = "The cursor of the last one seen, or `feedCursor`. Left out: from now on.")] after: Option<
            String,
        >,
    ) -> async_graphql::Result<impl Stream<Item = async_graphql::Result<ConversionEvent>> + use<>> {
        events(ctx, FeedKind::ConversionCreated, filter, after).await
    }

    /// Conversions that something has changed, as they are now: refunds, disputes, a first invoice after its
    /// subscription, a code learned late, two that turned out to be one, one that nobody is
    /// credited for by what is known now (`REJECTED`, and in no list). With `after`, first everything since that
    /// cursor, which may be one of `conversionCreated` as well.
    #[graphql(guard = "May(Operation::ReadFeed)")]
    async fn conversion_updated(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which conversions; left out: all.")] filter: Option<ConversionFilter>,
        #[graphql(desc = "The cursor of the last one seen, or `feedCursor`. Left out: from now on.")] after: Option<
            String,
        >,
    ) -> async_graphql::Result<impl Stream<Item = async_graphql::Result<ConversionEvent>> + use<>> {
        events(ctx, FeedKind::ConversionUpdated, filter, after).await
    }

    /// Codes whose figures move, each with its figures of all time as they are then. What comes within a quarter of a
    /// second is told at once. With `after`, first each code that moved since that cursor, which may be one of any
    /// subscription.
    #[graphql(guard = "May(Operation::ReadFeed).and(May(Operation::ReadStats))")]
    async fn code_stats_updated(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which codes; left out: all.")] filter: Option<CodeStatsUpdatedFilter>,
        #[graphql(desc = "The cursor of the last one seen, or `feedCursor`. Left out: from now on.")] after: Option<
            String,
        >,
    ) -> async_graphql::Result<impl Stream<Item = async_graphql::Result<CodeStatsEvent>> + use<>> {
        let state = ctx.state().map_err(graphql_error)?;
        let scope = ctx.requester().map_err(graphql_error)?.actor.scope;
        let (place, after) = start(ctx, after).await.map_err(graphql_error)?;
        let filter = filter.unwrap_or_default().decode();
        let moved = state.live_stats.listen(FeedName::from(&scope), scope.affiliate, after);
        let moved = moved.await.map_err(graphql_error)?;
        Ok(moved.filter_map(move |figures| {
            let event = figures.map_err(graphql_error).map(|figures| {
                filter.matches(&figures.stats.code).then(|| CodeStatsEvent {
                    cursor: reached(&place, &figures.event),
                    stats: CodeRedemptionStats {
                        stats: figures.stats,
                        loaders: figures.loaders,
                    },
                })
            });
            std::future::ready(event.transpose())
        }))
    }
}

/// What the caller may hear of one kind.
async fn events(
    ctx: &Context<'_>,
    kind: FeedKind,
    filter: Option<ConversionFilter>,
    after: Option<String>,
) -> async_graphql::Result<impl Stream<Item = async_graphql::Result<ConversionEvent>> + use<>> {
    let state = ctx.state().map_err(graphql_error)?;
    let scope = ctx.requester().map_err(graphql_error)?.actor.scope;
    let (place, after) = start(ctx, after).await.map_err(graphql_error)?;
    let clock = state.domain.clock.clone();
    let filter: conversions::ConversionFilter = filter.unwrap_or_default().into();
    filter.check().map_err(graphql_error)?;
    let items = state
        .live
        .listen(FeedName::from(&scope), scope.affiliate, after)
        .await
        .map_err(graphql_error)?;
    Ok(items.filter_map(move |item| {
        let event = item.map_err(graphql_error).map(|item| {
            let conversion = item.conversion?;
            // A conversion that was credited to somebody else since is that one's alone.
            let heard = feed::is_visible(&item.event, &scope, kind)
                && scope.affiliate.is_none_or(|own| own == conversion.affiliate_id)
                && conversion.leads_to().is_none()
                && (kind == FeedKind::ConversionUpdated || !conversion.is_withdrawn())
                && filter.matches(&conversion, &scope, clock.now());
            heard.then(|| ConversionEvent {
                cursor: reached(&place, &item.event),
                conversion: Conversion {
                    row: conversion,
                    loaders: item.loaders,
                },
            })
        });
        std::future::ready(event.transpose())
    }))
}

/// Where a subscription starts: after the last event that its client's transport heard, else after what it gives.
async fn start(ctx: &Context<'_>, after: Option<String>) -> Result<(Place, Option<i64>)> {
    let (state, requester) = (ctx.state()?, ctx.requester()?);
    let place = ctx.data_opt::<Place>().cloned().unwrap_or_default();
    let after = match place.resumed().map(str::to_owned).or(after) {
        Some(cursor) => Some(feed::resolve(&state.domain, &requester.actor, &cursor).await?),
        None => None,
    };
    Ok((place, after))
}

/// The cursor of what is told next, told to the transport as well.
fn reached(place: &Place, event: &feed_event::Model) -> String {
    let cursor = feed::cursor(event.id);
    place.reach(cursor.clone());
    cursor
}
