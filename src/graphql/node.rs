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
    connection::Maybe,
    context::ContextExt,
    conversions::Conversion,
    coupons::CampaignCoupon,
    errors::graphql_error,
    inbox::StripeEvent,
    ledger::LedgerEntry,
    links::{AffiliateLink, Click},
    scalars::id,
};
use crate::{
    domain::nodes,
    error::{Error, Result},
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

/// Finds objects of any kind, in order: `None` for what does not exist and for what is not the caller's, an error for a kind
/// that the caller may not read. A statement for each kind.
///
/// # Errors
/// `BAD_USER_INPUT` for more than 100.
pub async fn find(ctx: &Context<'_>, given: &[ID]) -> Result<Vec<Maybe<Node>>> {
    if given.len() > nodes::MAX_IDS {
        return Err(Error::BadUserInput(format!("ids must be at most {}.", nodes::MAX_IDS)));
    }
    let (domain, requester) = (ctx.domain()?, ctx.requester()?);
    let (actor, loaders) = (&requester.actor, &requester.loaders);
    let mut answers: Vec<Maybe<Node>> = given.iter().map(|_| None).collect();
    macro_rules! kind {
        ($id:ty, $find:ident, $node:ident $(, $loaders:ident)?) => {
            let asked: Vec<(usize, $id)> =
                given.iter().enumerate().filter_map(|(place, given)| Some((place, id(given)?))).collect();
            if !asked.is_empty() {
                let found = nodes::$find(domain, actor, asked.iter().map(|(_, id)| *id).collect()).await;
                let found = found.map_err(graphql_error);
                for (place, id) in asked {
                    answers[place] = match &found {
                        Ok(found) => found.get(&id).cloned().map(|row| {
                            Ok(Node::$node($node {
                                row: row.into(),
                                $($loaders: loaders.clone(),)?
                            }))
                        }),
                        Err(error) => Some(Err(error.clone())),
                    };
                }
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
    kind!(AuditEntryId, audit_entries, AuditEntry);
    kind!(EventId, events, StripeEvent, loaders);
    kind!(LedgerEntryId, ledger_entries, LedgerEntry, loaders);
    Ok(answers)
}
