//! What the brand's servers report of sales and its managers decide about them: part of the log, never edited.

use sea_orm::entity::prelude::*;

use crate::id::BrandId;

crate::text_enum! {
    /// What is reported.
    ReportKind { Sale = "sale", Refund = "refund", Decision = "decision" }
}

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "sale_report")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub brand_id: BrandId,
    pub livemode: bool,
    pub kind: ReportKind,
    /// JSON.
    pub body: String,
    /// The token's `sub`.
    pub reported_by: String,
    pub reported_at: DateTimeUtc,
}

crate::plain_table!();
