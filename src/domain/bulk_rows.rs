//! The rows of a bulk mint, and minting some of them here in one transaction.

use std::collections::{BTreeMap, BTreeSet};

use entity::{
    affiliate, affiliate_campaign, code, coupon,
    id::{AffiliateId, CampaignId, CodeId},
};
use sea_orm::{ColumnTrait, DatabaseTransaction, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use super::{
    bulk_mint::{Bulk, BulkRow},
    code_settings::CodeSettings,
    code_text::generated,
    codes,
    minting::{self, Minter},
    new_code::{self, BatchRow, Minted, NewCode},
    plans, tenancy,
};
use crate::{
    auth::Scope,
    error::{Error, Result, UserError, UserErrorCode},
};

/// A row, and how far it has come.
pub(super) struct Row {
    /// From zero.
    pub number: i32,
    pub affiliate: Option<AffiliateId>,
    /// The text that it asks for; none where it is to be generated.
    pub text: Option<String>,
    /// The number from which on a free form of a generated text is looked for.
    from: usize,
    pub end: End,
}

/// How far a row has come.
pub(super) enum End {
    Open,
    /// Minted, and not tried at Stripe yet.
    New(Box<Minted>),
    /// Minted before, or tried.
    There(CodeId),
    Refused(Vec<UserError>),
}

impl Row {
    pub fn new(number: i32, row: &BulkRow) -> Self {
        let text = row.code.as_deref().map(codes::checked).transpose();
        let (text, end) = match text {
            Ok(text) => (text, End::Open),
            Err(Error::User(problems)) => (None, End::Refused(problems)),
            Err(_) => (None, End::Refused(Vec::new())),
        };
        Self {
            number,
            affiliate: row.affiliate_id,
            text,
            from: 1,
            end,
        }
    }

    pub fn code(&self) -> Option<CodeId> {
        match &self.end {
            End::New(minted) => Some(minted.code.id),
            End::There(id) => Some(*id),
            End::Open | End::Refused(_) => None,
        }
    }

    /// What is to be tried now, if it was not yet.
    pub fn tried(&mut self) -> Option<Box<Minted>> {
        match std::mem::replace(&mut self.end, End::Open) {
            End::New(minted) => {
                self.end = End::There(minted.code.id);
                Some(minted)
            }
            end => {
                self.end = end;
                None
            }
        }
    }

    /// Ends the row where the error is one that the caller can mend.
    pub fn refuse(&mut self, error: Error) -> Result<()> {
        match error {
            Error::User(problems) => {
                self.end = End::Refused(problems);
                Ok(())
            }
            error => Err(error),
        }
    }
}

/// What the rows of a transaction are judged by, held as it is.
struct Held {
    /// The coupon, or why nothing is minted on it any more.
    coupon: Result<coupon::Model, Vec<UserError>>,
    affiliates: BTreeMap<AffiliateId, affiliate::Model>,
    members: BTreeSet<AffiliateId>,
    /// By row: what was minted for the batch before.
    earlier: BTreeMap<i32, code::Model>,
    settings: CodeSettings,
}

/// Mints the rows here; each ends as it would alone.
pub(super) async fn insert_in_txn(txn: &DatabaseTransaction, bulk: &Bulk<'_>, rows: &mut [&mut Row]) -> Result<()> {
    let held = Held::take(txn, bulk, rows).await?;
    for row in rows {
        match held.insert(txn, bulk, row).await {
            Ok(end) => row.end = end,
            Err(error) => row.refuse(error)?,
        }
    }
    Ok(())
}

impl Held {
    async fn take(txn: &DatabaseTransaction, bulk: &Bulk<'_>, rows: &[&mut Row]) -> Result<Self> {
        let scope = &bulk.actor.scope;
        let brand = plans::hold_brand_in_txn(txn, scope.brand).await?;
        minting::hold_coupon(txn, scope, bulk.coupon).await?;
        let coupon = match bulk.open_coupon(txn, &brand).await {
            Ok(coupon) => Ok(coupon),
            Err(Error::User(problems)) => Err(problems),
            Err(error) => return Err(error),
        };
        let members_of = coupon.as_ref().ok().map(|coupon| coupon.campaign_id);
        let ids: BTreeSet<AffiliateId> = rows.iter().filter_map(|row| row.affiliate).collect();
        Ok(Self {
            affiliates: hold_affiliates(txn, scope, &ids).await?,
            members: members(txn, members_of, &ids).await?,
            earlier: earlier(txn, bulk, rows).await?,
            settings: CodeSettings::of(&brand)?,
            coupon,
        })
    }

    async fn insert(&self, txn: &DatabaseTransaction, bulk: &Bulk<'_>, row: &mut Row) -> Result<End> {
        if let Some(code) = self.earlier.get(&row.number) {
            let same = Some(code.affiliate_id) == row.affiliate
                && code.coupon_id == bulk.coupon
                && code.batch_text == row.text;
            let invalid = |message: &str| Err(Error::user(UserErrorCode::Invalid, &[], message));
            return match (same, code.deleted_at) {
                (true, None) => Ok(End::There(code.id)),
                (true, Some(_)) => invalid("The code of this row was deleted."),
                (false, _) => invalid("This row of the batch was minted with other content."),
            };
        }
        let coupon = self.coupon.as_ref().map_err(|problems| Error::User(problems.clone()))?;
        let affiliate = row.affiliate.and_then(|id| self.affiliates.get(&id));
        let affiliate = affiliate.ok_or_else(|| Error::not_found(&["affiliateId"]))?;
        let is_in = self.members.contains(&affiliate.id);
        minting::require_fit(Minter::Manager, coupon, affiliate.id, is_in)?;
        minting::require_approved(affiliate)?;
        let new = NewCode {
            coupon,
            affiliate: affiliate.id,
            batch: bulk.batch.as_deref().map(|batch| BatchRow {
                batch,
                row: row.number,
                text: row.text.as_deref(),
            }),
            connected: bulk.connected,
            tried_at_once: true,
        };
        let (domain, actor) = (bulk.domain, bulk.actor);
        if let Some(text) = &row.text {
            let minted = new_code::insert_in_txn(txn, domain, actor, &new, text).await?;
            return minted
                .map(|minted| End::New(minted.into()))
                .ok_or_else(|| codes::is_taken(text));
        }
        let reserved = &self.settings.reserved_words;
        let base = generated(&affiliate.name, coupon, reserved);
        let base = (base.as_str(), row.from);
        let minted = new_code::insert_generated_in_txn(txn, domain, actor, &new, base, reserved).await?;
        let (minted, at) = minted.ok_or_else(codes::none_free)?;
        row.from = at + 1;
        Ok(End::New(minted.into()))
    }
}

async fn hold_affiliates(
    txn: &DatabaseTransaction,
    scope: &Scope,
    ids: &BTreeSet<AffiliateId>,
) -> Result<BTreeMap<AffiliateId, affiliate::Model>> {
    let rows = tenancy::find::<affiliate::Entity>(scope)
        .filter(affiliate::Column::Id.is_in(ids.iter().copied()))
        .order_by_asc(affiliate::Column::Id)
        .lock_shared()
        .all(txn)
        .await?;
    Ok(rows.into_iter().map(|row| (row.id, row)).collect())
}

/// Which of the affiliates are in a campaign.
async fn members(
    txn: &DatabaseTransaction,
    campaign: Option<CampaignId>,
    ids: &BTreeSet<AffiliateId>,
) -> Result<BTreeSet<AffiliateId>> {
    let Some(campaign) = campaign else {
        return Ok(BTreeSet::new());
    };
    let rows = affiliate_campaign::Entity::find()
        .filter(affiliate_campaign::Column::CampaignId.eq(campaign))
        .filter(affiliate_campaign::Column::AffiliateId.is_in(ids.iter().copied()))
        .all(txn)
        .await?;
    Ok(rows.into_iter().map(|row| row.affiliate_id).collect())
}

/// What was minted for these rows of the batch before.
async fn earlier(txn: &DatabaseTransaction, bulk: &Bulk<'_>, rows: &[&mut Row]) -> Result<BTreeMap<i32, code::Model>> {
    let Some(batch) = &bulk.batch else {
        return Ok(BTreeMap::new());
    };
    let codes = tenancy::find::<code::Entity>(&bulk.actor.scope)
        .filter(code::Column::Batch.eq(batch))
        .filter(code::Column::BatchRow.is_in(rows.iter().map(|row| row.number)))
        .all(txn)
        .await?;
    let by_row = codes.into_iter().filter_map(|code| Some((code.batch_row?, code)));
    Ok(by_row.collect())
}
