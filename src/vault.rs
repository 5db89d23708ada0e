//! Secrets at rest: AES-256-GCM under `REKOMI_ENCRYPTION_KEY`, bound to the brand and the column they stand in.
//!
//! A sealed secret is a version byte, the first four bytes of the key's SHA-256, a random 96-bit nonce and the
//! ciphertext. Several keys may be given while one is rotated: the first seals, all open.

use aes_gcm::{
    Aes256Gcm, KeyInit,
    aead::{Aead, Payload},
};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

const VERSION: u8 = 1;
const NONCE: usize = 12;
const HEAD: usize = 1 + 4;

/// Seals and opens secrets. Without a key it can do neither.
#[derive(Clone, Default)]
pub struct Vault {
    keys: Vec<([u8; 4], Aes256Gcm)>,
}

/// The secret could not be sealed or opened.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum VaultError {
    #[error("REKOMI_ENCRYPTION_KEY is not set, and a brand's Stripe secrets need it")]
    NoKey,
    #[error("none of the keys in REKOMI_ENCRYPTION_KEY opens a stored secret")]
    WrongKey,
    #[error("the system gave no random bytes")]
    NoRandomness,
}

impl Vault {
    /// The first of the 32-byte keys seals.
    pub fn new(keys: impl IntoIterator<Item = [u8; 32]>) -> Self {
        let entry = |key: [u8; 32]| {
            let digest: [u8; 32] = Sha256::digest(key).into();
            let id = [digest[0], digest[1], digest[2], digest[3]];
            (id, Aes256Gcm::new(&key.into()))
        };
        Self {
            keys: keys.into_iter().map(entry).collect(),
        }
    }

    /// Encrypts; `place` must be given again to open it.
    pub fn seal(&self, secret: &SecretString, place: &str) -> Result<Vec<u8>, VaultError> {
        let (id, cipher) = self.keys.first().ok_or(VaultError::NoKey)?;
        let mut nonce = [0; NONCE];
        getrandom::fill(&mut nonce).map_err(|_| VaultError::NoRandomness)?;
        let payload = Payload {
            msg: secret.expose_secret().as_bytes(),
            aad: place.as_bytes(),
        };
        let text = cipher
            .encrypt(&nonce.into(), payload)
            .map_err(|_| VaultError::WrongKey)?;
        Ok([&[VERSION], id.as_slice(), &nonce, &text].concat())
    }

    /// Decrypts what was sealed for the same place.
    pub fn open(&self, sealed: &[u8], place: &str) -> Result<SecretString, VaultError> {
        if self.keys.is_empty() {
            return Err(VaultError::NoKey);
        }
        let (head, rest) = sealed.split_at_checked(HEAD).ok_or(VaultError::WrongKey)?;
        let (nonce, text) = rest.split_at_checked(NONCE).ok_or(VaultError::WrongKey)?;
        let nonce: [u8; NONCE] = nonce.try_into().map_err(|_| VaultError::WrongKey)?;
        let payload = || Payload {
            msg: text,
            aad: place.as_bytes(),
        };
        self.keys
            .iter()
            .filter(|(id, _)| head == [&[VERSION], id.as_slice()].concat())
            .find_map(|(_, cipher)| cipher.decrypt(&nonce.into(), payload()).ok())
            .and_then(|bytes| String::from_utf8(bytes).ok())
            .map(SecretString::from)
            .ok_or(VaultError::WrongKey)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opened(vault: &Vault, sealed: &[u8], place: &str) -> Result<String, VaultError> {
        Ok(vault.open(sealed, place)?.expose_secret().to_owned())
    }

    #[test]
    fn a_secret_opens_only_with_its_key_and_in_its_place() {
        let (old, new) = ([1; 32], [2; 32]);
        let sealed = Vault::new([old]).seal(&"sk_live_x".into(), "brd_1/key").unwrap();
        let rotated = Vault::new([new, old]);
        assert_eq!(opened(&rotated, &sealed, "brd_1/key"), Ok("sk_live_x".into()));
        assert_eq!(opened(&rotated, &sealed, "brd_2/key"), Err(VaultError::WrongKey));
        assert_eq!(
            opened(&Vault::new([new]), &sealed, "brd_1/key"),
            Err(VaultError::WrongKey)
        );
        assert_eq!(opened(&Vault::default(), &sealed, "brd_1/key"), Err(VaultError::NoKey));
        assert_eq!(opened(&rotated, &sealed[..9], "brd_1/key"), Err(VaultError::WrongKey));
        assert_eq!(Vault::default().seal(&"x".into(), "p"), Err(VaultError::NoKey));
    }
}
