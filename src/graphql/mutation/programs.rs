//! Changing campaigns, affiliates and coupons.

use async_graphql::{Context, Object};

use super::{
    super::{
        affiliates::{
            Affiliate, CreateAffiliateInput, CreateAffiliatePayload, UpdateAffiliateStatusInput,
            UpdateAffiliateStatusPayload,
        },
        campaign_codes::{
            RemoveCampaignCodeInput, RemoveCampaignCodePayload, SetCampaignCodeInput, SetCampaignCodePayload,
        },
        campaigns::{Campaign, CreateCampaignInput, CreateCampaignPayload, UpdateCampaignInput, UpdateCampaignPayload},
        context::May,
        coupons::{
            CampaignCoupon, CreateCampaignCouponInput, CreateCampaignCouponPayload, DeleteCampaignCouponInput,
            DeleteCampaignCouponPayload, UpdateCampaignCouponInput, UpdateCampaignCouponPayload,
        },
        errors::payload,
    },
    call, known, node,
};
use crate::{
    auth::Operation,
    domain::{affiliates, campaign_codes, campaigns, coupon_changes, coupons},
};

#[derive(Default)]
pub struct ProgramMutations;

#[Object]
impl ProgramMutations {
    /// Creates a campaign.
    #[graphql(guard = "May(Operation::ManageCampaigns)")]
    async fn create_campaign(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to make.")] input: CreateCampaignInput,
    ) -> async_graphql::Result<CreateCampaignPayload> {
        let done = call(ctx, async |domain, actor| {
            campaigns::create(domain, actor, input.into()).await
        })
        .await;
        let (campaign, user_errors) = payload(done.map(node!(Campaign)))?;
        Ok(CreateCampaignPayload { campaign, user_errors })
    }

    /// Changes a campaign.
    #[graphql(guard = "May(Operation::ManageCampaigns)")]
    async fn update_campaign(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to change.")] input: UpdateCampaignInput,
    ) -> async_graphql::Result<UpdateCampaignPayload> {
        let (id, change) = input.decode();
        let done = call(ctx, async |domain, actor| {
            campaigns::update(domain, actor, known(id)?, change).await
        })
        .await;
        let (campaign, user_errors) = payload(done.map(node!(Campaign)))?;
        Ok(UpdateCampaignPayload { campaign, user_errors })
    }

    /// Gives a campaign the code that all its affiliates share, or another one, here and at Stripe. What it was called stays
    /// the campaign's.
    #[graphql(guard = "May(Operation::ManageCoupons)")]
    async fn set_campaign_code(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to set.")] input: SetCampaignCodeInput,
    ) -> async_graphql::Result<SetCampaignCodePayload> {
        let done = call(ctx, async |domain, actor| {
            campaign_codes::set(domain, actor, input.into()).await
        });
        let (campaign, user_errors) = payload(done.await.map(node!(Campaign)))?;
        Ok(SetCampaignCodePayload { campaign, user_errors })
    }

    /// Ends the code that a campaign's affiliates share, here at once, and at Stripe as soon as it can be.
    #[graphql(guard = "May(Operation::ManageCoupons)")]
    async fn remove_campaign_code(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to end.")] input: RemoveCampaignCodeInput,
    ) -> async_graphql::Result<RemoveCampaignCodePayload> {
        let done = call(ctx, async |domain, actor| {
            campaign_codes::remove(domain, actor, input.campaign_id()).await
        });
        let (campaign, user_errors) = payload(done.await.map(node!(Campaign)))?;
        Ok(RemoveCampaignCodePayload { campaign, user_errors })
    }

    /// Creates an affiliate, in one or more campaigns.
    #[graphql(guard = "May(Operation::ManageAffiliates)")]
    async fn create_affiliate(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to make.")] input: CreateAffiliateInput,
    ) -> async_graphql::Result<CreateAffiliatePayload> {
        let done = call(ctx, async |domain, actor| {
            affiliates::create(domain, actor, input.into()).await
        })
        .await;
        let (affiliate, user_errors) = payload(done.map(node!(Affiliate)))?;
        Ok(CreateAffiliatePayload { affiliate, user_errors })
    }

    /// Approves, suspends or rejects an affiliate, from now on.
    #[graphql(guard = "May(Operation::ManageAffiliates)")]
    async fn update_affiliate_status(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to change.")] input: UpdateAffiliateStatusInput,
    ) -> async_graphql::Result<UpdateAffiliateStatusPayload> {
        let (id, status) = (input.affiliate_id(), input.status.into());
        let done = call(ctx, async |domain, actor| {
            affiliates::update_status(domain, actor, known(id)?, status, input.reason).await
        });
        let (affiliate, user_errors) = payload(done.await.map(node!(Affiliate)))?;
        Ok(UpdateAffiliateStatusPayload { affiliate, user_errors })
    }

    /// Creates a coupon, here and at Stripe.
    #[graphql(guard = "May(Operation::ManageCoupons)")]
    async fn create_campaign_coupon(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to make.")] input: CreateCampaignCouponInput,
    ) -> async_graphql::Result<CreateCampaignCouponPayload> {
        let done = call(ctx, async |domain, actor| {
            coupons::create(domain, actor, input.into()).await
        })
        .await;
        let (campaign_coupon, user_errors) = payload(done.map(node!(CampaignCoupon)))?;
        Ok(CreateCampaignCouponPayload {
            campaign_coupon,
            user_errors,
        })
    }

    /// Renames or archives a coupon, or turns its switches. The discount never changes.
    #[graphql(guard = "May(Operation::ManageCoupons)")]
    async fn update_campaign_coupon(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to change.")] input: UpdateCampaignCouponInput,
    ) -> async_graphql::Result<UpdateCampaignCouponPayload> {
        let (id, change) = input.decode();
        let done = call(ctx, async |domain, actor| {
            coupon_changes::update(domain, actor, known(id)?, change).await
        })
        .await;
        let (campaign_coupon, user_errors) = payload(done.map(node!(CampaignCoupon)))?;
        Ok(UpdateCampaignCouponPayload {
            campaign_coupon,
            user_errors,
        })
    }

    /// Deletes a coupon; its codes end with it, what was redeemed keeps attributing.
    #[graphql(guard = "May(Operation::ManageCoupons)")]
    async fn delete_campaign_coupon(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to delete.")] input: DeleteCampaignCouponInput,
    ) -> async_graphql::Result<DeleteCampaignCouponPayload> {
        let (id, expected) = (input.coupon_id(), input.expected_live_code_count);
        let done = call(ctx, async |domain, actor| {
            coupon_changes::delete(domain, actor, known(id)?, expected).await
        })
        .await;
        let (codes, user_errors) = payload(done.map(|(codes, _)| codes))?;
        Ok(DeleteCampaignCouponPayload {
            deleted_id: codes.and(id).map(|id| id.to_string().into()),
            deactivated_code_count: i32::try_from(codes.unwrap_or(0)).unwrap_or(i32::MAX),
            user_errors,
        })
    }
}
