//! `/api/v1`: what a brand's own servers call, in JSON with names in camel case.
//!
//! **Invariants.** A handler decodes, calls one domain function, maps the answer. Every refusal is JSON with a stable code
//! (see [`errors`]). Nothing is read without a bound.

mod conversions;
mod errors;
mod input;
mod money;

use axum::{
    Router,
    routing::{any, post},
};

use crate::{callers::Callers, domain::Domain};

#[derive(Clone)]
pub struct V1 {
    pub callers: Callers,
    pub domain: Domain,
}

pub fn router(state: V1) -> Router {
    Router::new()
        .route(
            "/api/v1/conversions",
            post(conversions::record).fallback(errors::only_post),
        )
        .route(
            "/api/v1/conversions/{externalId}/refund",
            post(conversions::refund).fallback(errors::only_post),
        )
        .route("/api/v1/{*path}", any(errors::no_such_address))
        .with_state(state)
}
