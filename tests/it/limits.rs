//! What a request may be: how large, how deep, how long; what is switched off; how answers are packed.

use std::time::Duration;

use rekomi::auth::Role;
use reqwest::header;
use sea_orm::{ConnectionTrait, DatabaseBackend, Statement};

use crate::support::{
    app::http,
    reply::reply,
    socket::{Heard, Socket},
    *,
};

both! {
    async fn a_document_holds_so_much_and_no_more(app: &TestApp) {
        let token = app.token(Role::Owner, None, None);
        let of = |document: String| json!({ "query": document });
        let spreads = |count: usize| {
            let fragments = (0..count).map(|n| format!("fragment f{n} on Query {{ ...f{0} ...f{0} }} ", n + 1));
            format!("{{ ...f0 }} {} fragment f{count} on Query {{ __typename }}", fragments.collect::<String>())
        };
        for (document, message) in [
            (format!("{{ {} }}", "feedCursor ".repeat(10_000)), "the document has more than 10000 tokens"),
            ("{a".repeat(100_000), "the document has more than 100 levels of brackets"),
            (format!("{{ a(b: {}", "[".repeat(100_000)), "the document has more than 100 levels of brackets"),
            (
                format!("{{ feedCursor {} }}", "@skip(if: false) ".repeat(101)),
                "the document has more than 100 directives",
            ),
            (
                format!("{{ feedCursor {} }}", "@skip(if: false) ".repeat(11)),
                "The number of directives on the field `feedCursor` cannot be greater than `10`",
            ),
            (spreads(20), "the document selects more than 10000 fields"),
        ] {
            let reply = app.instance.send(&token, &of(document)).await;
            assert_eq!(reply.error(), ("QUERY_TOO_COMPLEX", message));
        }
        let cycle = "{ ...a } fragment a on Query { ...b } fragment b on Query { ...a }".to_owned();
        let reply = app.instance.send(&token, &of(cycle)).await;
        let message = "The recursion depth of the query cannot be greater than `32`";
        assert_eq!(reply.error(), ("QUERY_TOO_COMPLEX", message));
        assert!(reply.body.get("data").is_none());
    }

    async fn variables_and_batches_are_bounded(app: &TestApp) {
        let token = app.token(Role::Owner, None, None);
        let query = "query($filter: ConversionFilter) { conversions(filter: $filter) { totalCount } }";
        let kinds = |count: usize| json!({ "query": query, "variables": { "filter": { "kind": vec!["RENEWAL"; count] } } });
        let reply = app.instance.send(&token, &kinds(1000)).await;
        assert_eq!(reply.body, json!({ "data": { "conversions": { "totalCount": 0 } } }));
        let reply = app.instance.send(&token, &kinds(1001)).await;
        let message = "variables has a list of 1001 items: at most 1000 are taken";
        assert_eq!((reply.status, reply.error()), (400, ("BAD_USER_INPUT", message)));
        let deep = format!("{{\"query\":\"{{a}}\",\"variables\":{}", "{\"a\":".repeat(200));
        let posting = app.instance.posting(&token).header(header::CONTENT_TYPE, "application/json").body(deep);
        let refused = reply_of(posting).await;
        assert_eq!(refused.status, 400);
        assert!(refused.error().1.starts_with("the body is not JSON: recursion limit exceeded"));
        let batch = app.instance.send(&token, &json!([{ "query": "{ __typename }" }])).await;
        let message = "a batch of requests is not taken: send them one by one";
        assert_eq!((batch.status, batch.error()), (400, ("BAD_USER_INPUT", message)));
    }

    async fn introspection_suggestions_and_graphiql_can_be_switched_off(app: &TestApp) {
        let off = [("REKOMI_INTROSPECTION", "off"), ("REKOMI_GRAPHIQL", "off")];
        let instance = app.instance_with(&off).await;
        let token = app.token(Role::Owner, None, None);
        let message = "introspection is switched off on this server";
        for query in [
            "{ __schema { queryType { name } } }",
            "{ a: __type(name: \"Query\") { name } }",
            "{ __typename ... on Query { __schema { types { name } } } }",
            "{ ...f } fragment f on Query { __type(name: \"Query\") { name } }",
        ] {
            assert!(app.instance.send(&token, &json!({ "query": query })).await.body.get("errors").is_none(), "{query}");
            let refused = instance.send(&token, &json!({ "query": query })).await;
            assert_eq!(refused.error(), ("BAD_USER_INPUT", message), "{query}");
            let mut socket = Socket::open(&instance.base, &token).await;
            socket.send(json!({ "id": "1", "type": "subscribe", "payload": { "query": query } })).await;
            let Heard::Message(message_) = socket.next().await else { panic!("closed") };
            assert_eq!((&message_["type"], &message_["payload"][0]["message"]), (&json!("error"), &json!(message)));
            socket.close().await;
        }
        let known = instance.send(&token, &json!({ "query": "{ __typename campaigns { nodes { __typename } } }" })).await;
        assert_eq!(known.body["data"]["__typename"], "Query");
        for wrong in ["{ campaignss { totalCount } }", "{ campaigns(afte: \"x\") { totalCount } }"] {
            let wrong = json!({ "query": wrong });
            assert!(app.instance.send(&token, &wrong).await.body.to_string().contains("Did you mean"));
            assert!(!instance.send(&token, &wrong).await.body.to_string().contains("Did you mean"));
        }
        let page = |base: &str| http().get(format!("{base}/graphql")).header(header::ACCEPT, "text/html").send();
        assert_eq!(page(&app.instance.base).await.unwrap().status(), 200);
        let answer = page(&instance.base).await.unwrap();
        assert!(!answer.text().await.unwrap().contains("<html"));
        instance.stop().await;
    }

    async fn answers_are_packed_as_the_caller_takes_them(app: &TestApp) {
        let schema = "{ __schema { types { name description } } }";
        let ask = async |query: &str, accepted: &str| {
            let posting = app.instance.posting("").header(header::ACCEPT_ENCODING, accepted);
            let answer = posting.json(&json!({ "query": query })).send().await.unwrap();
            let encoding = answer.headers().get(header::CONTENT_ENCODING).cloned();
            let vary = answer.headers().get_all(header::VARY).iter().any(|it| it.to_str().unwrap().contains("accept-encoding"));
            (encoding, vary, answer.bytes().await.unwrap())
        };
        let (none, _, plain) = ask(schema, "identity").await;
        assert_eq!(none, None);
        for accepted in ["gzip", "br"] {
            let (encoding, vary, bytes) = ask(schema, accepted).await;
            assert_eq!(encoding.unwrap(), accepted);
            assert!(vary && bytes.len() * 3 < plain.len(), "{accepted}: {} of {}", bytes.len(), plain.len());
        }
        assert_eq!(ask(schema, "gzip, br").await.0.unwrap(), "br");
        let (short, _, bytes) = ask("{ __typename }", "gzip, br").await;
        assert_eq!((short, &bytes[..]), (None, &br#"{"data":{"__typename":"Query"}}"#[..]));
    }

    async fn request_ids_come_in_and_go_out_where_they_are_plain(app: &TestApp) {
        let ask = async |id: &str| {
            let posting = app.instance.posting("").header("x-request-id", id);
            reply_of(posting.json(&json!({ "query": "{ feedCursor }" }))).await
        };
        let kept = ask("mine-1:a.b_c").await;
        assert_eq!((kept.header("x-request-id"), kept.error().0), ("mine-1:a.b_c", "UNAUTHENTICATED"));
        for bad in ["two words", "<script>", &"x".repeat(129)] {
            let replaced = ask(bad).await;
            assert_eq!((replaced.header("x-request-id").len(), replaced.error().0), (32, "UNAUTHENTICATED"));
        }
    }
}

on_postgres! {
    async fn a_read_ends_in_the_database_too_and_a_transaction_does_not(app: &TestApp) {
        let instance = app.instance_with(&[("REKOMI_QUERY_TIMEOUT", "1s")]).await;
        let db = instance.app.db.of_brand(app.acme.id);
        let cut = db.reader().execute_unprepared("SELECT pg_sleep(60)").await.unwrap_err();
        assert!(cut.to_string().contains("statement timeout"), "{cut}");
        let txn = db.begin().await.unwrap();
        let asked = Statement::from_string(DatabaseBackend::Postgres, "SELECT current_setting('statement_timeout') AS it");
        let row = txn.query_one_raw(asked).await.unwrap().unwrap();
        assert_eq!(row.try_get::<String>("", "it").unwrap(), "0");
        txn.rollback().await.unwrap();
        instance.stop().await;
    }
}

async fn reply_of(request: reqwest::RequestBuilder) -> crate::support::reply::Reply {
    reply(request.timeout(Duration::from_secs(30))).await
}
