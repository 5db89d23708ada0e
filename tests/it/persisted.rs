//! Documents that clients name instead of sending them, and the operator's list of all that may run.

use rekomi::auth::Role;
use sha2::{Digest, Sha256};

use crate::support::{
    reply::Reply,
    socket::{Heard, Socket},
    *,
};

const QUERY: &str = "query Names($first: Int) { campaigns(first: $first) { nodes { name } } }";
const MUTATION: &str = "mutation($input: CreateCampaignInput!) { createCampaign(input: $input) { campaign { id } } }";

fn hash(text: &str) -> String {
    hex::encode(Sha256::digest(text))
}

fn named(hash: &str) -> Value {
    json!({ "variables": { "first": 1 }, "extensions": { "persistedQuery": { "version": 1, "sha256Hash": hash } } })
}

fn sent(text: &str, hash: &str) -> Value {
    let mut request = named(hash);
    request["query"] = json!(text);
    request
}

fn is_answered(reply: &Reply) {
    assert_eq!(reply.body, json!({ "data": { "campaigns": { "nodes": [] } } }));
}

const NOT_FOUND: (&str, &str) = ("PERSISTED_QUERY_NOT_FOUND", "PersistedQueryNotFound");

both! {
    async fn a_document_that_was_sent_once_is_named_from_then_on(app: &TestApp) {
        let (owner, analyst) = (app.token(Role::Owner, None, None), app.token(Role::Analyst, None, None));
        let hash = hash(QUERY);
        let missing = app.instance.send(&owner, &named(&hash)).await;
        assert_eq!((missing.status, missing.error()), (200, NOT_FOUND));
        is_answered(&app.instance.send(&owner, &sent(QUERY, &hash)).await);
        for token in [&owner, &analyst] {
            is_answered(&app.instance.send(token, &named(&hash)).await);
            is_answered(&app.instance.send(token, &named(&hash.to_uppercase())).await);
        }
        let by_id = json!({ "documentId": format!("sha256:{hash}"), "variables": { "first": 1 } });
        is_answered(&app.instance.send(&owner, &by_id).await);
        let extensions = named(&hash)["extensions"].to_string();
        is_answered(&app.instance.fetch(&owner, &[("extensions", &extensions)]).await);
        let id = format!("sha256:{hash}");
        is_answered(&app.instance.fetch(&owner, &[("documentId", &id), ("operationName", "Names")]).await);
        let mut socket = Socket::open(&app.instance.base, &owner).await;
        socket.send(json!({ "id": "1", "type": "subscribe", "payload": named(&hash) })).await;
        let expected = json!({ "data": { "campaigns": { "nodes": [] } } });
        assert_eq!(socket.next().await, Heard::Message(json!({ "id": "1", "type": "next", "payload": expected })));
        socket.close().await;
    }

    async fn a_brand_s_documents_are_nobody_else_s(app: &TestApp) {
        let hash = hash(QUERY);
        is_answered(&app.instance.send(&app.token(Role::Owner, None, None), &sent(QUERY, &hash)).await);
        let globex = app.token_of(&app.globex, Role::Owner, None, None);
        assert_eq!(app.instance.send(&globex, &named(&hash)).await.error(), NOT_FOUND);
        let visitor = json!({ "query": "{ __typename }" });
        assert_eq!(app.instance.send("", &visitor).await.status, 200);
        for _ in 0..2 {
            assert_eq!(app.instance.send("", &named(&hash)).await.error(), NOT_FOUND);
        }
    }

    async fn a_wrong_name_is_refused_and_keeps_nothing(app: &TestApp) {
        let token = app.token(Role::Owner, None, None);
        let other = hash("{ feedCursor }");
        let mismatch = app.instance.send(&token, &sent(QUERY, &other)).await;
        assert_eq!(mismatch.error(), ("BAD_USER_INPUT", "sha256Hash is not the hash of the query"));
        assert_eq!(app.instance.send(&token, &named(&other)).await.error(), NOT_FOUND);
        let broken = "{ broken";
        let reply = app.instance.send(&token, &sent(broken, &hash(broken))).await;
        assert_eq!(reply.error().0, "BAD_USER_INPUT");
        assert_eq!(app.instance.send(&token, &named(&hash(broken))).await.error(), NOT_FOUND);
        for persisted in [
            json!(1),
            json!({ "version": 2, "sha256Hash": other }),
            json!({ "version": 1, "sha256Hash": "abc" }),
            json!({ "version": 1 }),
        ] {
            let reply = app.instance.send(&token, &json!({ "extensions": { "persistedQuery": persisted } })).await;
            let message = "extensions.persistedQuery has the version 1 and a sha256Hash of 64 hex digits";
            assert_eq!((reply.status, reply.error()), (400, ("BAD_USER_INPUT", message)));
        }
        let both = json!({ "query": QUERY, "documentId": "x" });
        let message = "documentId stands alone, without query or persistedQuery";
        assert_eq!(app.instance.send(&token, &both).await.error(), ("BAD_USER_INPUT", message));
    }

    async fn a_mutation_s_name_does_not_run_by_get(app: &TestApp) {
        let token = app.token(Role::Owner, None, None);
        let before = app.everything().await;
        let unfit = app.instance.send(&token, &sent(MUTATION, &hash(MUTATION))).await;
        assert_eq!(unfit.error().0, "BAD_USER_INPUT");
        let id = format!("sha256:{}", hash(MUTATION));
        let input = r#"{"input":{"name":"X","landingUrl":"https://x.example","commission":{"percent":"1"}}}"#;
        let reply = app.instance.fetch(&token, &[("documentId", &id), ("variables", input)]).await;
        assert_eq!((reply.status, reply.error().0), (405, "BAD_USER_INPUT"));
        assert_eq!(app.everything().await, before);
    }

    async fn with_a_list_only_what_is_on_it_runs(app: &TestApp) {
        let file = tempfile::NamedTempFile::new().unwrap();
        let list = json!({ hash(QUERY): QUERY, "cursor": "{ feedCursor }" });
        std::fs::write(file.path(), list.to_string()).unwrap();
        let path = file.path().to_str().unwrap();
        let instance = app.instance_with(&[("REKOMI_PERSISTED_DOCUMENTS", path)]).await;
        let owner = app.token(Role::Owner, None, None);
        for token in [&owner, &app.token(Role::Analyst, None, None)] {
            is_answered(&instance.send(token, &named(&hash(QUERY))).await);
            is_answered(&instance.send(token, &sent(QUERY, &hash(QUERY))).await);
            let cursor = instance.send(token, &json!({ "documentId": "cursor" })).await;
            assert!(cursor.body["data"]["feedCursor"].is_string());
            assert_eq!(instance.send(token, &named(&hash("{ feedCursor }"))).await.error(), NOT_FOUND);
            let message = "only documents of this server's list run here: name one by its hash or documentId";
            let other = "{ __typename }";
            for request in [json!({ "query": other }), json!({ "query": QUERY }), sent(other, &hash(other))] {
                assert_eq!(instance.send(token, &request).await.error(), ("BAD_USER_INPUT", message));
            }
            let mut socket = Socket::open(&instance.base, token).await;
            socket.send(json!({ "id": "1", "type": "subscribe", "payload": { "query": other } })).await;
            assert_eq!(socket.refusal("1").await, ["BAD_USER_INPUT"]);
            socket.close().await;
        }
        instance.stop().await;
        let free = [("REKOMI_PERSISTED_DOCUMENTS", path), ("REKOMI_PERSISTED_DOCUMENTS_BIND_OWNERS", "off")];
        let instance = app.instance_with(&free).await;
        let any = json!({ "query": "{ __typename }" });
        assert_eq!(instance.send(&owner, &any).await.body["data"]["__typename"], "Query");
        for token in [&app.token(Role::Manager, None, None), ""] {
            assert_eq!(instance.send(token, &any).await.error().0, "BAD_USER_INPUT");
        }
        instance.stop().await;
    }
}
