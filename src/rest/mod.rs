//! The plain HTTP routes: Stripe's webhook, health and metrics, and what lies around every request.

pub mod health;
pub mod layers;
pub mod origin;
pub mod stripe_webhook;
