//! Rekomi: coupon-code affiliate attribution on Stripe.

pub mod auth;
pub mod clock;
pub mod config;
pub mod db;
pub mod domain;
pub mod error;
pub mod money;
pub mod stripe;
pub mod vault;

/// Installs the one crypto provider that TLS and tokens use; call it first thing. Calling it again does nothing.
pub fn install_crypto() {
    // Both answer with an error when a provider is there already, which is what is wanted.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let _ = jsonwebtoken::crypto::rust_crypto::DEFAULT_PROVIDER.install_default();
}
