//! What a sale earns, and what a refund takes back. Pure: no database, no clock, no I/O.
//!
//! A percentage is of the paid amount without tax, rounded half up once per conversion. A flat commission is paid for a
//! sale of any amount above zero. A clawback is in proportion to what was refunded; a full refund takes back all.

use chrono::{DateTime, Months, TimeDelta, Utc};
use entity::{campaign::ClickModel, campaign_rule::CommissionDuration};

use crate::money::{Currency, proportion};

/// What a campaign pays, and which clicks count, from `effective_from` on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    pub effective_from: DateTime<Utc>,
    pub pay: Pay,
    pub duration: CommissionDuration,
    /// Set for `CommissionDuration::Months`.
    pub months: u32,
    pub hold_days: u32,
    /// Basis points of a recruit's commission, on top of it, for the recruiter.
    pub override_bps: Option<i64>,
    /// Which of a visitor's clicks counts, and for how many days.
    pub click_model: ClickModel,
    pub cookie_window_days: u32,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pay {
    /// Basis points of the paid amount.
    Percent(i64),
    /// Minor units.
    Flat(i64, Currency),
}

/// A sale, as far as its commission depends on it.
#[derive(Clone, Copy, Debug)]
pub struct Sale {
    pub occurred_at: DateTime<Utc>,
    /// Minor units, paid, without tax.
    pub amount: i64,
    pub currency: Currency,
    /// When the customer's first sale above zero was, this one included.
    pub first_paid_at: Option<DateTime<Utc>>,
    /// Whether this is that first sale.
    pub is_first_paid: bool,
}

/// The rule in force at a moment; before the first one, the first.
///
/// `rules` are in the order of `effective_from`.
pub fn rule_at(rules: &[Rule], at: DateTime<Utc>) -> Option<&Rule> {
    rules
        .iter()
        .rev()
        .find(|rule| rule.effective_from <= at)
        .or(rules.first())
}

impl Rule {
    /// Minor units earned, and their currency.
    pub fn earns(&self, sale: &Sale) -> (i64, Currency) {
        let (amount, currency) = match self.pay {
            Pay::Percent(points) => (proportion(sale.amount, points, 10_000), sale.currency),
            Pay::Flat(amount, currency) => (amount, currency),
        };
        if sale.amount > 0 && self.covers(sale) {
            (amount, currency)
        } else {
            (0, currency)
        }
    }

    fn covers(&self, sale: &Sale) -> bool {
        match self.duration {
            CommissionDuration::Lifetime => true,
            CommissionDuration::FirstSale => sale.is_first_paid,
            CommissionDuration::Months => sale
                .first_paid_at
                .and_then(|first| first.checked_add_months(Months::new(self.months)))
                .is_none_or(|end| sale.occurred_at < end),
        }
    }

    /// When what is earned at `at` is due.
    pub fn due(&self, at: DateTime<Utc>) -> DateTime<Utc> {
        let hold = TimeDelta::days(i64::from(self.hold_days));
        at.checked_add_signed(hold).unwrap_or(at)
    }
}

/// What a refund of `refunded` out of `amount` takes back of `earned`. Minor units.
pub fn clawback(earned: i64, amount: i64, refunded: i64) -> i64 {
    proportion(earned, refunded, amount)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(day: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::days(day)
    }

    fn usd() -> Currency {
        "USD".parse().unwrap()
    }

    fn rule(pay: Pay, duration: CommissionDuration, months: u32) -> Rule {
        Rule {
            effective_from: at(100),
            pay,
            duration,
            months,
            hold_days: 30,
            override_bps: None,
            click_model: ClickModel::LastClick,
            cookie_window_days: 60,
        }
    }

    fn sale(day: i64, amount: i64, first_day: Option<i64>) -> Sale {
        Sale {
            occurred_at: at(day),
            amount,
            currency: usd(),
            first_paid_at: first_day.map(at),
            is_first_paid: first_day == Some(day),
        }
    }

    #[test]
    fn the_table_of_rules() {
        use CommissionDuration::{FirstSale, Lifetime, Months};
        let percent = Pay::Percent(2000);
        let flat = Pay::Flat(500, usd());
        let cases = [
            (percent.clone(), Lifetime, 0, sale(200, 4001, Some(100)), 800),
            (percent.clone(), Lifetime, 0, sale(200, 4003, Some(100)), 801),
            (percent.clone(), FirstSale, 0, sale(200, 4000, Some(200)), 800),
            (percent.clone(), FirstSale, 0, sale(230, 4000, Some(200)), 0),
            (percent.clone(), FirstSale, 0, sale(200, 0, None), 0),
            (percent.clone(), Months, 2, sale(31 + 27, 4000, Some(0)), 800),
            (percent, Months, 2, sale(31 + 28, 4000, Some(0)), 0),
            (flat.clone(), Lifetime, 0, sale(200, 1, Some(100)), 500),
            (flat, Lifetime, 0, sale(200, 0, None), 0),
        ];
        for (pay, duration, months, sale, expected) in cases {
            let rule = rule(pay, duration, months);
            assert_eq!(rule.earns(&sale), (expected, usd()), "{rule:?} on {sale:?}");
        }
    }

    #[test]
    fn a_changed_rule_touches_only_the_sales_after_it() {
        let first = rule(Pay::Percent(1000), CommissionDuration::Lifetime, 0);
        let second = Rule {
            effective_from: at(200),
            pay: Pay::Percent(3000),
            ..first.clone()
        };
        let rules = [first.clone(), second.clone()];
        assert_eq!(rule_at(&rules, at(50)), Some(&first));
        assert_eq!(rule_at(&rules, at(199)), Some(&first));
        assert_eq!(rule_at(&rules, at(200)), Some(&second));
        assert_eq!(rule_at(&[], at(200)), None);
    }

    #[test]
    fn clawbacks_are_in_proportion_and_a_full_one_ends_at_zero() {
        assert_eq!(clawback(800, 4000, 1000), 200);
        assert_eq!(clawback(333, 1000, 500), 167);
        assert_eq!(clawback(333, 1000, 1000), 333);
        assert_eq!(clawback(0, 1000, 500), 0);
    }
}
