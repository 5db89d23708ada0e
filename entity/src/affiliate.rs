//! Somebody who shares codes. `status` is how it stands now; how it stood is in `affiliate_status`.

use sea_orm::entity::prelude::*;

use crate::id::{AffiliateId, BrandId};

crate::text_enum! {
    /// Only an approved affiliate mints and earns.
    AffiliateStatus { Pending = "pending", Approved = "approved", Suspended = "suspended", Rejected = "rejected" }
}

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, serde::Serialize)]
#[serde(rename_all = "camelCase")]
#[sea_orm(table_name = "affiliate")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: AffiliateId,
    pub brand_id: BrandId,
    pub name: String,
    pub email: String,
    /// The e-mail in lower case; unique within the brand.
    #[serde(skip)]
    pub email_key: String,
    pub status: AffiliateStatus,
    pub created_at: DateTimeUtc,
}

crate::plain_table!();
