//! What campaigns pay: reading and appending rules.
//!
//! **Invariant.** A rule is never edited: a change appends one that is in force from now on.

use entity::{
    affiliate_rate,
    campaign::{self, ClickModel},
    campaign_rule::{self, CommissionDuration},
    id::CampaignId,
};
use rust_decimal::Decimal;
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder};

use super::{
    Domain,
    campaigns::MAX_DAYS,
    commission::{Pay, Rule},
    effective::after_the_last,
};
use crate::{
    error::{Error, Problems, Result},
    money::{self, Currency, MAX_MINOR_UNITS},
};

const MAX_MONTHS: i32 = 1200;
const PERCENT: &str = "It must be above 0 and at most 100, with at most two decimals.";

/// A commission, as it is given.
#[derive(Clone, Debug)]
pub enum CommissionInput {
    Percent(Decimal),
    Flat { minor_units: i64, currency: String },
}

/// The rule that is in force now.
pub(super) async fn current_rule(db: &impl ConnectionTrait, id: CampaignId) -> Result<campaign_rule::Model> {
    campaign_rule::Entity::find()
        .filter(campaign_rule::Column::CampaignId.eq(id))
        .order_by_desc(campaign_rule::Column::EffectiveFrom)
        .order_by_desc(campaign_rule::Column::Id)
        .one(db)
        .await?
        .ok_or_else(|| Error::Internal(format!("the campaign {id} has no rule")))
}

/// A stored rule, as the pure part takes it.
pub fn rule(row: &campaign_rule::Model) -> Result<Rule> {
    Ok(Rule {
        effective_from: row.effective_from,
        pay: stored_pay(row)?,
        duration: row.duration,
        months: row
            .duration_months
            .and_then(|months| months.try_into().ok())
            .unwrap_or(0),
        hold_days: row.hold_days.try_into().unwrap_or(0),
        override_bps: row.override_bps.map(i64::from),
        click_model: row.click_model,
        cookie_window_days: row.cookie_window_days.try_into().unwrap_or(0),
    })
}

pub(super) fn stored_pay(row: &campaign_rule::Model) -> Result<Pay> {
    pay_of(row.percent_bps, row.flat_amount, row.flat_currency.as_deref())
        .ok_or_else(|| Error::Internal(format!("the rule {} pays nothing", row.id)))
}

/// What the columns of a rule or a rate say.
fn pay_of(percent_bps: Option<i32>, flat_amount: Option<i64>, flat_currency: Option<&str>) -> Option<Pay> {
    match (percent_bps, flat_amount, flat_currency.map(str::parse)) {
        (Some(points), None, None) => Some(Pay::Percent(points.into())),
        (None, Some(amount), Some(Ok(currency))) => Some(Pay::Flat(amount, currency)),
        _ => None,
    }
}

/// The other way round: basis points, minor units and their currency.
pub(super) fn columns(pay: Option<&Pay>) -> (Option<i32>, Option<i64>, Option<String>) {
    match pay {
        Some(Pay::Percent(points)) => (i32::try_from(*points).ok(), None, None),
        Some(Pay::Flat(amount, currency)) => (None, Some(*amount), Some(currency.to_string())),
        None => (None, None, None),
    }
}

/// What an affiliate's own rate pays; `None` is what the campaign pays.
pub fn rate(row: &affiliate_rate::Model) -> Option<Pay> {
    pay_of(row.percent_bps, row.flat_amount, row.flat_currency.as_deref())
}

/// A rule before it has a campaign and a time.
#[derive(PartialEq)]
pub(super) struct RuleInput {
    pub(super) pay: Option<Pay>,
    pub(super) duration: CommissionDuration,
    pub(super) months: Option<i32>,
    pub(super) hold_days: i32,
    /// Basis points.
    pub(super) override_bps: Option<i32>,
    pub(super) click_model: ClickModel,
    pub(super) cookie_window_days: i32,
}

impl RuleInput {
    pub(super) fn stored(row: &campaign_rule::Model) -> Result<Self> {
        Ok(Self {
            pay: Some(stored_pay(row)?),
            duration: row.duration,
            months: row.duration_months,
            hold_days: row.hold_days,
            override_bps: row.override_bps,
            click_model: row.click_model,
            cookie_window_days: row.cookie_window_days,
        })
    }

    pub(super) fn check(&self, problems: &mut Problems) {
        let field = &["commissionMonths"];
        match (self.duration, self.months) {
            (CommissionDuration::Months, Some(months)) => problems.range(field, months, 1, MAX_MONTHS),
            (CommissionDuration::Months, None) => problems.require(false, field, "MONTHS needs a number of months."),
            (_, months) => problems.require(months.is_none(), field, "Only MONTHS takes a number of months."),
        }
        problems.range(&["holdDays"], self.hold_days, 0, MAX_DAYS);
        problems.range(&["cookieWindowDays"], self.cookie_window_days, 1, MAX_DAYS);
    }

    pub(super) async fn append_in_txn(
        &self,
        txn: &impl ConnectionTrait,
        domain: &Domain,
        campaign: &campaign::Model,
    ) -> Result<campaign_rule::Model> {
        let (percent_bps, flat_amount, flat_currency) = columns(self.pay.as_ref());
        let of_campaign = campaign_rule::Column::CampaignId.eq(campaign.id);
        let now = domain.clock.now().max(campaign.created_at);
        let effective_from = after_the_last(txn, campaign_rule::Column::EffectiveFrom, of_campaign, now).await?;
        let row = campaign_rule::Model {
            id: domain.clock.new_id(),
            brand_id: campaign.brand_id,
            campaign_id: campaign.id,
            effective_from,
            percent_bps,
            flat_amount,
            flat_currency,
            duration: self.duration,
            duration_months: self.months,
            hold_days: self.hold_days,
            override_bps: self.override_bps,
            click_model: self.click_model,
            cookie_window_days: self.cookie_window_days,
        };
        campaign_rule::Entity::insert(row.clone().into_active_model())
            .exec_without_returning(txn)
            .await?;
        Ok(row)
    }
}

/// A recruiter's percentage of what its recruits earn, as basis points.
pub(super) fn override_points(problems: &mut Problems, percent: Decimal) -> Option<i32> {
    let points = money::basis_points(percent);
    problems.require(points.is_some(), &["overridePercent"], PERCENT);
    points
}

/// That a commission and the override on it are at most the sale.
pub(super) fn check_sum(problems: &mut Problems, field: &[&'static str], pay: Option<&Pay>, override_bps: Option<i32>) {
    let fits = pay.is_none_or(|pay| pay.leaves_room_for(override_bps.unwrap_or(0).into()));
    problems.require(
        fits,
        field,
        "The commission and the override on it are more than 100 percent.",
    );
}

pub(super) fn pay(problems: &mut Problems, input: &CommissionInput) -> Option<Pay> {
    match input {
        CommissionInput::Percent(percent) => {
            let points = money::basis_points(*percent);
            problems.require(points.is_some(), &["commission", "percent"], PERCENT);
            points.map(|points| Pay::Percent(points.into()))
        }
        CommissionInput::Flat { minor_units, currency } => {
            let money = amount(problems, ["commission", "flat"], *minor_units, currency)?;
            Some(Pay::Flat(money.0, money.1))
        }
    }
}

/// An amount above zero in a known currency.
pub(super) fn amount(
    problems: &mut Problems,
    [outer, inner]: [&'static str; 2],
    minor_units: i64,
    currency: &str,
) -> Option<(i64, Currency)> {
    let in_range = (1..=MAX_MINOR_UNITS).contains(&minor_units);
    let message = "It must be above zero and at most 2^53 - 1.";
    problems.require(in_range, &[outer, inner, "minorUnits"], message);
    let currency: Option<Currency> = currency.parse().ok();
    let message = "It is not an ISO 4217 currency code.";
    problems.require(currency.is_some(), &[outer, inner, "currency"], message);
    currency.filter(|_| in_range).map(|currency| (minor_units, currency))
}
