//! What Stripe tells of a coupon or a promotion code: tolerant, by shape and never by version. Pure.

use entity::{
    code::StripeReason,
    id::{BrandId, CodeId},
};
use serde_json::Value;

use super::super::facts::{BACKFILL, CODE_METADATA, Request, seconds, text};
use crate::domain::drift::AtStripe;

/// The kinds of events that tell of them (<https://docs.stripe.com/api/events/types>); thin ones begin with `v1.`.
pub const KINDS: &[&str] = &[
    "promotion_code.created",
    "promotion_code.updated",
    "coupon.created",
    "coupon.updated",
    "coupon.deleted",
];

/// What an event is about, and what it says of it; a thin one says nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    pub object: Object,
    pub told: Option<Told>,
}

/// By Stripe's id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Object {
    Coupon(String),
    Code(String),
}

/// How an object is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    Coupon(CouponTold),
    Code(CodeTold),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CouponTold {
    pub id: String,
    /// It may have none.
    pub name: Option<String>,
    pub gone: bool,
    /// The brand whose metadata is on it.
    pub brand: Option<BrandId>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CodeTold {
    pub id: String,
    /// What customers type.
    pub text: Option<String>,
    /// Why it is off, as far as it tells by itself.
    pub at_stripe: AtStripe,
    /// When it was so: seconds since 1970.
    pub at: i64,
    /// The row and the brand whose metadata is on it.
    pub row: Option<CodeId>,
    pub brand: Option<BrandId>,
}

impl Object {
    pub fn request(&self) -> Request {
        match self {
            Self::Coupon(id) => Request::Coupon(id.clone()),
            Self::Code(id) => Request::PromotionCode(id.clone()),
        }
    }

    /// Reads what Stripe answered at a moment, in seconds since 1970.
    pub fn read(&self, answer: &Value, now: i64) -> Option<Told> {
        match self {
            Self::Coupon(_) => coupon(answer).map(Told::Coupon),
            Self::Code(_) => code(answer, now).map(Told::Code),
        }
    }
}

impl Told {
    pub fn object(&self) -> Object {
        match self {
            Self::Coupon(coupon) => Object::Coupon(coupon.id.clone()),
            Self::Code(code) => Object::Code(code.id.clone()),
        }
    }
}

/// Reads an event, if it is one of these.
///
/// # Errors
/// Where it does not say what it should.
pub fn notice(event: &Value) -> Option<Result<Notice, &'static str>> {
    let kind = event["type"].as_str().unwrap_or_default();
    let thin = event["object"] == "v2.core.event";
    let kind = if thin { kind.strip_prefix("v1.")? } else { kind };
    let of_coupon = kind.starts_with("coupon.");
    if !of_coupon && !kind.starts_with("promotion_code.") {
        return None;
    }
    let object = if thin {
        &event["related_object"]
    } else {
        &event["data"]["object"]
    };
    let Some(id) = text(&object["id"]) else {
        return Some(Err("it does not say which coupon or promotion code it is about"));
    };
    let named = if of_coupon {
        Object::Coupon(id)
    } else {
        Object::Code(id)
    };
    // What was found is as it is now; an event of Stripe's is as it was then.
    let at = seconds(&event["created"]).filter(|_| event["object"] != BACKFILL);
    let mut told = if thin {
        None
    } else {
        named.read(object, at.unwrap_or(i64::MAX))
    };
    if let (Some(Told::Coupon(coupon)), "coupon.deleted") = (&mut told, kind) {
        coupon.gone = true;
    }
    Some(match (thin, &told) {
        (false, None) => Err("it does not say whether the promotion code is active"),
        _ => Ok(Notice { object: named, told }),
    })
}

pub fn coupon(object: &Value) -> Option<CouponTold> {
    Some(CouponTold {
        id: text(&object["id"])?,
        name: text(&object["name"]),
        gone: object["deleted"] == true,
        brand: metadata(object, "rekomi_brand_id"),
    })
}

/// `now`: seconds since 1970.
pub fn code(object: &Value, now: i64) -> Option<CodeTold> {
    let active = object["active"].as_bool()?;
    Some(CodeTold {
        id: text(&object["id"])?,
        text: text(&object["code"]),
        at_stripe: if active {
            AtStripe::On
        } else {
            AtStripe::Off(reason(object, now))
        },
        at: now,
        row: metadata(object, CODE_METADATA),
        brand: metadata(object, "rekomi_brand_id"),
    })
}

/// Before 2025-09-30 the coupon is inside; since then only its id, below `promotion`.
fn reason(object: &Value, now: i64) -> StripeReason {
    let coupon = [&object["coupon"], &object["promotion"]["coupon"]];
    let invalid = coupon.into_iter().find(|coupon| coupon["valid"] == false);
    over(object, "expires_at", now)
        .or_else(|| over(invalid?, "redeem_by", now).or(Some(StripeReason::CouponDeleted)))
        .unwrap_or(StripeReason::Deactivated)
}

fn over(object: &Value, end: &str, now: i64) -> Option<StripeReason> {
    let number = |name: &str| object[name].as_i64();
    if number(end).is_some_and(|end| end <= now) {
        return Some(StripeReason::Expired);
    }
    let used_up = number("max_redemptions").zip(number("times_redeemed"));
    used_up
        .filter(|(most, times)| times >= most)
        .map(|_| StripeReason::FullyRedeemed)
}

fn metadata<T: std::str::FromStr>(object: &Value, name: &str) -> Option<T> {
    object["metadata"][name].as_str()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn event(kind: &str, object: Value) -> Value {
        json!({ "object": "event", "type": kind, "created": 100, "data": { "object": object } })
    }

    fn at_stripe(object: Value) -> AtStripe {
        match notice(&event("promotion_code.updated", object)) {
            Some(Ok(Notice {
                told: Some(Told::Code(code)),
                ..
            })) => code.at_stripe,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_codes_state_is_read_in_every_shape() {
        use StripeReason::{CouponDeleted, Deactivated, Expired, FullyRedeemed};
        let cases = [
            (
                json!({ "active": true, "promotion": { "coupon": "co_1" } }),
                AtStripe::On,
            ),
            (
                json!({ "active": false, "promotion": { "coupon": "co_1" } }),
                AtStripe::Off(Deactivated),
            ),
            (
                json!({ "active": false, "coupon": { "id": "co_1", "valid": true } }),
                AtStripe::Off(Deactivated),
            ),
            (json!({ "active": false, "expires_at": 100 }), AtStripe::Off(Expired)),
            (
                json!({ "active": false, "expires_at": 101 }),
                AtStripe::Off(Deactivated),
            ),
            (
                json!({ "active": false, "max_redemptions": 2, "times_redeemed": 2 }),
                AtStripe::Off(FullyRedeemed),
            ),
            (
                json!({ "active": false, "coupon": { "valid": false } }),
                AtStripe::Off(CouponDeleted),
            ),
            (
                json!({ "active": false, "coupon": { "valid": false, "redeem_by": 99 } }),
                AtStripe::Off(Expired),
            ),
        ];
        for (mut object, state) in cases {
            object["id"] = json!("promo_1");
            assert_eq!(at_stripe(object.clone()), state, "{object}");
        }
    }

    #[test]
    fn only_these_events_are_read_and_each_says_what_it_is_about() {
        assert_eq!(notice(&event("invoice.paid", json!({ "id": "in_1" }))), None);
        assert_eq!(
            notice(&event("customer.discount.created", json!({ "id": "di_1" }))),
            None
        );
        assert!(matches!(notice(&event("coupon.updated", json!({}))), Some(Err(_))));
        assert!(matches!(
            notice(&event("promotion_code.updated", json!({ "id": "promo_1" }))),
            Some(Err(_))
        ));
        let thin =
            json!({ "object": "v2.core.event", "type": "v1.coupon.deleted", "related_object": { "id": "co_1" } });
        let object = Object::Coupon("co_1".into());
        assert_eq!(notice(&thin), Some(Ok(Notice { object, told: None })));
        for kind in KINDS {
            assert!(
                notice(&event(kind, json!({ "id": "x", "active": true })))
                    .unwrap()
                    .is_ok(),
                "{kind}"
            );
        }
        let deleted = notice(&event("coupon.deleted", json!({ "id": "co_1", "name": "Launch" })));
        let told = CouponTold {
            id: "co_1".into(),
            name: Some("Launch".into()),
            gone: true,
            brand: None,
        };
        assert_eq!(deleted.unwrap().unwrap().told, Some(Told::Coupon(told)));
    }
}
