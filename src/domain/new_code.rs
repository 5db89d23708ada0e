//! A new code, however it is minted: the row with its text, what it owes Stripe and its entry in the audit log come in
//! one transaction, and go in one where Stripe refuses it.

use std::time::Duration;

use entity::{
    code::{self, CodeStatus},
    coupon,
    id::{AffiliateId, CodeId},
    stripe_operation,
};
use sea_orm::{ConnectionTrait, EntityTrait, IntoActiveModel, QuerySelect, sea_query::LockType};
use tokio::time::{Instant, timeout_at};
use uuid::Uuid;

use super::{Attempt, Domain, Refusal, audit, code_text, codes::creation, first_try, follows, owed, taken};
use crate::{auth::Actor, error::Result};

/// How many texts are tried for a generated code before giving up.
const MAX_TRIES: usize = 500;
/// How many forms of a generated text that Stripe has already are passed over before giving up.
const MAX_REFUSALS: usize = 20;
/// How long a mutation waits for Stripe.
const PATIENCE: Duration = Duration::from_secs(3);

/// What a code is to be, but for its text.
pub(super) struct NewCode<'a> {
    pub coupon: &'a coupon::Model,
    pub affiliate: AffiliateId,
    pub batch: Option<BatchRow<'a>>,
    /// Whether the brand has a Stripe key.
    pub connected: bool,
    /// Whether the mutation tries it at Stripe itself, or leaves that to the worker.
    pub tried_at_once: bool,
}

/// The row of a batch that it is minted for.
#[derive(Clone, Copy)]
pub(super) struct BatchRow<'a> {
    pub batch: &'a str,
    pub row: i32,
    /// The text that it asks for.
    pub text: Option<&'a str>,
}

/// A code that was made, and what it owes.
pub(super) struct Minted {
    pub code: code::Model,
    pub operation: Uuid,
}

/// Makes a code of this text; `None` where somebody has the text.
pub(super) async fn insert_in_txn(
    txn: &impl ConnectionTrait,
    domain: &Domain,
    actor: &Actor,
    new: &NewCode<'_>,
    text: &str,
) -> Result<Option<Minted>> {
    let scope = &actor.scope;
    let code = code::Model {
        id: CodeId(domain.clock.new_id()),
        brand_id: scope.brand,
        livemode: scope.livemode,
        coupon_id: new.coupon.id,
        campaign_id: new.coupon.campaign_id,
        affiliate_id: new.affiliate,
        code: text.to_owned(),
        status: CodeStatus::Active,
        stripe_id: None,
        stripe_active: None,
        stripe_reason: None,
        stripe_seen_at: None,
        stripe_made_at: None,
        own_terms: None,
        batch: new.batch.map(|of| of.batch.to_owned()),
        batch_row: new.batch.map(|of| of.row),
        batch_text: new.batch.and_then(|of| of.text).map(str::to_owned),
        created_at: domain.clock.now(),
        deleted_at: None,
    };
    if !taken::take_in_txn(txn, &domain.clock, scope, text, code.id).await? {
        return Ok(None);
    }
    code::Entity::insert(code.clone().into_active_model())
        .exec_without_returning(txn)
        .await?;
    let call = creation(&code, new.coupon.max_redemptions_per_code);
    let operation = if new.tried_at_once {
        owed::owe_in_txn(txn, domain, scope, &call, new.connected).await?
    } else {
        owed::owe_to_worker_in_txn(txn, &domain.clock, scope, &call, new.connected).await?
    };
    let mut entry = audit::Entry::created("code.minted", code.id, &code)?;
    if let Some(of) = new.batch {
        entry = entry.with("batch", of.batch);
    }
    audit::record_in_txn(txn, &domain.clock, actor, entry).await?;
    Ok(Some(Minted { code, operation }))
}

/// Makes a code of the first numbered form of a generated text that is free and has no reserved word, from a number on;
/// with the number. `None` where none is found.
pub(super) async fn insert_generated_in_txn(
    txn: &impl ConnectionTrait,
    domain: &Domain,
    actor: &Actor,
    new: &NewCode<'_>,
    (base, mut number): (&str, usize),
    reserved: &[String],
) -> Result<Option<(Minted, usize)>> {
    for _ in 0..MAX_TRIES {
        let (text, at) = taken::next_free(txn, &actor.scope, base, number).await?;
        if code_text::reserved_word(reserved, &text).is_none()
            && let Some(minted) = insert_in_txn(txn, domain, actor, new, &text).await?
        {
            return Ok(Some((minted, at)));
        }
        number = at + 1;
    }
    Ok(None)
}

/// Takes back a code that Stripe refused; whether it did. What somebody has changed since stays, what has sold something
/// (Stripe has the text from elsewhere) and what a worker has by now: that ends as it does where nobody waits.
pub(super) async fn take_back(domain: &Domain, actor: &Actor, minted: &Minted, refusal: &Refusal) -> Result<bool> {
    let (id, operation) = (minted.code.id, minted.operation);
    let txn = domain.db.begin().await?;
    if !first_try::is_held_in_txn(&txn, operation).await? {
        return Ok(false);
    }
    let row = code::Entity::find_by_id(id).lock(LockType::Update).one(&txn).await?;
    let changed = row.as_ref() != Some(&minted.code) || follows::anything(&txn, id, operation).await?;
    if changed || taken::uses(&txn, id).await? > 0 {
        return first_try::give_up(domain, txn, operation).await;
    }
    stripe_operation::Entity::delete_by_id(operation).exec(&txn).await?;
    taken::release_in_txn(&txn, id).await?;
    code::Entity::delete_by_id(id).exec(&txn).await?;
    let entry = audit::Entry::removed("code.refused_by_stripe", id, &minted.code)?;
    let entry = entry.with("reason", refusal.message.clone());
    audit::record_in_txn(&txn, &domain.clock, actor, entry).await?;
    txn.commit().await?;
    Ok(true)
}

/// When a mutation that begins to ask Stripe now has waited long enough, for all that it tries.
pub(super) fn deadline() -> Instant {
    Instant::now() + PATIENCE
}

/// Tries a code at Stripe until the deadline; the worker goes on with what is pending then.
pub(super) async fn attempt(domain: &Domain, minted: &Minted, deadline: Instant) -> Attempt {
    let attempt = timeout_at(deadline, domain.outbox.attempt(minted.operation)).await;
    attempt.unwrap_or(Attempt::Pending)
}

/// Whether the next form of a generated text is to be tried after so many refusals: Stripe has this one already.
pub(super) fn goes_on(refusal: &Refusal, refusals: usize, deadline: Instant) -> bool {
    refusal.message.contains("already exists") && refusals < MAX_REFUSALS && Instant::now() < deadline
}
