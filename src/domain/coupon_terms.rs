//! A new coupon's terms, as far as they can be judged alone. Pure but for the moment that it is given.

use chrono::{DateTime, Months, SubsecRound, Utc};
use entity::{
    coupon::CouponDuration,
    id::{AffiliateId, CampaignId},
};
use rust_decimal::Decimal;

use super::campaign_rules;
use crate::{error::Problems, money};

/// Stripe's limit on a coupon's name (<https://docs.stripe.com/api/coupons/create>). Characters.
pub(super) const MAX_NAME: usize = 40;
const MAX_MONTHS: i32 = 1200;
const MAX_YEARS_AHEAD: u32 = 5;

#[derive(Clone, Debug)]
pub enum DiscountInput {
    Percent(Decimal),
    Amount { minor_units: i64, currency: String },
}

#[derive(Clone, Debug)]
pub struct CreateCoupon {
    pub campaign_id: Option<CampaignId>,
    pub name: String,
    pub discount: DiscountInput,
    pub duration: CouponDuration,
    pub duration_in_months: Option<i32>,
    pub max_redemptions_per_code: Option<i32>,
    pub expires_at: Option<DateTime<Utc>>,
    pub overrides_click_attribution: bool,
    pub allow_affiliate_self_mint: bool,
    pub mint_on_approval: bool,
    /// Given and unreadable: `Some(None)`.
    pub affiliate_id: Option<Option<AffiliateId>>,
}

/// The parts of a coupon that can be judged alone.
pub(super) struct Terms {
    pub(super) name: String,
    pub(super) percent_off_bps: Option<i32>,
    pub(super) amount_off: Option<i64>,
    pub(super) currency: Option<String>,
    pub(super) expires_at: Option<DateTime<Utc>>,
}

impl Terms {
    /// Names everything that is wrong; `None` when there is no discount to go on with.
    pub(super) fn check(problems: &mut Problems, input: &CreateCoupon, now: DateTime<Utc>) -> Option<Self> {
        let name = problems.text(&["name"], &input.name, MAX_NAME);
        let months = &["durationInMonths"];
        match (input.duration, input.duration_in_months) {
            (CouponDuration::Repeating, Some(count)) => problems.range(months, count, 1, MAX_MONTHS),
            (CouponDuration::Repeating, None) => problems.require(false, months, "REPEATING needs a number of months."),
            (_, count) => problems.require(count.is_none(), months, "Only REPEATING takes a number of months."),
        }
        if let Some(max) = input.max_redemptions_per_code {
            problems.range(&["maxRedemptionsPerCode"], max, 1, i32::MAX);
        }
        let expires_at = input.expires_at.map(|at| at.trunc_subsecs(0));
        if let Some(at) = expires_at {
            let latest = now.checked_add_months(Months::new(12 * MAX_YEARS_AHEAD));
            problems.require(at > now, &["expiresAt"], "It must be in the future.");
            let message = "It must be at most five years ahead.";
            problems.require(latest.is_none_or(|latest| at <= latest), &["expiresAt"], message);
        }
        let (percent_off_bps, amount) = match &input.discount {
            DiscountInput::Percent(percent) => {
                let points = money::basis_points(*percent);
                let message = "It must be above 0 and at most 100, with at most two decimals.";
                problems.require(points.is_some(), &["discount", "percentOff"], message);
                (points, None)
            }
            DiscountInput::Amount { minor_units, currency } => {
                let field = ["discount", "amountOff"];
                (None, campaign_rules::amount(problems, field, *minor_units, currency))
            }
        };
        (percent_off_bps.is_some() || amount.is_some()).then(|| Self {
            name,
            percent_off_bps,
            amount_off: amount.map(|(minor_units, _)| minor_units),
            currency: amount.map(|(_, currency)| currency.to_string()),
            expires_at,
        })
    }
}
