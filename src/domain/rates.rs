//! What an affiliate earns in a campaign instead of what the campaign pays. For how long a customer's sales earn, and
//! when, is the campaign's to say.
//!
//! **Invariants.** A rate is never edited: a change appends one that is in force from now on. With the campaign's override
//! on it, no rate takes more than the whole sale: both change under the lock of the campaign's row.

use entity::{
    affiliate, affiliate_rate, campaign,
    id::{AffiliateId, CampaignId},
};
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, DbErr, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder, QuerySelect,
    sea_query::{Expr, ExprTrait, SimpleExpr},
};
use serde_json::json;

use super::{
    Domain, affiliates, audit,
    campaign_rules::{CommissionInput, check_sum, columns, current_rule, pay, rate},
    commission::Pay,
    effective::after_the_last,
    tenancy,
};
use crate::{
    auth::{Actor, Operation, Scope},
    error::{Error, Problems, Result, UserErrorCode},
};

/// An id that could not be read is `None`.
#[derive(Clone, Debug)]
pub struct SetRate {
    pub affiliate_id: Option<AffiliateId>,
    pub campaign_id: Option<CampaignId>,
    /// `None`: what the campaign pays.
    pub commission: Option<CommissionInput>,
}

/// That no later rate of the same affiliate in the same campaign is there.
fn is_current() -> SimpleExpr {
    Expr::cust(
        "NOT EXISTS (SELECT 1 FROM affiliate_rate later WHERE later.affiliate_id = affiliate_rate.affiliate_id
           AND later.campaign_id = affiliate_rate.campaign_id
           AND (later.effective_from, later.id) > (affiliate_rate.effective_from, affiliate_rate.id))",
    )
}

/// The rates in force now of some affiliates that the caller has found.
pub async fn current(
    db: &impl ConnectionTrait,
    scope: &Scope,
    affiliates: Vec<AffiliateId>,
) -> Result<Vec<affiliate_rate::Model>, DbErr> {
    affiliate_rate::Entity::find()
        .filter(affiliate_rate::Column::BrandId.eq(scope.brand))
        .filter(affiliate_rate::Column::AffiliateId.is_in(affiliates))
        .filter(is_some())
        .filter(is_current())
        .order_by_asc(affiliate_rate::Column::CampaignId)
        .all(db)
        .await
}

/// That it is a rate, and not the end of one.
fn is_some() -> Condition {
    let (percent, flat) = (affiliate_rate::Column::PercentBps, affiliate_rate::Column::FlatAmount);
    Condition::any().add(percent.is_not_null()).add(flat.is_not_null())
}

/// The highest percentage that an affiliate has in a campaign now.
pub(super) async fn highest_percent(txn: &impl ConnectionTrait, campaign: CampaignId) -> Result<Option<Pay>> {
    let highest: Option<Option<i32>> = affiliate_rate::Entity::find()
        .select_only()
        .expr(Expr::col(affiliate_rate::Column::PercentBps).max())
        .filter(affiliate_rate::Column::CampaignId.eq(campaign))
        .filter(is_current())
        .into_tuple()
        .one(txn)
        .await?;
    Ok(highest.flatten().map(|points| Pay::Percent(points.into())))
}

/// Sets what an affiliate earns in a campaign from now on; the affiliate.
///
/// # Errors
/// `NOT_FOUND` on `affiliateId` or `campaignId`; `INVALID` on `campaignId` where the affiliate is not in it, or on what of
/// `commission` breaks a rule.
pub async fn set(domain: &Domain, actor: &Actor, input: SetRate) -> Result<affiliate::Model> {
    actor.require(Operation::ManageAffiliates)?;
    let mut problems = Problems::default();
    let new = input.commission.as_ref().map(|given| pay(&mut problems, given));
    let txn = domain.db.begin().await?;
    let (affiliate, campaign) = parties(&txn, actor, &input, &mut problems).await?;
    let rule = current_rule(&txn, campaign.id).await?;
    let new = new.flatten();
    check_sum(
        &mut problems,
        &["commission", "percent"],
        new.as_ref(),
        rule.override_bps,
    );
    problems.check()?;
    let old = last(&txn, affiliate.id, campaign.id).await?;
    let old = old.as_ref().and_then(rate);
    if old == new {
        return Ok(affiliate);
    }
    let (percent_bps, flat_amount, flat_currency) = columns(new.as_ref());
    let column = affiliate_rate::Column::EffectiveFrom;
    let of_both = affiliate_rate::Column::AffiliateId
        .eq(affiliate.id)
        .and(affiliate_rate::Column::CampaignId.eq(campaign.id));
    let row = affiliate_rate::Model {
        id: domain.clock.new_id(),
        brand_id: affiliate.brand_id,
        affiliate_id: affiliate.id,
        campaign_id: campaign.id,
        effective_from: after_the_last(&txn, column, of_both, domain.clock.now()).await?,
        percent_bps,
        flat_amount,
        flat_currency,
        changed_by: actor.subject.clone(),
    };
    affiliate_rate::Entity::insert(row.into_active_model())
        .exec_without_returning(&txn)
        .await?;
    let shown = |pay: Option<&Pay>| {
        let (percent_bps, flat_amount, flat_currency) = columns(pay);
        json!({ "percentBps": percent_bps, "flatAmount": flat_amount, "flatCurrency": flat_currency })
    };
    let (before, after) = (shown(old.as_ref()), shown(new.as_ref()));
    let entry = audit::Entry::changed("affiliate.rate_set", affiliate.id, &before, &after)?;
    let entry = entry.with("campaignId", campaign.id.to_string()).of_both_modes();
    audit::record_in_txn(&txn, &domain.clock, actor, entry).await?;
    txn.commit().await?;
    Ok(affiliate)
}

/// The affiliate, and the campaign held until the end of the transaction.
async fn parties(
    txn: &impl ConnectionTrait,
    actor: &Actor,
    input: &SetRate,
    problems: &mut Problems,
) -> Result<(affiliate::Model, campaign::Model)> {
    let campaign = match input.campaign_id {
        Some(id) => {
            let row = tenancy::find_to_change::<campaign::Entity>(&actor.scope).filter(campaign::Column::Id.eq(id));
            row.one(txn).await?
        }
        None => None,
    };
    let affiliate = match input.affiliate_id {
        Some(id) => affiliates::find(txn, &actor.scope, id).await?,
        None => None,
    };
    if affiliate.is_none() {
        problems.add(UserErrorCode::NotFound, &["affiliateId"], "There is no such affiliate.");
    }
    if campaign.is_none() {
        problems.add(UserErrorCode::NotFound, &["campaignId"], "There is no such campaign.");
    }
    let Some((affiliate, campaign)) = affiliate.zip(campaign) else {
        return Err(Error::User(std::mem::take(problems).into_list()));
    };
    let is_in = affiliates::is_in(txn, affiliate.id, campaign.id).await?;
    problems.require(is_in, &["campaignId"], "The affiliate is not in this campaign.");
    Ok((affiliate, campaign))
}

async fn last(
    txn: &impl ConnectionTrait,
    affiliate: AffiliateId,
    campaign: CampaignId,
) -> Result<Option<affiliate_rate::Model>> {
    let rows = affiliate_rate::Entity::find()
        .filter(affiliate_rate::Column::AffiliateId.eq(affiliate))
        .filter(affiliate_rate::Column::CampaignId.eq(campaign))
        .filter(is_current());
    Ok(rows.one(txn).await?)
}
