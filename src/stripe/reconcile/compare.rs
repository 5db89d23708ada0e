//! Compares what Stripe has with our rows, and records it.

use chrono::{DateTime, Utc};
use entity::{
    campaign_code,
    code::{self, CodeStatus, StripeReason},
    coupon,
    id::{CodeId, CouponId},
};
use sea_orm::{ColumnTrait, Condition, DatabaseTransaction, EntityTrait, QueryFilter, QueryOrder};
use serde_json::Value;

use super::{Difference, Reconcile, Trouble, lists::Page};
use crate::{
    domain::{
        drift::{self, AtStripe, CodeDrift, CouponDrift},
        owed,
        repair::Repair,
    },
    error::Result,
    stripe::drift::{
        events::gone,
        ours::{OurCode, code_of, coupon_of},
        record::{Recorded, Span, miss_in_txn, record_in_txn},
        told::{self, CodeTold, CouponTold, Object, Told},
    },
};

type Found = Vec<Difference>;

const DELETED_HERE: &str = "It is deleted here, and still there at Stripe.";
const ORPHAN: &str = "Stripe has it switched on, and no code here has it.";
const FORMER: &str = "Stripe has it switched on, and its code has another one now.";
const USED_UP: &str = "a coupon's id cannot be used again: mint on another coupon";

impl Reconcile<'_> {
    /// How many of a page's coupons are ours, and what differs.
    pub(super) async fn compare_coupons(&self, page: &Page) -> Result<(u64, Found)> {
        let (mut looked, mut found) = (0, Vec::new());
        let txn = self.stripe.db.begin().await?;
        for told in page.objects.iter().filter_map(told::coupon) {
            if let Some(row) = coupon_of(&txn, self.feed, &told.id).await? {
                looked += 1;
                found.extend(self.compare_coupon(&txn, row.id, told, page.span).await?);
            }
        }
        txn.commit().await?;
        Ok((looked, found))
    }

    async fn compare_coupon(
        &self,
        txn: &DatabaseTransaction,
        id: CouponId,
        told: CouponTold,
        span: Span,
    ) -> Result<Option<Difference>> {
        if owed::is_coupon_owed(txn, id).await? {
            return Ok(None);
        }
        let stripe_id = told.id.clone();
        record_in_txn(txn, self.feed, &Told::Coupon(told), span).await?;
        let Some(row) = coupon_of(txn, self.feed, &stripe_id).await? else {
            return Ok(None);
        };
        let (drift, mend) = match (row.deleted_at, drift::of_coupon(&row)) {
            (Some(_), _) if row.stripe_gone => return Ok(None),
            (Some(_), _) => (DELETED_HERE.to_owned(), Repair::Delete(id)),
            (None, None) => return Ok(None),
            (None, Some(drift)) => {
                let mend = match drift {
                    CouponDrift::DeletedAtStripe => Repair::Nothing(USED_UP),
                    CouponDrift::RenamedAtStripe(_) => Repair::Rename(id),
                };
                (drift.to_string(), mend)
            }
        };
        Ok(Some(Difference {
            id: id.to_string(),
            name: row.name,
            stripe_id,
            drift,
            mend,
            repair: None,
        }))
    }

    /// How many of a page's promotion codes are ours, and what differs.
    pub(super) async fn compare_codes(&self, page: &Page) -> Result<(u64, Found)> {
        let (mut looked, mut found) = (0, Vec::new());
        let txn = self.stripe.db.begin().await?;
        let now = page.span.ended.timestamp();
        for object in &page.objects {
            let Some(told) = told::code(object, now) else { continue };
            let row = code_of(&txn, self.feed, &told.id, told.row).await?;
            match row {
                Some(row) if row.stripe_id.as_ref() == Some(&told.id) => {
                    looked += 1;
                    found.extend(self.compare_code(&txn, row.id, told, page.span).await?);
                }
                row => found.extend(self.stray(&txn, row, told, object).await?),
            }
        }
        txn.commit().await?;
        Ok((looked, found))
    }

    async fn compare_code(
        &self,
        txn: &DatabaseTransaction,
        id: CodeId,
        told: CodeTold,
        span: Span,
    ) -> Result<Option<Difference>> {
        if owed::is_owed(txn, id).await? {
            return Ok(None);
        }
        let stripe_id = told.id.clone();
        record_in_txn(txn, self.feed, &Told::Code(told), span).await?;
        let row = code_of(txn, self.feed, &stripe_id, None).await?;
        Ok(row.and_then(differs))
    }

    /// A promotion code with our metadata that no code has: it is on, and nothing here says so.
    async fn stray(
        &self,
        txn: &DatabaseTransaction,
        row: Option<OurCode>,
        told: CodeTold,
        object: &Value,
    ) -> Result<Option<Difference>> {
        let Some(id) = row.as_ref().map(|row| row.id).or(told.row) else {
            return Ok(None);
        };
        let foreign = row.is_none() && told.brand != Some(self.feed.brand);
        if told.at_stripe != AtStripe::On || foreign || owed::is_owed(txn, id).await? {
            return Ok(None);
        }
        let promotion = [
            &object["promotion"]["coupon"],
            &object["coupon"]["id"],
            &object["coupon"],
        ];
        let coupon = promotion.into_iter().find_map(Value::as_str);
        let coupon = match coupon {
            Some(stripe_id) => coupon_of(txn, self.feed, stripe_id).await?,
            None => None,
        };
        let mend = match coupon {
            Some(coupon) => Repair::Retire(id, coupon.id, told.id.clone()),
            None => Repair::Nothing("its coupon is not one of ours: switch it off in Stripe's dashboard"),
        };
        Ok(Some(Difference {
            id: id.to_string(),
            name: told.text.unwrap_or_default(),
            stripe_id: told.id,
            drift: if row.is_some() { FORMER } else { ORPHAN }.to_owned(),
            mend,
            repair: None,
        }))
    }

    /// The next coupon that no page showed.
    pub(super) async fn unseen_coupon(
        &self,
        began: DateTime<Utc>,
        after: Option<CouponId>,
    ) -> Result<Option<coupon::Model>> {
        let unseen = Condition::any()
            .add(coupon::Column::StripeSeenAt.is_null())
            .add(coupon::Column::StripeSeenAt.lt(began));
        let mut rows = coupon::Entity::find()
            .filter(coupon::Column::BrandId.eq(self.feed.brand))
            .filter(coupon::Column::Livemode.eq(self.feed.livemode))
            .filter(coupon::Column::StripeId.is_not_null())
            .filter(coupon::Column::DeletedAt.is_null())
            .filter(unseen)
            .order_by_asc(coupon::Column::Id);
        if let Some(after) = after {
            rows = rows.filter(coupon::Column::Id.gt(after));
        }
        Ok(rows.one(self.stripe.db.reader()).await?)
    }

    /// The next code that no page showed.
    pub(super) async fn unseen_code(
        &self,
        began: DateTime<Utc>,
        after: Option<CodeId>,
        shared: bool,
    ) -> Result<Option<OurCode>> {
        macro_rules! next {
            ($table:ident) => {{
                let unseen = Condition::any()
                    .add($table::Column::StripeSeenAt.is_null())
                    .add($table::Column::StripeSeenAt.lt(began));
                let mut rows = $table::Entity::find()
                    .filter($table::Column::BrandId.eq(self.feed.brand))
                    .filter($table::Column::Livemode.eq(self.feed.livemode))
                    .filter($table::Column::StripeId.is_not_null())
                    .filter(unseen)
                    .order_by_asc($table::Column::Id);
                if let Some(after) = after {
                    rows = rows.filter($table::Column::Id.gt(after));
                }
                Ok(rows.one(self.stripe.db.reader()).await?.map(OurCode::from))
            }};
        }
        if shared { next!(campaign_code) } else { next!(code) }
    }

    /// Asks for a coupon that no page showed.
    pub(super) async fn look_at_coupon(&self, row: &coupon::Model) -> Result<Found, Trouble> {
        let Some(id) = row.stripe_id.clone() else {
            return Ok(Vec::new());
        };
        let (told, span) = self.ask(&Object::Coupon(id.clone())).await?;
        let told = match told {
            Some(Told::Coupon(told)) => told,
            _ => gone(&id),
        };
        let txn = self.stripe.db.begin().await?;
        let found = self.compare_coupon(&txn, row.id, told, span).await?;
        txn.commit().await?;
        Ok(found.into_iter().collect())
    }

    /// Asks for a code that no page showed.
    pub(super) async fn look_at_code(&self, row: &OurCode) -> Result<Found, Trouble> {
        let Some(id) = row.stripe_id.clone() else {
            return Ok(Vec::new());
        };
        let (told, span) = self.ask(&Object::Code(id.clone())).await?;
        let txn = self.stripe.db.begin().await?;
        let found = match told {
            Some(Told::Code(told)) => self.compare_code(&txn, row.id, told, span).await?,
            _ => self.missing(&txn, &id, span).await?,
        };
        txn.commit().await?;
        Ok(found.into_iter().collect())
    }

    /// Stripe has no such promotion code.
    async fn missing(&self, txn: &DatabaseTransaction, stripe_id: &str, span: Span) -> Result<Option<Difference>> {
        let Some(mut row) = code_of(txn, self.feed, stripe_id, None).await? else {
            return Ok(None);
        };
        if owed::is_owed(txn, row.id).await? || miss_in_txn(txn, &row, span).await? != Recorded::Done {
            return Ok(None);
        }
        row.standing.at_stripe = AtStripe::Off(StripeReason::Missing);
        Ok(differs(row))
    }

    /// How an object is now, if Stripe has it.
    async fn ask(&self, object: &Object) -> Result<(Option<Told>, Span), Trouble> {
        let began = self.stripe.clock.now();
        let answer = self.stripe.stripe.fetch(self.way, &object.request()).await;
        let answer = answer.map_err(|error| Trouble::Stripe(error.message().to_owned()))?;
        let span = Span {
            began,
            ended: self.stripe.clock.now(),
        };
        let Some(body) = answer else { return Ok((None, span)) };
        let value: Option<Value> = serde_json::from_str(&body).ok();
        let told = value.and_then(|value| object.read(&value, span.ended.timestamp()));
        let told = told.ok_or_else(|| Trouble::Stripe(format!("{}: it cannot be read", object.request())))?;
        Ok((Some(told), span))
    }
}

/// How a code that is recorded as it is now differs.
fn differs(row: OurCode) -> Option<Difference> {
    let drift = row.standing.drift()?;
    let mend = match drift {
        CodeDrift::OffAtStripe => Repair::Switch(row.id, row.coupon, CodeStatus::Active),
        CodeDrift::OnAtStripe => Repair::Switch(row.id, row.coupon, CodeStatus::Inactive),
        CodeDrift::MissingAtStripe => Repair::Make(row.id),
        CodeDrift::CouponDeletedAtStripe => Repair::Nothing(USED_UP),
    };
    Some(Difference {
        id: row.id.to_string(),
        name: row.text,
        stripe_id: row.stripe_id.unwrap_or_default(),
        drift: drift.to_string(),
        mend,
        repair: None,
    })
}
