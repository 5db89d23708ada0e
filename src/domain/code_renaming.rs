//! Renaming a code: the row, its id and its counter stay, and what it was called goes on attributing.
//!
//! **Invariants.** Stripe's texts cannot change, so a new promotion code is made first, with the redemptions that remain,
//! and only then the old one is switched off (`stripe/operations`). At each moment one of them can be redeemed, or both.
//! A row's `stripe_id` is that of the newest promotion code that Stripe has, whatever the row is called.

use entity::{code, coupon, id::CodeId};
use sea_orm::{ActiveModelTrait, ColumnTrait, ConnectionTrait, DatabaseTransaction, QueryFilter, Set};
use uuid::Uuid;

use super::{
    Attempt, Domain, Refusal, audit, code_settings,
    codes::{checked, creation, find, is_taken, rejected},
    drift::{CodeDrift, Standing},
    first_try, follows,
    minting::{self, Minter},
    owed::{self, Call},
    plans, refused_codes, taken, tenancy,
};
use crate::{
    auth::{Actor, Scope},
    error::{Error, Result, UserErrorCode},
};

/// Renames a code, here and at Stripe. A manager renames any; an affiliate its own, where it may mint on the coupon. An
/// archived coupon's codes may be renamed, since none is added. One that is switched off, here or at Stripe, stays
/// off.
///
/// # Errors
/// `PLAN_TIER_REQUIRED`; `NOT_FOUND` on `id`, and `INVALID` when it or its coupon is deleted, the coupon has expired, or it
/// was imported with terms of its own;
/// `AFFILIATE_NOT_APPROVED` and `SELF_MINT_DISABLED`; `INVALID` on `code`, also when it has no redemptions left, `TAKEN`,
/// `LIMIT_EXCEEDED` when an affiliate gives it more than ten texts;
/// or `STRIPE_REJECTED` with Stripe's reason, and then nothing has changed.
pub async fn rename(domain: &Domain, actor: &Actor, id: CodeId, text: &str) -> Result<code::Model> {
    let minter = Minter::of(actor)?;
    let scope = &actor.scope;
    plans::require_coupons(domain.db.reader(), scope.brand, domain.clock.now()).await?;
    let row = find(domain, scope, id).await?;
    let row = row.ok_or_else(|| Error::not_found(&["id"]))?;
    minting::require_not_deleted(&row)?;
    let text = checked(text)?;
    if row.code == text {
        return Ok(row);
    }
    let coupon = minting::check_renaming(domain, domain.db.reader(), minter, scope, &row).await?;
    require_no_terms(&row)?;
    if let Minter::Affiliate(_) = minter {
        let settings = code_settings::read(domain.db.reader(), scope.brand).await?;
        code_settings::require_free_for_affiliates(&settings, &text)?;
    }
    let connected = domain.outbox.connected(scope).await?;

    let txn = domain.db.begin().await?;
    // The coupon before the code, as whoever deletes it does; between the first look and now a switch may be thrown.
    minting::hold(&txn, minter, scope, &coupon, row.affiliate_id).await?;
    minting::check_renaming(domain, &txn, minter, scope, &row).await?;
    let before = to_change(&txn, scope, id).await?;
    let before = before.ok_or_else(|| Error::not_found(&["id"]))?;
    minting::require_not_deleted(&before)?;
    if before.code == text {
        return Ok(before);
    }
    let had = taken::owner(&txn, scope, &text).await? == Some(id);
    if let Minter::Affiliate(_) = minter
        && !had
    {
        require_room_in_txn(&txn, id).await?;
    }
    if !taken::take_in_txn(&txn, &domain.clock, scope, &text, id).await? {
        return Err(is_taken(&text));
    }
    let left = redemptions_left(&txn, &coupon, id).await?;
    let uses = taken::uses(&txn, id).await?;
    // What somebody switched off at Stripe is not switched on by another text.
    let off_there = Standing::from(&before).drift() == Some(CodeDrift::OffAtStripe) && !owed::is_owed(&txn, id).await?;
    let mut change: code::ActiveModel = before.clone().into();
    change.code = Set(text);
    let after = change.update(&txn).await?;
    let mut call = creation(&after, left);
    if let Call::CreatePromotionCode { active, .. } = &mut call {
        *active &= !off_there;
    }
    let operation = owed::owe_in_txn(&txn, domain, scope, &call, connected).await?;
    let entry = audit::Entry::changed("code.renamed", id, &before, &after)?;
    audit::record_in_txn(&txn, &domain.clock, actor, entry).await?;
    txn.commit().await?;
    let renaming = Renaming {
        before,
        after,
        had,
        uses,
    };
    if connected
        && let Attempt::Refused(refusal) = domain.outbox.attempt(operation).await
        && renaming.take_back(domain, actor, operation, &refusal).await?
    {
        return Err(rejected(&refusal, "id"));
    }
    let code = find(domain, scope, id).await?;
    code.ok_or_else(|| Error::Internal(format!("the code {id} is gone")))
}

async fn to_change(txn: &DatabaseTransaction, scope: &Scope, id: CodeId) -> Result<Option<code::Model>> {
    let row = tenancy::find_to_change::<code::Entity>(scope).filter(code::Column::Id.eq(id));
    Ok(row.one(txn).await?)
}

/// An imported code may have more at Stripe than a new promotion code gets from us.
fn require_no_terms(code: &code::Model) -> Result<()> {
    let Some(terms) = &code.own_terms else { return Ok(()) };
    let message = format!(
        "The code was made at Stripe with terms of its own ({terms}), which a code of another text would not have. Mint a \
         new code, and switch this one off."
    );
    Err(Error::user(UserErrorCode::Invalid, &["id"], message))
}

/// How many texts a code may have had when its affiliate gives it another: each stays taken for everybody else.
const MAX_TEXTS: u64 = 10;

async fn require_room_in_txn(txn: &DatabaseTransaction, id: CodeId) -> Result<()> {
    if taken::count(txn, id).await? < MAX_TEXTS {
        return Ok(());
    }
    let message = format!("The code has had {MAX_TEXTS} texts; it may return to one of them.");
    Err(Error::user(UserErrorCode::LimitExceeded, &["code"], message))
}

/// How often a code may still be redeemed, counted over all its promotion codes; `None` for as often as one likes.
pub(super) async fn redemptions_left(
    db: &impl ConnectionTrait,
    coupon: &coupon::Model,
    id: CodeId,
) -> Result<Option<i32>> {
    let Some(most) = coupon.max_redemptions_per_code else {
        return Ok(None);
    };
    let used = taken::uses(db, id).await?;
    match i32::try_from(i64::from(most) - used) {
        Ok(left) if left > 0 => Ok(Some(left)),
        _ => {
            let message =
                format!("The code has been redeemed {used} times, and its coupon allows {most}: none is left.");
            Err(Error::user(UserErrorCode::Invalid, &["code"], message))
        }
    }
}

struct Renaming {
    before: code::Model,
    after: code::Model,
    /// Whether the new text was the code's already, from an earlier time.
    had: bool,
    /// How often the code had been redeemed.
    uses: i64,
}

impl Renaming {
    /// Undoes what Stripe refused, unless the code was renamed once more meanwhile: then the next one decides. `false`
    /// where a worker has the operation by now, or is to have it, since the code has sold something: the text stays taken.
    async fn take_back(self, domain: &Domain, actor: &Actor, operation: Uuid, refusal: &Refusal) -> Result<bool> {
        let Self {
            before,
            after,
            had,
            uses,
        } = self;
        let (scope, id) = (&actor.scope, after.id);
        let txn = domain.db.begin().await?;
        if taken::uses(&txn, id).await? != uses {
            return first_try::give_up(domain, txn, operation).await;
        }
        if !first_try::take_back_in_txn(&txn, operation).await? {
            return Ok(false);
        }
        let row = to_change(&txn, scope, id).await?;
        let overtaken = follows::creation(&txn, id, operation).await?;
        if let Some(row) = row.filter(|row| row.code == after.code && !overtaken) {
            let mut change: code::ActiveModel = row.clone().into();
            // What it was called may have been refused by now, too.
            let at_stripe = refused_codes::at_stripe(&txn, &row).await?;
            change.code = Set(at_stripe.unwrap_or(before.code));
            let undone = change.update(&txn).await?;
            if !had {
                taken::give_back_in_txn(&txn, scope, &after.code).await?;
            }
            let entry = audit::Entry::changed("code.refused_by_stripe", id, &row, &undone)?;
            let entry = entry.with("reason", refusal.message.clone());
            audit::record_in_txn(&txn, &domain.clock, actor, entry).await?;
        }
        txn.commit().await?;
        Ok(true)
    }
}
