//! The plain HTTP routes: the REST API, Stripe's webhook, health and metrics, and what lies around every request.

pub mod health;
pub mod layers;
pub mod origin;
pub mod stripe_webhook;
pub mod v1;
