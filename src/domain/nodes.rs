//! Objects by their ids, many of a kind in one statement.
//!
//! What does not exist and what is not the caller's is left out.

use std::{collections::HashMap, hash::Hash};

use entity::{
    affiliate, affiliate_link, api_key, audit_entry, campaign, click, code, conversion, coupon,
    id::{
        AffiliateId, ApiKeyId, AuditEntryId, CampaignId, ClickId, CodeId, ConversionId, CouponId, EventId,
        LedgerEntryId, LinkId,
    },
    ledger_entry, stripe_event,
};
use sea_orm::{ColumnTrait, FromQueryResult, QueryFilter, Select, Value};

use super::{
    Domain,
    inbox::Event,
    tenancy::{self, Owned},
};
use crate::{
    auth::{Actor, Operation},
    error::Result,
};

/// The most ids that may be asked for at once.
pub const MAX_IDS: usize = 100;

async fn found<E, M, K>(
    domain: &Domain,
    rows: Select<E>,
    column: E::Column,
    ids: Vec<K>,
    id: impl Fn(&M) -> K,
) -> Result<HashMap<K, M>>
where
    E: Owned,
    M: FromQueryResult,
    K: Eq + Hash + Into<Value>,
{
    let rows = rows
        .filter(column.is_in(ids))
        .into_model::<M>()
        .all(domain.db.reader())
        .await?;
    Ok(rows.into_iter().map(|row| (id(&row), row)).collect())
}

/// Objects that are rows of a table, for those who may do an operation.
macro_rules! rows {
    ($($name:ident: $table:ident, $id:ty, $operation:ident;)+) => {$(
        pub async fn $name(domain: &Domain, actor: &Actor, ids: Vec<$id>) -> Result<HashMap<$id, $table::Model>> {
            actor.require(Operation::$operation)?;
            let rows = tenancy::find::<$table::Entity>(&actor.scope);
            found(domain, rows, $table::Column::Id, ids, |row: &$table::Model| row.id).await
        }
    )+};
}

rows! {
    campaigns: campaign, CampaignId, ReadCampaigns;
    affiliates: affiliate, AffiliateId, ReadAffiliates;
    links: affiliate_link, LinkId, ReadAffiliates;
    clicks: click, ClickId, ReadClicks;
    coupons: coupon, CouponId, ReadCoupons;
    codes: code, CodeId, ReadCodes;
    api_keys: api_key, ApiKeyId, ManageApiKeys;
    audit_entries: audit_entry, AuditEntryId, ReadAuditLog;
    ledger_entries: ledger_entry, LedgerEntryId, ReadLedger;
}

/// Events without their bodies.
pub async fn events(domain: &Domain, actor: &Actor, ids: Vec<EventId>) -> Result<HashMap<EventId, Event>> {
    actor.require(Operation::ReadInbox)?;
    let rows = Event::of(tenancy::find::<stripe_event::Entity>(&actor.scope));
    found(domain, rows, stripe_event::Column::Id, ids, |row: &Event| row.id).await
}

/// Conversions; the id of one that turned out to be another's gives that other one.
pub async fn conversions(
    domain: &Domain,
    actor: &Actor,
    ids: Vec<ConversionId>,
) -> Result<HashMap<ConversionId, conversion::Model>> {
    actor.require(Operation::ReadConversions)?;
    let mut leads: HashMap<ConversionId, ConversionId> = ids.iter().map(|id| (*id, *id)).collect();
    let mut answers = HashMap::new();
    // Each leads to one that is older; a statement for all that are as far away.
    while !leads.is_empty() {
        let rows = tenancy::find::<conversion::Entity>(&actor.scope);
        let now = leads.values().copied().collect();
        let rows = found(domain, rows, conversion::Column::Id, now, |row: &conversion::Model| {
            row.id
        })
        .await?;
        let mut further = HashMap::new();
        for (asked, id) in leads {
            let Some(row) = rows.get(&id) else { continue };
            match row.leads_to() {
                Some(older) => drop(further.insert(asked, older)),
                None => drop(answers.insert(asked, row.clone())),
            }
        }
        leads = further;
    }
    Ok(answers)
}
