//! Rekomi: coupon-code affiliate attribution on Stripe.
//!
//! `docs/architecture.md` says what lives where, and walks through an event's way in, a code's way out and a
//! subscriber's reconnect.

pub mod announce;
pub mod app;
pub mod auth;
pub mod budgets;
pub mod callers;
pub mod cli;
pub mod clicks;
pub mod clock;
pub mod config;
pub mod db;
pub mod demo;
pub mod directory;
pub mod domain;
pub mod error;
pub mod first_run;
pub mod gateway;
pub mod graphql;
pub mod keyring;
pub mod landings;
pub mod lease;
pub mod live;
pub mod live_stats;
pub mod money;
pub mod rest;
pub mod standin;
pub mod stripe;
pub mod telemetry;
pub mod vault;
pub mod worker;

/// Installs the one crypto provider that TLS and tokens use; call it first thing. Calling it again does nothing.
pub fn install_crypto() {
    // Both answer with an error when a provider is there already, which is what is wanted.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let _ = auth::crypto::PROVIDER.install_default();
}
