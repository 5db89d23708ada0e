//! Campaigns, and the rules of what they pay.
//!
//! **Invariant.** A rule is never edited: a change appends one that is in force from now on.

use chrono::{DateTime, Utc};
use entity::{
    campaign::{self, ClickModel},
    campaign_rule::{self, CommissionDuration},
    id::CampaignId,
};
use rust_decimal::Decimal;
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, EntityTrait, IntoActiveModel, PaginatorTrait, QueryFilter,
    QueryOrder, Set,
};
use url::Url;

use super::{
    Domain,
    commission::{Pay, Rule},
    page::{self, Order, Page, PageArgs},
    tenancy,
};
use crate::{
    auth::{Actor, Operation, Scope},
    error::{Error, Problems, Result},
    money::{self, Currency, MAX_MINOR_UNITS},
};

/// The longest name of anything. Characters.
pub const MAX_NAME: usize = 200;
const MAX_DAYS: i32 = 3650;
const MAX_MONTHS: i32 = 1200;

/// A commission, as it is given.
#[derive(Clone, Debug)]
pub enum CommissionInput {
    Percent(Decimal),
    Flat { minor_units: i64, currency: String },
}

#[derive(Clone, Debug)]
pub struct CreateCampaign {
    pub name: String,
    pub landing_url: String,
    pub commission: CommissionInput,
    pub duration: CommissionDuration,
    pub months: Option<i32>,
    pub click_model: ClickModel,
    pub cookie_window_days: i32,
    pub hold_days: i32,
    pub affiliates_can_manage_codes: bool,
}

/// What is left out stays.
#[derive(Clone, Debug, Default)]
pub struct UpdateCampaign {
    pub name: Option<String>,
    pub landing_url: Option<String>,
    pub commission: Option<CommissionInput>,
    pub duration: Option<CommissionDuration>,
    pub months: Option<i32>,
    pub click_model: Option<ClickModel>,
    pub cookie_window_days: Option<i32>,
    pub hold_days: Option<i32>,
    pub affiliates_can_manage_codes: Option<bool>,
}

/// A page of the campaigns that the caller may see, oldest first.
pub async fn list(domain: &Domain, actor: &Actor, args: &PageArgs) -> Result<Page<campaign::Model>> {
    actor.require(Operation::ReadCampaigns)?;
    let order = Order {
        time: None,
        id: campaign::Column::Id,
    };
    page::fetch(
        domain.db.reader(),
        tenancy::find::<campaign::Entity>(&actor.scope),
        order,
        args,
    )
    .await
}

pub async fn count(domain: &Domain, actor: &Actor) -> Result<u64> {
    actor.require(Operation::ReadCampaigns)?;
    Ok(tenancy::find::<campaign::Entity>(&actor.scope)
        .count(domain.db.reader())
        .await?)
}

pub async fn get(domain: &Domain, actor: &Actor, id: CampaignId) -> Result<Option<campaign::Model>> {
    actor.require(Operation::ReadCampaigns)?;
    Ok(find(domain.db.reader(), &actor.scope, id).await?)
}

pub(super) async fn find(
    db: &impl ConnectionTrait,
    scope: &Scope,
    id: CampaignId,
) -> Result<Option<campaign::Model>, sea_orm::DbErr> {
    tenancy::find::<campaign::Entity>(scope)
        .filter(campaign::Column::Id.eq(id))
        .one(db)
        .await
}

/// Creates a campaign and its first rule.
///
/// # Errors
/// `INVALID` on the field that breaks a rule.
pub async fn create(domain: &Domain, actor: &Actor, input: CreateCampaign) -> Result<campaign::Model> {
    actor.require(Operation::ManageCampaigns)?;
    let mut problems = Problems::default();
    let name = problems.text(&["name"], &input.name, MAX_NAME);
    let landing_url = landing_url(&mut problems, &input.landing_url);
    problems.range(&["cookieWindowDays"], input.cookie_window_days, 1, MAX_DAYS);
    let rule = RuleInput {
        pay: pay(&mut problems, &input.commission),
        duration: input.duration,
        months: input.months,
        hold_days: input.hold_days,
    };
    rule.check(&mut problems);
    problems.check()?;

    let now = domain.clock.now();
    let campaign = campaign::Model {
        id: CampaignId(domain.clock.new_id()),
        brand_id: actor.scope.brand,
        name,
        landing_url,
        affiliates_can_manage_codes: input.affiliates_can_manage_codes,
        click_model: input.click_model,
        cookie_window_days: input.cookie_window_days,
        created_at: now,
    };
    let txn = domain.db.begin().await?;
    let row = campaign.clone().into_active_model();
    campaign::Entity::insert(row).exec_without_returning(&txn).await?;
    rule.append_in_txn(&txn, domain, &campaign).await?;
    txn.commit().await?;
    Ok(campaign)
}

/// Changes a campaign. A changed commission or hold counts for sales from now on.
///
/// # Errors
/// `NOT_FOUND` on `id`; `INVALID` on the field that breaks a rule.
pub async fn update(domain: &Domain, actor: &Actor, id: CampaignId, input: UpdateCampaign) -> Result<campaign::Model> {
    actor.require(Operation::ManageCampaigns)?;
    let txn = domain.db.begin().await?;
    let row = find(&txn, &actor.scope, id).await?;
    let campaign = row.ok_or_else(|| Error::not_found(&["id"]))?;
    let old = current_rule(&txn, id).await?;

    let mut problems = Problems::default();
    let mut change: campaign::ActiveModel = campaign.clone().into();
    if let Some(name) = &input.name {
        change.name = Set(problems.text(&["name"], name, MAX_NAME));
    }
    if let Some(url) = &input.landing_url {
        change.landing_url = Set(landing_url(&mut problems, url));
    }
    if let Some(model) = input.click_model {
        change.click_model = Set(model);
    }
    if let Some(days) = input.cookie_window_days {
        problems.range(&["cookieWindowDays"], days, 1, MAX_DAYS);
        change.cookie_window_days = Set(days);
    }
    if let Some(on) = input.affiliates_can_manage_codes {
        change.affiliates_can_manage_codes = Set(on);
    }
    let duration = input.duration.unwrap_or(old.duration);
    let kept = old.duration_months.filter(|_| duration == CommissionDuration::Months);
    let rule = RuleInput {
        pay: match &input.commission {
            Some(commission) => pay(&mut problems, commission),
            None => Some(stored_pay(&old)?),
        },
        duration,
        months: input.months.or(kept),
        hold_days: input.hold_days.unwrap_or(old.hold_days),
    };
    rule.check(&mut problems);
    problems.check()?;

    let changed = if change.is_changed() {
        change.update(&txn).await?
    } else {
        campaign
    };
    if rule != RuleInput::stored(&old)? {
        rule.append_in_txn(&txn, domain, &changed).await?;
    }
    txn.commit().await?;
    Ok(changed)
}

/// The rule that is in force now.
async fn current_rule(db: &impl ConnectionTrait, id: CampaignId) -> Result<campaign_rule::Model> {
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
    })
}

fn stored_pay(row: &campaign_rule::Model) -> Result<Pay> {
    match (
        row.percent_bps,
        row.flat_amount,
        row.flat_currency.as_deref().map(str::parse),
    ) {
        (Some(points), None, None) => Ok(Pay::Percent(points.into())),
        (None, Some(amount), Some(Ok(currency))) => Ok(Pay::Flat(amount, currency)),
        _ => Err(Error::Internal(format!("the rule {} pays nothing", row.id))),
    }
}

/// A rule before it has a campaign and a time.
#[derive(PartialEq)]
struct RuleInput {
    pay: Option<Pay>,
    duration: CommissionDuration,
    months: Option<i32>,
    hold_days: i32,
}

impl RuleInput {
    fn stored(row: &campaign_rule::Model) -> Result<Self> {
        Ok(Self {
            pay: Some(stored_pay(row)?),
            duration: row.duration,
            months: row.duration_months,
            hold_days: row.hold_days,
        })
    }

    fn check(&self, problems: &mut Problems) {
        let field = &["commissionMonths"];
        match (self.duration, self.months) {
            (CommissionDuration::Months, Some(months)) => problems.range(field, months, 1, MAX_MONTHS),
            (CommissionDuration::Months, None) => problems.require(false, field, "MONTHS needs a number of months."),
            (_, months) => problems.require(months.is_none(), field, "Only MONTHS takes a number of months."),
        }
        problems.range(&["holdDays"], self.hold_days, 0, MAX_DAYS);
    }

    async fn append_in_txn(
        &self,
        txn: &impl ConnectionTrait,
        domain: &Domain,
        campaign: &campaign::Model,
    ) -> Result<()> {
        let (percent_bps, flat) = match &self.pay {
            Some(Pay::Percent(points)) => (i32::try_from(*points).ok(), None),
            Some(Pay::Flat(amount, currency)) => (None, Some((*amount, currency.to_string()))),
            None => (None, None),
        };
        let row = campaign_rule::Model {
            id: domain.clock.new_id(),
            brand_id: campaign.brand_id,
            campaign_id: campaign.id,
            effective_from: effective_from(domain, campaign),
            percent_bps,
            flat_amount: flat.as_ref().map(|(amount, _)| *amount),
            flat_currency: flat.map(|(_, currency)| currency),
            duration: self.duration,
            duration_months: self.months,
            hold_days: self.hold_days,
        };
        campaign_rule::Entity::insert(row.into_active_model())
            .exec_without_returning(txn)
            .await?;
        Ok(())
    }
}

fn effective_from(domain: &Domain, campaign: &campaign::Model) -> DateTime<Utc> {
    domain.clock.now().max(campaign.created_at)
}

fn pay(problems: &mut Problems, input: &CommissionInput) -> Option<Pay> {
    match input {
        CommissionInput::Percent(percent) => {
            let points = money::basis_points(*percent);
            let message = "It must be above 0 and at most 100, with at most two decimals.";
            problems.require(points.is_some(), &["commission", "percent"], message);
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

fn landing_url(problems: &mut Problems, text: &str) -> String {
    let url = Url::parse(text.trim());
    let good = url
        .as_ref()
        .is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host() && url.as_str().len() <= 2000);
    problems.require(
        good,
        &["landingUrl"],
        "It must be an http or https URL of at most 2000 characters.",
    );
    url.map(String::from).unwrap_or_default()
}
