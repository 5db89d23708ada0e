//! One credited sale, as the projection says that it stands.

use sea_orm::entity::prelude::*;

use crate::id::{AffiliateId, BrandId, CampaignId, CodeId, ConversionId};

crate::text_enum! {
    /// What led the customer.
    AttributionMethod { Link = "link", Coupon = "coupon", S2s = "s2s" }
}

crate::text_enum! {
    /// Which sale of a customer it is.
    ConversionKind { Acquisition = "acquisition", Renewal = "renewal", OneOff = "one_off" }
}

crate::text_enum! {
    /// How it stands, but for the clock: `Standing` reads as pending until `hold_until`, then as approved.
    ConversionStatus {
        Standing = "standing",
        Held = "held",
        PartiallyRefunded = "partially_refunded",
        Refunded = "refunded",
        Disputed = "disputed",
        Rejected = "rejected",
    }
}

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "conversion")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: ConversionId,
    pub brand_id: BrandId,
    pub livemode: bool,
    pub sale_id: Uuid,
    /// Which part of the sale it is: a subscription's start, an invoice, a payment; unique within the sale.
    pub part: String,
    pub kind: ConversionKind,
    pub status: ConversionStatus,
    pub attribution_method: AttributionMethod,
    pub campaign_id: CampaignId,
    pub affiliate_id: AffiliateId,
    /// The code that was redeemed, whether it is what was credited or not.
    pub code_id: Option<CodeId>,
    /// As typed at checkout, in upper case.
    pub coupon_code: Option<String>,
    /// The code is the affiliate's, or shared by all: it is not told of another's.
    pub code_is_own: bool,
    pub amount_pending: bool,
    /// ISO 4217, upper case.
    pub currency: String,
    /// Minor units of `currency`; paid, after discounts, without tax. So are `tax` and `refunded_amount`.
    pub amount: i64,
    pub tax: i64,
    pub refunded_amount: i64,
    /// Minor units of `commission_currency`, net of clawbacks.
    pub commission: i64,
    pub commission_currency: String,
    /// When the commission is due.
    pub hold_until: DateTimeUtc,
    /// As Stripe has it; not for affiliates.
    pub customer_email: Option<String>,
    /// JSON, a list of steps.
    pub attribution_trail: String,
    pub occurred_at: DateTimeUtc,
    pub recorded_at: DateTimeUtc,
    /// Set when it stands no more: where it turned out to be the same sale as an older one, to that one, which stands for
    /// both; where by what was learned later nobody is credited for it, to itself.
    pub merged_into: Option<ConversionId>,
}

impl Model {
    /// The older one that it turned out to be.
    pub fn leads_to(&self) -> Option<ConversionId> {
        self.merged_into.filter(|older| *older != self.id)
    }

    /// Nobody is credited for it any more. It is in no list and no sum.
    pub fn is_withdrawn(&self) -> bool {
        self.merged_into == Some(self.id)
    }
}

crate::plain_table!();
