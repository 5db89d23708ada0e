//! Adds to the log what servers report and managers decide, and folds it into its sale.

use entity::sale_report;
use sea_orm::{DatabaseTransaction, EntityTrait, IntoActiveModel};

use super::{Domain, feed::FeedName, reports::Report};
use crate::{
    auth::Actor,
    error::{Error, Result},
};

/// How often a transaction is begun again because another was in the way.
const TRIES: usize = 10;

/// Writes reports into the log and moves what stands, last in the transaction: the totals and the feed are locked until
/// its end. Rung after the commit is `domain.books`.
pub(super) async fn tell_in_txn(
    txn: &DatabaseTransaction,
    domain: &Domain,
    actor: &Actor,
    reports: &[Report],
) -> Result<()> {
    let mut rows = Vec::new();
    for report in reports {
        let row = sale_report::Model {
            id: domain.clock.new_id(),
            brand_id: actor.scope.brand,
            livemode: actor.scope.livemode,
            kind: report.kind(),
            body: serde_json::to_string(report)?,
            reported_by: actor.subject.clone(),
            reported_at: domain.clock.now(),
        };
        rows.push(row.into_active_model());
    }
    sale_report::Entity::insert_many(rows)
        .exec_without_returning(txn)
        .await?;
    domain
        .books
        .fold_in_txn(txn, FeedName::from(&actor.scope), reports)
        .await
}

/// Does a transaction's work, at once again where another was in the way.
pub(super) async fn again<T, F>(mut work: impl FnMut() -> F) -> Result<T>
where
    F: Future<Output = Result<T>>,
{
    for _ in 1..TRIES {
        match work().await {
            Err(Error::Retry(reason)) => tracing::debug!(reason, "once more"),
            result => return result,
        }
    }
    work().await
}
