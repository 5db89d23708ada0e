//! Selling, and listening for it.

use rekomi::standin::{Shape, SubscriptionSale};

use super::{Caller, TestApp, cast, socket::Socket};

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
pub async fn listening(app: &TestApp, token: &str, arguments: &str) -> Socket {
    let mut socket = app.socket(token).await;
    let cursor = feed_cursor(&app.caller(token.to_owned())).await;
    let filter = if arguments.is_empty() {
        String::new()
    } else {
        format!(", filter: {arguments}")
    };
    socket.listen("1", &format!("(after: \"{cursor}\"{filter})")).await;
    socket
}

/// The ids of all conversions, in the order of the sales.
pub async fn ids(app: &TestApp) -> Vec<String> {
    app.ana().conversions().await.iter().map(cast::id).collect()
}
