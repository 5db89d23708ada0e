//! Who is asking, and objects by their ids.

use rekomi::auth::Role;

use crate::support::*;

const VIEWER: &str = "{ viewer { subject role scopes permissions livemode expiresAt affiliate { id }
    brand { id name slug timeZone tier } } }";

async fn permissions(caller: &Caller) -> Vec<String> {
    let data = caller.query(VIEWER).await;
    let all = data["viewer"]["permissions"].as_array().unwrap().iter();
    all.map(|it| it.as_str().unwrap().to_owned()).collect()
}

both! {
    async fn a_token_is_told_its_brand_its_role_and_what_it_may(app: &TestApp) {
        let viewer = app.olivia().query(VIEWER).await["viewer"].clone();
        assert_eq!(viewer["role"], "OWNER");
        assert_eq!(viewer["scopes"], Value::Null);
        assert_eq!(viewer["livemode"], true);
        assert_eq!(viewer["affiliate"], Value::Null);
        assert_eq!(viewer["brand"]["id"], app.acme.id.to_string());
        assert_eq!(viewer["brand"]["timeZone"], "UTC");
        assert_eq!(permissions(&app.olivia()).await.len(), rekomi::auth::roles::operations().count() - 1);
        let ana = permissions(&app.ana()).await;
        assert!(ana.contains(&"READ_STATS".to_owned()) && !ana.contains(&"MANAGE_CODES".to_owned()), "{ana:?}");
    }

    async fn an_affiliate_is_told_itself_and_nothing_of_the_plan(app: &TestApp) {
        let stage = app.stage().await;
        let viewer = app.affiliate(&stage.sarah).query(VIEWER).await["viewer"].clone();
        assert_eq!(viewer["role"], "AFFILIATE");
        assert_eq!(viewer["affiliate"]["id"], stage.sarah);
        assert_eq!(viewer["brand"]["tier"], Value::Null);
        let may = permissions(&app.affiliate(&stage.sarah)).await;
        assert!(may.contains(&"MINT_OWN_CODE".to_owned()) && !may.contains(&"MANAGE_CAMPAIGNS".to_owned()), "{may:?}");
    }

    async fn a_key_is_told_its_scopes(app: &TestApp) {
        let input = json!({ "name": "Back end", "scopes": ["CODES_READ"] });
        let made = app.olivia().mutate("createApiKey", "key apiKey { id expiresAt }", input).await;
        let viewer = app.caller(made["key"].as_str().unwrap().to_owned()).query(VIEWER).await["viewer"].clone();
        assert_eq!(viewer["subject"], made["apiKey"]["id"]);
        assert_eq!(viewer["role"], Value::Null);
        assert_eq!(viewer["scopes"], json!(["CODES_READ"]));
        assert_eq!(
            viewer["permissions"],
            json!(["READ_CAMPAIGNS", "READ_AFFILIATES", "READ_COUPONS", "READ_CODES"])
        );
    }

    async fn nodes_come_in_the_order_of_the_ids_and_null_for_what_is_not_there_or_not_yours(app: &TestApp) {
        const NODES: &str = "query($ids: [ID!]!) { nodes(ids: $ids) { id } }";
        let stage = app.stage().await;
        let unknown = "cmp_00000000000000000000000000000000";
        let ids = [&stage.sarah, unknown, "nonsense", &stage.campaign, &stage.sarah];
        let expected = json!([{ "id": stage.sarah }, null, null, { "id": stage.campaign }, { "id": stage.sarah }]);
        let data = app.max().query_with(NODES, json!({ "ids": ids })).await;
        assert_eq!(data["nodes"], expected);
        let globex = app.caller(app.token_of(&app.globex, Role::Owner, None, None));
        let data = globex.query_with(NODES, json!({ "ids": ids })).await;
        assert_eq!(data["nodes"], json!([null, null, null, null, null]));
        let none = app.max().query_with(NODES, json!({ "ids": [] })).await;
        assert_eq!(none["nodes"], json!([]));
    }

    async fn a_kind_that_may_not_be_read_is_an_error_in_its_place_and_more_than_a_hundred_are_refused(app: &TestApp) {
        const NODES: &str = "query($ids: [ID!]!) { nodes(ids: $ids) { id } }";
        let stage = app.stage().await;
        let log = app.olivia().query("{ auditLog(first: 1) { nodes { id } } }").await;
        let entry = log["auditLog"]["nodes"][0]["id"].as_str().unwrap().to_owned();
        let answer = app.ana().ask(NODES, json!({ "ids": [entry, stage.sarah] })).await;
        assert_eq!(answer.codes(), ["FORBIDDEN"]);
        assert_eq!(answer.body["errors"][0]["path"], json!(["nodes", 0]));
        assert_eq!(answer.body["data"]["nodes"], json!([null, { "id": stage.sarah }]));
        let many = vec![stage.sarah; 101];
        assert_eq!(app.ana().ask(NODES, json!({ "ids": many })).await.codes(), ["BAD_USER_INPUT"]);
    }

    async fn lists_below_rows_have_pages_and_cursors_of_their_own(app: &TestApp) {
        let (stage, max) = (app.stage().await, app.max());
        for number in 1..=3 {
            max.mint(&stage.coupon, &stage.sarah, &format!("SARAH-{number}")).await;
            max.mint(&stage.coupon, &stage.bob, &format!("BOB-{number}")).await;
        }
        let page = async |arguments: &str| {
            let list = format!("codes({arguments}) {{ totalCount nodes {{ code }} pageInfo {{ hasNextPage hasPreviousPage endCursor startCursor }} }}");
            max.query(&format!("{{ affiliates {{ nodes {{ id {list} }} }} }}")).await["affiliates"]["nodes"].clone()
        };
        let codes = |of: &Value| -> Vec<String> {
            let nodes = of["codes"]["nodes"].as_array().unwrap().iter();
            nodes.map(|it| it["code"].as_str().unwrap().to_owned()).collect()
        };
        let of = |page: &Value, id: &str| page.as_array().unwrap().iter().find(|it| it["id"] == id).unwrap().clone();
        let first = page("first: 2").await;
        let (sarah, bob) = (of(&first, &stage.sarah), of(&first, &stage.bob));
        assert_eq!(codes(&sarah).len(), 2);
        assert_eq!(codes(&bob), ["BOB-1", "BOB-2"]);
        assert_eq!(bob["codes"]["totalCount"], 3);
        assert_eq!(bob["codes"]["pageInfo"]["hasNextPage"], true);
        assert_eq!(bob["codes"]["pageInfo"]["hasPreviousPage"], false);
        let end = bob["codes"]["pageInfo"]["endCursor"].as_str().unwrap();
        let bob = of(&page(&format!("first: 2, after: \"{end}\"")).await, &stage.bob);
        assert_eq!(codes(&bob), ["BOB-3"]);
        assert_eq!(bob["codes"]["pageInfo"]["hasNextPage"], false);
        assert_eq!(bob["codes"]["pageInfo"]["hasPreviousPage"], true);
        let bob = of(&page("last: 2").await, &stage.bob);
        assert_eq!(codes(&bob), ["BOB-2", "BOB-3"]);
        assert_eq!(bob["codes"]["pageInfo"]["hasPreviousPage"], true);
        let refused = max.ask("{ affiliates { nodes { codes(first: 101) { totalCount } } } }", json!({})).await;
        assert!(refused.codes().iter().all(|code| *code == "BAD_USER_INPUT") && !refused.codes().is_empty());
    }
}
