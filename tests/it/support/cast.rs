//! The stage that most rules are played on: Acme's campaign with its affiliates sarah and bob, a coupon, codes.

use serde_json::{Value, json};

use super::{Caller, TestApp};

/// A campaign: 20 % for life, due after 30 days, unless it is said otherwise.
#[derive(Clone, Debug)]
pub struct CampaignSpec {
    pub input: Value,
}

/// A coupon: 20 % off, once, open to self-service, unless it is said otherwise.
#[derive(Clone, Debug)]
pub struct CouponSpec {
    pub input: Value,
}

impl Default for CampaignSpec {
    fn default() -> Self {
        let input = json!({
            "name": "Spring",
            "landingUrl": "https://acme.example/welcome",
            "commission": { "percent": "20" },
        });
        Self { input }
    }
}

impl Default for CouponSpec {
    fn default() -> Self {
        let input = json!({
            "name": "Launch",
            "discount": { "percentOff": "20" },
            "duration": "ONCE",
            "allowAffiliateSelfMint": true,
        });
        Self { input }
    }
}

macro_rules! with {
    ($($spec:ident),+) => {$(
        impl $spec {
            /// Sets an argument of the input.
            #[must_use]
            pub fn with(mut self, field: &str, value: impl Into<Value>) -> Self {
                self.input[field] = value.into();
                self
            }
        }
    )+};
}
with!(CampaignSpec, CouponSpec);

impl CampaignSpec {
    #[must_use]
    pub fn percent(self, percent: &str) -> Self {
        self.with("commission", json!({ "percent": percent }))
    }

    #[must_use]
    pub fn flat(self, minor_units: i64, currency: &str) -> Self {
        self.with(
            "commission",
            json!({ "flat": { "minorUnits": minor_units, "currency": currency } }),
        )
    }
}

impl CouponSpec {
    #[must_use]
    pub fn percent(self, percent: &str) -> Self {
        self.with("discount", json!({ "percentOff": percent }))
    }

    #[must_use]
    pub fn amount(self, minor_units: i64, currency: &str) -> Self {
        self.with(
            "discount",
            json!({ "amountOff": { "minorUnits": minor_units, "currency": currency } }),
        )
    }
}

/// Public ids.
#[derive(Clone, Debug)]
pub struct Stage {
    pub campaign: String,
    pub coupon: String,
    pub sarah: String,
    pub bob: String,
    /// `SARAH20`.
    pub code: String,
}

pub fn id(object: &Value) -> String {
    object["id"].as_str().unwrap().to_owned()
}

impl Caller {
    pub async fn campaign(&self, spec: CampaignSpec) -> String {
        id(&self.make("createCampaign", "campaign", "id", spec.input).await)
    }

    pub async fn new_affiliate(&self, name: &str, campaigns: &[&str]) -> String {
        let email = format!("{}@affiliates.example", name.to_lowercase().replace(' ', "."));
        let input = json!({ "name": name, "email": email, "campaignIds": campaigns });
        id(&self.make("createAffiliate", "affiliate", "id", input).await)
    }

    pub async fn coupon(&self, campaign: &str, spec: CouponSpec) -> String {
        let input = spec.with("campaignId", campaign).input;
        id(&self.make("createCampaignCoupon", "campaignCoupon", "id", input).await)
    }

    /// Mints a given code.
    pub async fn mint(&self, coupon: &str, affiliate: &str, code: &str) -> String {
        let input = json!({ "couponId": coupon, "affiliateId": affiliate, "code": code });
        id(&self.make("mintAffiliateCode", "affiliateCode", "id", input).await)
    }

    pub async fn set_status(&self, affiliate: &str, status: &str) {
        let input = json!({ "id": affiliate, "status": status });
        self.make("updateAffiliateStatus", "affiliate", "id", input).await;
    }
}

impl TestApp {
    /// The usual stage, with `SARAH20` of sarah's.
    pub async fn stage(&self) -> Stage {
        self.stage_with(CampaignSpec::default(), CouponSpec::default()).await
    }

    pub async fn stage_with(&self, campaign: CampaignSpec, coupon: CouponSpec) -> Stage {
        set_stage(&self.max(), campaign, coupon).await
    }
}

/// The usual stage, set by a manager.
pub async fn set_stage(manager: &Caller, campaign: CampaignSpec, coupon: CouponSpec) -> Stage {
    let campaign = manager.campaign(campaign).await;
    let sarah = manager.new_affiliate("Sarah Jones", &[&campaign]).await;
    let bob = manager.new_affiliate("Bob Martin", &[&campaign]).await;
    let coupon = manager.coupon(&campaign, coupon).await;
    let code = manager.mint(&coupon, &sarah, "SARAH20").await;
    Stage {
        campaign,
        coupon,
        sarah,
        bob,
        code,
    }
}
