//! GraphiQL, served from the binary, so that it works where the browser has no internet.
//!
//! The page loads nothing from elsewhere and says so in its content security policy. The vendored files are made by
//! `assets/update.sh`; `assets/NOTICE` names their versions and licences.

use axum::{
    extract::Path,
    http::{HeaderName, StatusCode, header},
    response::{IntoResponse, Response},
};

const PAGE: &str = include_str!("assets/ide.html");

/// Scripts and styles come from here alone. Inline styles are what GraphiQL's editor positions itself with. `'self'`
/// covers the WebSocket of the same host.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
                      font-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'none'";

/// A file that the page loads.
struct Asset {
    name: &'static str,
    content_type: &'static str,
    kind: Kind,
    bytes: &'static [u8],
}

enum Kind {
    /// Ours: changes with any release, so the browser asks each time.
    Own,
    /// Gzipped, under a name that holds its version, so it never changes.
    Vendored,
}

const JAVASCRIPT: &str = "text/javascript; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";

const ASSETS: [Asset; 7] = [
    own("ide.js", JAVASCRIPT, include_bytes!("assets/ide.js")),
    own("ide.css", CSS, include_bytes!("assets/ide.css")),
    vendored(
        "graphiql-4.1.2.js",
        JAVASCRIPT,
        include_bytes!("assets/graphiql-4.1.2.js.gz"),
    ),
    vendored(
        "graphiql-4.1.2.css",
        CSS,
        include_bytes!("assets/graphiql-4.1.2.css.gz"),
    ),
    vendored(
        "react-18.3.1.js",
        JAVASCRIPT,
        include_bytes!("assets/react-18.3.1.js.gz"),
    ),
    vendored(
        "react-dom-18.3.1.js",
        JAVASCRIPT,
        include_bytes!("assets/react-dom-18.3.1.js.gz"),
    ),
    vendored(
        "graphql-ws-6.4.2.js",
        JAVASCRIPT,
        include_bytes!("assets/graphql-ws-6.4.2.js.gz"),
    ),
];

const fn own(name: &'static str, content_type: &'static str, bytes: &'static [u8]) -> Asset {
    Asset {
        name,
        content_type,
        kind: Kind::Own,
        bytes,
    }
}

const fn vendored(name: &'static str, content_type: &'static str, bytes: &'static [u8]) -> Asset {
    Asset {
        name,
        content_type,
        kind: Kind::Vendored,
        bytes,
    }
}

const COMMON: [(HeaderName, &str); 2] = [
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
];

/// The page itself. It holds no secret: the token is typed in, or comes in the address's fragment, which is never sent.
pub(super) fn page() -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::CACHE_CONTROL, "no-cache"),
        (header::VARY, "accept"),
    ];
    (COMMON, headers, PAGE).into_response()
}

/// `GET /graphql/assets/{name}`. All browsers take gzip, so it is the only form kept.
pub(super) async fn asset(Path(name): Path<String>) -> Response {
    let Some(asset) = ASSETS.iter().find(|asset| asset.name == name) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let content_type = [(header::CONTENT_TYPE, asset.content_type)];
    match asset.kind {
        Kind::Own => {
            let cache = [(header::CACHE_CONTROL, "no-cache")];
            (COMMON, content_type, cache, asset.bytes).into_response()
        }
        Kind::Vendored => {
            let headers = [
                (header::CONTENT_ENCODING, "gzip"),
                (header::CACHE_CONTROL, "public, max-age=31536000, immutable"),
            ];
            (COMMON, content_type, headers, asset.bytes).into_response()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_loads_every_asset_and_nothing_else() {
        let loaded: Vec<_> = PAGE
            .split("graphql/assets/")
            .skip(1)
            .filter_map(|rest| rest.split('"').next())
            .collect();
        assert_eq!(loaded.len(), ASSETS.len());
        for asset in &ASSETS {
            assert!(loaded.contains(&asset.name), "{}", asset.name);
        }
        assert!(!PAGE.contains("://"));
    }
}
