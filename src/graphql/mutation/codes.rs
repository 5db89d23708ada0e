//! Minting codes, renaming them, switching them off and on, deleting them.

use async_graphql::{Context, Guard, GuardExt, Object};

use super::{
    super::{
        bulk_mint::{BulkMintAffiliateCodesInput, BulkMintAffiliateCodesPayload, BulkMintResult},
        code_settings::{UpdateCodeSettingsInput, UpdateCodeSettingsPayload},
        codes::{
            AffiliateCode, DeactivateAffiliateCodeInput, DeactivateAffiliateCodePayload, DeleteAffiliateCodeInput,
            DeleteAffiliateCodePayload, MintAffiliateCodeInput, MintAffiliateCodePayload, ReactivateAffiliateCodeInput,
            ReactivateAffiliateCodePayload, RenameAffiliateCodeInput, RenameAffiliateCodePayload,
        },
        context::May,
        errors::payload,
    },
    call, known, node,
};
use crate::{
    auth::Operation,
    domain::{bulk_mint, code_deletion, code_renaming, code_settings, code_switching, codes},
};

/// Minting is for those who manage codes and, where the brand allows it, for affiliates.
fn may_mint() -> impl Guard {
    May(Operation::ManageCodes).or(May(Operation::MintOwnCode))
}

#[derive(Default)]
pub struct CodeMutations;

#[Object]
impl CodeMutations {
    /// Mints a code, given or generated, here and at Stripe; an affiliate mints for itself.
    #[graphql(guard = "may_mint()")]
    async fn mint_affiliate_code(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to mint.")] input: MintAffiliateCodeInput,
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
        #[graphql(desc = "Which code, and its new text.")] input: RenameAffiliateCodeInput,
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
        #[graphql(desc = "What to mint.")] input: BulkMintAffiliateCodesInput,
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
        #[graphql(desc = "What to change.")] input: UpdateCodeSettingsInput,
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

    /// Switches a code off, here at once, and at Stripe as soon as it can be. For owners and managers.
    #[graphql(guard = "May(Operation::ManageCodes)")]
    async fn deactivate_affiliate_code(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which code.")] input: DeactivateAffiliateCodeInput,
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

    /// Switches a code on again. For owners and managers.
    #[graphql(guard = "May(Operation::ManageCodes)")]
    async fn reactivate_affiliate_code(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which code.")] input: ReactivateAffiliateCodeInput,
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
    /// Deletes a code, here at once, and at Stripe, where all its promotion codes are switched off as soon as it can be. For
    /// owners and managers. It is in no list any more, and cannot be renamed or switched on again; what it sold, and still
    /// sells, is its affiliate's.
    #[graphql(guard = "May(Operation::ManageCodes)")]
    async fn delete_affiliate_code(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to delete.")] input: DeleteAffiliateCodeInput,
    ) -> async_graphql::Result<DeleteAffiliateCodePayload> {
        let done = call(ctx, async |domain, actor| {
            code_deletion::delete(domain, actor, known(input.code_id())?).await
        });
        let (deleted, user_errors) = payload(done.await.map(|(id, _)| id))?;
        Ok(DeleteAffiliateCodePayload {
            deleted_id: deleted.map(|id| id.to_string().into()),
            user_errors,
        })
    }
}
