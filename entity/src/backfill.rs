//! Events that Stripe may not have been able to deliver, because no server was there: what is owed of them, one row for a
//! brand and mode.

use sea_orm::entity::prelude::*;

use crate::id::BrandId;

crate::text_enum! {
    /// Where it stands.
    BackfillStatus {
        /// Owed.
        Pending = "pending",
        /// Everything was fetched.
        Done = "done",
    }
}

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "backfill")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub brand_id: BrandId,
    pub livemode: bool,
    /// From when on.
    pub since: DateTimeUtc,
    /// When it was owed last: it may be owed anew while it is worked on.
    pub owed_at: DateTimeUtc,
    pub status: BackfillStatus,
    pub attempts: i32,
    pub next_attempt_at: DateTimeUtc,
    pub leased_until: Option<DateTimeUtc>,
    pub last_error: Option<String>,
}

crate::plain_table!();
