//! Visitors follow links: their clicks are written as the server writes them.

use std::collections::BTreeMap;

use chrono::DateTime;
use entity::{affiliate, affiliate_link, campaign, click, id::AffiliateId};
use sea_orm::EntityTrait;
use uuid::Uuid;

use super::{
    super::{
        TestApp,
        script::{
            Lived,
            programs::{Campaign, Owner},
            visit::Click,
        },
    },
    Shop,
};

/// Whom a shop's visitors can follow, and where.
pub struct Visitors {
    pub owners: BTreeMap<AffiliateId, Owner>,
    links: BTreeMap<(Owner, Campaign), affiliate_link::Model>,
}

impl Visitors {
    pub async fn of(app: &TestApp) -> Self {
        let affiliates = affiliate::Entity::find().all(app.db()).await.unwrap();
        let owner = |name: &str| Owner::ALL.into_iter().find(|it| format!("{it:?}") == name).unwrap();
        let owners: BTreeMap<_, _> = affiliates.iter().map(|row| (row.id, owner(&row.name))).collect();
        let campaigns = campaign::Entity::find().all(app.db()).await.unwrap();
        let named = |name: &str| Campaign::ALL.into_iter().find(|it| format!("{it:?}") == name).unwrap();
        let campaigns: BTreeMap<_, _> = campaigns.iter().map(|row| (row.id, named(&row.name))).collect();
        let links = affiliate_link::Entity::find().all(app.db()).await.unwrap().into_iter();
        let links = links.map(|row| ((owners[&row.affiliate_id], campaigns[&row.campaign_id]), row));
        Self {
            links: links.collect(),
            owners,
        }
    }

    pub fn id_of(&self, owner: Owner) -> String {
        let mut owners = self.owners.iter();
        owners.find(|(_, it)| **it == owner).unwrap().0.to_string()
    }

    fn row(&self, visitor: Uuid, click: &Click) -> click::Model {
        let link = &self.links[&(click.followed.of, click.followed.campaign)];
        click::Model {
            id: click.id,
            brand_id: link.brand_id,
            link_id: link.id,
            affiliate_id: link.affiliate_id,
            campaign_id: link.campaign_id,
            visitor,
            address_hash: None,
            clicked_at: DateTime::from_timestamp(click.at, 0).unwrap(),
        }
    }
}

impl Shop {
    /// Puts the present truth of some sales into Stripe, and has those of their visitors' clicks written down that are not
    /// yet: what was followed by now, and what a sale names.
    pub async fn happened(&self, sales: &mut [Lived]) {
        let (way, recorder) = rekomi::clicks::clicks(self.db.clone());
        for sale in sales {
            sale.sync(&self.acme.stripe);
            let visitor = sale.clicks.first().map_or_else(Uuid::nil, |click| click.id.0);
            let until = sale
                .sale
                .bills()
                .iter()
                .map(|bill| bill.at)
                .max()
                .unwrap()
                .max(sale.now());
            for click in sale.clicks.iter_mut().filter(|click| !click.is_stored) {
                if click.named || click.at <= until {
                    click.is_stored = true;
                    way.record(self.visitors.row(visitor, click));
                }
            }
        }
        drop(way);
        recorder.run().await;
    }
}
