//! Clicks, read. They are written by `src/clicks.rs`, beside the redirect.

use entity::{
    click,
    id::{AffiliateId, CampaignId, ClickId},
};
use sea_orm::{ColumnTrait, Condition, PaginatorTrait, QueryFilter, Select};

use super::{
    Domain,
    page::{self, Order, Page, PageArgs},
    tenancy,
};
use crate::{
    auth::{Actor, Operation},
    error::Result,
};

/// Which clicks: everything that is given must hold. An id that could not be read is `Some(None)`: no click has it.
#[derive(Clone, Debug, Default)]
pub struct ClickFilter {
    pub affiliate_id: Option<Option<AffiliateId>>,
    pub campaign_id: Option<Option<CampaignId>>,
}

fn filtered(actor: &Actor, filter: &ClickFilter) -> Result<Select<click::Entity>> {
    actor.require(Operation::ReadClicks)?;
    let asked = Condition::all()
        .add_option(filter.affiliate_id.map(|id| page::is(click::Column::AffiliateId, id)))
        .add_option(filter.campaign_id.map(|id| page::is(click::Column::CampaignId, id)));
    Ok(tenancy::find::<click::Entity>(&actor.scope).filter(asked))
}

/// A page of the clicks that the caller may see, newest first.
pub async fn list(domain: &Domain, actor: &Actor, filter: &ClickFilter, args: &PageArgs) -> Result<Page<click::Model>> {
    let order = Order::newest_first(click::Column::ClickedAt, click::Column::Id);
    page::fetch(domain.db.reader(), filtered(actor, filter)?, order, args).await
}

pub async fn count(domain: &Domain, actor: &Actor, filter: &ClickFilter) -> Result<u64> {
    Ok(filtered(actor, filter)?.count(domain.db.reader()).await?)
}

pub async fn get(domain: &Domain, actor: &Actor, id: ClickId) -> Result<Option<click::Model>> {
    let rows = filtered(actor, &ClickFilter::default())?.filter(click::Column::Id.eq(id));
    Ok(rows.one(domain.db.reader()).await?)
}
