//! Event streams of one operation.

use axum::{
    Router,
    body::{Body, BodyDataStream},
    http::{Request, Response, StatusCode, header},
};
use serde_json::{Value, json};
use tower::ServiceExt;

use super::*;

const STREAM: &str = "text/event-stream";

/// One event of a stream, as a client takes it apart.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Heard {
    pub(super) event: String,
    pub(super) id: Option<String>,
    pub(super) data: Option<Value>,
}

/// A client's end of a stream.
pub(super) struct Events {
    body: BodyDataStream,
    text: String,
    /// Comments that came.
    pub(super) comments: usize,
}

impl Events {
    pub(super) fn of(response: Response<Body>) -> Self {
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()[header::CONTENT_TYPE], STREAM);
        Self {
            body: response.into_body().into_data_stream(),
            text: String::new(),
            comments: 0,
        }
    }

    /// The next event; `None` when the stream has ended.
    pub(super) async fn next(&mut self) -> Option<Heard> {
        loop {
            while let Some((block, rest)) = self.text.split_once("\n\n") {
                let heard = read(block);
                self.text = rest.to_owned();
                match heard {
                    Some(heard) => return Some(heard),
                    None => self.comments += 1,
                }
            }
            let more = tokio::time::timeout(Duration::from_secs(20), self.body.next()).await;
            let bytes = more.expect("nothing came")?.unwrap();
            self.text.push_str(std::str::from_utf8(&bytes).unwrap());
        }
    }

    /// All events until the stream ends.
    pub(super) async fn all(mut self) -> Vec<Heard> {
        let mut all = Vec::new();
        while let Some(heard) = self.next().await {
            all.push(heard);
        }
        all
    }
}

fn read(block: &str) -> Option<Heard> {
    let mut heard = Heard::default();
    for line in block.lines() {
        let (field, value) = line.split_once(':').unwrap();
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "" => return None,
            "event" => heard.event = value.to_owned(),
            "id" => heard.id = Some(value.to_owned()),
            "data" => heard.data = Some(serde_json::from_str(value).unwrap()),
            other => panic!("no such field: {other}"),
        }
    }
    Some(heard)
}

pub(super) fn next(id: Option<&str>, data: Value) -> Heard {
    Heard {
        event: "next".to_owned(),
        id: id.map(str::to_owned),
        data: Some(data),
    }
}

pub(super) fn complete(data: Value) -> Heard {
    Heard {
        event: "complete".to_owned(),
        id: None,
        data: Some(data),
    }
}

/// A request for an event stream.
fn ask(query: &str, headers: &[(&str, &str)]) -> Request<Body> {
    let mut request = Request::post("/graphql")
        .header(header::ACCEPT, STREAM)
        .header(header::CONTENT_TYPE, "application/json");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(json!({ "query": query }).to_string().into()).unwrap()
}

const OLIVIA: (&str, &str) = ("authorization", "Bearer olivia");

async fn stream(router: &Router, query: &str, headers: &[(&str, &str)]) -> Events {
    let request = ask(query, &[&[OLIVIA][..], headers].concat());
    Events::of(router.clone().oneshot(request).await.unwrap())
}

#[tokio::test]
async fn every_kind_of_operation_runs_and_completes() {
    let fixture = Fixture::new();
    let router = fixture.router();
    let heard = stream(&router, "{ me }", &[]).await.all().await;
    assert_eq!(
        heard,
        [next(None, json!({"data": {"me": "olivia"}})), complete(Value::Null)]
    );
    let heard = stream(&router, "mutation { count }", &[]).await.all().await;
    assert_eq!(
        heard,
        [next(None, json!({"data": {"count": 1}})), complete(Value::Null)]
    );
    let heard = stream(&router, "subscription { ticks(upTo: 2) }", &[])
        .await
        .all()
        .await;
    let ticks = [1, 2].map(|tick| next(None, json!({"data": {"ticks": tick}})));
    assert_eq!(heard[..2], ticks);
    assert_eq!(heard[2..], [complete(Value::Null)]);
    fixture.until(|tally| tally.sockets.load(Ordering::SeqCst) == 0).await;
    assert_eq!(fixture.tally().subscriptions.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_get_streams_all_but_mutations() {
    let router = Fixture::new().router();
    let get = async |query: &str| {
        let query: String = url::form_urlencoded::byte_serialize(query.as_bytes()).collect();
        let request = Request::get(format!("/graphql?query={query}"))
            .header(header::ACCEPT, STREAM)
            .header(OLIVIA.0, OLIVIA.1);
        let request = request.body(Body::empty()).unwrap();
        router.clone().oneshot(request).await.unwrap()
    };
    let heard = Events::of(get("subscription { ticks(upTo: 1) }").await).all().await;
    assert_eq!(heard[0], next(None, json!({"data": {"ticks": 1}})));
    let heard = Events::of(get("{ hello }").await).all().await;
    assert_eq!(heard[0], next(None, json!({"data": {"hello": "world"}})));
    let refused = get("mutation { count }").await;
    assert_eq!(refused.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(refused.headers()[header::ALLOW], "POST");
}

#[tokio::test]
async fn nothing_on_the_way_may_keep_or_pack_a_stream() {
    let request = ask("{ hello }", &[OLIVIA]);
    let response = Fixture::new().router().oneshot(request).await.unwrap();
    let header = |name: &str| response.headers()[name].to_str().unwrap().to_owned();
    assert_eq!(header("cache-control"), "no-store, no-transform");
    assert_eq!(header("x-accel-buffering"), "no");
    assert_eq!(header("vary"), "accept, authorization");
    assert_eq!(Events::of(response).all().await.len(), 2);
}

#[tokio::test]
async fn what_is_wrong_with_the_document_is_an_event_and_what_is_wrong_with_the_request_a_status() {
    let fixture = Fixture::new();
    let router = fixture.router();
    for (document, code) in [
        ("{", "BAD_USER_INPUT"),
        ("{ nothing }", "BAD_USER_INPUT"),
        ("subscription { nothing }", "BAD_USER_INPUT"),
        ("subscription { forever ticks(upTo: 1) }", "BAD_USER_INPUT"),
        ("subscription { ...on Subscriptions { forever } }", "BAD_USER_INPUT"),
        ("subscription { __typename }", "BAD_USER_INPUT"),
        ("{nested{nested{nested{nested{nested{hello}}}}}}", "QUERY_TOO_COMPLEX"),
        ("{ panics }", "INTERNAL"),
        ("subscription { panics }", "INTERNAL"),
        ("subscription { refused }", "FORBIDDEN"),
    ] {
        let heard = stream(&router, document, &[]).await.all().await;
        assert_eq!(heard.len(), 2, "{document}: {heard:?}");
        let said = heard[0].data.as_ref().unwrap();
        assert_eq!(said["errors"][0]["extensions"]["code"], code, "{document}");
        assert_eq!(heard[1], complete(Value::Null));
    }
    for (request, status) in [
        (ask("{ hello }", &[]), StatusCode::UNAUTHORIZED),
        (
            ask("{ hello }", &[("authorization", "Bearer mallory")]),
            StatusCode::UNAUTHORIZED,
        ),
        (
            ask("{ hello }", &[("authorization", "Bearer down")]),
            StatusCode::SERVICE_UNAVAILABLE,
        ),
    ] {
        let response = router.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status(), status);
    }
    let mut forged = ask("{ hello }", &[OLIVIA]);
    forged
        .headers_mut()
        .insert(header::CONTENT_TYPE, "text/plain".parse().unwrap());
    let response = router.clone().oneshot(forged).await.unwrap();
    assert_eq!(response.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
    let mut broken = ask("{ hello }", &[OLIVIA]);
    *broken.body_mut() = "{}".into();
    let response = router.oneshot(broken).await.unwrap();
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn who_takes_json_as_well_gets_a_stream_for_subscriptions_alone() {
    let router = Fixture::new().router();
    let accept = "application/json, text/event-stream";
    let both = async |query: &str| {
        let mut request = ask(query, &[OLIVIA]);
        request.headers_mut().insert(header::ACCEPT, accept.parse().unwrap());
        router.clone().oneshot(request).await.unwrap()
    };
    let answer = both("{ hello }").await;
    assert_eq!(
        answer.headers()[header::CONTENT_TYPE],
        "application/json; charset=utf-8"
    );
    let heard = Events::of(both("subscription { ticks(upTo: 1) }").await).all().await;
    assert_eq!(heard.len(), 2);
}

#[tokio::test]
async fn events_say_their_place_and_the_last_one_is_where_it_goes_on() {
    let router = Fixture::new().router();
    let query = "subscription { steps(upTo: 3) }";
    let step = |step: i32| next(Some(&format!("at-{step}")), json!({"data": {"steps": step}}));
    let heard = stream(&router, query, &[]).await.all().await;
    assert_eq!(heard[..3], [step(1), step(2), step(3)]);
    let heard = stream(&router, query, &[("last-event-id", "at-2")]).await.all().await;
    assert_eq!(heard, [step(3), complete(Value::Null)]);
    let heard = stream(&router, query, &[("last-event-id", "")]).await.all().await;
    assert_eq!(heard.len(), 4, "one that says nothing is none");
    let heard = stream(&router, "{ hello }", &[("last-event-id", "at-2")])
        .await
        .all()
        .await;
    assert_eq!(heard[0], next(None, json!({"data": {"hello": "world"}})));
}

#[tokio::test]
async fn an_item_that_fails_on_our_side_ends_the_subscription_before_its_place() {
    let fixture = Fixture::new();
    let heard = stream(&fixture.router(), "subscription { failing }", &[])
        .await
        .all()
        .await;
    assert_eq!(heard.len(), 3, "{heard:?}");
    assert_eq!(heard[0], next(Some("at-1"), json!({"data": {"failing": 1}})));
    let said = heard[1].data.as_ref().unwrap();
    assert_eq!(said["errors"][0]["message"], "internal error");
    assert_eq!(said["errors"][0]["extensions"]["code"], "INTERNAL");
    assert_eq!(heard[1].id, None);
    assert_eq!(heard[2], complete(Value::Null));

    let mut socket = fixture.open("olivia").await;
    socket.subscribe("1", "subscription { failing }").await;
    assert_eq!(socket.receive().await["payload"]["data"]["failing"], 1);
    assert_eq!(
        socket.receive().await["payload"]["errors"][0]["extensions"]["code"],
        "INTERNAL"
    );
    assert_eq!(socket.receive().await["type"], "complete");
}

#[tokio::test]
async fn a_stream_ends_with_its_token_its_key_its_server_and_its_client() {
    for how in ["expiry", "revocation", "stop", "leaving"] {
        let fixture = Fixture::new();
        let token = if how == "expiry" {
            "Bearer brief"
        } else {
            "Bearer olivia"
        };
        let request = ask("subscription { forever }", &[("authorization", token)]);
        let mut events = Events::of(fixture.router().oneshot(request).await.unwrap());
        assert_eq!(events.next().await, Some(next(None, json!({"data": {"forever": 1}}))));
        assert_eq!(fixture.tally().sockets.load(Ordering::SeqCst), 1);
        match how {
            "expiry" => fixture.gateway.clock.advance(TimeDelta::minutes(1)),
            "revocation" => fixture.gateway.revoke.cancel(),
            "stop" => fixture.settings.shutdown.cancel(),
            _ => {}
        }
        if how == "leaving" {
            drop(events);
        } else {
            assert_eq!(events.next().await, None, "{how}: an end, and no completion");
        }
        fixture.until(|tally| tally.sockets.load(Ordering::SeqCst) == 0).await;
        assert_eq!(fixture.tally().subscriptions.load(Ordering::SeqCst), 0);
    }
}

#[tokio::test]
async fn a_client_that_does_not_read_stalls_its_stream_and_is_cut_off() {
    let mut fixture = Fixture::new();
    fixture.settings.send_timeout = Duration::from_millis(300);
    let events = stream(&fixture.router(), "subscription { flood }", &[]).await;
    fixture.until(|tally| tally.sockets.load(Ordering::SeqCst) == 0).await;
    let flooded = fixture.tally().flooded.load(Ordering::SeqCst);
    assert!((1..10).contains(&flooded), "{flooded}");
    assert_eq!(fixture.tally().subscriptions.load(Ordering::SeqCst), 0);
    let heard = events.all().await;
    assert!(
        heard.iter().all(|it| it.event == "next"),
        "what was on its way, and no completion"
    );
}

#[tokio::test]
async fn a_quiet_stream_is_kept_alive_by_comments() {
    let mut fixture = Fixture::new();
    fixture.settings.keep_alive = Duration::from_millis(20);
    let mut events = stream(&fixture.router(), "subscription { forever }", &[]).await;
    events.next().await;
    let quiet = async {
        while events.comments < 3 {
            let _ = tokio::time::timeout(Duration::from_millis(50), events.next()).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), quiet).await.unwrap();
}
