//! What managers decide about conversions: that one stands, that one earns nothing, whose one is.
//!
//! **Invariants.** A decision is an entry of the log, folded into its sale by the transaction that stores it; what it comes
//! to is the projection's to say. Each conversion is decided in a transaction of its own, so that none holds up another.
//! The sale is locked before the conversion is looked at, as the workers do, so that what is decided on is what stands.

use entity::{
    affiliate::AffiliateStatus,
    conversion::{self, ConversionStatus},
    id::{AffiliateId, ConversionId},
    sale,
};
use sea_orm::{DatabaseTransaction, EntityTrait, QuerySelect};
use serde_json::json;

use super::{
    Domain, affiliates, audit, conversions,
    reports::{Decision, Report, Verdict},
    sale_log::{again, tell_in_txn},
};
use crate::{
    auth::{Actor, Operation},
    error::{Error, Problems, Result, UserError, UserErrorCode},
};

/// How many conversions are decided at once.
pub const MAX_AT_ONCE: usize = 100;
const MAX_REASON: usize = 1000;

/// What is decided of several.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judgement {
    Approve,
    Reject,
}

/// Conversions to decide on; an id that could not be read is `None`.
#[derive(Clone, Debug)]
pub struct Decide {
    pub ids: Vec<Option<ConversionId>>,
    pub reason: String,
}

/// A conversion as it is now, and whether the decision changed anything.
#[derive(Clone, Debug)]
pub struct Decided {
    pub conversion: conversion::Model,
    pub changed: bool,
}

/// What became of one, or what to mend.
pub type DecidedResult = Result<Decided, Vec<UserError>>;

impl Judgement {
    fn verdict(self) -> (Verdict, &'static str) {
        match self {
            Self::Approve => (Verdict::Approved, "conversion.approved"),
            Self::Reject => (Verdict::Rejected, "conversion.rejected"),
        }
    }

    /// Whether a conversion is to be changed by it; one that stands that way already is not.
    ///
    /// # Errors
    /// `INVALID` on `ids` where it cannot be decided so.
    fn applies_to(self, status: ConversionStatus) -> Result<bool> {
        use ConversionStatus::{Disputed, Held, PartiallyRefunded, Refunded, Rejected, Standing};
        let refused = |message| Err(Error::user(UserErrorCode::Invalid, IDS, message));
        match (self, status) {
            (Self::Approve, Held | Rejected) | (Self::Reject, Held | Standing | PartiallyRefunded | Disputed) => {
                Ok(true)
            }
            (Self::Approve, Standing | PartiallyRefunded) | (Self::Reject, Rejected) => Ok(false),
            (Self::Approve, Disputed) => refused("Its dispute is open."),
            (_, Refunded) => refused("All of it was refunded."),
        }
    }
}

const IDS: &[&str] = &["ids"];
const WITHDRAWN: &str = "By what is known of the sale now, nobody is credited for it.";

/// Approves or rejects conversions; what became of each, in order.
///
/// # Errors
/// For the whole of it: `INVALID` on `reason` or `ids`. For one of them: `NOT_FOUND`, or `INVALID` where it cannot be
/// decided so: see [`Judgement`].
pub async fn judge(domain: &Domain, actor: &Actor, judgement: Judgement, input: Decide) -> Result<Vec<DecidedResult>> {
    actor.require(Operation::DecideConversions)?;
    let mut problems = Problems::default();
    let reason = problems.text(&["reason"], &input.reason, MAX_REASON);
    let many = (1..=MAX_AT_ONCE).contains(&input.ids.len());
    problems.require(many, IDS, "There are 1 to 100 conversions.");
    problems.check()?;
    let mut results = Vec::with_capacity(input.ids.len());
    for id in input.ids {
        let result = match id {
            Some(id) => again(|| judge_one(domain, actor, judgement, id, &reason)).await,
            None => Err(Error::not_found(IDS)),
        };
        results.push(match result {
            Ok(decided) => Ok(decided),
            Err(Error::User(problems)) => Err(problems),
            Err(error) => return Err(error),
        });
    }
    Ok(results)
}

async fn judge_one(
    domain: &Domain,
    actor: &Actor,
    judgement: Judgement,
    id: ConversionId,
    reason: &str,
) -> Result<Decided> {
    let txn = domain.db.begin().await?;
    let row = locked_in_txn(&txn, actor, id)
        .await?
        .ok_or_else(|| Error::not_found(IDS))?;
    if row.is_withdrawn() && judgement == Judgement::Approve {
        return Err(Error::user(UserErrorCode::Invalid, IDS, WITHDRAWN));
    }
    if !judgement.applies_to(row.status)? {
        return Ok(Decided {
            conversion: row,
            changed: false,
        });
    }
    let (verdict, action) = judgement.verdict();
    let decided = json!({ "verdict": verdict, "reason": reason });
    let entry = audit::Entry::created(action, row.id, &decided)?.and(Some(&json!({ "status": row.status })), None)?;
    decide_in_txn(txn, domain, actor, row, verdict, reason, entry).await
}

/// Makes a conversion another affiliate's: what was earned of it moves there. Of a subscription's start, its renewals
/// follow, but for those that were reassigned by themselves.
///
/// # Errors
/// `INVALID` on `reason`; `NOT_FOUND` on `id` or `affiliateId`; `INVALID` on `affiliateId` where the affiliate is not in the
/// conversion's campaign, `AFFILIATE_NOT_APPROVED` where it is not approved.
pub async fn reassign(
    domain: &Domain,
    actor: &Actor,
    id: Option<ConversionId>,
    affiliate: Option<AffiliateId>,
    reason: &str,
) -> Result<Decided> {
    actor.require(Operation::DecideConversions)?;
    let mut problems = Problems::default();
    let reason = problems.text(&["reason"], reason, MAX_REASON);
    problems.check()?;
    let id = id.ok_or_else(|| Error::not_found(&["id"]))?;
    let affiliate = affiliate.ok_or_else(|| Error::not_found(AFFILIATE))?;
    again(|| reassign_one(domain, actor, id, affiliate, &reason)).await
}

const AFFILIATE: &[&str] = &["affiliateId"];

async fn reassign_one(
    domain: &Domain,
    actor: &Actor,
    id: ConversionId,
    to: AffiliateId,
    reason: &str,
) -> Result<Decided> {
    let txn = domain.db.begin().await?;
    let row = locked_in_txn(&txn, actor, id).await?;
    let row = row.ok_or_else(|| Error::not_found(&["id"]))?;
    if row.is_withdrawn() {
        return Err(Error::user(UserErrorCode::Invalid, &["id"], WITHDRAWN));
    }
    let affiliate = affiliates::find(&txn, &actor.scope, to).await?;
    let affiliate = affiliate.ok_or_else(|| Error::not_found(AFFILIATE))?;
    if row.affiliate_id == affiliate.id {
        return Ok(Decided {
            conversion: row,
            changed: false,
        });
    }
    if !affiliates::is_in(&txn, affiliate.id, row.campaign_id).await? {
        let message = "The affiliate is not in the conversion's campaign.";
        return Err(Error::user(UserErrorCode::Invalid, AFFILIATE, message));
    }
    if affiliate.status != AffiliateStatus::Approved {
        let message = "The affiliate is not approved.";
        return Err(Error::user(UserErrorCode::AffiliateNotApproved, AFFILIATE, message));
    }
    let shown = |affiliate: AffiliateId| json!({ "affiliateId": affiliate });
    let entry = audit::Entry::changed("conversion.reassigned", row.id, &shown(row.affiliate_id), &shown(to))?;
    let entry = entry.with("reason", reason);
    decide_in_txn(txn, domain, actor, row, Verdict::Reassigned(to), reason, entry).await
}

/// The conversion, or the older one that it turned out to be, with its sale locked until the end of the transaction.
async fn locked_in_txn(
    txn: &DatabaseTransaction,
    actor: &Actor,
    id: ConversionId,
) -> Result<Option<conversion::Model>> {
    let Some(seen) = conversions::current(txn, &actor.scope, id).await? else {
        return Ok(None);
    };
    let sale = sale::Entity::find_by_id(seen.sale_id).lock_exclusive().one(txn).await?;
    if sale.is_none_or(|sale| sale.merged_into.is_some()) {
        return Err(Error::Retry("its sale was joined to another".into()));
    }
    let row = conversions::current(txn, &actor.scope, id).await?;
    match row {
        Some(row) if row.sale_id == seen.sale_id => Ok(Some(row)),
        _ => Err(Error::Retry("it was joined to another".into())),
    }
}

/// Writes the decision down and does what follows from it; the conversion as it is then.
async fn decide_in_txn(
    txn: DatabaseTransaction,
    domain: &Domain,
    actor: &Actor,
    row: conversion::Model,
    verdict: Verdict,
    reason: &str,
    entry: audit::Entry,
) -> Result<Decided> {
    let last = domain.books.last_decision_in_txn(&txn, row.sale_id).await?;
    let decision = Decision {
        id: domain.clock.new_id_after(last),
        part: row.part,
        verdict,
        reason: reason.to_owned(),
        by: actor.subject.clone(),
        at: domain.clock.now().timestamp(),
    };
    audit::record_in_txn(&txn, &domain.clock, actor, entry).await?;
    tell_in_txn(&txn, domain, actor, &[Report::Decision(decision)]).await?;
    let conversion = conversions::current(&txn, &actor.scope, row.id).await?;
    let conversion = conversion.ok_or_else(|| Error::Internal(format!("the conversion {} is gone", row.id)))?;
    txn.commit().await?;
    domain.books.ring();
    Ok(Decided {
        conversion,
        changed: true,
    })
}
