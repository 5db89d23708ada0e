//! The keys that an issuer publishes (a JSON Web Key Set, RFC 7517), kept in memory.
//!
//! **Invariants.** What is known stays good while the issuer is down or answers rubbish. However many tokens name a key
//! that is not known, the issuer is asked once in 30 seconds for their sake, by one of them at a time. Only the place in
//! the settings is ever asked: nothing in a token names another.

use std::{
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use jsonwebtoken::Algorithm;
use tokio::sync::Mutex;

use super::{
    keys::{MAX_TRIES, VerifyingKey},
    source::{Source, Stamp},
};
use crate::clock::Clock;

/// Older keys are asked for again.
const FRESH: TimeDelta = TimeDelta::minutes(10);
/// Between two tries for the same reason.
const PAUSE: TimeDelta = TimeDelta::seconds(30);
/// How often it is looked whether anything is to be done.
const TICK: Duration = Duration::from_secs(1);

type Keys = Arc<[VerifyingKey]>;

/// The keys of one issuer. Clones share them.
#[derive(Clone)]
pub struct Jwks(Arc<Inner>);

/// No keys have ever come.
#[derive(Debug, PartialEq, Eq)]
pub struct NeverLoaded;

struct Inner {
    source: Source,
    known: RwLock<Option<Keys>>,
    turn: Mutex<Turn>,
}

/// Who holds it may ask the issuer.
#[derive(Default)]
struct Turn {
    /// When it was asked last, by the app's clock.
    tried: Option<DateTime<Utc>>,
    /// When it was asked last for the sake of a token.
    missed: Option<DateTime<Utc>>,
    loaded: Option<DateTime<Utc>>,
    failing: bool,
    /// Of the file, as it was tried.
    stamp: Option<Stamp>,
}

impl Jwks {
    pub fn new(source: Source) -> Self {
        Self(Arc::new(Inner {
            source,
            known: RwLock::default(),
            turn: Mutex::default(),
        }))
    }

    /// Whether one of the keys signed this token: that with the token's `kid`, or where it names none, any that fits.
    /// `algorithm` is what the token says; only keys of that algorithm are tried.
    pub async fn signed(
        &self,
        token: &str,
        kid: Option<&str>,
        algorithm: Algorithm,
        now: DateTime<Utc>,
    ) -> Result<bool, NeverLoaded> {
        let named = |key: &VerifyingKey| kid.is_none_or(|kid| key.id() == Some(kid));
        let seen = self.known();
        let keys = match &seen {
            Some(keys) if keys.iter().any(named) => seen,
            _ => self.ask(seen, now).await,
        };
        let keys = keys.ok_or(NeverLoaded)?;
        let fitting = keys.iter().filter(|key| key.algorithm() == algorithm && named(key));
        Ok(fitting.take(MAX_TRIES).any(|key| key.signed(token)))
    }

    /// Keeps the keys fresh for as long as it is polled.
    pub async fn keep_fresh(self, clock: Clock) {
        loop {
            self.0.refresh_due(clock.now()).await;
            tokio::time::sleep(TICK).await;
        }
    }

    fn known(&self) -> Option<Keys> {
        self.0.known()
    }

    /// Asks the issuer, if it is time, and answers what is known then.
    async fn ask(&self, seen: Option<Keys>, now: DateTime<Utc>) -> Option<Keys> {
        let inner = self.0.clone();
        // A task of its own: whoever began it may hang up, and the others still wait for it.
        let asked = tokio::spawn(async move { inner.refresh_missed(now, seen).await });
        if let Err(error) = asked.await {
            tracing::error!(%error, "REKOMI_JWKS_URL: the keys could not be looked up");
        }
        self.known()
    }
}

impl Inner {
    fn known(&self) -> Option<Keys> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn refresh_due(&self, now: DateTime<Utc>) {
        let mut turn = self.turn.lock().await;
        let stamp = self.source.stamp().await;
        let old = turn.failing || !within(FRESH, turn.loaded, now);
        if stamp != turn.stamp || (old && !within(PAUSE, turn.tried, now)) {
            self.refresh(&mut turn, now).await;
        }
    }

    /// For a token whose key was not among `seen`.
    async fn refresh_missed(&self, now: DateTime<Utc>, seen: Option<Keys>) {
        let mut turn = self.turn.lock().await;
        let place = |keys: Option<Keys>| keys.map(|keys| Arc::as_ptr(&keys).addr());
        let changed = place(self.known()) != place(seen.clone());
        if !changed && !within(PAUSE, turn.missed, now) {
            turn.missed = Some(now);
            self.refresh(&mut turn, now).await;
        }
    }

    async fn refresh(&self, turn: &mut Turn, now: DateTime<Utc>) {
        turn.tried = Some(now);
        turn.stamp = self.source.stamp().await;
        let answer = self.source.fetch().await;
        let keys = answer.map(|body| VerifyingKey::from_jwks(&body));
        let keys = keys.and_then(|keys| {
            if keys.is_empty() {
                Err("no usable key in it".into())
            } else {
                Ok(keys)
            }
        });
        match keys {
            Ok(keys) => {
                if turn.failing || turn.loaded.is_none() {
                    tracing::info!(keys = keys.len(), "REKOMI_JWKS_URL: read");
                }
                (turn.loaded, turn.failing) = (Some(now), false);
                *self.known.write().unwrap_or_else(PoisonError::into_inner) = Some(keys.into());
            }
            Err(problem) => {
                if !turn.failing {
                    tracing::warn!(%problem, "REKOMI_JWKS_URL: cannot be read; trying again, with the keys that are known");
                }
                turn.failing = true;
            }
        }
    }
}

/// Whether `since` is no longer ago than that. A clock that was set back is not waited for.
fn within(time: TimeDelta, since: Option<DateTime<Utc>>, now: DateTime<Utc>) -> bool {
    since.is_some_and(|since| (now - since).abs() < time)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    use ring::signature::{Ed25519KeyPair, KeyPair};
    use serde_json::{Value, json};

    use super::*;

    fn pair(seed: u8) -> Ed25519KeyPair {
        crate::install_crypto();
        Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap()
    }

    fn jwk(seed: u8) -> Value {
        let x = URL_SAFE_NO_PAD.encode(pair(seed).public_key());
        json!({ "kty": "OKP", "crv": "Ed25519", "x": x, "kid": seed.to_string() })
    }

    fn write(file: &Path, keys: &[Value]) {
        std::fs::write(file, json!({ "keys": keys }).to_string()).unwrap();
    }

    /// Whether the key made of `seed` is known under its name, or under none.
    async fn knows(jwks: &Jwks, seed: u8, kid: Option<&str>, now: DateTime<Utc>) -> Result<bool, NeverLoaded> {
        let token = format!("a.b.{}", URL_SAFE_NO_PAD.encode(pair(seed).sign(b"a.b")));
        jwks.signed(&token, kid, Algorithm::EdDSA, now).await
    }

    #[tokio::test]
    async fn an_unknown_name_is_asked_for_once_in_30_seconds_and_what_is_known_stays() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("jwks.json");
        let jwks = Jwks::new(Source::File(file.clone()));
        let later = |seconds| DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds);
        assert_eq!(knows(&jwks, 1, Some("1"), later(0)).await, Err(NeverLoaded));
        write(&file, &[jwk(1)]);
        assert_eq!(knows(&jwks, 1, Some("1"), later(29)).await, Err(NeverLoaded));
        assert_eq!(knows(&jwks, 1, Some("1"), later(30)).await, Ok(true));
        write(&file, &[jwk(1), jwk(2)]);
        assert_eq!(knows(&jwks, 2, Some("2"), later(59)).await, Ok(false));
        assert_eq!(knows(&jwks, 2, Some("2"), later(60)).await, Ok(true));
        std::fs::write(&file, "rubbish").unwrap();
        assert_eq!(knows(&jwks, 3, Some("../../3"), later(90)).await, Ok(false));
        assert_eq!(knows(&jwks, 2, Some("2"), later(90)).await, Ok(true));
        assert_eq!(knows(&jwks, 2, Some("1"), later(90)).await, Ok(false));
    }

    #[tokio::test]
    async fn a_file_is_read_again_when_it_has_changed() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("jwks.json");
        let (jwks, now) = (Jwks::new(Source::File(file.clone())), DateTime::UNIX_EPOCH);
        for keys in [&[jwk(1)][..], &[jwk(1), jwk(2)]] {
            write(&file, keys);
            jwks.0.refresh_due(now).await;
            assert_eq!(jwks.known().unwrap().len(), keys.len());
        }
    }

    #[tokio::test]
    async fn a_token_without_a_name_is_tried_with_eight_keys() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("jwks.json");
        write(&file, &(1..=9).map(jwk).collect::<Vec<_>>());
        let (jwks, now) = (Jwks::new(Source::File(file)), DateTime::UNIX_EPOCH);
        assert_eq!(knows(&jwks, 8, None, now).await, Ok(true));
        assert_eq!(knows(&jwks, 9, None, now).await, Ok(false));
        assert_eq!(knows(&jwks, 9, Some("9"), now).await, Ok(true));
    }
}
