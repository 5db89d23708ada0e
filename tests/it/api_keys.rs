//! API keys: shown once, stored as a hash, good until they are revoked, rotated or over.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use entity::api_key;
use rekomi::auth::{Role, jwt::Mode};
use sea_orm::EntityTrait;

use crate::support::{
    binary::Home,
    listening::listening,
    socket::{Heard, Socket},
    *,
};

/// A new key, and its id.
async fn key(owner: &Caller, input: Value) -> (String, String) {
    let answer = owner.mutate("createApiKey", "key apiKey { id prefix }", input).await;
    assert_eq!(client::mistakes(&answer), []);
    let key = answer["key"].as_str().unwrap().to_owned();
    assert!(key.starts_with(answer["apiKey"]["prefix"].as_str().unwrap()));
    (key, cast::id(&answer["apiKey"]))
}

fn reading() -> Value {
    json!({ "name": "Sync", "scopes": ["READ"] })
}

/// The answer to a query, without what differs from request to request.
async fn refusal(app: &TestApp, token: &str) -> (u16, String) {
    let answer = app.caller(token.to_owned()).ask("{ feedCursor }", json!({})).await;
    let mut body = answer.body;
    assert!(body["errors"][0]["message"].is_string(), "{body}");
    if let Some(id) = body.pointer_mut("/errors/0/extensions/requestId") {
        id.take();
    }
    (answer.status, body.to_string())
}

async fn works(app: &TestApp, token: &str) -> bool {
    app.caller(token.to_owned())
        .ask("{ feedCursor }", json!({}))
        .await
        .status
        == 200
}

/// A refused token is answered with 401; a good key is remembered for half a second.
async fn refused(app: &TestApp, token: &str) {
    eventually("the end of the key", async || (!works(app, token).await).then_some(())).await;
}

both! {
    async fn a_key_is_shown_once_and_only_its_hash_is_kept(app: &TestApp) {
        let (key, id) = key(&app.olivia(), reading()).await;
        assert!(key.starts_with("rk_live_") && key.len() == 52, "{key}");
        assert!(works(app, &key).await);
        let row = api_key::Entity::find().one(app.db()).await.unwrap().unwrap();
        assert_eq!((row.prefix.as_str(), row.hash), (&key[..20], rekomi::auth::api_key::hash(&key).to_vec()));
        assert!(!app.everything().await.contains(&key[20..]), "no table has the rest of the key");
        let listed = app.olivia().query("{ apiKeys { nodes { id name prefix scopes livemode status createdBy } } }").await;
        assert_eq!(
            listed["apiKeys"]["nodes"],
            json!([{
                "id": id, "name": "Sync", "prefix": key[..20], "scopes": ["READ"], "livemode": true, "status": "ACTIVE",
                "createdBy": "owner",
            }])
        );
    }

    async fn whatever_is_wrong_with_a_key_the_answer_is_the_same(app: &TestApp) {
        let (good, _) = key(&app.olivia(), reading()).await;
        let (revoked, revoked_id) = key(&app.olivia(), reading()).await;
        app.olivia().make("revokeApiKey", "apiKey", "id", json!({ "id": revoked_id })).await;
        let (expired, _) = key(&app.olivia(), json!({ "name": "x", "scopes": ["READ"], "expiresAt": "2026-11-01T12:00:10Z" })).await;
        app.pass(TimeDelta::seconds(10));
        let other_mode = good.replace("rk_live_", "rk_test_");
        let wrong_tail = format!("{}{}", &good[..20], "A".repeat(32));
        let unknown = format!("rk_live_{}", "A".repeat(44));
        let cut = &good[..good.len() - 1];
        let longer = format!("{good}A");
        let huge = format!("rk_live_{}", "A".repeat(7000));
        let jwt = app.token(Role::Owner, None, None);
        let tampered = format!("{}A", &jwt[..jwt.len() - 2]);
        let mut answers = BTreeSet::new();
        for bad in [revoked.as_str(), &expired, &other_mode, &wrong_tail, &unknown, cut, &longer, &huge, "rk_live_", "x", &tampered] {
            answers.insert(refusal(app, bad).await);
        }
        assert_eq!(answers.len(), 1, "{answers:?}");
        let (status, body) = answers.first().unwrap();
        assert!(*status == 401 && body.contains("UNAUTHENTICATED"), "{status} {body}");
        assert!(works(app, &good).await);
    }

    async fn a_revoked_key_ends_on_every_instance_and_its_sockets_with_it(app: &TestApp) {
        let second = app.second_instance().await;
        let (mine, id) = key(&app.olivia(), reading()).await;
        let (others, _) = key(&app.olivia(), reading()).await;
        let mut sockets = [listening(app, &mine, "").await, Socket::open(&second.base, &mine).await];
        let mut kept = Socket::open(&second.base, &others).await;
        let revoked = app.olivia().make("revokeApiKey", "apiKey", "status revokedAt", json!({ "id": id })).await;
        assert_eq!(revoked, json!({ "status": "REVOKED", "revokedAt": "2026-11-01T12:00:00+00:00" }));
        for socket in &mut sockets {
            assert_eq!(socket.next().await, Heard::Closed(4403));
        }
        refused(app, &mine).await;
        let there = second.caller(Some(mine.clone()));
        eventually("the end of the key on the other server", async || {
            (there.ask("{ feedCursor }", json!({})).await.status == 401).then_some(())
        })
        .await;
        kept.send(json!({ "id": "1", "type": "subscribe", "payload": { "query": "{ feedCursor }" } })).await;
        assert!(matches!(kept.next().await, Heard::Message(message) if message["type"] == "next"));
        kept.close().await;
        second.stop().await;
    }

    async fn a_rotated_key_goes_on_for_the_overlap(app: &TestApp) {
        let (old, id) = key(&app.olivia(), json!({ "name": "Sync", "scopes": ["CODES_WRITE", "READ"] })).await;
        let mut socket = Socket::open(&app.instance.base, &old).await;
        let rotated = app
            .olivia()
            .mutate("rotateApiKey", "key apiKey { name scopes replacesId expiresAt }", json!({ "id": id, "overlapHours": 2 }))
            .await;
        assert_eq!(
            rotated["apiKey"],
            json!({ "name": "Sync", "scopes": ["READ", "CODES_WRITE"], "replacesId": id, "expiresAt": null })
        );
        let new = rotated["key"].as_str().unwrap().to_owned();
        app.pass(TimeDelta::minutes(119));
        assert!(works(app, &old).await && works(app, &new).await);
        app.pass(TimeDelta::minutes(1));
        refused(app, &old).await;
        assert!(works(app, &new).await);
        assert_eq!(socket.next().await, Heard::Closed(4403));
        let again = app.olivia().mistakes("rotateApiKey", "apiKey", json!({ "id": id })).await;
        assert_eq!(again, [mistake("INVALID", "id")]);
    }

    async fn a_rotation_without_overlap_ends_the_old_key_at_once(app: &TestApp) {
        let (old, id) = key(&app.olivia(), json!({ "name": "x", "scopes": ["READ"], "expiresAt": "2026-11-11T12:00:00Z" })).await;
        app.pass(TimeDelta::days(4));
        let rotated = app.olivia().mutate("rotateApiKey", "apiKey { expiresAt }", json!({ "id": id, "overlapHours": 0 })).await;
        assert_eq!(rotated["apiKey"]["expiresAt"], "2026-11-15T12:00:00+00:00", "the new key has the same life");
        refused(app, &old).await;
    }

    async fn a_key_ends_by_itself_and_its_socket_with_it(app: &TestApp) {
        let (mine, id) = key(&app.olivia(), json!({ "name": "x", "scopes": ["READ"], "expiresAt": "2026-11-01T13:00:00Z" })).await;
        let mut socket = listening(app, &mine, "").await;
        app.pass(TimeDelta::hours(1));
        assert_eq!(socket.next().await, Heard::Closed(4403));
        refused(app, &mine).await;
        let shown = app.olivia().query(&format!("{{ node(id: \"{id}\") {{ ... on ApiKey {{ status }} }} }}")).await;
        assert_eq!(shown["node"]["status"], "EXPIRED");
    }

    async fn a_key_is_of_the_mode_of_the_token_that_made_it(app: &TestApp) {
        let test = app.caller(app.token(Role::Owner, None, Some(Mode::Test)));
        let stage = app.stage().await;
        let (mine, id) = key(&test, json!({ "name": "x", "scopes": ["READ_WRITE"] })).await;
        assert!(mine.starts_with("rk_test_"));
        let sees = app.caller(mine).query("{ affiliateCodes { totalCount } campaigns { totalCount } }").await;
        assert_eq!(sees, json!({ "affiliateCodes": { "totalCount": 0 }, "campaigns": { "totalCount": 1 } }));
        let (live, _) = key(&app.olivia(), reading()).await;
        let sees = app.caller(live).query("{ affiliateCodes { nodes { id } } }").await;
        assert_eq!(sees["affiliateCodes"]["nodes"], json!([{ "id": stage.code }]));
        assert_eq!(app.olivia().mistakes("revokeApiKey", "apiKey", json!({ "id": id })).await, [mistake("NOT_FOUND", "id")]);
    }

    async fn that_a_key_was_used_is_noted_once_a_minute(app: &TestApp) {
        let (mine, id) = key(&app.olivia(), reading()).await;
        let used = async || {
            let query = format!("{{ node(id: \"{id}\") {{ ... on ApiKey {{ lastUsedAt }} }} }}");
            app.olivia().query(&query).await["node"]["lastUsedAt"].as_str().map(str::to_owned)
        };
        assert_eq!(used().await, None);
        assert!(works(app, &mine).await);
        let first = eventually("the first use", async || used().await).await;
        assert_eq!(first, "2026-11-01T12:00:00+00:00");
        app.pass(TimeDelta::minutes(1));
        eventually("a later use", async || {
            assert!(works(app, &mine).await);
            (used().await.as_deref() == Some("2026-11-01T12:01:00+00:00")).then_some(())
        })
        .await;
    }

    async fn what_is_wrong_with_the_input_is_said_and_nothing_is_made(app: &TestApp) {
        let (_, id) = key(&app.olivia(), reading()).await;
        let before = app.everything().await;
        let owner = app.olivia();
        let cases = [
            ("createApiKey", json!({ "name": " ", "scopes": ["READ"] }), "name"),
            ("createApiKey", json!({ "name": "x", "scopes": [] }), "scopes"),
            ("createApiKey", json!({ "name": "x", "scopes": ["READ"], "expiresAt": "2026-11-01T12:00:00Z" }), "expiresAt"),
            ("createApiKey", json!({ "name": "x", "scopes": ["READ"], "expiresAt": "2099-11-01T12:00:00Z" }), "expiresAt"),
            ("rotateApiKey", json!({ "id": id, "overlapHours": -1 }), "overlapHours"),
            ("rotateApiKey", json!({ "id": id, "overlapHours": 169 }), "overlapHours"),
        ];
        for (mutation, input, field) in cases {
            assert_eq!(owner.mistakes(mutation, "apiKey", input).await, [mistake("INVALID", field)], "{mutation} {field}");
        }
        for mutation in ["rotateApiKey", "revokeApiKey"] {
            for id in ["key_nonsense", "key_01900000000070008000000000000007", "x"] {
                assert_eq!(owner.mistakes(mutation, "apiKey", json!({ "id": id })).await, [mistake("NOT_FOUND", "id")]);
            }
        }
        assert_eq!(app.everything().await, before);
    }

    async fn a_brand_has_at_most_a_hundred_good_keys(app: &TestApp) {
        let owner = app.olivia();
        let mut last = String::new();
        for _ in 0..100 {
            last = key(&owner, reading()).await.1;
        }
        assert_eq!(owner.mistakes("createApiKey", "apiKey", reading()).await, [mistake("LIMIT_EXCEEDED", "")]);
        owner.make("revokeApiKey", "apiKey", "id", json!({ "id": last })).await;
        key(&owner, reading()).await;
    }
}

on_both! {
    async fn the_command_line_makes_lists_rotates_and_revokes_keys(database: Database) {
        let mut rekomi = Home::bare();
        rekomi.set("DATABASE_URL", &database.url);
        rekomi.ok(&["brand", "create", "--name", "Acme", "--tier", "growth"]);
        let first = rekomi.ok(&["api-key", "create", "--brand", "acme", "--scope", "read", "--scope", "codes_write"]);
        let test = rekomi.ok(&["api-key", "create", "--brand", "acme", "--scope", "read", "--mode", "test", "--name", "CI"]);
        assert!(first.starts_with("rk_live_") && first.trim().len() == 52 && test.starts_with("rk_test_"));
        let list = || -> Vec<Value> {
            let lines = rekomi.ok(&["api-key", "list", "--brand", "acme"]);
            lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
        };
        let listed = list();
        assert_eq!((listed.len(), &listed[0]["scopes"]), (1, &json!(["read", "codes_write"])));
        let id = cast::id(&listed[0]);
        let second = rekomi.ok(&["api-key", "rotate", "--brand", "acme", &id, "--overlap-hours", "0"]);
        assert_ne!(first, second);
        let listed = list();
        assert_eq!((listed.len(), &listed[1]["replacesId"]), (2, &json!(id)));
        assert!(listed[0]["revokedAt"].is_string() && listed[1]["revokedAt"].is_null());
        let revoked = rekomi.ok(&["api-key", "revoke", "--brand", "acme", &cast::id(&listed[1])]);
        assert!(serde_json::from_str::<Value>(&revoked).unwrap()["revokedAt"].is_string());
        for (arguments, said) in [
            (&["revoke", "--brand", "acme", "key_01900000000070008000000000000007"][..], "--id: There is no such object."),
            (&["list", "--brand", "nobody"], "--brand: there is no brand"),
            (&["rotate", "--brand", "acme", &id, "--overlap-hours", "999"], "--overlap-hours: It must be from 0 to 168."),
            (&["create", "--brand", "acme", "--scope", "everything"], "it must be one of read, read_write"),
        ] {
            let error = rekomi.refusal(&[&["api-key"], arguments].concat());
            assert!(error.contains(said), "{arguments:?}: {error}");
        }
    }
}
