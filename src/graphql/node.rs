//! Relay's global object identification: the id's prefix says which table it is of.

use async_graphql::{Context, ID, Interface};
use entity::id::{
    AffiliateId, ApiKeyId, AuditEntryId, CampaignId, ClickId, CodeId, ConversionId, CouponId, EventId, LedgerEntryId,
    LinkId,
};

use super::{
    affiliates::Affiliate,
    api_keys::ApiKey,
    audit::AuditEntry,
    campaigns::Campaign,
    codes::AffiliateCode,
    context::ContextExt,
    conversions::Conversion,
    coupons::CampaignCoupon,
    inbox::StripeEvent,
    ledger::LedgerEntry,
    links::{AffiliateLink, Click},
    scalars::id,
};
use crate::{
    domain::{affiliates, api_keys, audit, campaigns, clicks, codes, conversions, coupons, inbox, ledger, links},
    error::Result,
};

/// An object that can be asked for by its id.
#[derive(Interface)]
#[graphql(field(name = "id", ty = "ID", desc = "Global: its prefix tells what it is."))]
pub enum Node {
    Campaign(Campaign),
    Affiliate(Affiliate),
    AffiliateLink(AffiliateLink),
    Click(Click),
    CampaignCoupon(CampaignCoupon),
    AffiliateCode(AffiliateCode),
    Conversion(Conversion),
    ApiKey(ApiKey),
    AuditEntry(AuditEntry),
    StripeEvent(StripeEvent),
    LedgerEntry(LedgerEntry),
}

/// Finds an object of any kind; `None` for what does not exist and for what is not the caller's.
pub async fn find(ctx: &Context<'_>, given: &ID) -> Result<Option<Node>> {
    let (domain, requester) = (ctx.domain()?, ctx.requester()?);
    let (actor, loaders) = (&requester.actor, &requester.loaders);
    macro_rules! kind {
        ($id:ty, $module:ident, $node:ident $(, $loaders:ident)?) => {
            if let Some(id) = id::<$id>(given) {
                let found = $module::get(domain, actor, id).await?;
                return Ok(found.map(|row| {
                    Node::$node($node {
                        row: row.into(),
                        $($loaders: loaders.clone(),)?
                    })
                }));
            }
        };
    }
    kind!(CampaignId, campaigns, Campaign, loaders);
    kind!(AffiliateId, affiliates, Affiliate, loaders);
    kind!(LinkId, links, AffiliateLink, loaders);
    kind!(ClickId, clicks, Click, loaders);
    kind!(CouponId, coupons, CampaignCoupon, loaders);
    kind!(CodeId, codes, AffiliateCode, loaders);
    kind!(ConversionId, conversions, Conversion, loaders);
    kind!(ApiKeyId, api_keys, ApiKey);
    kind!(AuditEntryId, audit, AuditEntry);
    kind!(EventId, inbox, StripeEvent, loaders);
    kind!(LedgerEntryId, ledger, LedgerEntry, loaders);
    Ok(None)
}
