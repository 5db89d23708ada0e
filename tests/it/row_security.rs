//! The second wall: what goes round the finder is stopped by PostgreSQL, on every table, in both directions.

use entity::campaign;
use futures_util::StreamExt;
use rekomi::domain::feed::FeedName;
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, DatabaseBackend, EntityTrait, IntoActiveModel, QueryFilter, Set,
    Statement,
    sea_query::Expr,
    sqlx::{AssertSqlSafe, Connection, Executor, Row},
};

use crate::support::{
    wall::{raw, refused, sales, shown, statement, tables, text, the_wall_stands},
    *,
};

on_postgres! {
    async fn reading_round_the_finder_shows_a_brand_its_own_rows_alone_in_every_table(app: &TestApp) {
        sales(app).await;
        the_wall_stands(app).await;
    }

    async fn another_brands_rows_cannot_be_written_in_any_table(app: &TestApp) {
        sales(app).await;
        let db = app.instance.app.db.of_brand(app.globex.id);
        for (table, column) in tables(app).await {
            let (all, own) = shown(app.db(), &table, column, app.globex.id).await;
            let txn = db.begin().await.unwrap();
            // Nobody changes the log, as its own rule book has it.
            if table != "audit_entry" {
                let touched = txn.execute_unprepared(&format!("UPDATE {table} SET {column} = {column}")).await;
                assert_eq!(i64::try_from(touched.unwrap().rows_affected()).unwrap(), own, "{table}");
                let theirs = format!("DELETE FROM {table} WHERE {column} = $1");
                let deleted = txn.execute_raw(statement(theirs, app.acme.id)).await.unwrap();
                assert_eq!(deleted.rows_affected(), 0, "{table}");
            }
            if all > own {
                // The very row that Acme has: the wall is asked before any key is.
                let row = format!("SELECT to_jsonb({table})::text FROM {table} WHERE {column} = $1 LIMIT 1");
                let row = app.db().query_one_raw(statement(row, app.acme.id)).await.unwrap().unwrap();
                let sql = format!("INSERT INTO {table} SELECT (jsonb_populate_record(NULL::{table}, $1::jsonb)).*");
                let row = [row.try_get_by_index::<String>(0).unwrap().into()];
                let insert = Statement::from_sql_and_values(DatabaseBackend::Postgres, sql, row);
                assert!(refused(txn.execute_raw(insert).await), "{table}");
            }
            txn.rollback().await.unwrap();
            assert_eq!(shown(app.db(), &table, column, app.globex.id).await, (all, own), "{table}");
        }
    }

    async fn the_orm_is_stopped_too(app: &TestApp) {
        sales(app).await;
        let db = app.instance.app.db.of_brand(app.globex.id);
        let theirs = campaign::Entity::find().filter(campaign::Column::BrandId.eq(app.acme.id));
        let theirs = theirs.one(app.db()).await.unwrap().unwrap();

        let txn = db.begin().await.unwrap();
        let updated = campaign::Entity::update_many().col_expr(campaign::Column::Name, Expr::value("Ours"));
        let updated = updated.filter(campaign::Column::Id.eq(theirs.id)).exec(&txn).await.unwrap();
        assert_eq!(updated.rows_affected, 0);
        let deleted = campaign::Entity::delete_by_id(theirs.id).exec(&txn).await.unwrap();
        assert_eq!(deleted.rows_affected, 0);
        let mut copy = theirs.clone().into_active_model().reset_all();
        copy.id = Set(app.clock.new_id().into());
        assert!(refused(copy.insert(&txn).await));
        txn.rollback().await.unwrap();

        // Nor can an own row be given away.
        let txn = db.begin().await.unwrap();
        let given = campaign::Entity::update_many().col_expr(campaign::Column::BrandId, Expr::value(app.acme.id));
        assert!(refused(given.exec(&txn).await));
        txn.rollback().await.unwrap();

        let left = campaign::Entity::find_by_id(theirs.id).one(app.db()).await.unwrap();
        assert_eq!(left, Some(theirs));
    }

    async fn the_policies_do_not_mislead_the_planner(app: &TestApp) {
        let mut raw = raw(app).await;
        raw.execute(
            "INSERT INTO brand (id, slug, name, tier, is_default, time_zone, created_at)
               SELECT gen_random_uuid(), 'b' || n, 'B', 'starter', false, 'UTC', now() FROM generate_series(1, 998) n",
        )
        .await
        .unwrap();
        raw.execute("ANALYZE brand").await.unwrap();
        raw.close().await.unwrap();
        // The policies hide nothing that the finder lets through: the planner must not expect them to.
        let plan = text(app.instance.app.db.of_brand(app.acme.id).reader(), "EXPLAIN SELECT * FROM brand").await;
        let rows = plan.split("rows=").nth(1).and_then(|rest| rest.split(' ').next()).unwrap();
        assert!(rows.parse::<u32>().unwrap() > 900, "{plan}");
    }

    async fn workers_serve_all_brands(app: &TestApp) {
        sales(app).await;
        let mut raw = raw(app).await;
        for (table, column) in tables(app).await {
            let count = raw.fetch_one(AssertSqlSafe(format!("SELECT count(*) FROM {table}"))).await.unwrap();
            let (seen, _) = shown(app.db(), &table, column, app.acme.id).await;
            assert_eq!(seen, count.get::<i64, _>(0), "{table}");
        }
        raw.close().await.unwrap();
    }

    async fn requests_and_the_live_feed_are_behind_the_wall(app: &TestApp) {
        sales(app).await;
        let lists = ["campaigns", "affiliates", "campaignCoupons", "affiliateCodes", "conversions", "codeRedemptionStats"];
        let counts = async |expected: [u64; 6]| {
            for (list, expected) in lists.into_iter().zip(expected) {
                let data = app.olivia().query(&format!("{{ {list} {{ totalCount }} }}")).await;
                assert_eq!(data[list]["totalCount"], expected, "{list}");
            }
        };
        let feed = FeedName { brand: app.acme.id, livemode: true };
        let heard = async |wait| {
            let mut listening = Box::pin(app.instance.app.live.listen(feed, None, Some(0)).await.unwrap());
            let item = tokio::time::timeout(wait, listening.next()).await;
            item.is_ok_and(|item| item.unwrap().is_ok())
        };
        counts([1, 2, 1, 1, 3, 1]).await;
        assert!(heard(PATIENCE).await);
        // With the wall made blind, the finder is right as ever, and nothing comes through.
        let mut raw = raw(app).await;
        for table in tables(app).await.into_keys().filter(|table| table != "brand") {
            let blind = format!("ALTER POLICY rekomi_brand ON {table} USING (false)");
            raw.execute(AssertSqlSafe(blind)).await.unwrap();
        }
        counts([0; 6]).await;
        assert!(!heard(std::time::Duration::from_millis(700)).await);
        let input = json!({ "name": "X", "landingUrl": "https://x.example", "commission": { "percent": "1" } });
        let answer = app.olivia().try_mutate("createCampaign", "campaign { id }", input).await;
        assert_eq!(answer.codes(), ["INTERNAL"]);
        raw.close().await.unwrap();
    }
}
