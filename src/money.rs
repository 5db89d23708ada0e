//! Money: integer minor units beside a currency. Never floating point.
//!
//! **Rounding.** There is one rule: half up to the minor unit, in [`proportion`].
//!
//! Minor units are Stripe's (<https://docs.stripe.com/currencies>): they differ from ISO 4217 for a few currencies, and
//! the amounts are Stripe's.

use std::{fmt, str::FromStr};

use rust_decimal::{Decimal, prelude::ToPrimitive};
use serde::{Deserialize, Serialize};

/// The largest amount on the wire: 2^53 - 1, what every client's number type holds exactly.
pub const MAX_MINOR_UNITS: i64 = (1 << 53) - 1;

/// Currencies that Stripe counts in whole units (<https://docs.stripe.com/currencies#zero-decimal>).
const ZERO_DECIMAL: [&str; 15] = [
    "BIF", "CLP", "DJF", "GNF", "JPY", "KMF", "KRW", "MGA", "PYG", "RWF", "VND", "VUV", "XAF", "XOF", "XPF",
];

/// Currencies that Stripe counts in thousandths (<https://docs.stripe.com/currencies#three-decimal>).
const THREE_DECIMAL: [&str; 5] = ["BHD", "JOD", "KWD", "OMR", "TND"];

/// An ISO 4217 code in upper case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Currency([u8; 3]);

/// The text names no currency.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an ISO 4217 currency code")]
pub struct UnknownCurrency;

impl Currency {
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// How many decimals the major unit has: 0, 2 or 3.
    pub fn decimals(&self) -> u32 {
        let code = self.as_str();
        if ZERO_DECIMAL.contains(&code) {
            0
        } else if THREE_DECIMAL.contains(&code) {
            3
        } else {
            2
        }
    }

    /// The amount in the major unit, exactly: `19.99`, or `1500` for JPY.
    pub fn major_units(&self, minor: i64) -> Decimal {
        Decimal::new(minor, self.decimals())
    }
}

impl FromStr for Currency {
    type Err = UnknownCurrency;

    /// Any case; funds and metals are no currencies here.
    fn from_str(text: &str) -> Result<Self, UnknownCurrency> {
        let upper = text.to_ascii_uppercase();
        let known = iso_currency::Currency::from_code(&upper).ok_or(UnknownCurrency)?;
        known.exponent().ok_or(UnknownCurrency)?;
        upper.as_bytes().try_into().map(Self).map_err(|_| UnknownCurrency)
    }
}

impl TryFrom<String> for Currency {
    type Error = UnknownCurrency;

    fn try_from(text: String) -> Result<Self, UnknownCurrency> {
        text.parse()
    }
}

impl From<Currency> for String {
    fn from(currency: Currency) -> Self {
        currency.as_str().to_owned()
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// `amount * numerator / denominator`, rounded half up; 0 when there is nothing to take a part of.
///
/// The amounts are not negative, and the part is at most the whole.
pub fn proportion(amount: i64, numerator: i64, denominator: i64) -> i64 {
    if denominator <= 0 || amount <= 0 || numerator <= 0 {
        return 0;
    }
    if numerator >= denominator {
        return amount;
    }
    let (amount, numerator, denominator) = (i128::from(amount), i128::from(numerator), i128::from(denominator));
    let rounded = (2 * amount * numerator + denominator) / (2 * denominator);
    i64::try_from(rounded).unwrap_or(i64::MAX)
}

/// The sum of amounts that are not negative; [`MAX_MINOR_UNITS`] where it would be more. The order does not matter.
pub fn sum(amounts: impl IntoIterator<Item = i64>) -> i64 {
    let add = |sum: i64, amount: i64| sum.saturating_add(amount).min(MAX_MINOR_UNITS);
    amounts.into_iter().fold(0, add)
}

/// A percentage with at most two decimals, above 0 and at most 100, as basis points.
pub fn basis_points(percent: Decimal) -> Option<i32> {
    let points = percent.checked_mul(Decimal::ONE_HUNDRED)?;
    if !points.is_integer() {
        return None;
    }
    points.to_i32().filter(|points| (1..=10_000).contains(points))
}

/// Basis points as a percentage, without trailing zeros.
pub fn percent(basis_points: i32) -> Decimal {
    Decimal::new(i64::from(basis_points), 2).normalize()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_rounded_half_up_and_the_whole_is_exact() {
        assert_eq!(proportion(5, 1, 2), 3);
        assert_eq!(proportion(4999, 2000, 10_000), 1000);
        assert_eq!(proportion(i64::MAX, 7, 7), i64::MAX);
        assert_eq!(proportion(10, 3, 0), 0);
    }

    #[test]
    fn sums_stay_within_what_clients_can_hold() {
        assert_eq!(sum([1, 2, 3]), 6);
        assert_eq!(sum([MAX_MINOR_UNITS, MAX_MINOR_UNITS]), MAX_MINOR_UNITS);
        assert_eq!(sum([i64::MAX, i64::MAX]), MAX_MINOR_UNITS);
    }

    #[test]
    fn currencies_count_as_stripe_counts() {
        let money = |code: &str, minor| code.parse::<Currency>().map(|c| c.major_units(minor).to_string());
        assert_eq!(money("usd", 1999), Ok("19.99".into()));
        assert_eq!(money("JPY", 1500), Ok("1500".into()));
        assert_eq!(money("KWD", 1500), Ok("1.500".into()));
        assert_eq!(money("ISK", 1500), Ok("15.00".into()));
        assert_eq!(money("ZZZ", 1), Err(UnknownCurrency));
        assert_eq!(money("us", 1), Err(UnknownCurrency));
        assert_eq!(money("XAU", 1), Err(UnknownCurrency));
    }

    #[test]
    fn percentages_have_two_decimals() {
        let points = |text: &str| basis_points(text.parse().unwrap());
        assert_eq!(points("20"), Some(2000));
        assert_eq!(points("12.5"), Some(1250));
        assert_eq!(points("100.00"), Some(10_000));
        assert_eq!(
            (points("0"), points("100.01"), points("0.001"), points("-1")),
            (None, None, None, None)
        );
        assert_eq!(percent(1250).to_string(), "12.5");
        assert_eq!(percent(2000).to_string(), "20");
    }
}
