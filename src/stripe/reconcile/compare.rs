//! Compares what Stripe has with our rows, and records it.

use entity::{
    code::{CodeStatus, StripeReason},
    coupon,
    id::CouponId,
};
use sea_orm::{ConnectionTrait, DatabaseTransaction};
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
        for told in page.objects.iter().filter_map(told::coupon) {
            // One at a time: who holds several rows waits for those who hold them in another order.
            let txn = self.stripe.db.begin().await?;
            if let Some(row) = coupon_of(&txn, self.feed, &told.id).await?
                && let Some(compared) = self.compare_coupon(&txn, row.id, told, page.span).await?
            {
                looked += 1;
                found.extend(compared);
            }
            txn.commit().await?;
        }
        Ok((looked, found))
    }

    /// What differs; `None` where something is still owed.
    async fn compare_coupon(
        &self,
        txn: &DatabaseTransaction,
        id: CouponId,
        told: CouponTold,
        span: Span,
    ) -> Result<Option<Found>> {
        if owed::is_coupon_owed(txn, id).await? {
            return Ok(None);
        }
        let stripe_id = told.id.clone();
        record_in_txn(txn, self.feed, &Told::Coupon(told), span).await?;
        let Some(row) = coupon_of(txn, self.feed, &stripe_id).await? else {
            return Ok(Some(Found::new()));
        };
        let (drift, mend) = match (row.deleted_at, drift::of_coupon(&row)) {
            (Some(_), _) if row.stripe_gone => return Ok(Some(Found::new())),
            (Some(_), _) => (DELETED_HERE.to_owned(), Repair::Delete(id)),
            (None, None) => return Ok(Some(Found::new())),
            (None, Some(drift)) => {
                let mend = match drift {
                    CouponDrift::DeletedAtStripe => Repair::Nothing(USED_UP),
                    CouponDrift::RenamedAtStripe(_) => Repair::Rename(id),
                };
                (drift.to_string(), mend)
            }
        };
        Ok(Some(vec![Difference {
            id: id.to_string(),
            name: row.name,
            stripe_id,
            drift,
            mend,
            repair: None,
        }]))
    }

    /// How many of a page's promotion codes are ours, and what differs.
    pub(super) async fn compare_codes(&self, page: &Page) -> Result<(u64, Found)> {
        let (mut looked, mut found) = (0, Vec::new());
        let now = page.span.ended.timestamp();
        for object in &page.objects {
            let Some(told) = told::code(object, now) else { continue };
            let txn = self.stripe.db.begin().await?;
            let row = code_of(&txn, self.feed, &told.id, told.row).await?;
            match row {
                Some(row) if row.stripe_id.as_ref() == Some(&told.id) => {
                    if let Some(compared) = self.compare_code(&txn, &row, told, page.span).await? {
                        looked += 1;
                        found.extend(compared);
                    }
                }
                row => found.extend(self.stray(&txn, row, told, object).await?),
            }
            txn.commit().await?;
        }
        Ok((looked, found))
    }

    /// What differs; `None` where something is still owed.
    async fn compare_code(
        &self,
        txn: &DatabaseTransaction,
        row: &OurCode,
        told: CodeTold,
        span: Span,
    ) -> Result<Option<Found>> {
        if is_owed(txn, row).await? {
            return Ok(None);
        }
        let stripe_id = told.id.clone();
        record_in_txn(txn, self.feed, &Told::Code(told), span).await?;
        let row = code_of(txn, self.feed, &stripe_id, None).await?;
        Ok(Some(row.and_then(differs).into_iter().collect()))
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

    /// Asks for a coupon that no page showed.
    pub(super) async fn look_at_coupon(&self, row: &coupon::Model) -> Result<Option<Found>, Trouble> {
        let owed = owed::is_coupon_owed(self.stripe.db.reader(), row.id).await?;
        let Some(id) = row.stripe_id.clone().filter(|_| !owed) else {
            return Ok(None);
        };
        let (told, span) = self.ask(&Object::Coupon(id.clone())).await?;
        let told = match told {
            Some(Told::Coupon(told)) => told,
            _ => gone(&id),
        };
        let txn = self.stripe.db.begin().await?;
        let found = self.compare_coupon(&txn, row.id, told, span).await?;
        txn.commit().await?;
        Ok(found)
    }

    /// Asks for a code that no page showed.
    pub(super) async fn look_at_code(&self, row: &OurCode) -> Result<Option<Found>, Trouble> {
        let owed = is_owed(self.stripe.db.reader(), row).await?;
        let Some(id) = row.stripe_id.clone().filter(|_| !owed) else {
            return Ok(None);
        };
        let (told, span) = self.ask(&Object::Code(id.clone())).await?;
        let txn = self.stripe.db.begin().await?;
        let found = match told {
            Some(Told::Code(told)) => self.compare_code(&txn, row, told, span).await?,
            _ => self.missing(&txn, &id, span).await?,
        };
        txn.commit().await?;
        Ok(found)
    }

    /// Stripe has no such promotion code.
    async fn missing(&self, txn: &DatabaseTransaction, stripe_id: &str, span: Span) -> Result<Option<Found>> {
        let Some(mut row) = code_of(txn, self.feed, stripe_id, None).await? else {
            return Ok(None);
        };
        if is_owed(txn, &row).await? || miss_in_txn(txn, &row, span).await? != Recorded::Done {
            return Ok(None);
        }
        row.standing.at_stripe = AtStripe::Off(StripeReason::Missing);
        Ok(Some(differs(row).into_iter().collect()))
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

/// Whether something is still owed to Stripe for a code, or for the coupon with which it may go.
async fn is_owed(db: &impl ConnectionTrait, row: &OurCode) -> Result<bool> {
    Ok(owed::is_owed(db, row.id).await? || owed::is_coupon_owed(db, row.coupon).await?)
}

/// How a code that is recorded as it is now differs.
fn differs(row: OurCode) -> Option<Difference> {
    let drift = row.standing.drift()?;
    let mend = match drift {
        CodeDrift::OffAtStripe => Repair::Switch(row.id, row.coupon, CodeStatus::Active),
        CodeDrift::OnAtStripe | CodeDrift::DeletedAndOn => Repair::Switch(row.id, row.coupon, CodeStatus::Inactive),
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
