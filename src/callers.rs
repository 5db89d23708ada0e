//! Reads tokens and API keys into actors, for GraphQL and for REST.

use crate::{
    auth::{
        Actor, Credential, Origin, Scope, api_key,
        jwt::{Mode, TokenError, Tokens},
    },
    clock::Clock,
    directory::{Directory, Name},
    error::{Error, Result},
    keyring::Keyring,
};

#[derive(Clone)]
pub struct Callers {
    pub tokens: Tokens,
    pub keyring: Keyring,
    pub directory: Directory,
    pub clock: Clock,
}

impl Callers {
    /// Whose token or key it is.
    ///
    /// # Errors
    /// `Unauthenticated` where it is not good; `Retry` or `Internal` where that cannot be told now.
    pub async fn actor(&self, bearer: &str, origin: Origin) -> Result<Actor> {
        if api_key::is_meant(bearer) {
            return self.keyring.actor(bearer, origin).await;
        }
        let claims = self.tokens.read(bearer, self.clock.now()).await;
        let claims = claims.map_err(|error| match error {
            TokenError::Invalid => Error::Unauthenticated,
            TokenError::Unavailable => Error::Retry(error.to_string()),
        })?;
        let account = self.directory.get(Name::Id(claims.brand)).await?;
        let account = account.ok_or(Error::Unauthenticated)?;
        let livemode = claims
            .mode
            .map_or_else(|| account.default_livemode(), |mode| mode == Mode::Live);
        Ok(Actor {
            credential: Credential::Token(claims.role),
            scope: Scope {
                brand: claims.brand,
                livemode,
                affiliate: claims.affiliate,
            },
            subject: claims.subject,
            expires_at: Some(claims.expires_at),
            origin,
        })
    }
}
