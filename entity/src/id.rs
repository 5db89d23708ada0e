//! Public ids: a type prefix and the row's UUIDv7 as 32 hex digits, the same in GraphQL, REST, CSV, webhooks, the CLI
//! and Stripe's metadata.

use std::{fmt, str::FromStr};

use uuid::Uuid;

/// The text was no public id of the expected kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidId;

impl fmt::Display for InvalidId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not an id of the expected kind")
    }
}

impl std::error::Error for InvalidId {}

macro_rules! ids {
    ($($(#[$meta:meta])* $name:ident = $prefix:literal),+ $(,)?) => {$(
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, sea_orm::DeriveValueType)]
        pub struct $name(pub Uuid);

        impl $name {
            /// The type prefix of the public form, with its underscore.
            pub const PREFIX: &'static str = $prefix;
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "{}"), self.0.simple())
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                let hex = text.strip_prefix($prefix).filter(|hex| hex.len() == 32).ok_or(InvalidId)?;
                if hex.bytes().any(|byte| byte.is_ascii_uppercase()) {
                    return Err(InvalidId);
                }
                Uuid::try_parse(hex).map(Self).map_err(|_| InvalidId)
            }
        }

        impl From<Uuid> for $name {
            fn from(id: Uuid) -> Self {
                Self(id)
            }
        }

        impl sea_orm::TryFromU64 for $name {
            fn try_from_u64(_: u64) -> Result<Self, sea_orm::DbErr> {
                Err(sea_orm::DbErr::ConvertFromU64(stringify!($name)))
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    )+};
}

ids! {
    /// The tenant.
    BrandId = "brd_",
    /// What Rekomi's REST API calls a program.
    CampaignId = "cmp_",
    /// Somebody who shares codes.
    AffiliateId = "aff_",
    /// What an affiliate shares of a campaign.
    LinkId = "lnk_",
    /// Somebody followed a link.
    ClickId = "clk_",
    /// A discount; also the id of the Stripe coupon.
    CouponId = "cpn_",
    /// What a customer types.
    CodeId = "cod_",
    /// One credited sale.
    ConversionId = "cnv_",
    /// One line of the ledger.
    LedgerEntryId = "led_",
    /// One Stripe event in the inbox.
    EventId = "evt_",
    /// An API key; not the key itself.
    ApiKeyId = "key_",
    /// One entry of the audit log.
    AuditEntryId = "aud_",
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_back_from_its_public_form_alone() {
        let id = CouponId(Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0001));
        assert_eq!(id.to_string(), "cpn_01900000000070008000000000000001");
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(
            "cod_01900000000070008000000000000001".parse::<CouponId>(),
            Err(InvalidId)
        );
        assert_eq!(
            "cpn_0190000000007000800000000000000".parse::<CouponId>(),
            Err(InvalidId)
        );
        assert_eq!(
            "cpn_0190000000007000800000000000000A".parse::<CouponId>(),
            Err(InvalidId)
        );
    }
}
