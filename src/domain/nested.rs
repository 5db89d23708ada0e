//! Pages of lists below rows: the codes of each affiliate of a page, in one statement for all of them.
//!
//! The database goes to the rows of each parent by the index that the list has, and reads no more of them than the page
//! shows: a lateral join on PostgreSQL, and on SQLite, which has none, ids that are looked up parent by parent. A window
//! function would read and number all rows of all parents first.

use std::{collections::HashMap, hash::Hash};

use sea_orm::{
    ColumnTrait, ConnectionTrait, DatabaseBackend, DbErr, EntityTrait, ExprTrait, FromQueryResult, Iterable, JoinType,
    QueryResult, QuerySelect, QueryTrait, Select, TryGetable, Value,
    sea_query::{Alias, Expr, Query, SelectStatement, SimpleExpr},
};

use super::page::{Asked, Order, Page};

const PARENT: &str = "parent";
const PARENT_ID: &str = "parent_id";
const PLACE: &str = "place";

fn parent_id() -> SimpleExpr {
    Expr::col((Alias::new(PARENT), Alias::new("id")))
}

/// Ties the rows of a list to the row that it is below, by the column that names that.
pub fn below(column: impl ColumnTrait) -> SimpleExpr {
    Expr::col(column.as_column_ref()).eq(parent_id())
}

/// The id of such a row.
pub trait Parent: Copy + Eq + Hash + TryGetable + Into<Value> {}

impl<K: Copy + Eq + Hash + TryGetable + Into<Value>> Parent for K {}

/// A row of a list, with the id of the one that the list is below.
struct Below<K, M> {
    parent: K,
    row: M,
}

impl<K: TryGetable, M: FromQueryResult> FromQueryResult for Below<K, M> {
    fn from_query_result(result: &QueryResult, prefix: &str) -> Result<Self, DbErr> {
        Ok(Self {
            parent: result.try_get(prefix, PARENT_ID)?,
            row: M::from_query_result(result, prefix)?,
        })
    }
}

/// The same page of the list below each of some rows of `P`; `rows` are all that there may be below any of them, tied to
/// the row that they are [`below`].
pub async fn pages<P, E, K>(
    db: &impl ConnectionTrait,
    parents: &[K],
    rows: Select<E>,
    order: Order<E::Column>,
    asked: &Asked,
) -> Result<HashMap<K, Page<E::Model>>, DbErr>
where
    P: EntityTrait + Default,
    E: EntityTrait + Default,
    K: Parent,
{
    let backend = db.get_database_backend();
    let places = asked.of(rows, order).select_only().column(order.id()).into_query();
    let mut query = Query::select();
    query.expr_as(parent_id(), Alias::new(PARENT_ID));
    for column in E::Column::iter() {
        query.column((E::default(), column));
    }
    query.from_as(P::default(), Alias::new(PARENT));
    let id = Expr::col((E::default(), order.id()));
    match backend {
        DatabaseBackend::Postgres => {
            let place = Expr::col((Alias::new(PLACE), Alias::new("id")));
            query
                .join_lateral(JoinType::InnerJoin, places, Alias::new(PLACE), Expr::val(true))
                .join(JoinType::InnerJoin, E::default(), id.eq(place));
        }
        // A cross join, because that is met in the order in which it is written: parent by parent.
        _ => {
            query
                .join(JoinType::CrossJoin, E::default(), Expr::val(true))
                .and_where(id.in_subquery(places));
        }
    }
    for (column, direction) in order.columns(asked.backward()) {
        query.order_by((E::default(), column), direction);
    }
    among(&mut query, parents);
    let found = Below::<K, E::Model>::find_by_statement(backend.build(&query))
        .all(db)
        .await?;
    let mut lists: HashMap<K, Vec<E::Model>> = parents.iter().map(|parent| (*parent, Vec::new())).collect();
    for below in found {
        lists.entry(below.parent).or_default().push(below.row);
    }
    Ok(lists
        .into_iter()
        .map(|(parent, rows)| (parent, asked.page(rows)))
        .collect())
}

/// How many rows there are in all below each of some rows of `P`.
pub async fn counts<P, E, K>(
    db: &impl ConnectionTrait,
    parents: &[K],
    rows: Select<E>,
    id: E::Column,
) -> Result<HashMap<K, i64>, DbErr>
where
    P: EntityTrait + Default,
    E: EntityTrait + Default,
    K: Parent,
{
    let count = rows
        .select_only()
        .expr(Expr::col((E::default(), id)).count())
        .into_query();
    let mut query = Query::select();
    query
        .expr_as(parent_id(), Alias::new(PARENT_ID))
        .expr_as(SimpleExpr::SubQuery(None, Box::new(count.into())), Alias::new("row"))
        .from_as(P::default(), Alias::new(PARENT));
    among(&mut query, parents);
    let found = db.query_all(&query).await?;
    found
        .iter()
        .map(|row| Ok((row.try_get("", PARENT_ID)?, row.try_get("", "row")?)))
        .collect()
}

fn among<K: Parent>(query: &mut SelectStatement, parents: &[K]) {
    query.and_where(parent_id().is_in(parents.iter().map(|id| (*id).into())));
}
