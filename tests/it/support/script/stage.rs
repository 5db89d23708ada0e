//! The affiliates, the campaigns and the codes, made on a server.

use chrono::TimeDelta;
use rekomi::standin::CouponDuration;
use serde_json::{Value, json};

use super::{
    super::{Caller, CampaignSpec, CouponSpec, TestApp, app::NOON},
    codes::{Code, Off},
    programs::{CHANGES, Campaign, Model, Owner},
};

/// Sets the stage for them on a server. The clock goes on to [`CHANGES`].
pub async fn set_stage(app: &TestApp) {
    let max = app.max();
    let mut campaigns = Vec::new();
    for campaign in Campaign::ALL {
        campaigns.push(max.campaign(campaign.spec()).await);
    }
    let all: Vec<&str> = campaigns.iter().map(String::as_str).collect();
    let mut affiliates = Vec::new();
    for owner in Owner::ALL {
        affiliates.push(max.new_affiliate(&format!("{owner:?}"), &all).await);
    }
    let mut coupons = Vec::new();
    for code in Code::ALL {
        if let Some((owner, campaign)) = code.owned() {
            let coupon = max.coupon(&campaigns[campaign as usize], code.spec()).await;
            max.mint(&coupon, &affiliates[owner as usize], &code.text()).await;
            coupons.push((code, coupon));
        }
    }
    recruit(&max, &affiliates, NOON).await;
    let foreign = Code::Foreign.promo();
    app.acme.stripe.put(json!({
        "object": "promotion_code", "id": foreign.promotion_code_id, "active": true, "code": foreign.code,
        "livemode": true, "metadata": {}, "promotion": { "coupon": foreign.coupon_id, "type": "coupon" },
    }));
    max.set_status(&affiliates[Owner::Carol as usize], "SUSPENDED").await;
    app.pass(TimeDelta::seconds(CHANGES - NOON));
    let max = app.max();
    max.set_status(&affiliates[Owner::Dora as usize], "SUSPENDED").await;
    let mut more = json!({ "id": campaigns[Campaign::Winter as usize], "commission": { "percent": "25" } });
    for (field, value) in Campaign::Winter.terms(CHANGES) {
        more[field] = value;
    }
    max.make("updateCampaign", "campaign", "id", more).await;
    for (code, coupon) in coupons
        .iter()
        .filter(|(code, _)| code.overrides(NOON) != code.overrides(CHANGES))
    {
        let input = json!({ "id": coupon, "overridesClickAttribution": code.overrides(CHANGES) });
        max.make("updateCampaignCoupon", "campaignCoupon", "id", input).await;
    }
    recruit(&max, &affiliates, CHANGES).await;
}

/// Tells who recruited whom at a time.
async fn recruit(max: &Caller, affiliates: &[String], seconds: i64) {
    for owner in Owner::ALL {
        let recruiter = owner
            .recruiter(seconds)
            .map(|recruiter| &affiliates[recruiter as usize]);
        let input = json!({ "id": affiliates[owner as usize], "recruitedById": recruiter });
        max.make("setAffiliateRecruiter", "affiliate", "id", input).await;
    }
}

impl Campaign {
    fn spec(self) -> CampaignSpec {
        let mut spec = CampaignSpec::default().with("name", format!("{self:?}"));
        for (field, value) in self.terms(NOON) {
            spec = spec.with(field, value);
        }
        match self {
            Self::Spring => spec,
            Self::Autumn => spec.flat(700, "USD").with("commissionDuration", "FIRST_SALE"),
            Self::Winter => spec
                .percent("12.5")
                .with("commissionDuration", "MONTHS")
                .with("commissionMonths", 2),
        }
    }

    /// What recruiters earn and which clicks count, at a time.
    fn terms(self, seconds: i64) -> [(&'static str, Value); 3] {
        let (model, days) = self.clicks(seconds);
        let model = match model {
            Model::First => "FIRST_CLICK",
            Model::Last => "LAST_CLICK",
        };
        let points = self.on_top(seconds);
        let on_top = (points > 0).then(|| format!("{}.{:02}", points / 100, points % 100));
        [
            ("clickModel", json!(model)),
            ("cookieWindowDays", json!(days)),
            ("overridePercent", json!(on_top)),
        ]
    }
}

impl Code {
    fn spec(self) -> CouponSpec {
        let (off, duration) = self.coupon();
        let spec = CouponSpec::default()
            .with("name", self.text())
            .with("overridesClickAttribution", self.overrides(NOON));
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
