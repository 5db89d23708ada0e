//! What managers decide about conversions.

use std::sync::Arc;

use async_graphql::{ID, InputObject, SimpleObject};
use entity::id::{AffiliateId, ConversionId};

use super::{conversions::Conversion, errors::UserError, loaders::Loaders, scalars::id};
use crate::domain::decisions::{Decide, DecidedResult, MAX_AT_ONCE};

/// Conversions to approve: held or rejected ones. Those that stand stay as they are.
#[derive(InputObject, Clone, Debug)]
pub struct ApproveConversionsInput {
    /// 1 to 100.
    ids: Vec<ID>,
    /// At most 1000 characters.
    reason: String,
}

/// Conversions to reject: any but those that were refunded. They earn nothing, until they are approved again.
#[derive(InputObject, Clone, Debug)]
pub struct RejectConversionsInput {
    /// 1 to 100.
    ids: Vec<ID>,
    /// At most 1000 characters.
    reason: String,
}

macro_rules! several {
    ($($input:ident),+) => {$(
        impl $input {
            /// How many are answered: more than there may be are refused.
            pub fn answered(&self) -> usize {
                self.ids.len().min(MAX_AT_ONCE)
            }
        }

        impl From<$input> for Decide {
            fn from(input: $input) -> Self {
                Self {
                    ids: input.ids.iter().map(id).collect(),
                    reason: input.reason,
                }
            }
        }
    )+};
}
several!(ApproveConversionsInput, RejectConversionsInput);

/// Whose a conversion is.
#[derive(InputObject, Clone, Debug)]
pub struct ReassignConversionInput {
    /// The conversion, `cnv_…`.
    id: ID,
    /// An approved affiliate in the conversion's campaign.
    affiliate_id: ID,
    /// At most 1000 characters.
    pub reason: String,
}

impl ReassignConversionInput {
    pub fn conversion_id(&self) -> Option<ConversionId> {
        id(&self.id)
    }

    pub fn affiliate_id(&self) -> Option<AffiliateId> {
        id(&self.affiliate_id)
    }
}

/// What became of one of several: the conversion as it is now, or what to mend.
#[derive(SimpleObject)]
pub struct ConversionDecision {
    /// Its place in the input, from 0.
    index: i32,
    /// As it is now; null when there is something to mend.
    conversion: Option<Conversion>,
    /// False where it stood that way already, and where it was refused.
    changed: bool,
    /// What to mend of this one; then it was not changed.
    user_errors: Vec<UserError>,
}

impl ConversionDecision {
    /// What became of each.
    pub fn list((results, loaders): (Vec<DecidedResult>, Arc<Loaders>)) -> Vec<Self> {
        let result = |(index, result): (i32, DecidedResult)| match result {
            Ok(decided) => Self {
                index,
                conversion: Some(Conversion::new(decided.conversion, &loaders)),
                changed: decided.changed,
                user_errors: Vec::new(),
            },
            Err(problems) => Self {
                index,
                conversion: None,
                changed: false,
                user_errors: problems
                    .into_iter()
                    .map(|problem| UserError::of_item(problem, index))
                    .collect(),
            },
        };
        (0..).zip(results).map(result).collect()
    }
}

/// What became of each, in order; or what to mend of the whole, and then nothing was changed.
#[derive(SimpleObject)]
pub struct ApproveConversionsPayload {
    /// One for each id, in order; empty when there is something to mend of the whole.
    pub results: Vec<ConversionDecision>,
    /// What to mend of the whole; then nothing was changed.
    pub user_errors: Vec<UserError>,
}

/// What became of each, in order; or what to mend of the whole, and then nothing was changed.
#[derive(SimpleObject)]
pub struct RejectConversionsPayload {
    /// One for each id, in order; empty when there is something to mend of the whole.
    pub results: Vec<ConversionDecision>,
    /// What to mend of the whole; then nothing was changed.
    pub user_errors: Vec<UserError>,
}

/// The conversion, or what to mend.
#[derive(SimpleObject)]
pub struct ReassignConversionPayload {
    /// As it is now; null when there is something to mend.
    pub conversion: Option<Conversion>,
    /// What to mend; then nothing was changed.
    pub user_errors: Vec<UserError>,
}
