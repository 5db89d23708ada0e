//! Campaigns.

use std::sync::Arc;

use async_graphql::{Enum, ID, InputObject, MaybeUndefined, Object, OneofObject, SimpleObject};
use entity::{campaign, campaign_code, campaign_rule, code::CodeStatus, id::CampaignId};

use super::{
    coupons::StripeSync,
    errors::{UserError, graphql_error},
    loaders::Loaders,
    scalars::{Decimal, Money, MoneyInput, id, present},
};
use crate::domain::{
    campaigns::{CommissionInput, CreateCampaign, UpdateCampaign},
    drift::Standing,
};

/// For how long a customer's sales earn a commission.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "entity::campaign_rule::CommissionDuration")]
pub enum CommissionDuration {
    /// The first sale above zero.
    FirstSale,
    /// `commissionMonths` from the first sale above zero.
    Months,
    /// All of them.
    Lifetime,
}

/// Which of several clicks counts.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "entity::campaign::ClickModel")]
pub enum ClickModel {
    /// A visitor's first within the cookie window.
    FirstClick,
    /// A visitor's last before the sale.
    LastClick,
}

/// A campaign: what its affiliates promote, and what it pays them.
#[derive(Clone)]
pub struct Campaign {
    pub row: Arc<campaign::Model>,
    pub loaders: Arc<Loaders>,
}

impl Campaign {
    async fn rule(&self) -> async_graphql::Result<Arc<campaign_rule::Model>> {
        present(self.loaders.rule(self.row.id).await, "rule")
    }

    async fn shared(&self) -> async_graphql::Result<Option<Arc<campaign_code::Model>>> {
        self.loaders.campaign_code(self.row.id).await.map_err(graphql_error)
    }
}

/// A campaign: what its affiliates promote, and what it pays them.
#[Object]
impl Campaign {
    /// `cmp_…`
    pub async fn id(&self) -> ID {
        self.row.id.to_string().into()
    }

    /// For people to read; at most 200 characters.
    async fn name(&self) -> &str {
        &self.row.name
    }

    /// Where its links lead.
    async fn landing_url(&self) -> &str {
        &self.row.landing_url
    }

    /// Whether affiliates may mint codes of their own in it, where the coupon allows it too.
    async fn affiliates_can_manage_codes(&self) -> bool {
        self.row.affiliates_can_manage_codes
    }

    /// What it pays of the paid amount, in percent; null when it pays a flat amount.
    async fn commission_percent(&self) -> async_graphql::Result<Option<Decimal>> {
        Ok(self.rule().await?.percent_bps.map(Decimal::percent))
    }

    /// What it pays for a sale; null when it pays a percentage.
    async fn commission_flat(&self) -> async_graphql::Result<Option<Money>> {
        let rule = self.rule().await?;
        let flat = rule.flat_amount.zip(rule.flat_currency.as_deref());
        flat.map(|(amount, currency)| Money::new(amount, currency)).transpose()
    }

    /// For how long a customer's sales earn.
    async fn commission_duration(&self) -> async_graphql::Result<CommissionDuration> {
        Ok(self.rule().await?.duration.into())
    }

    /// For `MONTHS`: how many.
    async fn commission_months(&self) -> async_graphql::Result<Option<i32>> {
        Ok(self.rule().await?.duration_months)
    }

    /// Which of several clicks counts.
    async fn click_model(&self) -> ClickModel {
        self.row.click_model.into()
    }

    /// How long before a sale a click still counts. Days.
    async fn cookie_window_days(&self) -> i32 {
        self.row.cookie_window_days
    }

    /// How long a commission is held before it is due. Days.
    async fn hold_days(&self) -> async_graphql::Result<i32> {
        Ok(self.rule().await?.hold_days)
    }

    /// What a recruiter earns of what its recruits do, on top of it, in percent; null for nothing.
    async fn override_percent(&self) -> async_graphql::Result<Option<Decimal>> {
        Ok(self.rule().await?.override_bps.map(Decimal::percent))
    }

    /// The code that all its affiliates share, in the mode of your token; null when it has none.
    async fn campaign_code(&self) -> async_graphql::Result<Option<String>> {
        let shared = self.shared().await?.filter(|row| row.status == CodeStatus::Active);
        Ok(shared.map(|row| row.code.clone()))
    }

    /// How many redemptions of the shared code stand now, whatever it was called.
    async fn campaign_code_redemption_count(&self) -> async_graphql::Result<i32> {
        let Some(row) = self.shared().await? else {
            return Ok(0);
        };
        let count = self.loaders.redemptions(row.id).await.map_err(graphql_error)?;
        Ok(i32::try_from(count.unwrap_or(0)).unwrap_or(i32::MAX))
    }

    /// How the shared code stands with Stripe; null when there never was one.
    async fn campaign_code_sync(&self) -> async_graphql::Result<Option<StripeSync>> {
        let Some(row) = self.shared().await? else {
            return Ok(None);
        };
        let read = self.loaders.campaign_code_sync(row.id).await.map_err(graphql_error)?;
        let (row, sync) = read.map_or_else(|| (row, None), |(row, sync)| (row, Some(sync)));
        let drift = Standing::from(row.as_ref()).drift();
        Ok(Some(StripeSync::new(sync, row.stripe_id.clone(), drift)))
    }
}

/// What a sale earns: a percentage or a flat amount.
#[derive(OneofObject, Clone, Debug)]
pub enum CommissionRuleInput {
    /// Above 0 and at most 100, with at most two decimals.
    Percent(Decimal),
    /// The same for every sale above zero.
    Flat(MoneyInput),
}

impl From<CommissionRuleInput> for CommissionInput {
    fn from(input: CommissionRuleInput) -> Self {
        match input {
            CommissionRuleInput::Percent(percent) => Self::Percent(percent.0),
            CommissionRuleInput::Flat(money) => Self::Flat {
                minor_units: money.minor_units.0,
                currency: money.currency,
            },
        }
    }
}

/// A new campaign.
#[derive(InputObject, Clone, Debug)]
pub struct CreateCampaignInput {
    /// At most 200 characters.
    name: String,
    /// An http or https URL.
    landing_url: String,
    /// What a sale earns.
    commission: CommissionRuleInput,
    /// For how long a customer's sales earn.
    #[graphql(default_with = "CommissionDuration::Lifetime")]
    commission_duration: CommissionDuration,
    /// For `MONTHS` alone: from 1 to 1200.
    commission_months: Option<i32>,
    /// Which of several clicks counts.
    #[graphql(default_with = "ClickModel::LastClick")]
    click_model: ClickModel,
    /// From 1 to 3650.
    #[graphql(default = 60)]
    cookie_window_days: i32,
    /// From 0 to 3650.
    #[graphql(default = 30)]
    hold_days: i32,
    /// What a recruiter earns of what its recruits do, on top of it: above 0 and at most 100, with at most two decimals. With
    /// the commission it is at most the whole sale.
    override_percent: Option<Decimal>,
    /// Whether affiliates may mint codes of their own in it, where the coupon allows it too.
    #[graphql(default = true)]
    affiliates_can_manage_codes: bool,
}

impl From<CreateCampaignInput> for CreateCampaign {
    fn from(input: CreateCampaignInput) -> Self {
        Self {
            name: input.name,
            landing_url: input.landing_url,
            commission: input.commission.into(),
            duration: input.commission_duration.into(),
            months: input.commission_months,
            click_model: input.click_model.into(),
            cookie_window_days: input.cookie_window_days,
            hold_days: input.hold_days,
            override_percent: input.override_percent.map(|percent| percent.0),
            affiliates_can_manage_codes: input.affiliates_can_manage_codes,
        }
    }
}

/// What is left out stays as it is. A changed commission counts for sales from now on.
#[derive(InputObject, Clone, Debug)]
pub struct UpdateCampaignInput {
    /// The campaign, `cmp_…`.
    id: ID,
    /// At most 200 characters.
    name: Option<String>,
    /// An http or https URL.
    landing_url: Option<String>,
    /// What a sale earns.
    commission: Option<CommissionRuleInput>,
    /// For how long a customer's sales earn.
    commission_duration: Option<CommissionDuration>,
    /// For `MONTHS` alone: from 1 to 1200.
    commission_months: Option<i32>,
    /// Which of several clicks counts.
    click_model: Option<ClickModel>,
    /// From 1 to 3650.
    cookie_window_days: Option<i32>,
    /// From 0 to 3650.
    hold_days: Option<i32>,
    /// Null takes it off. It counts for sales from now on.
    override_percent: MaybeUndefined<Decimal>,
    /// Whether affiliates may mint codes of their own in it.
    affiliates_can_manage_codes: Option<bool>,
}

impl UpdateCampaignInput {
    pub fn decode(self) -> (Option<CampaignId>, UpdateCampaign) {
        let change = UpdateCampaign {
            name: self.name,
            landing_url: self.landing_url,
            commission: self.commission.map(Into::into),
            duration: self.commission_duration.map(Into::into),
            months: self.commission_months,
            click_model: self.click_model.map(Into::into),
            cookie_window_days: self.cookie_window_days,
            hold_days: self.hold_days,
            override_percent: self.override_percent.map_value(|percent| percent.0).into(),
            affiliates_can_manage_codes: self.affiliates_can_manage_codes,
        };
        (id(&self.id), change)
    }
}

/// The new campaign, or what to mend.
#[derive(SimpleObject)]
pub struct CreateCampaignPayload {
    /// As it is now; null when there is something to mend.
    pub campaign: Option<Campaign>,
    /// What to mend; then nothing was changed.
    pub user_errors: Vec<UserError>,
}

/// The changed campaign, or what to mend.
#[derive(SimpleObject)]
pub struct UpdateCampaignPayload {
    /// As it is now; null when there is something to mend.
    pub campaign: Option<Campaign>,
    /// What to mend; then nothing was changed.
    pub user_errors: Vec<UserError>,
}
