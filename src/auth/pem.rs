//! Public keys in PEM (RFC 7468): what is inside the blocks, and nothing but public keys.

use base64::{Engine, engine::general_purpose::STANDARD};

use super::keys::{MAX_TRIES, VerifyingKey};

/// The DER before the 65 bytes of a P-256 point, uncompressed (RFC 5480).
const P256_HEAD: &[u8] =
    b"\x30\x59\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07\x03\x42\x00";
/// The DER before the 32 bytes of an Ed25519 key (RFC 8410).
const ED25519_HEAD: &[u8] = b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00";
/// The algorithm of an RSA key, in DER: `rsaEncryption` without parameters (RFC 3279, section 2.3.1).
const RSA_ALGORITHM: &[u8] = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01\x05\x00";

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;

const NOT_PEM: &str = "must be public keys in PEM, or @FILE";

/// Reads one or several PEM blocks; between them there is only white space.
///
/// # Errors
/// What is wrong, without a word of the text.
pub fn keys(text: &str) -> Result<Vec<VerifyingKey>, &'static str> {
    let (mut keys, mut rest) = (Vec::new(), text.trim());
    while !rest.is_empty() {
        let (label, body) = rest
            .strip_prefix("-----BEGIN ")
            .and_then(|rest| rest.split_once("-----"))
            .ok_or(NOT_PEM)?;
        if label.contains("PRIVATE") {
            return Err("has a private key in it; give the public one");
        }
        let (base64, after) = body.split_once(&format!("-----END {label}-----")).ok_or(NOT_PEM)?;
        let base64: String = base64.split_whitespace().collect();
        let der = STANDARD.decode(base64).map_err(|_| NOT_PEM)?;
        keys.push(match label {
            "PUBLIC KEY" => spki(&der)?,
            "RSA PUBLIC KEY" => rsa_der(&der)?,
            _ => return Err("has a block in it that is no public key, such as a certificate"),
        });
        rest = after.trim_start();
    }
    match keys.len() {
        0 => Err(NOT_PEM),
        1..=MAX_TRIES => Ok(keys),
        _ => Err("has too many keys in it"),
    }
}

/// A `SubjectPublicKeyInfo` (RFC 5280, section 4.1.2.7).
fn spki(der: &[u8]) -> Result<VerifyingKey, &'static str> {
    if let Some(key) = der.strip_prefix(P256_HEAD).and_then(VerifyingKey::p256) {
        return Ok(key);
    }
    if let Some(key) = der.strip_prefix(ED25519_HEAD).and_then(VerifyingKey::ed25519) {
        return Ok(key);
    }
    let pkcs1 = || {
        let inner = whole(element(der, SEQUENCE)?)?;
        let (algorithm, rest) = element(inner, SEQUENCE)?;
        let bits = whole(element(rest, BIT_STRING)?)?;
        bits.strip_prefix(&[0]).filter(|_| algorithm == RSA_ALGORITHM)
    };
    rsa_der(pkcs1().ok_or("must be an RSA, a P-256 (uncompressed) or an Ed25519 key")?)
}

/// An `RSAPublicKey` (RFC 8017, appendix A.1.1).
fn rsa_der(der: &[u8]) -> Result<VerifyingKey, &'static str> {
    let numbers = || {
        let inner = whole(element(der, SEQUENCE)?)?;
        let (n, rest) = element(inner, INTEGER)?;
        Some((n, whole(element(rest, INTEGER)?)?))
    };
    let (n, e) = numbers().ok_or("has a broken RSA key in it")?;
    VerifyingKey::rsa(n, e)
}

/// Takes an element of DER with this tag: what is in it, and what comes after it.
fn element(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (&first, rest) = der.strip_prefix(&[tag])?.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81 => (usize::from(*rest.first()?), &rest[1..]),
        0x82 => (
            usize::from(u16::from_be_bytes([*rest.first()?, *rest.get(1)?])),
            &rest[2..],
        ),
        _ => return None,
    };
    rest.split_at_checked(length)
}

/// What is in an element that nothing comes after.
fn whole<'a>((inner, rest): (&'a [u8], &'a [u8])) -> Option<&'a [u8]> {
    rest.is_empty().then_some(inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ED25519: &str = "-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEAeYjVD9Z7ImrdAYlp+4BeftC8OWB4WC34pQyYoHVZUGo=
-----END PUBLIC KEY-----";
    const RSA: &str = "
MIIBCgKCAQEA0dyuP5PvK3Yq5feACU8lkM+HSi+QhPNP4OBBD1kHmqZznOCRvper
ZpUulCkrGiPHc2Y7kd+0cjr01P8DFzn3i4yAl+8YLZ2cs7DW+NeB/Jm9ZkvJIL+Z
lQx3wyTXo5gJC74I1aa9PJXGlyY6qYuOtKKFViehGsHzMNVELewX4E8NtCH/O0ZP
Uw+1w79g63GN2SroM60S2iy2DNYLl1N8Rf5pTHtFgXkWYI6RRkthozlRaW09m+Vy
rsxx9n8Vqi0FxnanUZYyRdJ6zSjbED/OS70nJLlfa66u6gneKcZL8XVfX+WCLz3L
eSX7Jf5nplffFcBCoRYd7N9rfvjXDaaQJQIDAQAB
";
    const WEAK_RSA: &str = "
MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQCtEt1mJz/VjtY0v+QypTmTHhxK
Ma3SAqOncpdK+zhMeZMPFd9Baajnx35UASa7eAvIQyL3mpD+fij38gn36ZBx7nM9
JPXdYSPDicsP3UlcXfopkh6J9lHU/mVyqIKpaKyJudQWLJ4EoSseNk3RqtGDUV4g
13/uJ3y7lYIaON9w5QIDAQAB
";
    const COMPRESSED_P256: &str = "
MDkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDIgADEHNQqlyiDXNm+1bihnkIckZ7sSsB
bayJ8D2ZAfLzDyI=
";
    const SECP256K1: &str = "
MFYwEAYHKoZIzj0CAQYFK4EEAAoDQgAEMi5SqpeOchnVa2JCGCcjwrPfyr+ECYro
ehjTTigFXPKOZTNr1+afdkOj4FPK4Qi8/UV1aRzyUJ8/0qulYE10gw==
";

    fn block(label: &str, body: &str) -> String {
        format!("-----BEGIN {label}-----{body}-----END {label}-----\n")
    }

    fn problem(text: &str) -> &'static str {
        keys(text).err().unwrap()
    }

    #[test]
    fn several_keys_may_stand_one_after_the_other() {
        let text = format!("\n{ED25519}\r\n\n{}", block("RSA PUBLIC KEY", RSA));
        let algorithms: Vec<_> = keys(&text).unwrap().iter().map(VerifyingKey::algorithm).collect();
        assert_eq!(
            algorithms,
            [jsonwebtoken::Algorithm::EdDSA, jsonwebtoken::Algorithm::RS256]
        );
    }

    #[test]
    fn whatever_else_there_is_refuses_the_whole() {
        assert!(problem(&block("PRIVATE KEY", "MC4=")).contains("private"));
        assert!(problem(&format!("{ED25519}\n{}", block("EC PRIVATE KEY", "MC4="))).contains("private"));
        assert!(problem(&block("CERTIFICATE", "MC4=")).contains("certificate"));
        assert!(problem(&block("PUBLIC KEY", WEAK_RSA)).contains("2048"));
        for body in [COMPRESSED_P256, SECP256K1, RSA, "MC4=", ""] {
            assert!(problem(&block("PUBLIC KEY", body)).contains("P-256"), "{body}");
        }
        for text in [
            "",
            "a key",
            "ssh-ed25519 AAAA",
            &ED25519[..60],
            &format!("{ED25519} and more"),
        ] {
            assert_eq!(problem(text), NOT_PEM, "{text}");
        }
        assert_eq!(problem(&block("PUBLIC KEY", "n@")), NOT_PEM);
        assert!(problem(&ED25519.repeat(MAX_TRIES + 1)).contains("many"));
    }

    #[test]
    fn a_key_cut_short_is_refused_wherever_it_is_cut() {
        let der = STANDARD.decode(RSA.replace('\n', "")).unwrap();
        assert!((0..der.len()).all(|end| rsa_der(&der[..end]).is_err()));
        assert!(rsa_der(&der).is_ok() && rsa_der(&[&der[..], b"\0"].concat()).is_err());
    }
}
