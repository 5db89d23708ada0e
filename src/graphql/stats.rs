//! Per-code redemption figures.

use std::sync::Arc;

use async_graphql::{ID, InputObject, Object};
use chrono::{DateTime, Utc};

use super::{
    codes::AffiliateCode,
    loaders::Loaders,
    scalars::{Money, id},
};
use crate::domain::{
    codes::CodeFilter,
    stats::{self, CodeStats, Period},
};

/// A code with its figures.
pub struct CodeRedemptionStats {
    pub stats: Arc<CodeStats>,
    pub loaders: Arc<Loaders>,
}

impl CodeRedemptionStats {
    fn money(&self, part: impl Fn(&stats::Money) -> i64) -> async_graphql::Result<Vec<Money>> {
        let sums = self
            .stats
            .money
            .iter()
            .map(|(currency, money)| (currency.as_str(), part(money)));
        Money::list(sums.filter(|(_, amount)| *amount != 0))
    }
}

pub(super) fn int(count: i64) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

/// A code with its figures.
#[Object]
impl CodeRedemptionStats {
    /// The code; it may be deleted.
    async fn code(&self) -> AffiliateCode {
        AffiliateCode::new(self.stats.code.clone(), &self.loaders)
    }

    /// What stands now: one per subscription, or per one-off sale.
    async fn redemptions(&self) -> i32 {
        int(self.stats.redemptions)
    }

    /// What full refunds took off.
    async fn refunded_redemptions(&self) -> i32 {
        int(self.stats.refunded_redemptions)
    }

    /// Later invoices of subscriptions that the code won.
    async fn renewals(&self) -> i32 {
        int(self.stats.renewals)
    }

    /// Of the sales that the code won, renewals included, before refunds; one sum per currency.
    async fn revenue(&self) -> async_graphql::Result<Vec<Money>> {
        self.money(|money| money.revenue)
    }

    /// Refunds of those sales; one sum per currency.
    async fn refunded(&self) -> async_graphql::Result<Vec<Money>> {
        self.money(|money| money.refunded)
    }

    /// Commission on those sales, net of clawbacks; one sum per currency.
    async fn commission(&self) -> async_graphql::Result<Vec<Money>> {
        self.money(|money| money.commission)
    }

    /// When the code was last redeemed, refunded since or not.
    async fn last_redeemed_at(&self) -> Option<DateTime<Utc>> {
        self.stats.last_redeemed_at
    }
}

/// Which codes, and which sales of theirs.
#[derive(InputObject, Clone, Debug, Default)]
pub struct CodeRedemptionStatsFilter {
    /// Codes of this campaign.
    campaign_id: Option<ID>,
    /// Codes of this affiliate.
    affiliate_id: Option<ID>,
    /// This code alone.
    code_id: Option<ID>,
    /// Codes on this coupon.
    coupon_id: Option<ID>,
    /// Sales that occurred then or later.
    from: Option<DateTime<Utc>>,
    /// Sales that occurred earlier.
    before: Option<DateTime<Utc>>,
}

/// Whose figures to hear of.
#[derive(InputObject, Clone, Debug, Default)]
pub struct CodeStatsUpdatedFilter {
    /// Of coupons of this campaign.
    campaign_id: Option<ID>,
    /// Of this affiliate.
    affiliate_id: Option<ID>,
    /// This one alone.
    code_id: Option<ID>,
    /// Of this coupon.
    coupon_id: Option<ID>,
}

impl CodeStatsUpdatedFilter {
    pub fn decode(&self) -> CodeFilter {
        CodeFilter {
            campaign_id: self.campaign_id.as_ref().map(id),
            affiliate_id: self.affiliate_id.as_ref().map(id),
            code_id: self.code_id.as_ref().map(id),
            coupon_id: self.coupon_id.as_ref().map(id),
        }
    }
}

impl CodeRedemptionStatsFilter {
    pub fn decode(&self) -> (CodeFilter, Period) {
        let filter = CodeFilter {
            campaign_id: self.campaign_id.as_ref().map(id),
            affiliate_id: self.affiliate_id.as_ref().map(id),
            code_id: self.code_id.as_ref().map(id),
            coupon_id: self.coupon_id.as_ref().map(id),
        };
        let period = Period {
            from: self.from,
            before: self.before,
        };
        (filter, period)
    }
}
