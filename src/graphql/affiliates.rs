//! Affiliates.

use std::sync::Arc;

use async_graphql::{Context, Enum, ID, InputObject, Object, SimpleObject};
use entity::{affiliate, affiliate_rate, code, id::AffiliateId};

use super::{
    codes::AffiliateCode,
    connection::{self, List, Total},
    context::{ContextExt, May},
    errors::{UserError, graphql_error},
    links::AffiliateLink,
    loaders::{Below, Loaders},
    rates::AffiliateRate,
    scalars::{Money, filter_id, id, present},
};
use crate::{
    auth::Operation,
    domain::{
        affiliates::{self, CreateAffiliate},
        codes, recruiters,
    },
};

/// How an affiliate stands. Only an approved one mints and earns.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "entity::affiliate::AffiliateStatus")]
pub enum AffiliateStatus {
    /// It waits to be approved: it neither mints nor earns.
    Pending,
    /// It mints and earns.
    Approved,
    /// It was approved, and is not now.
    Suspended,
    /// It was refused.
    Rejected,
}

/// Somebody who shares codes.
#[derive(Clone)]
pub struct Affiliate {
    pub row: Arc<affiliate::Model>,
    pub loaders: Arc<Loaders>,
}

impl Affiliate {
    /// What the caller asks for below it.
    fn below(&self, ctx: &Context<'_>) -> async_graphql::Result<Below<()>> {
        let actor = &ctx.requester().map_err(graphql_error)?.actor;
        Ok(Below {
            affiliate: self.row.id,
            scope: actor.scope,
            asked: (),
        })
    }
}

/// Somebody who shares codes.
#[Object]
impl Affiliate {
    /// `aff_…`
    pub async fn id(&self) -> ID {
        self.row.id.to_string().into()
    }

    /// For people to read; at most 200 characters.
    async fn name(&self) -> &str {
        &self.row.name
    }

    /// As it was given; unique within the brand in any case of letters.
    async fn email(&self) -> &str {
        &self.row.email
    }

    /// Whether it mints and earns.
    async fn status(&self) -> AffiliateStatus {
        self.row.status.into()
    }

    /// Its codes, oldest first.
    #[graphql(
        guard = "May(Operation::ReadCodes)",
        complexity = "2 + connection::rows(first, last) * child_complexity"
    )]
    async fn codes(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many from the start, 1 to 100; 50 where neither `first` nor `last` is given.")]
        first: Option<i32>,
        #[graphql(desc = "Only what comes after this cursor.")] after: Option<String>,
        #[graphql(desc = "How many from the end, 1 to 100. Not together with `first`.")] last: Option<i32>,
        #[graphql(desc = "Only what comes before this cursor.")] before: Option<String>,
    ) -> async_graphql::Result<List<AffiliateCode>> {
        let below = self.below(ctx)?;
        let order = codes::own_order();
        let asked = order
            .asked(&connection::args(first, after, last, before))
            .map_err(graphql_error)?;
        let page = self.loaders.code_page(below.clone().of(asked)).await;
        let node = |row: code::Model| AffiliateCode::new(row, &self.loaders);
        connection::nested(
            page,
            Total::CodesOf(below, self.loaders.clone()),
            |row| order.place(row),
            node,
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

    /// What it earns in campaigns where that is not what the campaign pays.
    async fn rates(&self) -> async_graphql::Result<Vec<AffiliateRate>> {
        let rates = self.loaders.rates(self.row.id).await.map_err(graphql_error)?;
        let rate = |row: &affiliate_rate::Model| AffiliateRate::new(row.clone(), &self.loaders);
        Ok(rates.unwrap_or_default().iter().map(rate).collect())
    }

    /// Who recruited it, as it stands now. Null for affiliates, who do not see each other.
    async fn recruited_by(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<Affiliate>> {
        let actor = &ctx.requester().map_err(graphql_error)?.actor;
        let recruiter = self.loaders.recruiter(self.row.id).await.map_err(graphql_error)?;
        let Some(id) = recruiter.filter(|_| actor.scope.affiliate.is_none()) else {
            return Ok(None);
        };
        let row = present(self.loaders.affiliate(id).await, "affiliate")?;
        Ok(Some(Affiliate {
            row,
            loaders: self.loaders.clone(),
        }))
    }

    /// Whom it has recruited, as it stands now, oldest first. Nobody for affiliates, who do not see each other.
    #[graphql(complexity = "2 + connection::rows(first, last) * child_complexity")]
    async fn recruits(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many from the start, 1 to 100; 50 where neither `first` nor `last` is given.")]
        first: Option<i32>,
        #[graphql(desc = "Only what comes after this cursor.")] after: Option<String>,
        #[graphql(desc = "How many from the end, 1 to 100. Not together with `first`.")] last: Option<i32>,
        #[graphql(desc = "Only what comes before this cursor.")] before: Option<String>,
    ) -> async_graphql::Result<List<Affiliate>> {
        let below = self.below(ctx)?;
        let order = recruiters::order();
        let asked = order
            .asked(&connection::args(first, after, last, before))
            .map_err(graphql_error)?;
        let page = self.loaders.recruit_page(below.clone().of(asked)).await;
        let node = |row| Affiliate {
            row: Arc::new(row),
            loaders: self.loaders.clone(),
        };
        connection::nested(
            page,
            Total::Recruits(below, self.loaders.clone()),
            |row| order.place(row),
            node,
        )
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

/// Which affiliates: everything that is given must hold; of a list, any.
#[derive(InputObject, Clone, Debug, Default)]
pub struct AffiliateFilter {
    /// In any of these states.
    status: Option<Vec<AffiliateStatus>>,
    /// In this campaign.
    campaign_id: Option<ID>,
}

impl From<AffiliateFilter> for affiliates::AffiliateFilter {
    fn from(filter: AffiliateFilter) -> Self {
        Self {
            status: filter.status.map(|set| set.into_iter().map(Into::into).collect()),
            campaign_id: filter_id(filter.campaign_id.as_ref()),
        }
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
    /// Who recruited it: that one earns the campaign's override of what this one does.
    recruited_by_id: Option<ID>,
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
            recruited_by: filter_id(input.recruited_by_id.as_ref()),
            approve: input.approve,
        }
    }
}

/// How an affiliate stands from now on.
#[derive(InputObject, Clone, Debug)]
pub struct UpdateAffiliateStatusInput {
    /// The affiliate, `aff_…`.
    id: ID,
    /// How it is to stand.
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
    /// As it is now; null when there is something to mend.
    pub affiliate: Option<Affiliate>,
    /// What to mend; then nothing was changed.
    pub user_errors: Vec<UserError>,
}

/// The changed affiliate, or what to mend.
#[derive(SimpleObject)]
pub struct UpdateAffiliateStatusPayload {
    /// As it is now; null when there is something to mend.
    pub affiliate: Option<Affiliate>,
    /// What to mend; then nothing was changed.
    pub user_errors: Vec<UserError>,
}
