//! Stripe.
pub mod facts;
pub mod projection;
