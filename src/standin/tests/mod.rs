//! The stand-in, asked over HTTP as a client asks.

mod client;
mod codes;
mod faults;
mod reads;
mod sales;

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use super::{Account, Promo, StandIn};
use crate::clock::Clock;

const KEY: &str = "sk_live_acme";

/// 2026-11-01, at noon.
const NOW: i64 = 1_793_534_400;

fn noon() -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::seconds(NOW)
}

/// A stand-in with Acme's account, and a client with Acme's key.
struct Stripe {
    clock: Clock,
    stand_in: StandIn,
    http: reqwest::Client,
}

struct Answer {
    status: u16,
    replayed: bool,
    body: Value,
}

impl Answer {
    fn id(&self) -> &str {
        self.body["id"].as_str().unwrap()
    }

    /// The status, and what the error says of itself.
    fn refusal(&self) -> (u16, Value, Value) {
        let error = &self.body["error"];
        (self.status, error["code"].clone(), error["param"].clone())
    }

    fn ids(&self) -> Vec<&str> {
        let rows = self.body["data"].as_array().unwrap();
        rows.iter().map(|row| row["id"].as_str().unwrap()).collect()
    }
}

impl Stripe {
    async fn start() -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let clock = Clock::manual(noon());
        let http = reqwest::Client::builder().timeout(Duration::from_millis(300));
        Self {
            stand_in: StandIn::start(clock.clone()).await.unwrap(),
            http: http.build().unwrap(),
            clock,
        }
    }

    fn acme(&self) -> Account {
        self.stand_in.account(KEY)
    }

    async fn ask(
        &self,
        method: &str,
        path: &str,
        form: &str,
        idempotency_key: Option<&str>,
    ) -> reqwest::Result<Answer> {
        let method = method.parse().unwrap();
        let url = format!("{}{path}", self.stand_in.url());
        let mut request = self.http.request(method, url).bearer_auth(KEY);
        if let Some(key) = idempotency_key {
            request = request.header("idempotency-key", key);
        }
        let response = request.body(form.to_owned()).send().await?;
        Ok(Answer {
            status: response.status().as_u16(),
            replayed: response.headers().contains_key("idempotent-replayed"),
            body: response.json().await?,
        })
    }

    async fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, "", None).await.unwrap()
    }

    async fn post(&self, path: &str, form: &str) -> Answer {
        self.ask("POST", path, form, None).await.unwrap()
    }

    async fn delete(&self, path: &str) -> Answer {
        self.ask("DELETE", path, "", None).await.unwrap()
    }

    /// A coupon `launch` with these parameters besides.
    async fn coupon(&self, more: &str) -> Answer {
        let form = format!("id=launch&percent_off=20{more}");
        let made = self.post("/v1/coupons", &form).await;
        assert_eq!(made.status, 200, "{}", made.body);
        made
    }

    /// A code for the coupon `launch`, with these parameters besides.
    async fn code(&self, code: &str, more: &str) -> Answer {
        let form = format!("promotion[type]=coupon&promotion[coupon]=launch&code={code}{more}");
        self.post("/v1/promotion_codes", &form).await
    }

    /// Sarah's code for 20 %, as a sale takes it.
    async fn sarah20(&self) -> Promo {
        self.coupon("").await;
        self.code("SARAH20", "").await;
        Promo::of(&self.acme(), "sarah20").unwrap()
    }
}

fn missing(param: &str) -> (u16, Value, Value) {
    (400, json!("parameter_missing"), json!(param))
}

fn unknown(param: &str) -> (u16, Value, Value) {
    (400, json!("parameter_unknown"), json!(param))
}

fn wrong(param: &str) -> (u16, Value, Value) {
    (400, Value::Null, json!(param))
}

fn gone(what: &str) -> (u16, Value, Value) {
    (404, json!("resource_missing"), json!(what))
}
