//! Rekomi's migrations: one file per change, the same SQL for SQLite and PostgreSQL but for the names of a few types.

mod m0001_brands;
mod m0002_programs;
mod m0003_coupons;
mod m0004_stripe;
mod m0005_sales;
mod m0006_feed;
mod m0008_api_keys;
mod m0009_audit_log;
mod m0010_customers;

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
            Box::new(m0008_api_keys::Migration),
            Box::new(m0009_audit_log::Migration),
            Box::new(m0010_customers::Migration),
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

/// A migration that runs a constant's SQL. There is no way down: a restore from a backup is the way back.
macro_rules! sql_migration {
    ($sql:expr) => {
        #[derive(sea_orm_migration::prelude::DeriveMigrationName)]
        pub struct Migration;

        #[async_trait::async_trait]
        impl sea_orm_migration::prelude::MigrationTrait for Migration {
            async fn up(
                &self,
                manager: &sea_orm_migration::prelude::SchemaManager,
            ) -> Result<(), sea_orm_migration::prelude::DbErr> {
                crate::run(manager, $sql).await
            }
        }
    };
}

pub(crate) use sql_migration;
