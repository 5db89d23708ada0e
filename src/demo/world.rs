//! The demo's brand: two campaigns, four affiliates, their coupons and codes, made through the same rules as anybody's.

use chrono::TimeDelta;
use entity::{
    affiliate, affiliate_link, brand,
    brand::Tier,
    campaign::{self, ClickModel},
    campaign_rule::CommissionDuration,
    code, coupon,
    coupon::CouponDuration,
    id::{AffiliateId, CampaignId},
};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder};
use serde_json::json;

use crate::{
    app::App,
    auth::{Actor, Credential, Origin, Role, Scope},
    domain::{
        affiliates::{self, CreateAffiliate},
        brands::{self, BrandInput},
        campaigns::{self, CommissionInput, CreateCampaign, UpdateCampaign},
        codes::{self, MintCode},
        coupons::{self, CreateCoupon, DiscountInput},
    },
    error::{Error, Result},
    first_run, money,
    standin::{Account, StandIn},
};

/// No brand but the demo's own has it.
const SLUG: &str = "rekomi-demo";

/// What the simulator and the banner need.
pub struct World {
    pub brand: brand::Model,
    /// The affiliate whose token is printed.
    pub affiliate: affiliate::Model,
    /// A link of that affiliate's.
    pub link: affiliate_link::Model,
    /// The texts of the active codes.
    pub codes: Vec<String>,
    pub webhook_secret: String,
    pub stripe: Account,
}

impl World {
    /// Finds the brand of a kept database, or makes everything. Its campaigns lead to `landing_url`.
    pub async fn build(app: &App, standin: &StandIn, landing_url: &str) -> Result<Self> {
        let random = || first_run::random_hex().map_err(|error| Error::Internal(error.to_string()));
        let (key, webhook_secret) = (format!("sk_live_{}", random()?), format!("whsec_{}", random()?));
        let secrets = BrandInput {
            stripe_secret_key: Some(key.as_str().into()),
            stripe_webhook_secrets: vec![webhook_secret.as_str().into()],
            ..BrandInput::default()
        };
        let (db, clock, vault) = (&app.db, &app.clock, &app.config.vault);
        let known = brands::by_slug(db.reader(), SLUG).await?;
        if known.is_none() && !brands::list(db).await?.is_empty() {
            return Err(Error::Internal(
                "the database holds brands that the demo did not make; choose another file".into(),
            ));
        }
        let brand = match &known {
            Some(_) => brands::update(db, clock, vault, SLUG, &secrets).await?,
            None => {
                let name = Some("Acme".to_owned());
                let input = BrandInput {
                    name,
                    slug: Some(SLUG.into()),
                    tier: Some(Tier::Growth),
                    ..secrets
                };
                brands::create(db, clock, vault, &input).await?
            }
        };
        let stripe = standin.account(&key);
        if known.is_some() {
            restore(app, &brand, &stripe).await?;
            lead_to(app, &brand, landing_url).await?;
        } else {
            make(app, &brand, landing_url).await?;
        }
        let codes = code::Entity::find()
            .filter(code::Column::BrandId.eq(brand.id))
            .filter(code::Column::Status.eq(code::CodeStatus::Active))
            .order_by_asc(code::Column::Id)
            .all(db.reader())
            .await?;
        let affiliate = affiliate::Entity::find()
            .filter(affiliate::Column::BrandId.eq(brand.id))
            .order_by_asc(affiliate::Column::Id)
            .one(db.reader())
            .await?
            .ok_or_else(|| Error::Internal("the demo's brand has no affiliate".into()))?;
        let link = affiliate_link::Entity::find()
            .filter(affiliate_link::Column::AffiliateId.eq(affiliate.id))
            .order_by_asc(affiliate_link::Column::Id)
            .one(db.reader())
            .await?
            .ok_or_else(|| Error::Internal("the demo's affiliate has no link".into()))?;
        Ok(Self {
            brand,
            affiliate,
            link,
            codes: codes.into_iter().map(|code| code.code).collect(),
            webhook_secret,
            stripe,
        })
    }
}

/// Whoever made the demo, to the rules.
pub fn actor(app: &App, brand: &brand::Model, role: Role, affiliate: Option<AffiliateId>) -> Actor {
    Actor {
        subject: "demo".into(),
        credential: Credential::Token(role),
        scope: Scope {
            brand: brand.id,
            livemode: true,
            affiliate,
        },
        expires_at: Some(app.clock.now() + TimeDelta::hours(24)),
        origin: Origin::default(),
    }
}

async fn make(app: &App, brand: &brand::Model, landing_url: &str) -> Result<()> {
    let (domain, owner) = (&app.domain, actor(app, brand, Role::Owner, None));
    let spring = campaign(
        app,
        &owner,
        ("Spring", landing_url),
        CommissionInput::Percent(20.into()),
        CommissionDuration::Lifetime,
    )
    .await?;
    let flat = CommissionInput::Flat {
        minor_units: 500,
        currency: "USD".into(),
    };
    let podcasts = campaign(
        app,
        &owner,
        ("Podcasts", landing_url),
        flat,
        CommissionDuration::FirstSale,
    )
    .await?;
    let mut people = Vec::new();
    for name in ["Sarah Jones", "Bob Martin", "Pedro Díaz", "Ana Lima"] {
        let first = name.split(' ').next().unwrap_or(name).to_lowercase();
        let input = CreateAffiliate {
            name: name.into(),
            email: format!("{first}@affiliates.example"),
            campaign_ids: vec![Some(spring), Some(podcasts)],
            // Sarah brought the others.
            recruited_by: people.first().copied().map(Some),
            approve: true,
        };
        people.push(affiliates::create(domain, &owner, input).await?.id);
    }
    let launch = coupon(
        app,
        &owner,
        spring,
        "Launch offer",
        DiscountInput::Percent(20.into()),
        CouponDuration::Once,
    )
    .await?;
    let amount = DiscountInput::Amount {
        minor_units: 500,
        currency: "USD".into(),
    };
    let listeners = coupon(app, &owner, podcasts, "Listeners", amount, CouponDuration::Repeating).await?;
    for affiliate in &people {
        mint(app, &owner, &launch, *affiliate, None).await?;
    }
    for (affiliate, text) in [(0, "SARAH-PODCAST"), (2, "PEDRO-LIVE")] {
        if let Some(affiliate) = people.get(affiliate) {
            mint(app, &owner, &listeners, *affiliate, Some(text)).await?;
        }
    }
    Ok(())
}

async fn campaign(
    app: &App,
    owner: &Actor,
    (name, landing_url): (&str, &str),
    commission: CommissionInput,
    duration: CommissionDuration,
) -> Result<CampaignId> {
    let input = CreateCampaign {
        name: name.into(),
        landing_url: landing_url.into(),
        commission,
        duration,
        months: None,
        click_model: ClickModel::LastClick,
        cookie_window_days: 60,
        hold_days: 30,
        override_percent: Some(10.into()),
        affiliates_can_manage_codes: true,
    };
    Ok(campaigns::create(&app.domain, owner, input).await?.id)
}

async fn coupon(
    app: &App,
    owner: &Actor,
    campaign: CampaignId,
    name: &str,
    discount: DiscountInput,
    duration: CouponDuration,
) -> Result<coupon::Model> {
    let input = CreateCoupon {
        campaign_id: Some(campaign),
        name: name.into(),
        discount,
        duration,
        duration_in_months: (duration == CouponDuration::Repeating).then_some(3),
        max_redemptions_per_code: None,
        expires_at: None,
        overrides_click_attribution: true,
        allow_affiliate_self_mint: true,
        mint_on_approval: false,
        affiliate_id: None,
    };
    coupons::create(&app.domain, owner, input).await
}

async fn mint(
    app: &App,
    owner: &Actor,
    coupon: &coupon::Model,
    affiliate: AffiliateId,
    text: Option<&str>,
) -> Result<()> {
    let input = MintCode {
        coupon_id: Some(coupon.id),
        affiliate_id: Some(Some(affiliate)),
        code: text.map(str::to_owned),
    };
    codes::mint(&app.domain, owner, input).await.map(drop)
}

/// The shop of this run has an address of its own.
async fn lead_to(app: &App, brand: &brand::Model, landing_url: &str) -> Result<()> {
    let owner = actor(app, brand, Role::Owner, None);
    let campaigns = campaign::Entity::find().filter(campaign::Column::BrandId.eq(brand.id));
    for row in campaigns.all(app.db.reader()).await? {
        let input = UpdateCampaign {
            landing_url: Some(landing_url.to_owned()),
            ..UpdateCampaign::default()
        };
        campaigns::update(&app.domain, &owner, row.id, input).await?;
    }
    Ok(())
}

/// Tells a new stand-in of what a kept database has.
async fn restore(app: &App, brand: &brand::Model, stripe: &Account) -> Result<()> {
    let db = app.db.reader();
    let coupons = coupon::Entity::find()
        .filter(coupon::Column::BrandId.eq(brand.id))
        .all(db)
        .await?;
    for row in coupons.iter().filter(|row| row.deleted_at.is_none()) {
        stripe.put(json!({
            "id": row.id, "object": "coupon", "amount_off": row.amount_off, "created": row.created_at.timestamp(),
            "currency": row.currency.as_ref().map(|currency| currency.to_lowercase()), "duration": row.duration,
            "duration_in_months": row.duration_in_months, "livemode": row.livemode, "max_redemptions": null,
            "metadata": {"rekomi_campaign_coupon_id": row.id, "rekomi_brand_id": row.brand_id}, "name": row.name,
            "percent_off": row.percent_off_bps.map(|points| f64::from(points) / 100.0), "redeem_by": null,
            "times_redeemed": 0, "valid": true,
        }));
    }
    for row in code::Entity::find()
        .filter(code::Column::BrandId.eq(brand.id))
        .all(db)
        .await?
    {
        let Some(id) = &row.stripe_id else { continue };
        stripe.put(json!({
            "id": id, "object": "promotion_code", "active": row.status == code::CodeStatus::Active, "code": row.code,
            "created": row.created_at.timestamp(), "customer": null, "customer_account": null, "expires_at": null,
            "livemode": row.livemode, "max_redemptions": null,
            "metadata": {"rekomi_affiliate_coupon_id": row.id, "rekomi_affiliate_id": row.affiliate_id},
            "promotion": {"type": "coupon", "coupon": row.coupon_id}, "times_redeemed": 0,
            "restrictions": {"first_time_transaction": false, "minimum_amount": null, "minimum_amount_currency": null},
        }));
    }
    Ok(())
}

/// What a total is worth in the major unit, for people to read.
pub fn readable(minor_units: i64, currency: &str) -> String {
    match currency.parse::<money::Currency>() {
        Ok(known) => format!("{} {known}", known.major_units(minor_units)),
        Err(_) => format!("{minor_units} {currency}"),
    }
}
