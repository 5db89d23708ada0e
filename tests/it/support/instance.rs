//! One server in this process, on a real socket.

use std::{collections::HashMap, future::IntoFuture, net::SocketAddr, time::Duration};

use rekomi::{
    app::App,
    clock::Clock,
    config::Config,
    standin::{StandIn, sign},
};
use secrecy::SecretString;
use serde_json::Value;
use tokio::{net::TcpListener, task::JoinHandle};

use super::{app::Brand, client::Caller, database::Database};

pub const JWT_SECRET: &str = "a secret of the tests, of more than 32 bytes";
pub const ENCRYPTION_KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

/// One server on the database.
pub struct Instance {
    pub app: App,
    pub base: String,
    http: reqwest::Client,
    server: JoinHandle<std::io::Result<()>>,
}

/// What an app of the tests is set to; the environment is not looked at.
pub fn settings(database: &Database, standin: &StandIn) -> HashMap<&'static str, String> {
    HashMap::from([
        ("DATABASE_URL", database.url.clone()),
        ("STRIPE_API_BASE", standin.url()),
        ("REKOMI_ENCRYPTION_KEY", ENCRYPTION_KEY.to_owned()),
    ])
}

/// `REKOMI_TEST_LOG=debug` shows what the servers in this process log.
fn show_logs() {
    if let Some(filter) = super::env("REKOMI_TEST_LOG") {
        let logs = tracing_subscriber::fmt().with_env_filter(filter).with_test_writer();
        // The first test of this process was faster.
        let _ = logs.try_init();
    }
}

pub fn http() -> reqwest::Client {
    rekomi::install_crypto();
    reqwest::Client::builder()
        .no_proxy()
        .timeout(Duration::from_secs(30))
        .build()
        .unwrap()
}

impl Instance {
    pub async fn start(settings: &HashMap<&str, String>, clock: Clock) -> Self {
        rekomi::install_crypto();
        show_logs();
        let config = Config::from_lookup(|name| settings.get(name).cloned()).unwrap();
        let app = App::start(config, Some(&SecretString::from(JWT_SECRET)), clock)
            .await
            .unwrap();
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let routes = app.router().into_make_service_with_connect_info::<SocketAddr>();
        let server = tokio::spawn(axum::serve(listener, routes).into_future());
        Self {
            app,
            base,
            http: http(),
            server,
        }
    }

    pub fn caller(&self, token: Option<String>) -> Caller {
        Caller::new(self.http.clone(), &self.base, token)
    }

    pub async fn stop(self) {
        self.app.shutdown.cancel();
        self.server.abort();
        // The routes hold a way into the inbox: they must be gone before it can end.
        let _ = self.server.await;
        self.app.stop().await;
    }

    /// Posts signed bytes to a brand's webhook; the status.
    pub async fn post_signed(&self, path: &str, body: impl Into<reqwest::Body>, signature: &str) -> u16 {
        let request = self
            .http
            .post(format!("{}{path}", self.base))
            .header("stripe-signature", signature);
        request.body(body).send().await.unwrap().status().as_u16()
    }

    /// Posts an event to a brand's webhook, signed as Stripe signs it; the status.
    pub async fn post(&self, brand: &Brand, event: &Value) -> u16 {
        let body = event.to_string();
        let signature = sign(body.as_bytes(), &brand.webhook_secret, self.app.clock.now().timestamp());
        self.post_signed(&brand.webhook(), body, &signature).await
    }
}
