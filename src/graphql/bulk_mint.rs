//! Minting many codes at once.

use std::sync::Arc;

use async_graphql::{ID, InputObject, SimpleObject};

use super::{codes::AffiliateCode, errors::UserError, loaders::Loaders, scalars::id};
use crate::domain::bulk_mint::{BulkMint, BulkRow, MAX_ROWS, RowResult};

/// Codes to mint on one coupon.
#[derive(InputObject, Clone, Debug)]
pub struct BulkMintAffiliateCodesInput {
    /// The coupon to mint on.
    coupon_id: ID,
    /// Your name for the whole of it, 1 to 64 characters, unique within the brand and the mode. Sent again under the same
    /// name, a row that was minted before is answered with its code and not minted again. Without a name nothing tells
    /// that it was: what is sent again is minted again.
    batch: Option<String>,
    /// 1 to 250. In a batch, a row is known by its place in this list.
    rows: Vec<BulkMintRowInput>,
}

/// A code to mint.
#[derive(InputObject, Clone, Debug)]
pub struct BulkMintRowInput {
    /// Whose it is to be: an approved affiliate in the coupon's campaign.
    affiliate_id: ID,
    /// 3 to 32 characters of A-Z, 0-9, - and _, in any case. Left out: generated.
    code: Option<String>,
}

impl BulkMintAffiliateCodesInput {
    /// How many rows are answered: more than there may be are refused.
    pub fn answered(&self) -> usize {
        self.rows.len().min(MAX_ROWS)
    }
}

impl From<BulkMintAffiliateCodesInput> for BulkMint {
    fn from(input: BulkMintAffiliateCodesInput) -> Self {
        let row = |row: BulkMintRowInput| BulkRow {
            affiliate_id: id(&row.affiliate_id),
            code: row.code,
        };
        Self {
            coupon_id: id(&input.coupon_id),
            batch: input.batch,
            rows: input.rows.into_iter().map(row).collect(),
        }
    }
}

/// What became of a row: its code, or what to mend.
#[derive(SimpleObject)]
pub struct BulkMintResult {
    /// The row's place in the input, from 0.
    index: i32,
    /// The row's code; null when there is something to mend.
    affiliate_code: Option<AffiliateCode>,
    /// What to mend of the row; then it was not minted.
    user_errors: Vec<UserError>,
}

impl BulkMintResult {
    /// What became of each row.
    pub fn list((rows, loaders): (Vec<RowResult>, Arc<Loaders>)) -> Vec<Self> {
        let result = |(index, row): (i32, RowResult)| match row {
            Ok(code) => Self {
                index,
                affiliate_code: Some(AffiliateCode::new(code, &loaders)),
                user_errors: Vec::new(),
            },
            Err(problems) => Self {
                index,
                affiliate_code: None,
                user_errors: problems
                    .into_iter()
                    .map(|problem| UserError::of_row(problem, index))
                    .collect(),
            },
        };
        (0..).zip(rows).map(result).collect()
    }
}

/// What became of each row, in order; or what to mend of the whole, and then nothing was minted.
#[derive(SimpleObject)]
pub struct BulkMintAffiliateCodesPayload {
    /// One for each row, in order; empty when there is something to mend of the whole.
    pub results: Vec<BulkMintResult>,
    /// What to mend of the whole; then nothing was minted.
    pub user_errors: Vec<UserError>,
}
