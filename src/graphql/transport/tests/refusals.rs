//! What `/graphql` does not take.

use axum::{
    body::Body,
    http::{Request, StatusCode, header},
};
use serde_json::json;

use super::{
    http::{GRAPHQL, post, query, send, set},
    *,
};

#[tokio::test]
async fn only_json_is_taken() {
    let fixture = Fixture::new();
    let body = r#"{"query":"{ hello }"}"#;
    for content_type in [
        None,
        Some("text/plain"),
        Some("application/x-www-form-urlencoded"),
        Some("multipart/form-data; boundary=x"),
        Some("application/json; charset=latin1"),
        Some("application/graphql"),
        Some("application/jsonx"),
    ] {
        let mut request = Request::post("/graphql").body(Body::from(body)).unwrap();
        if let Some(content_type) = content_type {
            set(&mut request, header::CONTENT_TYPE, content_type);
        }
        let reply = send(&fixture, request).await;
        assert_eq!(reply.status, StatusCode::UNSUPPORTED_MEDIA_TYPE, "{content_type:?}");
        assert_eq!(reply.code(), "BAD_USER_INPUT");
    }
    let mut twice = post(body);
    set(&mut twice, header::CONTENT_TYPE, "text/plain");
    assert_eq!(send(&fixture, twice).await.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
}

#[tokio::test]
async fn a_body_of_the_wrong_shape_is_400_with_words() {
    let fixture = Fixture::new();
    for (body, message) in [
        ("", "the body is empty"),
        (
            "{",
            "the body is not JSON: EOF while parsing an object at line 1 column 1",
        ),
        ("1", "the body is not a JSON object"),
        (
            r#"[{"query":"{ hello }"}]"#,
            "a batch of requests is not taken: send them one by one",
        ),
        (
            r#"["{ hello }"]"#,
            "a batch of requests is not taken: send them one by one",
        ),
        ("{}", "query is missing"),
        (r#"{"query":1}"#, "query is not a string"),
        (
            r#"{"query":"{hello}","operationName":1}"#,
            "operationName is not a string",
        ),
        (r#"{"query":"{hello}","variables":[]}"#, "variables is not an object"),
        (r#"{"query":"{hello}","extensions":""}"#, "extensions is not an object"),
    ] {
        let reply = send(&fixture, post(body)).await;
        assert_eq!(reply.status, StatusCode::BAD_REQUEST, "{body}");
        let mut answer = reply.json();
        assert_eq!(
            answer["errors"][0]["extensions"]["requestId"]
                .take()
                .as_str()
                .unwrap()
                .len(),
            32
        );
        let extensions = json!({"code": "BAD_USER_INPUT", "requestId": null});
        assert_eq!(
            answer,
            json!({"errors": [{"message": message, "extensions": extensions}]})
        );
    }
}

#[tokio::test]
async fn the_body_limit_is_exact() {
    let mut fixture = Fixture::new();
    let body = r#"{"query":"{ hello }"}"#;
    fixture.settings.max_body_bytes = body.len();
    assert_eq!(send(&fixture, post(body)).await.status, StatusCode::OK);
    let reply = send(&fixture, post(format!("{body} "))).await;
    assert_eq!(reply.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(reply.code(), "BAD_USER_INPUT");

    fixture.settings.body_timeout = Duration::from_millis(20);
    let never = Body::from_stream(stream::pending::<Result<String, std::convert::Infallible>>());
    let reply = send(&fixture, post(never)).await;
    assert_eq!(reply.status, StatusCode::REQUEST_TIMEOUT);
}

#[tokio::test]
async fn a_query_that_takes_too_long_is_ended() {
    let mut fixture = Fixture::new();
    fixture.settings.query_timeout = Duration::from_millis(20);
    let reply = send(&fixture, query("{ waits }")).await;
    assert_eq!(reply.code(), "QUERY_TOO_COMPLEX");
    assert_eq!(reply.json().get("data"), None);
    // A mutation has no such end: it takes 50 ms here.
    let reply = send(&fixture, query("mutation { count }")).await;
    assert_eq!(reply.json(), json!({"data": {"count": 1}}));
    let mut socket = fixture.open("olivia").await;
    socket.subscribe("1", "{ waits }").await;
    let message = socket.receive().await;
    assert_eq!(message["type"], "error");
    assert_eq!(message["payload"][0]["extensions"]["code"], "QUERY_TOO_COMPLEX");
}

#[tokio::test]
async fn what_a_budget_does_not_hold_is_not_run() {
    let mut fixture = Fixture::new();
    fixture.gateway.limit = Some(3);
    let reply = send(&fixture, query("{ hello nested { hello } }")).await;
    assert_eq!(reply.status, StatusCode::OK);
    for document in ["mutation { count }", "{ nothing }", "{"] {
        let reply = send(&fixture, query(document)).await;
        assert_eq!(reply.status, StatusCode::TOO_MANY_REQUESTS, "{document}");
        assert_eq!(reply.code(), "RATE_LIMITED", "{document}");
    }
    assert_eq!(fixture.tally().mutations.load(Ordering::SeqCst), 0);
    let mut request = query("{ hello }");
    set(&mut request, header::AUTHORIZATION, "Bearer mallory");
    let reply = send(&fixture, request).await;
    assert_eq!(
        (reply.status, reply.header(header::RETRY_AFTER)),
        (StatusCode::TOO_MANY_REQUESTS, "7")
    );
}

#[tokio::test]
async fn other_methods_are_405() {
    let fixture = Fixture::new();
    let request = Request::put("/graphql").body(Body::empty()).unwrap();
    let reply = send(&fixture, request).await;
    assert_eq!(reply.status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(reply.header(header::ALLOW), "GET,HEAD,POST");
    assert_eq!(reply.code(), "BAD_USER_INPUT");
}

#[tokio::test]
async fn a_subscription_by_post_is_sent_to_the_socket() {
    let fixture = Fixture::new();
    let reply = send(&fixture, query("subscription { forever }")).await;
    assert_eq!(reply.status, StatusCode::BAD_REQUEST);
    let message = reply.json()["errors"][0]["message"].to_string();
    assert!(message.contains("/graphql/ws"), "{message}");
}

#[tokio::test]
async fn a_token_is_good_or_the_request_is_401() {
    let fixture = Fixture::new();
    let reply = send(&fixture, query("{ hello me }")).await;
    assert_eq!(reply.status, StatusCode::OK);
    assert_eq!(reply.code(), "UNAUTHENTICATED");

    let mut request = query("{ me }");
    set(&mut request, header::AUTHORIZATION, "Bearer olivia");
    let reply = send(&fixture, request).await;
    assert_eq!(reply.json(), json!({"data": {"me": "olivia"}}));

    for values in [
        &["Bearer mallory"][..],
        &["Basic olivia"],
        &[""],
        &["Bearer olivia", "Bearer olivia"],
    ] {
        let mut request = query("{ hello }");
        set(&mut request, header::ACCEPT, GRAPHQL);
        for value in values {
            set(&mut request, header::AUTHORIZATION, value);
        }
        let reply = send(&fixture, request).await;
        assert_eq!(reply.status, StatusCode::UNAUTHORIZED, "{values:?}");
        assert_eq!(reply.header(header::WWW_AUTHENTICATE), "Bearer");
        assert_eq!(reply.header(header::CONNECTION), "close", "its body is unread");
        assert!(reply.header(header::CONTENT_TYPE).starts_with(GRAPHQL));
        assert_eq!(reply.code(), "UNAUTHENTICATED");
    }

    let mut request = query("{ hello }");
    set(&mut request, header::AUTHORIZATION, "Bearer down");
    let reply = send(&fixture, request).await;
    assert_eq!(reply.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(reply.code(), "INTERNAL");
    let id = &reply.json()["errors"][0]["extensions"]["requestId"];
    assert_eq!(id.as_str().unwrap().len(), 32);
}
