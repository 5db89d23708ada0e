//! Texts that are taken: each belongs for ever to the code that had it first, whatever that is called now.

use std::collections::BTreeSet;

use entity::{
    affiliate_total::{self, ALL_TIME},
    id::CodeId,
    taken_code,
};
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, IntoActiveModel, PaginatorTrait, QueryFilter, QuerySelect,
    sea_query::OnConflict,
};

use super::code_text;
use crate::{auth::Scope, clock::Clock, error::Result};

/// How many numbered forms of a generated code are looked up first, and at most. By the key: a look at all that begin alike
/// reads a brand's whole list.
const FORMS: usize = 8;
const MAX_FORMS: usize = 512;

/// Takes a text for a code; whether it has it now. It may have had it before.
pub(super) async fn take_in_txn(
    txn: &impl ConnectionTrait,
    clock: &Clock,
    scope: &Scope,
    text: &str,
    code: CodeId,
) -> Result<bool> {
    let row = taken_code::Model {
        brand_id: scope.brand,
        livemode: scope.livemode,
        code: text.to_owned(),
        code_id: code,
        created_at: clock.now(),
    };
    use taken_code::Column::{BrandId, Code, Livemode};
    // Whoever takes the same text at this moment is waited for.
    let inserted = taken_code::Entity::insert(row.into_active_model())
        .on_conflict(OnConflict::columns([BrandId, Livemode, Code]).do_nothing().to_owned())
        .exec_without_returning(txn)
        .await?;
    Ok(inserted > 0 || owner(txn, scope, text).await? == Some(code))
}

/// Gives back all texts of a code that never was.
pub(super) async fn release_in_txn(txn: &impl ConnectionTrait, code: CodeId) -> Result<()> {
    let texts = taken_code::Entity::delete_many().filter(taken_code::Column::CodeId.eq(code));
    texts.exec(txn).await?;
    Ok(())
}

/// Gives back a text that its code never had at Stripe.
pub(super) async fn give_back_in_txn(txn: &impl ConnectionTrait, scope: &Scope, text: &str) -> Result<()> {
    let key = (scope.brand, scope.livemode, text.to_owned());
    taken_code::Entity::delete_by_id(key).exec(txn).await?;
    Ok(())
}

/// How many texts a code has and had.
pub(super) async fn count(db: &impl ConnectionTrait, code: CodeId) -> Result<u64> {
    let texts = taken_code::Entity::find().filter(taken_code::Column::CodeId.eq(code));
    Ok(texts.count(db).await?)
}

/// How often a code was redeemed under all its texts, also where that was refunded.
pub(super) async fn uses(db: &impl ConnectionTrait, code: CodeId) -> Result<i64> {
    let totals = affiliate_total::Entity::find()
        .filter(affiliate_total::Column::CodeId.eq(code))
        .filter(affiliate_total::Column::Hour.eq(ALL_TIME))
        .all(db)
        .await?;
    Ok(totals
        .iter()
        .map(|total| total.redemptions + total.refunded_redemptions)
        .sum())
}

/// Whose a text is.
pub(super) async fn owner(db: &impl ConnectionTrait, scope: &Scope, text: &str) -> Result<Option<CodeId>> {
    let key = (scope.brand, scope.livemode, text.to_owned());
    let row = taken_code::Entity::find_by_id(key).one(db).await?;
    Ok(row.map(|row| row.code_id))
}

/// The first free numbered form of a generated code, from a number on.
pub(super) async fn next_free(
    db: &impl ConnectionTrait,
    scope: &Scope,
    base: &str,
    from: usize,
) -> Result<(String, usize)> {
    let (mut from, mut many) = (from, FORMS);
    loop {
        let forms = (from..from + many).map(|number| (code_text::numbered(base, number), number));
        let taken: Vec<String> = taken_code::Entity::find()
            .select_only()
            .column(taken_code::Column::Code)
            .filter(taken_code::Column::BrandId.eq(scope.brand))
            .filter(taken_code::Column::Livemode.eq(scope.livemode))
            .filter(taken_code::Column::Code.is_in(forms.clone().map(|(text, _)| text)))
            .into_tuple()
            .all(db)
            .await?;
        let taken: BTreeSet<String> = taken.into_iter().collect();
        let mut forms = forms;
        if let Some(free) = forms.find(|(text, _)| !taken.contains(text)) {
            return Ok(free);
        }
        (from, many) = (from + many, MAX_FORMS.min(2 * many));
    }
}
