//! Simulated attribution.

use std::sync::Arc;

use async_graphql::{Context, ID, InputObject, Object};
use chrono::{DateTime, Utc};

use super::{
    affiliates::Affiliate,
    codes::AffiliateCode,
    conversions::{AttributionMethod, AttributionStep},
    errors::graphql_error,
    loaders::Loaders,
    query::parts,
    scalars::{filter_id, present},
};
use crate::domain::{attribution::Decision, simulation};

/// A sale that nobody made.
#[derive(InputObject)]
pub struct SimulateAttributionInput {
    /// As typed at checkout; at most 20.
    codes: Option<Vec<String>>,
    /// `clk_…`; the other clicks of its visitor count as well.
    click_id: Option<String>,
    /// Where it is given, clicks of other campaigns do not count.
    campaign_id: Option<ID>,
    /// Now, where it is left out.
    occurred_at: Option<DateTime<Utc>>,
    /// Who would pay: a sale to the affiliate's own address is held.
    customer_email: Option<String>,
}

/// Who would be credited for a sale, and why.
pub struct AttributionSimulation {
    decision: Decision,
    loaders: Arc<Loaders>,
}

/// Who would be credited for a sale, and why.
#[Object]
impl AttributionSimulation {
    /// Null where nobody would be.
    async fn attribution_method(&self) -> Option<AttributionMethod> {
        self.decision.credit.as_ref().map(|credit| credit.method.into())
    }

    /// Who would be credited; null where nobody would be.
    async fn affiliate(&self) -> async_graphql::Result<Option<Affiliate>> {
        let Some(credit) = &self.decision.credit else {
            return Ok(None);
        };
        let row = present(self.loaders.affiliate(credit.affiliate_id).await, "affiliate")?;
        Ok(Some(Affiliate {
            row,
            loaders: self.loaders.clone(),
        }))
    }

    /// The code that would be shown, whether it is credited or not; none for one that a campaign's affiliates share.
    async fn code(&self) -> async_graphql::Result<Option<AffiliateCode>> {
        let shown = self.decision.credit.as_ref().and_then(|credit| credit.code.as_ref());
        let Some((id, _)) = shown.and_then(|shown| shown.code) else {
            return Ok(None);
        };
        let row = present(self.loaders.code(id).await, "code")?;
        Ok(Some(AffiliateCode {
            row,
            loaders: self.loaders.clone(),
        }))
    }

    /// It would earn nothing until a manager approves it.
    async fn held(&self) -> bool {
        self.decision.held
    }

    /// The reasons in the order in which the rules spoke.
    async fn attribution_trail(&self) -> Vec<AttributionStep> {
        let steps = self.decision.trail.iter().cloned();
        steps.map(AttributionStep::from).collect()
    }
}

/// Asks the domain.
pub(super) async fn simulate(
    ctx: &Context<'_>,
    input: SimulateAttributionInput,
) -> async_graphql::Result<AttributionSimulation> {
    let (domain, requester) = parts(ctx)?;
    let sale = simulation::Imagined {
        codes: input.codes.unwrap_or_default(),
        click: input.click_id,
        campaign: filter_id(input.campaign_id.as_ref()),
        occurred_at: input.occurred_at,
        customer_email: input.customer_email,
    };
    let decision = simulation::simulate(domain, &requester.actor, &sale).await;
    Ok(AttributionSimulation {
        decision: decision.map_err(graphql_error)?,
        loaders: requester.loaders.clone(),
    })
}
