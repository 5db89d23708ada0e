//! Every way in which a request can end badly, and exactly what its caller is told: a code, a path where there is one, the
//! request's id, and nothing of what is ours.

use rekomi::auth::Role;

use crate::support::{reply::Reply, *};

/// What a client is told: code, message, path.
fn told(reply: &Reply) -> (String, String, Value) {
    let (code, message) = reply.error();
    let path = reply.body["errors"][0]["path"].clone();
    (code.to_owned(), message.to_owned(), path)
}

const FILTERED: &str = "query($f: ConversionFilter) { conversions(filter: $f) { totalCount } }";

/// Of the documents that are refused before anything runs, with their variables: what is said.
const REFUSED: &[(&str, &str, &[&str])] = &[
    (
        "{ campaigns",
        "{}",
        &["syntax error: expected selection_set, selection, directive, or arguments"],
    ),
    ("", "{}", &["syntax error: expected executable_definition"]),
    ("{ nothing }", "{}", &["Unknown field \"nothing\" on type \"Query\"."]),
    (
        "{ campaigns }",
        "{}",
        &["Field \"campaigns\" of type \"CampaignConnection\" must have a selection of subfields"],
    ),
    (
        "{ campaigns(first: \"ten\") { totalCount } }",
        "{}",
        &[
            "Invalid value for argument \"first\", expected type \"Int\"",
            "Expected input type \"Int\", found \"ten\".",
        ],
    ),
    (
        "{ campaigns(first: 99999999999) { totalCount } }",
        "{}",
        &["Failed to parse \"Int\": Only integers from -2147483648 to 2147483647 are accepted."],
    ),
    (
        "{ campaigns(nothing: 1) { totalCount } }",
        "{}",
        &["Unknown argument \"nothing\" on field \"campaigns\" of type \"Query\"."],
    ),
    (
        "query($n: Int!) { campaigns(first: $n) { totalCount } }",
        "{}",
        &["Variable n is not defined."],
    ),
    (
        FILTERED,
        r#"{"f":{"kind":["NOTHING"]}}"#,
        &[
            "Invalid value for argument \"filter.kind.0\", enumeration type \"ConversionKind\" does not contain the value \"NOTHING\"",
        ],
    ),
    (
        FILTERED,
        r#"{"f":{"nothing":1}}"#,
        &["Invalid value for argument \"filter\", unknown field \"nothing\" of type \"ConversionFilter\""],
    ),
    (
        "query A { feedCursor } query B { feedCursor }",
        "{}",
        &["Operation name required in request."],
    ),
];

both! {
    async fn a_request_error_says_what_is_wrong(app: &TestApp) {
        let token = app.token(Role::Owner, None, None);
        for (query, variables, messages) in REFUSED {
            let variables: Value = serde_json::from_str(variables).unwrap();
            let reply = app.instance.send(&token, &json!({ "query": query, "variables": variables })).await;
            let mut errors = reply.body["errors"].as_array().unwrap().clone();
            let said: Vec<Value> = errors.iter_mut().map(|error| error["message"].take()).collect();
            assert_eq!(json!(said), json!(messages), "{query}");
            let extensions = json!({ "code": "BAD_USER_INPUT", "requestId": reply.header("x-request-id") });
            for error in errors {
                assert_eq!((&error["extensions"], error.get("path")), (&extensions, None), "{query}");
            }
            assert!(reply.body.get("data").is_none() && reply.status == 200, "{query}");
        }
        let unknown = json!({ "query": "query A { feedCursor }", "operationName": "B" });
        let message = "Unknown operation named \"B\"".to_owned();
        let reply = app.instance.send(&token, &unknown).await;
        assert_eq!(told(&reply), ("BAD_USER_INPUT".to_owned(), message, Value::Null));
    }

    async fn an_error_of_a_field_has_its_path(app: &TestApp) {
        let (owner, analyst) = (app.token(Role::Owner, None, None), app.token(Role::Analyst, None, None));
        let cases = [
            (&owner, "{ it: campaigns(first: 0) { totalCount } }", "BAD_USER_INPUT"),
            (&owner, "{ it: campaigns(first: 1, last: 1) { totalCount } }", "BAD_USER_INPUT"),
            (&owner, "{ it: campaigns(after: \"nonsense\") { totalCount } }", "BAD_USER_INPUT"),
            (&owner, "{ it: conversions(filter: { occurredFrom: \"today\" }) { totalCount } }", "BAD_USER_INPUT"),
            (&analyst, "{ it: auditLog { totalCount } }", "FORBIDDEN"),
            (&String::new(), "{ it: campaigns { totalCount } }", "UNAUTHENTICATED"),
        ];
        for (token, query, expected) in cases {
            let reply = app.instance.send(token, &json!({ "query": query })).await;
            let (code, message, path) = told(&reply);
            assert_eq!((code.as_str(), path), (expected, json!(["it"])), "{query}: {message}");
            assert_eq!((reply.status, reply.body.get("data")), (200, Some(&Value::Null)), "{query}");
        }
    }

    async fn what_another_brand_has_is_as_if_it_were_not(app: &TestApp) {
        let stage = app.stage().await;
        let globex = app.token_of(&app.globex, Role::Owner, None, None);
        let ask = async |id: &str| {
            let query = format!("{{ node(id: \"{id}\") {{ id }} campaign(id: \"{id}\") {{ id }} }}");
            app.instance.send(&globex, &json!({ "query": query })).await.body
        };
        let unknown = "cmp_00000000000000000000000000000000";
        assert_eq!(ask(&stage.campaign).await, ask(unknown).await);
        let nothing = json!({ "data": { "node": null, "campaign": null } });
        assert_eq!(ask("DROP TABLE").await, nothing);
        assert_eq!(ask(unknown).await, nothing);
    }

    async fn while_the_database_is_down_nothing_of_it_is_told(app: &TestApp) {
        let token = app.token(Role::Owner, None, None);
        let works = app.instance.send(&token, &json!({ "query": "{ campaigns { totalCount } }" })).await;
        assert_eq!(works.body, json!({ "data": { "campaigns": { "totalCount": 0 } } }));
        app.instance.app.db.close().await;
        let reply = app.instance.send(&token, &json!({ "query": "{ it: campaigns { totalCount } }" })).await;
        let internal = |path: Value| ("INTERNAL".to_owned(), "internal error".to_owned(), path);
        // Where the token could not even be checked there is no path.
        let expected = if reply.status == 503 { Value::Null } else { json!(["it"]) };
        assert_eq!(told(&reply), internal(expected));
    }
}
