//! What the rule books share: databases, a running app with its cast, clients, and ways to wait.

pub mod absence;
pub mod app;
pub mod binary;
pub mod books;
pub mod breaking;
pub mod cast;
pub mod clicks;
pub mod client;
pub mod database;
pub mod evidence;
pub mod figures;
pub mod history;
pub mod instance;
pub mod issuer;
pub mod leaks;
pub mod listening;
pub mod mortal;
pub mod operations;
pub mod postgres;
pub mod reply;
pub mod rng;
pub mod routes;
pub mod script;
pub mod sdl;
pub mod shop;
pub mod socket;
pub mod statements;
pub mod stream;
pub mod told;
pub mod untouched;
pub mod visits;
pub mod wall;
pub mod worlds;

use std::time::Duration;

pub use app::{Brand, TestApp};
pub use cast::{CampaignSpec, CouponSpec, Stage};
pub use clicks::reported;
pub use client::{Caller, mistake};
pub use rekomi::standin::{Failure, Fault, FaultKind, Paid, Promo, SaleBuilder, Shape};
pub use serde_json::{Value, json};

/// How long anything may take before it counts as never.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Declares tests that run on both databases, `name::sqlite` and `name::postgres`.
macro_rules! both {
    ($($(#[$meta:meta])* async fn $name:ident($app:ident: &TestApp $(,)?) $body:block)+) => {$(
        mod $name {
            use super::*;

            async fn rule($app: &TestApp) $body

            $(#[$meta])*
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite() {
                $crate::support::app::run($crate::support::database::sqlite(), async |app| rule(app).await).await;
            }

            $(#[$meta])*
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres() {
                if let Some(database) = $crate::support::database::postgres().await {
                    $crate::support::app::run(database, async |app| rule(app).await).await;
                }
            }
        }
    )+};
}

/// Declares tests of what PostgreSQL alone has. Where it is not installed they are left out, and that is said.
macro_rules! on_postgres {
    ($(async fn $name:ident($app:ident: &TestApp $(,)?) $body:block)+) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            async fn rule($app: &TestApp) $body
            if let Some(database) = $crate::support::database::postgres().await {
                $crate::support::app::run(database, async |app| rule(app).await).await;
            }
        }
    )+};
}

/// Declares tests that are given a database of each kind, and start what they need themselves.
macro_rules! on_both {
    ($(async fn $name:ident($database:ident: Database $(,)?) $body:block)+) => {$(
        mod $name {
            use super::*;

            async fn rule($database: $crate::support::database::Database) $body

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite() {
                rule($crate::support::database::sqlite()).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres() {
                if let Some(database) = $crate::support::database::postgres().await {
                    rule(database).await;
                }
            }
        }
    )+};
}

/// Asks until there is an answer.
pub async fn eventually<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let end = tokio::time::Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(tokio::time::Instant::now() < end, "never came: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// A setting of the test run itself.
#[expect(
    clippy::disallowed_methods,
    reason = "settings of the test run are not the product's"
)]
pub fn env(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
