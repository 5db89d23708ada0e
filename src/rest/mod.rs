//! The plain HTTP routes: the REST API, Stripe's webhook, affiliates' links and their script, health and metrics, and what
//! lies around every request.

pub mod health;
pub mod layers;
pub mod origin;
pub mod redirect;
pub mod script;
pub mod stalled;
pub mod stripe_webhook;
pub mod v1;
mod visits;
