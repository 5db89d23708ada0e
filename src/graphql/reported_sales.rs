//! What a brand's own server reports: sales and their refunds.

use async_graphql::{ID, InputObject, SimpleObject};
use chrono::{DateTime, Utc};

use super::{
    conversions::Conversion,
    errors::UserError,
    scalars::{MoneyInput, id},
};
use crate::domain::reported_sales::{Amount, RecordConversion, RefundConversion};

impl From<MoneyInput> for Amount {
    fn from(money: MoneyInput) -> Self {
        Self {
            minor_units: money.minor_units.0,
            currency: money.currency,
        }
    }
}

/// A sale that was made outside Stripe. It is credited by the click, the code, or the affiliate; one at least is needed.
#[derive(InputObject, Clone, Debug)]
pub struct RecordConversionInput {
    /// Your own name for the sale, an order's number for example: 1 to 200 characters, unique in the brand and mode.
    external_id: String,
    /// Paid, after discounts, without tax; zero or more.
    amount: MoneyInput,
    /// Beside the amount, in its currency; zero if left out.
    tax: Option<MoneyInput>,
    /// Now, if left out; not before 2000. Up to 5 minutes ahead of the server it counts as now. Cut to seconds.
    occurred_at: Option<DateTime<Utc>>,
    /// Who paid, to tell the same customer's sales.
    customer_email: Option<String>,
    /// What `rk_click` was on the landing page: `clk_…`.
    click_id: Option<String>,
    /// The last part of an affiliate's link. The same as its affiliate and campaign.
    link_slug: Option<String>,
    /// The code that was redeemed; any case, also what a code was called before.
    code: Option<String>,
    /// Who is credited where neither click nor code credits anybody.
    affiliate_id: Option<ID>,
    /// Needed with `affiliateId` where the affiliate is in several campaigns.
    campaign_id: Option<ID>,
}

impl From<RecordConversionInput> for RecordConversion {
    fn from(input: RecordConversionInput) -> Self {
        Self {
            external_id: input.external_id,
            amount: input.amount.into(),
            tax: input.tax.map(Amount::from),
            occurred_at: input.occurred_at,
            customer_email: input.customer_email,
            click_id: input.click_id.map(|id| id.parse().ok()),
            link_slug: input.link_slug,
            code: input.code,
            affiliate_id: input.affiliate_id.as_ref().map(id),
            campaign_id: input.campaign_id.as_ref().map(id),
        }
    }
}

/// What went back of a sale that was made outside Stripe.
#[derive(InputObject, Clone, Debug)]
pub struct RefundConversionInput {
    /// Your own name for the sale.
    external_id: String,
    /// Cumulative; left out: all of it. Without tax, in the sale's currency. A smaller figure than before changes nothing.
    amount: Option<MoneyInput>,
}

impl From<RefundConversionInput> for RefundConversion {
    fn from(input: RefundConversionInput) -> Self {
        Self {
            external_id: input.external_id,
            amount: input.amount.map(Amount::from),
        }
    }
}

/// The sale as it stands, or what to mend.
#[derive(SimpleObject)]
pub struct RecordConversionPayload {
    /// As it is now; null when there is something to mend.
    pub conversion: Option<Conversion>,
    /// What to mend; then nothing was changed.
    pub user_errors: Vec<UserError>,
}

/// The sale as it stands, null while it has not come; or what to mend.
#[derive(SimpleObject)]
pub struct RefundConversionPayload {
    /// The sale; null while it has not come, and when there is something to mend.
    pub conversion: Option<Conversion>,
    /// What to mend; then nothing was changed.
    pub user_errors: Vec<UserError>,
}
