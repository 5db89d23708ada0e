//! Affiliates' links, and who followed them.

use std::sync::Arc;

use async_graphql::{Context, ID, Object};
use chrono::{DateTime, Utc};
use entity::{affiliate_link, click};

use super::{affiliates::Affiliate, campaigns::Campaign, context::ContextExt, errors::graphql_error, loaders::Loaders};
use crate::error::Error;

/// What an affiliate shares of a campaign.
#[derive(Clone)]
pub struct AffiliateLink {
    pub row: Arc<affiliate_link::Model>,
    pub loaders: Arc<Loaders>,
}

/// What an affiliate shares of a campaign.
#[Object]
impl AffiliateLink {
    /// `lnk_…`
    pub async fn id(&self) -> ID {
        self.row.id.to_string().into()
    }

    /// In lower case; followed in any.
    async fn slug(&self) -> &str {
        &self.row.slug
    }

    /// What to share: `/r/{slug}` on this server. It leads to the campaign's landing page.
    async fn url(&self, ctx: &Context<'_>) -> async_graphql::Result<String> {
        let state = ctx.state().map_err(graphql_error)?;
        Ok(format!("{}/r/{}", state.public_url, self.row.slug))
    }

    /// The campaign that it leads to.
    async fn campaign(&self) -> async_graphql::Result<Campaign> {
        campaign(&self.loaders, self.row.campaign_id).await
    }

    /// How often it was followed, programs and pages that were fetched ahead left out.
    async fn click_count(&self) -> async_graphql::Result<i32> {
        let count = self.loaders.clicks(self.row.id).await.map_err(graphql_error)?;
        Ok(i32::try_from(count.unwrap_or(0)).unwrap_or(i32::MAX))
    }
}

/// Somebody followed a link.
#[derive(Clone)]
pub struct Click {
    pub row: Arc<click::Model>,
    pub loaders: Arc<Loaders>,
}

/// Somebody followed a link.
#[Object]
impl Click {
    /// `clk_…`: what Stripe, or your server, names the click by.
    pub async fn id(&self) -> ID {
        self.row.id.to_string().into()
    }

    /// The link that was followed.
    async fn link(&self) -> async_graphql::Result<AffiliateLink> {
        let found = self.loaders.link(self.row.link_id).await.map_err(graphql_error)?;
        let row = found.ok_or_else(|| missing("link"))?;
        Ok(AffiliateLink {
            row,
            loaders: self.loaders.clone(),
        })
    }

    /// When it was followed.
    async fn clicked_at(&self) -> DateTime<Utc> {
        self.row.clicked_at
    }

    /// Whose link it is.
    async fn affiliate(&self) -> async_graphql::Result<Affiliate> {
        let found = self
            .loaders
            .affiliate(self.row.affiliate_id)
            .await
            .map_err(graphql_error)?;
        Ok(Affiliate {
            row: found.ok_or_else(|| missing("affiliate"))?,
            loaders: self.loaders.clone(),
        })
    }

    /// The campaign that it leads to.
    async fn campaign(&self) -> async_graphql::Result<Campaign> {
        campaign(&self.loaders, self.row.campaign_id).await
    }
}

async fn campaign(loaders: &Arc<Loaders>, id: entity::id::CampaignId) -> async_graphql::Result<Campaign> {
    let found = loaders.campaign(id).await.map_err(graphql_error)?;
    Ok(Campaign {
        row: found.ok_or_else(|| missing("campaign"))?,
        loaders: loaders.clone(),
    })
}

fn missing(what: &str) -> async_graphql::Error {
    graphql_error(Error::Internal(format!("a click or a link without its {what}")))
}
