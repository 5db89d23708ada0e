//! The ledger: what affiliates earned and what was taken back. Append-only; a balance is a sum.

use sea_orm::entity::prelude::*;

use crate::id::{AffiliateId, BrandId, ConversionId, LedgerEntryId};

crate::text_enum! {
    /// What an entry is for.
    EntryKind {
        Commission = "commission",
        Clawback = "clawback",
        Override = "override",
        OverrideClawback = "override_clawback",
    }
}

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "ledger_entry")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: LedgerEntryId,
    pub brand_id: BrandId,
    pub livemode: bool,
    pub affiliate_id: AffiliateId,
    pub conversion_id: ConversionId,
    pub sale_id: Uuid,
    /// The projection that wrote it; unique together with conversion, affiliate, kind and currency.
    pub revision: i64,
    pub kind: EntryKind,
    pub currency: String,
    /// Minor units; negative takes back.
    pub amount: i64,
    /// When it is due.
    pub available_at: DateTimeUtc,
    pub created_at: DateTimeUtc,
}

crate::plain_table!();
