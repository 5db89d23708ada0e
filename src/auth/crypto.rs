//! The cryptography under the tokens: *ring*, which TLS uses too, in the shape that jsonwebtoken asks for.
//!
//! **Invariants.** Only HS256 signs. Only HS256, RS256, ES256 and EdDSA verify (RFC 7518, section 3.1; RFC 8037), each
//! with a key of its own family; every other pair of algorithm and key is an error, never a panic.

use jsonwebtoken::{
    Algorithm, AlgorithmFamily, DecodingKey, DecodingKeyKind, EncodingKey,
    crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils},
    errors::{Error, ErrorKind},
    signature,
};
use ring::{
    hmac,
    signature::{
        ECDSA_P256_SHA256_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents, UnparsedPublicKey,
        VerificationAlgorithm,
    },
};

/// What jsonwebtoken is given as its backend; see [`crate::install_crypto`].
pub static PROVIDER: CryptoProvider = CryptoProvider {
    signer_factory: signer,
    verifier_factory: verifier,
    key_utils: KeyUtils::new_unimplemented(),
};

/// HS256: HMAC with SHA-256, compared in constant time.
struct Hs256(hmac::Key);

/// A key that anyone may have.
struct Public {
    algorithm: Algorithm,
    key: DecodingKey,
}

fn signer(algorithm: &Algorithm, key: &EncodingKey) -> Result<Box<dyn JwtSigner>, Error> {
    if *algorithm != Algorithm::HS256 || key.family() != AlgorithmFamily::Hmac {
        return Err(ErrorKind::UnsupportedAlgorithm.into());
    }
    Ok(Box::new(Hs256(hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes()))))
}

fn verifier(algorithm: &Algorithm, key: &DecodingKey) -> Result<Box<dyn JwtVerifier>, Error> {
    if algorithm.family() != key.family() {
        return Err(ErrorKind::InvalidKeyFormat.into());
    }
    match algorithm {
        Algorithm::HS256 => Ok(Box::new(Hs256(hmac::Key::new(
            hmac::HMAC_SHA256,
            key.try_get_as_bytes()?,
        )))),
        Algorithm::RS256 | Algorithm::ES256 | Algorithm::EdDSA => Ok(Box::new(Public {
            algorithm: *algorithm,
            key: key.clone(),
        })),
        _ => Err(ErrorKind::UnsupportedAlgorithm.into()),
    }
}

impl signature::Signer<Vec<u8>> for Hs256 {
    fn try_sign(&self, message: &[u8]) -> Result<Vec<u8>, signature::Error> {
        Ok(hmac::sign(&self.0, message).as_ref().to_vec())
    }
}

impl signature::Verifier<Vec<u8>> for Hs256 {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> Result<(), signature::Error> {
        hmac::verify(&self.0, message, signature).map_err(|_| signature::Error::new())
    }
}

impl JwtSigner for Hs256 {
    fn algorithm(&self) -> Algorithm {
        Algorithm::HS256
    }
}

impl JwtVerifier for Hs256 {
    fn algorithm(&self) -> Algorithm {
        Algorithm::HS256
    }
}

impl signature::Verifier<Vec<u8>> for Public {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> Result<(), signature::Error> {
        let plain = |by: &'static dyn VerificationAlgorithm, key: &[u8]| {
            UnparsedPublicKey::new(by, key).verify(message, signature)
        };
        let verified = match (self.algorithm, self.key.kind()) {
            (Algorithm::RS256, DecodingKeyKind::RsaModulusExponent { n, e }) => {
                RsaPublicKeyComponents { n, e }.verify(&RSA_PKCS1_2048_8192_SHA256, message, signature)
            }
            (Algorithm::ES256, DecodingKeyKind::SecretOrDer(point)) => plain(&ECDSA_P256_SHA256_FIXED, point),
            (Algorithm::EdDSA, DecodingKeyKind::SecretOrDer(point)) => plain(&ED25519, point),
            _ => Err(ring::error::Unspecified),
        };
        verified.map_err(|_| signature::Error::new())
    }
}

impl JwtVerifier for Public {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_algorithm_takes_keys_of_its_own_family_alone() {
        let secret = DecodingKey::from_secret(&[7; 32]);
        let point = DecodingKey::from_ed_der(&[7; 32]);
        assert!(verifier(&Algorithm::HS256, &secret).is_ok() && verifier(&Algorithm::EdDSA, &point).is_ok());
        assert!(verifier(&Algorithm::HS256, &point).is_err() && verifier(&Algorithm::EdDSA, &secret).is_err());
        assert!(verifier(&Algorithm::HS512, &secret).is_err());
        assert!(signer(&Algorithm::HS512, &EncodingKey::from_secret(&[7; 32])).is_err());
    }

    #[test]
    fn a_broken_key_verifies_nothing_and_does_no_harm() {
        let keys = [
            (Algorithm::EdDSA, DecodingKey::from_ed_der(&[])),
            (Algorithm::ES256, DecodingKey::from_ec_der(&[4; 65])),
            (Algorithm::RS256, DecodingKey::from_rsa_raw_components(&[], &[])),
            (Algorithm::RS256, DecodingKey::from_rsa_der(&[1])),
        ];
        for (algorithm, key) in keys {
            let verifier = verifier(&algorithm, &key).unwrap();
            assert!(verifier.verify(b"message", &vec![0; 64]).is_err(), "{algorithm:?}");
        }
    }
}
