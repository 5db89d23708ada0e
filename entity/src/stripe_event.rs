//! The inbox: Stripe's events as they came, never edited; the row is its own queue entry.

use sea_orm::entity::prelude::*;

use crate::id::{BrandId, EventId};

crate::text_enum! {
    /// Where an event stands.
    EventStatus {
        /// To be processed, at or after `next_attempt_at`.
        Pending = "pending",
        /// Its facts are in its sale.
        Processed = "processed",
        /// Of a kind that tells nothing of a sale.
        Ignored = "ignored",
        /// Set aside for an operator.
        Parked = "parked",
    }
}

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "stripe_event")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: EventId,
    pub brand_id: BrandId,
    /// Stripe's `evt_…`; unique within the brand.
    pub stripe_id: String,
    pub kind: String,
    pub livemode: bool,
    /// Stripe's `created`.
    pub occurred_at: DateTimeUtc,
    pub received_at: DateTimeUtc,
    /// The bytes that were signed.
    pub body: Vec<u8>,
    pub status: EventStatus,
    pub attempts: i32,
    pub next_attempt_at: DateTimeUtc,
    pub leased_until: Option<DateTimeUtc>,
    /// Why it was retried, parked or ignored.
    pub last_error: Option<String>,
}

crate::plain_table!();
