//! JSON Web Tokens (RFC 7519), signed with HS256. The algorithm is the key's, never the token's.

use chrono::{DateTime, TimeDelta, Utc};
use entity::id::{AffiliateId, BrandId};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use super::{Role, roles};

/// How far the clocks of issuer and server may differ.
const LEEWAY: TimeDelta = TimeDelta::seconds(5);

/// Longer tokens are refused unread. Bytes.
const MAX_TOKEN: usize = 8 * 1024;

/// Makes and reads tokens.
#[derive(Clone)]
pub struct Tokens {
    encoding: EncodingKey,
    decoding: DecodingKey,
    validation: Validation,
    issuer: String,
    audience: String,
}

/// What a token claims.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    pub sub: String,
    pub brand: BrandId,
    pub role: Role,
    /// For an affiliate's token, and only there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub affiliate: Option<AffiliateId>,
    /// Left out: the mode of the brand's Stripe key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<Mode>,
    iat: i64,
    nbf: i64,
    exp: i64,
    iss: String,
    aud: Audience,
}

/// One or several (RFC 7519, section 4.1.3).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Several(Vec<String>),
}

impl Claims {
    pub fn expires_at(&self) -> DateTime<Utc> {
        DateTime::from_timestamp(self.exp, 0).unwrap_or(DateTime::UNIX_EPOCH)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    Live,
    Test,
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

/// The token is not valid; nobody is told why.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the token is not valid")]
pub struct InvalidToken;

impl Tokens {
    pub fn new(secret: &SecretString, issuer: &str, audience: &str) -> Self {
        let mut validation = Validation::new(Algorithm::HS256);
        // The times are checked below, against the app's clock.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        validation.set_issuer(&[issuer]);
        validation.set_audience(&[audience]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        let bytes = secret.expose_secret().as_bytes();
        Self {
            encoding: EncodingKey::from_secret(bytes),
            decoding: DecodingKey::from_secret(bytes),
            validation,
            issuer: issuer.to_owned(),
            audience: audience.to_owned(),
        }
    }

    /// Signs a token that is valid from now on, for `grant.ttl`.
    pub fn issue(&self, grant: Grant, now: DateTime<Utc>) -> Result<String, InvalidToken> {
        let claims = Claims {
            sub: grant.subject,
            brand: grant.brand,
            role: grant.role,
            affiliate: grant.affiliate,
            mode: grant.mode,
            iat: now.timestamp(),
            nbf: now.timestamp(),
            exp: (now + grant.ttl).timestamp(),
            iss: self.issuer.clone(),
            aud: Audience::One(self.audience.clone()),
        };
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &self.encoding).map_err(|_| InvalidToken)
    }

    /// Checks signature, issuer, audience and times, and that the claims fit together.
    pub fn read(&self, token: &str, now: DateTime<Utc>) -> Result<Claims, InvalidToken> {
        if token.len() > MAX_TOKEN {
            return Err(InvalidToken);
        }
        let data = jsonwebtoken::decode::<Claims>(token, &self.decoding, &self.validation).map_err(|_| InvalidToken)?;
        let claims = data.claims;
        let begun = claims.nbf <= (now + LEEWAY).timestamp();
        let over = claims.exp <= (now - LEEWAY).timestamp();
        if !begun || over || claims.affiliate.is_some() != roles::names_affiliate(claims.role) {
            return Err(InvalidToken);
        }
        Ok(claims)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "0123456789abcdef0123456789abcdef";

    fn tokens(secret: &str, issuer: &str, audience: &str) -> Tokens {
        crate::install_crypto();
        Tokens::new(&secret.into(), issuer, audience)
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

    #[test]
    fn a_token_reads_back_until_it_expires() {
        let tokens = tokens(SECRET, "rekomi", "rekomi");
        let token = tokens.issue(grant(), now()).unwrap();
        let claims = tokens.read(&token, now()).unwrap();
        assert_eq!(
            (claims.sub.as_str(), claims.role, claims.mode),
            ("olivia", Role::Owner, Some(Mode::Test))
        );
        assert!(tokens.read(&token, now() + TimeDelta::seconds(3604)).is_ok());
        assert_eq!(tokens.read(&token, now() + TimeDelta::seconds(3605)), Err(InvalidToken));
        assert_eq!(tokens.read(&token, now() - TimeDelta::seconds(6)), Err(InvalidToken));
    }

    #[test]
    fn a_token_of_another_key_issuer_audience_or_algorithm_is_refused() {
        let ours = tokens(SECRET, "rekomi", "rekomi");
        for other in [
            tokens("another secret of at least 32 bytes", "rekomi", "rekomi"),
            tokens(SECRET, "somebody", "rekomi"),
            tokens(SECRET, "rekomi", "somebody"),
        ] {
            let token = other.issue(grant(), now()).unwrap();
            assert_eq!(ours.read(&token, now()), Err(InvalidToken));
        }
        let token = ours.issue(grant(), now()).unwrap();
        let body = token.split('.').nth(1).unwrap();
        let unsigned = format!("eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.{body}.");
        assert_eq!(ours.read(&unsigned, now()), Err(InvalidToken));
        let claims = jsonwebtoken::dangerous::insecure_decode::<Claims>(&token)
            .unwrap()
            .claims;
        let key = EncodingKey::from_secret(SECRET.as_bytes());
        let hs512 = jsonwebtoken::encode(&Header::new(Algorithm::HS512), &claims, &key).unwrap();
        assert_eq!(ours.read(&hs512, now()), Err(InvalidToken));
    }

    #[test]
    fn only_an_affiliates_token_names_an_affiliate() {
        let tokens = tokens(SECRET, "rekomi", "rekomi");
        let affiliate = Some(AffiliateId(uuid::Uuid::from_u128(2)));
        let refused = [
            Grant { affiliate, ..grant() },
            Grant {
                role: Role::Affiliate,
                ..grant()
            },
        ];
        for grant in refused {
            let token = tokens.issue(grant, now()).unwrap();
            assert_eq!(tokens.read(&token, now()), Err(InvalidToken));
        }
    }
}
