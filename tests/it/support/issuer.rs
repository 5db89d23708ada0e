//! Somebody else who makes tokens: keys, and a local server that publishes them and can be down, wrong or slow.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use axum::{Router, extract::State, http::StatusCode, response::IntoResponse, routing::get};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use ring::{
    rand::SystemRandom,
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair,
        RsaPublicKeyComponents,
    },
};
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinHandle};

/// An RSA key of the tests, and of nothing else (PKCS#8, base64).
const RSA_KEY: &str = include_str!("rsa_key.txt");

/// A key pair with a name.
pub struct Key {
    pub kid: &'static str,
    pair: Pair,
}

enum Pair {
    Rsa(Box<RsaKeyPair>),
    Ec(Box<EcdsaKeyPair>),
    Ed(Ed25519KeyPair),
}

/// A server that publishes keys at [`Issuer::url`].
pub struct Issuer {
    pub url: String,
    site: Arc<Site>,
    server: JoinHandle<()>,
}

struct Site {
    asked: AtomicUsize,
    answer: Mutex<(StatusCode, String)>,
}

pub fn base64url(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

impl Key {
    /// RS256; always the same pair.
    pub fn rsa(kid: &'static str) -> Self {
        let der = STANDARD.decode(RSA_KEY.split_whitespace().collect::<String>()).unwrap();
        let pair = RsaKeyPair::from_pkcs8(&der).unwrap();
        let pair = Pair::Rsa(Box::new(pair));
        Self { kid, pair }
    }

    /// ES256; a new pair.
    pub fn ec(kid: &'static str) -> Self {
        let (random, by) = (SystemRandom::new(), &ECDSA_P256_SHA256_FIXED_SIGNING);
        let der = EcdsaKeyPair::generate_pkcs8(by, &random).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(by, der.as_ref(), &random).unwrap();
        let pair = Pair::Ec(Box::new(pair));
        Self { kid, pair }
    }

    /// EdDSA; a new pair.
    pub fn ed(kid: &'static str) -> Self {
        let der = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        let pair = Pair::Ed(Ed25519KeyPair::from_pkcs8(der.as_ref()).unwrap());
        Self { kid, pair }
    }

    pub fn algorithm(&self) -> &'static str {
        match self.pair {
            Pair::Rsa(_) => "RS256",
            Pair::Ec(_) => "ES256",
            Pair::Ed(_) => "EdDSA",
        }
    }

    /// The public half (RFC 7517).
    pub fn jwk(&self) -> Value {
        let mut key = match &self.pair {
            Pair::Rsa(pair) => {
                let public = RsaPublicKeyComponents::<Vec<u8>>::from(pair.public());
                json!({ "kty": "RSA", "n": base64url(public.n), "e": base64url(public.e) })
            }
            Pair::Ec(pair) => {
                let point = pair.public_key().as_ref();
                json!({ "kty": "EC", "crv": "P-256", "x": base64url(&point[1..33]), "y": base64url(&point[33..]) })
            }
            Pair::Ed(pair) => json!({ "kty": "OKP", "crv": "Ed25519", "x": base64url(pair.public_key()) }),
        };
        key["kid"] = self.kid.into();
        key["alg"] = self.algorithm().into();
        key["use"] = "sig".into();
        key
    }

    /// The public half in PEM: as PKCS#1 for RSA (RFC 8017), else as it is usual (RFC 5280).
    pub fn pem(&self) -> String {
        let (label, der) = match &self.pair {
            Pair::Rsa(pair) => ("RSA PUBLIC KEY", pair.public().as_ref().to_vec()),
            Pair::Ec(pair) => {
                let head = hex::decode("3059301306072a8648ce3d020106082a8648ce3d030107034200").unwrap();
                ("PUBLIC KEY", [&head, pair.public_key().as_ref()].concat())
            }
            Pair::Ed(pair) => {
                let head = hex::decode("302a300506032b6570032100").unwrap();
                ("PUBLIC KEY", [&head, pair.public_key().as_ref()].concat())
            }
        };
        format!(
            "-----BEGIN {label}-----\n{}\n-----END {label}-----\n",
            STANDARD.encode(der)
        )
    }

    /// A token, as an issuer in good order makes it.
    pub fn sign(&self, claims: &Value) -> String {
        self.sign_as(
            &json!({ "alg": self.algorithm(), "typ": "JWT", "kid": self.kid }),
            claims,
        )
    }

    /// A token with any header at all.
    pub fn sign_as(&self, header: &Value, claims: &Value) -> String {
        let message = format!("{}.{}", base64url(header.to_string()), base64url(claims.to_string()));
        let random = SystemRandom::new();
        let signature = match &self.pair {
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public().modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, message.as_bytes(), &mut signature)
                    .unwrap();
                signature
            }
            Pair::Ec(pair) => pair.sign(&random, message.as_bytes()).unwrap().as_ref().to_vec(),
            Pair::Ed(pair) => pair.sign(message.as_bytes()).as_ref().to_vec(),
        };
        format!("{message}.{}", base64url(signature))
    }
}

impl Issuer {
    /// Starts with these keys published.
    pub async fn start(keys: &[&Key]) -> Self {
        let site = Arc::new(Site {
            asked: AtomicUsize::new(0),
            answer: Mutex::default(),
        });
        let answer = async |State(site): State<Arc<Site>>| {
            site.asked.fetch_add(1, Ordering::SeqCst);
            let (status, body) = site.answer.lock().unwrap().clone();
            // Wherever it is redirected to, it is here.
            (status, [("location", "/elsewhere")], body).into_response()
        };
        let elsewhere = json!({ "keys": keys.iter().map(|key| key.jwk()).collect::<Vec<_>>() }).to_string();
        let routes = Router::new()
            .route("/jwks.json", get(answer))
            .route("/elsewhere", get(async || elsewhere))
            .with_state(site.clone());
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("http://{}/jwks.json", listener.local_addr().unwrap());
        let server = tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
        let issuer = Self { url, site, server };
        issuer.publish(keys);
        issuer
    }

    pub fn publish(&self, keys: &[&Key]) {
        let keys: Vec<_> = keys.iter().map(|key| key.jwk()).collect();
        self.answer(200, &json!({ "keys": keys }).to_string());
    }

    /// Answers like this from now on.
    pub fn answer(&self, status: u16, body: &str) {
        *self.site.answer.lock().unwrap() = (StatusCode::from_u16(status).unwrap(), body.to_owned());
    }

    /// How often it was asked for its keys.
    pub fn asked(&self) -> usize {
        self.site.asked.load(Ordering::SeqCst)
    }
}

impl Drop for Issuer {
    fn drop(&mut self) {
        self.server.abort();
    }
}
