//! Clicks, reported sales and managers' decisions, written as the server writes them.

use chrono::{DateTime, Utc};
use entity::{
    affiliate_link, click,
    id::{AffiliateId, BrandId, CampaignId, ClickId, CodeId, LinkId},
    sale_report, taken_code,
};
use rekomi::domain::{
    feed::FeedName,
    reports::{Decision, Report, ReportedCode, ReportedSale, Verdict},
};
use sea_orm::{ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter};
use serde_json::{Value, json};
use uuid::Uuid;

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
    async fn link_row(&self, affiliate: &str, campaign: &str) -> affiliate_link::Model {
        let (affiliate, campaign): (AffiliateId, CampaignId) = (affiliate.parse().unwrap(), campaign.parse().unwrap());
        let links = affiliate_link::Entity::find()
            .filter(affiliate_link::Column::AffiliateId.eq(affiliate))
            .filter(affiliate_link::Column::CampaignId.eq(campaign));
        links.one(self.db()).await.unwrap().unwrap()
    }

    /// An affiliate's link in a campaign.
    pub async fn link(&self, affiliate: &str, campaign: &str) -> LinkId {
        self.link_row(affiliate, campaign).await.id
    }

    /// What `/r/…` ends with.
    pub async fn slug(&self, affiliate: &str, campaign: &str) -> String {
        self.link_row(affiliate, campaign).await.slug
    }

    /// A click of Acme's on an affiliate's link by a visitor, at some second.
    pub async fn click(&self, affiliate: &str, campaign: &str, visitor: u128, at: i64) -> ClickId {
        self.record(self.acme.id, affiliate, campaign, Uuid::from_u128(visitor), second(at))
            .await
    }

    /// Somebody new follows an affiliate's link, now.
    pub async fn new_click(&self, brand: &Brand, affiliate: &str, campaign: &str) -> String {
        let visitor = self.clock.new_id();
        self.record(brand.id, affiliate, campaign, visitor, self.now())
            .await
            .to_string()
    }

    /// Many clicks of a visitor's, one each second.
    pub async fn clicks(&self, affiliate: &str, campaign: &str, visitor: u128, from: i64, many: i64) {
        let visitor = Uuid::from_u128(visitor);
        let one = self
            .click_row(self.acme.id, affiliate, campaign, visitor, second(from))
            .await;
        let rows = (0..many).map(|n| click::Model {
            id: ClickId(self.clock.new_id()),
            clicked_at: second(from + n),
            ..one.clone()
        });
        self.store(rows.collect()).await;
    }

    /// Stores a click whose id was given before, now.
    pub async fn late_click(&self, id: ClickId, affiliate: &str, campaign: &str) {
        let at = second(self.now().timestamp() - 60);
        let row = self
            .click_row(self.acme.id, affiliate, campaign, self.clock.new_id(), at)
            .await;
        self.store(vec![click::Model { id, ..row }]).await;
    }

    async fn click_row(
        &self,
        brand: BrandId,
        affiliate: &str,
        campaign: &str,
        visitor: Uuid,
        at: DateTime<Utc>,
    ) -> click::Model {
        click::Model {
            id: ClickId(self.clock.new_id()),
            brand_id: brand,
            link_id: self.link(affiliate, campaign).await,
            affiliate_id: affiliate.parse().unwrap(),
            campaign_id: campaign.parse().unwrap(),
            visitor,
            address_hash: None,
            clicked_at: at,
        }
    }

    async fn store(&self, clicks: Vec<click::Model>) {
        let (way, recorder) = rekomi::clicks::clicks(self.instance.app.db.clone());
        for click in clicks {
            way.record(click);
        }
        drop(way);
        recorder.run().await;
    }

    async fn record(
        &self,
        brand: BrandId,
        affiliate: &str,
        campaign: &str,
        visitor: Uuid,
        at: DateTime<Utc>,
    ) -> ClickId {
        let click = self.click_row(brand, affiliate, campaign, visitor, at).await;
        let id = click.id;
        self.store(vec![click]).await;
        id
    }

    /// A sale of 50.00 USD, now, that Acme's server knows by a name; to be reported.
    pub fn made_outside(&self, external_id: &str) -> ReportedSale {
        ReportedSale {
            external_id: external_id.to_owned(),
            at: self.now().timestamp(),
            claimed_at: None,
            currency: "USD".parse().unwrap(),
            amount: 5000,
            tax: 0,
            customer_email: None,
            click: None,
            link: None,
            code: None,
            affiliate: None,
            campaign: None,
        }
    }

    /// A code of Acme's, as a reported sale names it.
    pub async fn reported_code(&self, text: &str) -> Option<ReportedCode> {
        let key = (self.acme.id, true, text.to_owned());
        let row = taken_code::Entity::find_by_id(key).one(self.db()).await.unwrap();
        let id: CodeId = row.unwrap().code_id;
        Some(ReportedCode {
            id,
            code: text.to_owned(),
        })
    }

    /// What max decides about a part of a sale, now.
    pub async fn decides(&self, part: &str, verdict: Verdict) {
        let decision = Decision {
            id: self.clock.new_id(),
            part: part.to_owned(),
            verdict,
            reason: "because".to_owned(),
            by: "max".to_owned(),
            at: self.now().timestamp(),
        };
        self.reports(Report::Decision(decision)).await;
    }

    /// Adds to the log, and folds it.
    pub async fn reports(&self, report: Report) {
        let row = sale_report::Model {
            id: self.clock.new_id(),
            brand_id: self.acme.id,
            livemode: true,
            kind: report.kind(),
            body: serde_json::to_string(&report).unwrap(),
            reported_by: "max".to_owned(),
            reported_at: self.now(),
        };
        let feed = FeedName {
            brand: self.acme.id,
            livemode: true,
        };
        let app = &self.instance.app;
        let txn = app.db.begin().await.unwrap();
        let insert = sale_report::Entity::insert(row.into_active_model());
        insert.exec_without_returning(&txn).await.unwrap();
        app.domain.books.fold_in_txn(&txn, feed, &[report]).await.unwrap();
        txn.commit().await.unwrap();
    }
}

fn second(at: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(at, 0).unwrap()
}
