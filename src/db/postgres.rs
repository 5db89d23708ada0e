//! PostgreSQL's connections: those of the workers, which serve all brands, and those of requests, which show a brand's
//! rows only after they were told which brand's.
//!
//! **Invariant.** No connection works under a role that passes by row-level security, where that can be helped:
//! superusers and roles with `BYPASSRLS` ignore even forced policies, so for them the work is done under [`ROLE`].

use std::{str::FromStr, time::Duration};

use sea_orm::{
    ConnectionTrait, DatabaseTransaction, DbErr,
    sqlx::{
        self, Connection, Executor, PgConnection, PgPool, Row,
        postgres::{PgConnectOptions, PgPoolOptions},
    },
};

use super::connection_error;

/// The role that works with the rows where the URL's user would pass by their policies. Roles belong to the cluster:
/// all databases of Rekomi in one share it.
const ROLE: &str = "rekomi_rows";

const WORKERS: u32 = 8;
/// For requests.
pub(super) const TENANTS: u32 = 12;
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);

/// Opens both pools.
pub(super) async fn open(url: &str) -> Result<(PgPool, PgPool), DbErr> {
    let options = PgConnectOptions::from_str(url).map_err(connection_error)?;
    let options = under_policies(options.application_name("rekomi"))
        .await
        .map_err(connection_error)?;
    let pool = |size| {
        PgPoolOptions::new()
            .max_connections(size)
            .acquire_timeout(ACQUIRE_TIMEOUT)
    };
    let workers = pool(WORKERS).connect_lazy_with(options.clone().options([("rekomi.all_brands", "on")]));
    // Told which brand's rows to show before each use: that tells whether it lives as well as a ping does.
    let tenants = pool(TENANTS).test_before_acquire(false).connect_lazy_with(options);
    Ok((workers, tenants))
}

/// The same way in, under a role for which the policies hold.
async fn under_policies(options: PgConnectOptions) -> Result<PgConnectOptions, sqlx::Error> {
    let mut connection = PgConnection::connect_with(&options).await?;
    let row = connection
        .fetch_one(
            "SELECT rolsuper OR rolbypassrls, rolname::text, coalesce(quote_ident(current_schema()), '')
             FROM pg_roles WHERE rolname = current_user",
        )
        .await?;
    let (bypasses, user, schema): (bool, String, String) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
    if !bypasses {
        connection.close().await?;
        return Ok(options);
    }
    let usable = use_role(&mut connection).await;
    connection.close().await?;
    match usable {
        // The schema by its name: `"$user"` in the search path would be the role's from here on.
        Ok(()) => Ok(options.options([("role", ROLE), ("search_path", &schema)])),
        Err(error) => {
            tracing::warn!(
                %user, %error,
                "row-level security does not hold: this user of the database passes by it, and the role {ROLE} cannot \
                 be used; brands are kept apart by the application alone"
            );
            Ok(options)
        }
    }
}

/// Makes sure that the role is there, that it may be taken on, and that it is under the policies itself.
async fn use_role(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    let there = sqlx::query("SELECT FROM pg_roles WHERE rolname = $1")
        .bind(ROLE)
        .fetch_optional(&mut *connection)
        .await?;
    if there.is_none() {
        let made = connection
            .execute("CREATE ROLE rekomi_rows NOLOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE")
            .await;
        // Somebody else may have made it at the same time, in another database of the cluster.
        if let Err(error) = made
            && !has_code(&error, &["42710", "23505"])
        {
            return Err(error);
        }
    }
    if let Err(error) = connection.execute("SET ROLE rekomi_rows").await {
        if !has_code(&error, &["42501"]) {
            return Err(error);
        }
        connection.execute("GRANT rekomi_rows TO CURRENT_USER").await?;
        connection.execute("SET ROLE rekomi_rows").await?;
    }
    let row = connection
        .fetch_one("SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user")
        .await?;
    match row.try_get(0)? {
        false => Ok(()),
        true => Err(sqlx::Error::Configuration("it is a superuser or has BYPASSRLS".into())),
    }
}

fn has_code(error: &sqlx::Error, codes: &[&str]) -> bool {
    let code = error.as_database_error().and_then(|error| error.code());
    code.is_some_and(|code| codes.contains(&code.as_ref()))
}

/// Gives the role what it works with: the rows of the tables whose policies are forced, and nothing of any other.
pub(super) async fn grant_in_txn(txn: &DatabaseTransaction) -> Result<(), DbErr> {
    txn.execute_unprepared(
        "DO $$ DECLARE tables text; BEGIN
           IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'rekomi_rows') THEN RETURN; END IF;
           SELECT string_agg(oid::regclass::text, ', ') INTO tables FROM pg_class
             WHERE relnamespace = current_schema()::regnamespace AND relkind = 'r' AND relforcerowsecurity
               AND NOT has_table_privilege('rekomi_rows', oid, 'DELETE');
           IF tables IS NOT NULL THEN
             EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %s TO rekomi_rows', tables);
           END IF;
           IF NOT has_schema_privilege('rekomi_rows', current_schema(), 'USAGE') THEN
             EXECUTE format('GRANT USAGE ON SCHEMA %I TO rekomi_rows', current_schema());
           END IF;
         END $$",
    )
    .await
    .map(drop)
}
