//! What `/graphql` answers, to the byte where it matters.

use axum::{
    body::Body,
    http::{HeaderMap, Request, StatusCode, header},
};
use serde_json::{Value, json};
use tower::ServiceExt;

use super::*;

const JSON: &str = "application/json; charset=utf-8";
pub(super) const GRAPHQL: &str = "application/graphql-response+json";

pub(super) struct Reply {
    pub(super) status: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Reply {
    pub(super) fn header(&self, name: header::HeaderName) -> &str {
        let value = self.headers.get(name).map(|it| it.to_str().unwrap());
        value.unwrap_or_default()
    }

    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub(super) fn code(&self) -> String {
        let code = &self.json()["errors"][0]["extensions"]["code"];
        code.as_str().unwrap().to_owned()
    }
}

pub(super) async fn send(fixture: &Fixture, request: Request<Body>) -> Reply {
    let response = fixture.router().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    Reply {
        status: parts.status,
        headers: parts.headers,
        body: body.into(),
    }
}

pub(super) fn post(body: impl Into<Body>) -> Request<Body> {
    let mut request = Request::post("/graphql").body(body.into()).unwrap();
    set(&mut request, header::CONTENT_TYPE, "application/json");
    request
}

pub(super) fn query(query: &str) -> Request<Body> {
    post(json!({ "query": query }).to_string())
}

pub(super) fn set(request: &mut Request<Body>, name: header::HeaderName, value: &str) {
    request.headers_mut().append(name, value.parse().unwrap());
}

fn get(parameters: &[(&str, &str)]) -> Request<Body> {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(parameters);
    let uri = format!("/graphql?{}", query.finish());
    Request::get(uri).body(Body::empty()).unwrap()
}

#[tokio::test]
async fn a_query_is_answered_in_the_type_that_was_asked_for() {
    let fixture = Fixture::new();
    let reply = send(&fixture, query("{ hello }")).await;
    assert_eq!(reply.status, StatusCode::OK);
    assert_eq!(reply.header(header::CONTENT_TYPE), JSON);
    assert_eq!(reply.header(header::CACHE_CONTROL), "no-store");
    assert_eq!(reply.json(), json!({"data": {"hello": "world"}}));

    let mut request = query("{ hello }");
    set(&mut request, header::ACCEPT, GRAPHQL);
    let reply = send(&fixture, request).await;
    assert_eq!(reply.status, StatusCode::OK);
    assert_eq!(
        reply.header(header::CONTENT_TYPE),
        "application/graphql-response+json; charset=utf-8"
    );

    let mut request = query("{ hello }");
    set(&mut request, header::ACCEPT, "text/html");
    let reply = send(&fixture, request).await;
    assert_eq!(reply.status, StatusCode::NOT_ACCEPTABLE);
    assert_eq!(reply.code(), "BAD_USER_INPUT");

    // An event stream needs a token.
    let mut request = query("{ hello }");
    set(&mut request, header::ACCEPT, "text/event-stream");
    let reply = send(&fixture, request).await;
    assert_eq!(reply.status, StatusCode::UNAUTHORIZED);
    assert_eq!(reply.code(), "UNAUTHENTICATED");
}

#[tokio::test]
async fn a_request_error_has_no_data_and_shows_in_the_status_of_the_newer_type_only() {
    let fixture = Fixture::new();
    for (document, code) in [
        ("{", "BAD_USER_INPUT"),
        ("", "BAD_USER_INPUT"),
        ("{ nothing }", "BAD_USER_INPUT"),
        ("{ length }", "BAD_USER_INPUT"),
        ("query A { hello } query B { hello }", "BAD_USER_INPUT"),
        ("query A($n: Int!) { hello }", "BAD_USER_INPUT"),
        ("{nested{nested{nested{nested{nested{hello}}}}}}", "QUERY_TOO_COMPLEX"),
        ("{a:hello b:hello c:hello d:hello}", "QUERY_TOO_COMPLEX"),
    ] {
        let reply = send(&fixture, query(document)).await;
        assert_eq!(reply.status, StatusCode::OK, "{document}");
        assert_eq!(reply.code(), code, "{document}");
        assert_eq!(reply.json().get("data"), None, "{document}");

        let mut request = query(document);
        set(&mut request, header::ACCEPT, GRAPHQL);
        let reply = send(&fixture, request).await;
        assert_eq!(reply.status, StatusCode::BAD_REQUEST, "{document}");
        assert_eq!(reply.code(), code, "{document}");
        assert_eq!(reply.json().get("data"), None, "{document}");
    }
}

#[tokio::test]
async fn nothing_internal_reaches_a_client() {
    let fixture = Fixture::new();
    for field in ["broken", "uncoded"] {
        let mut request = query(&format!("{{ hello {field} }}"));
        request.headers_mut().insert("x-request-id", "req-7".parse().unwrap());
        let reply = send(&fixture, request).await;
        assert_eq!(reply.status, StatusCode::OK);
        let expected = json!({
            "data": {"hello": "world", field: null},
            "errors": [{
                "message": "internal error",
                "locations": [{"line": 1, "column": 9}],
                "path": [field],
                "extensions": {"code": "INTERNAL", "requestId": "req-7"},
            }],
        });
        assert_eq!(reply.json(), expected);
    }
    let reply = send(&fixture, query("{ panics }")).await;
    assert_eq!(reply.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(reply.code(), "INTERNAL");
}

#[tokio::test]
async fn a_bad_argument_that_only_execution_finds_is_the_clients() {
    let fixture = Fixture::new();
    let reply = send(&fixture, query(r#"{ length(text: "four") }"#)).await;
    assert_eq!(reply.status, StatusCode::OK);
    assert_eq!(reply.code(), "BAD_USER_INPUT");
    assert_eq!(reply.json()["errors"][0]["path"], json!(["length"]));
    assert_eq!(reply.json()["data"], Value::Null);
}

#[tokio::test]
async fn get_runs_queries_and_nothing_else() {
    let fixture = Fixture::new();
    let two = "query A($t: String!) { length(text: $t) } mutation B { count }";
    let parameters = [("query", two), ("operationName", "A"), ("variables", r#"{"t":"ab"}"#)];
    let reply = send(&fixture, get(&parameters)).await;
    assert_eq!(reply.status, StatusCode::OK);
    assert_eq!(reply.json(), json!({"data": {"length": 2}}));

    for (document, name) in [("mutation { count }", ""), (two, "B"), ("subscription { forever }", "")] {
        let mut parameters = vec![("query", document)];
        if !name.is_empty() {
            parameters.push(("operationName", name));
        }
        let reply = send(&fixture, get(&parameters)).await;
        assert_eq!(reply.status, StatusCode::METHOD_NOT_ALLOWED, "{document}");
        assert_eq!(reply.header(header::ALLOW), "POST");
        assert_eq!(reply.code(), "BAD_USER_INPUT");
    }
    assert_eq!(fixture.tally().mutations.load(Ordering::SeqCst), 0);

    let reply = send(&fixture, get(&[])).await;
    assert_eq!(reply.status, StatusCode::BAD_REQUEST);
    let reply = send(&fixture, get(&[("query", "{ hello }"), ("variables", "[")])).await;
    assert_eq!(reply.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_mutation_runs_to_its_end_when_its_client_hangs_up() {
    let fixture = Fixture::new();
    let request = send(&fixture, query("mutation { count }"));
    let hung_up = tokio::time::timeout(Duration::from_millis(10), request).await;
    assert!(hung_up.is_err());
    fixture.until(|tally| tally.mutations.load(Ordering::SeqCst) == 1).await;
}

#[tokio::test]
async fn a_browser_gets_the_page_and_its_files() {
    let mut fixture = Fixture::new();
    let browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
    let page = |uri: &str| {
        let mut request = Request::get(uri).body(Body::empty()).unwrap();
        set(&mut request, header::ACCEPT, browser);
        request
    };
    let reply = send(&fixture, page("/graphql")).await;
    assert_eq!(reply.status, StatusCode::OK);
    assert_eq!(reply.header(header::CONTENT_TYPE), "text/html; charset=utf-8");
    let policy = reply.header(header::CONTENT_SECURITY_POLICY);
    assert!(policy.contains("script-src 'self';"), "{policy}");

    let reply = send(&fixture, page("/graphql?query=%7Bhello%7D")).await;
    assert_eq!(reply.json(), json!({"data": {"hello": "world"}}));

    let reply = send(&fixture, page("/graphql/assets/graphiql-4.1.2.js")).await;
    assert_eq!(reply.header(header::CONTENT_ENCODING), "gzip");
    assert_eq!(reply.body[..2], [0x1f, 0x8b]);
    let reply = send(&fixture, page("/graphql/assets/update.sh")).await;
    assert_eq!(reply.status, StatusCode::NOT_FOUND);

    fixture.settings.ide = false;
    let reply = send(&fixture, page("/graphql")).await;
    assert_eq!(reply.status, StatusCode::BAD_REQUEST);
}
