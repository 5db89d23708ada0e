//! What an operation costs, who pays for it, and what happens when the budget is spent.

use rekomi::auth::Role;

use crate::support::{
    instance::Instance,
    reply::reply,
    sdl::Sdl,
    socket::{Heard, Socket},
    *,
};

/// 2 points for the list, and for each row one for `nodes` and one for the id.
const TEN: &str = "{ campaigns(first: 10) { nodes { id } } }";
const COST: u64 = 22;

async fn limited(app: &TestApp, more: &[(&'static str, &str)]) -> Instance {
    app.instance_with(more).await
}

/// What a query costs, as its answer tells.
async fn cost(instance: &Instance, token: &str, query: &str) -> u64 {
    let request = json!({ "query": query, "extensions": { "cost": true } });
    let reply = instance.send(token, &request).await;
    let cost = reply.body["extensions"]["cost"]["requested"].as_u64();
    cost.unwrap_or_else(|| panic!("{query}: {}", reply.body))
}

both! {
    async fn the_cost_is_told_to_those_who_ask(app: &TestApp) {
        let instance = limited(app, &[("REKOMI_RATE_LIMIT", "1000")]).await;
        let token = app.token(Role::Owner, None, None);
        let told = instance.send(&token, &json!({ "query": TEN, "extensions": { "cost": true } })).await;
        let expected = json!({ "requested": COST, "limit": 1000, "remaining": 978, "resetAfter": 2 });
        assert_eq!(told.body, json!({ "data": { "campaigns": { "nodes": [] } }, "extensions": { "cost": expected } }));
        assert_eq!(told.header("ratelimit-policy"), "\"points\";q=1000;w=60");
        assert_eq!(told.header("ratelimit"), "\"points\";r=978;t=2");
        let by_get = [("query", TEN), ("extensions", r#"{"cost":true}"#)];
        assert_eq!(instance.fetch(&token, &by_get).await.body["extensions"]["cost"]["remaining"], 956);
        let untold = instance.send(&token, &json!({ "query": TEN, "extensions": { "cost": false } })).await;
        assert_eq!(untold.body, json!({ "data": { "campaigns": { "nodes": [] } } }));
        assert_eq!(untold.header("ratelimit"), "\"points\";r=934;t=4");
        instance.stop().await;
    }

    async fn a_page_s_size_may_be_left_to_a_variable_that_is_not_given(app: &TestApp) {
        let token = app.token(Role::Owner, None, None);
        let fragment = "fragment page on Query { campaigns(first: $first, last: $last) { nodes { id } } }";
        let query = format!("query($first: Int, $last: Int) {{ ...page }} {fragment}");
        for (variables, requested) in [(json!({}), 102), (json!({ "first": 10 }), 22), (json!({ "last": 20, "first": null }), 42)] {
            let request = json!({ "query": query, "variables": variables, "extensions": { "cost": true } });
            let reply = app.instance.send(&token, &request).await;
            assert_eq!(reply.body["data"], json!({ "campaigns": { "nodes": [] } }), "{}", reply.body);
            assert_eq!(reply.body["extensions"]["cost"]["requested"], requested);
        }
    }

    async fn without_a_limit_the_cost_is_told_all_the_same(app: &TestApp) {
        let instance = limited(app, &[("REKOMI_RATE_LIMIT", "0")]).await;
        let token = app.token(Role::Owner, None, None);
        let told = instance.send(&token, &json!({ "query": TEN, "extensions": { "cost": true } })).await;
        let expected = json!({ "requested": COST, "limit": null, "remaining": null, "resetAfter": null });
        assert_eq!(told.body["extensions"]["cost"], expected);
        assert_eq!(told.header("ratelimit"), "");
        instance.stop().await;
    }

    async fn a_spent_budget_is_429_until_it_has_filled(app: &TestApp) {
        let instance = limited(app, &[("REKOMI_RATE_LIMIT", "100")]).await;
        let (max, ana) = (app.token(Role::Manager, None, None), app.token(Role::Analyst, None, None));
        let ask = async |token: &str| instance.send(token, &json!({ "query": TEN })).await;
        for _ in 0..4 {
            assert_eq!(ask(&max).await.status, 200);
        }
        let refused = ask(&max).await;
        assert_eq!(refused.status, 429);
        let message = "the budget is spent: try again in 6 seconds, or ask for less";
        assert_eq!(refused.error(), ("RATE_LIMITED", message));
        assert_eq!(refused.body["errors"][0]["extensions"]["retryAfter"], 6);
        assert_eq!((refused.header("retry-after"), refused.body.get("data")), ("6", None));
        // A refusal costs nothing, another token of the same subject has the same budget, and nobody else has.
        app.pass(chrono::TimeDelta::seconds(5));
        assert_eq!(ask(&app.token(Role::Manager, None, None)).await.header("retry-after"), "1");
        assert_eq!(ask(&ana).await.status, 200);
        let globex = app.token_of(&app.globex, Role::Manager, None, None);
        assert_eq!(ask(&globex).await.header("ratelimit"), "\"points\";r=78;t=14");
        app.pass(chrono::TimeDelta::seconds(1));
        assert_eq!(ask(&max).await.header("ratelimit"), "\"points\";r=0;t=60");
        instance.stop().await;
    }

    async fn a_refused_mutation_changes_nothing_and_a_key_has_a_budget_of_its_own(app: &TestApp) {
        let stage = app.stage().await;
        let key = app.olivia().mutate("createApiKey", "key", json!({ "name": "S", "scopes": ["READ_WRITE"] })).await;
        let key = key["key"].as_str().unwrap();
        let instance = limited(app, &[("REKOMI_RATE_LIMIT", "10")]).await;
        let max = app.token(Role::Manager, None, None);
        let mutation = "mutation($input: MintAffiliateCodeInput!) { mintAffiliateCode(input: $input) { affiliateCode { id } } }";
        let mint = |code: &str| {
            let input = json!({ "couponId": stage.coupon, "affiliateId": stage.sarah, "code": code });
            json!({ "query": mutation, "variables": { "input": input } })
        };
        assert_eq!(instance.send(&max, &json!({ "query": TEN })).await.status, 200);
        let before = app.state().await;
        assert_eq!(instance.send(&max, &mint("SARAH-X")).await.error().0, "RATE_LIMITED");
        assert_eq!(app.state().await, before);
        assert_eq!(instance.send(key, &mint("SARAH-X")).await.status, 200);
        instance.stop().await;
    }

    async fn a_socket_s_operations_are_refused_with_an_error(app: &TestApp) {
        let instance = limited(app, &[("REKOMI_RATE_LIMIT", "50")]).await;
        let token = app.token(Role::Manager, None, None);
        let mut socket = Socket::open(&instance.base, &token).await;
        let ask = |id: &str, query: &str| json!({ "id": id, "type": "subscribe", "payload": { "query": query } });
        for id in ["1", "2"] {
            socket.send(ask(id, TEN)).await;
            let Heard::Message(message) = socket.next().await else { panic!("closed") };
            assert_eq!(message["type"], "next", "{message}");
            assert_eq!(socket.next().await, Heard::Message(json!({ "id": id, "type": "complete" })));
        }
        let listening = "subscription { conversionCreated { conversion { id kind status couponCode amountPending } } }";
        for (id, query) in [("3", TEN), ("4", listening)] {
            socket.send(ask(id, query)).await;
            let Heard::Message(message) = socket.next().await else { panic!("closed") };
            assert_eq!((&message["type"], &message["id"]), (&json!("error"), &json!(id)), "{message}");
            let extensions = &message["payload"][0]["extensions"];
            assert_eq!(extensions["code"], "RATE_LIMITED");
            assert!(extensions["retryAfter"].is_u64() && extensions["requestId"].is_string(), "{message}");
        }
        // The socket lives on.
        app.pass(chrono::TimeDelta::minutes(1));
        socket.send(ask("3", TEN)).await;
        let Heard::Message(message) = socket.next().await else { panic!("closed") };
        assert_eq!(message["type"], "next");
        socket.close().await;
        instance.stop().await;
    }

    async fn bad_tokens_and_visitors_are_paid_for_by_their_address(app: &TestApp) {
        let more = [("REKOMI_RATE_LIMIT_ADDRESS", "250"), ("REKOMI_TRUSTED_PROXIES", "127.0.0.1")];
        let instance = limited(app, &more).await;
        let from = async |address: &str, token: &str| {
            let posting = instance.posting(token).header("x-forwarded-for", address);
            reply(posting.json(&json!({ "query": "{ __typename }" }))).await
        };
        assert_eq!(from("203.0.113.1", "").await.header("ratelimit"), "\"points\";r=249;t=1");
        for _ in 0..2 {
            assert_eq!(from("203.0.113.1", "rk_live_nonsense").await.error(), ("UNAUTHENTICATED", "no valid token"));
        }
        let refused = from("203.0.113.1", "nonsense").await;
        assert_eq!((refused.status, refused.error().0), (429, "RATE_LIMITED"));
        assert_eq!(refused.header("retry-after"), "13");
        assert_eq!(from("203.0.113.2", "nonsense").await.status, 401);
        // What is left is enough for a small question, and a good token is not refused for its neighbours.
        assert_eq!(from("203.0.113.1", "").await.status, 200);
        let good = from("203.0.113.1", &app.token(Role::Owner, None, None)).await;
        assert_eq!(good.body, json!({ "data": { "__typename": "Query" } }));
        instance.stop().await;
    }

    async fn a_document_that_is_wrong_is_paid_for(app: &TestApp) {
        let instance = limited(app, &[("REKOMI_RATE_LIMIT", "250")]).await;
        let token = app.token(Role::Owner, None, None);
        for _ in 0..2 {
            assert_eq!(instance.send(&token, &json!({ "query": "{ nothing }" })).await.error().0, "BAD_USER_INPUT");
        }
        assert_eq!(instance.send(&token, &json!({ "query": "{ nothing }" })).await.error().0, "RATE_LIMITED");
        instance.stop().await;
    }

    async fn webhooks_and_health_are_not_counted(app: &TestApp) {
        let instance = limited(app, &[("REKOMI_RATE_LIMIT", "1"), ("REKOMI_RATE_LIMIT_ADDRESS", "1")]).await;
        assert_eq!(instance.send("", &json!({ "query": TEN })).await.status, 200);
        assert_eq!(instance.send("", &json!({ "query": "{ __typename }" })).await.status, 429);
        for path in ["/healthz", "/readyz", "/metrics"] {
            let answer = app::http().get(format!("{}{path}", instance.base)).send().await.unwrap();
            assert_eq!(answer.status(), 200, "{path}");
        }
        let event = json!({ "id": "evt_1", "type": "customer.created", "livemode": true });
        assert_eq!(instance.post(&app.acme, &event).await, 200);
        app.settle().await;
        instance.stop().await;
    }

    async fn every_list_costs_as_much_as_its_page_is_long(app: &TestApp) {
        let (sdl, token) = (Sdl::served(), app.token(Role::Owner, None, None));
        let lists = sdl.connections();
        assert!(lists.len() >= 13, "{lists:?}");
        for (parent, field) in lists {
            let selection = |first: &str| format!("{field}{first} {{ nodes {{ __typename }} }}");
            let document = |first: &str| match parent.as_str() {
                "Query" => format!("{{ {} }}", selection(first)),
                _ => format!("{{ node(id: \"x\") {{ ... on {parent} {{ {} }} }} }}", selection(first)),
            };
            let mut costs = Vec::new();
            for first in ["(first: 10)", "(first: 20)", "(first: 100)", "(last: 20)", "", "(first: 9999)"] {
                costs.push(cost(&app.instance, &token, &document(first)).await);
            }
            let [ten, twenty, hundred, last, unsaid, beyond] = costs[..] else { unreachable!() };
            let row = (twenty - ten) / 10;
            assert!(row >= 1, "{parent}.{field}: {costs:?}");
            assert_eq!((hundred - ten, last, beyond), (90 * row, twenty, hundred), "{parent}.{field}");
            assert_eq!(unsaid, ten + 40 * row, "{parent}.{field}");
        }
    }
}
