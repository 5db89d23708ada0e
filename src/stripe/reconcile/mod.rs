//! `rekomi reconcile`: holds our coupons and codes against Stripe's, records what differs, and mends it on demand.
//!
//! Stripe's lists are read page by page, so that memory does not grow with them. Each row that a page shows is marked as
//! seen; what is not marked at the end is asked for by its id, and missing only if Stripe says so. What is still owed is
//! left out.

mod compare;
mod lists;
mod unseen;

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::fetch::Fetcher;
use crate::{
    auth::Actor,
    directory::Way,
    domain::{
        Domain,
        feed::FeedName,
        repair::{self, Repair, Repaired},
    },
    error::Result,
};

/// Holds one brand's and mode's coupons and codes against Stripe's.
pub struct Reconcile<'a> {
    pub stripe: &'a Fetcher,
    pub domain: &'a Domain,
    pub feed: FeedName,
    pub way: &'a Way,
    /// Whether what differs is to be mended.
    pub repair: bool,
}

/// Something that Stripe has otherwise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Difference {
    /// Ours.
    pub id: String,
    /// The code's text, or the coupon's name.
    pub name: String,
    pub stripe_id: String,
    /// One sentence.
    pub drift: String,
    #[serde(skip)]
    pub mend: Repair,
    /// `repaired`, `owed`, or why not; nothing where it was not asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repair: Option<String>,
}

/// How much was looked at, and how it ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Of ours.
    pub coupons: u64,
    pub codes: u64,
    pub differences: u64,
    /// Of those, how many are neither mended nor owed.
    pub left: u64,
}

/// Why it was not done to the end.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    #[error("Stripe: {0}")]
    Stripe(String),
    #[error(transparent)]
    Ours(#[from] crate::error::Error),
}

impl From<sea_orm::DbErr> for Trouble {
    fn from(error: sea_orm::DbErr) -> Self {
        Self::Ours(error.into())
    }
}

impl Reconcile<'_> {
    /// Tells of each difference as it is found.
    pub async fn run(&self, mut tell: impl FnMut(&Difference)) -> Result<Summary, Trouble> {
        let began = self.stripe.clock.now();
        let mut summary = Summary::default();
        self.coupons(began, &mut summary, &mut tell).await?;
        self.codes(began, &mut summary, &mut tell).await?;
        Ok(summary)
    }

    async fn coupons(
        &self,
        began: DateTime<Utc>,
        summary: &mut Summary,
        tell: &mut impl FnMut(&Difference),
    ) -> Result<(), Trouble> {
        let mut pages = lists::Pages::new("/coupons");
        while let Some(page) = self.page(&mut pages).await? {
            let (looked, found) = self.compare_coupons(&page).await?;
            summary.coupons += looked;
            self.settle(found, summary, tell).await?;
        }
        let mut after = None;
        while let Some(row) = self.unseen_coupon(began, after).await? {
            after = Some(row.id);
            if let Some(found) = self.look_at_coupon(&row).await? {
                summary.coupons += 1;
                self.settle(found, summary, tell).await?;
            }
        }
        Ok(())
    }

    async fn codes(
        &self,
        began: DateTime<Utc>,
        summary: &mut Summary,
        tell: &mut impl FnMut(&Difference),
    ) -> Result<(), Trouble> {
        let mut pages = lists::Pages::new("/promotion_codes");
        while let Some(page) = self.page(&mut pages).await? {
            let (looked, found) = self.compare_codes(&page).await?;
            summary.codes += looked;
            self.settle(found, summary, tell).await?;
        }
        for shared in [false, true] {
            let mut after = None;
            while let Some(row) = self.unseen_code(began, after, shared).await? {
                after = Some(row.id);
                if let Some(found) = self.look_at_code(&row).await? {
                    summary.codes += 1;
                    self.settle(found, summary, tell).await?;
                }
            }
        }
        Ok(())
    }

    /// Mends what was found, if that is wanted, and tells of it.
    async fn settle(
        &self,
        found: Vec<Difference>,
        summary: &mut Summary,
        tell: &mut impl FnMut(&Difference),
    ) -> Result<()> {
        for mut difference in found {
            summary.differences += 1;
            let mut left = true;
            if self.repair {
                let actor = Actor::command_line(self.feed.brand, self.feed.livemode);
                difference.repair = Some(match repair::repair(self.domain, &actor, &difference.mend).await? {
                    Repaired::Done => {
                        left = false;
                        "repaired".to_owned()
                    }
                    Repaired::Owed => {
                        left = false;
                        "owed".to_owned()
                    }
                    Repaired::Not(why) => why,
                });
            }
            summary.left += u64::from(left);
            tell(&difference);
        }
        Ok(())
    }
}
