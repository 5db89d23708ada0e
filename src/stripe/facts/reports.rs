//! What the brand's servers report and its managers decide, as facts of a sale.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Facts, Merge, merge_option};
use crate::{
    domain::reports::{PREFIX, Report, ReportedSale},
    money::Currency,
};

/// A sale that was made outside Stripe.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Reported {
    /// None while only a refund of it has come.
    pub sale: Option<ReportedSale>,
    /// All that went back, by currency; what is not the sale's does not count. Minor units, without tax.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub refunded: BTreeMap<Currency, i64>,
    /// The whole sale went back.
    pub fully_refunded: bool,
}

impl Merge for Reported {
    fn merge(&mut self, other: Self) {
        merge_option(&mut self.sale, other.sale);
        for (currency, amount) in other.refunded {
            let known = self.refunded.entry(currency).or_default();
            *known = amount.max(*known);
        }
        self.fully_refunded |= other.fully_refunded;
    }
}

/// The name by which a reported sale and its part go.
pub fn reported_name(external_id: &str) -> String {
    format!("{PREFIX}{external_id}")
}

/// Reads a report.
pub fn read_report(report: &Report) -> Facts {
    let mut facts = Facts::default();
    match report {
        Report::Sale(sale) => {
            let reported = facts.reported.entry(reported_name(&sale.external_id)).or_default();
            reported.sale = Some(sale.clone());
        }
        Report::Refund(refund) => {
            let name = reported_name(&refund.refunded_external_id);
            let reported = facts.reported.entry(name).or_default();
            match refund.amount {
                Some((amount, currency)) => drop(reported.refunded.insert(currency, amount)),
                None => reported.fully_refunded = true,
            }
        }
        Report::Decision(decision) => drop(facts.decisions.insert(decision.id, decision.clone())),
    }
    facts
}
