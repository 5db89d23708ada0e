//! `/graphql/stream`: one event stream for many operations.

use axum::{
    Router,
    body::Body,
    http::{Request, Response, StatusCode},
};
use serde_json::{Value, json};
use tower::ServiceExt;

use super::{
    events::{Events, Heard},
    *,
};

/// A client with a token, and with a reservation once it has one.
struct Client {
    router: Router,
    caller: &'static str,
    stream: String,
}

impl Client {
    async fn send(&self, method: &str, path: &str, body: Value) -> Response<Body> {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header("content-type", "application/json")
            .header("x-graphql-event-stream-token", &self.stream);
        if !self.caller.is_empty() {
            request = request.header("authorization", format!("Bearer {}", self.caller));
        }
        let body = if body.is_null() {
            Body::empty()
        } else {
            body.to_string().into()
        };
        self.router.clone().oneshot(request.body(body).unwrap()).await.unwrap()
    }

    async fn status(&self, method: &str, path: &str, body: Value) -> StatusCode {
        self.send(method, path, body).await.status()
    }

    async fn run(&self, id: &str, query: &str) -> StatusCode {
        let body = json!({ "query": query, "extensions": { "operationId": id } });
        self.status("POST", "/graphql/stream", body).await
    }

    async fn stop(&self, id: &str) -> StatusCode {
        let path = format!("/graphql/stream?operationId={id}");
        self.status("DELETE", &path, Value::Null).await
    }

    async fn open(&self) -> Events {
        Events::of(self.send("GET", "/graphql/stream", Value::Null).await)
    }

    /// The same stream, in somebody else's hands.
    fn as_(&self, caller: &'static str) -> Self {
        Self {
            router: self.router.clone(),
            caller,
            stream: self.stream.clone(),
        }
    }
}

async fn reserve(fixture: &Fixture, caller: &'static str) -> Client {
    let mut client = Client {
        router: fixture.router(),
        caller,
        stream: String::new(),
    };
    let response = client.send("PUT", "/graphql/stream", Value::Null).await;
    assert_eq!(response.status(), StatusCode::CREATED);
    assert!(
        response.headers()["content-type"]
            .to_str()
            .unwrap()
            .starts_with("text/plain")
    );
    let token = axum::body::to_bytes(response.into_body(), 1000).await.unwrap();
    client.stream = String::from_utf8(token.to_vec()).unwrap();
    assert_eq!(client.stream.len(), 32);
    client
}

fn next(id: &str, payload: Value) -> Heard {
    super::events::next(None, json!({ "id": id, "payload": payload }))
}

fn complete(id: &str) -> Heard {
    super::events::complete(json!({ "id": id }))
}

#[tokio::test]
async fn one_stream_carries_the_answers_of_many_operations() {
    let fixture = Fixture::new();
    let client = reserve(&fixture, "olivia").await;
    let mut events = client.open().await;
    assert_eq!(client.run("q", "{ me }").await, StatusCode::ACCEPTED);
    assert_eq!(events.next().await, Some(next("q", json!({"data": {"me": "olivia"}}))));
    assert_eq!(events.next().await, Some(complete("q")));
    assert_eq!(client.run("m", "mutation { count }").await, StatusCode::ACCEPTED);
    assert_eq!(events.next().await, Some(next("m", json!({"data": {"count": 1}}))));
    assert_eq!(events.next().await, Some(complete("m")));
    assert_eq!(client.run("s", "subscription { forever }").await, StatusCode::ACCEPTED);
    assert_eq!(events.next().await, Some(next("s", json!({"data": {"forever": 1}}))));
    assert_eq!(client.run("s", "{ me }").await, StatusCode::CONFLICT);
    assert_eq!(client.stop("s").await, StatusCode::OK);
    assert_eq!(client.stop("s").await, StatusCode::OK);
    assert_eq!(client.run("s", "{ hello }").await, StatusCode::ACCEPTED);
    assert_eq!(
        events.next().await,
        Some(next("s", json!({"data": {"hello": "world"}})))
    );
    assert_eq!(events.next().await, Some(complete("s")));
    assert_eq!(fixture.tally().subscriptions.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn what_was_asked_before_the_stream_is_open_runs_when_it_is() {
    let fixture = Fixture::new();
    let client = reserve(&fixture, "olivia").await;
    assert_eq!(client.run("m", "mutation { count }").await, StatusCode::ACCEPTED);
    assert_eq!(fixture.tally().mutations.load(Ordering::SeqCst), 0);
    let mut events = client.open().await;
    assert_eq!(events.next().await, Some(next("m", json!({"data": {"count": 1}}))));
}

#[tokio::test]
async fn a_stream_is_opened_once_and_is_gone_with_its_client() {
    let fixture = Fixture::new();
    let client = reserve(&fixture, "olivia").await;
    let (method, path) = ("GET", format!("/graphql/stream?token={}", client.stream));
    let mut by_ticket = client.as_("");
    by_ticket.stream = String::new();
    // An `EventSource` sends no header: the reservation's token is its ticket.
    let events = Events::of(by_ticket.send(method, &path, Value::Null).await);
    assert_eq!(by_ticket.status(method, &path, Value::Null).await, StatusCode::CONFLICT);
    assert_eq!(
        client.status("PUT", "/graphql/stream", Value::Null).await,
        StatusCode::CONFLICT
    );
    fixture.until(|tally| tally.sockets.load(Ordering::SeqCst) == 1).await;
    drop(events);
    fixture.until(|tally| tally.sockets.load(Ordering::SeqCst) == 0).await;
    assert_eq!(client.status(method, &path, Value::Null).await, StatusCode::NOT_FOUND);
    assert_eq!(client.run("1", "{ hello }").await, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_stream_is_its_callers_alone() {
    let fixture = Fixture::new();
    let client = reserve(&fixture, "olivia").await;
    let (other, nobody, mallory) = (client.as_("brief"), client.as_(""), client.as_("mallory"));
    let path = "/graphql/stream";
    for (method, body) in [
        ("GET", Value::Null),
        (
            "POST",
            json!({"query": "{ hello }", "extensions": {"operationId": "1"}}),
        ),
        ("DELETE", Value::Null),
    ] {
        assert_eq!(
            other.status(method, path, body.clone()).await,
            StatusCode::NOT_FOUND,
            "{method}"
        );
        assert_eq!(
            mallory.status(method, path, body.clone()).await,
            StatusCode::UNAUTHORIZED
        );
        if method != "GET" {
            assert_eq!(nobody.status(method, path, body).await, StatusCode::UNAUTHORIZED);
        }
    }
    assert_eq!(nobody.status("PUT", path, Value::Null).await, StatusCode::UNAUTHORIZED);
    assert_eq!(
        client.status("PATCH", path, Value::Null).await,
        StatusCode::METHOD_NOT_ALLOWED
    );
    let _open = client.open().await;
}

#[tokio::test]
async fn what_cannot_be_taken_is_answered_where_it_is_asked() {
    let mut fixture = Fixture::new();
    fixture.settings.max_operations = 1;
    let client = reserve(&fixture, "olivia").await;
    let mut events = client.open().await;
    let path = "/graphql/stream";
    for body in [
        json!({}),
        json!({"query": "{ hello }"}),
        json!({"query": "{ hello }", "extensions": {"operationId": ""}}),
        json!({"query": "{ hello }", "extensions": {"operationId": 1}}),
        json!({"query": "{", "extensions": {"operationId": "1"}}),
    ] {
        assert_eq!(
            client.status("POST", path, body.clone()).await,
            StatusCode::BAD_REQUEST,
            "{body}"
        );
    }
    assert_eq!(
        client.status("DELETE", path, Value::Null).await,
        StatusCode::BAD_REQUEST
    );
    // What only the schema knows to be wrong is told on the stream.
    assert_eq!(client.run("1", "{ nothing }").await, StatusCode::ACCEPTED);
    let heard = events.next().await.unwrap().data.unwrap();
    assert_eq!(heard["payload"]["errors"][0]["extensions"]["code"], "BAD_USER_INPUT");
    assert_eq!(events.next().await, Some(complete("1")));
    assert_eq!(client.run("1", "subscription { forever }").await, StatusCode::ACCEPTED);
    let many = client.run("2", "{ hello }").await;
    assert_eq!(many, StatusCode::TOO_MANY_REQUESTS);
}

#[tokio::test]
async fn a_reservation_that_nobody_opens_lapses_and_so_does_one_whose_token_ends() {
    let mut fixture = Fixture::new();
    fixture.settings.reservation = Duration::from_millis(50);
    let client = reserve(&fixture, "olivia").await;
    let lapsed = async { while client.stop("1").await != StatusCode::NOT_FOUND {} };
    tokio::time::timeout(Duration::from_secs(20), lapsed).await.unwrap();

    let fixture = Fixture::new();
    let client = reserve(&fixture, "brief").await;
    let mut events = client.open().await;
    assert_eq!(client.run("1", "subscription { forever }").await, StatusCode::ACCEPTED);
    events.next().await.unwrap();
    fixture.gateway.clock.advance(TimeDelta::minutes(1));
    assert_eq!(events.next().await, None);
}
