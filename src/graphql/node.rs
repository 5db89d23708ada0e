//! Relay's global object identification: the id's prefix says which table it is of.

use async_graphql::{Context, ID, Interface};
use entity::id::{AffiliateId, CampaignId, CodeId, ConversionId, CouponId};

use super::{
    affiliates::Affiliate, campaigns::Campaign, codes::AffiliateCode, context::ContextExt, conversions::Conversion,
    coupons::CampaignCoupon, scalars::id,
};
use crate::{
    domain::{affiliates, campaigns, codes, conversions, coupons},
    error::Result,
};

/// An object that can be asked for by its id.
#[derive(Interface)]
#[graphql(field(name = "id", ty = "ID", desc = "Global: its prefix tells what it is."))]
pub enum Node {
    Campaign(Campaign),
    Affiliate(Affiliate),
    CampaignCoupon(CampaignCoupon),
    AffiliateCode(AffiliateCode),
    Conversion(Conversion),
}

/// Finds an object of any kind; `None` for what does not exist and for what is not the caller's.
pub async fn find(ctx: &Context<'_>, given: &ID) -> Result<Option<Node>> {
    let (domain, requester) = (ctx.domain()?, ctx.requester()?);
    let (actor, loaders) = (&requester.actor, &requester.loaders);
    macro_rules! kind {
        ($id:ty, $module:ident, $node:ident) => {
            if let Some(id) = id::<$id>(given) {
                let found = $module::get(domain, actor, id).await?;
                return Ok(found.map(|row| {
                    Node::$node($node {
                        row: row.into(),
                        loaders: loaders.clone(),
                    })
                }));
            }
        };
    }
    kind!(CampaignId, campaigns, Campaign);
    kind!(AffiliateId, affiliates, Affiliate);
    kind!(CouponId, coupons, CampaignCoupon);
    kind!(CodeId, codes, AffiliateCode);
    kind!(ConversionId, conversions, Conversion);
    Ok(None)
}
