//! Secrets at rest: AES-256-GCM under `REKOMI_ENCRYPTION_KEY`, bound to the brand and the column they stand in.
//!
//! A sealed secret is a version byte, the first four bytes of the key's SHA-256, a random 96-bit nonce and the
//! ciphertext. Several keys may be given while one is rotated: the first seals, all open.

use std::fmt;

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
    keys: Vec<Key>,
}

/// A key by the first four bytes of its SHA-256.
type Key = ([u8; 4], Aes256Gcm);

/// Says how many keys there are, and nothing of them.
impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vault")
            .field("keys", &self.keys.len())
            .finish_non_exhaustive()
    }
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
        open_with(&self.keys, sealed, place)
    }

    /// Seals with the first key what another one sealed; `None` where the first key opens it.
    pub fn reseal(&self, sealed: &[u8], place: &str) -> Result<Option<Vec<u8>>, VaultError> {
        let (first, others) = self.keys.split_first().ok_or(VaultError::NoKey)?;
        if open_with(std::slice::from_ref(first), sealed, place).is_ok() {
            return Ok(None);
        }
        let secret = open_with(others, sealed, place)?;
        self.seal(&secret, place).map(Some)
    }
}

fn open_with(keys: &[Key], sealed: &[u8], place: &str) -> Result<SecretString, VaultError> {
    let (head, rest) = sealed.split_at_checked(HEAD).ok_or(VaultError::WrongKey)?;
    let (nonce, text) = rest.split_at_checked(NONCE).ok_or(VaultError::WrongKey)?;
    let nonce: [u8; NONCE] = nonce.try_into().map_err(|_| VaultError::WrongKey)?;
    let payload = || Payload {
        msg: text,
        aad: place.as_bytes(),
    };
    keys.iter()
        .filter(|(id, _)| head == [&[VERSION], id.as_slice()].concat())
        .find_map(|(_, cipher)| cipher.decrypt(&nonce.into(), payload()).ok())
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .map(SecretString::from)
        .ok_or(VaultError::WrongKey)
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

    #[test]
    fn a_resealed_secret_needs_the_first_key_alone() {
        let (old, new, lost) = ([1; 32], [2; 32], [3; 32]);
        let sealed = Vault::new([old]).seal(&"sk_live_x".into(), "brd_1/key").unwrap();
        let rotating = Vault::new([new, old]);
        let anew = rotating.reseal(&sealed, "brd_1/key").unwrap().unwrap();
        assert_eq!(opened(&Vault::new([new]), &anew, "brd_1/key"), Ok("sk_live_x".into()));
        assert_eq!(rotating.reseal(&anew, "brd_1/key"), Ok(None));
        for vault in [Vault::new([lost]), Vault::new([lost, new])] {
            assert_eq!(vault.reseal(&sealed, "brd_1/key"), Err(VaultError::WrongKey));
        }
        assert_eq!(rotating.reseal(&sealed, "brd_2/key"), Err(VaultError::WrongKey));
        assert_eq!(Vault::default().reseal(&sealed, "brd_1/key"), Err(VaultError::NoKey));
    }

    #[test]
    fn a_vault_shows_nothing_of_its_keys() {
        assert_eq!(format!("{:?}", Vault::new([[1; 32], [2; 32]])), "Vault { keys: 2, .. }");
    }
}
