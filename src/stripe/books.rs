//! Folds what is reported and decided into its sales: the door by which the domain comes to the books.

use async_trait::async_trait;
use sea_orm::DatabaseTransaction;

use super::{facts::read_report, fold, known};
use crate::{
    announce::FeedBell,
    clock::Clock,
    db::Reader,
    domain::{
        self,
        attribution::{Asked, Known},
        feed::FeedName,
        reports::Report,
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

    fn ring(&self) {
        self.bell.ring();
    }
}
