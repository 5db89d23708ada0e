//! Every HTTP route, with a request to try it by.

/// A route, and a request that would be taken from whoever may make it.
pub struct Route {
    /// As the sources have it.
    pub pattern: &'static str,
    pub method: &'static str,
    pub path: &'static str,
    pub body: Option<&'static str>,
}

const fn get(pattern: &'static str, path: &'static str) -> Route {
    Route {
        pattern,
        method: "GET",
        path,
        body: None,
    }
}

const fn post(pattern: &'static str, path: &'static str, body: &'static str) -> Route {
    Route {
        pattern,
        method: "POST",
        path,
        body: Some(body),
    }
}

pub const ROUTES: &[Route] = &[
    get("/healthz", "/healthz"),
    get("/readyz", "/readyz"),
    get("/metrics", "/metrics"),
    get("/graphql", "/graphql?query=%7B__typename%7D"),
    post("/graphql", "/graphql", r#"{"query":"{ campaigns { totalCount } }"}"#),
    get("/graphql/ws", "/graphql/ws"),
    Route {
        pattern: "/graphql/stream",
        method: "PUT",
        path: "/graphql/stream",
        body: None,
    },
    get("/graphql/assets/{name}", "/graphql/assets/ide.css"),
    // Nobody has this affiliate, and no sale of that name has come yet.
    post(
        "/api/v1/conversions",
        "/api/v1/conversions",
        r#"{"externalId":"o","amount":{"minorUnits":1,"currency":"USD"},"affiliateId":"aff_0"}"#,
    ),
    post(
        "/api/v1/conversions/{externalId}/refund",
        "/api/v1/conversions/o/refund",
        "{}",
    ),
    get("/api/v1/{*path}", "/api/v1/nothing"),
    get("/r/{slug}", "/r/nobodys"),
    get("/js/rekomi.js", "/js/rekomi.js"),
    // Stripe's signature is what opens these; a token is nothing to them.
    post("/webhooks/stripe", "/webhooks/stripe", "{}"),
    post("/webhooks/stripe/{slug}", "/webhooks/stripe/acme", "{}"),
];
