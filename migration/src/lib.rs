//! Rekomi's migrations: one file per change, the same SQL for SQLite and PostgreSQL but for the names of a few types.

mod m0001_brands;
mod m0002_programs;
mod m0003_coupons;
mod m0004_stripe;
mod m0005_sales;
mod m0006_feed;
mod m0007_row_security;
mod m0008_api_keys;
mod m0009_audit_log;
mod m0010_customers;
mod m0011_disputes;
mod m0012_backfill;
mod m0013_inbox_view;
mod m0014_code_lives;
mod m0015_attribution;
mod m0016_feed_of_figures;
mod m0017_list_filters;
mod m0018_hour_totals;

pub use sea_orm_migration::MigratorTrait;
use sea_orm_migration::prelude::{DbErr, MigrationTrait, SchemaManager};
use sea_orm_migration::sea_orm::{ConnectionTrait, DatabaseBackend};

/// Runs the migrations, in order.
pub struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m0001_brands::Migration),
            Box::new(m0002_programs::Migration),
            Box::new(m0003_coupons::Migration),
            Box::new(m0004_stripe::Migration),
            Box::new(m0005_sales::Migration),
            Box::new(m0006_feed::Migration),
            Box::new(m0007_row_security::Migration),
            Box::new(m0008_api_keys::Migration),
            Box::new(m0009_audit_log::Migration),
            Box::new(m0010_customers::Migration),
            Box::new(m0011_disputes::Migration),
            Box::new(m0012_backfill::Migration),
            Box::new(m0013_inbox_view::Migration),
            Box::new(m0014_code_lives::Migration),
            Box::new(m0015_attribution::Migration),
            Box::new(m0016_feed_of_figures::Migration),
            Box::new(m0017_list_filters::Migration),
            Box::new(m0018_hour_totals::Migration),
        ]
    }
}

/// Runs a file of SQL, statement by statement, with `UUID`, `TIME` and `BYTES` put into the database's own types.
///
/// SQLite's tables are `STRICT`: a value of the wrong type is refused there as it is on PostgreSQL.
async fn run(manager: &SchemaManager<'_>, sql: &str) -> Result<(), DbErr> {
    let sqlite = manager.get_database_backend() == DatabaseBackend::Sqlite;
    for statement in sql.split(';').map(str::trim).filter(|s| !s.is_empty()) {
        let types: [(&str, &str); 6] = if sqlite {
            [
                (" UUID", " BLOB"),
                (" TIME", " TEXT"),
                (" BYTES", " BLOB"),
                (" BIGINT", " INTEGER"),
                (" BOOLEAN", " INTEGER"),
                (" STRICT_TABLE", " STRICT"),
            ]
        } else {
            [
                (" UUID", " UUID"),
                (" TIME", " TIMESTAMPTZ"),
                (" BYTES", " BYTEA"),
                (" BIGINT", " BIGINT"),
                (" BOOLEAN", " BOOLEAN"),
                (" STRICT_TABLE", ""),
            ]
        };
        let statement = types
            .iter()
            .fold(statement.to_owned(), |sql, (from, to)| sql.replace(from, to));
        manager.get_connection().execute_unprepared(&statement).await?;
    }
    Ok(())
}

/// Puts a table behind row-level security, forced, so that the policies hold for its owner too. Every table of a brand's
/// needs it: a role that works with the rows under the policies is given no table that lacks them. SQLite has no such
/// thing.
///
/// The settings are read once for each statement. Where neither is set there are no rows, and none can be written. The
/// workers' policy is an `IS NOT NULL` because PostgreSQL expects such a condition to let nearly all rows through: the two
/// policies are joined by `OR`, and of any other form it would expect next to none, and give up the index that has a
/// page's order.
async fn row_security(manager: &SchemaManager<'_>, table: &str, brand: &str) -> Result<(), DbErr> {
    if manager.get_database_backend() != DatabaseBackend::Postgres {
        return Ok(());
    }
    let statements = format!(
        "CREATE POLICY rekomi_brand ON {table}
           USING ({brand} = (SELECT nullif(current_setting('rekomi.brand', true), '')::uuid));
         CREATE POLICY rekomi_workers ON {table}
           USING ((SELECT 1 WHERE current_setting('rekomi.all_brands', true) = 'on') IS NOT NULL);
         ALTER TABLE {table} ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY"
    );
    manager.get_connection().execute_unprepared(&statements).await.map(drop)
}

/// A migration that runs a constant's SQL, and puts tables behind row-level security, each by the column that names the
/// brand. There is no way down: a restore from a backup is the way back.
macro_rules! sql_migration {
    ($sql:expr $(, $table:literal => $brand:literal)* $(,)?) => {
        #[derive(sea_orm_migration::prelude::DeriveMigrationName)]
        pub struct Migration;

        #[async_trait::async_trait]
        impl sea_orm_migration::prelude::MigrationTrait for Migration {
            async fn up(
                &self,
                manager: &sea_orm_migration::prelude::SchemaManager,
            ) -> Result<(), sea_orm_migration::prelude::DbErr> {
                crate::run(manager, $sql).await?;
                $(crate::row_security(manager, $table, $brand).await?;)*
                Ok(())
            }
        }
    };
}

pub(crate) use sql_migration;
