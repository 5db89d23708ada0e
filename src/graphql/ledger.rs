//! The ledger.

use std::sync::Arc;

use async_graphql::{Context, Enum, ID, Object};
use chrono::{DateTime, Utc};
use entity::{conversion, ledger_entry};

use super::{
    affiliates::Affiliate,
    campaigns::Campaign,
    context::ContextExt,
    conversions::Conversion,
    errors::graphql_error,
    loaders::Loaders,
    scalars::{Money, present},
};
use crate::domain::ledger;

/// What an entry is for.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "entity::ledger_entry::EntryKind")]
pub enum LedgerEntryKind {
    /// Earned with a sale; below zero where the sale turned out to be no sale, or another's.
    Commission,
    /// Taken back for a refund; above zero where the refund was undone.
    Clawback,
    /// Earned with a recruit's sale.
    Override,
    /// Taken back of that.
    OverrideClawback,
}

/// An entry of the ledger. Entries are never changed: what is no longer so is undone by another.
#[derive(Clone)]
pub struct LedgerEntry {
    pub row: Arc<ledger_entry::Model>,
    pub loaders: Arc<Loaders>,
}

impl LedgerEntry {
    /// The sale that it is about; where that turned out to be another's, the older one.
    async fn sale(&self) -> async_graphql::Result<Arc<conversion::Model>> {
        let mut row = present(self.loaders.conversion(self.row.conversion_id).await, "conversion")?;
        while let Some(older) = row.leads_to() {
            row = present(self.loaders.conversion(older).await, "conversion")?;
        }
        Ok(row)
    }
}

/// An entry of the ledger. Entries are never changed: what is no longer so is undone by another.
#[Object]
impl LedgerEntry {
    /// `led_…`
    pub async fn id(&self) -> ID {
        self.row.id.to_string().into()
    }

    /// What it is for.
    async fn kind(&self) -> LedgerEntryKind {
        self.row.kind.into()
    }

    /// Below zero where it takes something back.
    async fn amount(&self) -> async_graphql::Result<Money> {
        Money::new(self.row.amount, &self.row.currency)
    }

    /// When it is due, unless a dispute is open then.
    async fn available_at(&self) -> DateTime<Utc> {
        self.row.available_at
    }

    /// When it was written.
    async fn created_at(&self) -> DateTime<Utc> {
        self.row.created_at
    }

    /// Whose balance it is in.
    async fn affiliate(&self) -> async_graphql::Result<Affiliate> {
        let row = present(self.loaders.affiliate(self.row.affiliate_id).await, "affiliate")?;
        Ok(Affiliate {
            row,
            loaders: self.loaders.clone(),
        })
    }

    /// The campaign of the sale.
    async fn campaign(&self) -> async_graphql::Result<Campaign> {
        let campaign = self.sale().await?.campaign_id;
        let row = present(self.loaders.campaign(campaign).await, "campaign")?;
        Ok(Campaign {
            row,
            loaders: self.loaders.clone(),
        })
    }

    /// The sale. Null for an affiliate whose sale it is not, or not any more: a recruiter is not shown its recruit's.
    async fn conversion(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<Conversion>> {
        let actor = &ctx.requester().map_err(graphql_error)?.actor;
        let row = self.sale().await?;
        Ok(ledger::shows(actor, &row).then(|| Conversion {
            row,
            loaders: self.loaders.clone(),
        }))
    }
}
