//! The site of the demo's brand: a landing page with the script, and a button whose checkout is over at once. It is told
//! as Stripe would tell it, with the click that the script handed over.

use axum::{
    Form, Router,
    extract::State,
    http::StatusCode,
    response::{Html, IntoResponse, Response},
    routing::{get, post},
};
use serde::Deserialize;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::webhook::Webhook;
use crate::{
    clock::Clock,
    standin::{Account, SaleBuilder, Shape},
};

const LANDING: &str = include_str!("landing.html");
const THANKS: &str = include_str!("thanks.html");

/// The shop's address, taken before it is open: campaigns lead there.
pub struct Site {
    listener: TcpListener,
    pub url: String,
}

#[derive(Clone)]
pub struct Shop {
    pub clock: Clock,
    pub stripe: Account,
    pub webhook: Webhook,
    /// Where the script is.
    pub base: String,
    /// Where the sale can be seen.
    pub watch: String,
}

impl Site {
    pub async fn find() -> std::io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let url = format!("http://{}/", listener.local_addr()?);
        Ok(Self { listener, url })
    }

    /// Serves the shop until the stop.
    pub async fn open(self, shop: Shop, stop: CancellationToken) -> std::io::Result<()> {
        let routes = Router::new()
            .route("/", get(landing))
            .route("/buy", post(buy))
            .with_state(shop);
        axum::serve(self.listener, routes)
            .with_graceful_shutdown(stop.cancelled_owned())
            .await
    }
}

#[derive(Deserialize)]
struct Order {
    /// What the script filled in; empty for whoever came by no link.
    rk_click: String,
}

async fn landing(State(shop): State<Shop>) -> Html<String> {
    Html(LANDING.replace("{base}", &shop.base))
}

async fn buy(State(shop): State<Shop>, Form(order): Form<Order>) -> Response {
    let mut sale = SaleBuilder::new(&shop.clock).price(4900);
    if !order.rk_click.is_empty() {
        sale = sale.client_reference_id(order.rk_click);
    }
    let sale = sale.build_one_off();
    sale.sync(&shop.stripe);
    for event in sale.sold(Shape::Endive) {
        if let Err(error) = shop.webhook.post(&event).await {
            tracing::warn!(error, "an event was not taken");
            return (StatusCode::BAD_GATEWAY, "The webhook did not take the event.\n").into_response();
        }
    }
    Html(THANKS.replace("{watch}", &shop.watch)).into_response()
}
