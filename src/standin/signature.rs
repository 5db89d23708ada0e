//! Stripe's webhook signature.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// The `Stripe-Signature` header for a payload: `t=…,v1=…`, where `v1` is the HMAC-SHA256 of `t.payload` in hex.
pub fn sign(payload: &[u8], secret: &str, timestamp: i64) -> String {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else {
        return String::new(); // cannot be: HMAC takes keys of any length
    };
    mac.update(format!("{timestamp}.").as_bytes());
    mac.update(payload);
    format!("t={timestamp},v1={}", hex::encode(mac.finalize().into_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `printf '1700000000.{"id":"evt_1"}' | openssl dgst -sha256 -hmac whsec_acme`
    #[test]
    fn the_signature_is_that_of_openssl() {
        let header = sign(br#"{"id":"evt_1"}"#, "whsec_acme", 1_700_000_000);
        assert_eq!(
            header,
            "t=1700000000,v1=8b9d4f703088d407de06760540385868f3f4dbf5f73d0c8c40e077c4d0045779"
        );
    }
}
