//! The mutation root: one input, and a payload with the object or what to mend.

use std::sync::Arc;

use async_graphql::{Context, Guard, GuardExt, Object};

use super::{
    affiliates::{
        Affiliate, CreateAffiliateInput, CreateAffiliatePayload, UpdateAffiliateStatusInput,
        UpdateAffiliateStatusPayload,
    },
    api_keys::{
        ApiKey, CreateApiKeyInput, CreateApiKeyPayload, RevokeApiKeyInput, RevokeApiKeyPayload, RotateApiKeyInput,
        RotateApiKeyPayload,
    },
    bulk_mint::{BulkMintAffiliateCodesInput, BulkMintAffiliateCodesPayload, BulkMintResult},
    campaign_codes::{
        RemoveCampaignCodeInput, RemoveCampaignCodePayload, SetCampaignCodeInput, SetCampaignCodePayload,
    },
    campaigns::{Campaign, CreateCampaignInput, CreateCampaignPayload, UpdateCampaignInput, UpdateCampaignPayload},
    code_settings::{UpdateCodeSettingsInput, UpdateCodeSettingsPayload},
    codes::{
        AffiliateCode, DeactivateAffiliateCodeInput, DeactivateAffiliateCodePayload, MintAffiliateCodeInput,
        MintAffiliateCodePayload, ReactivateAffiliateCodeInput, ReactivateAffiliateCodePayload,
        RenameAffiliateCodeInput, RenameAffiliateCodePayload,
    },
    context::{ContextExt, May, Requester},
    coupons::{
        CampaignCoupon, CreateCampaignCouponInput, CreateCampaignCouponPayload, DeleteCampaignCouponInput,
        DeleteCampaignCouponPayload, UpdateCampaignCouponInput, UpdateCampaignCouponPayload,
    },
    errors::payload,
    inbox::{
        ReplayParkedStripeEventsInput, ReplayParkedStripeEventsPayload, ReplayStripeEventInput,
        ReplayStripeEventPayload, StripeEvent,
    },
    loaders::Loaders,
    scalars::Long,
};
use crate::{
    auth::{Actor, Operation},
    domain::{
        Domain, affiliates, api_keys, bulk_mint, campaign_codes, campaigns, code_renaming, code_settings,
        code_switching, codes, coupon_changes, coupons, replay,
    },
    error::{Error, Result},
};

pub struct Mutation;

/// Minting is for those who manage codes and, where the brand allows it, for affiliates.
fn may_mint() -> impl Guard {
    May(Operation::ManageCodes).or(May(Operation::MintOwnCode))
}

fn parts<'a>(ctx: &'a Context<'_>) -> Result<(&'a Domain, &'a Requester)> {
    Ok((ctx.domain()?, ctx.requester()?))
}

/// Calls a domain function with the caller.
async fn call<T>(
    ctx: &Context<'_>,
    function: impl AsyncFnOnce(&Domain, &Actor) -> Result<T>,
) -> Result<(T, Arc<Loaders>)> {
    let (domain, requester) = parts(ctx)?;
    let done = function(domain, &requester.actor).await?;
    // New loaders: a mutation before this one, in the same request, must not show through.
    Ok((done, Arc::new(Loaders::new(domain, requester.actor.scope))))
}

/// An id that could not be read is answered like one that does not exist.
fn known<T>(id: Option<T>) -> Result<T> {
    id.ok_or_else(|| Error::not_found(&["id"]))
}

macro_rules! node {
    ($node:ident) => {
        |(row, loaders)| $node {
            row: Arc::new(row),
            loaders,
        }
    };
}

#[Object]
impl Mutation {
    /// Creates a campaign.
    #[graphql(guard = "May(Operation::ManageCampaigns)")]
    async fn create_campaign(
        &self,
        ctx: &Context<'_>,
        input: CreateCampaignInput,
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
        input: UpdateCampaignInput,
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
        input: SetCampaignCodeInput,
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
        input: RemoveCampaignCodeInput,
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
        input: CreateAffiliateInput,
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
        input: UpdateAffiliateStatusInput,
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
        input: CreateCampaignCouponInput,
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
        input: UpdateCampaignCouponInput,
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
        input: DeleteCampaignCouponInput,
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

    /// Mints a code, given or generated, here and at Stripe; an affiliate mints for itself.
    #[graphql(guard = "may_mint()")]
    async fn mint_affiliate_code(
        &self,
        ctx: &Context<'_>,
        input: MintAffiliateCodeInput,
    ) -> async_graphql::Result<MintAffiliateCodePayload> {
        let done = call(ctx, async |domain, actor| {
            codes::mint(domain, actor, input.into()).await
        })
        .await;
        let (affiliate_code, user_errors) = payload(done.map(node!(AffiliateCode)))?;
        Ok(MintAffiliateCodePayload {
            affiliate_code,
            user_errors,
        })
    }

    /// Renames a code, here and at Stripe: a new promotion code is made, and then the old one is switched off. What the code
    /// was called goes on attributing. An affiliate renames its own, where it may mint.
    #[graphql(guard = "may_mint()")]
    async fn rename_affiliate_code(
        &self,
        ctx: &Context<'_>,
        input: RenameAffiliateCodeInput,
    ) -> async_graphql::Result<RenameAffiliateCodePayload> {
        let (id, code) = input.decode();
        let done = call(ctx, async |domain, actor| {
            code_renaming::rename(domain, actor, known(id)?, &code).await
        });
        let (affiliate_code, user_errors) = payload(done.await.map(node!(AffiliateCode)))?;
        Ok(RenameAffiliateCodePayload {
            affiliate_code,
            user_errors,
        })
    }

    /// Mints up to 250 codes on a coupon, given or generated, here and at Stripe. Each row comes to an end of its own: its
    /// code, or what to mend. A code that Stripe has not answered for within 3 seconds is `PENDING`, and goes on by itself.
    #[graphql(
        guard = "May(Operation::ManageCodes)",
        complexity = "1 + input.answered() * child_complexity"
    )]
    async fn bulk_mint_affiliate_codes(
        &self,
        ctx: &Context<'_>,
        input: BulkMintAffiliateCodesInput,
    ) -> async_graphql::Result<BulkMintAffiliateCodesPayload> {
        let done = call(ctx, async |domain, actor| {
            bulk_mint::mint(domain, actor, input.into()).await
        });
        let (results, user_errors) = payload(done.await.map(BulkMintResult::list))?;
        Ok(BulkMintAffiliateCodesPayload {
            results: results.unwrap_or_default(),
            user_errors,
        })
    }

    /// Sets how many codes affiliates may mint for themselves, and with which words not. For owners and managers.
    #[graphql(guard = "May(Operation::ManageCodeSettings)")]
    async fn update_code_settings(
        &self,
        ctx: &Context<'_>,
        input: UpdateCodeSettingsInput,
    ) -> async_graphql::Result<UpdateCodeSettingsPayload> {
        let done = call(ctx, async |domain, actor| {
            code_settings::update(domain, actor, input.into()).await
        });
        let (code_settings, user_errors) = payload(done.await.map(|(settings, _)| settings.into()))?;
        Ok(UpdateCodeSettingsPayload {
            code_settings,
            user_errors,
        })
    }

    /// Switches a code off, here at once, and at Stripe as soon as it can be.
    #[graphql(guard = "May(Operation::ManageCodes)")]
    async fn deactivate_affiliate_code(
        &self,
        ctx: &Context<'_>,
        input: DeactivateAffiliateCodeInput,
    ) -> async_graphql::Result<DeactivateAffiliateCodePayload> {
        let done = call(ctx, async |domain, actor| {
            code_switching::deactivate(domain, actor, known(input.code_id())?).await
        })
        .await;
        let (affiliate_code, user_errors) = payload(done.map(node!(AffiliateCode)))?;
        Ok(DeactivateAffiliateCodePayload {
            affiliate_code,
            user_errors,
        })
    }

    /// Switches a code on again.
    #[graphql(guard = "May(Operation::ManageCodes)")]
    async fn reactivate_affiliate_code(
        &self,
        ctx: &Context<'_>,
        input: ReactivateAffiliateCodeInput,
    ) -> async_graphql::Result<ReactivateAffiliateCodePayload> {
        let done = call(ctx, async |domain, actor| {
            code_switching::reactivate(domain, actor, known(input.code_id())?).await
        })
        .await;
        let (affiliate_code, user_errors) = payload(done.map(node!(AffiliateCode)))?;
        Ok(ReactivateAffiliateCodePayload {
            affiliate_code,
            user_errors,
        })
    }

    /// Makes an API key for the mode of your token. It is shown this once. For owners.
    #[graphql(guard = "May(Operation::ManageApiKeys)")]
    async fn create_api_key(
        &self,
        ctx: &Context<'_>,
        input: CreateApiKeyInput,
    ) -> async_graphql::Result<CreateApiKeyPayload> {
        let done = call(ctx, async |domain, actor| {
            api_keys::create(domain, actor, input.into()).await
        });
        Ok(CreateApiKeyPayload::new(payload(done.await.map(|(made, _)| made))?))
    }

    /// Makes an API key that takes over from another, which goes on for some hours. It is shown this once. For owners.
    #[graphql(guard = "May(Operation::ManageApiKeys)")]
    async fn rotate_api_key(
        &self,
        ctx: &Context<'_>,
        input: RotateApiKeyInput,
    ) -> async_graphql::Result<RotateApiKeyPayload> {
        let done = call(ctx, async |domain, actor| {
            api_keys::rotate(domain, actor, known(input.key_id())?, input.overlap_hours).await
        });
        Ok(RotateApiKeyPayload::new(payload(done.await.map(|(made, _)| made))?))
    }

    /// Ends an API key at once: within a second it opens nothing any more, and its sockets are closed. For owners.
    #[graphql(guard = "May(Operation::ManageApiKeys)")]
    async fn revoke_api_key(
        &self,
        ctx: &Context<'_>,
        input: RevokeApiKeyInput,
    ) -> async_graphql::Result<RevokeApiKeyPayload> {
        let done = call(ctx, async |domain, actor| {
            api_keys::revoke(domain, actor, known(input.key_id())?).await
        });
        let (api_key, user_errors) = payload(done.await.map(|(row, _)| ApiKey { row: Arc::new(row) }))?;
        Ok(RevokeApiKeyPayload { api_key, user_errors })
    }

    /// Puts an event of Stripe's back into the inbox, whatever became of it before. It is taken up within half a second,
    /// and never counts twice. For owners.
    #[graphql(guard = "May(Operation::ReplayEvents)")]
    async fn replay_stripe_event(
        &self,
        ctx: &Context<'_>,
        input: ReplayStripeEventInput,
    ) -> async_graphql::Result<ReplayStripeEventPayload> {
        let done = call(ctx, async |domain, actor| {
            replay::one(domain, actor, known(input.event_id())?).await
        });
        let (stripe_event, user_errors) = payload(done.await.map(node!(StripeEvent)))?;
        Ok(ReplayStripeEventPayload {
            stripe_event,
            user_errors,
        })
    }

    /// Puts events back that were set aside, some at a time. For owners.
    #[graphql(guard = "May(Operation::ReplayEvents)")]
    async fn replay_parked_stripe_events(
        &self,
        ctx: &Context<'_>,
        input: ReplayParkedStripeEventsInput,
    ) -> async_graphql::Result<ReplayParkedStripeEventsPayload> {
        let done = call(ctx, async |domain, actor| {
            replay::parked(domain, actor, input.kind, input.limit).await
        });
        let (done, user_errors) = payload(done.await.map(|(done, _)| done))?;
        Ok(ReplayParkedStripeEventsPayload {
            replayed: done.map(|done| i32::try_from(done.replayed).unwrap_or(i32::MAX)),
            left: done.map(|done| Long(i64::try_from(done.left).unwrap_or(i64::MAX))),
            user_errors,
        })
    }
}
