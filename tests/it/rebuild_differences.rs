//! What `rekomi rebuild --verify` finds: whatever is changed in the source, or lost from the log, is named.

use entity::{conversion, ledger_entry, stripe_event, stripe_object};
use sea_orm::{ActiveModelTrait, ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder, sea_query::Expr};

use crate::{
    rebuild::{home, mixed, tamper, verify},
    support::*,
};

/// The one difference that there is.
async fn only(app: &TestApp) -> Value {
    let report = verify(app).await;
    assert_eq!(report.differences, 1, "{:#?}", report.told);
    report.told[0].clone()
}

both! {
    async fn a_changed_row_is_named_with_its_sale_and_what_tells_of_it(app: &TestApp) {
        let history = &mixed(app).await[3];
        let part = &history.sale.subscription;
        let change = |by: &str| format!("UPDATE conversion SET amount = amount {by} 1 WHERE part = '{part}'");
        tamper(app, &change("+")).await;
        let found = only(app).await;
        assert_eq!(
            [&found["what"], &found["brand"], &found["mode"], &found["which"]],
            [&json!("conversion"), &json!("acme"), &json!("live"), &json!({ "part": part })]
        );
        assert_eq!([&found["stands"], &found["cameOut"]], [&json!({ "amount": 4001 }), &json!({ "amount": 4000 })]);
        assert!(found["cause"].as_str().unwrap().contains("the row was changed"), "{found}");
        let (sale, told_by) = (found["sale"].as_array().unwrap(), found["toldBy"].as_array().unwrap());
        assert!(sale.contains(&json!(part)) && sale.len() > 3, "{found}");
        let kinds = |kind: &str| told_by.iter().filter(|entry| entry["type"] == kind).count();
        assert!(kinds("invoice.paid") >= 3 && kinds("charge.refunded") > 0, "{found}");
        assert!(told_by.iter().any(|entry| entry["answer"].is_string()), "{found}");

        let output = home(app).run(&["rebuild", "--verify"]);
        assert!(!output.status.success());
        let shown: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(shown["cameOut"], found["cameOut"]);
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.starts_with("rekomi: 1 differences: ") && said.lines().count() == 1, "{said}");
        tamper(app, &change("-")).await;

        let change = format!("UPDATE redemption SET refunded = NOT refunded WHERE usage = '{part}'");
        tamper(app, &change).await;
        let found = only(app).await;
        assert_eq!([&found["what"], &found["which"]["usage"]], [&json!("redemption"), &json!(part)]);
        assert_eq!([&found["stands"], &found["cameOut"]], [&json!({ "refunded": true }), &json!({ "refunded": false })]);
        tamper(app, &change).await;
        assert_eq!(verify(app).await.differences, 0);
    }

    async fn a_total_that_was_moved_is_named(app: &TestApp) {
        mixed(app).await;
        for (table, column) in [
            ("affiliate_total", "redemptions"),
            ("affiliate_total", "renewals"),
            ("campaign_total", "revenue"),
            ("campaign_total", "commission"),
            ("affiliate_balance", "amount"),
        ] {
            let of_all = match column {
                "amount" => "",
                "redemptions" => " WHERE hour = -1 AND currency = 'XXX'",
                _ => " WHERE hour = -1 AND currency <> 'XXX'",
            };
            tamper(app, &format!("UPDATE {table} SET {column} = {column} + 1{of_all}")).await;
            let found = only(app).await;
            assert_eq!(found["what"], table);
            let figure = |side: &str| found[side][column].as_i64().unwrap();
            assert_eq!(figure("stands"), figure("cameOut") + 1);
            assert!(found["cause"].as_str().unwrap().contains("the total itself was moved"), "{found}");
            tamper(app, &format!("UPDATE {table} SET {column} = {column} - 1{of_all}")).await;
        }
    }

    async fn an_entry_of_the_ledger_that_is_gone_or_too_many_is_named(app: &TestApp) {
        let part = mixed(app).await[1].sale.subscription.clone();
        let db = &app.instance.app.db;
        let row = conversion::Entity::find().filter(conversion::Column::Part.eq(&part));
        let row = row.one(app.db()).await.unwrap().unwrap();
        let entry = ledger_entry::Entity::find()
            .filter(ledger_entry::Column::ConversionId.eq(row.id))
            .filter(ledger_entry::Column::Kind.eq("clawback"))
            .order_by_asc(ledger_entry::Column::Id);
        let entry = entry.one(app.db()).await.unwrap().unwrap();
        let sums = |found: &Value| [found["stands"]["sum"].as_i64(), found["cameOut"]["sum"].as_i64()];

        let txn = db.begin().await.unwrap();
        ledger_entry::Entity::delete_by_id(entry.id).exec(&txn).await.unwrap();
        txn.commit().await.unwrap();
        let found = only(app).await;
        assert_eq!([&found["what"], &found["which"]["part"]], [&json!("ledger"), &json!(part)]);
        assert_eq!(found["which"]["kind"], "clawback");
        assert_eq!(sums(&found)[0].unwrap_or(0), sums(&found)[1].unwrap() - entry.amount);

        let more = ledger_entry::Model { kind: ledger_entry::EntryKind::Override, amount: 7, ..entry.clone() };
        let txn = db.begin().await.unwrap();
        entry.clone().into_active_model().reset_all().insert(&txn).await.unwrap();
        let more = ledger_entry::Model { id: app.clock.new_id().into(), ..more };
        more.clone().into_active_model().reset_all().insert(&txn).await.unwrap();
        txn.commit().await.unwrap();
        let found = only(app).await;
        assert_eq!((sums(&found), &found["which"]["kind"]), ([Some(7), None], &json!("override")));
        let txn = db.begin().await.unwrap();
        ledger_entry::Entity::delete_by_id(more.id).exec(&txn).await.unwrap();
        txn.commit().await.unwrap();
    }
}

on_both! {
    async fn a_conversion_that_is_missing_or_one_too_many_is_named(database: Database) {
        let app = TestApp::start(database).await;
        let histories = mixed(&app).await;
        let find = async |part: &str| {
            let row = conversion::Entity::find().filter(conversion::Column::Part.eq(part));
            row.one(app.db()).await.unwrap().unwrap()
        };
        let [gone, kept] = [&histories[0], &histories[2]].map(|history| history.sale.subscription.clone());
        let (row, model) = (find(&gone).await, find(&kept).await);
        let txn = app.instance.app.db.begin().await.unwrap();
        let id = rekomi::clock::Clock::system().new_id();
        let extra = conversion::Model { id: id.into(), part: "in_extra".into(), ..model };
        extra.into_active_model().reset_all().insert(&txn).await.unwrap();
        entity::feed_event::Entity::delete_many()
            .filter(entity::feed_event::Column::ConversionId.eq(row.id))
            .exec(&txn)
            .await
            .unwrap();
        ledger_entry::Entity::delete_many()
            .filter(ledger_entry::Column::ConversionId.eq(row.id))
            .exec(&txn)
            .await
            .unwrap();
        conversion::Entity::delete_by_id(row.id).exec(&txn).await.unwrap();
        txn.commit().await.unwrap();

        let found = verify(&app).await.told;
        let of = |what: &str, part: &str| {
            let mut matching = found.iter().filter(|found| found["what"] == what && found["which"]["part"] == part);
            matching.next().unwrap_or_else(|| panic!("{what} {part}: {found:#?}"))
        };
        let missing = of("conversion", &gone);
        assert_eq!([&missing["stands"], &missing["cameOut"]["amount"]], [&Value::Null, &json!(4000)]);
        assert!(missing["cause"].as_str().unwrap().contains("the row is missing"), "{missing}");
        assert_eq!(of("ledger", &gone)["stands"], Value::Null);
        let extra = of("conversion", "in_extra");
        assert_eq!([&extra["cameOut"], &extra["stands"]["amount"]], [&Value::Null, &json!(4000)]);
        assert!(extra["cause"].as_str().unwrap().contains("nothing in the log"), "{extra}");
        app.instance.stop().await;
    }

    async fn what_is_lost_from_the_log_or_cannot_be_read_is_named(database: Database) {
        let app = TestApp::start(database).await;
        let histories = mixed(&app).await;
        let part = &histories[3].sale.subscription;
        // The sessions name the codes, too.
        let sessions = stripe_event::Entity::delete_many()
            .filter(stripe_event::Column::Kind.eq("checkout.session.completed"));
        let txn = app.instance.app.db.begin().await.unwrap();
        stripe_object::Entity::delete_many().exec(&txn).await.unwrap();
        sessions.exec(&txn).await.unwrap();
        txn.commit().await.unwrap();
        let report = verify(&app).await;
        let about = |found: &&Value| found["sale"].as_array().is_some_and(|sale| sale.contains(&json!(part)));
        let found = report.told.iter().find(about).unwrap();
        assert!(found["cause"].as_str().unwrap().starts_with("what is kept of the sale is not what the log tells"), "{found}");

        let txn = app.instance.app.db.begin().await.unwrap();
        stripe_event::Entity::update_many()
            .col_expr(stripe_event::Column::Body, Expr::value(b"{".to_vec()))
            .filter(stripe_event::Column::StripeId.eq("evt_thin"))
            .exec(&txn)
            .await
            .unwrap();
        txn.commit().await.unwrap();
        let report = verify(&app).await;
        let found = report.told.iter().find(|found| found["what"] == "log").unwrap();
        assert_eq!(found["which"]["stripeId"], "evt_thin");
        assert!(found["cause"].as_str().unwrap().starts_with("it cannot be read"), "{found}");
        app.instance.stop().await;
    }
}
