//! The brands with their Stripe secrets opened, kept in memory for a second.
//!
//! **Invariant.** What was read once stays usable while the database is down, so that a bad signature is still told
//! from a good one. A brand that the CLI changes is seen within a second.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use entity::{brand, id::BrandId};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, Select};
use secrecy::SecretString;
use tokio::time::Instant;

use crate::{
    config::Config,
    db::Db,
    domain::brands::{self, StripeSecrets, is_live_key},
    error::Result,
    vault::Vault,
};

const FRESH: Duration = Duration::from_secs(1);

/// A brand and its way to Stripe.
#[derive(Clone, Debug)]
pub struct Account {
    pub brand: brand::Model,
    pub secrets: StripeSecrets,
}

impl Account {
    /// The key for a mode, if the brand has one.
    pub fn key(&self, livemode: bool) -> Option<&SecretString> {
        self.secrets
            .secret_key
            .as_ref()
            .filter(|key| is_live_key(key) == livemode)
    }

    /// The mode of a token that names none: that of the brand's key; live without one.
    pub fn default_livemode(&self) -> bool {
        self.secrets.secret_key.as_ref().is_none_or(is_live_key)
    }
}

/// How a brand is looked up.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Name {
    Id(BrandId),
    Slug(String),
    /// The Connect account.
    StripeAccount(String),
    Default,
}

/// An account, and when it was read.
type Known = (Instant, Arc<Account>);

#[derive(Clone)]
pub struct Directory {
    db: Db,
    vault: Vault,
    /// What the settings give the default brand while it has none of its own.
    fallback: StripeSecrets,
    known: Arc<RwLock<HashMap<Name, Known>>>,
}

impl Directory {
    pub fn new(db: Db, config: &Config) -> Self {
        Self {
            db,
            vault: config.vault.clone(),
            fallback: StripeSecrets {
                secret_key: config.stripe_secret_key.clone(),
                webhook_secrets: config.stripe_webhook_secrets.clone(),
            },
            known: Arc::default(),
        }
    }

    /// Finds a brand; `None` when there is none by that name.
    pub async fn get(&self, name: Name) -> Result<Option<Arc<Account>>> {
        if let Name::Slug(slug) = &name
            && !brands::is_slug(slug)
        {
            return Ok(None);
        }
        let known = self.recall(&name);
        if let Some((read_at, account)) = &known
            && read_at.elapsed() < FRESH
        {
            return Ok(Some(account.clone()));
        }
        match self.read(&name).await {
            Ok(found) => {
                self.remember(name, found.clone());
                Ok(found)
            }
            Err(error) => match known {
                Some((_, account)) => {
                    tracing::warn!(%error, "a brand could not be read; going on with what is known of it");
                    Ok(Some(account))
                }
                None => Err(error),
            },
        }
    }

    /// Finds a brand as it is now, and remembers it so.
    pub async fn fresh(&self, name: Name) -> Result<Option<Arc<Account>>> {
        let found = self.read(&name).await?;
        self.remember(name, found.clone());
        Ok(found)
    }

    async fn read(&self, name: &Name) -> Result<Option<Arc<Account>>> {
        let row = query(name).one(self.db.reader()).await?;
        row.map(|row| self.open(row).map(Arc::new)).transpose()
    }

    fn open(&self, brand: brand::Model) -> Result<Account> {
        let mut secrets = brands::open_secrets(&self.vault, &brand)?;
        if brand.is_default {
            secrets.secret_key = secrets.secret_key.or_else(|| self.fallback.secret_key.clone());
            if secrets.webhook_secrets.is_empty() {
                secrets.webhook_secrets.clone_from(&self.fallback.webhook_secrets);
            }
        }
        Ok(Account { brand, secrets })
    }

    fn recall(&self, name: &Name) -> Option<Known> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.get(name).cloned()
    }

    fn remember(&self, name: Name, account: Option<Arc<Account>>) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        match account {
            Some(account) => known.insert(name, (Instant::now(), account)),
            None => known.remove(&name),
        };
    }
}

fn query(name: &Name) -> Select<brand::Entity> {
    let rows = brand::Entity::find();
    match name {
        Name::Id(id) => rows.filter(brand::Column::Id.eq(*id)),
        Name::Slug(slug) => rows.filter(brand::Column::Slug.eq(slug)),
        Name::StripeAccount(account) => rows.filter(brand::Column::StripeAccount.eq(account)),
        Name::Default => rows.filter(brand::Column::IsDefault.eq(true)),
    }
}
