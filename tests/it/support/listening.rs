//! Selling, and listening for it.

use std::time::Duration;

use rekomi::standin::{Shape, SubscriptionSale};
use serde_json::json;

use super::{
    Caller, TestApp, cast,
    socket::{Heard, Socket},
    told,
};

/// A sale that was told and recorded.
pub async fn sell(app: &TestApp, code: &str) -> SubscriptionSale {
    let sale = app.sale().promo(app.promo(code)).build();
    sale.sync(&app.acme.stripe);
    app.deliver([&sale.invoice_paid(Shape::Acacia)]).await;
    sale
}

pub async fn feed_cursor(caller: &Caller) -> String {
    caller.query("{ feedCursor }").await["feedCursor"]
        .as_str()
        .unwrap()
        .to_owned()
}

/// A socket that listens after a cursor, so that nothing falls between its start and what comes.
pub async fn listening(app: &TestApp, token: &str, filter: &str) -> Socket {
    listening_to(app, "conversionCreated", token, filter).await
}

/// The same to changes.
pub async fn following(app: &TestApp, token: &str, filter: &str) -> Socket {
    listening_to(app, "conversionUpdated", token, filter).await
}

async fn listening_to(app: &TestApp, field: &str, token: &str, filter: &str) -> Socket {
    let mut socket = app.socket(token).await;
    let cursor = feed_cursor(&app.caller(token.to_owned())).await;
    let filter = if filter.is_empty() {
        String::new()
    } else {
        format!(", filter: {filter}")
    };
    socket
        .listen_to(field, "1", &format!("(after: \"{cursor}\"{filter})"))
        .await;
    socket
}

impl Socket {
    /// The conversion that the next event tells of, on a line.
    pub async fn line(&mut self) -> String {
        told::line(&self.event("1").await.1)
    }

    /// That nothing is told: for a moment, and before the answer to a query that is sent behind everything.
    pub async fn is_told_nothing(&mut self) {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let payload = json!({ "query": "{ feedCursor }" });
        self.send(json!({ "id": "silence", "type": "subscribe", "payload": payload }))
            .await;
        let Heard::Message(message) = self.next().await else {
            panic!("the socket was closed");
        };
        assert_eq!(
            (&message["id"], &message["type"]),
            (&json!("silence"), &json!("next")),
            "{message}"
        );
        let done = self.next().await;
        assert_eq!(done, Heard::Message(json!({ "id": "silence", "type": "complete" })));
    }
}

/// The ids of all conversions, in the order of the sales.
pub async fn ids(app: &TestApp) -> Vec<String> {
    app.ana().conversions().await.iter().map(cast::id).collect()
}
