//! Folds what is reported and decided into its sales: the door by which the domain comes to the books.

use async_trait::async_trait;
use entity::sale;
use sea_orm::{DatabaseTransaction, EntityTrait};
use uuid::Uuid;

use super::{
    facts::{Facts, Reported, read_report, reported_name},
    fold, known, sales,
};
use crate::{
    announce::FeedBell,
    clock::Clock,
    db::Reader,
    domain::{
        self,
        attribution::{Asked, Known},
        feed::FeedName,
        reports::{Report, ReportedSoFar},
    },
    error::{Error, Result},
};

#[derive(Clone)]
pub struct Books {
    pub clock: Clock,
    pub bell: FeedBell,
}

#[async_trait]
impl domain::Books for Books {
    async fn fold_in_txn(&self, txn: &DatabaseTransaction, feed: FeedName, reports: &[Report]) -> Result<()> {
        let told = reports.iter().map(|report| (feed, read_report(report)));
        let moved = fold::fold_in_txn(txn, &self.clock, told).await?;
        moved.write_in_txn(txn, &self.clock).await?;
        Ok(())
    }

    async fn known(&self, db: &Reader, feed: FeedName, asked: Asked) -> Result<Known> {
        known::read(db, feed, asked).await
    }

    async fn reported_in_txn(
        &self,
        txn: &DatabaseTransaction,
        feed: FeedName,
        external_id: &str,
    ) -> Result<ReportedSoFar> {
        let name = reported_name(external_id);
        let mut named = Facts::default();
        named.reported.insert(name.clone(), Reported::default());
        let sales = sales::merge_in_txn(txn, &self.clock, feed, vec![named]).await?;
        let lost = || Error::Internal("a reported sale has no row".into());
        let mut sale = sales.into_iter().next().ok_or_else(lost)?;
        let reported = sale.facts.reported.remove(&name).unwrap_or_default();
        Ok(ReportedSoFar {
            row: sale.row.id,
            sale: reported.sale,
            refunded: reported.refunded,
            fully_refunded: reported.fully_refunded,
        })
    }

    async fn last_decision_in_txn(&self, txn: &DatabaseTransaction, sale: Uuid) -> Result<Option<Uuid>> {
        let Some(row) = sale::Entity::find_by_id(sale).one(txn).await? else {
            return Ok(None);
        };
        let facts: Facts = serde_json::from_str(&row.facts)?;
        Ok(facts.decisions.keys().last().copied())
    }

    fn ring(&self) {
        self.bell.ring();
    }
}
