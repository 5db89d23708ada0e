//! The two stores behind one door: SQLite with one writer and several readers, or PostgreSQL with connections for the
//! workers, which serve all brands, and connections for requests, each confined to its brand by row-level security.
//!
//! **Invariants.** Whatever writes begins with [`Db::begin`], which on SQLite takes the write lock at once: a
//! transaction that reads first and writes later can then never fail for having lost a race. On PostgreSQL a handle
//! from [`Db::of_brand`] finds and writes no other brand's rows, whatever is asked of it.

mod postgres;
mod reader;
mod schema;
mod url;

use std::{path::Path, time::Duration};

use entity::id::BrandId;
use sea_orm::{
    AccessMode, ConnectionTrait, DatabaseBackend, DatabaseConnection, DatabaseTransaction, DbErr, IsolationLevel,
    SqliteTransactionMode, SqlxPostgresConnector, SqlxSqliteConnector, Statement, TransactionOptions, TransactionTrait,
    sqlx::{
        PgPool,
        postgres::PgListener,
        sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
    },
};

pub use reader::Reader;
pub use url::{DatabaseUrl, make_private};

const SQLITE_READERS: u32 = 4;
const READ_TIMEOUT: Duration = Duration::from_secs(10);
const SQLITE_BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// The open database, as far as the handle reaches.
#[derive(Clone, Debug)]
pub struct Db {
    /// Not confined.
    writer: DatabaseConnection,
    reader: Reader,
    /// PostgreSQL's connections for requests.
    tenants: Option<PgPool>,
    /// How long a request's read may take.
    read_timeout: Duration,
}

impl Db {
    /// Opens the database, for all brands; an SQLite file is made when there is none.
    pub async fn open(url: &DatabaseUrl) -> Result<Self, DbErr> {
        match url {
            DatabaseUrl::Sqlite(path) => Self::sqlite(path, SqliteSynchronous::Full).await,
            DatabaseUrl::Postgres(url) => {
                let (workers, tenants) = postgres::open(url).await?;
                let both = SqlxPostgresConnector::from_sqlx_postgres_pool(workers);
                Ok(Self {
                    writer: both.clone(),
                    reader: Reader::Everything(both),
                    tenants: Some(tenants),
                    read_timeout: READ_TIMEOUT,
                })
            }
        }
    }

    async fn sqlite(path: &Path, synchronous: SqliteSynchronous) -> Result<Self, DbErr> {
        url::make_private(path).map_err(|error| connection_error(error.into()))?;
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .foreign_keys(true)
            .busy_timeout(SQLITE_BUSY_TIMEOUT);
        let writer = options
            .clone()
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(synchronous);
        let writer = sqlite_pool(writer, 1).await?;
        let reader = sqlite_pool(options.pragma("query_only", "ON"), SQLITE_READERS).await?;
        Ok(Self {
            writer,
            reader: Reader::Everything(reader),
            tenants: None,
            read_timeout: READ_TIMEOUT,
        })
    }

    /// With another time for a request's reads. PostgreSQL ends what takes longer; on SQLite a statement that nobody waits
    /// for any more ends with its next row.
    pub fn with_read_timeout(self, read_timeout: Duration) -> Self {
        Self { read_timeout, ..self }
    }

    /// Opens an SQLite file that nobody needs after a power cut.
    pub async fn scratch(path: &Path) -> Result<Self, DbErr> {
        Self::sqlite(path, SqliteSynchronous::Off).await
    }

    /// The handle of a request: on PostgreSQL it reaches this brand's rows alone. SQLite has no such wall.
    pub fn of_brand(&self, brand: BrandId) -> Self {
        let reader = match &self.tenants {
            Some(pool) => Reader::Brand(reader::Confined::new(pool.clone(), brand, self.read_timeout)),
            None => self.reader.clone(),
        };
        Self { reader, ..self.clone() }
    }

    /// The handle of a request without a token: it refuses whatever it is asked.
    pub fn of_nobody(&self) -> Self {
        Self {
            reader: Reader::Nothing(self.writer.get_database_backend()),
            ..self.clone()
        }
    }

    /// For reads outside a transaction.
    pub fn reader(&self) -> &Reader {
        &self.reader
    }

    /// Begins a transaction that may write.
    pub async fn begin(&self) -> Result<DatabaseTransaction, DbErr> {
        match &self.reader {
            Reader::Brand(confined) => confined.begin().await,
            Reader::Nothing(_) => Err(DbErr::Custom("nobody is asking: there is nothing to write".into())),
            Reader::Everything(_) => {
                let options = TransactionOptions {
                    sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
                    ..TransactionOptions::default()
                };
                self.writer.begin_with_options(options).await
            }
        }
    }

    /// Begins a transaction that reads all brands' rows as they are now, whatever is written meanwhile. It holds up
    /// nobody, but for as long as it lasts, what is written in the meantime cannot be tidied up.
    pub async fn snapshot(&self) -> Result<DatabaseTransaction, DbErr> {
        match &self.reader {
            Reader::Everything(connection) if self.tenants.is_some() => {
                let (level, access) = (IsolationLevel::RepeatableRead, AccessMode::ReadOnly);
                connection.begin_with_config(Some(level), Some(access)).await
            }
            // In WAL mode what is read first settles what all later reads see.
            Reader::Everything(connection) => connection.begin().await,
            Reader::Brand(_) | Reader::Nothing(_) => Err(DbErr::Custom("a snapshot shows all brands' rows".into())),
        }
    }

    /// Hears what PostgreSQL's other clients announce.
    ///
    /// # Errors
    /// Where it cannot connect, and on SQLite, which has nobody else.
    pub async fn listener(&self) -> Result<PgListener, DbErr> {
        if self.tenants.is_none() {
            return Err(DbErr::Custom("SQLite has nobody to listen to".into()));
        }
        PgListener::connect_with(self.writer.get_postgres_connection_pool())
            .await
            .map_err(connection_error)
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
        match &self.reader {
            Reader::Everything(connection) => connection.ping().await,
            Reader::Brand(_) | Reader::Nothing(_) => self.writer.ping().await,
        }
    }

    /// Closes all connections.
    pub async fn close(&self) {
        if let Some(tenants) = &self.tenants {
            tenants.close().await;
        }
        let mut closed = self.writer.clone().close().await;
        if let Reader::Everything(connection) = &self.reader {
            closed = closed.and(connection.clone().close().await);
        }
        if let Err(error) = closed {
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
