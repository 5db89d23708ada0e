//! Scalars and small values: `Long`, money, and ids as they are given.

use std::str::FromStr;

use async_graphql::{
    ID, InputObject, InputValueError, InputValueResult, Number, Scalar, ScalarType, SimpleObject, Value,
};

use crate::{
    error::{Error, Result},
    graphql::errors::graphql_error,
    money::{self, Currency, MAX_MINOR_UNITS},
};

/// A whole number of up to 53 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Long(pub i64);

/// A whole number of up to 53 bits.
#[Scalar(name = "Long")]
impl ScalarType for Long {
    fn parse(value: Value) -> InputValueResult<Self> {
        let Value::Number(number) = &value else {
            return Err(InputValueError::expected_type(value));
        };
        let whole = number.as_i64().filter(|number| number.abs() <= MAX_MINOR_UNITS);
        whole
            .map(Self)
            .ok_or_else(|| InputValueError::custom("a Long is a whole number of up to 53 bits"))
    }

    fn to_value(&self) -> Value {
        Value::Number(Number::from(self.0))
    }
}

/// A decimal number as a string, exact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decimal(pub rust_decimal::Decimal);

/// A decimal number as a string, exact. Taken as a number, too.
#[Scalar(name = "Decimal")]
impl ScalarType for Decimal {
    fn parse(value: Value) -> InputValueResult<Self> {
        let parsed = <rust_decimal::Decimal as ScalarType>::parse(value);
        parsed.map(Self).map_err(InputValueError::propagate)
    }

    fn to_value(&self) -> Value {
        ScalarType::to_value(&self.0)
    }
}

/// An amount of money.
#[derive(SimpleObject, Clone, Debug, PartialEq, Eq)]
pub struct Money {
    /// Exact, in the currency's major unit: "19.99", "1500" for JPY.
    amount: Decimal,
    /// The same in minor units, as Stripe counts them.
    minor_units: Long,
    /// ISO 4217, upper case.
    currency: String,
}

impl Decimal {
    /// Percent, of basis points.
    pub fn percent(bps: i32) -> Self {
        Self(money::percent(bps))
    }
}

impl Money {
    /// Minor units of a stored currency.
    pub fn new(minor_units: i64, currency: &str) -> async_graphql::Result<Self> {
        let unknown = || graphql_error(Error::Internal(format!("the stored currency {currency:?}")));
        let currency: Currency = currency.parse().map_err(|_| unknown())?;
        Ok(Self {
            amount: Decimal(currency.major_units(minor_units)),
            minor_units: Long(minor_units),
            currency: currency.to_string(),
        })
    }

    /// A list of sums, one per currency.
    pub fn list<'a>(sums: impl IntoIterator<Item = (&'a str, i64)>) -> async_graphql::Result<Vec<Self>> {
        let sums = sums.into_iter();
        sums.map(|(currency, minor_units)| Self::new(minor_units, currency))
            .collect()
    }
}

/// An amount of money, given in minor units.
#[derive(InputObject, Clone, Debug)]
pub struct MoneyInput {
    /// Minor units, as Stripe counts them: cents for USD, yen for JPY.
    pub minor_units: Long,
    /// ISO 4217, any case.
    pub currency: String,
}

/// A typed id; `None` when the text is none of that kind, which is answered like an id that does not exist.
pub fn id<T: FromStr>(id: &ID) -> Option<T> {
    id.parse().ok()
}

/// The same for an id that a filter may leave out.
pub fn filter_id<T: FromStr>(given: Option<&ID>) -> Option<Option<T>> {
    given.map(id)
}

/// What a row refers to is there: anything else is ours to mend.
pub fn present<T>(found: Result<Option<T>>, what: &str) -> async_graphql::Result<T> {
    found
        .and_then(|found| found.ok_or_else(|| Error::Internal(format!("a row refers to a missing {what}"))))
        .map_err(graphql_error)
}
