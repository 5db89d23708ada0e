//! Relay connections: a page of rows with their cursors, and a count that is made only when it is asked for.

use async_graphql::{
    Context, Object, OutputType,
    connection::{Connection, Edge},
};

use entity::id::AffiliateId;

use super::{context::ContextExt, errors::graphql_error};
use crate::{
    domain::{
        affiliates, api_keys,
        audit::{self, AuditFilter},
        campaigns,
        clicks::{self, ClickFilter},
        codes,
        codes::CodeFilter,
        conversions::{self, ConversionFilter},
        coupons::{self, CouponFilter},
        inbox::{self, EventFilter},
        ledger::{self, LedgerFilter},
        page::{Page, PageArgs, Place},
        recruiters,
        stats::{self, Period},
    },
    error::{Error, Result},
};

/// A connection of ours.
pub type List<T> = Connection<String, T, Total>;

/// How many there are in all.
pub enum Total {
    Campaigns,
    Affiliates,
    Coupons(CouponFilter),
    Codes(CodeFilter),
    Clicks(ClickFilter),
    Conversions(Box<ConversionFilter>),
    Stats(CodeFilter, Period),
    ApiKeys,
    Audit(Box<AuditFilter>),
    Events(Box<EventFilter>),
    Recruits(AffiliateId),
    Ledger(Box<LedgerFilter>),
}

#[Object]
impl Total {
    /// How many there are in all, on every page together.
    async fn total_count(&self, ctx: &Context<'_>) -> async_graphql::Result<i32> {
        let count = self.count(ctx).await.map_err(graphql_error)?;
        Ok(i32::try_from(count).unwrap_or(i32::MAX))
    }
}

impl Total {
    async fn count(&self, ctx: &Context<'_>) -> Result<u64> {
        let (domain, actor) = (ctx.domain()?, &ctx.requester()?.actor);
        match self {
            Self::Campaigns => campaigns::count(domain, actor).await,
            Self::Affiliates => affiliates::count(domain, actor).await,
            Self::Coupons(filter) => coupons::count(domain, actor, filter).await,
            Self::Clicks(filter) => clicks::count(domain, actor, filter).await,
            Self::Codes(filter) => codes::count(domain, actor, filter).await,
            Self::Conversions(filter) => conversions::count(domain, actor, filter).await,
            Self::Stats(filter, period) => stats::count(domain, actor, filter, *period).await,
            Self::ApiKeys => api_keys::count(domain, actor).await,
            Self::Audit(filter) => audit::count(domain, actor, filter).await,
            Self::Events(filter) => inbox::count(domain, actor, filter).await,
            Self::Recruits(id) => recruiters::count(domain, actor, *id).await,
            Self::Ledger(filter) => ledger::count(domain, actor, filter).await,
        }
    }
}

/// A connection's arguments.
pub fn args(first: Option<i32>, after: Option<String>, last: Option<i32>, before: Option<String>) -> PageArgs {
    PageArgs {
        first,
        after,
        last,
        before,
    }
}

/// How many rows a page may have, for the cost of a query.
pub fn rows(first: Option<i32>, last: Option<i32>) -> usize {
    let asked = first.or(last).unwrap_or(50).clamp(1, 100);
    usize::try_from(asked).unwrap_or(100)
}

/// Maps a page to a connection.
pub fn list<R, T: OutputType>(
    page: Result<Page<R>>,
    total: Total,
    place: impl Fn(&R) -> Place,
    node: impl Fn(R) -> T,
) -> async_graphql::Result<List<T>> {
    let page = page.map_err(graphql_error)?;
    let mut list = Connection::with_additional_fields(page.has_previous, page.has_next, total);
    let edges = page
        .rows
        .into_iter()
        .map(|row| Edge::new(place(&row).cursor(), node(row)));
    list.edges.extend(edges);
    Ok(list)
}

/// What a nullable root field gives: nothing, or an error that leaves its siblings alone.
pub type Maybe<T> = Option<async_graphql::Result<T>>;

/// Maps a look-up by id. A text that is no id of that kind finds nothing.
pub async fn look_up<I, R, T>(
    id: Option<I>,
    get: impl AsyncFnOnce(I) -> Result<Option<R>, Error>,
    node: impl FnOnce(R) -> T,
) -> Maybe<T> {
    match get(id?).await {
        Ok(found) => found.map(|row| Ok(node(row))),
        Err(error) => Some(Err(graphql_error(error))),
    }
}
