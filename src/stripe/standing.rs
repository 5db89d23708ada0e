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

use crate::{domain::conversions, error::Result};

/// A place in the ledger, with when it is due: what should stand there is a sum.
pub(super) type Slot = (ConversionId, AffiliateId, EntryKind, String, DateTime<Utc>);

/// What stands for some sales.
pub(super) struct Standing {
    /// Those that were joined to others are not among them, those that were withdrawn are.
    pub(super) conversions: BTreeMap<(Uuid, String), conversion::Model>,
    pub(super) redemptions: BTreeMap<(CodeId, String), redemption::Model>,
    pub(super) ledger: BTreeMap<Slot, i64>,
}

impl Standing {
    /// Reads it, under the caller's locks.
    pub(super) async fn read(txn: &impl ConnectionTrait, sales: Vec<Uuid>) -> Result<Standing> {
        let conversions = conversion::Entity::find()
            .filter(conversion::Column::SaleId.is_in(sales.iter().copied()))
            .filter(conversions::not_joined())
            .all(txn)
            .await?;
        let redemptions = redemption::Entity::find()
            .filter(redemption::Column::SaleId.is_in(sales.iter().copied()))
            .all(txn)
            .await?;
        let ledger: Vec<(ConversionId, AffiliateId, EntryKind, String, DateTime<Utc>, i64)> =
            ledger_entry::Entity::find()
                .select_only()
                .column(ledger_entry::Column::ConversionId)
                .column(ledger_entry::Column::AffiliateId)
                .column(ledger_entry::Column::Kind)
                .column(ledger_entry::Column::Currency)
                .column(ledger_entry::Column::AvailableAt)
                .expr(Expr::col(ledger_entry::Column::Amount).sum().cast_as("bigint"))
                .filter(ledger_entry::Column::SaleId.is_in(sales))
                .group_by(ledger_entry::Column::ConversionId)
                .group_by(ledger_entry::Column::AffiliateId)
                .group_by(ledger_entry::Column::Kind)
                .group_by(ledger_entry::Column::Currency)
                .group_by(ledger_entry::Column::AvailableAt)
                .into_tuple()
                .all(txn)
                .await?;
        let slot =
            |(conversion, affiliate, kind, currency, due, sum)| ((conversion, affiliate, kind, currency, due), sum);
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
