//! Coupons and promotion codes.

use chrono::TimeDelta;
use serde_json::{Value, json};

use super::{NOW, Stripe, gone, missing, unknown, wrong};

#[tokio::test]
async fn a_coupon_is_kept_whole_and_shown_without_its_includable_fields() {
    let stripe = Stripe::start().await;
    let form = "&duration=repeating&duration_in_months=3&name=Launch&metadata[a]=1&metadata[b]=&max_redemptions=9";
    let made = stripe.coupon(form).await;
    let expected = json!({
        "id": "launch",
        "object": "coupon",
        "amount_off": null,
        "created": NOW,
        "currency": null,
        "duration": "repeating",
        "duration_in_months": 3,
        "livemode": true,
        "max_redemptions": 9,
        "metadata": { "a": "1" },
        "name": "Launch",
        "percent_off": 20,
        "redeem_by": null,
        "times_redeemed": 0,
        "valid": true,
    });
    assert_eq!(made.body, expected);
    assert_eq!(stripe.get("/v1/coupons/launch").await.body, expected);
    let expanded = stripe.get("/v1/coupons/launch?expand[]=applies_to").await;
    assert_eq!(expanded.body["applies_to"], Value::Null);
    assert!(expanded.body.as_object().unwrap().contains_key("applies_to"));
}

#[tokio::test]
async fn a_coupon_that_stripe_would_refuse_is_refused() {
    let stripe = Stripe::start().await;
    stripe.coupon("").await;
    let taken = (400, json!("resource_already_exists"), json!("id"));
    let long = format!("percent_off=1&name={}", "n".repeat(41));
    let six_years = format!("percent_off=1&redeem_by={}", NOW + 6 * 366 * 86_400);
    let past = format!("percent_off=1&redeem_by={NOW}");
    let not_a_number = (400, json!("parameter_invalid_integer"), json!("amount_off"));
    let cases = [
        ("", (400, json!("parameter_missing"), Value::Null)),
        ("percent_off=0", wrong("percent_off")),
        ("percent_off=100.01", wrong("percent_off")),
        ("percent_off=twenty", wrong("percent_off")),
        ("percent_off=20&amount_off=500", wrong("percent_off")),
        ("amount_off=500", missing("currency")),
        ("amount_off=500&currency=dollars", wrong("currency")),
        ("amount_off=5.5&currency=usd", not_a_number),
        ("percent_off=1&duration=repeating", missing("duration_in_months")),
        ("percent_off=1&duration_in_months=3", wrong("duration_in_months")),
        ("percent_off=1&duration=yearly", wrong("duration")),
        (&long, wrong("name")),
        (&six_years, wrong("redeem_by")),
        (&past, wrong("redeem_by")),
        ("percent_off=1&max_redemptions=0", wrong("max_redemptions")),
        ("percent_off=1&id=launch", taken),
        ("percent_off=1&colour=red", unknown("colour")),
    ];
    for (form, expected) in cases {
        let answer = stripe.post("/v1/coupons", form).await;
        assert_eq!(answer.refusal(), expected, "{form}: {}", answer.body);
    }
    assert_eq!(stripe.acme().all("coupon").len(), 1);
}

#[tokio::test]
async fn only_name_and_metadata_of_a_coupon_change() {
    let stripe = Stripe::start().await;
    stripe.coupon("&name=Launch&metadata[a]=1&metadata[b]=2").await;
    let changed = stripe
        .post("/v1/coupons/launch", "name=Relaunch&metadata[a]=&metadata[c]=3")
        .await;
    assert_eq!(changed.body["name"], "Relaunch");
    assert_eq!(changed.body["metadata"], json!({ "b": "2", "c": "3" }));
    let refused = stripe.post("/v1/coupons/launch", "percent_off=30").await;
    assert_eq!(refused.refusal(), unknown("percent_off"));
}

#[tokio::test]
async fn deleting_a_coupon_kills_its_codes_and_reserves_its_id() {
    let stripe = Stripe::start().await;
    stripe.coupon("").await;
    let code = stripe.code("SARAH20", "").await;
    let deleted = stripe.delete("/v1/coupons/launch").await;
    assert_eq!(
        deleted.body,
        json!({ "id": "launch", "object": "coupon", "deleted": true })
    );
    assert_eq!(stripe.get("/v1/coupons/launch").await.refusal(), gone("id"));
    assert_eq!(stripe.delete("/v1/coupons/launch").await.refusal(), gone("id"));
    let path = format!("/v1/promotion_codes/{}", code.id());
    assert_eq!(stripe.get(&path).await.body["active"], false);
    assert_eq!(stripe.post(&path, "active=true").await.refusal(), wrong("active"));
    let again = stripe.post("/v1/coupons", "id=launch&percent_off=20").await;
    assert_eq!(again.refusal(), (400, json!("resource_already_exists"), json!("id")));
}

#[tokio::test]
async fn a_promotion_code_names_its_coupon_as_a_promotion() {
    let stripe = Stripe::start().await;
    stripe.coupon("").await;
    let more = "&max_redemptions=500&metadata[rekomi_affiliate_coupon_id]=7&restrictions[first_time_transaction]=true";
    let made = stripe.code("SARAH20", more).await;
    let expected = json!({
        "id": made.body["id"],
        "object": "promotion_code",
        "active": true,
        "code": "SARAH20",
        "created": NOW,
        "customer": null,
        "customer_account": null,
        "expires_at": null,
        "livemode": true,
        "max_redemptions": 500,
        "metadata": { "rekomi_affiliate_coupon_id": "7" },
        "promotion": { "coupon": "launch", "type": "coupon" },
        "restrictions": { "first_time_transaction": true, "minimum_amount": null, "minimum_amount_currency": null },
        "times_redeemed": 0,
    });
    assert_eq!(made.body, expected);
    let path = format!("/v1/promotion_codes/{}?expand[]=promotion.coupon", made.id());
    assert_eq!(stripe.get(&path).await.body["promotion"]["coupon"]["percent_off"], 20);
}

#[tokio::test]
async fn a_promotion_code_that_stripe_would_refuse_is_refused() {
    let stripe = Stripe::start().await;
    let until = NOW + 1000;
    stripe.coupon(&format!("&redeem_by={until}&max_redemptions=10")).await;
    let late = format!("&expires_at={}", until + 1);
    let minimum = "&restrictions[minimum_amount]=500";
    let cases = [
        ("SA_RAH", "", wrong("code")),
        ("SÄRAH", "", wrong("code")),
        ("SARAH", "&coupon=launch", unknown("coupon")),
        ("SARAH", "&promotion[x]=1", unknown("promotion[x]")),
        ("SARAH", "&max_redemptions=11", wrong("max_redemptions")),
        ("SARAH", &late, wrong("expires_at")),
        ("SARAH", minimum, missing("restrictions[minimum_amount_currency]")),
    ];
    for (code, more, expected) in cases {
        assert_eq!(stripe.code(code, more).await.refusal(), expected, "{code} {more}");
    }
    let old = stripe.post("/v1/promotion_codes", "code=SARAH").await;
    assert_eq!(old.refusal(), missing("promotion[type]"));
    let form = "promotion[type]=coupon&promotion[coupon]=none";
    let expected = (400, json!("resource_missing"), json!("promotion[coupon]"));
    assert_eq!(stripe.post("/v1/promotion_codes", form).await.refusal(), expected);
    assert_eq!(stripe.acme().all("promotion_code").len(), 0);
}

#[tokio::test]
async fn a_code_is_unique_among_the_active_ones_whatever_its_case() {
    let stripe = Stripe::start().await;
    stripe.coupon("").await;
    let first = stripe.code("SARAH20", "").await;
    let twin = stripe.code("sarah20", "").await;
    assert_eq!(twin.refusal(), (400, json!("resource_already_exists"), json!("code")));
    let message = twin.body["error"]["message"].as_str().unwrap();
    assert!(message.contains("already exists"), "{message}");
    let path = format!("/v1/promotion_codes/{}", first.id());
    assert_eq!(stripe.post(&path, "active=false").await.body["active"], false);
    let second = stripe.code("sarah20", "").await;
    assert_eq!(second.status, 200);
    assert_eq!(stripe.post(&path, "active=true").await.refusal().2, "active");
    let listed = stripe
        .get("/v1/promotion_codes?code=Sarah20&active=true&coupon=launch")
        .await;
    assert_eq!(listed.ids(), [second.id()]);
    assert_eq!(stripe.acme().promotion_codes("SARAH20").len(), 2);
}

#[tokio::test]
async fn a_code_turns_off_when_it_is_used_up_or_its_time_or_its_coupon_is_over() {
    let stripe = Stripe::start().await;
    stripe.coupon("&max_redemptions=2").await;
    let one = stripe.code("ONE", "&max_redemptions=1").await;
    let day = stripe.code("DAY", &format!("&expires_at={}", NOW + 86_400)).await;
    let last = stripe.code("LAST", "").await;
    let active = |id: &str| stripe.acme().get("promotion_code", id).unwrap()["active"].clone();

    stripe.acme().redeem(one.id());
    assert_eq!(
        [active(one.id()), active(day.id()), active(last.id())],
        [false, true, true]
    );
    let path = format!("/v1/promotion_codes/{}", one.id());
    assert_eq!(stripe.post(&path, "active=true").await.refusal(), wrong("active"));

    stripe.clock.advance(TimeDelta::days(1));
    assert_eq!([active(day.id()), active(last.id())], [false, true]);

    stripe.acme().redeem(last.id());
    assert_eq!(active(last.id()), false);
    let coupon = stripe.get("/v1/coupons/launch").await.body;
    assert_eq!(
        (&coupon["times_redeemed"], &coupon["valid"]),
        (&json!(2), &json!(false))
    );
    assert_eq!(stripe.code("MORE", "").await.refusal(), wrong("promotion[coupon]"));
}
