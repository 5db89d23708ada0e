//! The codes, minted on a server.

use chrono::TimeDelta;
use rekomi::standin::CouponDuration;
use serde_json::json;

use super::{
    super::{CampaignSpec, CouponSpec, TestApp, app::NOON},
    codes::{CHANGES, Campaign, Code, Off, Owner},
};

const OWNERS: [Owner; 5] = [Owner::Sarah, Owner::Bob, Owner::Carol, Owner::Dora, Owner::Erik];
const CAMPAIGNS: [Campaign; 3] = [Campaign::Spring, Campaign::Autumn, Campaign::Winter];

/// Sets the stage for them on a server. The clock goes on to [`CHANGES`].
pub async fn set_stage(app: &TestApp) {
    let max = app.max();
    let mut campaigns = Vec::new();
    for campaign in CAMPAIGNS {
        campaigns.push(max.campaign(campaign.spec()).await);
    }
    let all: Vec<&str> = campaigns.iter().map(String::as_str).collect();
    let mut affiliates = Vec::new();
    for owner in OWNERS {
        affiliates.push(max.new_affiliate(&format!("{owner:?}"), &all).await);
    }
    for code in Code::ALL {
        if let Some((owner, campaign)) = code.owned() {
            let coupon = max.coupon(&campaigns[campaign as usize], code.spec()).await;
            max.mint(&coupon, &affiliates[owner as usize], &code.text()).await;
        }
    }
    let foreign = Code::Foreign.promo();
    app.acme.stripe.put(json!({
        "object": "promotion_code", "id": foreign.promotion_code_id, "active": true, "code": foreign.code,
        "livemode": true, "metadata": {}, "promotion": { "coupon": foreign.coupon_id, "type": "coupon" },
    }));
    max.set_status(&affiliates[Owner::Carol as usize], "SUSPENDED").await;
    app.pass(TimeDelta::seconds(CHANGES - NOON));
    let max = app.max();
    max.set_status(&affiliates[Owner::Dora as usize], "SUSPENDED").await;
    let more = json!({ "id": campaigns[Campaign::Winter as usize], "commission": { "percent": "25" } });
    max.make("updateCampaign", "campaign", "id", more).await;
}

impl Campaign {
    fn spec(self) -> CampaignSpec {
        let spec = CampaignSpec::default().with("name", format!("{self:?}"));
        match self {
            Self::Spring => spec,
            Self::Autumn => spec.flat(700, "USD").with("commissionDuration", "FIRST_SALE"),
            Self::Winter => spec
                .percent("12.5")
                .with("commissionDuration", "MONTHS")
                .with("commissionMonths", 2),
        }
    }
}

impl Code {
    fn spec(self) -> CouponSpec {
        let (off, duration) = self.coupon();
        let spec = CouponSpec::default().with("name", self.text());
        let spec = match off {
            Off::Percent(percent) => spec.percent(&percent.to_string()),
            Off::Cents(cents) => spec.amount(cents, "USD"),
        };
        match duration {
            CouponDuration::Once => spec,
            CouponDuration::Forever => spec.with("duration", "FOREVER"),
            CouponDuration::Repeating(months) => spec.with("duration", "REPEATING").with("durationInMonths", months),
        }
    }
}
