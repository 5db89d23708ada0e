//! Stripe's side of the webhook: events are signed and posted to the real endpoint.

use std::time::Duration;

use serde_json::Value;

use super::world::World;
use crate::{clock::Clock, standin::sign};

#[derive(Clone)]
pub struct Webhook {
    clock: Clock,
    client: reqwest::Client,
    url: String,
    secret: String,
}

impl Webhook {
    pub fn new(clock: &Clock, world: &World, base: &str) -> Result<Self, String> {
        let client = reqwest::Client::builder()
            .timeout(Duration::from_secs(10))
            .build()
            .map_err(|error| error.to_string())?;
        Ok(Self {
            clock: clock.clone(),
            client,
            url: format!("{base}/webhooks/stripe/{}", world.brand.slug),
            secret: world.webhook_secret.clone(),
        })
    }

    pub async fn post(&self, event: &Value) -> Result<(), String> {
        let body = event.to_string();
        let signature = sign(body.as_bytes(), &self.secret, self.clock.now().timestamp());
        let request = self
            .client
            .post(&self.url)
            .header("stripe-signature", signature)
            .body(body);
        let answer = request.send().await.map_err(|error| error.to_string())?;
        if answer.status().is_success() {
            Ok(())
        } else {
            Err(format!("the webhook answered {}", answer.status()))
        }
    }
}
