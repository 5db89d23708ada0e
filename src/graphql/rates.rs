//! What affiliates earn instead of what the campaign pays.

use std::sync::Arc;

use async_graphql::{ID, InputObject, Object, SimpleObject};
use chrono::{DateTime, Utc};
use entity::affiliate_rate;

use super::{
    affiliates::Affiliate,
    campaigns::{Campaign, CommissionRuleInput},
    errors::UserError,
    loaders::Loaders,
    scalars::{Decimal, Money, id, present},
};
use crate::domain::rates::SetRate;

/// What an affiliate earns in a campaign instead of what the campaign pays.
pub struct AffiliateRate {
    row: affiliate_rate::Model,
    loaders: Arc<Loaders>,
}

impl AffiliateRate {
    pub fn new(row: affiliate_rate::Model, loaders: &Arc<Loaders>) -> Self {
        let loaders = loaders.clone();
        Self { row, loaders }
    }
}

/// What an affiliate earns in a campaign instead of what the campaign pays.
#[Object]
impl AffiliateRate {
    /// Where it earns that.
    async fn campaign(&self) -> async_graphql::Result<Campaign> {
        let row = present(self.loaders.campaign(self.row.campaign_id).await, "campaign")?;
        Ok(Campaign {
            row,
            loaders: self.loaders.clone(),
        })
    }

    /// Of the paid amount, in percent; null for a flat amount.
    async fn commission_percent(&self) -> Option<Decimal> {
        self.row.percent_bps.map(Decimal::percent)
    }

    /// For a sale; null for a percentage.
    async fn commission_flat(&self) -> async_graphql::Result<Option<Money>> {
        let flat = self.row.flat_amount.zip(self.row.flat_currency.as_deref());
        flat.map(|(amount, currency)| Money::new(amount, currency)).transpose()
    }

    /// From when on it counts.
    async fn effective_from(&self) -> DateTime<Utc> {
        self.row.effective_from
    }
}

/// What an affiliate earns in a campaign from now on. For how long, and when it is due, is the campaign's to say.
#[derive(InputObject, Clone, Debug)]
pub struct SetAffiliateRateInput {
    /// Who earns it.
    affiliate_id: ID,
    /// One that the affiliate is in.
    campaign_id: ID,
    /// Null or left out: what the campaign pays.
    commission: Option<CommissionRuleInput>,
}

impl From<SetAffiliateRateInput> for SetRate {
    fn from(input: SetAffiliateRateInput) -> Self {
        Self {
            affiliate_id: id(&input.affiliate_id),
            campaign_id: id(&input.campaign_id),
            commission: input.commission.map(Into::into),
        }
    }
}

/// The affiliate, or what to mend.
#[derive(SimpleObject)]
pub struct SetAffiliateRatePayload {
    /// As it is now; null when there is something to mend.
    pub affiliate: Option<Affiliate>,
    /// What to mend; then nothing was changed.
    pub user_errors: Vec<UserError>,
}
