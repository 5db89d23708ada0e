//! Whether what is to be made is at Stripe already, made by a try whose answer was lost.
//!
//! Stripe cannot search by metadata: a coupon is read by its id, which is ours; a promotion code is found by its text,
//! and our id in its metadata compared.

use entity::{id::CodeId, promotion_code};
use sea_orm::{ActiveEnum, ColumnTrait, EntityTrait, QueryFilter, QuerySelect};
use stripe_client_core::StripeRequest;
use stripe_product::{coupon::RetrieveCoupon, promotion_code::ListPromotionCode};

use super::{Operations, Outcome};
use crate::{
    directory::Way,
    domain::owed::Call,
    error::Result,
    stripe::{
        answers::{CallError, Made, Refused},
        facts::CODE_METADATA,
    },
};

/// Stripe's largest page.
const PAGE: i64 = 100;

#[derive(miniserde::Deserialize)]
struct List {
    data: Vec<Made>,
    has_more: bool,
}

impl Operations {
    /// What that means for the operation; `None` where it is not there, or is nothing that is made.
    pub(super) async fn look_up(&self, call: &Call, way: &Way) -> Result<Option<Outcome>> {
        let found = match call {
            Call::CreateCoupon { id, .. } => self.find_coupon(way, &id.to_string()).await,
            Call::CreatePromotionCode { id, code, active, .. } => {
                let known = self.known(*id).await?;
                self.find_code(way, &id.to_string(), code, *active, &known).await
            }
            _ => return Ok(None),
        };
        Ok(match found {
            Ok(Some(made)) if differs(call, &made) => Some(Outcome::Refused(Refused {
                status: 400,
                message: "Stripe has another coupon under this id, with another discount.".to_owned(),
                param: None,
                code: "resource_already_exists".to_owned(),
            })),
            Ok(made) => made.map(|made| Outcome::Done(Some(made))),
            Err(error) => Some(Outcome::retry(error)),
        })
    }

    async fn find_coupon(&self, way: &Way, id: &str) -> Result<Option<Made>, CallError> {
        match self.stripe.send(way, &RetrieveCoupon::new(id).build(), None).await {
            Err(CallError::Refused(refused)) if refused.is_missing() => Ok(None),
            coupon => coupon.map(Some),
        }
    }

    /// The active one; else one that nobody has seen yet, switched off meanwhile. A code that is off has no use for an
    /// active one that is known: that is an older one, which is to end.
    async fn find_code(
        &self,
        way: &Way,
        id: &str,
        code: &str,
        wanted_active: bool,
        known: &[String],
    ) -> Result<Option<Made>, CallError> {
        let (mut found, mut after) = (None, None::<String>);
        loop {
            let mut list = ListPromotionCode::new().code(code).limit(PAGE);
            if let Some(after) = &after {
                list = list.starting_after(after.as_str());
            }
            let page: List = self.stripe.send(way, &list.build(), None).await?;
            after = page.data.last().map(|last| last.id.clone());
            for made in page.data {
                let metadata = made.metadata.as_ref().and_then(|it| it.get(CODE_METADATA));
                if metadata.is_none_or(|it| it != id) {
                    continue;
                }
                let is_known = known.contains(&made.id);
                if made.active == Some(true) && (wanted_active || !is_known) {
                    return Ok(Some(made));
                }
                if !is_known {
                    found.get_or_insert(made);
                }
            }
            if !page.has_more || after.is_none() {
                return Ok(found);
            }
        }
    }

    /// Stripe's ids of the promotion codes that the code is known to have had.
    async fn known(&self, code: CodeId) -> Result<Vec<String>> {
        let known = promotion_code::Entity::find()
            .filter(promotion_code::Column::CodeId.eq(code))
            .select_only()
            .column(promotion_code::Column::StripeId);
        Ok(known.into_tuple().all(self.db.reader()).await?)
    }
}

/// Whether a coupon of our id takes something else off than ours.
fn differs(call: &Call, found: &Made) -> bool {
    let Call::CreateCoupon {
        percent_off_bps,
        amount_off,
        currency,
        duration,
        duration_in_months,
        ..
    } = call
    else {
        return false;
    };
    // At most two decimals, which a double tells apart up to 100.
    let percent = percent_off_bps.map(|points| f64::from(points) / 100.0);
    let currencies = (currency.as_deref(), found.currency.as_deref());
    let same_currency = match currencies {
        (Some(ours), Some(theirs)) => ours.eq_ignore_ascii_case(theirs),
        (ours, theirs) => ours.is_none() && theirs.is_none(),
    };
    (percent, *amount_off, *duration_in_months) != (found.percent_off, found.amount_off, found.duration_in_months)
        || !same_currency
        || found.duration != Some(duration.to_value())
}
