//! What the brand's servers report of sales and its managers decide about them. Pure: no database, no clock, no I/O.
//!
//! A report is an entry of the log beside Stripe's events: it is stored as it came, and read into facts.

use std::collections::BTreeMap;

use entity::{
    id::{AffiliateId, CampaignId, ClickId, CodeId, LinkId},
    sale_report::ReportKind,
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::money::Currency;

/// Before the external id, in the name by which a reported sale and its part go: none of Stripe's has a colon.
pub const PREFIX: &str = "s2s:";

/// One entry of the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Report {
    Sale(ReportedSale),
    Refund(ReportedRefund),
    Decision(Decision),
}

/// A sale that was made outside Stripe. Amounts are minor units of `currency`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ReportedSale {
    /// The server's own name for it: unique within the brand and mode.
    pub external_id: String,
    /// Seconds since 1970.
    pub at: i64,
    /// When it was told, where `at` was still to come: it counts as of then, since nobody knows yet what will be in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub told_at: Option<i64>,
    pub currency: Currency,
    /// Paid, without tax.
    pub amount: i64,
    pub tax: i64,
    pub customer_email: Option<String>,
    pub click: Option<ClickId>,
    pub link: Option<LinkId>,
    pub code: Option<ReportedCode>,
    pub affiliate: Option<AffiliateId>,
    pub campaign: Option<CampaignId>,
}

impl ReportedSale {
    /// The sale's time: seconds since 1970.
    pub fn counts_at(&self) -> i64 {
        self.told_at.unwrap_or(self.at)
    }
}

/// A code that was redeemed on a reported sale.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ReportedCode {
    pub id: CodeId,
    /// As typed, in upper case.
    pub code: String,
}

/// What went back of a reported sale.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportedRefund {
    pub refunded_external_id: String,
    /// All that went back so far, minor units without tax, and its currency; or else the whole sale.
    pub amount: Option<(i64, Currency)>,
}

/// What a manager decides about one conversion.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// Later ones are greater.
    pub id: Uuid,
    /// Which part of a sale it is about, by one of the names that it goes by.
    pub part: String,
    pub verdict: Verdict,
    pub reason: String,
    /// The token's `sub`.
    pub by: String,
    /// Seconds since 1970.
    pub at: i64,
}

/// What is decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It stands, whatever held it.
    Approved,
    /// It earns nothing.
    Rejected,
    /// It is this affiliate's.
    Reassigned(AffiliateId),
}

/// What has been reported of one sale so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportedSoFar {
    /// The row of `sale`.
    pub row: Uuid,
    /// None while only a refund of it has come.
    pub sale: Option<ReportedSale>,
    /// All that went back, by currency. Minor units, without tax.
    pub refunded: BTreeMap<Currency, i64>,
    /// The whole sale went back.
    pub fully_refunded: bool,
}

impl ReportedSoFar {
    /// Whether a refund tells nothing new: refunds are cumulative, and the larger figure counts.
    pub fn covers(&self, refund: &ReportedRefund) -> bool {
        match refund.amount {
            Some((amount, currency)) => {
                self.fully_refunded || self.refunded.get(&currency).copied().unwrap_or_default() >= amount
            }
            None => self.fully_refunded,
        }
    }
}

impl Report {
    pub fn kind(&self) -> ReportKind {
        match self {
            Self::Sale(_) => ReportKind::Sale,
            Self::Refund(_) => ReportKind::Refund,
            Self::Decision(_) => ReportKind::Decision,
        }
    }
}
