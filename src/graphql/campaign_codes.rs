//! Setting and ending the codes that campaigns' affiliates share.

use async_graphql::{ID, InputObject, SimpleObject};
use entity::id::CampaignId;

use super::{campaigns::Campaign, errors::UserError, scalars::id};
use crate::domain::campaign_codes::SetCampaignCode;

/// The code that all affiliates of a campaign share.
#[derive(InputObject, Clone, Debug)]
pub struct SetCampaignCodeInput {
    /// The campaign, `cmp_…`.
    campaign_id: ID,
    /// One of the campaign's, for all its affiliates.
    coupon_id: ID,
    /// 3 to 32 characters of A-Z, 0-9, - and _, in any case.
    code: String,
}

impl From<SetCampaignCodeInput> for SetCampaignCode {
    fn from(input: SetCampaignCodeInput) -> Self {
        Self {
            campaign_id: id(&input.campaign_id),
            coupon_id: id(&input.coupon_id),
            code: input.code,
        }
    }
}

/// Which campaign's shared code to end.
#[derive(InputObject, Clone, Debug)]
pub struct RemoveCampaignCodeInput {
    /// The campaign, `cmp_…`.
    campaign_id: ID,
}

impl RemoveCampaignCodeInput {
    pub fn campaign_id(&self) -> Option<CampaignId> {
        id(&self.campaign_id)
    }
}

/// The campaign with its shared code, or what to mend.
#[derive(SimpleObject)]
pub struct SetCampaignCodePayload {
    /// As it is now; null when there is something to mend.
    pub campaign: Option<Campaign>,
    /// What to mend; then nothing was changed.
    pub user_errors: Vec<UserError>,
}

/// The campaign without a shared code, or what to mend.
#[derive(SimpleObject)]
pub struct RemoveCampaignCodePayload {
    /// As it is now; null when there is something to mend.
    pub campaign: Option<Campaign>,
    /// What to mend; then nothing was changed.
    pub user_errors: Vec<UserError>,
}
