//! The form of an API key: `rk_live_` or `rk_test_`, and 44 letters and digits of chance. The first twelve of them find
//! the key's row; the other 32 (190 bits) are known to its holder alone, and stored as part of a hash.

use entity::api_key::ApiKeyScope;
use sea_orm::ActiveEnum;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

const LIVE: &str = "rk_live_";
const TEST: &str = "rk_test_";
const RANDOM: usize = 44;
const FOUND_BY: usize = 12;
const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// What a given text says before anything is looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shown<'a> {
    pub livemode: bool,
    /// What its row is found by.
    pub prefix: &'a str,
    pub hash: [u8; 32],
}

/// Whether it is meant as an API key, and not as a JWT.
pub fn is_meant(text: &str) -> bool {
    text.starts_with(LIVE) || text.starts_with(TEST)
}

/// Reads a key; `None` when it has not the form of one.
pub fn read(text: &str) -> Option<Shown<'_>> {
    let livemode = text.starts_with(LIVE);
    let random = text.strip_prefix(if livemode { LIVE } else { TEST })?;
    let good = random.len() == RANDOM && random.bytes().all(|byte| byte.is_ascii_alphanumeric());
    good.then(|| Shown {
        livemode,
        prefix: prefix(text),
        hash: hash(text),
    })
}

/// How a key begins: what is stored of it in clear.
pub fn prefix(key: &str) -> &str {
    key.get(..LIVE.len() + FOUND_BY).unwrap_or_default()
}

/// What is stored of the rest. A key is random enough to need neither salt nor a slow hash.
pub fn hash(key: &str) -> [u8; 32] {
    Sha256::digest(key).into()
}

/// Makes a key.
///
/// # Errors
/// When the system gives no random bytes.
pub fn make(livemode: bool) -> Result<SecretString, getrandom::Error> {
    let mut key = String::from(if livemode { LIVE } else { TEST });
    let mut bytes = [0; 64];
    while key.len() < LIVE.len() + RANDOM {
        getrandom::fill(&mut bytes)?;
        // Bytes above the last whole 62 would make some letters likelier than others.
        let fair = bytes
            .iter()
            .filter(|byte| **byte < 248)
            .map(|byte| ALPHABET[usize::from(byte % 62)]);
        key.extend(fair.take(LIVE.len() + RANDOM - key.len()).map(char::from));
    }
    Ok(key.into())
}

/// The prefix and the hash of a new key, for its row.
pub fn stored(key: &SecretString) -> (String, Vec<u8>) {
    let key = key.expose_secret();
    (prefix(key).to_owned(), hash(key).to_vec())
}

/// Scopes as they are stored: words with blanks between, as OAuth 2 has them (RFC 6749, section 3.3).
pub fn scopes_text(scopes: &[ApiKeyScope]) -> String {
    scopes.iter().map(ActiveEnum::to_value).collect::<Vec<_>>().join(" ")
}

/// The scopes of a row; a word that this release does not know grants nothing.
pub fn scopes(text: &str) -> Vec<ApiKeyScope> {
    let words = text.split(' ').map(str::to_owned);
    words
        .filter_map(|word| ApiKeyScope::try_from_value(&word).ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_key_reads_back_and_no_two_are_alike() {
        for livemode in [true, false] {
            let (one, two) = (make(livemode).unwrap(), make(livemode).unwrap());
            let (one, two) = (one.expose_secret(), two.expose_secret());
            assert_ne!(prefix(one), prefix(two));
            let shown = read(one).unwrap();
            assert_eq!(
                (shown.livemode, shown.prefix, shown.hash),
                (livemode, &one[..20], hash(one))
            );
        }
    }

    #[test]
    fn what_has_not_the_form_of_a_key_is_none() {
        let key = make(true).unwrap().expose_secret().to_owned();
        let longer = format!("{key}a");
        let foreign = format!("rk_prod_{}", &key[8..]);
        let odd = format!("{}-", &key[..key.len() - 1]);
        let wide = format!("{}é", &key[..key.len() - 2]);
        for bad in [
            "",
            "rk_live_",
            &key[..20],
            &key[..key.len() - 1],
            &longer,
            &foreign,
            &odd,
            &wide,
        ] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }

    #[test]
    fn scopes_read_back_and_unknown_words_grant_nothing() {
        let both = [ApiKeyScope::CodesWrite, ApiKeyScope::ConversionsRead];
        assert_eq!(scopes_text(&both), "codes_write conversions_read");
        assert_eq!(scopes("codes_write conversions_read payouts_write"), both);
        assert_eq!(scopes(""), []);
    }
}
