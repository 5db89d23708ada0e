//! What runs over `/graphql/ws`, message by message.

use serde_json::json;

use super::{
    client::{complete, next},
    *,
};

#[tokio::test]
async fn all_kinds_of_operation_run_and_complete() {
    let fixture = Fixture::new();
    let mut socket = fixture.open("olivia").await;
    socket.subscribe("q", "{ me }").await;
    assert_eq!(socket.receive().await, next("q", json!({"data": {"me": "olivia"}})));
    assert_eq!(socket.receive().await, complete("q"));
    socket.subscribe("m", "mutation { count }").await;
    assert_eq!(socket.receive().await, next("m", json!({"data": {"count": 1}})));
    assert_eq!(socket.receive().await, complete("m"));
    socket.subscribe("s", "subscription { ticks(upTo: 2) }").await;
    for tick in 1..=2 {
        assert_eq!(socket.receive().await, next("s", json!({"data": {"ticks": tick}})));
    }
    assert_eq!(socket.receive().await, complete("s"));
    fixture
        .until(|tally| tally.subscriptions.load(Ordering::SeqCst) == 0)
        .await;
}

#[tokio::test]
async fn an_invalid_document_answers_error_and_nothing_after_it() {
    let fixture = Fixture::new();
    let mut socket = fixture.open("olivia").await;
    for (document, code) in [
        ("{", "BAD_USER_INPUT"),
        ("subscription { nothing }", "BAD_USER_INPUT"),
        ("{nested{nested{nested{nested{nested{hello}}}}}}", "QUERY_TOO_COMPLEX"),
        ("{ panics }", "INTERNAL"),
        ("subscription { panics }", "INTERNAL"),
    ] {
        socket.subscribe("1", document).await;
        let message = socket.receive().await;
        assert_eq!(message["type"], "error", "{document}");
        assert_eq!(message["id"], "1");
        assert_eq!(message["payload"][0]["extensions"]["code"], code);
    }
    socket.send(json!({"type": "ping"})).await;
    assert_eq!(socket.receive().await, json!({"type": "pong"}));
}

#[tokio::test]
async fn an_error_of_execution_comes_as_next() {
    let fixture = Fixture::new();
    let mut socket = fixture.open("olivia").await;
    socket.subscribe("1", "{ broken }").await;
    let message = socket.receive().await;
    assert_eq!(message["type"], "next");
    assert_eq!(message["payload"]["data"], json!({"broken": null}));
    let error = &message["payload"]["errors"][0];
    assert_eq!(error["message"], "internal error");
    assert_eq!(error["extensions"]["code"], "INTERNAL");
    assert_eq!(socket.receive().await, complete("1"));

    socket.subscribe("2", "subscription { refused }").await;
    let message = socket.receive().await;
    assert_eq!(message["payload"]["errors"][0]["extensions"]["code"], "FORBIDDEN");
    assert_eq!(socket.receive().await, complete("2"));
}

#[tokio::test]
async fn pings_are_answered_with_what_they_carry() {
    let fixture = Fixture::new();
    let mut socket = fixture.connect().await;
    socket.send(json!({"type": "ping", "payload": {"n": 1}})).await;
    assert_eq!(socket.receive().await, json!({"type": "pong", "payload": {"n": 1}}));
    socket.send(json!({"type": "pong"})).await;
    socket.send(json!({"type": "ping"})).await;
    assert_eq!(socket.receive().await, json!({"type": "pong"}));
}

#[tokio::test]
async fn complete_drops_the_stream_and_frees_the_id() {
    let fixture = Fixture::new();
    let mut socket = fixture.open("olivia").await;
    for _ in 0..2 {
        socket.subscribe("1", "subscription { forever }").await;
        assert_eq!(socket.receive().await["type"], "next");
        socket.send(complete("1")).await;
        fixture
            .until(|tally| tally.subscriptions.load(Ordering::SeqCst) == 0)
            .await;
    }
    socket.send(complete("unknown")).await;
    socket.send(json!({"type": "ping"})).await;
    assert_eq!(socket.receive().await, json!({"type": "pong"}));
}

#[tokio::test]
async fn operations_at_once_are_limited() {
    let mut fixture = Fixture::new();
    fixture.settings.max_operations = 2;
    let mut socket = fixture.open("olivia").await;
    for id in ["1", "2"] {
        socket.subscribe(id, "subscription { forever }").await;
        assert_eq!(socket.receive().await["type"], "next");
    }
    socket.subscribe("3", "{ hello }").await;
    let message = socket.receive().await;
    assert_eq!(message["type"], "error");
    assert_eq!(message["id"], "3");
    assert_eq!(message["payload"][0]["extensions"]["code"], "RATE_LIMITED");
    socket.send(complete("1")).await;
    socket.subscribe("3", "{ hello }").await;
    assert_eq!(socket.receive().await["type"], "next");
}

#[tokio::test]
async fn each_operation_has_its_own_request_id() {
    let fixture = Fixture::new();
    let mut socket = fixture.open("olivia").await;
    let mut ids = Vec::new();
    for id in ["1", "2"] {
        socket.subscribe(id, "{ requestId }").await;
        let message = socket.receive().await;
        ids.push(message["payload"]["data"]["requestId"].to_string());
        socket.receive().await;
    }
    assert!(ids[0].ends_with("/1\"") && ids[1].ends_with("/2\""), "{ids:?}");
}
