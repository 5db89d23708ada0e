//! Money on the wire: minor units beside a currency; what is for reading is text.

use serde::{Deserialize, Serialize};

use crate::{
    domain::reported_sales::Amount,
    error::{Error, Result},
    money::Currency,
};

/// An amount as it is answered.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Money {
    /// Exact, in the currency's major unit.
    amount: String,
    minor_units: i64,
    currency: Currency,
}

impl Money {
    /// Minor units of a stored currency.
    pub fn new(minor_units: i64, currency: &str) -> Result<Self> {
        let unknown = |_| Error::Internal(format!("the stored currency {currency:?}"));
        let currency: Currency = currency.parse().map_err(unknown)?;
        Ok(Self {
            amount: currency.major_units(minor_units).to_string(),
            minor_units,
            currency,
        })
    }
}

/// An amount as it is given.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MoneyInput {
    minor_units: i64,
    currency: String,
}

impl From<MoneyInput> for Amount {
    fn from(money: MoneyInput) -> Self {
        Self {
            minor_units: money.minor_units,
            currency: money.currency,
        }
    }
}
