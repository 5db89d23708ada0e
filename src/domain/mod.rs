//! The rules, one file per noun. GraphQL and REST call these functions; these call the tables.
//!
//! `attribution` and `commission` are pure: no database, no clock, no I/O. The public functions open the transaction;
//! helpers that need one end in `_in_txn`.

pub mod adoption;
pub mod affiliates;
pub mod api_keys;
mod approval_mint;
pub mod attribution;
pub mod audit;
mod brand_secrets;
pub mod brands;
pub mod bulk_mint;
mod bulk_rows;
pub mod calendar;
pub mod campaign_codes;
mod campaign_rules;
pub mod campaigns;
pub mod clicks;
pub mod code_deletion;
pub mod code_renaming;
pub mod code_settings;
pub mod code_switching;
pub mod code_text;
pub mod codes;
pub mod commission;
pub mod conversions;
pub mod coupon_changes;
mod coupon_rules;
mod coupon_terms;
pub mod coupons;
mod cursor;
pub mod decisions;
pub mod drift;
mod effective;
pub mod feed;
pub mod feed_pruning;
mod figure_parts;
pub mod figures;
pub mod first_try;
pub mod follows;
pub mod inbox;
pub mod leaderboards;
pub mod ledger;
pub mod links;
pub mod live_codes;
mod minting;
pub mod nested;
mod new_code;
pub mod nodes;
pub mod owed;
pub mod page;
pub mod plans;
pub mod rates;
pub mod recruiters;
pub mod refused_codes;
pub mod repair;
pub mod replay;
mod reported_input;
mod reported_names;
pub mod reported_sales;
pub mod reports;
mod sale_log;
pub mod series;
pub mod simulation;
pub mod stats;
mod taken;
pub mod tenancy;

use std::sync::Arc;

use async_trait::async_trait;
use entity::id::BrandId;
use sea_orm::DatabaseTransaction;
use uuid::Uuid;

use crate::{
    auth::Scope,
    clock::Clock,
    db::{Db, Reader},
    error::Result,
};
use attribution::{Asked, Known};
use feed::FeedName;
use reports::{Report, ReportedSoFar};

/// What the rules work with.
#[derive(Clone)]
pub struct Domain {
    pub db: Db,
    pub clock: Clock,
    pub outbox: Arc<dyn Outbox>,
    pub books: Arc<dyn Books>,
}

impl Domain {
    /// For a request of the brand's.
    pub fn of_brand(&self, brand: BrandId) -> Self {
        self.with(self.db.of_brand(brand))
    }

    /// For a request without a token.
    pub fn of_nobody(&self) -> Self {
        self.with(self.db.of_nobody())
    }

    fn with(&self, db: Db) -> Self {
        Self { db, ..self.clone() }
    }
}

/// Carries out what is owed to Stripe. The operation's row is written by the domain, in the transaction of the change.
#[async_trait]
pub trait Outbox: Send + Sync {
    /// Whether the brand has a Stripe key for the scope's mode.
    async fn connected(&self, scope: &Scope) -> Result<bool>;

    /// Tries a new operation at once, for at most three seconds.
    async fn attempt(&self, operation: Uuid) -> Attempt;

    /// Something is owed: the worker need not wait for its timer.
    fn wake(&self);
}

/// Works out what stands once something is reported or decided.
#[async_trait]
pub trait Books: Send + Sync {
    /// Folds reports into their sales, in the caller's transaction and last in it.
    ///
    /// # Errors
    /// `Retry` where another transaction holds one of the sales: the caller's is begun again.
    async fn fold_in_txn(&self, txn: &DatabaseTransaction, feed: FeedName, reports: &[Report]) -> Result<()>;

    /// What a decision would look at.
    async fn known(&self, db: &Reader, feed: FeedName, asked: Asked) -> Result<Known>;

    /// What has been reported of a sale so far, by its external id; held until the transaction ends, also where that is
    /// nothing yet: of the same report told twice at once, one waits for the other.
    ///
    /// # Errors
    /// `Retry`, as above.
    async fn reported_in_txn(
        &self,
        txn: &DatabaseTransaction,
        feed: FeedName,
        external_id: &str,
    ) -> Result<ReportedSoFar>;

    /// The id of the last decision about a sale that the caller has locked.
    async fn last_decision_in_txn(&self, txn: &DatabaseTransaction, sale: Uuid) -> Result<Option<Uuid>>;

    /// The feed has grown; the commit is done.
    fn ring(&self);
}

/// How the first try of an operation ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Attempt {
    /// Stripe did it, and the row says so.
    Done,
    /// Stripe refused. Nothing was written: the caller takes its change back.
    Refused(Refusal),
    /// Not known, or not yet: the worker goes on.
    Pending,
}

/// Stripe's words (<https://docs.stripe.com/api/errors>).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub message: String,
    pub param: Option<String>,
}
