//! Who is calling, and what may they do.
//!
//! Owns the reading of tokens into an [`Actor`], and the table of roles. Does not own any row: what an actor sees of
//! the tables is decided by `domain::tenancy`, from the actor's [`Scope`].

pub mod claim_names;
pub mod claims;
pub mod crypto;
pub mod jwks;
pub mod jwt;
pub mod keys;
pub mod pem;
pub mod roles;
pub mod source;

use chrono::{DateTime, Utc};
use entity::id::{AffiliateId, BrandId};

pub use roles::{Operation, Role};

use crate::error::{Error, Result};

/// A caller with a valid token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    /// The token's `sub`.
    pub subject: String,
    pub role: Role,
    pub scope: Scope,
    /// When the token ends.
    pub expires_at: DateTime<Utc>,
}

/// Which rows a caller may touch: those of one brand, of its live or its test side, and for an affiliate its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Scope {
    pub brand: BrandId,
    pub livemode: bool,
    pub affiliate: Option<AffiliateId>,
}

impl Actor {
    /// Refuses what the role may not do.
    pub fn require(&self, operation: Operation) -> Result<()> {
        if roles::allows(self.role, operation) {
            Ok(())
        } else {
            Err(Error::Forbidden)
        }
    }
}
