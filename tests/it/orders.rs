//! Orders that a caller chooses: every row once in both directions, and a cursor goes with its order.

use crate::support::*;

/// The field of each row in the order asked for, two rows at a time, from either end.
async fn walk(caller: &Caller, list: &str, order: &str, field: &str, way: (&str, &str, &str, &str)) -> Vec<String> {
    let (size, cursor, edge, more) = way;
    let (mut rows, mut from) = (Vec::new(), String::new());
    loop {
        let query = format!(
            "{{ it: {list}(orderBy: {order}, {size}: 2{from}) {{ nodes {{ {field} }} pageInfo {{ {edge} {more} }} }} }}"
        );
        let page = caller.query(&query).await["it"].clone();
        let nodes = page["nodes"].as_array().unwrap().iter();
        let nodes: Vec<String> = nodes.map(|it| it[field].as_str().unwrap().to_owned()).collect();
        rows = if size == "first" {
            [rows, nodes].concat()
        } else {
            [nodes, rows].concat()
        };
        if page["pageInfo"][more] == false {
            return rows;
        }
        from = format!(", {cursor}: {}", page["pageInfo"][edge]);
    }
}

const FORWARD: (&str, &str, &str, &str) = ("first", "after", "endCursor", "hasNextPage");
const BACKWARD: (&str, &str, &str, &str) = ("last", "before", "startCursor", "hasPreviousPage");

fn by(field: &str, direction: &str) -> String {
    format!("{{ field: {field}, direction: {direction} }}")
}

/// Both directions of an order, from both ends.
async fn goes(caller: &Caller, list: &str, order: &str, field: &str, expected: &[&str]) {
    let mut expected = expected.to_vec();
    for direction in ["ASC", "DESC"] {
        for way in [FORWARD, BACKWARD] {
            let rows = walk(caller, list, &by(order, direction), field, way).await;
            assert_eq!(rows, expected, "{list} {order} {direction} {}", way.0);
        }
        expected.reverse();
    }
}

both! {
    async fn affiliates_go_by_age_and_by_email(app: &TestApp) {
        let max = app.max();
        let campaign = max.campaign(CampaignSpec::default()).await;
        for (name, email) in [("One", "Zoe@x.example"), ("Two", "anna@x.example"), ("Three", "Mia@x.example")] {
            let input = json!({ "name": name, "email": email, "campaignIds": [campaign] });
            max.make("createAffiliate", "affiliate", "id", input).await;
        }
        goes(&max, "affiliates", "CREATED_AT", "name", &["One", "Two", "Three"]).await;
        goes(&max, "affiliates", "EMAIL", "name", &["Two", "Three", "One"]).await;
    }

    async fn codes_go_by_age_and_by_text(app: &TestApp) {
        let (stage, max) = (app.stage().await, app.max());
        for code in ["ZULU-1", "ALPHA-1"] {
            max.mint(&stage.coupon, &stage.bob, code).await;
        }
        goes(&max, "affiliateCodes", "CREATED_AT", "code", &["SARAH20", "ZULU-1", "ALPHA-1"]).await;
        goes(&max, "affiliateCodes", "CODE", "code", &["ALPHA-1", "SARAH20", "ZULU-1"]).await;
        let stats = max.query("{ codeRedemptionStats(orderBy: { field: CODE, direction: DESC }) { nodes { code { code } } } }");
        let stats = stats.await["codeRedemptionStats"]["nodes"].clone();
        let codes: Vec<&Value> = stats.as_array().unwrap().iter().map(|it| &it["code"]["code"]).collect();
        assert_eq!(codes, ["ZULU-1", "SARAH20", "ALPHA-1"]);
    }

    async fn sales_go_by_when_they_were_and_their_entries_by_age(app: &TestApp) {
        app.stage().await;
        for day in [3, 1, 2] {
            let sale = app.sale().promo(app.promo("SARAH20")).created(app::NOON - day * 86_400).build();
            app.deliver(&[sale.invoice_paid(Shape::Acacia)]).await;
        }
        let newest = app.ana().query("{ conversions { nodes { id } } }").await["conversions"]["nodes"].clone();
        let newest: Vec<String> = newest.as_array().unwrap().iter().map(cast::id).collect();
        let oldest: Vec<&str> = newest.iter().rev().map(String::as_str).collect();
        goes(&app.ana(), "conversions", "OCCURRED_AT", "id", &oldest).await;
        let entries = app.ana().query("{ ledgerEntries { nodes { id } } }").await["ledgerEntries"]["nodes"].clone();
        let entries: Vec<String> = entries.as_array().unwrap().iter().map(cast::id).collect();
        let entries: Vec<&str> = entries.iter().map(String::as_str).collect();
        assert_eq!(entries.len(), 3);
        goes(&app.ana(), "ledgerEntries", "CREATED_AT", "id", &entries).await;
    }

    async fn a_cursor_of_another_order_is_refused_and_says_so(app: &TestApp) {
        let (_, max) = (app.stage().await, app.max());
        let cursor = async |order: &str| {
            let data = max.query(&format!("{{ affiliates(first: 1{order}) {{ pageInfo {{ endCursor }} }} }}")).await;
            data["affiliates"]["pageInfo"]["endCursor"].as_str().unwrap().to_owned()
        };
        let orders = [
            String::new(),
            format!(", orderBy: {}", by("EMAIL", "ASC")),
            format!(", orderBy: {}", by("EMAIL", "DESC")),
            format!(", orderBy: {}", by("CREATED_AT", "DESC")),
        ];
        for given in &orders {
            let cursor = cursor(given).await;
            for asked in &orders {
                let query = format!("{{ affiliates(after: \"{cursor}\"{asked}) {{ nodes {{ id }} }} }}");
                let answer = max.ask(&query, json!({})).await;
                if asked == given {
                    assert!(answer.data().is_object());
                } else {
                    assert_eq!(answer.codes(), ["BAD_USER_INPUT"], "{given} for {asked}");
                    let message = answer.body["errors"][0]["message"].as_str().unwrap();
                    assert!(message.contains("another order"), "{message}");
                }
            }
        }
    }

    async fn affiliates_are_found_by_state_and_campaign_together(app: &TestApp) {
        let (stage, max) = (app.stage().await, app.max());
        let other = max.campaign(CampaignSpec::default()).await;
        let eve = max.new_affiliate("Eve", &[&other]).await;
        max.set_status(&stage.bob, "SUSPENDED").await;
        let found = async |filter: &str| -> (Vec<String>, Value) {
            let data = max.query(&format!("{{ affiliates(filter: {{ {filter} }}) {{ totalCount nodes {{ id }} }} }}")).await;
            let nodes = data["affiliates"]["nodes"].as_array().unwrap().iter().map(cast::id).collect();
            (nodes, data["affiliates"]["totalCount"].clone())
        };
        let in_campaign = format!("campaignId: \"{}\"", stage.campaign);
        assert_eq!(found("status: [APPROVED]").await, (vec![stage.sarah.clone(), eve], json!(2)));
        assert_eq!(found(&in_campaign).await, (vec![stage.sarah.clone(), stage.bob.clone()], json!(2)));
        assert_eq!(found(&format!("status: [SUSPENDED], {in_campaign}")).await, (vec![stage.bob.clone()], json!(1)));
        assert_eq!(found("campaignId: \"nonsense\"").await, (vec![], json!(0)));
        assert_eq!(found("status: []").await, (vec![], json!(0)));
    }

    async fn a_range_that_ends_before_it_begins_is_refused_by_name(app: &TestApp) {
        let (late, early) = ("2026-02-01T00:00:00Z", "2026-01-01T00:00:00Z");
        for (list, from, before) in [
            ("conversions", "occurredFrom", "occurredBefore"),
            ("codeRedemptionStats", "from", "before"),
            ("stripeEvents", "receivedFrom", "receivedBefore"),
        ] {
            let ask = async |from_at: &str, before_at: &str| {
                let filter = format!("filter: {{ {from}: \"{from_at}\", {before}: \"{before_at}\" }}");
                app.olivia().ask(&format!("{{ {list}({filter}) {{ totalCount nodes {{ __typename }} }} }}"), json!({})).await
            };
            let refused = ask(late, early).await;
            assert!(!refused.codes().is_empty() && refused.codes().iter().all(|code| *code == "BAD_USER_INPUT"), "{list}");
            let message = refused.body["errors"][0]["message"].as_str().unwrap();
            assert_eq!(message, format!("{before} must not be before {from}."));
            assert!(ask(early, early).await.data().is_object());
        }
    }
}
