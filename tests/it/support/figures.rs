//! Figures as the API tells them, and the same counted by hand, row by row.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use entity::{
    campaign_code, code,
    conversion::{self, AttributionMethod, ConversionKind},
    redemption,
};
use rekomi::domain::brands::{self, BrandInput};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use serde_json::{Value, json};

use super::{Paid, Shape, Stage, TestApp, app::NOON, reported, rng::Rng};

/// What is asked of `SalesFigures`.
pub const FIGURES: &str = "redemptions refundedRedemptions conversions renewals
    revenue { minorUnits currency } refunded { minorUnits currency } commission { minorUnits currency }";

const DAY: u64 = 86_400;

/// The days on which sales are made, from the test's beginning.
pub const DAYS: u64 = 160;

/// Redemptions, refunded ones, conversions, renewals; then revenue, refunds and commission by currency, without zeros.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told {
    pub counts: [i64; 4],
    pub money: BTreeMap<String, [i64; 3]>,
}

impl Told {
    pub fn read(figures: &Value) -> Self {
        let counts = ["redemptions", "refundedRedemptions", "conversions", "renewals"];
        let mut told = Self {
            counts: counts.map(|count| figures[count].as_i64().unwrap()),
            money: BTreeMap::new(),
        };
        for (place, field) in ["revenue", "refunded", "commission"].into_iter().enumerate() {
            for sum in figures[field].as_array().unwrap() {
                let currency = sum["currency"].as_str().unwrap().to_owned();
                told.money.entry(currency).or_default()[place] = sum["minorUnits"].as_i64().unwrap();
            }
        }
        told.money.retain(|_, sums| *sums != [0; 3]);
        told
    }

    pub fn add(&mut self, other: &Self) {
        self.counts
            .iter_mut()
            .zip(other.counts)
            .for_each(|(sum, part)| *sum += part);
        for (currency, parts) in &other.money {
            let sums = self.money.entry(currency.clone()).or_default();
            sums.iter_mut().zip(parts).for_each(|(sum, part)| *sum += part);
        }
    }
}

/// Something that counts, with all that a filter looks at.
#[derive(Clone, Debug)]
pub struct Piece {
    pub at: DateTime<Utc>,
    pub campaign: String,
    pub affiliate: Option<String>,
    /// The code that was used, or that is credited.
    pub code: Option<String>,
    pub method: &'static str,
    pub told: Told,
}

impl Piece {
    /// Whether a filter of the API lets it through.
    pub fn passes(&self, filter: &Value) -> bool {
        let is = |field: &str, own: Option<&str>| filter[field].is_null() || filter[field].as_str() == own;
        let methods = filter["attributionMethod"].as_array();
        is("campaignId", Some(&self.campaign))
            && is("affiliateId", self.affiliate.as_deref())
            && is("codeId", self.code.as_deref())
            && methods.is_none_or(|methods| methods.contains(&json!(self.method)))
    }
}

impl TestApp {
    /// Moves Acme to a time zone.
    pub async fn moves_to(&self, zone: &str) {
        let input = BrandInput {
            time_zone: Some(zone.to_owned()),
            ..BrandInput::default()
        };
        let app = &self.instance.app;
        brands::update(&app.db, &app.clock, &app.config.vault, "acme", &input)
            .await
            .unwrap();
    }

    /// All that counts, from the rows.
    pub async fn pieces(&self) -> Vec<Piece> {
        let mut pieces = Vec::new();
        let standing = conversion::Entity::find().filter(conversion::Column::MergedInto.is_null());
        for row in standing.all(self.db()).await.unwrap() {
            let credited = row.attribution_method == AttributionMethod::Coupon && row.code_is_own;
            let mut told = Told {
                counts: [0, 0, 1, i64::from(row.kind == ConversionKind::Renewal)],
                money: BTreeMap::new(),
            };
            told.money
                .insert(row.currency.clone(), [row.amount, row.refunded_amount, 0]);
            told.money.entry(row.commission_currency.clone()).or_default()[2] += row.commission;
            told.money.retain(|_, sums| *sums != [0; 3]);
            pieces.push(Piece {
                at: row.occurred_at,
                campaign: row.campaign_id.to_string(),
                affiliate: Some(row.affiliate_id.to_string()),
                code: row.code_id.filter(|_| credited).map(|code| code.to_string()),
                method: match row.attribution_method {
                    AttributionMethod::Link => "LINK",
                    AttributionMethod::Coupon => "COUPON",
                    AttributionMethod::S2s => "S2S",
                },
                told,
            });
        }
        let mut sellers = BTreeMap::new();
        for row in code::Entity::find().all(self.db()).await.unwrap() {
            sellers.insert(
                row.id,
                (row.campaign_id.to_string(), Some(row.affiliate_id.to_string())),
            );
        }
        for row in campaign_code::Entity::find().all(self.db()).await.unwrap() {
            sellers.insert(row.id, (row.campaign_id.to_string(), None));
        }
        for row in redemption::Entity::find().all(self.db()).await.unwrap() {
            let (campaign, affiliate) = sellers[&row.code_id].clone();
            let mut told = Told::default();
            told.counts[usize::from(row.refunded)] = 1;
            pieces.push(Piece {
                at: row.occurred_at,
                campaign,
                affiliate,
                code: Some(row.code_id.to_string()),
                method: "COUPON",
                told,
            });
        }
        pieces
    }

    /// Sales of half a year, of every kind, by all ways, and what became of them. The second campaign is pedro's alone.
    pub async fn half_a_year(&self) -> (Stage, String) {
        let stage = self.stage().await;
        let max = self.max();
        let other = max.campaign(super::CampaignSpec::default().percent("10")).await;
        let pedro = max.new_affiliate("Pedro", &[&other]).await;
        let coupon = max.coupon(&other, super::CouponSpec::default()).await;
        max.mint(&coupon, &pedro, "PEDRO20").await;
        max.mint(&stage.coupon, &stage.bob, "BOB20").await;
        let shared = max.coupon(&stage.campaign, super::CouponSpec::default()).await;
        let input = json!({ "campaignId": stage.campaign, "couponId": shared, "code": "ALL20" });
        max.make("setCampaignCode", "campaign", "id", input).await;
        self.pass(chrono::TimeDelta::days(175));
        self.stripes(&stage).await;
        self.reports_of(&stage, &other, &pedro).await;
        self.judged(&stage).await;
        (stage, other)
    }

    /// Sales by Stripe: by codes and links, some renewed, refunded, disputed.
    async fn stripes(&self, stage: &Stage) {
        let mut rng = Rng::seeded(7);
        let mut second = |days: u64| i64::try_from(rng.below(usize::try_from(days * DAY).unwrap())).unwrap();
        let mut events = Vec::new();
        for number in 0..48 {
            let created = NOON + 60 + second(DAYS);
            let code = ["SARAH20", "SARAH20", "BOB20", "PEDRO20", "ALL20"][usize::try_from(number % 5).unwrap()];
            let currency = if number % 7 == 0 { "jpy" } else { "usd" };
            let mut sale = self.sale().currency(currency).price(5000 + number).created(created);
            if number % 4 == 3 {
                let click = self.click(
                    &stage.bob,
                    &stage.campaign,
                    1000 + u128::from(number.unsigned_abs()),
                    created - 30,
                );
                sale = sale.client_reference_id(click.await.to_string());
            }
            if number % 8 != 3 {
                sale = sale.promo(self.promo(code));
            }
            let mut sale = sale.build();
            let renewed = (number % 3 == 0).then(|| sale.renew_at(created + 1 + second(10)));
            let mut told = sale.start(Shape::Acacia);
            told.extend(renewed.map(|renewal| sale.renewal_paid(renewal, Shape::Acacia)));
            match number % 9 {
                0 => told.extend(sale.refund(Shape::Acacia, None, Paid::First)),
                1 => told.extend(sale.refund(Shape::Acacia, Some(1000 + number), Paid::First)),
                2 => {
                    use rekomi::standin::DisputeStep::{Created, Lost};
                    told.extend([Created, Lost].map(|step| sale.dispute(Shape::Acacia, step, Paid::First)));
                }
                _ => {}
            }
            sale.sync(&self.acme.stripe);
            events.extend(told);
        }
        self.deliver(&events).await;
    }

    /// Sales that the brand's server reports.
    async fn reports_of(&self, stage: &Stage, other: &str, pedro: &str) {
        let max = self.max();
        for number in 0..12_i64 {
            let at = DateTime::from_timestamp(NOON + 3600 * (1 + 311 * number) - number % 2, 0).unwrap();
            let (affiliate, campaign) = match number % 3 {
                0 => (stage.sarah.as_str(), stage.campaign.as_str()),
                1 => (stage.bob.as_str(), stage.campaign.as_str()),
                _ => (pedro, other),
            };
            let more = json!({ "affiliateId": affiliate, "campaignId": campaign, "occurredAt": at.to_rfc3339() });
            let name = format!("order-{number}");
            max.make("recordConversion", "conversion", "id", reported(&name, more))
                .await;
            if number % 4 == 0 {
                let back = json!({ "externalId": name, "amount": { "minorUnits": 900, "currency": "USD" } });
                max.make("refundConversion", "conversion", "id", back).await;
            }
        }
    }

    /// Some are given to somebody else, some rejected.
    async fn judged(&self, stage: &Stage) {
        let max = self.max();
        let list = "{ conversions(first: 100) { nodes { id status affiliate { id } campaign { id } } } }";
        let data = max.query(list).await;
        let rows = data["conversions"]["nodes"].as_array().unwrap().iter();
        let stand = rows.filter(|row| row["status"] == "PENDING" || row["status"] == "APPROVED");
        for (number, row) in stand.enumerate() {
            match number % 6 {
                0 if row["affiliate"]["id"] == json!(stage.sarah) => {
                    let input = json!({ "id": row["id"], "affiliateId": stage.bob, "reason": "his" });
                    max.make("reassignConversion", "conversion", "id", input).await;
                }
                3 => {
                    let input = json!({ "ids": [row["id"]], "reason": "bad" });
                    max.mutate("rejectConversions", "results { conversion { id } }", input)
                        .await;
                }
                _ => {}
            }
        }
    }
}
