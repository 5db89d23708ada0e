//! Affiliates.

use std::sync::Arc;

use async_graphql::{Context, Enum, ID, InputObject, Object, SimpleObject};
use entity::{affiliate, id::AffiliateId};

use super::{
    codes::AffiliateCode,
    connection::{self, List, Total},
    context::ContextExt,
    errors::{UserError, graphql_error},
    links::AffiliateLink,
    loaders::Loaders,
    scalars::{Money, id},
};
use crate::domain::{affiliates::CreateAffiliate, codes, codes::CodeFilter, page::Place};

/// How an affiliate stands. Only an approved one mints and earns.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "entity::affiliate::AffiliateStatus")]
pub enum AffiliateStatus {
    Pending,
    Approved,
    Suspended,
    Rejected,
}

/// Somebody who shares codes.
#[derive(Clone)]
pub struct Affiliate {
    pub row: Arc<affiliate::Model>,
    pub loaders: Arc<Loaders>,
}

/// Somebody who shares codes.
#[Object]
impl Affiliate {
    /// `aff_…`
    pub async fn id(&self) -> ID {
        self.row.id.to_string().into()
    }

    async fn name(&self) -> &str {
        &self.row.name
    }

    async fn email(&self) -> &str {
        &self.row.email
    }

    async fn status(&self) -> AffiliateStatus {
        self.row.status.into()
    }

    /// Its codes, oldest first.
    #[graphql(complexity = "2 + connection::rows(first, last) * child_complexity")]
    async fn codes(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> async_graphql::Result<List<AffiliateCode>> {
        let args = connection::args(first, after, last, before);
        let filter = CodeFilter {
            affiliate_id: Some(Some(self.row.id)),
            ..CodeFilter::default()
        };
        let (domain, requester) = (
            ctx.domain().map_err(graphql_error)?,
            ctx.requester().map_err(graphql_error)?,
        );
        let page = codes::list(domain, &requester.actor, &filter, &args).await;
        let loaders = self.loaders.clone();
        connection::list(
            page,
            Total::Codes(filter),
            |row| Place::of(row.id.0),
            |row| AffiliateCode::new(row, &loaders),
        )
    }

    /// Its links, one for each campaign that it is in.
    async fn links(&self) -> async_graphql::Result<Vec<AffiliateLink>> {
        let rows = self.loaders.links(self.row.id).await.map_err(graphql_error)?;
        let link = |row| AffiliateLink {
            row,
            loaders: self.loaders.clone(),
        };
        Ok(rows.unwrap_or_default().into_iter().map(link).collect())
    }

    /// How many redemptions of its codes stand now.
    async fn redemption_count(&self) -> async_graphql::Result<i32> {
        let count = self
            .loaders
            .affiliate_redemptions(self.row.id)
            .await
            .map_err(graphql_error)?;
        Ok(i32::try_from(count.unwrap_or(0)).unwrap_or(i32::MAX))
    }

    /// All ledger entries, those on hold included; one sum per currency.
    async fn balance(&self) -> async_graphql::Result<Vec<Money>> {
        let sums = self
            .loaders
            .balance(self.row.id)
            .await
            .map_err(graphql_error)?
            .unwrap_or_default();
        Money::list(sums.iter().map(|(currency, amount)| (currency.as_str(), *amount)))
    }

    /// Past their hold, not yet paid out; one sum per currency.
    async fn balance_due(&self) -> async_graphql::Result<Vec<Money>> {
        let (sums, held) = tokio::join!(self.loaders.balance(self.row.id), self.loaders.on_hold(self.row.id));
        let held = held.map_err(graphql_error)?.unwrap_or_default();
        let on_hold = |currency: &str| {
            held.iter()
                .find(|(c, _)| c == currency)
                .map_or(0, |(_, amount)| *amount)
        };
        let sums = sums.map_err(graphql_error)?.unwrap_or_default();
        Money::list(
            sums.iter()
                .map(|(currency, amount)| (currency.as_str(), amount - on_hold(currency))),
        )
    }
}

/// A new affiliate.
#[derive(InputObject, Clone, Debug)]
pub struct CreateAffiliateInput {
    /// At most 200 characters.
    name: String,
    /// Unique within the brand, whatever the case.
    email: String,
    /// The campaigns to take part in: 1 to 100.
    campaign_ids: Vec<ID>,
    /// Approved at once; otherwise pending.
    #[graphql(default = true)]
    approve: bool,
}

impl From<CreateAffiliateInput> for CreateAffiliate {
    fn from(input: CreateAffiliateInput) -> Self {
        Self {
            name: input.name,
            email: input.email,
            campaign_ids: input.campaign_ids.iter().map(id).collect(),
            approve: input.approve,
        }
    }
}

/// How an affiliate stands from now on.
#[derive(InputObject, Clone, Debug)]
pub struct UpdateAffiliateStatusInput {
    id: ID,
    pub status: AffiliateStatus,
    /// At most 1000 characters.
    pub reason: Option<String>,
}

impl UpdateAffiliateStatusInput {
    pub fn affiliate_id(&self) -> Option<AffiliateId> {
        id(&self.id)
    }
}

/// The new affiliate, or what to mend.
#[derive(SimpleObject)]
pub struct CreateAffiliatePayload {
    pub affiliate: Option<Affiliate>,
    pub user_errors: Vec<UserError>,
}

/// The changed affiliate, or what to mend.
#[derive(SimpleObject)]
pub struct UpdateAffiliateStatusPayload {
    pub affiliate: Option<Affiliate>,
    pub user_errors: Vec<UserError>,
}
