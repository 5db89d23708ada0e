//! Keys that verify tokens, by themselves and in JSON Web Key Sets (RFC 7517).
//!
//! **Invariants.** A key has one algorithm, fixed when it is read: RS256, ES256 or EdDSA, and HS256 for our own secret. A
//! public key that is weak, broken or meant for something else is never taken. Nothing here prints a key.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;
use serde_json::Value;

/// The bits of an RSA modulus (RFC 7518, section 3.3, and what *ring* takes).
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

/// More keys of one set are not kept.
const MAX_KEYS: usize = 64;

/// With more keys than this one token is not tried.
pub const MAX_TRIES: usize = 8;

/// A key with its one algorithm.
#[derive(Clone)]
pub struct VerifyingKey {
    algorithm: Algorithm,
    id: Option<String>,
    key: DecodingKey,
}

/// The members of a JSON Web Key that are looked at (RFC 7517, section 4; RFC 7518, section 6).
#[derive(Deserialize)]
struct Jwk {
    kty: String,
    #[serde(rename = "use")]
    usage: Option<String>,
    key_ops: Option<Vec<String>>,
    alg: Option<String>,
    kid: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

impl VerifyingKey {
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The `kid`; a key from PEM has none.
    pub fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// Whether this key made the signature of a compact token (RFC 7515, section 5.2). Nothing else of it is looked at.
    pub fn signed(&self, token: &str) -> bool {
        token.rsplit_once('.').is_some_and(|(message, signature)| {
            jsonwebtoken::crypto::verify(signature, message.as_bytes(), &self.key, self.algorithm).unwrap_or(false)
        })
    }

    /// A secret that signs and verifies, shared with nobody else (RFC 7518, section 3.2).
    pub(super) fn hs256(secret: &[u8]) -> Self {
        Self::new(Algorithm::HS256, DecodingKey::from_secret(secret))
    }

    /// A P-256 key, by its uncompressed point (SEC 1, section 2.3.3).
    pub(super) fn p256(point: &[u8]) -> Option<Self> {
        let whole = point.len() == 65 && point[0] == 4;
        whole.then(|| Self::new(Algorithm::ES256, DecodingKey::from_ec_der(point)))
    }

    /// An Ed25519 key (RFC 8032, section 5.1.5).
    pub(super) fn ed25519(point: &[u8]) -> Option<Self> {
        let point: [u8; 32] = point.try_into().ok()?;
        (!is_weak(point)).then(|| Self::new(Algorithm::EdDSA, DecodingKey::from_ed_der(&point)))
    }

    /// An RSA key, by its modulus and exponent, big-endian.
    pub(super) fn rsa(n: &[u8], e: &[u8]) -> Result<Self, &'static str> {
        let trimmed = |number: &[u8]| number.iter().copied().skip_while(|byte| *byte == 0).collect::<Vec<_>>();
        let odd = |number: &[u8]| number.last().is_some_and(|last| last % 2 == 1);
        let (n, e) = (trimmed(n), trimmed(e));
        let unused = n.first().map_or(0, |first| first.leading_zeros() as usize);
        if !RSA_BITS.contains(&(n.len() * 8 - unused)) {
            return Err("has an RSA key in it that is not of 2048 to 8192 bits");
        }
        if !odd(&n) || !odd(&e) || e == [1] || e.len() > 4 {
            return Err("has a broken RSA key in it");
        }
        let key = DecodingKey::from_rsa_raw_components(&n, &e);
        Ok(Self::new(Algorithm::RS256, key))
    }

    fn new(algorithm: Algorithm, key: DecodingKey) -> Self {
        Self {
            algorithm,
            id: None,
            key,
        }
    }

    /// The usable keys of a JSON Web Key Set (RFC 7517, section 5); the others are passed over.
    pub fn from_jwks(body: &[u8]) -> Vec<Self> {
        #[derive(Deserialize)]
        struct Set {
            keys: Vec<Value>,
        }
        let set = serde_json::from_slice::<Set>(body).map_or_else(|_| Vec::new(), |set| set.keys);
        set.into_iter()
            .filter_map(|key| serde_json::from_value(key).ok().and_then(Self::from_jwk))
            .take(MAX_KEYS)
            .collect()
    }

    fn from_jwk(jwk: Jwk) -> Option<Self> {
        let signs = jwk.usage.is_none_or(|usage| usage == "sig");
        let verifies = jwk.key_ops.is_none_or(|all| all.iter().any(|one| one == "verify"));
        let bytes = |member: Option<String>| URL_SAFE_NO_PAD.decode(member?).ok();
        let coordinate = |member| bytes(member).filter(|bytes| bytes.len() == 32);
        let (name, key) = match (jwk.kty.as_str(), jwk.crv.as_deref()) {
            ("RSA", _) => ("RS256", Self::rsa(&bytes(jwk.n)?, &bytes(jwk.e)?).ok()?),
            ("EC", Some("P-256")) => {
                let point = [vec![4], coordinate(jwk.x)?, coordinate(jwk.y)?].concat();
                ("ES256", Self::p256(&point)?)
            }
            ("OKP", Some("Ed25519")) => ("EdDSA", Self::ed25519(&bytes(jwk.x)?)?),
            _ => return None,
        };
        let fits = jwk.alg.is_none_or(|alg| alg == name);
        (signs && verifies && fits).then_some(Self { id: jwk.kid, ..key })
    }
}

/// Whether an Ed25519 point is one that anybody can sign for (of order 1, 2, 4 or 8), or is not written as RFC 8032,
/// section 5.1.2, has it.
fn is_weak(mut point: [u8; 32]) -> bool {
    /// The points of order 8, without the sign.
    const ORDER_8: [&str; 2] = [
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    ];
    // The top bit is the sign of x; the rest is y, little-endian, below 2^255 - 19.
    point[31] &= 0x7f;
    let ends_in_ones = point[31] == 0x7f && point[1..31].iter().all(|byte| *byte == 0xff);
    // y is p - 1 (order 2), or p and above.
    let too_large = ends_in_ones && point[0] >= 0xec;
    // y is 0 (order 4) or 1 (order 1).
    let tiny = point[0] <= 1 && point[1..].iter().all(|byte| *byte == 0);
    too_large || tiny || ORDER_8.contains(&hex::encode(point).as_str())
}

#[cfg(test)]
mod tests {
    use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair};
    use serde_json::json;

    use super::*;

    fn encode(bytes: impl AsRef<[u8]>) -> String {
        URL_SAFE_NO_PAD.encode(bytes)
    }

    fn read(keys: &[Value]) -> Vec<VerifyingKey> {
        VerifyingKey::from_jwks(json!({ "keys": keys }).to_string().as_bytes())
    }

    #[test]
    fn a_key_verifies_what_it_signed_and_nothing_else() {
        crate::install_crypto();
        let random = ring::rand::SystemRandom::new();
        let ed = Ed25519KeyPair::generate_pkcs8(&random).unwrap();
        let ed = Ed25519KeyPair::from_pkcs8(ed.as_ref()).unwrap();
        let ec = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
        let ec = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, ec.as_ref(), &random).unwrap();
        let by_ed = format!("head.body.{}", encode(ed.sign(b"head.body")));
        let by_ec = format!("head.body.{}", encode(ec.sign(&random, b"head.body").unwrap()));
        let point = ec.public_key().as_ref();
        let (x, y) = (encode(&point[1..33]), encode(&point[33..]));
        let keys = read(&[
            json!({ "kty": "OKP", "crv": "Ed25519", "x": encode(ed.public_key()), "kid": "a" }),
            json!({ "kty": "EC", "crv": "P-256", "x": x, "y": y, "alg": "ES256", "use": "sig" }),
        ]);
        assert_eq!((keys[0].algorithm(), keys[0].id()), (Algorithm::EdDSA, Some("a")));
        assert_eq!((keys[1].algorithm(), keys[1].id()), (Algorithm::ES256, None));
        assert!(keys[0].signed(&by_ed) && keys[1].signed(&by_ec));
        for token in [&by_ed.replace("body", "bodi"), "head.body.", "head", ""] {
            assert!(!keys[0].signed(token), "{token}");
        }
        assert!(!keys[0].signed(&by_ec) && !keys[1].signed(&by_ed));
    }

    #[test]
    fn a_set_is_read_for_the_keys_that_verify_tokens() {
        let n = |bytes: usize| encode([vec![0x80], vec![1; bytes - 1]].concat());
        let good = json!({ "kty": "RSA", "n": n(256), "e": "AQAB", "kid": "r", "x5c": ["x"] });
        let with = |member: &str, value: Value| {
            let mut key = good.clone();
            key[member] = value;
            key
        };
        for key in [&good, &with("key_ops", json!(["verify"])), &with("n", json!(n(1024)))] {
            assert_eq!(read(std::slice::from_ref(key)).len(), 1, "{key}");
        }
        let bad = [
            with("alg", json!("RS384")),
            with("alg", json!("HS256")),
            with("use", json!("enc")),
            with("key_ops", json!(["sign"])),
            with("kid", json!(7)),
            with("n", json!(n(255))),
            with("n", json!(n(1025))),
            with("e", json!("AQ")),
            json!({ "kty": "oct", "k": encode([7; 32]), "alg": "HS256" }),
            json!({ "kty": "EC", "crv": "P-384", "x": encode([7; 48]), "y": encode([7; 48]) }),
            json!({ "kty": "EC", "crv": "P-256", "x": encode([7; 31]), "y": encode([7; 33]) }),
            json!({ "kty": "OKP", "crv": "Ed25519", "x": encode([7; 31]) }),
            json!({ "kty": "OKP", "crv": "Ed25519", "x": encode([0; 32]) }),
            json!({ "kty": "OKP", "crv": "Ed25519", "x": encode([[1].as_slice(), &[0; 31]].concat()) }),
            json!({ "kty": "OKP", "crv": "Ed25519", "x": encode([[0xec].as_slice(), &[0xff; 31]].concat()) }),
            json!({ "kty": "OKP", "crv": "Ed25519", "x": "JuiVj8KyJ7BFw_SJ8u-Y8NXfrAXTxjM5sTgCiG1T_IU" }),
            json!("a key"),
        ];
        for key in &bad {
            assert!(read(std::slice::from_ref(key)).is_empty(), "{key}");
        }
        assert_eq!(read(&[&bad[..], &vec![good; 100]].concat()).len(), MAX_KEYS);
        for body in ["", "[]", "{}", "<html>", r#"{"keys":{}}"#] {
            assert!(VerifyingKey::from_jwks(body.as_bytes()).is_empty(), "{body}");
        }
    }
}
