//! Affiliate codes.

use std::sync::Arc;

use async_graphql::{Enum, ID, InputObject, Object, SimpleObject};
use chrono::{DateTime, Utc};
use entity::{code, id::CodeId};

use super::{
    affiliates::Affiliate,
    coupons::{CampaignCoupon, StripeSync},
    errors::{UserError, graphql_error},
    loaders::Loaders,
    scalars::{filter_id, id, present},
};
use crate::domain::{
    codes::MintCode,
    drift::{Standing, is_owed},
    owed::{Sync, SyncStatus},
};

/// Whether a customer can redeem a code.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "entity::code::CodeStatus")]
pub enum CodeStatus {
    /// It can be redeemed.
    Active,
    /// It cannot; `inactiveReason` says why.
    Inactive,
}

/// Why a code cannot be redeemed.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "crate::domain::drift::InactiveReason")]
pub enum InactiveReason {
    /// It was switched off here.
    Deactivated,
    /// It was deleted here.
    Deleted,
    /// Its coupon was deleted here.
    CouponDeleted,
    /// Stripe would not make it; `stripeSync.lastError` has the reason.
    RefusedByStripe,
    /// Somebody switched it off at Stripe.
    DeactivatedAtStripe,
    /// Somebody deleted its coupon at Stripe.
    CouponDeletedAtStripe,
    /// Stripe has no such promotion code.
    MissingAtStripe,
    /// Its time, or its coupon's, is over.
    Expired,
    /// It, or its coupon, was redeemed as often as it may be.
    FullyRedeemed,
}

/// What a customer types at checkout; one Stripe promotion code at a time.
#[derive(Clone)]
pub struct AffiliateCode {
    pub row: Arc<code::Model>,
    pub loaders: Arc<Loaders>,
}

impl AffiliateCode {
    pub fn new(row: code::Model, loaders: &Arc<Loaders>) -> Self {
        Self {
            row: Arc::new(row),
            loaders: loaders.clone(),
        }
    }

    /// The row and what is owed for it, of one moment.
    async fn synced(&self) -> async_graphql::Result<(Arc<code::Model>, Option<Sync>)> {
        let read = self.loaders.code_sync(self.row.id).await.map_err(graphql_error)?;
        Ok(read.map_or_else(|| (self.row.clone(), None), |(row, sync)| (row, Some(sync))))
    }

    async fn shown(&self) -> async_graphql::Result<code::CodeStatus> {
        let standing = Standing::from(self.row.as_ref());
        if standing.status() == standing.ours {
            return Ok(standing.ours);
        }
        let (row, sync) = self.synced().await?;
        let standing = Standing::from(row.as_ref());
        Ok(if is_owed(sync.as_ref()) {
            standing.ours
        } else {
            standing.status()
        })
    }

    /// Whether its coupon is deleted, and Stripe still to be told: then the code goes with it.
    async fn goes_with_its_coupon(&self) -> async_graphql::Result<bool> {
        let coupon = present(self.loaders.coupon(self.row.coupon_id).await, "coupon")?;
        if coupon.deleted_at.is_none() {
            return Ok(false);
        }
        let read = self.loaders.coupon_sync(coupon.id).await.map_err(graphql_error)?;
        Ok(is_owed(read.map(|(_, sync)| sync).as_ref()))
    }
}

/// What a customer types at checkout; one Stripe promotion code at a time.
#[Object]
impl AffiliateCode {
    /// `cod_…`
    pub async fn id(&self) -> ID {
        self.row.id.to_string().into()
    }

    /// Upper case; unique within the brand, also against retired codes.
    async fn code(&self) -> &str {
        &self.row.code
    }

    /// What it was called before, the earliest first. Whoever types one of these is credited as if it were this one.
    async fn former_codes(&self) -> async_graphql::Result<Vec<String>> {
        let texts = self.loaders.texts(self.row.id).await.map_err(graphql_error)?;
        let texts = texts.unwrap_or_default().into_iter();
        Ok(texts.filter(|text| *text != self.row.code).collect())
    }

    /// What a customer meets: `INACTIVE` where it is off here or, as Stripe last told, there. While Stripe has not done
    /// yet what was asked for here, what it is to be.
    async fn status(&self) -> async_graphql::Result<CodeStatus> {
        Ok(self.shown().await?.into())
    }

    /// Why a customer cannot redeem it; null for an active one.
    async fn inactive_reason(&self) -> async_graphql::Result<Option<InactiveReason>> {
        if self.shown().await? == code::CodeStatus::Active {
            return Ok(None);
        }
        let coupon = present(self.loaders.coupon(self.row.coupon_id).await, "coupon")?;
        let (row, sync) = self.synced().await?;
        let refused = row.stripe_id.is_none() && sync.is_some_and(|sync| sync.status == SyncStatus::Failed);
        let reason = Standing::from(row.as_ref()).inactive_reason(coupon.deleted_at, refused);
        Ok(reason.map(InactiveReason::from))
    }

    /// Whose it is.
    async fn affiliate(&self) -> async_graphql::Result<Affiliate> {
        let row = present(self.loaders.affiliate(self.row.affiliate_id).await, "affiliate")?;
        Ok(Affiliate {
            row,
            loaders: self.loaders.clone(),
        })
    }

    /// What it takes off.
    async fn coupon(&self) -> async_graphql::Result<CampaignCoupon> {
        let row = present(self.loaders.coupon(self.row.coupon_id).await, "coupon")?;
        Ok(CampaignCoupon {
            row,
            loaders: self.loaders.clone(),
        })
    }

    /// How many redemptions stand now.
    async fn redemption_count(&self) -> async_graphql::Result<i32> {
        let count = self.loaders.redemptions(self.row.id).await.map_err(graphql_error)?;
        Ok(i32::try_from(count.unwrap_or(0)).unwrap_or(i32::MAX))
    }

    /// When it was minted.
    async fn created_at(&self) -> DateTime<Utc> {
        self.row.created_at
    }

    /// When it was deleted here; null for one that was not. A deleted code is in no list; what it sold goes on showing it,
    /// and `node` finds it.
    async fn deleted_at(&self) -> Option<DateTime<Utc>> {
        self.row.deleted_at
    }

    /// How its promotion code stands with Stripe.
    async fn stripe_sync(&self) -> async_graphql::Result<StripeSync> {
        let (row, sync) = self.synced().await?;
        let drift = match Standing::from(row.as_ref()).drift() {
            Some(drift) if !self.goes_with_its_coupon().await? => Some(drift),
            _ => None,
        };
        Ok(StripeSync::new(sync, row.stripe_id.clone(), drift))
    }
}

/// A new code.
#[derive(InputObject, Clone, Debug)]
pub struct MintAffiliateCodeInput {
    /// The coupon to mint on.
    coupon_id: ID,
    /// Left out by an affiliate: minted for the affiliate itself.
    affiliate_id: Option<ID>,
    /// 3 to 32 characters of A-Z, 0-9, - and _, in any case. Left out: generated.
    code: Option<String>,
}

impl From<MintAffiliateCodeInput> for MintCode {
    fn from(input: MintAffiliateCodeInput) -> Self {
        Self {
            coupon_id: id(&input.coupon_id),
            affiliate_id: filter_id(input.affiliate_id.as_ref()),
            code: input.code,
        }
    }
}

/// Another text for a code; the old one goes on attributing.
#[derive(InputObject, Clone, Debug)]
pub struct RenameAffiliateCodeInput {
    /// The code, `cod_…`.
    id: ID,
    /// 3 to 32 characters of A-Z, 0-9, - and _, in any case.
    code: String,
}

impl RenameAffiliateCodeInput {
    pub fn decode(self) -> (Option<CodeId>, String) {
        (id(&self.id), self.code)
    }
}

macro_rules! names_a_code {
    ($($(#[$meta:meta])* $name:ident),+) => {$(
        $(#[$meta])*
        #[derive(InputObject, Clone, Debug)]
        pub struct $name {
            /// The code, `cod_…`.
            id: ID,
        }

        impl $name {
            pub fn code_id(&self) -> Option<CodeId> {
                id(&self.id)
            }
        }
    )+};
}

names_a_code! {
    /// Which code to switch off.
    DeactivateAffiliateCodeInput,
    /// Which code to switch on again.
    ReactivateAffiliateCodeInput,
    /// Which code to delete. What was redeemed keeps attributing, and nobody gets its texts.
    DeleteAffiliateCodeInput
}

/// The new code, or what to mend.
#[derive(SimpleObject)]
pub struct MintAffiliateCodePayload {
    /// As it is now; null when there is something to mend.
    pub affiliate_code: Option<AffiliateCode>,
    /// What to mend; then nothing was changed.
    pub user_errors: Vec<UserError>,
}

/// The renamed code, or what to mend.
#[derive(SimpleObject)]
pub struct RenameAffiliateCodePayload {
    /// As it is now; null when there is something to mend.
    pub affiliate_code: Option<AffiliateCode>,
    /// What to mend; then nothing was changed.
    pub user_errors: Vec<UserError>,
}

/// The code, switched off, or what to mend.
#[derive(SimpleObject)]
pub struct DeactivateAffiliateCodePayload {
    /// As it is now; null when there is something to mend.
    pub affiliate_code: Option<AffiliateCode>,
    /// What to mend; then nothing was changed.
    pub user_errors: Vec<UserError>,
}

/// The id of what was deleted, or what to mend.
#[derive(SimpleObject)]
pub struct DeleteAffiliateCodePayload {
    /// The code that is gone; null when there is something to mend.
    pub deleted_id: Option<ID>,
    /// What to mend; then nothing was changed.
    pub user_errors: Vec<UserError>,
}

/// The code, switched on, or what to mend.
#[derive(SimpleObject)]
pub struct ReactivateAffiliateCodePayload {
    /// As it is now; null when there is something to mend.
    pub affiliate_code: Option<AffiliateCode>,
    /// What to mend; then nothing was changed.
    pub user_errors: Vec<UserError>,
}
