//! JSON Web Tokens (RFC 7519, signed as RFC 7515 has it): ours, signed with a secret, and those of other issuers.
//!
//! **Invariants.** The algorithm is the key's, never the token's: what the token says only chooses among the keys that
//! have it. Ours are HS256, with the usual names of claims; the others have a public key, and the names of the settings.
//! Nobody is told why a token is refused.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use entity::id::{AffiliateId, BrandId};
use jsonwebtoken::{Algorithm, EncodingKey, Header, TokenData};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use super::{Role, claim_names::ClaimNames, claims::Expected, jwks::Jwks, keys::VerifyingKey};

pub use super::claims::{Claims, Mode};

/// Longer tokens are refused unread. Bytes.
const MAX_TOKEN: usize = 8 * 1024;

/// Makes and reads tokens.
#[derive(Clone)]
pub struct Tokens {
    expected: Expected,
    own: Option<Own>,
    others: Option<Others>,
}

/// The secret of this server.
#[derive(Clone)]
struct Own {
    signing: EncodingKey,
    verifying: VerifyingKey,
}

/// Who else may make tokens.
#[derive(Clone)]
pub struct Others {
    /// Keys without a name; each is tried that has the token's algorithm.
    pub keys: Arc<[VerifyingKey]>,
    pub jwks: Option<Jwks>,
    pub names: ClaimNames,
}

/// Whom a new token is for.
#[derive(Clone, Debug)]
pub struct Grant {
    pub subject: String,
    pub brand: BrandId,
    pub role: Role,
    pub affiliate: Option<AffiliateId>,
    pub mode: Option<Mode>,
    pub ttl: TimeDelta,
}

/// Why a token opens nothing.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Nobody is told why.
    #[error("the token is not valid")]
    Invalid,
    /// It looks good, and its issuer's keys are not known yet.
    #[error("the token cannot be checked at the moment")]
    Unavailable,
}

/// There is no secret to sign with.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("REKOMI_JWT_SECRET: is not set, so there is nothing to sign tokens with")]
pub struct CannotSign;

impl Tokens {
    /// Takes tokens signed with `secret`, if there is one, for this audience by this issuer.
    pub fn new(secret: Option<&SecretString>, issuer: &str, audience: &str) -> Self {
        let own = |secret: &SecretString| Own {
            signing: EncodingKey::from_secret(secret.expose_secret().as_bytes()),
            verifying: VerifyingKey::hs256(secret.expose_secret().as_bytes()),
        };
        Self {
            expected: Expected {
                issuer: issuer.to_owned(),
                audience: audience.to_owned(),
            },
            own: secret.map(own),
            others: None,
        }
    }

    /// Takes tokens of others, too.
    #[must_use]
    pub fn and_of(self, others: Others) -> Self {
        Self {
            others: Some(others),
            ..self
        }
    }

    /// Signs a token that is valid from now on, for `grant.ttl`.
    ///
    /// # Errors
    /// Where there is no secret.
    pub fn issue(&self, grant: Grant, now: DateTime<Utc>) -> Result<String, CannotSign> {
        let mut claims = json!({
            "sub": grant.subject,
            "brand": grant.brand,
            "role": grant.role,
            "iat": now.timestamp(),
            "nbf": now.timestamp(),
            "exp": (now + grant.ttl).timestamp(),
            "iss": self.expected.issuer,
            "aud": self.expected.audience,
        });
        if let Some(affiliate) = grant.affiliate {
            claims["affiliate"] = json!(affiliate);
        }
        if let Some(mode) = grant.mode {
            claims["mode"] = json!(mode);
        }
        let own = self.own.as_ref().ok_or(CannotSign)?;
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &own.signing).map_err(|_| CannotSign)
    }

    /// Checks a token's claims and then its signature, so that only a token that would be good makes us ask its issuer
    /// for keys.
    ///
    /// # Errors
    /// The token is not valid, or its issuer's keys have never come.
    pub async fn read(&self, token: &str, now: DateTime<Utc>) -> Result<Claims, TokenError> {
        let TokenData { header, claims: said } = unverified(token).ok_or(TokenError::Invalid)?;
        let (claims, signed) = match (header.alg, &self.own, &self.others) {
            (Algorithm::HS256, Some(own), _) => {
                let claims = Claims::read(&said, &ClaimNames::own(), &self.expected, now);
                (claims, own.verifying.signed(token))
            }
            (Algorithm::RS256 | Algorithm::ES256 | Algorithm::EdDSA, _, Some(others)) => {
                let claims = Claims::read(&said, &others.names, &self.expected, now);
                let claims = claims.ok_or(TokenError::Invalid)?;
                (Some(claims), others.signed(token, &header, now).await?)
            }
            _ => return Err(TokenError::Invalid),
        };
        claims.filter(|_| signed).ok_or(TokenError::Invalid)
    }
}

impl Others {
    async fn signed(&self, token: &str, header: &Header, now: DateTime<Utc>) -> Result<bool, TokenError> {
        if self
            .keys
            .iter()
            .any(|key| key.algorithm() == header.alg && key.signed(token))
        {
            return Ok(true);
        }
        let Some(jwks) = &self.jwks else {
            return Ok(false);
        };
        let signed = jwks.signed(token, header.kid.as_deref(), header.alg, now).await;
        signed.map_err(|_| TokenError::Unavailable)
    }
}

/// What a token says, true or not. One with extensions that must be understood is refused: we understand none (RFC 7515,
/// section 4.1.11).
fn unverified(token: &str) -> Option<TokenData<Value>> {
    let token = Some(token).filter(|token| token.len() <= MAX_TOKEN)?;
    let data = jsonwebtoken::dangerous::insecure_decode::<Value>(token).ok()?;
    data.header.crit.is_none().then_some(data)
}

#[cfg(test)]
mod tests {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

    use super::*;

    const SECRET: &str = "0123456789abcdef0123456789abcdef";

    fn tokens(secret: &str, issuer: &str, audience: &str) -> Tokens {
        crate::install_crypto();
        Tokens::new(Some(&secret.into()), issuer, audience)
    }

    fn now() -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::days(20_000)
    }

    fn grant() -> Grant {
        Grant {
            subject: "olivia".into(),
            brand: BrandId(uuid::Uuid::from_u128(1)),
            role: Role::Owner,
            affiliate: None,
            mode: Some(Mode::Test),
            ttl: TimeDelta::hours(1),
        }
    }

    #[tokio::test]
    async fn a_token_reads_back_until_it_expires() {
        let tokens = tokens(SECRET, "rekomi", "rekomi");
        let token = tokens.issue(grant(), now()).unwrap();
        let claims = tokens.read(&token, now()).await.unwrap();
        assert_eq!(
            (claims.subject.as_str(), claims.role, claims.mode, claims.expires_at),
            ("olivia", Role::Owner, Some(Mode::Test), now() + TimeDelta::hours(1))
        );
        for (seconds, good) in [(-6, false), (-5, true), (3604, true), (3605, false)] {
            let read = tokens.read(&token, now() + TimeDelta::seconds(seconds)).await;
            assert_eq!(read.is_ok(), good, "{seconds}");
        }
    }

    #[tokio::test]
    async fn a_token_of_another_key_issuer_audience_or_algorithm_is_refused() {
        let ours = tokens(SECRET, "rekomi", "rekomi");
        let good = ours.issue(grant(), now()).unwrap();
        let (head, rest) = good.split_once('.').unwrap();
        let mut refused: Vec<String> = [
            tokens("another secret of at least 32 bytes", "rekomi", "rekomi"),
            tokens(SECRET, "somebody", "rekomi"),
            tokens(SECRET, "rekomi", "somebody"),
        ]
        .iter()
        .map(|other| other.issue(grant(), now()).unwrap())
        .collect();
        for header in [
            json!({ "alg": "none" }),
            json!({ "alg": "HS512" }),
            json!({ "alg": "ES256" }),
            json!({ "alg": "HS256", "crit": ["exp"] }),
        ] {
            refused.push(format!("{}.{rest}", URL_SAFE_NO_PAD.encode(header.to_string())));
        }
        refused.extend([
            format!("{head}.{rest}x"),
            format!("{head}.{rest}.x"),
            good.replace('.', ""),
        ]);
        for token in refused {
            assert_eq!(ours.read(&token, now()).await, Err(TokenError::Invalid), "{token}");
        }
        let nobody = Tokens::new(None, "rekomi", "rekomi");
        assert_eq!(nobody.read(&good, now()).await, Err(TokenError::Invalid));
        assert_eq!(nobody.issue(grant(), now()), Err(CannotSign));
    }
}
