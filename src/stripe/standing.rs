//! What is recorded of some sales: the other side of a projection.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use entity::{
    conversion,
    id::{AffiliateId, CodeId, ConversionId},
    ledger_entry::{self, EntryKind},
    redemption,
};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, ExprTrait, QueryFilter, QuerySelect, sea_query::Expr};
use uuid::Uuid;

use crate::error::Result;

/// A place in the ledger: what should stand there is a sum.
pub(super) type Slot = (ConversionId, AffiliateId, EntryKind, String);

/// What stands in a place of the ledger.
#[derive(Clone, Copy)]
pub(super) struct Recorded {
    pub(super) sum: i64,
    /// When the last of it is due.
    pub(super) available_at: DateTime<Utc>,
}

/// What stands for some sales.
pub(super) struct Standing {
    pub(super) conversions: BTreeMap<(Uuid, String), conversion::Model>,
    pub(super) redemptions: BTreeMap<(CodeId, String), redemption::Model>,
    pub(super) ledger: BTreeMap<Slot, Recorded>,
}

impl Standing {
    /// Reads it, under the caller's locks.
    pub(super) async fn read(txn: &impl ConnectionTrait, sales: Vec<Uuid>) -> Result<Standing> {
        let conversions = conversion::Entity::find()
            .filter(conversion::Column::SaleId.is_in(sales.iter().copied()))
            .filter(conversion::Column::MergedInto.is_null())
            .all(txn)
            .await?;
        let redemptions = redemption::Entity::find()
            .filter(redemption::Column::SaleId.is_in(sales.iter().copied()))
            .all(txn)
            .await?;
        let ledger: Vec<(ConversionId, AffiliateId, EntryKind, String, i64, DateTime<Utc>)> =
            ledger_entry::Entity::find()
                .select_only()
                .column(ledger_entry::Column::ConversionId)
                .column(ledger_entry::Column::AffiliateId)
                .column(ledger_entry::Column::Kind)
                .column(ledger_entry::Column::Currency)
                .expr(Expr::col(ledger_entry::Column::Amount).sum().cast_as("bigint"))
                .column_as(ledger_entry::Column::AvailableAt.max(), "available_at")
                .filter(ledger_entry::Column::SaleId.is_in(sales))
                .group_by(ledger_entry::Column::ConversionId)
                .group_by(ledger_entry::Column::AffiliateId)
                .group_by(ledger_entry::Column::Kind)
                .group_by(ledger_entry::Column::Currency)
                .into_tuple()
                .all(txn)
                .await?;
        let slot = |(conversion, affiliate, kind, currency, sum, available_at)| {
            let recorded = Recorded { sum, available_at };
            ((conversion, affiliate, kind, currency), recorded)
        };
        Ok(Standing {
            conversions: conversions
                .into_iter()
                .map(|row| ((row.sale_id, row.part.clone()), row))
                .collect(),
            redemptions: redemptions
                .into_iter()
                .map(|row| ((row.code_id, row.usage.clone()), row))
                .collect(),
            ledger: ledger.into_iter().map(slot).collect(),
        })
    }
}
