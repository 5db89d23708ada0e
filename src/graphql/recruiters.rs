//! Who recruited whom.

use async_graphql::{ID, InputObject, SimpleObject};
use entity::id::AffiliateId;

use super::{
    affiliates::Affiliate,
    errors::UserError,
    scalars::{filter_id, id},
};

/// Who recruited an affiliate, for sales from now on.
#[derive(InputObject, Clone, Debug)]
pub struct SetAffiliateRecruiterInput {
    /// Who was recruited, `aff_…`.
    id: ID,
    /// Null or left out: nobody. Not the affiliate itself, also not by way of others.
    recruited_by_id: Option<ID>,
}

impl SetAffiliateRecruiterInput {
    pub fn affiliate_id(&self) -> Option<AffiliateId> {
        id(&self.id)
    }

    pub fn recruiter(&self) -> Option<Option<AffiliateId>> {
        filter_id(self.recruited_by_id.as_ref())
    }
}

/// The affiliate, or what to mend.
#[derive(SimpleObject)]
pub struct SetAffiliateRecruiterPayload {
    /// As it is now; null when there is something to mend.
    pub affiliate: Option<Affiliate>,
    /// What to mend; then nothing was changed.
    pub user_errors: Vec<UserError>,
}
