//! What affiliates earn, and what managers decide about it.

use async_graphql::{Context, Object};

use super::{
    super::{
        affiliates::Affiliate,
        context::May,
        conversions::Conversion,
        decisions::{
            ApproveConversionsInput, ApproveConversionsPayload, ConversionDecision, ReassignConversionInput,
            ReassignConversionPayload, RejectConversionsInput, RejectConversionsPayload,
        },
        errors::payload,
        rates::{SetAffiliateRateInput, SetAffiliateRatePayload},
        recruiters::{SetAffiliateRecruiterInput, SetAffiliateRecruiterPayload},
    },
    call, known, node,
};
use crate::{
    auth::Operation,
    domain::{
        decisions::{self, Judgement},
        rates, recruiters,
    },
};

#[derive(Default)]
pub struct EarningMutations;

#[Object]
impl EarningMutations {
    /// Sets who recruited an affiliate, or that nobody did, for sales from now on: that one earns the campaign's override of
    /// what the affiliate earns.
    #[graphql(guard = "May(Operation::ManageAffiliates)")]
    async fn set_affiliate_recruiter(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to set.")] input: SetAffiliateRecruiterInput,
    ) -> async_graphql::Result<SetAffiliateRecruiterPayload> {
        let done = call(ctx, async |domain, actor| {
            recruiters::set(domain, actor, known(input.affiliate_id())?, input.recruiter()).await
        });
        let (affiliate, user_errors) = payload(done.await.map(node!(Affiliate)))?;
        Ok(SetAffiliateRecruiterPayload { affiliate, user_errors })
    }

    /// Sets what an affiliate earns in a campaign instead of what the campaign pays, for sales from now on.
    #[graphql(guard = "May(Operation::ManageAffiliates)")]
    async fn set_affiliate_rate(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to set.")] input: SetAffiliateRateInput,
    ) -> async_graphql::Result<SetAffiliateRatePayload> {
        let done = call(ctx, async |domain, actor| rates::set(domain, actor, input.into()).await);
        let (affiliate, user_errors) = payload(done.await.map(node!(Affiliate)))?;
        Ok(SetAffiliateRatePayload { affiliate, user_errors })
    }

    /// Approves up to 100 conversions that are held or were rejected. Each comes to an end of its own.
    #[graphql(
        guard = "May(Operation::DecideConversions)",
        complexity = "1 + input.answered() * child_complexity"
    )]
    async fn approve_conversions(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which, and why.")] input: ApproveConversionsInput,
    ) -> async_graphql::Result<ApproveConversionsPayload> {
        let done = call(ctx, async |domain, actor| {
            decisions::judge(domain, actor, Judgement::Approve, input.into()).await
        });
        let (results, user_errors) = payload(done.await.map(ConversionDecision::list))?;
        Ok(ApproveConversionsPayload {
            results: results.unwrap_or_default(),
            user_errors,
        })
    }

    /// Rejects up to 100 conversions: they earn nothing any more. Each comes to an end of its own.
    #[graphql(
        guard = "May(Operation::DecideConversions)",
        complexity = "1 + input.answered() * child_complexity"
    )]
    async fn reject_conversions(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which, and why.")] input: RejectConversionsInput,
    ) -> async_graphql::Result<RejectConversionsPayload> {
        let done = call(ctx, async |domain, actor| {
            decisions::judge(domain, actor, Judgement::Reject, input.into()).await
        });
        let (results, user_errors) = payload(done.await.map(ConversionDecision::list))?;
        Ok(RejectConversionsPayload {
            results: results.unwrap_or_default(),
            user_errors,
        })
    }

    /// Makes a conversion another affiliate's: what was earned of it moves there. Of a subscription's start, the renewals
    /// follow, but for those that were reassigned by themselves.
    #[graphql(guard = "May(Operation::DecideConversions)")]
    async fn reassign_conversion(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which, to whom, and why.")] input: ReassignConversionInput,
    ) -> async_graphql::Result<ReassignConversionPayload> {
        let (id, affiliate) = (input.conversion_id(), input.affiliate_id());
        let done = call(ctx, async |domain, actor| {
            let decided = decisions::reassign(domain, actor, id, affiliate, &input.reason).await?;
            Ok(decided.conversion)
        });
        let (conversion, user_errors) = payload(done.await.map(node!(Conversion)))?;
        Ok(ReassignConversionPayload {
            conversion,
            user_errors,
        })
    }
}
