//! The orders that lists can be asked for in.

use async_graphql::{Enum, InputObject};

use crate::domain::page::Sort;

/// Which way a list goes.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "crate::domain::page::Direction")]
pub enum OrderDirection {
    /// The smallest, the earliest or the first in the alphabet first.
    Asc,
    /// The largest, the latest or the last in the alphabet first.
    Desc,
}

/// What affiliates can be ordered by.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "crate::domain::affiliates::OrderField")]
pub enum AffiliateOrderField {
    /// When they were made.
    CreatedAt,
    /// The e-mail in lower case.
    Email,
}

/// What affiliate codes, and figures per code, can be ordered by.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "crate::domain::codes::OrderField")]
pub enum AffiliateCodeOrderField {
    /// When they were minted.
    CreatedAt,
    /// What they are called now.
    Code,
}

/// What conversions can be ordered by.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "crate::domain::conversions::OrderField")]
pub enum ConversionOrderField {
    /// When the sale was.
    OccurredAt,
}

/// What entries of the ledger can be ordered by.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "crate::domain::ledger::OrderField")]
pub enum LedgerEntryOrderField {
    /// When they were written.
    CreatedAt,
}

macro_rules! orders {
    ($($(#[$meta:meta])* $name:ident: $field:ident of $module:ident;)+) => {$(
        $(#[$meta])*
        #[derive(InputObject, Clone, Copy, Debug)]
        pub struct $name {
            /// What to order by; the id decides between equals.
            field: $field,
            /// Which way.
            direction: OrderDirection,
        }

        impl From<$name> for Sort<crate::domain::$module::OrderField> {
            fn from(order: $name) -> Self {
                Self {
                    field: order.field.into(),
                    direction: order.direction.into(),
                }
            }
        }
    )+};
}

orders! {
    /// An order of affiliates. A cursor belongs to the order that it came with.
    AffiliateOrder: AffiliateOrderField of affiliates;
    /// An order of affiliate codes, or of figures per code. A cursor belongs to the order that it came with.
    AffiliateCodeOrder: AffiliateCodeOrderField of codes;
    /// An order of conversions. A cursor belongs to the order that it came with.
    ConversionOrder: ConversionOrderField of conversions;
    /// An order of the ledger's entries. A cursor belongs to the order that it came with.
    LedgerEntryOrder: LedgerEntryOrderField of ledger;
}
