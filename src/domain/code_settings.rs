//! What a brand sets for the codes that its affiliates mint themselves: how many an affiliate may have, and which words
//! stay the brand's own. Managers are not bound by either.

use std::collections::BTreeSet;

use entity::{
    brand, code, coupon,
    id::{AffiliateId, BrandId},
};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, PaginatorTrait, QueryFilter, QuerySelect, QueryTrait, Set,
};

use super::{Domain, audit, code_text, plans, tenancy};
use crate::{
    auth::{Actor, Operation, Scope},
    error::{Error, Problems, Result, UserErrorCode},
};

const MAX_CODES: i32 = 10_000;
const MAX_WORDS: usize = 200;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CodeSettings {
    /// In each mode; none for no limit.
    pub max_codes_per_affiliate: Option<i32>,
    /// In upper case, sorted.
    pub reserved_words: Vec<String>,
}

/// What is left out stays.
#[derive(Clone, Debug, Default)]
pub struct UpdateCodeSettings {
    /// `Some(None)` takes the limit away.
    pub max_codes_per_affiliate: Option<Option<i32>>,
    pub reserved_words: Option<Vec<String>>,
}

impl CodeSettings {
    pub(super) fn of(brand: &brand::Model) -> Result<Self> {
        Ok(Self {
            max_codes_per_affiliate: brand.max_codes_per_affiliate,
            reserved_words: serde_json::from_str(&brand.reserved_words)?,
        })
    }
}

/// The settings, for all who read codes.
pub async fn get(domain: &Domain, actor: &Actor) -> Result<CodeSettings> {
    actor.require(Operation::ReadCodes)?;
    read(domain.db.reader(), actor.scope.brand).await
}

pub(super) async fn read(db: &impl ConnectionTrait, brand: BrandId) -> Result<CodeSettings> {
    CodeSettings::of(&plans::brand(db, brand).await?)
}

/// Changes the settings. Codes that are there stay as they are.
///
/// # Errors
/// `INVALID` or `LIMIT_EXCEEDED` on the field that breaks a rule.
pub async fn update(domain: &Domain, actor: &Actor, input: UpdateCodeSettings) -> Result<CodeSettings> {
    actor.require(Operation::ManageCodeSettings)?;
    let mut problems = Problems::default();
    if let Some(Some(max)) = input.max_codes_per_affiliate {
        problems.range(&["maxCodesPerAffiliate"], max, 1, MAX_CODES);
    }
    let words = input.reserved_words.map(|words| checked(&mut problems, &words));
    problems.check()?;
    let txn = domain.db.begin().await?;
    let before = plans::hold_brand_in_txn(&txn, actor.scope.brand).await?;
    let mut change: brand::ActiveModel = before.clone().into();
    if let Some(max) = input.max_codes_per_affiliate {
        change.max_codes_per_affiliate = Set(max);
    }
    if let Some(words) = words {
        change.reserved_words = Set(serde_json::to_string(&words)?);
    }
    let after = if change.is_changed() {
        change.update(&txn).await?
    } else {
        before.clone()
    };
    let entry = audit::Entry::changed("code_settings.updated", before.id, &before, &after)?;
    audit::record_in_txn(&txn, &domain.clock, actor, entry.of_both_modes()).await?;
    txn.commit().await?;
    CodeSettings::of(&after)
}

/// The words in upper case, each once.
fn checked(problems: &mut Problems, words: &[String]) -> BTreeSet<String> {
    const FIELD: &[&str] = &["reservedWords"];
    if words.len() > MAX_WORDS {
        problems.add(
            UserErrorCode::LimitExceeded,
            FIELD,
            "There are at most 200 reserved words.",
        );
        return BTreeSet::new();
    }
    let known: Option<BTreeSet<String>> = words.iter().map(|word| code_text::word(word)).collect();
    let message = "A reserved word has 2 to 32 characters of A-Z, 0-9, - and _, with a letter among them.";
    problems.require(known.is_some(), FIELD, message);
    known.unwrap_or_default()
}

/// Refuses a text that an affiliate may not give its code.
///
/// # Errors
/// `INVALID` on `code`, with the reserved word.
pub(super) fn require_free_for_affiliates(settings: &CodeSettings, text: &str) -> Result<()> {
    match code_text::reserved_word(&settings.reserved_words, text) {
        Some(word) => {
            let message = format!("The word {word} is reserved.");
            Err(Error::user(UserErrorCode::Invalid, &["code"], message))
        }
        None => Ok(()),
    }
}

/// Refuses one more code of an affiliate's own, in a transaction that holds the affiliate. Whoever minted them and whether
/// they are on or off, all its codes of the mode count, for each keeps its text; but not deleted ones and those of deleted
/// coupons, which nobody can switch on again: only the brand deletes.
///
/// # Errors
/// `LIMIT_EXCEEDED`.
pub(super) async fn require_room_in_txn(
    txn: &impl ConnectionTrait,
    scope: &Scope,
    settings: &CodeSettings,
    affiliate: AffiliateId,
) -> Result<()> {
    let Some(max) = settings.max_codes_per_affiliate else {
        return Ok(());
    };
    let deleted = tenancy::referenced::<coupon::Entity>(scope)
        .select_only()
        .column(coupon::Column::Id)
        .filter(coupon::Column::DeletedAt.is_not_null())
        .into_query();
    let codes = tenancy::referenced::<code::Entity>(scope)
        .filter(code::Column::AffiliateId.eq(affiliate))
        .filter(code::Column::DeletedAt.is_null())
        .filter(code::Column::CouponId.not_in_subquery(deleted));
    if codes.count(txn).await? < u64::try_from(max).unwrap_or(0) {
        return Ok(());
    }
    let message = format!("An affiliate has at most {max} codes here.");
    Err(Error::user(UserErrorCode::LimitExceeded, &[], message))
}
