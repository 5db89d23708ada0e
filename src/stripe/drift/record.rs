//! Writes down what Stripe told of our coupons and codes.
//!
//! **The order.** Each look at Stripe has a span: from before the question to after the answer, by our clock. It counts
//! if it began after the last one that was recorded had ended, and after the last operation of ours was done; of two that
//! overlap nobody can say which saw the later state, so the second looks again. What an operation did counts unless
//! somebody has looked since it was owed; among themselves they go in order.

use chrono::{DateTime, Utc};
use entity::{
    campaign_code,
    code::{self, StripeReason},
    coupon,
    id::{CodeId, CouponId},
    promotion_code, stripe_operation,
};
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QuerySelect,
    sea_query::{Expr, LockType},
};

use super::told::{CodeTold, CouponTold, Object, Told};
use crate::{
    clock::Clock,
    domain::{
        drift::{AtStripe, Standing},
        feed::FeedName,
        owed::Call,
    },
    error::Result,
};

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
    /// An operation of ours made it so.
    Made {
        owed_at: DateTime<Utc>,
        done_at: DateTime<Utc>,
    },
}

impl Source {
    fn counts(self, seen_at: Option<DateTime<Utc>>, made_at: Option<DateTime<Utc>>) -> bool {
        match self {
            Self::Seen(span) => seen_at.max(made_at).is_none_or(|last| last <= span.began),
            Self::Made { owed_at, .. } => seen_at.is_none_or(|last| last <= owed_at),
        }
    }

    fn at(self) -> DateTime<Utc> {
        match self {
            Self::Seen(span) => span.ended,
            Self::Made { done_at, .. } => done_at,
        }
    }
}

/// The column that says when.
macro_rules! when {
    ($table:ident, $source:expr) => {
        match $source {
            Source::Seen(_) => $table::Column::StripeSeenAt,
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

/// A row of ours that something at Stripe belongs to.
#[derive(Clone, Debug)]
pub enum Ours {
    Coupon(Box<coupon::Model>),
    Code(OurCode),
}

/// An affiliate's code or a campaign's.
#[derive(Clone, Debug)]
pub struct OurCode {
    pub id: CodeId,
    /// All affiliates of a campaign have it.
    pub shared: bool,
    pub coupon: CouponId,
    pub text: String,
    pub stripe_id: Option<String>,
    pub standing: Standing,
    pub seen_at: Option<DateTime<Utc>>,
    pub made_at: Option<DateTime<Utc>>,
}

macro_rules! our_code {
    ($table:ident, $shared:literal) => {
        impl From<$table::Model> for OurCode {
            fn from(row: $table::Model) -> Self {
                Self {
                    standing: (&row).into(),
                    id: row.id,
                    shared: $shared,
                    coupon: row.coupon_id,
                    text: row.code,
                    stripe_id: row.stripe_id,
                    seen_at: row.stripe_seen_at,
                    made_at: row.stripe_made_at,
                }
            }
        }
    };
}
our_code!(code, false);
our_code!(campaign_code, true);

pub const NOT_OURS: &str = "Rekomi has no such coupon or code";
const FORMER: &str = "it is about a promotion code that its code has not any more";
const NOT_YET: &str = "it is about a code that Rekomi is making, and that will say how it is";

/// The row that an object of Stripe's belongs to, held against other changes where it is read in a transaction. Only
/// what it is called now counts for a code.
pub async fn ours(db: &impl ConnectionTrait, feed: FeedName, told: &Told) -> Result<Result<Ours, &'static str>> {
    match told {
        Told::Coupon(coupon) => {
            let row = coupon_of(db, feed, &coupon.id).await?;
            Ok(row.map(|row| Ours::Coupon(Box::new(row))).ok_or(NOT_OURS))
        }
        Told::Code(told) => {
            let row = code_of(db, feed, &told.id, told.row).await?;
            Ok(match row {
                None => Err(NOT_OURS),
                Some(row) if row.stripe_id.is_none() => Err(NOT_YET),
                Some(row) if row.stripe_id.as_ref() != Some(&told.id) => Err(FORMER),
                Some(row) => Ok(Ours::Code(row)),
            })
        }
    }
}

/// Whether a thin event's object is ours, by Stripe's id alone.
pub async fn is_ours(db: &impl ConnectionTrait, feed: FeedName, object: &Object) -> Result<bool> {
    Ok(match object {
        Object::Coupon(id) => coupon_of(db, feed, id).await?.is_some(),
        Object::Code(id) => code_of(db, feed, id, None).await?.is_some(),
    })
}

pub async fn coupon_of(db: &impl ConnectionTrait, feed: FeedName, stripe_id: &str) -> Result<Option<coupon::Model>> {
    let row = coupon::Entity::find()
        .filter(coupon::Column::BrandId.eq(feed.brand))
        .filter(coupon::Column::Livemode.eq(feed.livemode))
        .filter(coupon::Column::StripeId.eq(stripe_id))
        .lock(LockType::NoKeyUpdate);
    Ok(row.one(db).await?)
}

/// By any promotion code that it has or had, then by the row that the metadata names.
pub async fn code_of(
    db: &impl ConnectionTrait,
    feed: FeedName,
    stripe_id: &str,
    named: Option<CodeId>,
) -> Result<Option<OurCode>> {
    let key = (feed.brand, feed.livemode, stripe_id.to_owned());
    let known = promotion_code::Entity::find_by_id(key).one(db).await?;
    match known.map(|row| row.code_id).or(named) {
        Some(id) => code_by_id(db, feed, id).await,
        None => Ok(None),
    }
}

async fn code_by_id(db: &impl ConnectionTrait, feed: FeedName, id: CodeId) -> Result<Option<OurCode>> {
    macro_rules! look {
        ($table:ident) => {
            let row = $table::Entity::find_by_id(id)
                .filter($table::Column::BrandId.eq(feed.brand))
                .filter($table::Column::Livemode.eq(feed.livemode))
                .lock(LockType::NoKeyUpdate);
            if let Some(row) = row.one(db).await? {
                return Ok(Some(row.into()));
            }
        };
    }
    look!(code);
    look!(campaign_code);
    Ok(None)
}

impl Ours {
    /// Whether what is recorded is what is told.
    pub async fn says(&self, db: &impl ConnectionTrait, told: &Told) -> Result<bool> {
        Ok(match (self, told) {
            (Self::Coupon(row), Told::Coupon(told)) => {
                row.stripe_seen_at.max(row.stripe_made_at).is_some()
                    && (row.stripe_gone, &row.stripe_name) == (told.gone, &other_name(row, told))
            }
            (Self::Code(row), Told::Code(told)) => row.standing.at_stripe == at_stripe(db, row, told).await?,
            _ => false,
        })
    }
}

/// Records what was told, unless something that may be later was recorded meanwhile.
pub async fn record_in_txn(txn: &impl ConnectionTrait, feed: FeedName, told: &Told, span: Span) -> Result<Recorded> {
    write_in_txn(txn, feed, told, Source::Seen(span)).await
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

/// What Stripe calls it, where that is not its name. Without a name it is shown under its id, which is nobody's wish.
fn other_name(row: &coupon::Model, told: &CouponTold) -> Option<String> {
    told.name.clone().filter(|name| *name != row.name)
}

/// With what our row knows of its coupon: since 2025 a promotion code only names it.
async fn at_stripe(db: &impl ConnectionTrait, row: &OurCode, told: &CodeTold) -> Result<AtStripe> {
    if told.at_stripe != AtStripe::Off(StripeReason::Deactivated) {
        return Ok(told.at_stripe);
    }
    let coupon = coupon::Entity::find_by_id(row.coupon).one(db).await?;
    let gone = coupon.is_some_and(|coupon| coupon.stripe_gone);
    Ok(AtStripe::Off(if gone {
        StripeReason::CouponDeleted
    } else {
        StripeReason::Deactivated
    }))
}

/// Writes down what an operation of ours has made so. Nothing is written where somebody looked since the operation was
/// owed: then that may be later, and if it is not, the event of the operation itself is still to come.
pub async fn made_in_txn(
    txn: &impl ConnectionTrait,
    clock: &Clock,
    operation: &stripe_operation::Model,
    stripe_id: &str,
) -> Result<()> {
    let feed = FeedName {
        brand: operation.brand_id,
        livemode: operation.livemode,
    };
    let made = Source::Made {
        owed_at: operation.created_at,
        done_at: clock.now(),
    };
    let coupon = |name: Option<&str>| {
        Told::Coupon(CouponTold {
            id: stripe_id.to_owned(),
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
            id: stripe_id.to_owned(),
            text: None,
            at_stripe,
            row: operation.code_id,
            brand: None,
        })
    };
    let told = match serde_json::from_str(&operation.params)? {
        Call::CreateCoupon { name, .. } | Call::RenameCoupon { name, .. } => coupon(Some(&name)),
        Call::DeleteCoupon { .. } => coupon(None),
        Call::CreatePromotionCode { .. } => code(true),
        Call::SetPromotionCodeActive { active, .. } => code(active),
        Call::RetirePromotionCode { .. } => return Ok(()),
    };
    write_in_txn(txn, feed, &told, made).await.map(drop)
}
