//! Summed sales, and which sales are summed.

use async_graphql::{ID, InputObject, Object};
use chrono::{DateTime, Utc};

use super::{
    conversions::AttributionMethod,
    scalars::{Money, filter_id},
    stats::int,
};
use crate::domain::{
    figures::{Figures, FiguresFilter},
    stats::{self, Period},
};

/// Sales, summed. A sale counts when it occurred, and what became of it since counts with it: refunds and chargebacks lower
/// the day of the sale, a reassigned sale moves from one affiliate to the other. Held and rejected conversions count, as in
/// the list of conversions; they earn no commission.
pub struct SalesFigures(pub Figures);

impl SalesFigures {
    fn money(&self, part: impl Fn(&stats::Money) -> i64) -> async_graphql::Result<Vec<Money>> {
        Money::list(
            self.0
                .money
                .iter()
                .map(|(currency, money)| (currency.as_str(), part(money))),
        )
    }
}

/// Sales, summed. A sale counts when it occurred, and what became of it since counts with it: refunds and chargebacks lower
/// the day of the sale, a reassigned sale moves from one affiliate to the other. Held and rejected conversions count, as in
/// the list of conversions; they earn no commission.
#[Object]
impl SalesFigures {
    /// Uses of codes that stand now: one per code and subscription, or per code and one-off sale. They count for the code
    /// that was used, whoever was credited; by attribution method they are all under `COUPON`.
    async fn redemptions(&self) -> i32 {
        int(self.0.redemptions)
    }

    /// Uses of codes that full refunds took off. With `redemptions`, all that there ever were.
    async fn refunded_redemptions(&self) -> i32 {
        int(self.0.refunded_redemptions)
    }

    /// Credited sales, renewals included, whatever their status. For a code, those that it is credited for.
    async fn conversions(&self) -> i32 {
        int(self.0.conversions)
    }

    /// Of the conversions, later invoices of subscriptions.
    async fn renewals(&self) -> i32 {
        int(self.0.renewals)
    }

    /// What was paid, without tax, after discounts and before refunds; one sum per currency, in the order of their codes.
    async fn revenue(&self) -> async_graphql::Result<Vec<Money>> {
        self.money(|money| money.revenue)
    }

    /// What was given back of it, lost disputes included, without tax; one sum per currency.
    async fn refunded(&self) -> async_graphql::Result<Vec<Money>> {
        self.money(|money| money.refunded)
    }

    /// What the affiliates earn on those sales, net of clawbacks, without overrides; one sum per currency.
    async fn commission(&self) -> async_graphql::Result<Vec<Money>> {
        self.money(|money| money.commission)
    }
}

/// Sales from a moment on and before another.
#[derive(InputObject, Clone, Debug, Default)]
pub struct DateTimeRangeInput {
    /// Sales that occurred then or later.
    from: Option<DateTime<Utc>>,
    /// Sales that occurred earlier.
    before: Option<DateTime<Utc>>,
}

/// Which sales count: everything that is given must hold. For an affiliate only its own ever do.
#[derive(InputObject, Clone, Debug, Default)]
pub struct SalesFilter {
    /// Of one campaign.
    campaign_id: Option<ID>,
    /// Of one affiliate.
    affiliate_id: Option<ID>,
    /// Of one affiliate's code: its uses, and the sales that it is credited for.
    code_id: Option<ID>,
    /// Credited by any of these.
    attribution_method: Option<Vec<AttributionMethod>>,
}

impl From<DateTimeRangeInput> for Period {
    fn from(range: DateTimeRangeInput) -> Self {
        Self {
            from: range.from,
            before: range.before,
        }
    }
}

impl From<SalesFilter> for FiguresFilter {
    fn from(filter: SalesFilter) -> Self {
        let methods = filter.attribution_method;
        Self {
            campaign_id: filter_id(filter.campaign_id.as_ref()),
            affiliate_id: filter_id(filter.affiliate_id.as_ref()),
            code_id: filter_id(filter.code_id.as_ref()),
            attribution_method: methods.map(|methods| methods.into_iter().map(Into::into).collect()),
        }
    }
}
