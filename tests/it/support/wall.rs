//! The second wall, row-level security: what its rule books look at it with.

use std::collections::BTreeMap;

use entity::{conversion, id::BrandId};
use rekomi::db::Reader;
use sea_orm::{
    ConnectionTrait, DatabaseBackend, DbErr, EntityTrait, Statement,
    sqlx::{Connection, PgConnection},
};

use super::{CampaignSpec, CouponSpec, Shape, TestApp, cast};

/// What is not behind the wall at all.
const EXEMPT: &str = "seaql_migrations";
/// What is behind it and no brand's. A table that is named in neither must show each brand its own rows.
pub const WORKERS_ALONE: &str = "sign_of_life";

/// Both brands with a stage and sales of their own: Acme with three, Globex with one.
pub async fn sales(app: &TestApp) {
    app.stage().await;
    cast::set_stage(&app.globex_owner(), CampaignSpec::default(), CouponSpec::default()).await;
    for (brand, count) in [(&app.acme, 3), (&app.globex, 1)] {
        for _ in 0..count {
            let sale = app.sale().promo(brand.promo("SARAH20")).build();
            sale.sync(&brand.stripe);
            app.deliver_to(brand, &sale.start(Shape::Endive)).await;
        }
    }
}

/// The database, opened by its owner with nothing set.
pub async fn raw(app: &TestApp) -> PgConnection {
    PgConnection::connect(&app.database.url).await.unwrap()
}

/// Every table of the schema, with the column that names the brand.
pub async fn tables(app: &TestApp) -> BTreeMap<String, &'static str> {
    let sql = "SELECT relname::text FROM pg_class WHERE relkind IN ('r', 'p')
               AND relnamespace = 'public'::regnamespace";
    let names = app
        .db()
        .query_all_raw(Statement::from_string(DatabaseBackend::Postgres, sql))
        .await
        .unwrap();
    let names = names.iter().map(|row| row.try_get_by_index::<String>(0).unwrap());
    let tables: BTreeMap<_, _> = names
        .filter(|name| ![EXEMPT, WORKERS_ALONE].contains(&name.as_str()))
        .map(|name| {
            let brand = if name == "brand" { "id" } else { "brand_id" };
            (name, brand)
        })
        .collect();
    assert!(tables.len() > 20, "the tables are found: {tables:?}");
    tables
}

pub fn statement(sql: String, brand: BrandId) -> Statement {
    Statement::from_sql_and_values(DatabaseBackend::Postgres, sql, [brand.0.into()])
}

/// How many rows a handle shows of a table: of all brands, and of one.
pub async fn shown(reader: &Reader, table: &str, column: &str, brand: BrandId) -> (i64, i64) {
    let sql = format!("SELECT count(*), count(*) FILTER (WHERE {column} = $1) FROM {table}");
    let row = reader.query_one_raw(statement(sql, brand)).await.unwrap().unwrap();
    (row.try_get_by_index(0).unwrap(), row.try_get_by_index(1).unwrap())
}

pub async fn text(reader: &impl ConnectionTrait, sql: &str) -> String {
    let row = reader.query_one_raw(Statement::from_string(DatabaseBackend::Postgres, sql));
    row.await.unwrap().unwrap().try_get_by_index(0).unwrap()
}

pub fn refused<T>(result: Result<T, DbErr>) -> bool {
    result.is_err_and(|error| error.to_string().contains("row-level security policy"))
}

/// The wall stands: reading round the finder shows Globex its own, in every table.
pub async fn the_wall_stands(app: &TestApp) {
    let db = app.instance.app.db.of_brand(app.globex.id);
    let found = conversion::Entity::find().all(db.reader()).await.unwrap();
    assert_eq!(
        found.iter().map(|row| row.brand_id).collect::<Vec<_>>(),
        [app.globex.id]
    );
    app.sign().await;
    let count = format!("SELECT count(*)::text FROM {WORKERS_ALONE}");
    assert_eq!(
        (text(app.db(), &count).await, text(db.reader(), &count).await),
        ("1".into(), "0".into())
    );
    let mut hidden = 0;
    for (table, column) in tables(app).await {
        let (all, own) = shown(app.db(), &table, column, app.globex.id).await;
        assert_eq!(
            shown(db.reader(), &table, column, app.globex.id).await,
            (own, own),
            "{table}"
        );
        hidden += i32::from(all > own);
    }
    assert!(hidden > 15, "most tables have rows of Acme's to hide: {hidden}");
}
