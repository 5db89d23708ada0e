//! What Stripe told of one sale: a subscription with all its invoices, or a one-off payment. Facts only ever merge.

use sea_orm::entity::prelude::*;

use crate::id::BrandId;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "sale")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub brand_id: BrandId,
    pub livemode: bool,
    /// The merged facts, as JSON.
    pub facts: String,
    /// Counts the projections; part of the ledger's unique key.
    pub revision: i64,
    /// Set when this turned out to be the same sale as an older one.
    pub merged_into: Option<Uuid>,
    pub created_at: DateTimeUtc,
}

crate::plain_table!();
