//! Brings the schema up to this binary's.

use migration::{Migrator, MigratorTrait};
use sea_orm::{ConnectionTrait, DatabaseBackend, DatabaseTransaction, DbErr};

use super::{Db, postgres};

/// Any number: it only has to be the same for all instances.
const MIGRATION_LOCK: i64 = 0x52_65_6B_6F_6D_69;

impl Db {
    /// Brings the schema up to this binary's, under a lock, in one transaction.
    pub async fn migrate(&self) -> Result<(), DbErr> {
        let txn = self.begin().await?;
        let on_postgres = txn.get_database_backend() == DatabaseBackend::Postgres;
        if on_postgres {
            // The tables belong to the user of the URL, not to the role that works with their rows.
            let begun = format!("SET LOCAL ROLE NONE; SELECT pg_advisory_xact_lock({MIGRATION_LOCK})");
            txn.execute_unprepared(&begun).await?;
        }
        refuse_newer(&txn).await?;
        Migrator::up(&txn, None).await?;
        if on_postgres {
            postgres::grant_in_txn(&txn).await?;
        }
        txn.commit().await
    }
}

/// A database that a later release has migrated holds what this binary does not know.
async fn refuse_newer(txn: &DatabaseTransaction) -> Result<(), DbErr> {
    Migrator::install(txn).await?;
    let known: Vec<String> = Migrator::migrations()
        .iter()
        .map(|migration| migration.name().to_owned())
        .collect();
    let applied = Migrator::get_migration_models(txn).await?;
    match applied.iter().find(|row| !known.contains(&row.version)) {
        None => Ok(()),
        Some(row) => Err(DbErr::Custom(format!(
            "the database is newer than this binary: it has the migration {}",
            row.version
        ))),
    }
}
