//! The second wall's connections: under which role they work, whose rows they show, for whoever owns the database.

use entity::{affiliate, brand, conversion};
use futures_util::future::join_all;
use rekomi::db::Db;
use sea_orm::{
    EntityTrait, PaginatorTrait,
    sqlx::{AssertSqlSafe, Connection, Executor, Row},
};

use crate::support::{
    database::{Database, postgres_of},
    wall::{WORKERS_ALONE, raw, sales, tables, text, the_wall_stands},
    *,
};

on_postgres! {
    async fn every_table_has_both_policies_forced_and_nobody_passes_by_them(app: &TestApp) {
        let with_policies = text(
            app.db(),
            "SELECT string_agg(relname, ' ' ORDER BY relname) FROM pg_class c WHERE relrowsecurity AND relforcerowsecurity
               AND 2 = (SELECT count(*) FROM pg_policy WHERE polrelid = c.oid)
               AND 2 = (SELECT count(*) FROM pg_policy WHERE polrelid = c.oid AND polpermissive AND polcmd = '*'
                          AND polroles = '{0}' AND polname IN ('rekomi_brand', 'rekomi_workers'))",
        )
        .await;
        let mut with_policies: Vec<_> = with_policies.split(' ').collect();
        with_policies.sort_unstable();
        let mut expected: Vec<_> = tables(app).await.into_keys().collect();
        expected.push(WORKERS_ALONE.to_owned());
        expected.sort_unstable();
        assert_eq!(with_policies, expected);

        let who = "SELECT concat_ws(' ', rolname, rolsuper, rolbypassrls) FROM pg_roles WHERE rolname = current_user";
        let workers = &app.instance.app.db;
        let tenant = workers.of_brand(app.acme.id);
        for db in [workers, &tenant] {
            assert_eq!(text(db.reader(), who).await, "rekomi_rows f f");
            let txn = db.begin().await.unwrap();
            assert_eq!(text(&txn, who).await, "rekomi_rows f f");
            txn.rollback().await.unwrap();
        }
    }

    async fn a_connection_that_was_told_no_brand_shows_nothing(app: &TestApp) {
        sales(app).await;
        let mut raw = raw(app).await;
        for told in ["SET ROLE rekomi_rows", "SET rekomi.brand = ''", "SET rekomi.all_brands = 'off'"] {
            raw.execute(told).await.unwrap();
            for table in tables(app).await.into_keys() {
                let count = raw.fetch_one(AssertSqlSafe(format!("SELECT count(*) FROM {table}"))).await.unwrap();
                assert_eq!(count.get::<i64, _>(0), 0, "{told}: {table}");
            }
            let written = raw.execute("INSERT INTO feed_counter SELECT id, true, 0 FROM (SELECT gen_random_uuid() id) i");
            assert!(written.await.unwrap_err().to_string().contains("row-level security policy"), "{told}");
        }
        raw.execute("SET rekomi.brand = 'nonsense'").await.unwrap();
        assert!(raw.fetch_one("SELECT count(*) FROM brand").await.is_err());
        raw.close().await.unwrap();
    }

    async fn a_connection_handed_from_brand_to_brand_never_leaks(app: &TestApp) {
        sales(app).await;
        let brands = [(app.acme.id, 3), (app.globex.id, 1)];
        let reads = (0..600).map(|number| {
            let (brand, count) = brands[number % 2];
            let db = app.instance.app.db.of_brand(brand);
            let read = tokio::spawn(async move {
                let rows = if number % 3 == 0 {
                    let txn = db.begin().await.unwrap();
                    let rows = conversion::Entity::find().all(&txn).await.unwrap();
                    txn.rollback().await.unwrap();
                    rows
                } else {
                    conversion::Entity::find().all(db.reader()).await.unwrap()
                };
                assert_eq!(rows.len(), count);
                assert!(rows.iter().all(|row| row.brand_id == brand));
            });
            // Some go away in the middle of it.
            let gives_up = number % 5 == 0;
            async move {
                if gives_up {
                    tokio::time::sleep(std::time::Duration::from_micros(50 * (number as u64 % 40))).await;
                    read.abort();
                }
                match read.await {
                    Err(error) if error.is_cancelled() => {}
                    ended => ended.unwrap(),
                }
            }
        });
        join_all(reads).await;
    }

    async fn connections_that_the_server_ended_are_replaced(app: &TestApp) {
        sales(app).await;
        let db = app.instance.app.db.of_brand(app.globex.id);
        let mut raw = raw(app).await;
        for _ in 0..3 {
            join_all((0..24).map(|_| count(&db))).await;
            let ended = raw
                .fetch_all("SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                            WHERE datname = current_database() AND pid <> pg_backend_pid()")
                .await
                .unwrap();
            assert!(!ended.is_empty(), "there were connections to end");
            let txn = db.begin().await.unwrap();
            assert_eq!(conversion::Entity::find().count(&txn).await.unwrap(), 1);
            txn.rollback().await.unwrap();
            assert_eq!(join_all((0..24).map(|_| count(&db))).await, [1; 24]);
        }
        raw.close().await.unwrap();
    }
}

async fn count(db: &Db) -> u64 {
    conversion::Entity::find().count(db.reader()).await.unwrap()
}

both! {
    async fn a_request_without_a_token_has_no_rows_at_all(app: &TestApp) {
        let db = app.instance.app.db.of_nobody();
        assert!(brand::Entity::find().all(db.reader()).await.is_err());
        assert!(affiliate::Entity::find().count(db.reader()).await.is_err());
        assert!(db.begin().await.is_err());
        assert!(app.instance.app.db.of_brand(app.acme.id).begin().await.is_ok());
    }
}

/// Starts from an empty database of a role of its own.
async fn owned(database: Option<Database>, test: impl AsyncFnOnce(&TestApp)) {
    if let Some(database) = database {
        app::run(database, test).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_ordinary_owner_of_the_database_is_behind_the_wall_itself() {
    let database = postgres_of("LOGIN").await;
    owned(database, async |app| {
        sales(app).await;
        the_wall_stands(app).await;
        assert!(text(app.db(), "SELECT current_user::text").await.starts_with("owner_"));
        assert_eq!(app.told().await.len(), 3);
        let mut raw = raw(app).await;
        let count = raw.fetch_one("SELECT count(*) FROM conversion").await.unwrap();
        assert_eq!(count.get::<i64, _>(0), 0, "not even the owner sees a row unasked");
        raw.close().await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_the_wall_cannot_stand_the_server_serves_on() {
    // It passes by every policy, and may not take on the role that does not.
    let database = postgres_of("LOGIN BYPASSRLS").await;
    owned(database, async |app| {
        sales(app).await;
        assert_eq!(app.told().await.len(), 3);
        assert_eq!(app.globex_owner().told().await.len(), 1);
    })
    .await;
}
