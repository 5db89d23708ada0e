//! A sale that the brand's server reported, as a part. Pure.

use std::collections::BTreeMap;

use entity::conversion::ConversionKind;

use super::Part;
use crate::{
    money::{self, proportion},
    stripe::facts::{MoneyBack, Paid, Reported},
};

impl<'a> Part<'a> {
    /// None while only a refund of it has come. What went back is told without tax; its tax went back in proportion.
    pub(super) fn reported(name: &str, reported: &'a Reported) -> Option<Self> {
        let sale = reported.sale.as_ref()?;
        let gross = money::sum([sale.amount, sale.tax]);
        let told = reported.refunded.get(&sale.currency).copied().unwrap_or(0);
        Some(Self {
            name: name.to_owned(),
            aliases: Vec::new(),
            kind: ConversionKind::OneOff,
            at: sale.at,
            currency: sale.currency,
            paid: Some(Paid {
                at: sale.at,
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
            },
            clicks: sale.click.into_iter().collect(),
            reported: Some(sale),
        })
    }
}
