//! Campaigns. The rules of what they pay are in `campaign_rules`.

use entity::{
    campaign::{self, ClickModel},
    campaign_rule::CommissionDuration,
    id::CampaignId,
};
use rust_decimal::Decimal;
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, EntityTrait, IntoActiveModel, PaginatorTrait, QueryFilter, Set,
};
use url::Url;

pub use super::campaign_rules::{CommissionInput, rate, rule};
use super::{
    Domain, audit,
    campaign_rules::{RuleInput, check_sum, current_rule, override_points, pay, stored_pay},
    page::{self, Order, Page, PageArgs},
    rates, tenancy,
};
use crate::{
    auth::{Actor, Operation, Scope},
    error::{Error, Problems, Result},
};

/// The longest name of anything. Characters.
pub const MAX_NAME: usize = 200;
pub(super) const MAX_DAYS: i32 = 3650;

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
    /// What a recruiter earns of what its recruits do.
    pub override_percent: Option<Decimal>,
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
    /// `Some(None)` takes it off.
    pub override_percent: Option<Option<Decimal>>,
    pub affiliates_can_manage_codes: Option<bool>,
}

/// A page of the campaigns that the caller may see, oldest first.
pub async fn list(domain: &Domain, actor: &Actor, args: &PageArgs) -> Result<Page<campaign::Model>> {
    actor.require(Operation::ReadCampaigns)?;
    let order = Order::oldest_first(campaign::Column::Id);
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
    let override_bps = input
        .override_percent
        .and_then(|percent| override_points(&mut problems, percent));
    let rule = RuleInput {
        pay: pay(&mut problems, &input.commission),
        duration: input.duration,
        months: input.months,
        hold_days: input.hold_days,
        override_bps,
        click_model: input.click_model,
        cookie_window_days: input.cookie_window_days,
    };
    rule.check(&mut problems);
    check_sum(
        &mut problems,
        &["overridePercent"],
        rule.pay.as_ref(),
        rule.override_bps,
    );
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
    let rule = rule.append_in_txn(&txn, domain, &campaign).await?;
    let entry = audit::Entry::created("campaign.created", campaign.id, &campaign)?;
    let entry = entry.and(None, Some(&rule))?.of_both_modes();
    audit::record_in_txn(&txn, &domain.clock, actor, entry).await?;
    txn.commit().await?;
    Ok(campaign)
}

/// Changes a campaign. What it pays and which clicks count change for sales from now on.
///
/// # Errors
/// `NOT_FOUND` on `id`; `INVALID` on the field that breaks a rule.
pub async fn update(domain: &Domain, actor: &Actor, id: CampaignId, input: UpdateCampaign) -> Result<campaign::Model> {
    actor.require(Operation::ManageCampaigns)?;
    let txn = domain.db.begin().await?;
    let row = tenancy::find_to_change::<campaign::Entity>(&actor.scope).filter(campaign::Column::Id.eq(id));
    let row = row.one(&txn).await?;
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
        change.cookie_window_days = Set(days);
    }
    if let Some(on) = input.affiliates_can_manage_codes {
        change.affiliates_can_manage_codes = Set(on);
    }
    let duration = input.duration.unwrap_or(old.duration);
    let kept = old.duration_months.filter(|_| duration == CommissionDuration::Months);
    let override_bps = match input.override_percent {
        Some(percent) => percent.and_then(|percent| override_points(&mut problems, percent)),
        None => old.override_bps,
    };
    let rule = RuleInput {
        pay: match &input.commission {
            Some(commission) => pay(&mut problems, commission),
            None => Some(stored_pay(&old)?),
        },
        duration,
        months: input.months.or(kept),
        hold_days: input.hold_days.unwrap_or(old.hold_days),
        override_bps,
        click_model: input.click_model.unwrap_or(old.click_model),
        cookie_window_days: input.cookie_window_days.unwrap_or(old.cookie_window_days),
    };
    rule.check(&mut problems);
    let field: &[&str] = match input.override_percent {
        Some(Some(_)) => &["overridePercent"],
        _ => &["commission", "percent"],
    };
    check_sum(&mut problems, field, rule.pay.as_ref(), override_bps);
    if override_bps > old.override_bps {
        let highest = rates::highest_percent(&txn, id).await?;
        check_sum(&mut problems, field, highest.as_ref(), override_bps);
    }
    problems.check()?;

    let changed = if change.is_changed() {
        change.update(&txn).await?
    } else {
        campaign.clone()
    };
    let mut entry = audit::Entry::changed("campaign.updated", id, &campaign, &changed)?.of_both_modes();
    if rule != RuleInput::stored(&old)? {
        let new = rule.append_in_txn(&txn, domain, &changed).await?;
        entry = entry.and(Some(&old), Some(&new))?;
    }
    audit::record_in_txn(&txn, &domain.clock, actor, entry).await?;
    txn.commit().await?;
    Ok(changed)
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
