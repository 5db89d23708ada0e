//! Where a request came from, for every request, a WebSocket's handshake included.
//!
//! **Invariant.** What a caller writes into `X-Forwarded-For` is believed only as far as proxies that the operator named
//! have passed it on: the list is read from its end, and reading stops at the first address that is none of theirs.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use axum::{
    extract::{ConnectInfo, Request, State},
    http::{HeaderMap, HeaderName, header},
    middleware::Next,
    response::Response,
};
use ipnet::IpNet;
use tower_http::request_id::RequestId;

use crate::auth::Origin;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
/// A longer name of a program is cut.
const MAX_USER_AGENT: usize = 200;

/// The proxies that the operator named.
pub type TrustedProxies = Arc<[IpNet]>;

/// Puts the [`Origin`] into the request's extensions.
pub async fn attach(State(proxies): State<TrustedProxies>, mut request: Request, next: Next) -> Response {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
    let id = request.extensions().get::<RequestId>();
    let origin = Origin {
        address: peer.map(|ConnectInfo(peer)| address(&proxies, peer.ip(), request.headers())),
        user_agent: user_agent(request.headers()),
        request_id: id.and_then(|id| id.header_value().to_str().ok()).map(str::to_owned),
    };
    request.extensions_mut().insert(origin);
    next.run(request).await
}

/// The nearest address that is no trusted proxy's; where all are, the farthest. What is no address ends the way back.
fn address(proxies: &[IpNet], peer: IpAddr, headers: &HeaderMap) -> IpAddr {
    let is_proxy = |address: &IpAddr| proxies.iter().any(|network| network.contains(address));
    let mut nearest = peer.to_canonical();
    let lines: Vec<&[u8]> = headers.get_all(FORWARDED_FOR).iter().map(|v| v.as_bytes()).collect();
    let mut way_back = lines.iter().rev().flat_map(|line| line.rsplit(|byte| *byte == b','));
    while is_proxy(&nearest) {
        match way_back.next().and_then(hop) {
            Some(farther) => nearest = farther,
            None => break,
        }
    }
    nearest
}

/// An address as proxies write it: some add the port.
fn hop(text: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(text).ok()?.trim();
    let address = text.parse::<IpAddr>().ok();
    let address = address.or_else(|| Some(text.parse::<SocketAddr>().ok()?.ip()));
    Some(address?.to_canonical())
}

fn user_agent(headers: &HeaderMap) -> Option<String> {
    let text = String::from_utf8_lossy(headers.get(header::USER_AGENT)?.as_bytes()).into_owned();
    let plain = text.chars().filter(|c| !c.is_control()).take(MAX_USER_AGENT);
    Some(plain.collect::<String>()).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn seen(proxies: &[&str], peer: &str, forwarded: &[&str]) -> String {
        let proxies: Vec<IpNet> = proxies.iter().map(|network| network.parse().unwrap()).collect();
        let mut headers = HeaderMap::new();
        for line in forwarded {
            headers.append(FORWARDED_FOR, HeaderValue::from_bytes(line.as_bytes()).unwrap());
        }
        address(&proxies, peer.parse().unwrap(), &headers).to_string()
    }

    #[test]
    fn the_address_is_the_nearest_that_is_no_trusted_proxy() {
        let ours = ["10.0.0.0/8", "::1/128", "192.0.2.7/32"];
        let cases: [(&[&str], &str, &[&str], &str); 19] = [
            // Nobody is trusted, or the peer is not.
            (&[], "198.51.100.1", &["203.0.113.9"], "198.51.100.1"),
            (&ours, "198.51.100.1", &["203.0.113.9"], "198.51.100.1"),
            (&ours, "198.51.100.1", &["203.0.113.9, 10.0.0.1"], "198.51.100.1"),
            // One proxy, and what a caller invents before it.
            (&ours, "10.0.0.1", &["203.0.113.9"], "203.0.113.9"),
            (&ours, "10.0.0.1", &["1.1.1.1, 203.0.113.9"], "203.0.113.9"),
            (&ours, "10.0.0.1", &["10.9.9.9, 203.0.113.9"], "203.0.113.9"),
            (&ours, "::1", &["2001:db8::5"], "2001:db8::5"),
            // Several, in one header or in more.
            (&ours, "10.0.0.1", &["203.0.113.9, 192.0.2.7 ,10.0.0.2"], "203.0.113.9"),
            (
                &ours,
                "10.0.0.1",
                &["1.1.1.1", "203.0.113.9", "10.0.0.2"],
                "203.0.113.9",
            ),
            // Nothing but proxies: the farthest; no header: the peer.
            (&ours, "10.0.0.1", &["10.0.0.3,10.0.0.2"], "10.0.0.3"),
            (&ours, "10.0.0.1", &[], "10.0.0.1"),
            // Rubbish ends the way back.
            (&ours, "10.0.0.1", &["203.0.113.9, unknown"], "10.0.0.1"),
            (&ours, "10.0.0.1", &["203.0.113.9, , 10.0.0.2"], "10.0.0.2"),
            (&ours, "10.0.0.1", &["203.0.113.9, ÿ, 10.0.0.2"], "10.0.0.2"),
            (&ours, "10.0.0.1", &["not an address, 203.0.113.9"], "203.0.113.9"),
            // With a port.
            (&ours, "10.0.0.1", &["203.0.113.9:4711"], "203.0.113.9"),
            (&ours, "10.0.0.1", &["[2001:db8::5]:4711"], "2001:db8::5"),
            // IPv4 in an IPv6 address is IPv4.
            (&ours, "::ffff:10.0.0.1", &["::ffff:203.0.113.9"], "203.0.113.9"),
            (&[], "::ffff:198.51.100.1", &[], "198.51.100.1"),
        ];
        for (proxies, peer, forwarded, expected) in cases {
            assert_eq!(seen(proxies, peer, forwarded), expected, "{peer} {forwarded:?}");
        }
    }

    #[test]
    fn a_user_agent_is_one_short_line() {
        let of = |bytes: &[u8]| {
            let value = HeaderValue::from_bytes(bytes).unwrap();
            user_agent(&HeaderMap::from_iter([(header::USER_AGENT, value)]))
        };
        assert_eq!(of(b"curl/8.5.0").as_deref(), Some("curl/8.5.0"));
        assert_eq!(of("a\tb\u{9b}c é".as_bytes()).as_deref(), Some("abc é"));
        assert_eq!(of(b"\xff").as_deref(), Some("\u{fffd}"));
        assert_eq!(of("é".repeat(300).as_bytes()).unwrap(), "é".repeat(200));
        assert_eq!((of(b""), of(b"\t")), (None, None));
        assert_eq!(user_agent(&HeaderMap::new()), None);
    }

    #[tokio::test]
    async fn every_request_carries_its_origin() {
        use axum::{Router, body::Body, routing::get};
        use tower::ServiceExt;

        let shown = async |request: Request| format!("{:?}", request.extensions().get::<Origin>());
        let proxies: TrustedProxies = ["10.0.0.0/8".parse().unwrap()].into();
        let routes = Router::new().route("/", get(shown));
        let routes = super::super::layers::wrap(routes, crate::clock::Clock::system(), &[], proxies);
        let request = Request::get("/")
            .header("x-request-id", "mine-1")
            .header("user-agent", "curl");
        let peer = SocketAddr::from(([10, 0, 0, 1], 4711));
        let request = request
            .header(FORWARDED_FOR, "203.0.113.9")
            .extension(ConnectInfo(peer));
        let answer = routes.oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        let text = axum::body::to_bytes(answer.into_body(), 1000).await.unwrap();
        let expected = Origin {
            address: Some("203.0.113.9".parse().unwrap()),
            user_agent: Some("curl".into()),
            request_id: Some("mine-1".into()),
        };
        assert_eq!(text, format!("{:?}", Some(expected)));
    }
}
