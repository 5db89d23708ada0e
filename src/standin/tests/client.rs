//! async-stripe, whose types are strict, takes every answer about coupons and codes.

use std::collections::HashMap;

use stripe::{Client, ClientBuilder, IdempotencyKey, RequestStrategy, StripeError, StripeRequest};
use stripe_product::{
    coupon::{CreateCoupon, DeleteCoupon, ListCoupon, RetrieveCoupon, UpdateCoupon},
    promotion_code::{
        CreatePromotionCode, CreatePromotionCodePromotion, CreatePromotionCodePromotionType, ListPromotionCode,
        RetrievePromotionCode, UpdatePromotionCode,
    },
};

use super::{super::API_VERSION, KEY, Stripe};

fn client(stripe: &Stripe) -> Client {
    ClientBuilder::new(KEY).url(stripe.stand_in.url()).build().unwrap()
}

fn code(text: &str) -> CreatePromotionCode {
    let mut promotion = CreatePromotionCodePromotion::new(CreatePromotionCodePromotionType::Coupon);
    promotion.coupon = Some("launch".into());
    let metadata = HashMap::from([("rekomi_affiliate_coupon_id".to_owned(), "7".to_owned())]);
    CreatePromotionCode::new(promotion).code(text).metadata(metadata)
}

#[tokio::test]
async fn coupons_are_made_read_changed_listed_and_deleted() {
    let stripe = Stripe::start().await;
    let client = client(&stripe);
    let made = CreateCoupon::new()
        .id("launch")
        .percent_off(12.5)
        .send(&client)
        .await
        .unwrap();
    assert_eq!(
        (made.id.as_str(), made.percent_off, made.valid),
        ("launch", Some(12.5), true)
    );
    let read = RetrieveCoupon::new("launch").send(&client).await.unwrap();
    assert_eq!(read.created, made.created);
    let changed = UpdateCoupon::new("launch")
        .name("Relaunch")
        .send(&client)
        .await
        .unwrap();
    assert_eq!(changed.name.as_deref(), Some("Relaunch"));
    let listed = ListCoupon::new().limit(5).send(&client).await.unwrap();
    assert_eq!(listed.data.len(), 1);
    let deleted = DeleteCoupon::new("launch").send(&client).await.unwrap();
    assert_eq!(deleted.id.as_str(), "launch");
}

#[tokio::test]
async fn codes_are_made_once_per_key_read_changed_and_listed() {
    let stripe = Stripe::start().await;
    let client = client(&stripe);
    stripe.coupon("").await;
    let key = IdempotencyKey::new("code-7-1").unwrap();
    let once = RequestStrategy::Idempotent(key);
    let make = || code("SARAH20").customize().request_strategy(once.clone()).send(&client);
    let (made, again) = (make().await.unwrap(), make().await.unwrap());
    assert_eq!((made.id.as_str(), made.code.as_str()), (again.id.as_str(), "SARAH20"));
    let read = RetrievePromotionCode::new(made.id.as_str())
        .send(&client)
        .await
        .unwrap();
    assert!(read.active);
    let list = ListPromotionCode::new().code("sarah20").coupon("launch").active(true);
    assert_eq!(list.send(&client).await.unwrap().data.len(), 1);
    let off = UpdatePromotionCode::new(made.id.as_str()).active(false);
    assert!(!off.send(&client).await.unwrap().active);
    let calls = stripe.stand_in.calls();
    assert_eq!(calls.len(), 6);
    for call in &calls[1..] {
        assert_eq!(call.stripe_version.as_deref(), Some(API_VERSION));
    }
}

#[tokio::test]
async fn a_refusal_is_understood() {
    let stripe = Stripe::start().await;
    stripe.coupon("").await;
    match code("SA_RAH").send(&client(&stripe)).await {
        Err(StripeError::Stripe(error, 400)) => assert_eq!(error.param.as_deref(), Some("code")),
        other => panic!("{other:?}"),
    }
}
