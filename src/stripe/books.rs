//! Folds what is reported and decided into its sales: the door by which the domain comes to the books.

use async_trait::async_trait;
use sea_orm::DatabaseTransaction;

use super::{
    facts::{read_report, reported_name},
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
    error::Result,
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
    ) -> Result<Option<ReportedSoFar>> {
        let name = reported_name(external_id);
        let Some(mut sale) = sales::locked_in_txn(txn, feed, &name).await? else {
            return Ok(None);
        };
        let reported = sale.facts.reported.remove(&name).unwrap_or_default();
        Ok(Some(ReportedSoFar {
            row: sale.row.id,
            sale: reported.sale,
            refunded: reported.refunded,
            fully_refunded: reported.fully_refunded,
        }))
    }

    fn ring(&self) {
        self.bell.ring();
    }
}
