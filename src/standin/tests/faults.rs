//! Idempotency keys, faults, and the log.

use std::{io::ErrorKind, time::Duration};

use chrono::TimeDelta;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::{
    super::{Fault, FaultKind},
    KEY, Stripe,
};

const COUPON: &str = "percent_off=20&name=Launch";

async fn make(stripe: &Stripe, form: &str, key: &str) -> reqwest::Result<super::Answer> {
    stripe.ask("POST", "/v1/coupons", form, Some(key)).await
}

#[tokio::test]
async fn a_key_replays_its_answer_for_24_hours_and_for_the_same_parameters_alone() {
    let stripe = Stripe::start().await;
    let first = make(&stripe, COUPON, "key-1").await.unwrap();
    let again = make(&stripe, COUPON, "key-1").await.unwrap();
    assert_eq!((first.replayed, again.replayed), (false, true));
    assert_eq!(first.body, again.body);
    let other = make(&stripe, "percent_off=21", "key-1").await.unwrap();
    assert_eq!(other.status, 400);
    assert_eq!(other.body["error"]["type"], "idempotency_error");
    stripe.clock.advance(TimeDelta::hours(24));
    let late = make(&stripe, COUPON, "key-1").await.unwrap();
    assert_ne!(late.id(), first.id());
}

#[tokio::test]
async fn a_refused_request_is_not_kept_under_its_key() {
    let stripe = Stripe::start().await;
    assert_eq!(make(&stripe, "percent_off=0", "key-1").await.unwrap().status, 400);
    assert_eq!(make(&stripe, COUPON, "key-1").await.unwrap().status, 200);
}

#[tokio::test]
async fn errors_on_demand_come_as_stripe_sends_them_and_nothing_is_done() {
    let stripe = Stripe::start().await;
    stripe.stand_in.fault(Fault::new(FaultKind::RateLimited));
    stripe.stand_in.fault(Fault::new(FaultKind::ServerError));
    stripe.stand_in.fault(Fault::refuse("No.", "name"));
    let limited = make(&stripe, COUPON, "key-1").await.unwrap();
    assert_eq!(
        (limited.status, &limited.body["error"]["code"]),
        (429, &json!("rate_limit"))
    );
    let broken = make(&stripe, COUPON, "key-1").await.unwrap();
    assert_eq!(
        (broken.status, &broken.body["error"]["type"]),
        (500, &json!("api_error"))
    );
    let refused = make(&stripe, COUPON, "key-1").await.unwrap();
    assert_eq!(refused.refusal(), (400, Value::Null, json!("name")));
    assert_eq!(stripe.acme().all("coupon").len(), 0);
    assert_eq!(make(&stripe, COUPON, "key-1").await.unwrap().status, 200);
}

#[tokio::test]
async fn a_saved_500_is_replayed_under_its_key_and_the_object_is_never_made() {
    let stripe = Stripe::start().await;
    stripe.stand_in.fault(Fault::new(FaultKind::SavedServerError));
    for replayed in [false, true] {
        let answer = make(&stripe, COUPON, "key-1").await.unwrap();
        assert_eq!((answer.status, answer.replayed), (500, replayed));
    }
    assert_eq!(stripe.acme().all("coupon").len(), 0);
    assert_eq!(make(&stripe, COUPON, "key-2").await.unwrap().status, 200);
}

#[tokio::test]
async fn after_a_dropped_answer_the_object_is_there_and_a_retry_replays_it() {
    let stripe = Stripe::start().await;
    stripe.stand_in.fault(Fault::new(FaultKind::DropAfter));
    assert!(make(&stripe, COUPON, "key-1").await.is_err());
    let made = stripe.acme().all("coupon");
    assert_eq!(made.len(), 1);
    let retry = make(&stripe, COUPON, "key-1").await.unwrap();
    assert_eq!((retry.replayed, &retry.body["id"]), (true, &made[0]["id"]));
    assert_eq!(stripe.acme().all("coupon").len(), 1);
}

#[tokio::test]
async fn after_a_dropped_request_nothing_is_there() {
    let stripe = Stripe::start().await;
    stripe
        .stand_in
        .fault(Fault::new(FaultKind::DropBefore).on_method("POST"));
    assert!(make(&stripe, COUPON, "key-1").await.is_err());
    assert_eq!(stripe.acme().all("coupon").len(), 0);
    assert!(!make(&stripe, COUPON, "key-1").await.unwrap().replayed);
}

/// One request on a bare socket, and what the socket then says.
async fn bare(stripe: &Stripe) -> TcpStream {
    let address = stripe.stand_in.url().replace("http://", "");
    let mut socket = TcpStream::connect(address).await.unwrap();
    let request = format!("GET /v1/coupons HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\n\r\n");
    socket.write_all(request.as_bytes()).await.unwrap();
    socket
}

#[tokio::test]
async fn a_dropped_connection_is_reset_without_a_byte() {
    for kind in [FaultKind::DropBefore, FaultKind::DropAfter] {
        let stripe = Stripe::start().await;
        stripe.stand_in.fault(Fault::new(kind));
        let mut answer = vec![];
        let end = bare(&stripe).await.read_to_end(&mut answer).await;
        assert_eq!(end.unwrap_err().kind(), ErrorKind::ConnectionReset);
        assert_eq!(answer, b"");
    }
}

#[tokio::test]
async fn a_hanging_request_is_never_answered_and_stopping_still_frees_the_port() {
    let stripe = Stripe::start().await;
    stripe.stand_in.fault(Fault::new(FaultKind::Hang));
    let hung = stripe.ask("GET", "/v1/coupons", "", None).await;
    assert!(hung.err().unwrap().is_timeout());
    stripe.stand_in.fault(Fault::new(FaultKind::Hang));
    let mut socket = bare(&stripe).await;
    while stripe.stand_in.calls().len() < 2 {
        tokio::task::yield_now().await;
    }
    let address = stripe.stand_in.url().replace("http://", "");
    stripe.stand_in.stop().await;
    assert!(socket.read_u8().await.is_err());
    std::net::TcpListener::bind(address).unwrap();
}

#[tokio::test]
async fn dropping_the_stand_in_stops_it() {
    let stripe = Stripe::start().await;
    let address = stripe.stand_in.url().replace("http://", "");
    let mut socket = bare(&stripe).await;
    drop(stripe.stand_in);
    while socket.read_u8().await.is_ok() {}
    while TcpStream::connect(&address).await.is_ok() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn the_log_tells_what_was_sent_and_what_was_answered() {
    let stripe = Stripe::start().await;
    stripe.stand_in.set_latency(Duration::from_millis(1));
    let made = make(&stripe, COUPON, "key-1").await.unwrap();
    stripe
        .stand_in
        .fault(Fault::new(FaultKind::DropBefore).times(2).on_path("/v1/coupons"));
    assert!(stripe.ask("GET", "/v1/coupons?limit=3", "", None).await.is_err());
    stripe.stand_in.clear_faults();
    let calls = stripe.stand_in.calls();
    let first = &calls[0];
    assert_eq!((first.method.as_str(), first.path.as_str()), ("POST", "/v1/coupons"));
    assert_eq!(first.params, json!({ "name": "Launch", "percent_off": "20" }));
    assert_eq!(first.secret_key, KEY);
    assert_eq!(first.idempotency_key.as_deref(), Some("key-1"));
    assert_eq!((first.status, &first.response), (Some(200), &made.body));
    let second = &calls[1];
    assert_eq!(second.params, json!({ "limit": "3" }));
    assert_eq!((second.status, &second.fault), (None, &Some(FaultKind::DropBefore)));
}
