//! Who is calling, and what may they do.
//!
//! Owns the reading of tokens, the form of API keys, and the table of roles. Does not own any row: what an actor sees of
//! the tables is decided by `domain::tenancy`, from the actor's [`Scope`].

pub mod api_key;
pub mod bearer;
pub mod claim_names;
pub mod claims;
pub mod crypto;
pub mod jwks;
pub mod jwt;
pub mod keys;
pub mod pem;
pub mod roles;
pub mod source;

use std::net::IpAddr;

use chrono::{DateTime, Utc};
use entity::{
    api_key::ApiKeyScope,
    id::{AffiliateId, ApiKeyId, BrandId},
};

pub use roles::{Operation, Role};

use crate::error::{Error, Result};

/// A caller whose token or key was found good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    /// The token's `sub`, or the key's id.
    pub subject: String,
    pub credential: Credential,
    pub scope: Scope,
    /// When the token or key ends by itself.
    pub expires_at: Option<DateTime<Utc>>,
    pub origin: Origin,
}

/// What the caller showed: it decides what the caller may.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credential {
    Token(Role),
    ApiKey {
        id: ApiKeyId,
        scopes: Vec<ApiKeyScope>,
    },
    /// Whoever runs commands on the server's machine: may what an owner may.
    CommandLine,
    /// The server's own work, for what others said: it asks for nothing by itself.
    Worker,
}

/// Which rows a caller may touch: those of one brand, of its live or its test side, and for an affiliate its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Scope {
    pub brand: BrandId,
    pub livemode: bool,
    pub affiliate: Option<AffiliateId>,
}

/// Where a request came from, as far as that is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    pub address: Option<IpAddr>,
    pub user_agent: Option<String>,
    pub request_id: Option<String>,
}

impl Actor {
    /// Somebody at the command line, for a brand and a mode.
    pub fn command_line(brand: BrandId, livemode: bool) -> Self {
        Self::here("cli", Credential::CommandLine, brand, livemode)
    }

    /// A worker, for what Stripe said.
    pub fn worker(brand: BrandId, livemode: bool) -> Self {
        Self::here("stripe", Credential::Worker, brand, livemode)
    }

    fn here(subject: &str, credential: Credential, brand: BrandId, livemode: bool) -> Self {
        Self {
            subject: subject.into(),
            credential,
            scope: Scope {
                brand,
                livemode,
                affiliate: None,
            },
            expires_at: None,
            origin: Origin::default(),
        }
    }

    /// Refuses what the caller may not do.
    pub fn require(&self, operation: Operation) -> Result<()> {
        if self.may(operation) {
            Ok(())
        } else {
            Err(Error::Forbidden)
        }
    }

    /// All that the caller may do, in the order of the table.
    pub fn permissions(&self) -> impl Iterator<Item = Operation> {
        roles::operations().filter(|operation| self.may(*operation))
    }

    pub fn may(&self, operation: Operation) -> bool {
        match &self.credential {
            Credential::Token(role) => roles::allows(*role, operation),
            Credential::CommandLine => roles::operator_may(operation),
            Credential::Worker => false,
            Credential::ApiKey { scopes, .. } => scopes.iter().any(|scope| roles::scope_allows(*scope, operation)),
        }
    }
}
