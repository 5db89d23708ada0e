//! Writes down what Stripe told of our coupons and codes.
//!
//! **The order.** Each look at Stripe has a span: from before the question to after the answer, by our clock. It counts
//! if it began after the last one that was recorded had ended, and after the last operation of ours was done; of two that
//! overlap nobody can say which saw the later state, so the second looks again. What an operation did counts unless
//! somebody has looked since it was owed; among themselves they go in order.

use chrono::{DateTime, TimeDelta, Utc};
use entity::{
    campaign_code,
    code::{self, StripeReason},
    coupon,
    id::CouponId,
    stripe_operation,
};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, sea_query::Expr};

use super::{
    ours::{NOT_OURS, OurCode, Ours, at_stripe, other_name, ours},
    told::{CodeTold, CouponTold, Told},
};
use crate::{
    clock::Clock,
    domain::{drift::AtStripe, feed::FeedName, owed::Call},
    error::Result,
    stripe::answers::Made,
};

/// What was recorded this much later than a look that has ended was recorded by a clock that was wrong: it does not count.
const AHEAD: TimeDelta = TimeDelta::minutes(1);

/// When somebody looked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    pub began: DateTime<Utc>,
    pub ended: DateTime<Utc>,
}

impl Span {
    pub fn at(moment: DateTime<Utc>) -> Self {
        Self {
            began: moment,
            ended: moment,
        }
    }
}

/// How it is known.
#[derive(Clone, Copy)]
enum Source {
    Seen(Span),
    /// Stripe said so of a moment, by its own clock, and nobody can be asked.
    Told(DateTime<Utc>),
    /// An operation of ours made it so.
    Made {
        owed_at: DateTime<Utc>,
        done_at: DateTime<Utc>,
    },
}

impl Source {
    fn counts(self, seen_at: Option<DateTime<Utc>>, made_at: Option<DateTime<Utc>>) -> bool {
        match self {
            Self::Seen(span) => {
                let last = seen_at.max(made_at);
                last.is_none_or(|last| last <= span.began || last > span.ended + AHEAD)
            }
            Self::Told(at) => seen_at.max(made_at).is_none_or(|last| last <= at),
            Self::Made { owed_at, .. } => seen_at.is_none_or(|last| last <= owed_at),
        }
    }

    fn at(self) -> DateTime<Utc> {
        match self {
            Self::Seen(span) => span.ended,
            Self::Told(at) => at,
            Self::Made { done_at, .. } => done_at,
        }
    }
}

/// The column that says when.
macro_rules! when {
    ($table:ident, $source:expr) => {
        match $source {
            Source::Seen(_) | Source::Told(_) => $table::Column::StripeSeenAt,
            Source::Made { .. } => $table::Column::StripeMadeAt,
        }
    };
}

/// What became of what was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recorded {
    Done,
    /// Something that may be later was recorded meanwhile.
    Overtaken,
    /// It is not ours to record, and why.
    Passed(&'static str),
}

/// Records what was told, unless something that may be later was recorded meanwhile.
pub async fn record_in_txn(txn: &impl ConnectionTrait, feed: FeedName, told: &Told, span: Span) -> Result<Recorded> {
    write_in_txn(txn, feed, told, Source::Seen(span)).await
}

/// Records what an event told, where Stripe cannot be asked: the later one counts.
pub async fn tell_in_txn(
    txn: &impl ConnectionTrait,
    feed: FeedName,
    told: &Told,
    at: DateTime<Utc>,
) -> Result<Recorded> {
    write_in_txn(txn, feed, told, Source::Told(at)).await
}

async fn write_in_txn(txn: &impl ConnectionTrait, feed: FeedName, told: &Told, source: Source) -> Result<Recorded> {
    let found = match ours(txn, feed, told).await? {
        Ok(found) => found,
        Err(why) => return Ok(Recorded::Passed(why)),
    };
    match (&found, told) {
        (Ours::Coupon(row), Told::Coupon(told)) => write_coupon(txn, row, told, source).await,
        (Ours::Code(row), Told::Code(told)) => {
            let state = at_stripe(txn, row, told).await?;
            write_code(txn, row, state, source).await
        }
        _ => Ok(Recorded::Passed(NOT_OURS)),
    }
}

async fn write_coupon(
    txn: &impl ConnectionTrait,
    row: &coupon::Model,
    told: &CouponTold,
    source: Source,
) -> Result<Recorded> {
    if !source.counts(row.stripe_seen_at, row.stripe_made_at) {
        return Ok(Recorded::Overtaken);
    }
    coupon::Entity::update_many()
        .col_expr(coupon::Column::StripeName, Expr::value(other_name(row, told)))
        .col_expr(coupon::Column::StripeGone, Expr::value(told.gone))
        .col_expr(when!(coupon, source), Expr::value(source.at()))
        .filter(coupon::Column::Id.eq(row.id))
        .exec(txn)
        .await?;
    if told.gone && !row.stripe_gone {
        end_codes(txn, row.id, source).await?;
    }
    Ok(Recorded::Done)
}

/// All codes of a coupon that is gone have died with it.
async fn end_codes(txn: &impl ConnectionTrait, id: CouponId, source: Source) -> Result<()> {
    macro_rules! end {
        ($table:ident) => {
            $table::Entity::update_many()
                .col_expr($table::Column::StripeActive, Expr::value(false))
                .col_expr(
                    $table::Column::StripeReason,
                    Expr::value(StripeReason::CouponDeleted),
                )
                .col_expr(when!($table, source), Expr::value(source.at()))
                .filter($table::Column::CouponId.eq(id))
                .filter($table::Column::StripeId.is_not_null())
                .exec(txn)
                .await?;
        };
    }
    end!(code);
    end!(campaign_code);
    Ok(())
}

/// Writes down that Stripe does not have a code.
pub async fn miss_in_txn(txn: &impl ConnectionTrait, row: &OurCode, span: Span) -> Result<Recorded> {
    let missing = AtStripe::Off(StripeReason::Missing);
    write_code(txn, row, missing, Source::Seen(span)).await
}

async fn write_code(txn: &impl ConnectionTrait, row: &OurCode, state: AtStripe, source: Source) -> Result<Recorded> {
    if !source.counts(row.seen_at, row.made_at) {
        return Ok(Recorded::Overtaken);
    }
    let (active, reason) = state.columns();
    macro_rules! write {
        ($table:ident) => {
            $table::Entity::update_many()
                .col_expr($table::Column::StripeActive, Expr::value(active))
                .col_expr($table::Column::StripeReason, Expr::value(reason))
                .col_expr(when!($table, source), Expr::value(source.at()))
                .filter($table::Column::Id.eq(row.id))
                .exec(txn)
                .await?
        };
    }
    if row.shared {
        write!(campaign_code)
    } else {
        write!(code)
    };
    Ok(Recorded::Done)
}

/// Writes down what an operation of ours has made so. Nothing is written where somebody looked since the operation was
/// owed: then that may be later, and if it is not, the event of the operation itself is still to come.
pub async fn made_in_txn(
    txn: &impl ConnectionTrait,
    clock: &Clock,
    operation: &stripe_operation::Model,
    made: &Made,
) -> Result<()> {
    let feed = FeedName {
        brand: operation.brand_id,
        livemode: operation.livemode,
    };
    let stripe_id = &made.id;
    let source = Source::Made {
        owed_at: operation.created_at,
        done_at: clock.now(),
    };
    let coupon = |name: Option<&str>| {
        Told::Coupon(CouponTold {
            id: stripe_id.clone(),
            gone: name.is_none(),
            name: name.map(str::to_owned),
            brand: None,
        })
    };
    let code = |active: bool| {
        let at_stripe = if active {
            AtStripe::On
        } else {
            AtStripe::Off(StripeReason::Deactivated)
        };
        Told::Code(CodeTold {
            id: stripe_id.clone(),
            text: None,
            at_stripe,
            at: clock.now().timestamp(),
            row: operation.code_id,
            brand: None,
        })
    };
    let told = match serde_json::from_str(&operation.params)? {
        Call::CreateCoupon { name, .. } | Call::RenameCoupon { name, .. } => coupon(Some(&name)),
        Call::DeleteCoupon { .. } => coupon(None),
        // One that was found may have been switched off at Stripe before it was known here.
        Call::CreatePromotionCode { active, .. } => code(made.active.unwrap_or(active)),
        Call::SetPromotionCodeActive { active, .. } => code(active),
        Call::RetirePromotionCode { .. } => return Ok(()),
    };
    write_in_txn(txn, feed, &told, source).await.map(drop)
}
