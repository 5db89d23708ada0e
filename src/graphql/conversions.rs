//! Conversions.

use std::sync::Arc;

use async_graphql::{Context, Enum, ID, InputObject, Object, SimpleObject};
use chrono::{DateTime, Utc};
use entity::conversion;

use super::{
    affiliates::Affiliate,
    campaigns::Campaign,
    codes::AffiliateCode,
    context::ContextExt,
    errors::graphql_error,
    loaders::Loaders,
    scalars::{Money, filter_id, present},
};
use crate::domain::{attribution::Step, conversions};

/// What led the customer.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "entity::conversion::AttributionMethod")]
pub enum AttributionMethod {
    /// A click on an affiliate's link.
    Link,
    /// A code, typed at checkout.
    Coupon,
    /// The brand's own server said so.
    #[graphql(name = "S2S")]
    S2s,
}

/// Which sale of a customer it is.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "entity::conversion::ConversionKind")]
pub enum ConversionKind {
    /// A subscription's start, with its first invoice.
    Acquisition,
    /// A later invoice of a subscription.
    Renewal,
    /// A payment without a subscription.
    OneOff,
}

/// How a conversion stands: the first that holds of rejected, refunded, disputed, held, partially refunded, pending.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "crate::domain::conversions::Status")]
pub enum ConversionStatus {
    /// Its hold runs.
    Pending,
    /// Its commission is due.
    Approved,
    /// It earns nothing until a manager approves it.
    Held,
    /// A part of it was refunded.
    PartiallyRefunded,
    /// All of it was refunded, or its dispute was lost.
    Refunded,
    /// Its dispute is open.
    Disputed,
    /// A manager refused it.
    Rejected,
}

/// One reason in an attribution trail.
#[derive(SimpleObject, Clone, Debug)]
pub struct AttributionStep {
    /// The rule that spoke.
    rule: String,
    /// What it said.
    outcome: String,
    /// About whom or what it spoke; null where there is no more to say.
    detail: Option<String>,
}

impl From<Step> for AttributionStep {
    fn from(step: Step) -> Self {
        Self {
            rule: step.rule,
            outcome: step.outcome,
            detail: step.detail,
        }
    }
}

/// One credited sale.
#[derive(Clone)]
pub struct Conversion {
    pub row: Arc<conversion::Model>,
    pub loaders: Arc<Loaders>,
}

impl Conversion {
    pub fn new(row: conversion::Model, loaders: &Arc<Loaders>) -> Self {
        Self {
            row: Arc::new(row),
            loaders: loaders.clone(),
        }
    }
}

/// One credited sale.
#[Object]
impl Conversion {
    /// `cnv_…`
    pub async fn id(&self) -> ID {
        self.row.id.to_string().into()
    }

    /// What led the customer.
    async fn attribution_method(&self) -> AttributionMethod {
        self.row.attribution_method.into()
    }

    /// The redeemed code as typed at checkout, for example SARAH20. An affiliate is not told another's.
    async fn coupon_code(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<&str>> {
        let actor = &ctx.requester().map_err(graphql_error)?.actor;
        Ok(conversions::coupon_code(&self.row, &actor.scope))
    }

    /// What a dashboard's Source column shows: "Coupon · SARAH20", "Link", "S2S".
    async fn source(&self, ctx: &Context<'_>) -> async_graphql::Result<String> {
        let actor = &ctx.requester().map_err(graphql_error)?.actor;
        Ok(conversions::source(&self.row, &actor.scope))
    }

    /// Which sale of the customer it is.
    async fn kind(&self) -> ConversionKind {
        self.row.kind.into()
    }

    /// How it stands now.
    async fn status(&self, ctx: &Context<'_>) -> async_graphql::Result<ConversionStatus> {
        let now = ctx.domain().map_err(graphql_error)?.clock.now();
        Ok(conversions::status(&self.row, now).into())
    }

    /// The amount is not known yet: the first invoice has not come.
    async fn amount_pending(&self) -> bool {
        self.row.amount_pending
    }

    /// Whether it is of Stripe's live mode; test mode never mixes with it.
    async fn livemode(&self) -> bool {
        self.row.livemode
    }

    /// Paid, after discounts, without tax.
    async fn amount(&self) -> async_graphql::Result<Money> {
        Money::new(self.row.amount, &self.row.currency)
    }

    /// What was paid as tax, beside the amount.
    async fn tax(&self) -> async_graphql::Result<Money> {
        Money::new(self.row.tax, &self.row.currency)
    }

    /// Without tax.
    async fn refunded_amount(&self) -> async_graphql::Result<Money> {
        Money::new(self.row.refunded_amount, &self.row.currency)
    }

    /// What its affiliate earns of it, net of clawbacks, without a recruiter's override. A flat commission is in its own
    /// currency, whatever the sale's is.
    async fn commission(&self) -> async_graphql::Result<Money> {
        Money::new(self.row.commission, &self.row.commission_currency)
    }

    /// What the affiliate's recruiter earns on top, net of clawbacks. Null for affiliates, who do not see each other.
    async fn override_commission(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<Money>> {
        let actor = &ctx.requester().map_err(graphql_error)?.actor;
        if actor.scope.affiliate.is_some() {
            return Ok(None);
        }
        let sums = self.loaders.overrides(self.row.id).await.map_err(graphql_error)?;
        let currency = &self.row.commission_currency;
        let sum = sums.iter().flatten().find(|(of, _)| of == currency);
        Money::new(sum.map_or(0, |(_, amount)| *amount), currency).map(Some)
    }

    /// Who is credited.
    async fn affiliate(&self) -> async_graphql::Result<Affiliate> {
        let row = present(self.loaders.affiliate(self.row.affiliate_id).await, "affiliate")?;
        Ok(Affiliate {
            row,
            loaders: self.loaders.clone(),
        })
    }

    /// For which campaign it is credited.
    async fn campaign(&self) -> async_graphql::Result<Campaign> {
        let row = present(self.loaders.campaign(self.row.campaign_id).await, "campaign")?;
        Ok(Campaign {
            row,
            loaders: self.loaders.clone(),
        })
    }

    /// The redeemed code; none for one that a campaign's affiliates share.
    async fn code(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<AffiliateCode>> {
        let actor = &ctx.requester().map_err(graphql_error)?.actor;
        let Some(code) = conversions::code_id(&self.row, &actor.scope) else {
            return Ok(None);
        };
        let row = present(self.loaders.code(code).await, "code")?;
        Ok(Some(AffiliateCode {
            row,
            loaders: self.loaders.clone(),
        }))
    }

    /// The customer's e-mail, if Stripe told; for affiliates masked, as `j***@e***.com`.
    async fn customer_email(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<String>> {
        let actor = &ctx.requester().map_err(graphql_error)?.actor;
        Ok(conversions::customer_email(&self.row, actor))
    }

    /// Why it is credited as it is: the reasons in the order in which the rules spoke.
    /// An affiliate is not told of other affiliates, nor what a manager wrote.
    async fn attribution_trail(&self, ctx: &Context<'_>) -> async_graphql::Result<Vec<AttributionStep>> {
        let actor = &ctx.requester().map_err(graphql_error)?.actor;
        let steps = conversions::trail(&self.row, &actor.scope).map_err(graphql_error)?;
        Ok(steps.into_iter().map(AttributionStep::from).collect())
    }

    /// When the sale was, by Stripe.
    async fn occurred_at(&self) -> DateTime<Utc> {
        self.row.occurred_at
    }

    /// When it was recorded here.
    async fn recorded_at(&self) -> DateTime<Utc> {
        self.row.recorded_at
    }
}

/// Which conversions: everything that is given must hold; of a list, any.
#[derive(InputObject, Clone, Debug, Default)]
pub struct ConversionFilter {
    /// Led by any of these.
    attribution_method: Option<Vec<AttributionMethod>>,
    /// In any of these states now.
    status: Option<Vec<ConversionStatus>>,
    /// Of any of these kinds.
    kind: Option<Vec<ConversionKind>>,
    /// Credited for this campaign.
    campaign_id: Option<ID>,
    /// Credited to this affiliate.
    affiliate_id: Option<ID>,
    /// With this code, whatever it was called then.
    code_id: Option<ID>,
    /// Exact code string, any case.
    coupon_code: Option<String>,
    /// Inclusive.
    occurred_from: Option<DateTime<Utc>>,
    /// Exclusive.
    occurred_before: Option<DateTime<Utc>>,
}

impl From<ConversionFilter> for conversions::ConversionFilter {
    fn from(filter: ConversionFilter) -> Self {
        fn all<A, B: From<A>>(set: Option<Vec<A>>) -> Option<Vec<B>> {
            set.map(|set| set.into_iter().map(B::from).collect())
        }
        Self {
            attribution_method: all(filter.attribution_method),
            status: all(filter.status),
            kind: all(filter.kind),
            campaign_id: filter_id(filter.campaign_id.as_ref()),
            affiliate_id: filter_id(filter.affiliate_id.as_ref()),
            code_id: filter_id(filter.code_id.as_ref()),
            coupon_code: filter.coupon_code,
            occurred_from: filter.occurred_from,
            occurred_before: filter.occurred_before,
        }
    }
}
