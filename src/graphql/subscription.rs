//! The subscription root: a subscription is a cursor on the feed.

use async_graphql::{Context, SimpleObject, Subscription};
use entity::feed_event::FeedKind;
use futures_util::{Stream, StreamExt};

use super::{
    context::{ContextExt, May},
    conversions::{Conversion, ConversionFilter},
    errors::graphql_error,
};
use crate::{
    auth::Operation,
    domain::{
        conversions,
        feed::{self, FeedName},
    },
};

/// A conversion, and where the feed stands after it.
#[derive(SimpleObject)]
pub struct ConversionEvent {
    /// Give the last one seen as `after` to resume.
    cursor: String,
    /// As it is when it is told.
    conversion: Conversion,
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
    /// subscription, a code learned late, two that turned out to be one. With `after`, first everything since that
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
}

/// What the caller may hear of one kind.
async fn events(
    ctx: &Context<'_>,
    kind: FeedKind,
    filter: Option<ConversionFilter>,
    after: Option<String>,
) -> async_graphql::Result<impl Stream<Item = async_graphql::Result<ConversionEvent>> + use<>> {
    let state = ctx.state().map_err(graphql_error)?;
    let requester = ctx.requester().map_err(graphql_error)?;
    let after = match after {
        Some(cursor) => Some(
            feed::resolve(&state.domain, &requester.actor, &cursor)
                .await
                .map_err(graphql_error)?,
        ),
        None => None,
    };
    let scope = requester.actor.scope;
    let clock = state.domain.clock.clone();
    let filter: conversions::ConversionFilter = filter.unwrap_or_default().into();
    filter.check().map_err(graphql_error)?;
    let items = state
        .live
        .listen(FeedName::from(&scope), scope.affiliate, after)
        .await
        .map_err(graphql_error)?;
    Ok(items.filter_map(move |item| {
        let event = match item {
            Ok(item) => {
                // A conversion that was credited to somebody else since is that one's alone.
                let heard = feed::is_visible(&item.event, &scope, kind)
                    && scope.affiliate.is_none_or(|own| own == item.conversion.affiliate_id)
                    && item.conversion.merged_into.is_none()
                    && filter.matches(&item.conversion, &scope, clock.now());
                heard.then(|| {
                    Ok(ConversionEvent {
                        cursor: feed::cursor(item.event.id),
                        conversion: Conversion {
                            row: item.conversion,
                            loaders: item.loaders,
                        },
                    })
                })
            }
            Err(error) => Some(Err(graphql_error(error))),
        };
        std::future::ready(event)
    }))
}
