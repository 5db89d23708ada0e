//! Reading: expansion, lists, accounts.

use chrono::TimeDelta;
use serde_json::{Value, json};

use super::{super::SubscriptionSale, NOW, Stripe, gone, unknown, wrong};

/// A sale with Sarah's code, in Acme's account.
async fn sold(stripe: &Stripe) -> SubscriptionSale {
    let promo = stripe.sarah20().await;
    let sale = SubscriptionSale::builder(&stripe.clock).promo(promo).build();
    sale.sync(&stripe.acme());
    sale
}

#[tokio::test]
async fn an_invoice_names_ids_until_they_are_expanded() {
    let stripe = Stripe::start().await;
    let sale = sold(&stripe).await;
    let bill = &sale.bills[0];
    let discount = &sale.facts.discounts[0];
    let path = format!("/v1/invoices/{}", bill.invoice.as_deref().unwrap());
    let plain = stripe.get(&path).await.body;
    assert_eq!(plain["discounts"], json!([discount.id]));
    for absent in ["payments", "charge", "payment_intent", "discount", "subscription"] {
        assert!(!plain.as_object().unwrap().contains_key(absent), "{absent}");
    }
    for (open, close) in [("[]", "[]"), ("[0]", "[1]")] {
        let query = format!("expand{open}=total_discount_amounts.discount.promotion_code&expand{close}=payments");
        let told = stripe.get(&format!("{path}?{query}")).await.body;
        let code = &told["total_discount_amounts"][0]["discount"]["promotion_code"];
        assert_eq!(code["code"], "SARAH20");
        assert_eq!(told["discounts"], json!([discount.id]));
        let payment = &told["payments"]["data"][0]["payment"];
        assert_eq!(payment["payment_intent"], bill.payment_intent);
    }
    let told = stripe
        .get(&format!("{path}?expand[]=discounts.source.coupon"))
        .await
        .body;
    assert_eq!(told["discounts"][0]["promotion_code"], discount.promo.promotion_code_id);
    assert_eq!(told["discounts"][0]["source"]["coupon"]["percent_off"], 20);
}

#[tokio::test]
async fn a_discount_leads_to_its_coupon_after_the_coupon_was_deleted() {
    let stripe = Stripe::start().await;
    let sale = sold(&stripe).await;
    stripe.delete("/v1/coupons/launch").await;
    let path = format!(
        "/v1/subscriptions/{}?expand[]=discounts.source.coupon",
        sale.subscription
    );
    let coupon = &stripe.get(&path).await.body["discounts"][0]["source"]["coupon"];
    assert_eq!((&coupon["id"], &coupon["valid"]), (&json!("launch"), &json!(false)));
}

#[tokio::test]
async fn what_cannot_be_expanded_is_refused() {
    let stripe = Stripe::start().await;
    let sale = sold(&stripe).await;
    let path = format!("/v1/invoices/{}", sale.bills[0].invoice.as_deref().unwrap());
    for field in [
        "charge",
        "status",
        "status.x",
        "total_discount_amounts",
        "lines.data.discounts.promotion_code.promotion",
    ] {
        let refused = stripe.get(&format!("{path}?expand[]={field}")).await;
        assert_eq!(refused.refusal(), wrong("expand"), "{field}");
    }
    for field in ["lines", "customer", "lines.data.discounts.promotion_code"] {
        let told = stripe.get(&format!("{path}?expand[]={field}")).await;
        assert_eq!(told.status, 200, "{field}: {}", told.body);
    }
    let list = "/v1/promotion_codes?expand[]";
    assert_eq!(
        stripe.get(&format!("{list}=promotion.coupon")).await.refusal(),
        wrong("expand")
    );
    let told = stripe.get(&format!("{list}=data.promotion.coupon")).await.body;
    assert_eq!(told["data"][0]["promotion"]["coupon"]["id"], "launch");
}

#[tokio::test]
async fn a_sale_is_found_from_its_payment() {
    let stripe = Stripe::start().await;
    let mut sale = sold(&stripe).await;
    let refunds = sale.refund(super::super::Shape::Endive, Some(1500), super::super::Paid::First);
    sale.sync(&stripe.acme());
    let bill = &sale.bills[0];
    let intent = &bill.payment_intent;
    let filter = format!("payment[type]=payment_intent&payment[payment_intent]={intent}&status=paid");
    let payments = stripe.get(&format!("/v1/invoice_payments?{filter}")).await;
    assert_eq!(payments.body["data"][0]["invoice"], json!(bill.invoice));
    let none = stripe
        .get("/v1/invoice_payments?payment[type]=payment_intent&payment[payment_intent]=pi_none")
        .await;
    assert_eq!(none.body["data"], json!([]));
    let charge = stripe
        .get(&format!("/v1/charges/{}?expand[]=refunds", bill.charge))
        .await
        .body;
    assert_eq!(
        (&charge["payment_intent"], &charge["amount_refunded"]),
        (&json!(intent), &json!(1500))
    );
    assert_eq!(charge["refunds"]["data"][0]["id"], refunds[1]["data"]["object"]["id"]);
    assert_eq!(
        stripe
            .get(&format!("/v1/refunds?charge={}", bill.charge))
            .await
            .ids()
            .len(),
        1
    );
    let sessions = stripe
        .get(&format!("/v1/checkout/sessions?subscription={}", sale.subscription))
        .await;
    assert_eq!(sessions.ids(), [sale.facts.session.as_str()]);
    let path = format!("/v1/checkout/sessions/{}", sale.facts.session);
    assert_eq!(stripe.get(&path).await.body["total_details"]["breakdown"], Value::Null);
    let query = "expand[]=total_details.breakdown.discounts.discount";
    let told = stripe.get(&format!("{path}?{query}")).await.body;
    let discount = &told["total_details"]["breakdown"]["discounts"][0];
    assert_eq!(
        (&discount["amount"], &discount["discount"]["object"]),
        (&json!(1000), &json!("discount"))
    );
}

#[tokio::test]
async fn lists_page_from_the_newest_on_in_both_directions() {
    let stripe = Stripe::start().await;
    for n in 1..=5 {
        stripe.post("/v1/coupons", &format!("id=c{n}&percent_off={n}")).await;
        stripe.clock.advance(TimeDelta::seconds(1));
    }
    let page = async |query: &str| {
        let page = stripe.get(&format!("/v1/coupons?{query}")).await;
        (page.ids().join(" "), page.body["has_more"] == true)
    };
    assert_eq!(page("limit=2").await, ("c5 c4".into(), true));
    assert_eq!(page("limit=2&starting_after=c4").await, ("c3 c2".into(), true));
    assert_eq!(page("limit=2&starting_after=c2").await, ("c1".into(), false));
    assert_eq!(page("limit=2&ending_before=c2").await, ("c4 c3".into(), true));
    assert_eq!(page("ending_before=c4").await, ("c5".into(), false));
    assert_eq!(
        page(&format!("created[gte]={}", NOW + 3)).await,
        ("c5 c4".into(), false)
    );
    assert_eq!(page(&format!("created={NOW}")).await, ("c1".into(), false));
    assert_eq!(stripe.get("/v1/coupons?limit=0").await.refusal().2, "limit");
    assert_eq!(
        stripe.get("/v1/coupons?starting_after=c9").await.refusal().2,
        "starting_after"
    );
    assert_eq!(stripe.get("/v1/coupons?name=x").await.refusal(), unknown("name"));
}

#[tokio::test]
async fn events_are_listed_for_30_days_by_type_and_by_delivery() {
    let stripe = Stripe::start().await;
    let acme = stripe.acme();
    let event = |id: &str, kind: &str, created: i64, pending: i64| {
        acme.put(json!({ "id": id, "object": "event", "type": kind, "created": created, "pending_webhooks": pending }));
    };
    event("evt_old", "invoice.paid", NOW - 31 * 86_400, 1);
    event("evt_1", "invoice.paid", NOW - 20, 1);
    event("evt_2", "charge.refunded", NOW - 10, 0);
    event("evt_3", "invoice.voided", NOW, 0);
    let cases = [
        ("", "evt_3 evt_2 evt_1"),
        ("types[]=invoice.paid&types[]=charge.refunded", "evt_2 evt_1"),
        ("type=invoice.*", "evt_3 evt_1"),
        ("delivery_success=false", "evt_1"),
        ("ending_before=evt_1&delivery_success=true", ""),
    ];
    for (query, expected) in cases {
        let page = stripe.get(&format!("/v1/events?{query}")).await;
        if page.status == 200 {
            assert_eq!(page.ids().join(" "), expected, "{query}");
        } else {
            assert_eq!((page.refusal().2, expected), (json!("ending_before"), ""), "{query}");
        }
    }
}

#[tokio::test]
async fn accounts_do_not_see_each_other_and_only_test_keys_are_test_accounts() {
    let stripe = Stripe::start().await;
    stripe.coupon("").await;
    let globex = stripe.stand_in.account("sk_test_globex");
    assert_eq!(globex.get("coupon", "launch"), None);
    assert_eq!((stripe.acme().is_live(), globex.is_live()), (true, false));
    assert_eq!(stripe.get("/v1/coupons/none").await.refusal(), gone("id"));
    assert_eq!(stripe.get("/v1/nothing").await.status, 404);
    let bare = stripe.http.get(format!("{}/v1/coupons", stripe.stand_in.url()));
    assert_eq!(bare.send().await.unwrap().status(), 401);
}
