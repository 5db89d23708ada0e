//! `POST /api/v1/conversions` and its refunds: what GraphQL does, with statuses and codes of its own.

use rekomi::auth::{Role, jwt::Mode};
use reqwest::{Method, RequestBuilder, header};

use crate::support::{cast::id, *};

/// The status and the body of an answer.
type Answer = (u16, Value);

const SALES: &str = "/api/v1/conversions";
const REFUND: &str = "/api/v1/conversions/order-1/refund";

fn request(app: &TestApp, path: &str, token: &str) -> RequestBuilder {
    app::http()
        .post(format!("{}{path}", app.instance.base))
        .bearer_auth(token)
}

async fn answer(request: RequestBuilder) -> Answer {
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    assert_eq!(response.headers()[header::CONTENT_TYPE], "application/json", "{status}");
    (status, response.json().await.unwrap())
}

async fn post(app: &TestApp, path: &str, token: &str, body: Value) -> Answer {
    answer(request(app, path, token).json(&body)).await
}

/// The status, the code and the field of a refusal.
fn refusal((status, body): Answer) -> (u16, String, Value) {
    let keys: Vec<&String> = body.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["error", "field", "message"]);
    assert!(body["message"].as_str().is_some_and(|text| !text.is_empty()));
    (
        status,
        body["error"].as_str().unwrap().to_owned(),
        body["field"].clone(),
    )
}

fn refused(status: u16, code: &str, field: impl Into<Value>) -> (u16, String, Value) {
    (status, code.to_owned(), field.into())
}

async fn key(app: &TestApp, scope: &str) -> String {
    let input = json!({ "name": scope, "scopes": [scope] });
    let answer = app.olivia().mutate("createApiKey", "key", input).await;
    answer["key"].as_str().unwrap().to_owned()
}

both! {
    async fn a_sale_and_its_refund_by_key(app: &TestApp) {
        let stage = app.stage().await;
        let key = key(app, "READ_WRITE").await;
        let sale = reported("order-1", json!({
            "code": "sarah20", "tax": { "minorUnits": 931, "currency": "USD" }, "occurredAt": "2026-11-01T10:00:00+01:00",
            "customerEmail": "jane@customers.example", "clickId": null,
        }));
        let (status, conversion) = post(app, SALES, &key, sale.clone()).await;
        let money = |amount: &str, minor_units: i64| json!({ "amount": amount, "minorUnits": minor_units, "currency": "USD" });
        let expected = json!({
            "id": conversion["id"], "externalId": "order-1", "attributionMethod": "coupon", "couponCode": "SARAH20",
            "kind": "one_off", "status": "pending", "amount": money("49.00", 4900), "tax": money("9.31", 931),
            "refundedAmount": money("0.00", 0), "commission": money("9.80", 980), "amountPending": false,
            "affiliateId": stage.sarah, "campaignId": stage.campaign, "codeId": stage.code,
            "customerEmail": "jane@customers.example", "livemode": true, "occurredAt": "2026-11-01T09:00:00Z",
            "recordedAt": "2026-11-01T12:00:00Z",
        });
        assert_eq!((status, &conversion), (201, &expected));
        assert_eq!(post(app, SALES, &key, sale).await, (200, expected.clone()));
        assert_eq!(id(&app.ana().conversions().await[0]), conversion["id"].as_str().unwrap());

        let (status, part) = post(app, REFUND, &key, json!({ "amount": { "minorUnits": 1000, "currency": "USD" } })).await;
        assert_eq!(
            (status, &part["status"], &part["refundedAmount"], &part["commission"]),
            (200, &json!("partially_refunded"), &money("10.00", 1000), &money("7.80", 780))
        );
        let (status, all) = post(app, REFUND, &key, json!({})).await;
        assert_eq!((status, &all["status"], &all["commission"]), (200, &json!("refunded"), &money("0.00", 0)));
        assert_eq!(post(app, REFUND, &key, json!({})).await, (200, all));
    }

    async fn a_refund_before_its_sale_waits_for_it(app: &TestApp) {
        let stage = app.stage().await;
        let token = app.token(Role::Manager, None, None);
        let path = "/api/v1/conversions/order%2F%C3%BC%201/refund";
        let waits = (202, json!({ "externalId": "order/ü 1", "status": "awaiting_sale" }));
        assert_eq!(post(app, path, &token, json!({})).await, waits);
        assert_eq!(post(app, path, &token, json!({})).await, waits);
        let (status, conversion) = post(app, SALES, &token, reported("order/ü 1", json!({ "affiliateId": stage.bob }))).await;
        assert_eq!(
            (status, &conversion["status"], &conversion["attributionMethod"]),
            (201, &json!("refunded"), &json!("s2s"))
        );
    }

    async fn the_mode_is_that_of_the_key_or_the_token(app: &TestApp) {
        let stage = app.stage().await;
        let tester = app.caller(app.token(Role::Owner, None, Some(Mode::Test)));
        let made = tester.mutate("createApiKey", "key", json!({ "name": "x", "scopes": ["CONVERSIONS_WRITE"] })).await;
        let click = app.new_click(&app.acme, &stage.sarah, &stage.campaign).await;
        let sale = reported("order-1", json!({ "clickId": click }));
        let (status, conversion) = post(app, SALES, made["key"].as_str().unwrap(), sale).await;
        assert_eq!(
            (status, &conversion["livemode"], &conversion["attributionMethod"]),
            (201, &json!(false), &json!("link"))
        );
        assert_eq!((app.told().await.len(), tester.told().await.len()), (0, 1));
    }

    async fn who_may_not_is_told_so(app: &TestApp) {
        let stage = app.stage().await;
        let sale = reported("order-1", json!({ "affiliateId": stage.sarah }));
        let mut callers = vec![
            app.token(Role::Analyst, None, None),
            app.token(Role::Affiliate, Some(&stage.sarah), None),
        ];
        for scope in ["READ", "CONVERSIONS_READ", "CODES_WRITE", "WEBHOOKS_WRITE"] {
            callers.push(key(app, scope).await);
        }
        let before = app.everything().await;
        for token in &callers {
            for (path, body) in [(SALES, sale.clone()), (REFUND, json!({}))] {
                assert_eq!(refusal(post(app, path, token, body).await), refused(403, "forbidden", Value::Null));
            }
        }
        for token in ["rk_live_nobodys", "x"] {
            for path in [SALES, REFUND] {
                assert_eq!(refusal(post(app, path, token, sale.clone()).await), refused(401, "unauthenticated", Value::Null));
            }
        }
        let without = app::http().post(format!("{}{SALES}", app.instance.base)).json(&sale).send().await.unwrap();
        assert_eq!((without.status().as_u16(), &without.headers()[header::WWW_AUTHENTICATE]), (401, &header::HeaderValue::from_static("Bearer")));
        assert_eq!(app.everything().await, before);
    }

    async fn a_rule_that_is_broken_has_its_status_and_its_field(app: &TestApp) {
        let stage = app.stage().await;
        let token = app.token(Role::Owner, None, None);
        post(app, SALES, &token, reported("order-1", json!({ "affiliateId": stage.sarah }))).await;
        let before = app.everything().await;
        let usd = |minor_units: i64| json!({ "minorUnits": minor_units, "currency": "USD" });
        for (sale, expected) in [
            (json!({ "affiliateId": stage.bob }), refused(409, "taken", "externalId")),
            (json!({ "affiliateId": stage.sarah, "amount": usd(-1) }), refused(422, "invalid", "amount.minorUnits")),
            (json!({ "affiliateId": stage.sarah, "amount": usd(1 << 53) }), refused(422, "invalid", "amount.minorUnits")),
            (json!({ "affiliateId": "aff_x" }), refused(404, "not_found", "affiliateId")),
            (json!({ "code": "NOBODY" }), refused(404, "not_found", "code")),
        ] {
            assert_eq!(refusal(post(app, SALES, &token, reported("order-1", sale.clone())).await), expected, "{sale}");
        }
        assert_eq!(refusal(post(app, SALES, &token, reported("order-2", json!({}))).await), refused(422, "invalid", Value::Null));
        for (body, expected) in [
            (json!({ "amount": usd(4901) }), refused(422, "invalid", "amount.minorUnits")),
            (json!({ "amount": { "minorUnits": 1, "currency": "EUR" } }), refused(422, "invalid", "amount.currency")),
        ] {
            assert_eq!(refusal(post(app, REFUND, &token, body).await), expected);
        }
        let long = format!("/api/v1/conversions/{}/refund", "x".repeat(201));
        assert_eq!(refusal(post(app, &long, &token, json!({})).await), refused(422, "invalid", "externalId"));
        let none = "/api/v1/conversions/%00/refund";
        assert_eq!(refusal(post(app, none, &token, json!({})).await), refused(422, "invalid", "externalId"));
        let broken = "/api/v1/conversions/%ff/refund";
        assert_eq!(refusal(post(app, broken, &token, json!({})).await), refused(400, "bad_request", Value::Null));
        assert_eq!(app.everything().await, before);
    }

    async fn what_is_no_such_body_is_refused(app: &TestApp) {
        app.stage().await;
        let token = app.token(Role::Owner, None, None);
        let before = app.everything().await;
        let amount = r#""amount":{"minorUnits":1,"currency":"USD"}"#;
        for (body, field) in [
            (String::new(), Value::Null),
            ("null".into(), Value::Null),
            ("{".into(), Value::Null),
            ("{} {}".into(), Value::Null),
            ("[]".into(), Value::Null),
            (r#" ["a",{"minorUnits":1,"currency":"USD"},null,null,null,null,null,"SARAH20",null,null]"#.into(), Value::Null),
            (format!(r#"{{{amount}}}"#), Value::Null),
            (format!(r#"{{"externalId":1,{amount}}}"#), json!("externalId")),
            (format!(r#"{{"externalId":"a",{amount},"occurredAt":"yesterday"}}"#), json!("occurredAt")),
            (format!(r#"{{"externalId":"a",{amount},"clickID":"x"}}"#), json!("clickID")),
            (r#"{"externalId":"a","amount":{"minorUnits":1.5,"currency":"USD"}}"#.into(), json!("amount.minorUnits")),
            (r#"{"externalId":"a","amount":{"minorUnits":"1","currency":"USD"}}"#.into(), json!("amount.minorUnits")),
            (r#"{"externalId":"a","amount":{"minorUnits":9223372036854775808,"currency":"USD"}}"#.into(), json!("amount.minorUnits")),
            (r#"{"externalId":"a","amount":49}"#.into(), json!("amount")),
        ] {
            let request = request(app, SALES, &token).header("content-type", "application/json; charset=utf-8");
            assert_eq!(refusal(answer(request.body(body.clone())).await), refused(400, "bad_request", field), "{body}");
        }
        assert_eq!(refusal(post(app, REFUND, &token, json!([null])).await), refused(400, "bad_request", Value::Null));
        let large = request(app, SALES, &token).json(&json!({ "externalId": "x".repeat(64 * 1024) }));
        assert_eq!(refusal(answer(large).await), refused(413, "too_large", Value::Null));
        for media in ["text/plain", "application/x-www-form-urlencoded"] {
            let form = request(app, SALES, &token).header("content-type", media).body("{}");
            assert_eq!(refusal(answer(form).await), refused(415, "unsupported_media_type", Value::Null));
        }
        assert_eq!(refusal(answer(request(app, REFUND, &token)).await), refused(415, "unsupported_media_type", Value::Null));
        for method in [Method::GET, Method::PUT, Method::DELETE] {
            let request = app::http().request(method, format!("{}{SALES}", app.instance.base)).bearer_auth(&token);
            assert_eq!(refusal(answer(request).await), refused(405, "method_not_allowed", Value::Null));
        }
        assert_eq!(app.everything().await, before);
    }

    async fn an_address_that_is_none_is_refused_in_json(app: &TestApp) {
        let token = app.token(Role::Owner, None, None);
        for path in ["sales", "conversions/order-1", "conversions/a/b/refund", "conversions/"] {
            for method in [Method::GET, Method::POST, Method::DELETE] {
                let url = format!("{}/api/v1/{path}", app.instance.base);
                let request = app::http().request(method, url).bearer_auth(&token);
                assert_eq!(refusal(answer(request).await), refused(404, "not_found", Value::Null), "{path}");
            }
        }
    }
}
