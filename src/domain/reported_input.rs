//! What a brand's server says of a sale, checked field by field.

use chrono::{DateTime, TimeDelta, Utc};
use entity::id::{AffiliateId, CampaignId, ClickId};

use super::{affiliates, reports::ReportedRefund};
use crate::{
    error::{Error, Problems, Result},
    money::{Currency, MAX_MINOR_UNITS},
};

/// Characters.
const MAX_EXTERNAL_ID: usize = 200;
/// 2000-01-01. No sale is older.
const OLDEST: i64 = 946_684_800;
/// How far the other server's clock may be ahead of ours.
const AHEAD: TimeDelta = TimeDelta::minutes(5);

/// An amount as it is given.
#[derive(Clone, Debug)]
pub struct Amount {
    pub minor_units: i64,
    pub currency: String,
}

/// A sale that was made outside Stripe; an id that could not be read is `Some(None)`.
#[derive(Clone, Debug)]
pub struct RecordConversion {
    pub external_id: String,
    /// Paid, without tax.
    pub amount: Amount,
    pub tax: Option<Amount>,
    pub occurred_at: Option<DateTime<Utc>>,
    pub customer_email: Option<String>,
    pub click_id: Option<Option<ClickId>>,
    pub link_slug: Option<String>,
    pub code: Option<String>,
    pub affiliate_id: Option<Option<AffiliateId>>,
    pub campaign_id: Option<Option<CampaignId>>,
}

/// What went back of such a sale.
#[derive(Clone, Debug)]
pub struct RefundConversion {
    pub external_id: String,
    /// All that went back so far, without tax; `None` for the whole sale.
    pub amount: Option<Amount>,
}

/// A sale's own figures, in order. Minor units of `currency`.
#[derive(Clone, Debug)]
pub(super) struct Figures {
    pub(super) external_id: String,
    /// Seconds since 1970; `None` for now.
    pub(super) at: Option<i64>,
    pub(super) currency: Currency,
    pub(super) amount: i64,
    pub(super) tax: i64,
    pub(super) customer_email: Option<String>,
}

impl Figures {
    /// # Errors
    /// `INVALID` on the fields that break a rule.
    pub(super) fn check(input: &RecordConversion, now: DateTime<Utc>) -> Result<Self> {
        let mut problems = Problems::default();
        let external_id = external_id(&mut problems, &input.external_id);
        let money = money(&mut problems, "amount", &input.amount);
        let tax = input
            .tax
            .as_ref()
            .and_then(|tax| self::money(&mut problems, "tax", tax));
        let customer_email = input.customer_email.as_deref();
        let customer_email = customer_email.map(|text| affiliates::email(&mut problems, &["customerEmail"], text));
        if let Some(at) = input.occurred_at {
            let message = "It must not be before the year 2000.";
            problems.require(at.timestamp() >= OLDEST, &["occurredAt"], message);
            problems.require(at <= now + AHEAD, &["occurredAt"], "It must not be in the future.");
        }
        let Some((amount, currency)) = money else {
            return Err(Error::User(problems.into_list()));
        };
        if let Some((tax, tax_currency)) = tax {
            let message = "It must be in the currency of the amount.";
            problems.require(tax_currency == currency, &["tax", "currency"], message);
            let message = "Amount and tax together must be at most 2^53 - 1.";
            problems.require(amount + tax <= MAX_MINOR_UNITS, &["tax", "minorUnits"], message);
        }
        problems.check()?;
        Ok(Self {
            external_id,
            at: input.occurred_at.map(|at| at.timestamp()),
            currency,
            amount,
            tax: tax.map_or(0, |(tax, _)| tax),
            customer_email,
        })
    }
}

impl RefundConversion {
    /// # Errors
    /// `INVALID` on the fields that break a rule.
    pub(super) fn check(&self) -> Result<ReportedRefund> {
        let mut problems = Problems::default();
        let refunded_external_id = external_id(&mut problems, &self.external_id);
        let amount = self.amount.as_ref();
        let amount = amount.and_then(|amount| money(&mut problems, "amount", amount));
        problems.check()?;
        Ok(ReportedRefund {
            refunded_external_id,
            amount,
        })
    }
}

fn external_id(problems: &mut Problems, text: &str) -> String {
    problems.text(&["externalId"], text, MAX_EXTERNAL_ID)
}

/// An amount of zero or more in a known currency.
fn money(problems: &mut Problems, field: &'static str, given: &Amount) -> Option<(i64, Currency)> {
    let in_range = (0..=MAX_MINOR_UNITS).contains(&given.minor_units);
    let message = "It must be from 0 to 2^53 - 1.";
    problems.require(in_range, &[field, "minorUnits"], message);
    let currency: Option<Currency> = given.currency.parse().ok();
    let message = "It is not an ISO 4217 currency code.";
    problems.require(currency.is_some(), &[field, "currency"], message);
    Some((given.minor_units, currency?)).filter(|_| in_range)
}
