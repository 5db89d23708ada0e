//! API keys: made, rotated and revoked by owners. What a key may is in `auth/roles.rs`; how it is read, in `keyring`.
//!
//! **Invariant.** The key itself is shown once, to whoever makes it, and is not stored.

use chrono::{DateTime, TimeDelta, Utc};
use entity::{
    api_key::{self, ApiKeyScope},
    brand,
    id::ApiKeyId,
};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, Condition, ConnectionTrait, EntityTrait, IntoActiveModel, PaginatorTrait,
    QueryFilter, QuerySelect, Select, Set, sea_query::LockType,
};
use secrecy::SecretString;

use super::{
    Domain, audit,
    campaigns::MAX_NAME,
    page::{self, Order, Page, PageArgs},
    tenancy,
};
use crate::{
    auth::{
        Actor, Operation,
        api_key::{make, scopes_text, stored},
    },
    error::{Error, Problems, Result, UserErrorCode},
};

/// How many good keys a brand may have in a mode.
const MAX_KEYS: u64 = 100;
/// The longest overlap of a rotated key with the one that takes over. Hours.
pub const MAX_OVERLAP_HOURS: i32 = 7 * 24;
/// The longest life. Days.
pub const MAX_LIFE: TimeDelta = TimeDelta::days(3652);

#[derive(Clone, Debug)]
pub struct CreateApiKey {
    pub name: String,
    pub scopes: Vec<ApiKeyScope>,
    /// `None`: until it is revoked.
    pub expires_at: Option<DateTime<Utc>>,
}

/// A new key's row, and the key: there is no second look at it.
pub struct NewApiKey {
    pub row: api_key::Model,
    pub key: SecretString,
}

/// A page of the keys of the caller's mode, oldest first; revoked and expired ones too.
pub async fn list(domain: &Domain, actor: &Actor, args: &PageArgs) -> Result<Page<api_key::Model>> {
    actor.require(Operation::ManageApiKeys)?;
    let order = Order::oldest_first(api_key::Column::Id);
    let rows = tenancy::find::<api_key::Entity>(&actor.scope);
    page::fetch(domain.db.reader(), rows, order, args).await
}

pub async fn count(domain: &Domain, actor: &Actor) -> Result<u64> {
    actor.require(Operation::ManageApiKeys)?;
    Ok(tenancy::find::<api_key::Entity>(&actor.scope)
        .count(domain.db.reader())
        .await?)
}

pub async fn get(domain: &Domain, actor: &Actor, id: ApiKeyId) -> Result<Option<api_key::Model>> {
    actor.require(Operation::ManageApiKeys)?;
    Ok(find(domain.db.reader(), actor, id).await?)
}

async fn find(
    db: &impl ConnectionTrait,
    actor: &Actor,
    id: ApiKeyId,
) -> Result<Option<api_key::Model>, sea_orm::DbErr> {
    tenancy::find::<api_key::Entity>(&actor.scope)
        .filter(api_key::Column::Id.eq(id))
        .one(db)
        .await
}

fn to_change(actor: &Actor, id: ApiKeyId) -> Select<api_key::Entity> {
    tenancy::find_to_change::<api_key::Entity>(&actor.scope).filter(api_key::Column::Id.eq(id))
}

/// The key that is still good, for a change of it.
async fn find_good(txn: &impl ConnectionTrait, domain: &Domain, actor: &Actor, id: ApiKeyId) -> Result<api_key::Model> {
    let found = to_change(actor, id).one(txn).await?;
    let key = found.ok_or_else(|| Error::not_found(&["id"]))?;
    if is_good(&key, domain.clock.now()) {
        return Ok(key);
    }
    let message = "It is revoked or has expired.";
    Err(Error::user(UserErrorCode::Invalid, &["id"], message))
}

/// Whether a key may be used.
pub fn is_good(key: &api_key::Model, now: DateTime<Utc>) -> bool {
    key.revoked_at.is_none() && key.expires_at.is_none_or(|end| end > now)
}

/// Makes a key for the caller's brand and mode.
///
/// # Errors
/// `INVALID` on the field that breaks a rule; `LIMIT_EXCEEDED` with a hundred good keys.
pub async fn create(domain: &Domain, actor: &Actor, input: CreateApiKey) -> Result<NewApiKey> {
    actor.require(Operation::ManageApiKeys)?;
    let now = domain.clock.now();
    let mut problems = Problems::default();
    let name = problems.text(&["name"], &input.name, MAX_NAME);
    let mut scopes = input.scopes;
    scopes.sort_unstable();
    scopes.dedup();
    problems.require(!scopes.is_empty(), &["scopes"], "A key has at least one scope.");
    if let Some(end) = input.expires_at {
        let message = "It must be in the future, and at most ten years ahead.";
        problems.require(end > now && end <= now + MAX_LIFE, &["expiresAt"], message);
    }
    problems.check()?;
    let new = row(domain, actor, name, scopes_text(&scopes), input.expires_at)?;
    let txn = domain.db.begin().await?;
    require_room(&txn, domain, actor).await?;
    insert_in_txn(&txn, domain, actor, "api_key.created", &new.row).await?;
    txn.commit().await?;
    Ok(new)
}

/// Makes a key with the same name, scopes and life, and lets the old one go on for some hours.
///
/// # Errors
/// `NOT_FOUND` on `id`; `INVALID` on `id` when it is not good any more, or on `overlapHours`; `LIMIT_EXCEEDED`.
pub async fn rotate(domain: &Domain, actor: &Actor, id: ApiKeyId, overlap_hours: i32) -> Result<NewApiKey> {
    actor.require(Operation::ManageApiKeys)?;
    let mut problems = Problems::default();
    problems.range(&["overlapHours"], overlap_hours, 0, MAX_OVERLAP_HOURS);
    problems.check()?;
    let now = domain.clock.now();
    let txn = domain.db.begin().await?;
    let old = find_good(&txn, domain, actor, id).await?;
    let successors = tenancy::find::<api_key::Entity>(&actor.scope).filter(api_key::Column::Replaces.eq(id));
    if successors.one(&txn).await?.is_some() {
        let message = "Another key has taken over from it already.";
        return Err(Error::user(UserErrorCode::Invalid, &["id"], message));
    }
    require_room(&txn, domain, actor).await?;
    let life = old.expires_at.map(|end| end - old.created_at);
    let mut new = row(
        domain,
        actor,
        old.name.clone(),
        old.scopes.clone(),
        life.map(|life| now + life),
    )?;
    new.row.replaces = Some(id);
    insert_in_txn(&txn, domain, actor, "api_key.created", &new.row).await?;
    let over = now + TimeDelta::hours(overlap_hours.into());
    let mut change: api_key::ActiveModel = old.clone().into();
    if overlap_hours == 0 {
        change.revoked_at = Set(Some(now));
    } else {
        change.expires_at = Set(Some(old.expires_at.map_or(over, |end| end.min(over))));
    }
    let changed = change.update(&txn).await?;
    let entry = audit::Entry::changed("api_key.rotated", id, &old, &changed)?;
    audit::record_in_txn(&txn, &domain.clock, actor, entry).await?;
    txn.commit().await?;
    Ok(new)
}

/// Ends a key at once: within a second on every instance, open sockets too. A key that is over stays as it is.
///
/// # Errors
/// `NOT_FOUND` on `id`.
pub async fn revoke(domain: &Domain, actor: &Actor, id: ApiKeyId) -> Result<api_key::Model> {
    actor.require(Operation::ManageApiKeys)?;
    let txn = domain.db.begin().await?;
    let found = to_change(actor, id).one(&txn).await?;
    let old = found.ok_or_else(|| Error::not_found(&["id"]))?;
    if old.revoked_at.is_some() {
        return Ok(old);
    }
    let mut change: api_key::ActiveModel = old.clone().into();
    change.revoked_at = Set(Some(domain.clock.now()));
    let changed = change.update(&txn).await?;
    let entry = audit::Entry::changed("api_key.revoked", id, &old, &changed)?;
    audit::record_in_txn(&txn, &domain.clock, actor, entry).await?;
    txn.commit().await?;
    Ok(changed)
}

fn row(
    domain: &Domain,
    actor: &Actor,
    name: String,
    scopes: String,
    expires_at: Option<DateTime<Utc>>,
) -> Result<NewApiKey> {
    let key = make(actor.scope.livemode).map_err(|error| Error::Internal(format!("no random bytes: {error}")))?;
    let (prefix, hash) = stored(&key);
    let row = api_key::Model {
        id: ApiKeyId(domain.clock.new_id()),
        brand_id: actor.scope.brand,
        livemode: actor.scope.livemode,
        name,
        prefix,
        hash,
        scopes,
        created_by: actor.subject.clone(),
        created_at: domain.clock.now(),
        expires_at,
        revoked_at: None,
        last_used_at: None,
        replaces: None,
    };
    Ok(NewApiKey { row, key })
}

async fn require_room(txn: &impl ConnectionTrait, domain: &Domain, actor: &Actor) -> Result<()> {
    // One at a time counts and adds.
    let brand = brand::Entity::find_by_id(actor.scope.brand).lock(LockType::NoKeyUpdate);
    brand.one(txn).await?;
    let good = Condition::any()
        .add(api_key::Column::ExpiresAt.is_null())
        .add(api_key::Column::ExpiresAt.gt(domain.clock.now()));
    let keys = tenancy::find::<api_key::Entity>(&actor.scope)
        .filter(api_key::Column::RevokedAt.is_null())
        .filter(good)
        .count(txn)
        .await?;
    if keys < MAX_KEYS {
        return Ok(());
    }
    let message = format!("There are {MAX_KEYS} keys already; revoke those that are not used.");
    Err(Error::user(UserErrorCode::LimitExceeded, &[], message))
}

async fn insert_in_txn(
    txn: &impl ConnectionTrait,
    domain: &Domain,
    actor: &Actor,
    action: &'static str,
    row: &api_key::Model,
) -> Result<()> {
    api_key::Entity::insert(row.clone().into_active_model())
        .exec_without_returning(txn)
        .await?;
    let entry = audit::Entry::created(action, row.id, row)?;
    audit::record_in_txn(txn, &domain.clock, actor, entry).await
}
