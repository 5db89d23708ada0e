//! Webhook signatures, scheme `v1` (<https://docs.stripe.com/webhooks#verify-manually>).

use chrono::{DateTime, Utc};
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;

/// How old, or how far ahead, a signature may be, and so how far Stripe's clock and ours may differ. Seconds.
pub(super) const TOLERANCE: u32 = 300;

/// The signature is missing, malformed, too old, or of no secret that we know; nobody is told which.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the signature is not valid")]
pub struct BadSignature;

/// Checks the raw bytes of a delivery against its `Stripe-Signature` header; any of the secrets will do.
pub fn verify(
    header: &str,
    body: &[u8],
    secrets: impl IntoIterator<Item = impl AsRef<SecretString>>,
    now: DateTime<Utc>,
) -> Result<(), BadSignature> {
    let (timestamp, signatures) = parse(header).ok_or(BadSignature)?;
    let seconds: i64 = timestamp.parse().map_err(|_| BadSignature)?;
    if now.timestamp().abs_diff(seconds) > u64::from(TOLERANCE) {
        return Err(BadSignature);
    }
    let good = secrets.into_iter().any(|secret| {
        let key = secret.as_ref().expose_secret().as_bytes();
        let Ok(mac) = Hmac::<Sha256>::new_from_slice(key) else {
            return false;
        };
        let mac = mac.chain_update(timestamp).chain_update(".").chain_update(body);
        // Comparing is in constant time.
        signatures
            .iter()
            .any(|signature| mac.clone().verify_slice(signature).is_ok())
    });
    if good { Ok(()) } else { Err(BadSignature) }
}

/// The timestamp as it was signed, and all `v1` signatures; other schemes are passed over.
fn parse(header: &str) -> Option<(&str, Vec<Vec<u8>>)> {
    let mut timestamp = None;
    let mut signatures = Vec::new();
    for part in header.split(',') {
        match part.trim().split_once('=') {
            Some(("t", value)) => timestamp = Some(value),
            Some(("v1", value)) => signatures.extend(hex::decode(value)),
            _ => {}
        }
    }
    timestamp.map(|timestamp| (timestamp, signatures))
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;
    use crate::standin::sign;

    struct Secret(SecretString);

    impl AsRef<SecretString> for Secret {
        fn as_ref(&self) -> &SecretString {
            &self.0
        }
    }

    fn check(header: &str, body: &[u8], secrets: &[&str], age: i64) -> bool {
        let now = DateTime::UNIX_EPOCH + TimeDelta::seconds(1_700_000_000 + age);
        let secrets = secrets.iter().map(|secret| Secret((*secret).into()));
        verify(header, body, secrets, now).is_ok()
    }

    #[test]
    fn any_secret_signs_within_the_tolerance() {
        let header = sign(b"{}", "whsec_new", 1_700_000_000);
        assert!(check(&header, b"{}", &["whsec_old", "whsec_new"], 300));
        assert!(check(&header, b"{}", &["whsec_new"], -300));
        assert!(!check(&header, b"{}", &["whsec_new"], 301));
        assert!(!check(&header, b"{}", &["whsec_new"], -301));
        assert!(!check(&header, b"{} ", &["whsec_new"], 0));
        assert!(!check(&header, b"{}", &["whsec_old"], 0));
        assert!(!check(&header, b"{}", &[], 0));
    }

    #[test]
    fn a_rolled_secret_signs_beside_the_old_one() {
        let old = sign(b"{}", "whsec_old", 1_700_000_000);
        let new = sign(b"{}", "whsec_new", 1_700_000_000);
        let both = format!("{old},{},v0=00", new.split_once(',').unwrap().1);
        assert!(check(&both, b"{}", &["whsec_new"], 0) && check(&both, b"{}", &["whsec_old"], 0));
    }

    #[test]
    fn a_malformed_header_is_refused() {
        for header in [
            "",
            "t=1",
            "v1=00",
            "t=x,v1=00",
            "t=1700000000,v1=zz",
            "t=1700000000,v0=00",
        ] {
            assert!(!check(header, b"{}", &["whsec_new"], 0), "{header}");
        }
    }
}
