//! Reports that meet, on several servers; and servers that die: a sale is recorded once, whatever came of its answer.

use entity::{audit_entry, conversion, sale, sale_report};
use futures_util::future::join_all;
use rekomi::{clock::Clock, standin::StandIn};
use sea_orm::{ConnectionTrait, EntityTrait, PaginatorTrait};

use crate::support::{
    binary::Home,
    books,
    cast::{id, set_stage},
    *,
};

const TOLD: &str = "ONE_OFF PENDING sarah - 4900 USD, commission 980";

both! {
    async fn the_same_sale_told_to_two_servers_at_once_is_recorded_once(app: &TestApp) {
        let stage = app.stage().await;
        let other = app.second_instance().await;
        let token = app.token(rekomi::auth::Role::Manager, None, None);
        let callers = [app.max(), other.caller(Some(token))];
        for round in 0..3 {
            let sale = reported(&format!("order-{round}"), json!({ "affiliateId": stage.sarah }));
            let answers = join_all((0..16).map(|n| callers[n % 2].make("recordConversion", "conversion", "id", sale.clone())));
            let ids: std::collections::BTreeSet<String> = answers.await.iter().map(id).collect();
            assert_eq!(ids.len(), 1);
        }
        assert_eq!(app.told().await, [TOLD; 3]);
        assert_eq!((app.count::<sale_report::Entity>().await, app.count::<sale::Entity>().await), (3, 3));
        other.stop().await;
    }

    async fn of_two_sales_that_want_one_name_at_once_one_has_it(app: &TestApp) {
        let stage = app.stage().await;
        let other = app.second_instance().await;
        let token = app.token(rekomi::auth::Role::Manager, None, None);
        let callers = [app.max(), other.caller(Some(token))];
        let answers = join_all((0..16).map(|n| {
            let amount = json!({ "minorUnits": 1000 + n, "currency": "USD" });
            let sale = reported("order-1", json!({ "affiliateId": stage.sarah, "amount": amount }));
            callers[n % 2].mutate("recordConversion", "conversion { id }", sale)
        }))
        .await;
        let (made, refused): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| !answer["conversion"].is_null());
        assert_eq!((made.len(), refused.len()), (1, 15));
        for answer in refused {
            assert_eq!(client::mistakes(answer), [mistake("TAKEN", "externalId")]);
        }
        assert_eq!(app.count::<conversion::Entity>().await, 1);
        other.stop().await;
    }

    async fn a_sale_and_its_refunds_at_once_come_to_the_same(app: &TestApp) {
        let stage = app.stage().await;
        let other = app.second_instance().await;
        let token = app.token(rekomi::auth::Role::Manager, None, None);
        let callers = [app.max(), other.caller(Some(token))];
        let sale = reported("order-1", json!({ "affiliateId": stage.sarah }));
        let refunds = join_all((1..=8).map(|n| {
            let amount = json!({ "minorUnits": n * 100, "currency": "USD" });
            callers[n % 2].mutate("refundConversion", "conversion { id }", json!({ "externalId": "order-1", "amount": amount }))
        }));
        let sales = join_all((0..8).map(|n| callers[n % 2].make("recordConversion", "conversion", "id", sale.clone())));
        let (refunds, _) = futures_util::future::join(refunds, sales).await;
        for answer in &refunds {
            assert_eq!(client::mistakes(answer), []);
        }
        assert_eq!(
            app.told().await,
            ["ONE_OFF PARTIALLY_REFUNDED sarah - 4900 USD, refunded 800, commission 820"]
        );
        other.stop().await;
    }

    async fn reports_meet_stripes_events_without_waiting_for_each_other(app: &TestApp) {
        let stage = app.stage().await;
        let max = app.max();
        let mut events = Vec::new();
        for _ in 0..10 {
            let sale = app.sale().promo(app.promo("SARAH20")).build();
            sale.sync(&app.acme.stripe);
            events.extend(sale.start(Shape::Endive));
        }
        let reports = join_all((0..20).map(|n| {
            let sale = reported(&format!("order-{n}"), json!({ "code": "SARAH20" }));
            max.make("recordConversion", "conversion", "id", sale)
        }));
        futures_util::future::join(app.deliver(&events), reports).await;
        assert_eq!(app.told().await.len(), 30);
        assert_eq!(app.ana().redemption_count(&stage.sarah).await, 30);
    }

    async fn what_is_rolled_back_leaves_nothing(app: &TestApp) {
        let stage = app.stage().await;
        let before = app.everything().await;
        // The entry in the audit log comes last: where it cannot be written, there is no sale either.
        if app.database.is_postgres() {
            alter(app, "ALTER TABLE audit_entry ADD CONSTRAINT refused CHECK (action <> 'conversion.recorded')").await;
        } else {
            let refuse = "CREATE TRIGGER refused BEFORE INSERT ON audit_entry WHEN NEW.action = 'conversion.recorded'
                BEGIN SELECT RAISE(ABORT, 'refused'); END";
            alter(app, refuse).await;
        }
        let sale = reported("order-1", json!({ "affiliateId": stage.sarah }));
        let answer = app.max().try_mutate("recordConversion", "conversion { id }", sale.clone()).await;
        assert_eq!(answer.codes(), ["INTERNAL"]);
        assert_eq!(app.everything().await, before);
        if app.database.is_postgres() {
            alter(app, "ALTER TABLE audit_entry DROP CONSTRAINT refused").await;
        } else {
            alter(app, "DROP TRIGGER refused").await;
        }
        app.max().make("recordConversion", "conversion", "id", sale).await;
        assert_eq!(app.told().await, [TOLD]);
    }
}

/// Changes the schema, as the role that owns it.
async fn alter(app: &TestApp, statement: &str) {
    let txn = app.instance.app.db.begin().await.unwrap();
    if app.database.is_postgres() {
        txn.execute_unprepared("SET LOCAL ROLE NONE").await.unwrap();
    }
    txn.execute_unprepared(statement).await.unwrap();
    txn.commit().await.unwrap();
}

on_both! {
    async fn a_server_that_died_before_it_answered_has_recorded_it_once(database: Database) {
        let standin = StandIn::start(Clock::system()).await.unwrap();
        let home = Home::new(database, &standin);
        home.acme();
        let mut server = home.serve().await;
        let token = home.token("manager");
        let stage = set_stage(&server.caller(token.clone()), CampaignSpec::default(), CouponSpec::default()).await;
        let query = "mutation($input: RecordConversionInput!) { recordConversion(input: $input) { conversion { id } userErrors { code } } }";
        let (rounds, per_round) = (3, 12);
        for round in 0..rounds {
            let sales: Vec<Value> = (0..per_round)
                .map(|n| reported(&format!("order-{round}-{n}"), json!({ "affiliateId": stage.sarah })))
                .collect();
            let caller = server.caller(token.clone());
            let sending = join_all(sales.iter().map(|sale| caller.cut(query, json!({ "input": sale }))));
            let url = home.settings["DATABASE_URL"].parse().unwrap();
            let db = rekomi::db::Db::open(&url).await.unwrap();
            let enough = eventually("some are committed", async || {
                let count = sale_report::Entity::find().count(db.reader()).await.unwrap();
                (count > round * per_round).then_some(())
            });
            tokio::select! {
                _ = sending => {}
                () = enough => {}
            }
            server.kill();
            db.close().await;
            server = home.serve().await;
            let caller = server.caller(token.clone());
            for sale in &sales {
                caller.make("recordConversion", "conversion", "id", sale.clone()).await;
            }
        }
        assert_eq!(server.caller(token.clone()).told().await, [TOLD; 36]);
        drop(server);
        let url = home.settings["DATABASE_URL"].parse().unwrap();
        let db = rekomi::db::Db::open(&url).await.unwrap();
        let entries = audit_entry::Entity::find().all(db.reader()).await.unwrap();
        let recorded = entries.iter().filter(|entry| entry.action == "conversion.recorded").count();
        assert_eq!((recorded, sale_report::Entity::find().count(db.reader()).await.unwrap()), (36, 36));
        db.close().await;
        books::check(&home.settings["DATABASE_URL"]).await;
        books::log(&home.settings["DATABASE_URL"]).await;
    }
}
