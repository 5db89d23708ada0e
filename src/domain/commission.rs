//! What a sale earns, and what a refund takes back. Pure: no database, no clock, no I/O.
//!
//! A percentage is of the paid amount without tax. A flat commission is paid for a sale of any amount above zero, in its
//! own currency, whatever the sale's is. A recruiter's override is a percentage of what its recruit earns, on top of it, in
//! the same currency. A clawback is in proportion to what was refunded in all; a full refund takes back all.
//!
//! **Rounding.** Each of these figures is rounded by itself, half up to the minor unit, once per conversion. Clawbacks are
//! worked out from all that went back so far, so many small refunds end where one large one would, in any order.

use chrono::{DateTime, Months, TimeDelta, Utc};
use entity::{campaign::ClickModel, campaign_rule::CommissionDuration};

use crate::money::{Currency, proportion};

/// Basis points of the whole.
const WHOLE: i64 = 10_000;

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

impl Pay {
    /// Whether it takes no more than the whole sale, with an override of so many basis points on it. A flat amount is what
    /// it is.
    pub fn leaves_room_for(&self, override_points: i64) -> bool {
        match self {
            Self::Percent(points) => points * (WHOLE + override_points) <= WHOLE * WHOLE,
            Self::Flat(..) => true,
        }
    }
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
    /// The same for an affiliate, whose own rate, if it has one, stands in the place of the campaign's pay.
    pub fn at_rate(&self, rate: Option<&Pay>) -> Self {
        Self {
            pay: rate.unwrap_or(&self.pay).clone(),
            ..self.clone()
        }
    }

    /// Minor units earned, and their currency.
    pub fn earns(&self, sale: &Sale) -> (i64, Currency) {
        let (amount, currency) = match self.pay {
            Pay::Percent(points) => (proportion(sale.amount, points, WHOLE), sale.currency),
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

    /// What the recruiter of who earned this much earns on top. Minor units of the same currency.
    pub fn override_on(&self, earned: i64) -> i64 {
        proportion(earned, self.override_bps.unwrap_or(0), WHOLE)
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
    use proptest::prelude::*;

    use super::*;
    use crate::money::MAX_MINOR_UNITS;

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

    fn day(text: &str) -> DateTime<Utc> {
        format!("{text}T12:00:00Z").parse().unwrap()
    }

    #[test]
    fn months_end_where_the_calendar_says() {
        // The months, the first paid sale, another sale of the customer's, whether it earns.
        let cases = [
            (1, "2025-01-31", "2025-02-27", true),
            (1, "2025-01-31", "2025-02-28", false),
            (1, "2024-01-31", "2024-02-28", true),
            (1, "2024-01-31", "2024-02-29", false),
            (2, "2024-01-31", "2024-02-29", true),
            (2, "2024-01-31", "2024-03-30", true),
            (2, "2024-01-31", "2024-03-31", false),
            (12, "2024-02-29", "2025-02-27", true),
            (12, "2024-02-29", "2025-02-28", false),
            (12, "2025-12-31", "2026-12-30", true),
            (12, "2025-12-31", "2026-12-31", false),
        ];
        for (months, first, at, earns) in cases {
            let sale = Sale {
                occurred_at: day(at),
                first_paid_at: Some(day(first)),
                is_first_paid: false,
                ..sale(0, 1000, None)
            };
            let rule = rule(Pay::Percent(1000), CommissionDuration::Months, months);
            assert_eq!(rule.earns(&sale).0 > 0, earns, "{months} months from {first}, on {at}");
        }
    }

    #[test]
    fn a_trial_uses_no_month_and_no_first_sale_up() {
        let trial = sale(0, 0, None);
        let paid = sale(14, 4000, Some(14));
        for duration in [CommissionDuration::FirstSale, CommissionDuration::Months] {
            let rule = rule(Pay::Percent(2000), duration, 1);
            assert_eq!((rule.earns(&trial).0, rule.earns(&paid).0), (0, 800), "{duration:?}");
        }
    }

    #[test]
    fn minor_units_are_rounded_whatever_a_currency_has_of_them() {
        // 12.5 % of 1500 yen is 187.5; of 1.500 dinar 0.1875, in thousandths 187.5; of 9.99 dollars 1.24875.
        for (amount, currency, earned) in [(1500, "JPY", 188), (1500, "KWD", 188), (999, "USD", 125)] {
            let currency = currency.parse().unwrap();
            let sale = Sale {
                currency,
                ..sale(200, amount, Some(200))
            };
            let rule = rule(Pay::Percent(1250), CommissionDuration::Lifetime, 0);
            assert_eq!(rule.earns(&sale), (earned, currency));
        }
        let yen = rule(Pay::Flat(500, "JPY".parse().unwrap()), CommissionDuration::Lifetime, 0);
        assert_eq!(yen.earns(&sale(200, 1, Some(200))), (500, "JPY".parse().unwrap()));
    }

    #[test]
    fn an_affiliates_rate_stands_in_for_the_campaigns_pay_alone() {
        let rule = Rule {
            override_bps: Some(500),
            ..rule(Pay::Percent(1000), CommissionDuration::Months, 3)
        };
        let own = Pay::Percent(3000);
        assert_eq!(rule.at_rate(None), rule);
        let at_rate = rule.at_rate(Some(&own));
        assert_eq!(at_rate, Rule { pay: own, ..rule });
    }

    #[test]
    fn a_commission_and_the_override_on_it_are_at_most_the_sale() {
        let fits = |points, override_points| Pay::Percent(points).leaves_room_for(override_points);
        assert!(fits(10_000, 0) && fits(5000, 10_000) && fits(8000, 2500) && fits(1, 10_000));
        assert!(!fits(10_000, 1) && !fits(5001, 10_000) && !fits(8000, 2501));
        assert!(Pay::Flat(1, usd()).leaves_room_for(10_000));
    }

    /// What is taken back step by step as refunds come in.
    fn steps(earned: i64, amount: i64, refunds: &[i64]) -> Vec<i64> {
        let mut back = 0;
        let mut taken = 0;
        let step = |refund: &i64| {
            back += refund;
            let step = clawback(earned, amount, back) - taken;
            taken += step;
            step
        };
        refunds.iter().map(step).collect()
    }

    fn a_sale() -> impl Strategy<Value = (i64, Vec<i64>, i64, i64)> {
        let amount = prop_oneof![1..1000i64, 1..=MAX_MINOR_UNITS];
        let refunds = amount.prop_flat_map(|amount| {
            let cuts = prop::collection::vec(0..=amount, 0..8);
            (Just(amount), cuts)
        });
        (refunds, 1..=WHOLE, 0..=WHOLE).prop_map(|((amount, mut cuts), points, override_points)| {
            cuts.sort_unstable();
            let mut before = 0;
            let refunds = cuts
                .iter()
                .map(|cut| cut - std::mem::replace(&mut before, *cut))
                .collect();
            (amount, refunds, points, override_points)
        })
    }

    proptest! {
        #[test]
        fn refunds_in_any_steps_and_any_order_end_where_one_would((amount, refunds, points, override_points) in a_sale()) {
            let rule = Rule { override_bps: Some(override_points), ..rule(Pay::Percent(points), CommissionDuration::Lifetime, 0) };
            let earned = rule.earns(&sale(200, amount, Some(200))).0;
            let back: i64 = refunds.iter().sum();
            for earned in [earned, rule.override_on(earned)] {
                let forth = steps(earned, amount, &refunds);
                let reversed: Vec<i64> = refunds.iter().rev().copied().collect();
                prop_assert!(forth.iter().all(|step| *step >= 0));
                prop_assert_eq!(forth.iter().sum::<i64>(), clawback(earned, amount, back));
                prop_assert_eq!(steps(earned, amount, &reversed).iter().sum::<i64>(), clawback(earned, amount, back));
                prop_assert!(clawback(earned, amount, back) <= earned);
                let rest = [refunds.clone(), vec![amount - back]].concat();
                prop_assert_eq!(steps(earned, amount, &rest).iter().sum::<i64>(), earned);
            }
        }

        #[test]
        fn what_is_earned_with_the_override_is_the_sale_at_most_but_for_rounding(
            (amount, _, points, override_points) in a_sale(),
        ) {
            let rule = Rule { override_bps: Some(override_points), ..rule(Pay::Percent(points), CommissionDuration::Lifetime, 0) };
            prop_assume!(rule.pay.leaves_room_for(override_points));
            let earned = rule.earns(&sale(200, amount, Some(200))).0;
            prop_assert!(earned <= amount && earned + rule.override_on(earned) <= amount + 1);
        }
    }
}
