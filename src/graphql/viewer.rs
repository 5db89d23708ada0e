//! Who is asking, and what they may do.

use std::sync::Arc;

use async_graphql::{Context, Enum, ID, Object, SimpleObject};
use chrono::{DateTime, Utc};
use entity::brand;

use super::{
    affiliates::Affiliate, api_keys::ApiKeyScope, context::ContextExt, context::Requester, errors::graphql_error,
    scalars::present,
};
use crate::{
    auth::{Actor, Credential},
    domain::brands,
};

/// What a token's holder is to the brand.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "crate::auth::Role")]
pub enum Role {
    /// May do everything in the brand.
    Owner,
    /// Runs the programme: campaigns, affiliates, coupons, codes and sales.
    Manager,
    /// Reads everything of the programme.
    Analyst,
    /// Reads what is its own, and mints codes for itself where it may.
    Affiliate,
}

/// Something that a caller may do. The names stay; new ones may come.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "crate::auth::Operation")]
pub enum Permission {
    /// Read campaigns.
    ReadCampaigns,
    /// Read affiliates and their links.
    ReadAffiliates,
    /// Read campaign coupons.
    ReadCoupons,
    /// Read affiliate codes, and what holds for them.
    ReadCodes,
    /// Read conversions.
    ReadConversions,
    /// Read figures per code.
    ReadStats,
    /// Read who sold most.
    ReadLeaderboards,
    /// Subscribe to conversions, and take the feed's cursor.
    ReadFeed,
    /// Ask who would be credited for a sale.
    SimulateAttribution,
    /// Read clicks.
    ReadClicks,
    /// Read the ledger.
    ReadLedger,
    /// Create and change campaigns.
    ManageCampaigns,
    /// Create and change affiliates, their recruiters and rates.
    ManageAffiliates,
    /// Create, change and delete campaign coupons.
    ManageCoupons,
    /// Mint codes for any affiliate, and rename, switch and delete them; set campaigns' shared codes.
    ManageCodes,
    /// Mint codes for oneself, where coupon and campaign allow it.
    MintOwnCode,
    /// Report sales that were made outside Stripe, and their refunds.
    ReportConversions,
    /// Set how many codes affiliates may mint, and with which words not.
    ManageCodeSettings,
    /// Approve, reject and reassign conversions.
    DecideConversions,
    /// Make, list, rotate and revoke API keys.
    ManageApiKeys,
    /// Read who changed what.
    ReadAuditLog,
    /// Look at what Stripe sent, and at what became of it.
    ReadInbox,
    /// Put Stripe's events back into the inbox.
    ReplayEvents,
    /// Send documents that are not on the operator's list, where owners are let to.
    SendAnyDocument,
}

/// What a brand pays for. Coupons and codes need `GROWTH` or a running trial.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "entity::brand::Tier")]
pub enum PlanTier {
    /// Without coupons and codes.
    Starter,
    /// With coupons and codes.
    Growth,
    /// With coupons and codes.
    Pro,
}

/// The brand that a token is for.
#[derive(SimpleObject, Clone, Debug)]
pub struct Brand {
    /// `brd_…`
    id: ID,
    /// For people to read.
    name: String,
    /// What addresses and the command line call it; unique on the server.
    slug: String,
    /// IANA name, such as `Europe/Berlin`: where the brand's days begin and end.
    time_zone: String,
    /// What it pays for. Null for affiliates.
    tier: Option<PlanTier>,
    /// Until then it may use what every tier has; it may be past. Null without a trial, and for affiliates.
    trial_ends_at: Option<DateTime<Utc>>,
}

impl Brand {
    fn shown_to(actor: &Actor, row: brand::Model) -> Self {
        let own = actor.scope.affiliate.is_none();
        Self {
            id: row.id.to_string().into(),
            name: row.name,
            slug: row.slug,
            time_zone: row.time_zone,
            tier: own.then(|| row.tier.into()),
            trial_ends_at: row.trial_ends_at.filter(|_| own),
        }
    }
}

/// Who is asking: what the request's token or API key says.
pub struct Viewer {
    pub requester: Requester,
}

/// Who is asking: what the request's token or API key says.
#[Object]
impl Viewer {
    /// The `sub` of the token, or the id of the API key: what the audit log calls the caller.
    async fn subject(&self) -> &str {
        &self.requester.actor.subject
    }

    /// The role of the token; null for an API key.
    async fn role(&self) -> Option<Role> {
        match self.requester.actor.credential {
            Credential::Token(role) => Some(role.into()),
            _ => None,
        }
    }

    /// The scopes of the API key; null for a token.
    async fn scopes(&self) -> Option<Vec<ApiKeyScope>> {
        match &self.requester.actor.credential {
            Credential::ApiKey { scopes, .. } => Some(scopes.iter().map(|scope| (*scope).into()).collect()),
            _ => None,
        }
    }

    /// What the caller may do at all, by role or scopes. What it may do with which object the brand's switches decide, too.
    async fn permissions(&self) -> Vec<Permission> {
        self.requester.actor.permissions().map(Permission::from).collect()
    }

    /// The brand whose rows the caller sees.
    async fn brand(&self, ctx: &Context<'_>) -> async_graphql::Result<Brand> {
        let (domain, actor) = (ctx.domain().map_err(graphql_error)?, &self.requester.actor);
        let row = brands::own(domain, actor).await.map_err(graphql_error)?;
        Ok(Brand::shown_to(actor, row))
    }

    /// Whether the caller sees Stripe's live mode; or else test mode.
    async fn livemode(&self) -> bool {
        self.requester.actor.scope.livemode
    }

    /// The affiliate that the caller is; null for all others.
    async fn affiliate(&self) -> async_graphql::Result<Option<Affiliate>> {
        let Some(own) = self.requester.actor.scope.affiliate else {
            return Ok(None);
        };
        let loaders: &Arc<_> = &self.requester.loaders;
        let row = present(loaders.affiliate(own).await, "affiliate")?;
        Ok(Some(Affiliate {
            row,
            loaders: loaders.clone(),
        }))
    }

    /// When the token or key ends by itself; null: not at all.
    async fn expires_at(&self) -> Option<DateTime<Utc>> {
        self.requester.actor.expires_at
    }
}
