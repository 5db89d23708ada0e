//! Sales that a brand's own server reports.

use async_graphql::{Context, Object};

use super::{
    super::{
        context::May,
        conversions::Conversion,
        errors::payload,
        reported_sales::{
            RecordConversionInput, RecordConversionPayload, RefundConversionInput, RefundConversionPayload,
        },
    },
    call,
};
use crate::{auth::Operation, domain::reported_sales};

#[derive(Default)]
pub struct SaleMutations;

#[Object]
impl SaleMutations {
    /// Records a sale that was made outside Stripe, in the mode of your token. A sale is known by its `externalId` and
    /// recorded once: the same input again answers with what is there.
    #[graphql(guard = "May(Operation::ReportConversions)")]
    async fn record_conversion(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What was sold.")] input: RecordConversionInput,
    ) -> async_graphql::Result<RecordConversionPayload> {
        let done = call(ctx, async |domain, actor| {
            reported_sales::record(domain, actor, &input.into()).await
        });
        let done = done
            .await
            .map(|(done, loaders)| Conversion::new(done.conversion(), &loaders));
        let (conversion, user_errors) = payload(done)?;
        Ok(RecordConversionPayload {
            conversion,
            user_errors,
        })
    }

    /// Records what went back of such a sale. It may come before the sale: then `conversion` is null without an error, and
    /// the refund is applied when the sale comes. In any order and however often, the largest figure counts.
    #[graphql(guard = "May(Operation::ReportConversions)")]
    async fn refund_conversion(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What went back.")] input: RefundConversionInput,
    ) -> async_graphql::Result<RefundConversionPayload> {
        let done = call(ctx, async |domain, actor| {
            reported_sales::refund(domain, actor, &input.into()).await
        });
        let done = done
            .await
            .map(|(done, loaders)| done.map(|done| Conversion::new(done.conversion(), &loaders)));
        let (conversion, user_errors) = payload(done)?;
        Ok(RefundConversionPayload {
            conversion: conversion.flatten(),
            user_errors,
        })
    }
}
