//! Campaign coupons, and how an object stands with Stripe.

use std::{fmt::Display, sync::Arc};

use async_graphql::{Context, Enum, ID, InputObject, Object, OneofObject, SimpleObject};
use chrono::{DateTime, Utc};
use entity::{coupon, id::CouponId};

use super::{
    affiliates::Affiliate,
    campaigns::Campaign,
    context::ContextExt,
    errors::{UserError, graphql_error},
    loaders::Loaders,
    scalars::{Decimal, Money, MoneyInput, filter_id, id, present},
};
use crate::domain::{
    coupon_changes::UpdateCoupon,
    coupons::{self, CreateCoupon},
    drift::{self, is_owed},
    owed::{Sync, SyncStatus},
};

/// For how many invoices of a subscription the discount counts.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "entity::coupon::CouponDuration")]
pub enum CouponDuration {
    /// For the first.
    Once,
    /// For `durationInMonths`.
    Repeating,
    /// For all.
    Forever,
}

/// Whether Stripe has what our row says.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "crate::domain::owed::SyncStatus")]
pub enum StripeSyncStatus {
    /// Owed; being tried.
    Pending,
    /// Stripe has it.
    Synced,
    /// Stripe refused it; `lastError` has the reason.
    Failed,
    /// The brand has no Stripe key for this mode; it is done once there is one.
    Disabled,
}

/// How an object stands with Stripe.
#[derive(SimpleObject, Clone, Debug)]
pub struct StripeSync {
    /// Whether Stripe has what our row says.
    status: StripeSyncStatus,
    /// Stripe's id, once Stripe has it.
    stripe_id: Option<String>,
    /// How often the call was made.
    attempts: i32,
    /// Why it is not done yet, or was refused.
    last_error: Option<String>,
    /// What Stripe has otherwise, as somebody changed it there. What is still owed is no such difference.
    drift: Option<String>,
}

impl StripeSync {
    /// `drift`: how it differs at Stripe, if nothing is owed.
    pub fn new(sync: Option<Sync>, stripe_id: Option<String>, drift: Option<impl Display>) -> Self {
        let drift = drift.filter(|_| !is_owed(sync.as_ref())).map(|drift| drift.to_string());
        // What was adopted never was owed.
        let untried = match stripe_id {
            Some(_) => SyncStatus::Synced,
            None => SyncStatus::Disabled,
        };
        let (status, attempts, last_error) =
            sync.map_or((untried, 0, None), |sync| (sync.status, sync.attempts, sync.last_error));
        Self {
            status: status.into(),
            stripe_id,
            attempts,
            last_error,
            drift,
        }
    }
}

/// A discount that a campaign's codes give; one Stripe coupon.
#[derive(Clone)]
pub struct CampaignCoupon {
    pub row: Arc<coupon::Model>,
    pub loaders: Arc<Loaders>,
}

/// A discount that a campaign's codes give; one Stripe coupon.
#[Object]
impl CampaignCoupon {
    /// `cpn_…`
    pub async fn id(&self) -> ID {
        self.row.id.to_string().into()
    }

    /// What Stripe shows of it on invoices.
    async fn name(&self) -> &str {
        &self.row.name
    }

    /// The campaign that it is of.
    async fn campaign(&self) -> async_graphql::Result<Campaign> {
        let row = present(self.loaders.campaign(self.row.campaign_id).await, "campaign")?;
        Ok(Campaign {
            row,
            loaders: self.loaders.clone(),
        })
    }

    /// What it takes off, in percent; null when it takes off a fixed amount.
    async fn percent_off(&self) -> Option<Decimal> {
        self.row.percent_off_bps.map(Decimal::percent)
    }

    /// What it takes off; null when it takes off a percentage.
    async fn amount_off(&self) -> async_graphql::Result<Option<Money>> {
        let amount = self.row.amount_off.zip(self.row.currency.as_deref());
        amount
            .map(|(amount, currency)| Money::new(amount, currency))
            .transpose()
    }

    /// For how many invoices of a subscription it counts.
    async fn duration(&self) -> CouponDuration {
        self.row.duration.into()
    }

    /// For `REPEATING`: how many.
    async fn duration_in_months(&self) -> Option<i32> {
        self.row.duration_in_months
    }

    /// How often each code may be redeemed.
    async fn max_redemptions_per_code(&self) -> Option<i32> {
        self.row.max_redemptions_per_code
    }

    /// Codes on it cannot be redeemed after this.
    async fn expires_at(&self) -> Option<DateTime<Utc>> {
        self.row.expires_at
    }

    /// Whether a redeemed code beats another affiliate's click.
    async fn overrides_click_attribution(&self) -> bool {
        self.row.overrides_click_attribution
    }

    /// Whether affiliates may mint codes of their own on it, where the campaign allows it too.
    async fn allow_affiliate_self_mint(&self) -> bool {
        self.row.allow_affiliate_self_mint
    }

    /// Whether each newly approved affiliate of the campaign gets a code on it.
    async fn mint_on_approval(&self) -> bool {
        self.row.mint_on_approval
    }

    /// How many codes on it are live (`ACTIVE`, as a customer meets them), of those that you may see, with the one that its
    /// campaign shares: they end with it when it is deleted.
    async fn live_code_count(&self, ctx: &Context<'_>) -> async_graphql::Result<i32> {
        let scope = ctx.requester().map_err(graphql_error)?.actor.scope;
        let count = self
            .loaders
            .live_codes((self.row.id, scope))
            .await
            .map_err(graphql_error)?;
        Ok(i32::try_from(count.unwrap_or(0)).unwrap_or(i32::MAX))
    }

    /// No new codes; those there are go on.
    async fn archived(&self) -> bool {
        self.row.archived
    }

    /// Exclusive to this affiliate.
    async fn affiliate(&self) -> async_graphql::Result<Option<Affiliate>> {
        let Some(affiliate) = self.row.affiliate_id else {
            return Ok(None);
        };
        let row = present(self.loaders.affiliate(affiliate).await, "affiliate")?;
        Ok(Some(Affiliate {
            row,
            loaders: self.loaders.clone(),
        }))
    }

    /// How it stands with Stripe.
    async fn stripe_sync(&self) -> async_graphql::Result<StripeSync> {
        let read = self.loaders.coupon_sync(self.row.id).await.map_err(graphql_error)?;
        let (row, sync) = read.map_or_else(|| (self.row.clone(), None), |(row, sync)| (row, Some(sync)));
        Ok(StripeSync::new(sync, row.stripe_id.clone(), drift::of_coupon(&row)))
    }
}

/// What a coupon takes off: a percentage or a fixed amount.
#[derive(OneofObject, Clone, Debug)]
pub enum DiscountInput {
    /// Above 0 and at most 100, with at most two decimals.
    PercentOff(Decimal),
    /// Above zero, in one currency.
    AmountOff(MoneyInput),
}

/// A new coupon. Its discount never changes afterwards.
#[derive(InputObject, Clone, Debug)]
pub struct CreateCampaignCouponInput {
    /// The campaign that it is to be of.
    campaign_id: ID,
    /// At most 40 characters; customers see it.
    name: String,
    /// What it takes off. It cannot be changed later.
    discount: DiscountInput,
    /// For how many invoices of a subscription it counts. It cannot be changed later.
    duration: CouponDuration,
    /// For `REPEATING` alone: from 1 to 1200.
    duration_in_months: Option<i32>,
    /// At least 1.
    max_redemptions_per_code: Option<i32>,
    /// In the future, at most five years ahead; whole seconds.
    expires_at: Option<DateTime<Utc>>,
    /// Whether a redeemed code beats another affiliate's click.
    #[graphql(default = true)]
    overrides_click_attribution: bool,
    /// Whether affiliates may mint codes of their own on it, where the campaign allows it too.
    #[graphql(default = false)]
    allow_affiliate_self_mint: bool,
    /// Gives each affiliate of the campaign a generated code when it is approved, once; those who are approved already get
    /// none.
    #[graphql(default = false)]
    mint_on_approval: bool,
    /// Only this affiliate may have codes on it.
    affiliate_id: Option<ID>,
}

impl From<CreateCampaignCouponInput> for CreateCoupon {
    fn from(input: CreateCampaignCouponInput) -> Self {
        Self {
            campaign_id: id(&input.campaign_id),
            name: input.name,
            discount: match input.discount {
                DiscountInput::PercentOff(percent) => coupons::DiscountInput::Percent(percent.0),
                DiscountInput::AmountOff(money) => coupons::DiscountInput::Amount {
                    minor_units: money.minor_units.0,
                    currency: money.currency,
                },
            },
            duration: input.duration.into(),
            duration_in_months: input.duration_in_months,
            max_redemptions_per_code: input.max_redemptions_per_code,
            expires_at: input.expires_at,
            overrides_click_attribution: input.overrides_click_attribution,
            allow_affiliate_self_mint: input.allow_affiliate_self_mint,
            mint_on_approval: input.mint_on_approval,
            affiliate_id: filter_id(input.affiliate_id.as_ref()),
        }
    }
}

/// What is left out stays as it is.
#[derive(InputObject, Clone, Debug)]
pub struct UpdateCampaignCouponInput {
    /// The coupon, `cpn_…`.
    id: ID,
    /// 1 to 40 characters.
    name: Option<String>,
    /// Whether a redeemed code beats another affiliate's click; for sales from now on.
    overrides_click_attribution: Option<bool>,
    /// Whether affiliates may mint codes of their own on it.
    allow_affiliate_self_mint: Option<bool>,
    /// From now on: those who are approved already get none.
    mint_on_approval: Option<bool>,
    /// No new codes on it; those there are go on.
    archived: Option<bool>,
}

impl UpdateCampaignCouponInput {
    pub fn decode(self) -> (Option<CouponId>, UpdateCoupon) {
        let change = UpdateCoupon {
            name: self.name,
            overrides_click_attribution: self.overrides_click_attribution,
            allow_affiliate_self_mint: self.allow_affiliate_self_mint,
            mint_on_approval: self.mint_on_approval,
            archived: self.archived,
        };
        (id(&self.id), change)
    }
}

/// Which coupon to delete. Its codes end with it; what was redeemed keeps attributing.
#[derive(InputObject, Clone, Debug)]
pub struct DeleteCampaignCouponInput {
    /// The coupon, `cpn_…`.
    id: ID,
    /// What its `liveCodeCount` was when you looked: where it is another by now, nothing is deleted.
    pub expected_live_code_count: Option<i32>,
}

impl DeleteCampaignCouponInput {
    pub fn coupon_id(&self) -> Option<CouponId> {
        id(&self.id)
    }
}

/// The new coupon, or what to mend.
#[derive(SimpleObject)]
pub struct CreateCampaignCouponPayload {
    /// As it is now; null when there is something to mend.
    pub campaign_coupon: Option<CampaignCoupon>,
    /// What to mend; then nothing was changed.
    pub user_errors: Vec<UserError>,
}

/// The changed coupon, or what to mend.
#[derive(SimpleObject)]
pub struct UpdateCampaignCouponPayload {
    /// As it is now; null when there is something to mend.
    pub campaign_coupon: Option<CampaignCoupon>,
    /// What to mend; then nothing was changed.
    pub user_errors: Vec<UserError>,
}

/// The id of what was deleted, or what to mend.
#[derive(SimpleObject)]
pub struct DeleteCampaignCouponPayload {
    /// The coupon that is gone; null when there is something to mend.
    pub deleted_id: Option<ID>,
    /// How many live codes ended with it, the one that its campaign shared among them.
    pub deactivated_code_count: i32,
    /// What to mend; then nothing was changed.
    pub user_errors: Vec<UserError>,
}
