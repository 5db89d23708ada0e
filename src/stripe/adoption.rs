//! Reads promotion codes that Stripe has already, with their coupons, so that they can be adopted.

use chrono::{DateTime, Utc};
use entity::{coupon::CouponDuration, id::CampaignId};
use rust_decimal::Decimal;
use serde::Serialize;
use serde_json::Value;

use super::{
    client::Stripe,
    drift::told,
    facts::{Request, seconds, text},
};
use crate::{
    directory::Way,
    domain::adoption::{Adopt, AdoptedCoupon},
    money,
};

/// How a line names a promotion code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Named {
    /// By what customers type.
    Text(String),
    /// By Stripe's id.
    Id(String),
}

#[derive(Serialize)]
struct ByCode<'a> {
    code: &'a str,
    limit: u8,
}

/// What Stripe has under a name, to be an affiliate's.
///
/// # Errors
/// Why it cannot be adopted, or that Stripe gives no answer.
pub async fn read(
    stripe: &Stripe,
    way: &Way,
    named: &Named,
    campaign: CampaignId,
    affiliate: &str,
    now: DateTime<Utc>,
) -> Result<Adopt, String> {
    let mut code = match named {
        Named::Id(id) => fetch(stripe, way, &Request::PromotionCode(id.clone())).await?,
        Named::Text(text) => by_text(stripe, way, text).await?,
    };
    let coupon = [&code["promotion"]["coupon"], &code["coupon"]["id"], &code["coupon"]];
    let coupon = coupon.into_iter().find_map(text).ok_or("it has no coupon")?;
    let coupon = fetch(stripe, way, &Request::Coupon(coupon)).await?;
    // The newest shape only names it, and it may be the coupon that is over.
    code["coupon"] = coupon.clone();
    let at_stripe = told::code(&code, now.timestamp())
        .ok_or("it does not say whether it is active")?
        .at_stripe;
    Ok(Adopt {
        campaign,
        affiliate: affiliate.to_owned(),
        stripe_id: text(&code["id"]).ok_or("it has no id")?,
        text: text(&code["code"]).ok_or("it has no text")?,
        at_stripe,
        own_terms: own_terms(&code),
        coupon: terms(&coupon)?,
    })
}

async fn fetch(stripe: &Stripe, way: &Way, request: &Request) -> Result<Value, String> {
    let answer = stripe.fetch(way, request).await;
    let answer = answer.map_err(|error| error.message().to_owned())?;
    let answer = answer.ok_or_else(|| format!("Stripe has no {request}"))?;
    serde_json::from_str(&answer).map_err(|_| format!("{request}: it cannot be read"))
}

/// The active one of this text, else the youngest: Stripe lists the youngest first.
async fn by_text(stripe: &Stripe, way: &Way, code: &str) -> Result<Value, String> {
    let query = ByCode { code, limit: 100 };
    let page = stripe.list(way, "/promotion_codes", &query).await;
    let page = page.map_err(|error| error.message().to_owned())?;
    let read = |object| serde_json::from_str::<Value>(&miniserde::json::to_string(object)).ok();
    let codes: Vec<Value> = page.data.iter().filter_map(read).collect();
    let active: Vec<&Value> = codes.iter().filter(|code| code["active"] == true).collect();
    if active.len() > 1 {
        return Err("several promotion codes of this text are active: name it by its id, promo_…".to_owned());
    }
    let found = active.first().copied().or(codes.first()).cloned();
    found.ok_or_else(|| "Stripe has no promotion code of this text".to_owned())
}

/// What a promotion code has of its own, as Stripe calls it (<https://docs.stripe.com/api/promotion_codes/object>).
fn own_terms(code: &Value) -> Option<String> {
    let restrictions = &code["restrictions"];
    let restricted = restrictions["first_time_transaction"] == true
        || !restrictions["minimum_amount"].is_null()
        || restrictions["currency_options"]
            .as_object()
            .is_some_and(|options| !options.is_empty());
    let given = |name: &str| !code[name].is_null();
    let own = ["max_redemptions", "expires_at", "customer", "customer_account"];
    let mut own: Vec<&str> = own.into_iter().filter(|name| given(name)).collect();
    own.extend(restricted.then_some("restrictions"));
    (!own.is_empty()).then(|| own.join(", "))
}

/// A coupon's terms, where we can say the same of one of ours.
fn terms(coupon: &Value) -> Result<AdoptedCoupon, String> {
    let percent = coupon["percent_off"].as_number().map(ToString::to_string);
    let percent_off_bps = match percent {
        None => None,
        Some(percent) => {
            let points = percent.parse::<Decimal>().ok().and_then(money::basis_points);
            Some(points.ok_or_else(|| format!("its coupon takes {percent} % off, which has more than two decimals"))?)
        }
    };
    let (amount_off, currency) = match coupon["amount_off"].as_i64().filter(|amount| *amount > 0) {
        None => (None, None),
        Some(amount) => {
            let currency = coupon["currency"].as_str().unwrap_or_default();
            let known = currency.parse::<money::Currency>();
            let known = known.map_err(|_| format!("its coupon's currency {currency:?} is not known"))?;
            (Some(amount), Some(known.to_string()))
        }
    };
    if percent_off_bps.is_some() == amount_off.is_some() {
        return Err("its coupon takes off neither a percentage nor an amount".to_owned());
    }
    let months = coupon["duration_in_months"]
        .as_i64()
        .and_then(|months| i32::try_from(months).ok());
    let (duration, duration_in_months) = match (coupon["duration"].as_str(), months.filter(|months| *months > 0)) {
        (Some("once"), _) => (CouponDuration::Once, None),
        (Some("forever"), _) => (CouponDuration::Forever, None),
        (Some("repeating"), Some(months)) => (CouponDuration::Repeating, Some(months)),
        _ => return Err("its coupon's duration is not known".to_owned()),
    };
    Ok(AdoptedCoupon {
        stripe_id: text(&coupon["id"]).ok_or("its coupon has no id")?,
        name: text(&coupon["name"]),
        percent_off_bps,
        amount_off,
        currency,
        duration,
        duration_in_months,
        expires_at: seconds(&coupon["redeem_by"]).and_then(|at| DateTime::from_timestamp(at, 0)),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn terms_are_taken_where_we_can_say_the_same_and_refused_where_not() {
        let coupon = |fields: Value| {
            let mut coupon = json!({ "id": "co_1", "duration": "once" });
            for (name, value) in fields.as_object().unwrap() {
                coupon[name] = value.clone();
            }
            terms(&coupon)
        };
        let good = coupon(json!({ "percent_off": 12.5, "duration": "repeating", "duration_in_months": 3 })).unwrap();
        assert_eq!((good.percent_off_bps, good.duration_in_months), (Some(1250), Some(3)));
        let good = coupon(json!({ "amount_off": 500, "currency": "usd", "redeem_by": 1_800_000_000 })).unwrap();
        assert_eq!((good.amount_off, good.currency.as_deref()), (Some(500), Some("USD")));
        let refused = [
            json!({ "percent_off": 33.333 }),
            json!({ "amount_off": 500, "currency": "xyz" }),
            json!({}),
            json!({ "percent_off": 10, "duration": "weekly" }),
        ];
        for fields in refused {
            assert!(coupon(fields.clone()).is_err(), "{fields}");
        }
    }
}
