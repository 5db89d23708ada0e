//! Relay connections: a page of rows with their cursors, and a count that is made only when it is asked for.

use std::{borrow::Cow, sync::Arc};

use async_graphql::{Context, Object, OutputType, TypeName, connection::PageInfo};

use super::{
    context::ContextExt,
    errors::graphql_error,
    loaders::{Below, Loaders},
};
use crate::{
    domain::{
        affiliates::{self, AffiliateFilter},
        api_keys,
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
        stats::{self, Period},
    },
    error::{Error, Result},
};

/// A page of a list, as Relay has it (<https://relay.dev/graphql/connections.htm>).
pub struct List<T> {
    edges: Vec<Edge<T>>,
    has_previous: bool,
    has_next: bool,
    total: Total,
}

/// A row of a list, with its place there.
pub struct Edge<T> {
    cursor: String,
    node: T,
}

/// A page of a list: the rows, where they stand in it, and whether there are more. Ask for `nodes`, or for `edges` where you
/// need each row's cursor.
#[Object(name_type)]
impl<T: OutputType> List<T> {
    /// Whether there are more rows on either side, and the cursors to go on with.
    async fn page_info(&self) -> PageInfo {
        PageInfo {
            has_previous_page: self.has_previous,
            has_next_page: self.has_next,
            start_cursor: self.edges.first().map(|edge| edge.cursor.clone()),
            end_cursor: self.edges.last().map(|edge| edge.cursor.clone()),
        }
    }

    /// The rows of the page in the list's order, each with its cursor.
    async fn edges(&self) -> &[Edge<T>] {
        &self.edges
    }

    /// The same rows without their cursors.
    async fn nodes(&self) -> Vec<&T> {
        self.edges.iter().map(|edge| &edge.node).collect()
    }

    /// How many there are in all, on every page together. Counted only when it is asked for; with a million rows that
    /// takes a moment.
    async fn total_count(&self, ctx: &Context<'_>) -> async_graphql::Result<i32> {
        let count = self.total.count(ctx).await.map_err(graphql_error)?;
        Ok(i32::try_from(count).unwrap_or(i32::MAX))
    }
}

impl<T: OutputType> TypeName for List<T> {
    fn type_name() -> Cow<'static, str> {
        format!("{}Connection", <T as OutputType>::type_name()).into()
    }
}

/// A row of a list, with its place there.
#[Object(name_type)]
impl<T: OutputType> Edge<T> {
    /// The row.
    async fn node(&self) -> &T {
        &self.node
    }

    /// Where the row stands, for `after` and `before` of the same list in the same order.
    async fn cursor(&self) -> &str {
        &self.cursor
    }
}

impl<T: OutputType> TypeName for Edge<T> {
    fn type_name() -> Cow<'static, str> {
        format!("{}Edge", <T as OutputType>::type_name()).into()
    }
}

/// How many there are in all.
pub enum Total {
    Campaigns,
    Affiliates(AffiliateFilter),
    Coupons(CouponFilter),
    Codes(CodeFilter),
    CodesOf(Below<()>, Arc<Loaders>),
    Clicks(ClickFilter),
    Conversions(Box<ConversionFilter>),
    Stats(CodeFilter, Period),
    ApiKeys,
    Audit(Box<AuditFilter>),
    Events(Box<EventFilter>),
    Recruits(Below<()>, Arc<Loaders>),
    Ledger(Box<LedgerFilter>),
}

impl Total {
    async fn count(&self, ctx: &Context<'_>) -> Result<u64> {
        let (domain, requester) = (ctx.domain()?, ctx.requester()?);
        let actor = &requester.actor;
        match self {
            Self::Campaigns => campaigns::count(domain, actor).await,
            Self::Affiliates(filter) => affiliates::count(domain, actor, filter).await,
            Self::Coupons(filter) => coupons::count(domain, actor, filter).await,
            Self::Clicks(filter) => clicks::count(domain, actor, filter).await,
            Self::Codes(filter) => codes::count(domain, actor, filter).await,
            Self::CodesOf(below, loaders) => below_one(loaders.code_count(below.clone()).await),
            Self::Conversions(filter) => conversions::count(domain, actor, filter).await,
            Self::Stats(filter, period) => stats::count(domain, actor, filter, *period).await,
            Self::ApiKeys => api_keys::count(domain, actor).await,
            Self::Audit(filter) => audit::count(domain, actor, filter).await,
            Self::Events(filter) => inbox::count(domain, actor, filter).await,
            Self::Recruits(below, loaders) => below_one(loaders.recruit_count(below.clone()).await),
            Self::Ledger(filter) => ledger::count(domain, actor, filter).await,
        }
    }
}

fn below_one(count: Result<Option<i64>>) -> Result<u64> {
    Ok(count?.and_then(|count| u64::try_from(count).ok()).unwrap_or(0))
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
    let edge = |row: R| Edge {
        cursor: place(&row).cursor(),
        node: node(row),
    };
    Ok(List {
        edges: page.rows.into_iter().map(edge).collect(),
        has_previous: page.has_previous,
        has_next: page.has_next,
        total,
    })
}

/// The same of a list below a row, from its loader.
pub fn nested<R: Clone, T: OutputType>(
    page: Result<Option<Arc<Page<R>>>>,
    total: Total,
    place: impl Fn(&R) -> Place,
    node: impl Fn(R) -> T,
) -> async_graphql::Result<List<T>> {
    let missing = || Error::Internal("a list below a row was not read".into());
    let page = page.and_then(|page| page.ok_or_else(missing));
    list(page.map(Arc::unwrap_or_clone), total, place, node)
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
