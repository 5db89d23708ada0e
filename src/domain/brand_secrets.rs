//! A brand's Stripe secrets: sealed before they are stored, each bound to its brand and column.

use entity::{brand, id::BrandId};
use sea_orm::{ActiveModelTrait, EntityTrait, QueryOrder, QuerySelect, Set};
use secrecy::{ExposeSecret, SecretString};

use super::brands::BrandInput;
use crate::{
    db::Db,
    error::{Error, Result},
    vault::{Vault, VaultError},
};

/// A brand's Stripe secrets, opened.
#[derive(Clone, Debug, Default)]
pub struct StripeSecrets {
    pub secret_key: Option<SecretString>,
    pub webhook_secrets: Vec<SecretString>,
}

/// Whether a Stripe key is for live mode (<https://docs.stripe.com/keys>).
pub fn is_live_key(key: &SecretString) -> bool {
    !key.expose_secret().contains("_test_")
}

/// Opens a brand's stored secrets.
pub fn open_secrets(vault: &Vault, brand: &brand::Model) -> Result<StripeSecrets> {
    let open = |sealed: &Vec<u8>, column| vault.open(sealed, &place(brand.id, column)).map_err(sealed_wrong);
    let secret_key = brand
        .stripe_secret_key
        .as_ref()
        .map(|sealed| open(sealed, KEY))
        .transpose()?;
    let list = brand
        .stripe_webhook_secrets
        .as_ref()
        .map(|sealed| open(sealed, WEBHOOK))
        .transpose()?;
    let list: Vec<String> = match &list {
        Some(json) => serde_json::from_str(json.expose_secret())?,
        None => Vec::new(),
    };
    Ok(StripeSecrets {
        secret_key,
        webhook_secrets: list.into_iter().map(SecretString::from).collect(),
    })
}

const KEY: &str = "stripe_secret_key";
const WEBHOOK: &str = "stripe_webhook_secrets";

fn place(brand: BrandId, column: &str) -> String {
    format!("{brand}/{column}")
}

/// Seals what is given into the row.
pub(super) fn seal_into(row: &mut brand::ActiveModel, vault: &Vault, id: BrandId, input: &BrandInput) -> Result<()> {
    if let Some(key) = &input.stripe_secret_key {
        row.stripe_secret_key = Set(Some(vault.seal(key, &place(id, KEY)).map_err(sealed_wrong)?));
        row.stripe_livemode = Set(Some(is_live_key(key)));
    }
    if !input.stripe_webhook_secrets.is_empty() {
        let secrets: Vec<&str> = input.stripe_webhook_secrets.iter().map(|s| s.expose_secret()).collect();
        let json = SecretString::from(serde_json::to_string(&secrets)?);
        row.stripe_webhook_secrets = Set(Some(vault.seal(&json, &place(id, WEBHOOK)).map_err(sealed_wrong)?));
    }
    Ok(())
}

/// What became of stored secrets; a brand's webhook secrets are stored as one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Resealed {
    pub anew: usize,
    /// The vault's first key had sealed them already.
    pub kept: usize,
}

/// Seals all brands' secrets with the vault's first key, in a transaction for each brand. Doing it again does nothing.
///
/// # Errors
/// Where no key opens a secret. Its brand stays as it is; those before it are done.
pub async fn reseal(db: &Db, vault: &Vault) -> Result<Resealed> {
    let brands = brand::Entity::find().order_by_asc(brand::Column::Id);
    let mut all = Resealed::default();
    for brand in brands.all(db.reader()).await? {
        let one = reseal_brand(db, vault, brand.id).await;
        let one = one.map_err(|error| Error::Internal(format!("the brand {}: {error}", brand.slug)))?;
        all.anew += one.anew;
        all.kept += one.kept;
    }
    Ok(all)
}

async fn reseal_brand(db: &Db, vault: &Vault, id: BrandId) -> Result<Resealed> {
    let txn = db.begin().await?;
    // Locked, so that a secret which is given at the same time is not overwritten.
    let found = brand::Entity::find_by_id(id).lock_exclusive().one(&txn).await?;
    let Some(brand) = found else {
        return Ok(Resealed::default());
    };
    let mut counts = Resealed::default();
    let (key, webhook) = (brand.stripe_secret_key.clone(), brand.stripe_webhook_secrets.clone());
    let mut row: brand::ActiveModel = brand.into();
    for (sealed, column, field) in [
        (key, KEY, &mut row.stripe_secret_key),
        (webhook, WEBHOOK, &mut row.stripe_webhook_secrets),
    ] {
        let Some(sealed) = sealed else { continue };
        match vault.reseal(&sealed, &place(id, column)).map_err(sealed_wrong)? {
            Some(anew) => {
                *field = Set(Some(anew));
                counts.anew += 1;
            }
            None => counts.kept += 1,
        }
    }
    if counts.anew > 0 {
        row.update(&txn).await?;
    }
    txn.commit().await?;
    Ok(counts)
}

fn sealed_wrong(error: VaultError) -> Error {
    Error::Internal(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_says_which_mode_it_is_for() {
        assert!(is_live_key(&"sk_live_1".into()) && is_live_key(&"rk_live_1".into()));
        assert!(!is_live_key(&"sk_test_1".into()));
    }
}
