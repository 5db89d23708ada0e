//! The two stores behind one door: SQLite with one writer and several readers, or PostgreSQL with one pool for both.
//!
//! **Invariant.** Whatever writes begins with [`Db::begin`], which on SQLite takes the write lock at once: a transaction
//! that reads first and writes later can then never fail for having lost a race.

use std::{fmt, path::PathBuf, str::FromStr, time::Duration};

use migration::{Migrator, MigratorTrait};
use sea_orm::{
    ConnectionTrait, DatabaseBackend, DatabaseConnection, DatabaseTransaction, DbErr, SqliteTransactionMode,
    SqlxPostgresConnector, SqlxSqliteConnector, Statement, TransactionOptions, TransactionTrait,
    sqlx::{
        postgres::{PgConnectOptions, PgPoolOptions},
        sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
    },
};

/// Any number: it only has to be the same for all instances.
const MIGRATION_LOCK: i64 = 0x52_65_6B_6F_6D_69;

const SQLITE_READERS: u32 = 4;
const POSTGRES_CONNECTIONS: u32 = 20;
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);
const SQLITE_BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// Where the data is kept.
#[derive(Clone, PartialEq, Eq)]
pub enum DatabaseUrl {
    Sqlite(PathBuf),
    Postgres(String),
}

/// Says nothing of a server's URL: the password may be in any part of it.
impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => f.debug_tuple("Sqlite").field(path).finish(),
            Self::Postgres(_) => f.write_str("Postgres([REDACTED])"),
        }
    }
}

impl FromStr for DatabaseUrl {
    type Err = String;

    fn from_str(url: &str) -> Result<Self, String> {
        if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            PgConnectOptions::from_str(url).map_err(|error| format!("not a PostgreSQL URL: {error}"))?;
            return Ok(Self::Postgres(url.to_owned()));
        }
        let rest = url
            .strip_prefix("sqlite:")
            .ok_or("must begin with sqlite:// or postgres://")?;
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        let path = path.strip_prefix("//").unwrap_or(path);
        if path.is_empty() || path == ":memory:" || query.contains("mode=memory") {
            return Err("an in-memory database would lose what it acknowledged: name a file".into());
        }
        if !matches!(query, "" | "mode=rwc" | "mode=rw") {
            return Err(format!("the option {query:?} is not known; only mode=rwc is"));
        }
        Ok(Self::Sqlite(path.into()))
    }
}

/// The open database.
#[derive(Clone, Debug)]
pub struct Db {
    writer: DatabaseConnection,
    reader: DatabaseConnection,
}

impl Db {
    /// Opens the database; an SQLite file is made when there is none.
    pub async fn open(url: &DatabaseUrl) -> Result<Self, DbErr> {
        match url {
            DatabaseUrl::Sqlite(path) => {
                let options = SqliteConnectOptions::new()
                    .filename(path)
                    .create_if_missing(true)
                    .foreign_keys(true)
                    .busy_timeout(SQLITE_BUSY_TIMEOUT);
                let writer = options
                    .clone()
                    .journal_mode(SqliteJournalMode::Wal)
                    .synchronous(SqliteSynchronous::Full);
                Ok(Self {
                    writer: sqlite_pool(writer, 1).await?,
                    reader: sqlite_pool(options.pragma("query_only", "ON"), SQLITE_READERS).await?,
                })
            }
            DatabaseUrl::Postgres(url) => {
                let options = PgConnectOptions::from_str(url).map_err(connection_error)?;
                let pool = PgPoolOptions::new()
                    .max_connections(POSTGRES_CONNECTIONS)
                    .acquire_timeout(ACQUIRE_TIMEOUT)
                    .connect_with(options.application_name("rekomi"))
                    .await
                    .map_err(connection_error)?;
                let both = SqlxPostgresConnector::from_sqlx_postgres_pool(pool);
                Ok(Self {
                    writer: both.clone(),
                    reader: both,
                })
            }
        }
    }

    /// For reads outside a transaction.
    pub fn reader(&self) -> &DatabaseConnection {
        &self.reader
    }

    /// Begins a transaction that may write.
    pub async fn begin(&self) -> Result<DatabaseTransaction, DbErr> {
        let options = TransactionOptions {
            sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
            ..TransactionOptions::default()
        };
        self.writer.begin_with_options(options).await
    }

    /// Brings the schema up to this binary's, under a lock, in one transaction.
    pub async fn migrate(&self) -> Result<(), DbErr> {
        let txn = self.begin().await?;
        if txn.get_database_backend() == DatabaseBackend::Postgres {
            let lock = format!("SELECT pg_advisory_xact_lock({MIGRATION_LOCK})");
            txn.execute_unprepared(&lock).await?;
        }
        refuse_newer(&txn).await?;
        Migrator::up(&txn, None).await?;
        txn.commit().await
    }

    /// Writes a consistent copy of a live SQLite database to a new file.
    pub async fn backup(&self, file: &str) -> Result<(), DbErr> {
        if self.writer.get_database_backend() != DatabaseBackend::Sqlite {
            return Err(DbErr::Custom("PostgreSQL is backed up with pg_dump".into()));
        }
        let copy = Statement::from_sql_and_values(DatabaseBackend::Sqlite, "VACUUM INTO ?", [file.into()]);
        self.writer.execute_raw(copy).await.map(drop)
    }

    /// Whether the database answers.
    pub async fn ping(&self) -> Result<(), DbErr> {
        self.reader.ping().await
    }

    /// Closes all connections.
    pub async fn close(&self) {
        let closed = (self.reader.clone().close().await, self.writer.clone().close().await);
        if let (Err(error), _) | (_, Err(error)) = closed {
            tracing::warn!(%error, "the database did not close cleanly");
        }
    }
}

async fn sqlite_pool(options: SqliteConnectOptions, size: u32) -> Result<DatabaseConnection, DbErr> {
    let pool = SqlitePoolOptions::new()
        .max_connections(size)
        .acquire_timeout(SQLITE_BUSY_TIMEOUT)
        .idle_timeout(None)
        .max_lifetime(None)
        .connect_with(options)
        .await
        .map_err(connection_error)?;
    Ok(SqlxSqliteConnector::from_sqlx_sqlite_pool(pool))
}

fn connection_error(error: sea_orm::sqlx::Error) -> DbErr {
    DbErr::Custom(format!("DATABASE_URL: cannot open the database: {error}"))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_url_names_a_file_or_a_server() {
        let sqlite = |path: &str| Ok(DatabaseUrl::Sqlite(path.into()));
        assert_eq!("sqlite://rekomi.db".parse(), sqlite("rekomi.db"));
        assert_eq!(
            "sqlite:///var/lib/rekomi.db?mode=rwc".parse(),
            sqlite("/var/lib/rekomi.db")
        );
        assert_eq!("sqlite:rekomi.db".parse(), sqlite("rekomi.db"));
        for refused in [
            "sqlite::memory:",
            "sqlite://x?mode=memory",
            "sqlite://",
            "mysql://x",
            "sqlite://x?cache=shared",
        ] {
            assert!(refused.parse::<DatabaseUrl>().is_err(), "{refused}");
        }
    }

    #[test]
    fn a_database_url_does_not_show_its_password() {
        for url in [
            "postgres://ann:hunter2@db/rekomi",
            "postgres://db/rekomi?password=hunter2",
        ] {
            let url: DatabaseUrl = url.parse().unwrap();
            assert_eq!(format!("{url:?}"), "Postgres([REDACTED])");
        }
    }
}
