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

/// A way to Stripe: a key, and the Connect account that is asked about with it where that is not the key's own.
#[derive(Clone, Debug)]
pub struct Way {
    pub key: SecretString,
    pub account: Option<String>,
}

impl Way {
    /// The mode of all that Stripe tells this way.
    pub fn livemode(&self) -> bool {
        is_live_key(&self.key)
    }
}

/// A brand and its way to Stripe.
#[derive(Clone, Debug)]
pub struct Account {
    pub brand: brand::Model,
    pub secrets: StripeSecrets,
    way: Option<Way>,
}

impl Account {
    /// The brand's way to Stripe, if it has one: its own key or, where it has none and is tied to a Connect account, the
    /// default brand's.
    pub fn any_way(&self) -> Option<&Way> {
        self.way.as_ref()
    }

    /// The same for a mode, which is that of the key.
    pub fn way(&self, livemode: bool) -> Option<&Way> {
        self.any_way().filter(|way| way.livemode() == livemode)
    }

    /// The mode of a token that names none: that of the brand's way to Stripe; live without one.
    pub fn default_livemode(&self) -> bool {
        self.any_way().is_none_or(Way::livemode)
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
        let Some(brand) = query(name).one(self.db.reader()).await? else {
            return Ok(None);
        };
        let secrets = self.open(&brand)?;
        let way = match (&secrets.secret_key, &brand.stripe_account) {
            (Some(key), _) => Some(Way {
                key: key.clone(),
                account: None,
            }),
            (None, Some(account)) => self.platform_key().await?.map(|key| Way {
                key,
                account: Some(account.clone()),
            }),
            (None, None) => None,
        };
        Ok(Some(Arc::new(Account { brand, secrets, way })))
    }

    /// The key that Connect accounts are asked about with: the default brand's. Read with each of their brands, so that
    /// a change of it is seen as soon as one of theirs.
    async fn platform_key(&self) -> Result<Option<SecretString>> {
        let platform = query(&Name::Default).one(self.db.reader()).await?;
        let secrets = platform.map(|platform| self.open(&platform)).transpose()?;
        Ok(secrets.and_then(|secrets| secrets.secret_key))
    }

    fn open(&self, brand: &brand::Model) -> Result<StripeSecrets> {
        let mut secrets = brands::open_secrets(&self.vault, brand)?;
        if brand.is_default {
            secrets.secret_key = secrets.secret_key.or_else(|| self.fallback.secret_key.clone());
            if secrets.webhook_secrets.is_empty() {
                secrets.webhook_secrets.clone_from(&self.fallback.webhook_secrets);
            }
        }
        Ok(secrets)
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
