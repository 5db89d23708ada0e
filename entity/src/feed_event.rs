//! The feed: what happened, numbered per brand and mode without gaps, visible in order.

use sea_orm::entity::prelude::*;

use crate::id::{AffiliateId, BrandId, CodeId, ConversionId};

crate::text_enum! {
    /// What happened.
    FeedKind {
        ConversionCreated = "conversion_created",
        ConversionUpdated = "conversion_updated",
        CodeStatsUpdated = "code_stats_updated",
    }
}

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "feed_event")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub brand_id: BrandId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub livemode: bool,
    #[sea_orm(primary_key, auto_increment = false)]
    pub sequence: i64,
    /// What a cursor names; tells nothing of how many there are.
    pub id: Uuid,
    pub kind: FeedKind,
    /// Of all but figures.
    pub conversion_id: Option<ConversionId>,
    /// Whom it concerns, when it was written.
    pub affiliate_id: AffiliateId,
    pub created_at: DateTimeUtc,
    /// Whose figures moved.
    pub code_id: Option<CodeId>,
}

crate::plain_table!();
