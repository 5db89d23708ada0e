//! Links and clicks as rows, for tests of what becomes of them.

use entity::{affiliate_link, click, id::ClickId, id::LinkId};
use sea_orm::{ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter};
use serde_json::{Value, json};

use super::{TestApp, app::Brand};

/// A sale of 49.00 USD, as a brand's server reports it; with more fields, or others.
pub fn reported(external_id: &str, more: Value) -> Value {
    let mut sale = json!({ "externalId": external_id, "amount": { "minorUnits": 4900, "currency": "USD" } });
    for (name, value) in more.as_object().unwrap() {
        sale[name] = value.clone();
    }
    sale
}

impl TestApp {
    /// An affiliate's link in a campaign.
    async fn link(&self, brand: &Brand, affiliate: &str, campaign: &str) -> affiliate_link::Model {
        let (affiliate_id, campaign_id) = (affiliate.parse().unwrap(), campaign.parse().unwrap());
        let found = affiliate_link::Entity::find()
            .filter(affiliate_link::Column::AffiliateId.eq(affiliate_id))
            .filter(affiliate_link::Column::CampaignId.eq(campaign_id));
        if let Some(row) = found.one(self.db()).await.unwrap() {
            return row;
        }
        let id = LinkId(self.clock.new_id());
        let row = affiliate_link::Model {
            id,
            brand_id: brand.id,
            affiliate_id,
            campaign_id,
            slug: id.0.simple().to_string(),
            created_at: self.now(),
        };
        let txn = self.instance.app.db.begin().await.unwrap();
        let insert = affiliate_link::Entity::insert(row.clone().into_active_model());
        insert.exec_without_returning(&txn).await.unwrap();
        txn.commit().await.unwrap();
        row
    }

    /// What `/r/…` ends with.
    pub async fn slug(&self, brand: &Brand, affiliate: &str, campaign: &str) -> String {
        self.link(brand, affiliate, campaign).await.slug
    }

    /// Somebody new follows an affiliate's link, now.
    pub async fn click(&self, brand: &Brand, affiliate: &str, campaign: &str) -> String {
        let link = self.link(brand, affiliate, campaign).await;
        let row = click::Model {
            id: ClickId(self.clock.new_id()),
            brand_id: brand.id,
            link_id: link.id,
            affiliate_id: link.affiliate_id,
            campaign_id: link.campaign_id,
            visitor: self.clock.new_id(),
            address_hash: None,
            clicked_at: self.now(),
        };
        let txn = self.instance.app.db.begin().await.unwrap();
        let insert = click::Entity::insert(row.clone().into_active_model());
        insert.exec_without_returning(&txn).await.unwrap();
        txn.commit().await.unwrap();
        row.id.to_string()
    }
}
