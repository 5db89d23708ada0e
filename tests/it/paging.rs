//! Pages of conversions: in both directions, every row once.

use std::collections::BTreeSet;

use rekomi::auth::Role;

use crate::support::{app::NOON, *};

async fn page(app: &TestApp, arguments: &str) -> Value {
    let query = format!(
        "{{ conversions({arguments}) {{ totalCount edges {{ cursor node {{ id }} }} pageInfo {{ hasNextPage hasPreviousPage startCursor endCursor }} }} }}"
    );
    app.ana().query(&query).await["conversions"].take()
}

fn ids(page: &Value) -> Vec<String> {
    page["edges"]
        .as_array()
        .unwrap()
        .iter()
        .map(|edge| cast::id(&edge["node"]))
        .collect()
}

fn cursor<'a>(page: &'a Value, which: &str) -> &'a str {
    page["pageInfo"][which].as_str().unwrap()
}

/// 25 sales, of which 20 are of the same second.
async fn many(app: &TestApp) -> Vec<String> {
    app.stage().await;
    let sale = |number: i64| {
        let sale = app
            .sale()
            .promo(app.promo("SARAH20"))
            .created(NOON + (number / 20) * (number - 19))
            .build();
        sale.invoice_paid(Shape::Acacia)
    };
    app.deliver(&(0..25).map(sale).collect::<Vec<_>>()).await;
    let all = ids(&page(app, "first: 100").await);
    assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), 25);
    all
}

const DAY: i64 = 86_400;

both! {
    async fn pages_forward_and_backward_hold_every_row_once_in_order(app: &TestApp) {
        let all = many(app).await;
        let (mut forward, mut after) = (Vec::new(), String::new());
        for (number, rows) in [7, 7, 7, 4].into_iter().enumerate() {
            let page = page(app, &format!("first: 7{after}")).await;
            assert_eq!(page["totalCount"], 25);
            assert_eq!(
                (
                    ids(&page).len(),
                    &page["pageInfo"]["hasNextPage"],
                    &page["pageInfo"]["hasPreviousPage"]
                ),
                (rows, &json!(number < 3), &json!(number > 0))
            );
            assert_eq!(cursor(&page, "startCursor"), page["edges"][0]["cursor"]);
            after = format!(", after: \"{}\"", cursor(&page, "endCursor"));
            forward.extend(ids(&page));
        }
        assert_eq!(forward, all);
        assert_eq!(ids(&page(app, &format!("first: 7{after}")).await), [""; 0]);
        let (mut backward, mut before) = (Vec::new(), String::new());
        for (number, rows) in [7, 7, 7, 4].into_iter().enumerate() {
            let page = page(app, &format!("last: 7{before}")).await;
            assert_eq!(
                (
                    ids(&page).len(),
                    &page["pageInfo"]["hasPreviousPage"],
                    &page["pageInfo"]["hasNextPage"]
                ),
                (rows, &json!(number < 3), &json!(number > 0))
            );
            before = format!(", before: \"{}\"", cursor(&page, "startCursor"));
            backward.splice(0..0, ids(&page));
        }
        assert_eq!(backward, all);
    }

    async fn a_page_between_two_cursors_holds_what_lies_between(app: &TestApp) {
        let all = many(app).await;
        let edges = page(app, "first: 25").await;
        let at = |place: usize| edges["edges"][place]["cursor"].as_str().unwrap();
        let between = format!("after: \"{}\", before: \"{}\"", at(4), at(9));
        assert_eq!(ids(&page(app, &format!("first: 10, {between}")).await), all[5..9]);
        assert_eq!(ids(&page(app, &format!("last: 2, {between}")).await), all[7..9]);
    }

    async fn a_page_goes_on_where_it_was_when_new_sales_come(app: &TestApp) {
        let all = many(app).await;
        let first = page(app, "first: 10").await;
        let sale = app.sale().promo(app.promo("SARAH20")).created(NOON + DAY).build();
        app.deliver([&sale.invoice_paid(Shape::Acacia)]).await;
        let next = page(app, &format!("first: 100, after: \"{}\"", cursor(&first, "endCursor"))).await;
        assert_eq!(ids(&next), all[10..]);
    }

    async fn a_page_without_a_size_has_fifty_rows_at_most(app: &TestApp) {
        let stage = app.stage().await;
        for number in 0..51 {
            app.max()
                .new_affiliate(&format!("Affiliate {number}"), &[&stage.campaign])
                .await;
        }
        let data = app
            .ana()
            .query("{ affiliates { totalCount nodes { id } pageInfo { hasNextPage } } }")
            .await;
        assert_eq!(told::nodes(&data["affiliates"]).len(), 50);
        assert_eq!(
            (
                &data["affiliates"]["totalCount"],
                &data["affiliates"]["pageInfo"]["hasNextPage"]
            ),
            (&json!(53), &json!(true))
        );
    }

    async fn a_bad_size_or_a_broken_cursor_is_bad_user_input_in_every_list(app: &TestApp) {
        many(app).await;
        let conversion = page(app, "first: 1").await;
        let of_conversions = cursor(&conversion, "startCursor").to_owned();
        let data = app
            .ana()
            .query("{ affiliates(first: 1) { pageInfo { startCursor } } }")
            .await;
        let of_affiliates = cursor(&data["affiliates"], "startCursor").to_owned();
        for list in [
            "campaigns",
            "campaignCoupons",
            "affiliates",
            "affiliateCodes",
            "conversions",
            "codeRedemptionStats",
        ] {
            let foreign = if list == "conversions" {
                &of_affiliates
            } else {
                &of_conversions
            };
            let arguments = [
                "first: 0".to_owned(),
                "first: 101".to_owned(),
                "first: -1".to_owned(),
                "last: 0".to_owned(),
                "last: 101".to_owned(),
                "first: 1, last: 1".to_owned(),
                "after: \"\"".to_owned(),
                "after: \"nonsense\"".to_owned(),
                "last: 1, before: \"!\"".to_owned(),
                format!("after: \"{foreign}\""),
            ];
            for arguments in arguments {
                let answer = app
                    .ana()
                    .ask(
                        &format!("{{ {list}({arguments}) {{ edges {{ cursor }} }} }}"),
                        json!({}),
                    )
                    .await;
                assert_eq!(
                    answer.codes(),
                    ["BAD_USER_INPUT"],
                    "{list}({arguments}): {}",
                    answer.body
                );
            }
            app.ana()
                .query(&format!("{{ {list}(first: 100) {{ edges {{ cursor }} }} }}"))
                .await;
        }
    }

    async fn a_conversion_is_found_by_its_id_in_two_ways(app: &TestApp) {
        let all = many(app).await;
        let id = &all[3];
        let data = app
            .ana()
            .query(&format!(
                "{{ conversion(id: \"{id}\") {{ id }} node(id: \"{id}\") {{ id ... on Conversion {{ couponCode }} }} }}"
            ))
            .await;
        assert_eq!(
            data,
            json!({ "conversion": { "id": id }, "node": { "id": id, "couponCode": "SARAH20" } })
        );
        let token = app.token(Role::Analyst, None, None);
        for id in [
            "cnv_00000000000070008000000000000000",
            "cnv_x",
            "",
            "xyz_00000000000070008000000000000000",
        ] {
            let data = app
                .caller(token.clone())
                .query(&format!(
                    "{{ conversion(id: \"{id}\") {{ id }} node(id: \"{id}\") {{ id }} }}"
                ))
                .await;
            assert_eq!(data, json!({ "conversion": null, "node": null }), "{id}");
        }
    }
}
