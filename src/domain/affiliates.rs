//! Affiliates, and how they stood at any time.
//!
//! **Invariant.** `affiliate.status` is the last row of `affiliate_status`; both change in one transaction.

use std::collections::BTreeSet;

use entity::{
    affiliate::{self, AffiliateStatus},
    affiliate_campaign, affiliate_status, campaign,
    id::{AffiliateId, CampaignId},
};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, Condition, ConnectionTrait, DbErr, EntityTrait, IntoActiveModel, PaginatorTrait,
    QueryFilter, QuerySelect, QueryTrait, Select, Set, SqlErr,
};

use super::{
    Domain, approval_mint, audit,
    campaigns::MAX_NAME,
    effective::after_the_last,
    links,
    page::{self, By, Direction, Order, Page, PageArgs, Sort},
    plans, recruiters, tenancy,
};
use crate::{
    auth::{Actor, Operation, Scope},
    error::{Error, Problems, Result, UserErrorCode},
};

/// RFC 5321, section 4.5.3.1.3.
const MAX_EMAIL: usize = 254;
const MAX_REASON: usize = 1000;
const MAX_CAMPAIGNS: usize = 100;

#[derive(Clone, Debug)]
pub struct CreateAffiliate {
    pub name: String,
    pub email: String,
    pub campaign_ids: Vec<Option<CampaignId>>,
    /// `Some(None)` for an id that could not be read.
    pub recruited_by: Option<Option<AffiliateId>>,
    pub approve: bool,
}

/// What affiliates can be ordered by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OrderField {
    CreatedAt,
    Email,
}

/// The order that was asked for; oldest first by itself.
pub fn order(sort: Option<Sort<OrderField>>) -> Order<affiliate::Column> {
    let Some(Sort { field, direction }) = sort else {
        return Order::oldest_first(affiliate::Column::Id);
    };
    match (field, direction) {
        (OrderField::CreatedAt, Direction::Asc) => Order::oldest_first(affiliate::Column::Id),
        (OrderField::CreatedAt, Direction::Desc) => Order::named("created", By::Id, affiliate::Column::Id, direction),
        (OrderField::Email, _) => {
            let email = By::Text(affiliate::Column::EmailKey);
            Order::named("email", email, affiliate::Column::Id, direction)
        }
    }
}

/// Which affiliates: everything that is given must hold. An id that could not be read is `Some(None)`: nobody is in it.
#[derive(Clone, Debug, Default)]
pub struct AffiliateFilter {
    pub status: Option<Vec<AffiliateStatus>>,
    pub campaign_id: Option<Option<CampaignId>>,
}

fn filtered(scope: &Scope, filter: &AffiliateFilter) -> Select<affiliate::Entity> {
    let members = filter.campaign_id.map(|id| {
        let members = affiliate_campaign::Entity::find()
            .select_only()
            .column(affiliate_campaign::Column::AffiliateId)
            .filter(page::is(affiliate_campaign::Column::CampaignId, id));
        affiliate::Column::Id.in_subquery(members.into_query())
    });
    tenancy::find::<affiliate::Entity>(scope).filter(
        Condition::all()
            .add_option(filter.status.clone().map(|set| affiliate::Column::Status.is_in(set)))
            .add_option(members),
    )
}

/// A page of the affiliates that the caller may see; for an affiliate, itself.
pub async fn list(
    domain: &Domain,
    actor: &Actor,
    filter: &AffiliateFilter,
    order: Order<affiliate::Column>,
    args: &PageArgs,
) -> Result<Page<affiliate::Model>> {
    actor.require(Operation::ReadAffiliates)?;
    page::fetch(domain.db.reader(), filtered(&actor.scope, filter), order, args).await
}

pub async fn count(domain: &Domain, actor: &Actor, filter: &AffiliateFilter) -> Result<u64> {
    actor.require(Operation::ReadAffiliates)?;
    Ok(filtered(&actor.scope, filter).count(domain.db.reader()).await?)
}

pub async fn get(domain: &Domain, actor: &Actor, id: AffiliateId) -> Result<Option<affiliate::Model>> {
    actor.require(Operation::ReadAffiliates)?;
    Ok(find(domain.db.reader(), &actor.scope, id).await?)
}

pub(super) async fn find(
    db: &impl ConnectionTrait,
    scope: &Scope,
    id: AffiliateId,
) -> Result<Option<affiliate::Model>, DbErr> {
    tenancy::find::<affiliate::Entity>(scope)
        .filter(affiliate::Column::Id.eq(id))
        .one(db)
        .await
}

/// Whether an affiliate is in a campaign.
pub(super) async fn is_in(
    db: &impl ConnectionTrait,
    affiliate: AffiliateId,
    campaign: CampaignId,
) -> Result<bool, DbErr> {
    let membership = affiliate_campaign::Entity::find_by_id((affiliate, campaign));
    Ok(membership.one(db).await?.is_some())
}

/// Creates an affiliate in the given campaigns, with the codes that it gets where it is approved at once; an id that could not be read is given as `None`.
///
/// # Errors
/// `INVALID` on the field that breaks a rule, `NOT_FOUND` on a campaign or the recruiter, `TAKEN` on `email`.
pub async fn create(domain: &Domain, actor: &Actor, input: CreateAffiliate) -> Result<affiliate::Model> {
    actor.require(Operation::ManageAffiliates)?;
    let mut problems = Problems::default();
    let name = problems.text(&["name"], &input.name, MAX_NAME);
    let email = email(&mut problems, &["email"], &input.email);
    problems.require(
        (1..=MAX_CAMPAIGNS).contains(&input.campaign_ids.len()),
        &["campaignIds"],
        "An affiliate is in 1 to 100 campaigns.",
    );
    let modes = approval_mint::modes(domain, actor).await?;
    let txn = domain.db.begin().await?;
    let brand = plans::hold_brand_in_txn(&txn, actor.scope.brand).await?;
    let campaigns = campaigns(&txn, &actor.scope, &mut problems, &input.campaign_ids).await?;
    let recruiter = recruiters::given_in_txn(&txn, &actor.scope, &mut problems, input.recruited_by).await?;
    problems.check()?;

    let now = domain.clock.now();
    let status = if input.approve {
        AffiliateStatus::Approved
    } else {
        AffiliateStatus::Pending
    };
    let affiliate = affiliate::Model {
        id: AffiliateId(domain.clock.new_id()),
        brand_id: actor.scope.brand,
        name,
        email_key: email.to_lowercase(),
        email,
        status,
        created_at: now,
    };
    affiliate::Entity::insert(affiliate.clone().into_active_model())
        .exec_without_returning(&txn)
        .await
        .map_err(email_taken)?;
    let named: Vec<String> = campaigns.iter().map(ToString::to_string).collect();
    join_in_txn(&txn, domain, &affiliate, campaigns).await?;
    append_status_in_txn(&txn, domain, actor, &affiliate, None).await?;
    let mut entry =
        audit::Entry::created("affiliate.created", affiliate.id, &affiliate)?.with("campaignIds", named.join(" "));
    if let Some(recruiter) = recruiter {
        recruiters::append_in_txn(&txn, domain, actor, affiliate.id, Some(recruiter)).await?;
        entry = entry.with("recruitedById", recruiter.to_string());
    }
    audit::record_in_txn(&txn, &domain.clock, actor, entry.of_both_modes()).await?;
    let minted = if input.approve {
        approval_mint::mint_in_txn(&txn, domain, actor, (&brand, &affiliate), &modes).await?
    } else {
        0
    };
    txn.commit().await?;
    if minted > 0 {
        domain.outbox.wake();
    }
    Ok(affiliate)
}

/// Changes how an affiliate stands, from now on; one that is approved gets its codes.
///
/// # Errors
/// `NOT_FOUND` on `id`; `INVALID` on `reason`.
pub async fn update_status(
    domain: &Domain,
    actor: &Actor,
    id: AffiliateId,
    status: AffiliateStatus,
    reason: Option<String>,
) -> Result<affiliate::Model> {
    actor.require(Operation::ManageAffiliates)?;
    let mut problems = Problems::default();
    let reason = reason.map(|reason| problems.text(&["reason"], &reason, MAX_REASON));
    problems.check()?;
    let modes = approval_mint::modes(domain, actor).await?;
    let txn = domain.db.begin().await?;
    let brand = plans::hold_brand_in_txn(&txn, actor.scope.brand).await?;
    let row = tenancy::find_to_change::<affiliate::Entity>(&actor.scope).filter(affiliate::Column::Id.eq(id));
    let row = row.one(&txn).await?;
    let affiliate = row.ok_or_else(|| Error::not_found(&["id"]))?;
    if affiliate.status == status {
        return Ok(affiliate);
    }
    let mut change: affiliate::ActiveModel = affiliate.clone().into();
    change.status = Set(status);
    let changed = change.update(&txn).await?;
    let mut entry = audit::Entry::changed("affiliate.status_changed", id, &affiliate, &changed)?.of_both_modes();
    if let Some(reason) = &reason {
        entry = entry.with("reason", reason);
    }
    audit::record_in_txn(&txn, &domain.clock, actor, entry).await?;
    append_status_in_txn(&txn, domain, actor, &changed, reason).await?;
    let minted = if status == AffiliateStatus::Approved {
        approval_mint::mint_in_txn(&txn, domain, actor, (&brand, &changed), &modes).await?
    } else {
        0
    };
    txn.commit().await?;
    if minted > 0 {
        domain.outbox.wake();
    }
    Ok(changed)
}

/// Puts a new affiliate into its campaigns, with a link to each.
async fn join_in_txn(
    txn: &impl ConnectionTrait,
    domain: &Domain,
    affiliate: &affiliate::Model,
    campaigns: BTreeSet<CampaignId>,
) -> Result<()> {
    let memberships = campaigns.iter().map(|campaign_id| affiliate_campaign::ActiveModel {
        affiliate_id: Set(affiliate.id),
        campaign_id: Set(*campaign_id),
        brand_id: Set(affiliate.brand_id),
        created_at: Set(affiliate.created_at),
    });
    affiliate_campaign::Entity::insert_many(memberships)
        .exec_without_returning(txn)
        .await?;
    links::make_in_txn(txn, &domain.clock, affiliate, campaigns).await
}

async fn append_status_in_txn(
    txn: &impl ConnectionTrait,
    domain: &Domain,
    actor: &Actor,
    affiliate: &affiliate::Model,
    reason: Option<String>,
) -> Result<()> {
    let of_affiliate = affiliate_status::Column::AffiliateId.eq(affiliate.id);
    let column = affiliate_status::Column::EffectiveFrom;
    let effective_from = after_the_last(txn, column, of_affiliate, domain.clock.now()).await?;
    let row = affiliate_status::Model {
        id: domain.clock.new_id(),
        brand_id: affiliate.brand_id,
        affiliate_id: affiliate.id,
        effective_from,
        status: affiliate.status,
        changed_by: actor.subject.clone(),
        reason,
    };
    affiliate_status::Entity::insert(row.into_active_model())
        .exec_without_returning(txn)
        .await?;
    Ok(())
}

/// The campaigns that were named, each once; what is not the brand's is a problem.
async fn campaigns(
    db: &impl ConnectionTrait,
    scope: &Scope,
    problems: &mut Problems,
    given: &[Option<CampaignId>],
) -> Result<BTreeSet<CampaignId>> {
    let named: BTreeSet<CampaignId> = given.iter().flatten().copied().collect();
    let found = tenancy::find::<campaign::Entity>(scope)
        .filter(campaign::Column::Id.is_in(named.iter().copied()))
        .count(db)
        .await?;
    if given.contains(&None) || found != named.len() as u64 {
        problems.add(UserErrorCode::NotFound, &["campaignIds"], "There is no such campaign.");
    }
    Ok(named)
}

/// One `@`, something on each side, no blanks: the rest is for the mail server to say.
pub(super) fn email(problems: &mut Problems, field: &[&'static str], text: &str) -> String {
    let email = text.trim();
    let parts = email.split_once('@');
    let good = parts.is_some_and(|(local, host)| {
        let blank = email.chars().any(|c| c.is_whitespace() || c.is_control());
        !local.is_empty() && !host.is_empty() && !host.contains('@') && !blank && email.len() <= MAX_EMAIL
    });
    problems.require(good, field, "It must be an e-mail address.");
    email.to_owned()
}

fn email_taken(error: DbErr) -> Error {
    match error.sql_err() {
        Some(SqlErr::UniqueConstraintViolation(_)) => {
            let message = "Another affiliate has this e-mail.";
            Error::user(UserErrorCode::Taken, &["email"], message)
        }
        _ => error.into(),
    }
}
