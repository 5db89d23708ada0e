//! What reads outside a transaction go through: all brands' rows, or one brand's, or none.
//!
//! **Invariant.** A confined connection is told its brand before each statement and given back after it: what the
//! connection showed before does not matter, and nobody keeps one while he waits for anything else.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use entity::id::BrandId;
use sea_orm::{
    ConnAcquireErr, ConnectionTrait, DatabaseBackend, DatabaseConnection, DatabaseTransaction, DbErr, ExecResult,
    QueryResult, RuntimeErr, SqlxPostgresConnector, Statement, TransactionTrait,
    sea_query::Values,
    sqlx::{self, AssertSqlSafe, Executor, PgPool, Postgres, pool::PoolConnection, query::Query},
};
use sea_query_sqlx::SqlxValues;

use super::postgres::TENANTS;

/// For reads outside a transaction.
#[derive(Clone, Debug)]
pub enum Reader {
    /// Everything. On SQLite, and for the workers, which serve all brands.
    Everything(DatabaseConnection),
    /// One brand's rows, and PostgreSQL sees to it.
    Brand(Confined),
    /// Refuses whatever it is asked.
    Nothing(DatabaseBackend),
}

/// One brand's way to PostgreSQL.
#[derive(Clone, Debug)]
pub struct Confined {
    pool: PgPool,
    brand: Arc<str>,
    /// Milliseconds, for each statement outside a transaction.
    timeout: Arc<str>,
}

impl Confined {
    pub(super) fn new(pool: PgPool, brand: BrandId, timeout: Duration) -> Self {
        Self {
            pool,
            brand: brand.0.to_string().into(),
            timeout: timeout.as_millis().to_string().into(),
        }
    }

    /// A connection that shows the brand's rows, and no others. A connection that has died meanwhile is dropped for
    /// another one.
    async fn connection(&self) -> Result<PoolConnection<Postgres>, DbErr> {
        let mut lost = 0;
        loop {
            let mut connection = self.pool.acquire().await.map_err(not_acquired)?;
            let told = "SELECT set_config('rekomi.brand', $1, false), set_config('statement_timeout', $2, false)";
            let told = sqlx::query(told).bind(&*self.brand).bind(&*self.timeout);
            match told.execute(&mut *connection).await {
                Ok(_) => return Ok(connection),
                Err(error) if is_lost(&error) && lost < TENANTS => {
                    tracing::debug!(%error, "a connection was lost; taking another");
                    drop(connection.detach());
                    lost += 1;
                }
                Err(error) => return Err(DbErr::Conn(RuntimeErr::SqlxError(error.into()))),
            }
        }
    }

    /// A transaction that shows the brand's rows, and no others. What has begun to change something is never cut.
    pub(super) async fn begin(&self) -> Result<DatabaseTransaction, DbErr> {
        let pool = SqlxPostgresConnector::from_sqlx_postgres_pool(self.pool.clone());
        let mut lost = 0;
        let txn = loop {
            match pool.begin().await {
                Ok(txn) => break txn,
                Err(DbErr::Conn(RuntimeErr::SqlxError(error)) | DbErr::Query(RuntimeErr::SqlxError(error)))
                    if is_lost(&error) && lost < TENANTS =>
                {
                    tracing::debug!(%error, "a connection was lost; taking another");
                    lost += 1;
                }
                Err(error) => return Err(error),
            }
        };
        let brand = [(&*self.brand).into()];
        let told = "SELECT set_config('rekomi.brand', $1, true), set_config('statement_timeout', '0', true)";
        let told = Statement::from_sql_and_values(DatabaseBackend::Postgres, told, brand);
        txn.execute_raw(told).await?;
        Ok(txn)
    }
}

#[async_trait]
impl ConnectionTrait for Confined {
    fn get_database_backend(&self) -> DatabaseBackend {
        DatabaseBackend::Postgres
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        let mut connection = self.connection().await?;
        let done = query(&statement).execute(&mut *connection).await;
        done.map(ExecResult::from).map_err(not_executed)
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        let mut connection = self.connection().await?;
        let done = connection.execute(AssertSqlSafe(sql.to_owned())).await;
        done.map(ExecResult::from).map_err(not_executed)
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        let mut connection = self.connection().await?;
        let row = query(&statement).fetch_optional(&mut *connection).await;
        row.map(|row| row.map(QueryResult::from)).map_err(not_read)
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        let mut connection = self.connection().await?;
        let rows = query(&statement).fetch_all(&mut *connection).await;
        rows.map(|rows| rows.into_iter().map(QueryResult::from).collect())
            .map_err(not_read)
    }
}

/// The connection hands the statement on to what it is.
macro_rules! hand_on {
    ($self:ident, $inner:ident => $call:expr) => {
        match $self {
            Reader::Everything($inner) => $call,
            Reader::Brand($inner) => $call,
            Reader::Nothing(_) => Err(DbErr::Custom("nobody is asking: there are no rows to show".into())),
        }
    };
}

#[async_trait]
impl ConnectionTrait for Reader {
    fn get_database_backend(&self) -> DatabaseBackend {
        match self {
            Self::Everything(connection) => connection.get_database_backend(),
            Self::Brand(confined) => confined.get_database_backend(),
            Self::Nothing(backend) => *backend,
        }
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        hand_on!(self, inner => inner.execute_raw(statement).await)
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        hand_on!(self, inner => inner.execute_unprepared(sql).await)
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        hand_on!(self, inner => inner.query_one_raw(statement).await)
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        hand_on!(self, inner => inner.query_all_raw(statement).await)
    }
}

/// The statement as SeaORM gives it to its own pools: prepared once for each connection.
fn query(statement: &Statement) -> Query<'_, Postgres, SqlxValues> {
    let values = statement.values.clone().unwrap_or_else(|| Values(Vec::new()));
    sqlx::query_with(AssertSqlSafe(statement.sql.as_str()), SqlxValues(values))
}

/// Whether it is the connection that failed, and not what was asked of it
/// (<https://www.postgresql.org/docs/current/errcodes-appendix.html>: classes 08 and 57P, and 25P03, a time-out).
fn is_lost(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) | sqlx::Error::Protocol(_) | sqlx::Error::WorkerCrashed => true,
        sqlx::Error::Database(error) => error
            .code()
            .is_some_and(|code| code.starts_with("08") || code.starts_with("57P") || code == "25P03"),
        _ => false,
    }
}

fn not_acquired(error: sqlx::Error) -> DbErr {
    match error {
        sqlx::Error::PoolTimedOut => DbErr::ConnectionAcquire(ConnAcquireErr::Timeout),
        sqlx::Error::PoolClosed => DbErr::ConnectionAcquire(ConnAcquireErr::ConnectionClosed),
        error => DbErr::Conn(RuntimeErr::SqlxError(error.into())),
    }
}

fn not_executed(error: sqlx::Error) -> DbErr {
    DbErr::Exec(RuntimeErr::SqlxError(error.into()))
}

fn not_read(error: sqlx::Error) -> DbErr {
    DbErr::Query(RuntimeErr::SqlxError(error.into()))
}
