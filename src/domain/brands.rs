//! Brands, as the operator makes them on the command line. Their Stripe secrets are sealed before they are stored.

use chrono::TimeDelta;
use entity::{
    brand::{self, Tier},
    id::BrandId,
};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, DbErr, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder,
    QuerySelect, Set, SqlErr,
    sea_query::{Expr, LockType},
};
use secrecy::{ExposeSecret, SecretString};

pub use super::brand_secrets::{Resealed, StripeSecrets, is_live_key, open_secrets, reseal};
use super::{
    Domain, audit,
    brand_secrets::seal_into,
    campaigns::MAX_NAME,
    plans::{self, TRIAL_DAYS},
};
use crate::{
    auth::Actor,
    clock::Clock,
    db::Db,
    error::{Error, Problems, Result, UserErrorCode},
    vault::Vault,
};

const MAX_SLUG: usize = 63;
const MAX_TRIAL_DAYS: i32 = 3650;

/// What may be said of a brand; what is left out stays, or has its default.
#[derive(Clone, Debug, Default)]
pub struct BrandInput {
    pub name: Option<String>,
    pub slug: Option<String>,
    pub tier: Option<Tier>,
    /// From now on; 0 ends the trial.
    pub trial_days: Option<i32>,
    pub make_default: bool,
    pub time_zone: Option<String>,
    pub stripe_account: Option<String>,
    pub stripe_secret_key: Option<SecretString>,
    pub stripe_webhook_secrets: Vec<SecretString>,
}

/// Creates a brand; the first one becomes the default.
///
/// # Errors
/// `INVALID` or `TAKEN` on a field.
pub async fn create(db: &Db, clock: &Clock, vault: &Vault, input: &BrandInput) -> Result<brand::Model> {
    let now = clock.now();
    let id = BrandId(clock.new_id());
    let mut problems = Problems::default();
    let name = problems.text(&["name"], input.name.as_deref().unwrap_or_default(), MAX_NAME);
    let slug = match &input.slug {
        Some(slug) => slug.clone(),
        None => slug_of(&name).unwrap_or_else(|| format!("brand-{}", &id.0.simple().to_string()[20..])),
    };
    check(&mut problems, input, Some(&slug));
    problems.check()?;
    let trial = input
        .trial_days
        .map(i64::from)
        .or(input.tier.is_none().then_some(TRIAL_DAYS));
    let txn = db.begin().await?;
    let slug = if input.slug.is_some() {
        slug
    } else {
        free_slug(&txn, &slug).await?
    };
    let first = brand::Entity::find().count(&txn).await? == 0;
    let mut row = brand::ActiveModel {
        id: Set(id),
        slug: Set(slug),
        name: Set(name),
        tier: Set(input.tier.unwrap_or(Tier::Starter)),
        trial_ends_at: Set(trial.filter(|days| *days > 0).map(|days| now + TimeDelta::days(days))),
        is_default: Set(false),
        time_zone: Set(input.time_zone.clone().unwrap_or_else(|| "UTC".into())),
        stripe_account: Set(input.stripe_account.clone()),
        stripe_secret_key: Set(None),
        stripe_webhook_secrets: Set(None),
        stripe_livemode: Set(None),
        max_codes_per_affiliate: Set(None),
        reserved_words: Set("[]".into()),
        created_at: Set(now),
    };
    seal_into(&mut row, vault, id, input)?;
    brand::Entity::insert(row)
        .exec_without_returning(&txn)
        .await
        .map_err(taken)?;
    if first || input.make_default {
        make_default_in_txn(&txn, id).await?;
    }
    let brand = reread_in_txn(&txn, id).await?;
    record_in_txn(&txn, clock, "brand.created", None, &brand, input).await?;
    txn.commit().await?;
    Ok(brand)
}

/// Changes a brand. What waited for a Stripe key is done once there is one, by the worker.
///
/// # Errors
/// `NOT_FOUND` on `slug`; `INVALID` or `TAKEN` on a field.
pub async fn update(db: &Db, clock: &Clock, vault: &Vault, slug: &str, input: &BrandInput) -> Result<brand::Model> {
    let mut problems = Problems::default();
    let name = input
        .name
        .as_deref()
        .map(|name| problems.text(&["name"], name, MAX_NAME));
    check(&mut problems, input, None);
    problems.check()?;
    let txn = db.begin().await?;
    // Held, so that what is told of the change is what was changed.
    let held = brand::Entity::find().filter(brand::Column::Slug.eq(slug));
    let brand = held.lock(LockType::NoKeyUpdate).one(&txn).await?;
    let brand = brand.ok_or_else(|| Error::not_found(&["slug"]))?;
    let id = brand.id;
    let mut row: brand::ActiveModel = brand.clone().into();
    if let Some(name) = name {
        row.name = Set(name);
    }
    if let Some(tier) = input.tier {
        row.tier = Set(tier);
    }
    if let Some(days) = input.trial_days {
        row.trial_ends_at = Set(Some(clock.now() + TimeDelta::days(days.into())));
    }
    if let Some(zone) = &input.time_zone {
        row.time_zone = Set(zone.clone());
    }
    if let Some(account) = &input.stripe_account {
        row.stripe_account = Set(Some(account.clone()));
    }
    seal_into(&mut row, vault, id, input)?;
    if row.is_changed() {
        row.update(&txn).await.map_err(taken)?;
    }
    if input.make_default {
        make_default_in_txn(&txn, id).await?;
    }
    let changed = reread_in_txn(&txn, id).await?;
    record_in_txn(&txn, clock, "brand.updated", Some(&brand), &changed, input).await?;
    txn.commit().await?;
    Ok(changed)
}

/// Of secrets the log says only that they were set.
async fn record_in_txn(
    txn: &impl ConnectionTrait,
    clock: &Clock,
    action: &'static str,
    before: Option<&brand::Model>,
    after: &brand::Model,
    input: &BrandInput,
) -> Result<()> {
    let mut entry = match before {
        Some(before) => audit::Entry::changed(action, after.id, before, after)?,
        None => audit::Entry::created(action, after.id, after)?,
    };
    if input.stripe_secret_key.is_some() {
        entry = entry.with("stripeSecretKey", "set");
    }
    if !input.stripe_webhook_secrets.is_empty() {
        entry = entry.with("stripeWebhookSecrets", "set");
    }
    let actor = Actor::command_line(after.id, true);
    audit::record_in_txn(txn, clock, &actor, entry.of_both_modes()).await
}

/// All brands, oldest first.
pub async fn list(db: &Db) -> Result<Vec<brand::Model>> {
    Ok(brand::Entity::find()
        .order_by_asc(brand::Column::Id)
        .all(db.reader())
        .await?)
}

/// The brand of a caller.
pub async fn own(domain: &Domain, actor: &Actor) -> Result<brand::Model> {
    plans::brand(domain.db.reader(), actor.scope.brand).await
}

pub async fn by_slug(db: &impl ConnectionTrait, slug: &str) -> Result<Option<brand::Model>> {
    Ok(brand::Entity::find()
        .filter(brand::Column::Slug.eq(slug))
        .one(db)
        .await?)
}

/// Whether a brand can have it.
pub fn is_slug(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=MAX_SLUG).contains(&text.len()) && text.bytes().all(allowed)
}

fn check(problems: &mut Problems, input: &BrandInput, slug: Option<&str>) {
    if let Some(slug) = slug {
        problems.require(
            is_slug(slug),
            &["slug"],
            "It must have 1 to 63 characters of a-z, 0-9 and -.",
        );
    }
    if let Some(zone) = &input.time_zone {
        let known = zone.parse::<chrono_tz::Tz>().is_ok();
        problems.require(
            known,
            &["time-zone"],
            "It must be an IANA time zone, such as Europe/Berlin.",
        );
    }
    if let Some(days) = input.trial_days {
        problems.range(&["trial-days"], days, 0, MAX_TRIAL_DAYS);
    }
    if let Some(account) = &input.stripe_account {
        problems.require(
            account.starts_with("acct_"),
            &["stripe-account"],
            "It must begin with acct_.",
        );
    }
    if let Some(key) = &input.stripe_secret_key {
        let key = key.expose_secret();
        let good =
            ["sk_", "rk_"].iter().any(|prefix| key.starts_with(prefix)) && key.bytes().all(|b| b.is_ascii_graphic());
        problems.require(good, &["stripe-secret-key"], "It must begin with sk_ or rk_.");
    }
    let blank = input
        .stripe_webhook_secrets
        .iter()
        .any(|secret| secret.expose_secret().is_empty());
    problems.require(!blank, &["stripe-webhook-secret"], "It must not be empty.");
}

/// `Acme & Co` becomes `acme-co`.
fn slug_of(name: &str) -> Option<String> {
    let ascii = any_ascii::any_ascii(name).to_ascii_lowercase();
    let words: Vec<&str> = ascii
        .split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty())
        .collect();
    let slug: String = words.join("-").chars().take(MAX_SLUG - 8).collect();
    Some(slug.trim_matches('-').to_owned()).filter(|slug| !slug.is_empty())
}

async fn free_slug(txn: &impl ConnectionTrait, slug: &str) -> Result<String> {
    let mut candidate = slug.to_owned();
    let mut number = 1;
    while by_slug(txn, &candidate).await?.is_some() {
        number += 1;
        candidate = format!("{slug}-{number}");
    }
    Ok(candidate)
}

async fn make_default_in_txn(txn: &impl ConnectionTrait, id: BrandId) -> Result<()> {
    let set = |on: bool| brand::Entity::update_many().col_expr(brand::Column::IsDefault, Expr::value(on));
    set(false).filter(brand::Column::IsDefault.eq(true)).exec(txn).await?;
    set(true).filter(brand::Column::Id.eq(id)).exec(txn).await?;
    Ok(())
}

async fn reread_in_txn(txn: &impl ConnectionTrait, id: BrandId) -> Result<brand::Model> {
    let row = brand::Entity::find_by_id(id).one(txn).await?;
    row.ok_or_else(|| Error::Internal(format!("the brand {id} is gone")))
}

fn taken(error: DbErr) -> Error {
    match error.sql_err() {
        Some(SqlErr::UniqueConstraintViolation(text)) if text.contains("account") => {
            let message = "Another brand has this Stripe account.";
            Error::user(UserErrorCode::Taken, &["stripe-account"], message)
        }
        Some(SqlErr::UniqueConstraintViolation(_)) => {
            Error::user(UserErrorCode::Taken, &["slug"], "Another brand has this slug.")
        }
        _ => error.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slug_is_made_from_the_name() {
        assert_eq!(slug_of("Acme & Co. München"), Some("acme-co-munchen".into()));
        assert_eq!(slug_of(" --- "), None);
    }
}
