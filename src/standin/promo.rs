//! A promotion code as a sale sees it: how much it takes off, and for how long.

use serde_json::{Map, Number, Value, json};

use super::Account;

/// A promotion code and what matters of its coupon.
#[derive(Clone, Debug, PartialEq)]
pub struct Promo {
    pub promotion_code_id: String,
    pub code: String,
    pub coupon_id: String,
    /// In basis points: 2000 is 20 %.
    pub percent_off: Option<u32>,
    /// In minor units of `currency`.
    pub amount_off: Option<i64>,
    pub currency: Option<String>,
    pub duration: CouponDuration,
    /// The promotion code's.
    pub metadata: Map<String, Value>,
}

/// For how long a coupon takes something off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CouponDuration {
    Once,
    /// For this many months: of a monthly subscription, this many invoices.
    Repeating(u32),
    Forever,
}

impl Promo {
    /// Looks a code up in the stand-in: the active one of this text, else the youngest.
    pub fn of(account: &Account, code: &str) -> Option<Self> {
        let codes = account.promotion_codes(code);
        let active = codes.iter().find(|it| it["active"] == true);
        let found = active.or(codes.last())?;
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let coupon_id = text(&found["promotion"]["coupon"])?;
        let coupon = account.get("coupon", &coupon_id).unwrap_or_default();
        let months = coupon["duration_in_months"].as_u64();
        Some(Self {
            promotion_code_id: text(&found["id"])?,
            code: text(&found["code"])?,
            coupon_id,
            percent_off: basis_points(&coupon["percent_off"]),
            amount_off: coupon["amount_off"].as_i64(),
            currency: text(&coupon["currency"]),
            duration: match coupon["duration"].as_str() {
                Some("forever") => CouponDuration::Forever,
                Some("repeating") => {
                    let months = months.and_then(|months| u32::try_from(months).ok());
                    CouponDuration::Repeating(months.unwrap_or(1))
                }
                _ => CouponDuration::Once,
            },
            metadata: found["metadata"].as_object().cloned().unwrap_or_default(),
        })
    }

    /// A code that takes a percentage off once, whether or not the stand-in knows it.
    pub fn percent(
        promotion_code_id: impl Into<String>,
        code: impl Into<String>,
        coupon_id: impl Into<String>,
        basis_points: u32,
    ) -> Self {
        Self {
            promotion_code_id: promotion_code_id.into(),
            code: code.into(),
            coupon_id: coupon_id.into(),
            percent_off: Some(basis_points),
            amount_off: None,
            currency: None,
            duration: CouponDuration::Once,
            metadata: Map::new(),
        }
    }

    /// What it takes off an amount: a percentage is rounded half up to the minor unit.
    pub(super) fn takes_off(&self, amount: i64) -> i64 {
        let points = i64::from(self.percent_off.unwrap_or(0));
        let off = self.amount_off.unwrap_or((amount * points + 5_000) / 10_000);
        off.min(amount)
    }

    /// Whether it is on the invoice of this number; the first is 0.
    pub(super) fn is_on(&self, invoice: usize) -> bool {
        match self.duration {
            CouponDuration::Once => invoice == 0,
            CouponDuration::Repeating(months) => u32::try_from(invoice).is_ok_and(|it| it < months),
            CouponDuration::Forever => true,
        }
    }

    /// The whole coupon, as shapes before endive put it into a discount.
    pub(super) fn coupon(&self, livemode: bool, created: i64) -> Value {
        let (duration, months) = match self.duration {
            CouponDuration::Once => ("once", None),
            CouponDuration::Repeating(months) => ("repeating", Some(months)),
            CouponDuration::Forever => ("forever", None),
        };
        json!({
            "id": self.coupon_id,
            "object": "coupon",
            "amount_off": self.amount_off,
            "created": created,
            "currency": self.currency,
            "duration": duration,
            "duration_in_months": months,
            "livemode": livemode,
            "max_redemptions": null,
            "metadata": {},
            "name": null,
            "percent_off": self.percent_off.and_then(percent),
            "redeem_by": null,
            "times_redeemed": 1,
            "valid": true,
        })
    }
}

/// `12.5` is 1250 basis points. Reads the digits: floats are no way to hold a percentage.
fn basis_points(percent: &Value) -> Option<u32> {
    let text = percent.as_number()?.to_string();
    let (whole, cents) = text.split_once('.').unwrap_or((&text, ""));
    format!("{whole}{cents:0<2.2}").parse().ok()
}

fn percent(basis_points: u32) -> Option<Number> {
    let (whole, cents) = (basis_points / 100, basis_points % 100);
    match cents {
        0 => Some(Number::from(whole)),
        cents => format!("{whole}.{cents:02}").parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentages_are_basis_points_without_a_float_in_between() {
        let cases = [
            ("20", 2000),
            ("20.0", 2000),
            ("12.5", 1250),
            ("33.33", 3333),
            ("100", 10_000),
        ];
        for (text, points) in cases {
            let number: Number = text.parse().unwrap();
            assert_eq!(basis_points(&Value::Number(number)), Some(points));
        }
        assert_eq!(json!(percent(1250)).to_string(), "12.5");
        assert_eq!(json!(percent(3333)).to_string(), "33.33");
    }

    #[test]
    fn a_percentage_is_rounded_half_up_and_an_amount_takes_no_more_than_there_is() {
        let third = Promo::percent("promo_1", "SARAH33", "co_1", 3333);
        assert_eq!(third.takes_off(1000), 333);
        assert_eq!(third.takes_off(1515), 505);
        let tenner = Promo {
            percent_off: None,
            amount_off: Some(1000),
            ..third
        };
        assert_eq!(tenner.takes_off(700), 700);
    }

    #[test]
    fn a_repeating_coupon_is_on_as_many_invoices_as_it_has_months() {
        let mut promo = Promo::percent("promo_1", "SARAH20", "co_1", 2000);
        promo.duration = CouponDuration::Repeating(3);
        assert_eq!([0, 1, 2, 3].map(|n| promo.is_on(n)), [true, true, true, false]);
    }
}
