//! Who and what sold the most.

use std::sync::Arc;

use async_graphql::{Enum, Object};

use super::{
    affiliates::Affiliate, campaigns::Campaign, codes::AffiliateCode, figures::SalesFigures, loaders::Loaders,
    scalars::present,
};
use crate::domain::{figures, leaderboards::Standing};

/// By what a leaderboard is ordered.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "figures::Metric")]
pub enum LeaderboardMetric {
    /// Uses of codes that stand now.
    Redemptions,
    /// Credited sales, renewals included.
    Conversions,
    /// In one currency, before refunds.
    Revenue,
    /// In one currency, net of clawbacks.
    Commission,
}

macro_rules! place {
    ($(#[doc = $doc:literal] $place:ident { #[doc = $field_doc:literal] $field:ident: $kind:ident })+) => {$(
        #[doc = $doc]
        pub struct $place {
            pub standing: Standing,
            pub loaders: Arc<Loaders>,
        }

        #[doc = $doc]
        #[Object]
        impl $place {
            /// From 1 on. Who has the same has the same rank, and is ordered by id; the next rank counts all before it.
            async fn rank(&self) -> i32 {
                self.standing.rank
            }

            #[doc = $field_doc]
            async fn $field(&self) -> async_graphql::Result<$kind> {
                let row = present(self.loaders.$field(self.standing.id.into()).await, stringify!($field))?;
                Ok($kind { row, loaders: self.loaders.clone() })
            }

            /// All figures of the range, each currency's.
            async fn figures(&self) -> SalesFigures {
                SalesFigures(self.standing.figures.clone())
            }
        }
    )+};
}

place! {
    /// An affiliate's place on a leaderboard.
    AffiliateStanding {
        /// Who has the place.
        affiliate: Affiliate
    }
    /// A code's place on a leaderboard.
    CodeStanding {
        /// What has the place; deleted codes keep theirs.
        code: AffiliateCode
    }
    /// A campaign's place on a leaderboard.
    CampaignStanding {
        /// What has the place.
        campaign: Campaign
    }
}
