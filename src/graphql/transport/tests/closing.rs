//! How a socket ends, code by code.

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::{Message, client::IntoClientRequest};

use super::{client::Socket, *};

#[tokio::test]
async fn a_socket_needs_a_good_token() {
    let fixture = Fixture::new();
    for payload in [
        Value::Null,
        json!({}),
        json!({"authorization": "Bearer mallory"}),
        json!({"authorization": "olivia"}),
        json!({"authorization": "Bearer olivia", "Authorization": "Bearer mallory"}),
    ] {
        let mut socket = fixture.connect().await;
        socket
            .send(json!({"type": "connection_init", "payload": payload}))
            .await;
        assert_eq!(socket.closed().await, (4403, "Forbidden".to_owned()));
    }
    let mut socket = fixture.connect().await;
    let payload = json!({"authorization": "Bearer down"});
    socket
        .send(json!({"type": "connection_init", "payload": payload}))
        .await;
    assert_eq!(socket.closed().await.0, 1013);
}

#[tokio::test]
async fn misuse_closes_with_the_code_of_the_protocol() {
    let fixture = Fixture::new();
    let mut socket = fixture.connect().await;
    socket.subscribe("1", "{ hello }").await;
    assert_eq!(socket.closed().await, (4401, "Unauthorized".to_owned()));

    let mut socket = fixture.connect().await;
    let payload = json!({"authorization": "Bearer slow"});
    socket
        .send(json!({"type": "connection_init", "payload": payload}))
        .await;
    socket.subscribe("1", "{ hello }").await;
    assert_eq!(socket.closed().await.0, 4401);

    let mut socket = fixture.open("olivia").await;
    socket.send(json!({"type": "connection_init"})).await;
    let expected = (4429, "Too many initialisation requests".to_owned());
    assert_eq!(socket.closed().await, expected);

    let mut socket = fixture.open("olivia").await;
    socket.text("not JSON").await;
    assert_eq!(socket.closed().await.0, 4400);

    let mut socket = fixture.open("olivia").await;
    socket.subscribe("1", "subscription { forever }").await;
    socket.receive().await;
    socket.subscribe("1", "{ hello }").await;
    let expected = (4409, "Subscriber for 1 already exists".to_owned());
    assert_eq!(socket.closed().await, expected);
}

#[tokio::test]
async fn a_socket_without_connection_init_is_closed() {
    let mut fixture = Fixture::new();
    fixture.settings.init_timeout = Duration::from_millis(50);
    let mut socket = fixture.connect().await;
    let expected = (4408, "Connection initialisation timeout".to_owned());
    assert_eq!(socket.closed().await, expected);
}

#[tokio::test]
async fn other_sub_protocols_are_refused() {
    let fixture = Fixture::new();
    let mut socket = Socket::connect(fixture.listen().await, None).await;
    let expected = (4406, "Subprotocol not acceptable".to_owned());
    assert_eq!(socket.closed().await, expected);

    let uri = format!("ws://{}/graphql/ws", fixture.listen().await);
    let mut request = uri.into_client_request().unwrap();
    let headers = request.headers_mut();
    headers.insert("sec-websocket-protocol", "graphql-ws".parse().unwrap());
    let refused = tokio_tungstenite::connect_async(request).await;
    let refused = refused.unwrap_err().to_string();
    assert!(refused.contains("subprotocol"), "{refused}");
}

#[tokio::test]
async fn closing_ends_everything_on_the_socket() {
    let fixture = Fixture::new();
    let mut socket = fixture.open("olivia").await;
    socket.subscribe("1", "subscription { forever }").await;
    socket.receive().await;
    assert_eq!(fixture.tally().sockets.load(Ordering::SeqCst), 1);
    drop(socket);
    fixture.until(|tally| tally.sockets.load(Ordering::SeqCst) == 0).await;
    assert_eq!(fixture.tally().subscriptions.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_clients_close_is_answered() {
    use tokio_tungstenite::tungstenite::protocol::{CloseFrame, frame::coding::CloseCode};
    let fixture = Fixture::new();
    let mut socket = fixture.open("olivia").await;
    let frame = CloseFrame {
        code: CloseCode::Normal,
        reason: "done".into(),
    };
    socket.0.close(Some(frame)).await.unwrap();
    assert_eq!(socket.closed().await, (1000, "done".to_owned()));
    assert!(socket.0.next().await.is_none(), "an orderly end");
}

#[tokio::test]
async fn a_socket_ends_when_its_token_does() {
    let fixture = Fixture::new();
    let mut socket = fixture.open("brief").await;
    socket.subscribe("1", "subscription { forever }").await;
    socket.receive().await;
    fixture.gateway.clock.advance(TimeDelta::seconds(59));
    socket.send(json!({"type": "ping"})).await;
    assert_eq!(socket.receive().await, json!({"type": "pong"}));
    fixture.gateway.clock.advance(TimeDelta::seconds(1));
    assert_eq!(socket.closed().await, (4403, "Forbidden".to_owned()));
}

#[tokio::test]
async fn a_socket_ends_when_its_token_is_withdrawn() {
    let fixture = Fixture::new();
    let mut socket = fixture.open("olivia").await;
    fixture.gateway.revoke.cancel();
    assert_eq!(socket.closed().await.0, 4403);
}

#[tokio::test]
async fn a_message_over_the_limit_is_1009() {
    let mut fixture = Fixture::new();
    fixture.settings.max_message_bytes = 1000;
    let mut socket = fixture.open("olivia").await;
    let ping = |bytes: usize| {
        let empty = json!({"type": "ping", "payload": {"p": ""}}).to_string();
        json!({"type": "ping", "payload": {"p": "x".repeat(bytes - empty.len())}})
    };
    socket.send(ping(1000)).await;
    assert_eq!(socket.receive().await["type"], "pong");
    socket.send(ping(1001)).await;
    assert_eq!(socket.closed().await, (1009, "message too big".to_owned()));

    let mut socket = fixture.open("olivia").await;
    socket.send(ping(100_000)).await;
    assert_eq!(socket.closed().await.0, 1009);
}

#[tokio::test]
async fn a_client_that_does_not_read_stalls_its_stream_and_is_dropped() {
    let mut fixture = Fixture::new();
    fixture.settings.send_timeout = Duration::from_millis(300);
    let mut socket = fixture.open("olivia").await;
    socket.subscribe("1", "subscription { flood }").await;
    fixture.until(|tally| tally.sockets.load(Ordering::SeqCst) == 0).await;
    // 10 kB each: what the two kernels' buffers hold, and no more.
    let flooded = fixture.tally().flooded.load(Ordering::SeqCst);
    assert!((1..3000).contains(&flooded), "{flooded}");
    assert_eq!(fixture.tally().subscriptions.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_client_that_does_not_read_cannot_outlive_its_token() {
    for token in ["olivia", "brief"] {
        let fixture = Fixture::new();
        let mut socket = fixture.open(token).await;
        socket.subscribe("1", "subscription { flood }").await;
        // The kernels' buffers are full, and the server waits for the client.
        fixture.until(|tally| tally.flooded.load(Ordering::SeqCst) > 50).await;
        let mut before = -1;
        while fixture.tally().flooded.load(Ordering::SeqCst) != before {
            before = fixture.tally().flooded.load(Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        for id in 2..20 {
            socket.subscribe(&id.to_string(), "mutation { count }").await;
        }
        match token {
            "olivia" => fixture.gateway.revoke.cancel(),
            _ => fixture.gateway.clock.advance(TimeDelta::minutes(1)),
        }
        fixture.until(|tally| tally.sockets.load(Ordering::SeqCst) == 0).await;
        let tally = fixture.tally();
        assert_eq!(
            tally.mutations.load(Ordering::SeqCst),
            0,
            "nothing runs for a token that is over"
        );
        assert_eq!(tally.subscriptions.load(Ordering::SeqCst), 0);
    }
}

#[tokio::test]
async fn a_client_that_answers_no_ping_is_dropped() {
    let mut fixture = Fixture::new();
    fixture.settings.keep_alive = Duration::from_millis(250);
    // It reads nothing, so its pongs are never sent.
    let _socket = fixture.open("olivia").await;
    fixture.until(|tally| tally.sockets.load(Ordering::SeqCst) == 0).await;

    let mut socket = fixture.open("olivia").await;
    let quiet = tokio::time::timeout(Duration::from_millis(900), async {
        loop {
            match socket.0.next().await {
                Some(Ok(Message::Ping(_))) => {}
                other => return other,
            }
        }
    });
    assert!(quiet.await.is_err(), "a client that answers stays");
}

#[tokio::test]
async fn a_shutdown_says_so_and_is_waited_for() {
    let fixture = Fixture::new();
    let mut socket = fixture.open("olivia").await;
    socket.subscribe("1", "subscription { forever }").await;
    socket.receive().await;
    fixture.settings.shutdown.cancel();
    let expected = (1001, "server is shutting down".to_owned());
    assert_eq!(socket.closed().await, expected);
    drop(socket);
    fixture.settings.tasks.close();
    let waited = tokio::time::timeout(Duration::from_secs(3), fixture.settings.tasks.wait()).await;
    waited.expect("a socket is still there");
}

#[tokio::test]
async fn plain_http_is_told_to_upgrade() {
    use axum::http::{Request, StatusCode};
    use tower::ServiceExt;
    let request = Request::get("/graphql/ws").body(axum::body::Body::empty());
    let router = Fixture::new().router();
    let response = router.oneshot(request.unwrap()).await.unwrap();
    assert_eq!(response.status(), StatusCode::UPGRADE_REQUIRED);
    assert_eq!(response.headers()["upgrade"], "websocket");
}

#[tokio::test]
async fn a_duplicate_id_is_refused_before_its_document_is_looked_at() {
    let fixture = Fixture::new();
    let mut socket = fixture.open("olivia").await;
    socket.subscribe("1", "subscription { forever }").await;
    socket.receive().await;
    socket.subscribe("1", "{").await;
    assert_eq!(socket.closed().await.0, 4409);
}

#[tokio::test]
async fn of_several_sub_protocols_ours_is_chosen_and_messages_may_be_binary() {
    let fixture = Fixture::new();
    let offered = "graphql-ws, graphql-transport-ws";
    let mut socket = Socket::connect(fixture.listen().await, Some(offered)).await;
    let ping = json!({"type": "ping"}).to_string().into_bytes();
    futures_util::SinkExt::send(&mut socket.0, Message::binary(ping))
        .await
        .unwrap();
    assert_eq!(socket.receive().await, json!({"type": "pong"}));
}
