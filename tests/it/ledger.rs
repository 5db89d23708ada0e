//! The ledger, read: entry by entry, each only by who may.

use chrono::TimeDelta;

use crate::support::{cast::id, *};

/// Three sales of sarah's, the last of them refunded in part.
async fn entries(app: &TestApp) -> Stage {
    let stage = app.stage().await;
    for day in 0..3 {
        let mut sale = app.sale().promo(app.promo("SARAH20")).build();
        sale.sync(&app.acme.stripe);
        app.deliver(&sale.start(Shape::Endive)).await;
        if day == 2 {
            let events = sale.refund(Shape::Endive, Some(1000), Paid::First);
            sale.sync(&app.acme.stripe);
            app.deliver(&events).await;
        }
        app.pass(TimeDelta::days(1));
    }
    stage
}

both! {
    async fn entries_are_listed_oldest_first_with_what_they_are_about(app: &TestApp) {
        entries(app).await;
        assert_eq!(
            app.ana().ledger().await,
            [
                "sarah COMMISSION 800 USD due 2026-12-01",
                "sarah COMMISSION 800 USD due 2026-12-02",
                "sarah COMMISSION 800 USD due 2026-12-03",
                "sarah CLAWBACK -200 USD due 2026-12-03",
            ]
        );
        let fields = "id kind amount { amount minorUnits currency } availableAt createdAt conversion { id }";
        let page = app.ana().query(&format!("{{ ledgerEntries(last: 1) {{ nodes {{ {fields} }} }} }}")).await;
        let last = &page["ledgerEntries"]["nodes"][0];
        assert_eq!(
            *last,
            json!({
                "id": last["id"], "kind": "CLAWBACK", "amount": { "amount": "-2.00", "minorUnits": -200, "currency": "USD" },
                "availableAt": "2026-12-03T12:00:00+00:00", "createdAt": "2026-11-03T12:00:00+00:00",
                "conversion": { "id": app.ana().conversions().await[2]["id"] },
            })
        );
        assert!(id(last).starts_with("led_"));
        let node = format!("{{ node(id: {}) {{ ... on LedgerEntry {{ kind }} }} }}", last["id"]);
        assert_eq!(app.ana().query(&node).await["node"], json!({ "kind": "CLAWBACK" }));
    }

    async fn a_filter_narrows_the_list_and_its_count(app: &TestApp) {
        let stage = entries(app).await;
        let first = app.ana().conversions().await[0]["id"].clone();
        for (filter, count) in [
            (format!("affiliateId: \"{}\"", stage.sarah), 4),
            (format!("affiliateId: \"{}\"", stage.bob), 0),
            ("affiliateId: \"nonsense\"".to_owned(), 0),
            (format!("conversionId: {first}"), 1),
            ("conversionId: \"nonsense\"".to_owned(), 0),
            ("kind: [CLAWBACK]".to_owned(), 1),
            ("kind: [CLAWBACK, COMMISSION]".to_owned(), 4),
            ("kind: []".to_owned(), 0),
            (format!("conversionId: {first}, kind: [CLAWBACK]"), 0),
        ] {
            let query = format!("{{ ledgerEntries({filter}) {{ totalCount nodes {{ id }} }} }}");
            let found = app.ana().query(&query).await["ledgerEntries"].take();
            let listed = found["nodes"].as_array().unwrap().len();
            assert_eq!((found["totalCount"].as_i64(), listed), (Some(count), usize::try_from(count).unwrap()), "{filter}");
        }
    }

    async fn nobody_sees_what_is_anothers(app: &TestApp) {
        let stage = entries(app).await;
        let entry = app.ana().query("{ ledgerEntries(first: 1) { nodes { id } } }").await;
        let node = format!("{{ node(id: {}) {{ id }} }}", entry["ledgerEntries"]["nodes"][0]["id"]);
        for other in [app.affiliate(&stage.bob), app.globex_owner()] {
            assert_eq!(other.ledger().await, [""; 0]);
            assert_eq!(other.query(&node).await["node"], Value::Null);
        }
        assert_eq!(app.affiliate(&stage.sarah).ledger().await.len(), 4);
    }
}
