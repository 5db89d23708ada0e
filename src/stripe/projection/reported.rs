//! A sale that the brand's server reported, as a part. Pure.

use std::collections::{BTreeMap, BTreeSet};

use entity::conversion::ConversionKind;

use super::Part;
use crate::{
    domain::attribution::Step,
    money::{self, proportion},
    stripe::facts::{MoneyBack, Paid, Reported},
};

/// What was told to have gone back and cannot have: a refund that came before its sale could not be held against it.
pub(super) fn misfits(reported: &Reported) -> impl Iterator<Item = Step> {
    let told = reported.sale.iter().flat_map(|sale| {
        let refunds = reported.refunded.iter();
        refunds.map(move |(currency, amount)| (sale, *currency, *amount))
    });
    told.filter_map(|(sale, currency, amount)| {
        let (outcome, why) = if currency != sale.currency {
            ("IGNORED", "the sale is in another currency")
        } else if amount > sale.amount {
            ("CUT", "it is more than the sale")
        } else {
            return None;
        };
        let refunded = currency.major_units(amount);
        Some(Step {
            rule: "REFUND".to_owned(),
            outcome: outcome.to_owned(),
            detail: Some(format!("{refunded} {currency} were reported: {why}")),
            affiliate: None,
        })
    })
}

impl<'a> Part<'a> {
    /// None while only a refund of it has come. What went back is told without tax; its tax went back in proportion.
    pub(super) fn reported(name: &str, reported: &'a Reported) -> Option<Self> {
        let sale = reported.sale.as_ref()?;
        let at = sale.at;
        let gross = money::sum([sale.amount, sale.tax]);
        let told = reported.refunded.get(&sale.currency).copied().unwrap_or(0);
        Some(Self {
            name: name.to_owned(),
            aliases: Vec::new(),
            kind: ConversionKind::OneOff,
            at,
            began: at,
            currency: sale.currency,
            paid: Some(Paid {
                at,
                amount_paid: gross,
                total: gross,
                total_excluding_tax: sale.amount,
                currency: sale.currency,
            }),
            pending: false,
            discounts: BTreeMap::new(),
            customer_email: sale.customer_email.as_deref(),
            back: MoneyBack {
                amount: if reported.fully_refunded {
                    gross
                } else {
                    proportion(gross, told, sale.amount)
                },
                disputed: false,
                whole: reported.fully_refunded,
            },
            clicks: sale.click.into_iter().collect(),
            clicks_of_customer: BTreeSet::new(),
            reported: Some(sale),
        })
    }
}
