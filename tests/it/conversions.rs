//! Lists of conversions: filters, pages in both directions, counts.

use chrono::{DateTime, TimeDelta};

use crate::support::{app::NOON, *};

const DAY: i64 = 86_400;

/// Sarah's sale with a renewal, bob's refunded sale, a held one of bob's; a day apart, in two campaigns.
async fn mixed(app: &TestApp) -> Stage {
    let stage = app.stage().await;
    let max = app.max();
    let other = max
        .campaign(CampaignSpec::default().with("name", "Other").with("holdDays", 0))
        .await;
    let pedro = max.new_affiliate("Pedro", &[&other]).await;
    let coupon = max.coupon(&other, CouponSpec::default()).await;
    max.mint(&coupon, &pedro, "PEDRO20").await;
    let mut first = app.sale().promo(app.promo("SARAH20")).build();
    let number = first.renew_at(NOON + 30 * DAY);
    let mut second = app.sale().promo(app.promo("SARAH20")).created(NOON + DAY).build();
    let mut events = vec![
        first.invoice_paid(Shape::Acacia),
        first.renewal_paid(number, Shape::Acacia),
        second.invoice_paid(Shape::Acacia),
    ];
    events.extend(second.refund(Shape::Acacia, None, Paid::First));
    let mut third = app.sale().promo(app.promo("PEDRO20")).created(NOON + 2 * DAY).build();
    events.push(third.invoice_paid(Shape::Acacia));
    events.extend(third.refund(Shape::Acacia, Some(1000), Paid::First));
    let own = app
        .sale()
        .promo(app.promo("PEDRO20"))
        .email("pedro@affiliates.example")
        .created(NOON + 3 * DAY)
        .build();
    events.push(own.invoice_paid(Shape::Acacia));
    let last = app.sale().promo(app.promo("PEDRO20")).created(NOON - DAY).build();
    events.push(last.invoice_paid(Shape::Acacia));
    app.deliver(&events).await;
    stage
}

/// The amounts and kinds that a filter lets through, oldest first; the count must agree.
async fn found(app: &TestApp, filter: Value) -> Vec<String> {
    let query = "query($filter: ConversionFilter) { conversions(filter: $filter) { totalCount nodes { kind status couponCode } } }";
    let data = app.ana().query_with(query, json!({ "filter": filter })).await;
    let list = &data["conversions"];
    let nodes = told::nodes(list);
    assert_eq!(list["totalCount"], nodes.len(), "{filter}");
    let text = |node: &Value, field: &str| node[field].as_str().unwrap().to_owned();
    nodes
        .iter()
        .rev()
        .map(|node| {
            format!(
                "{} {} {}",
                text(node, "couponCode"),
                text(node, "kind"),
                text(node, "status")
            )
        })
        .collect()
}

const PEDRO_EARLY: &str = "PEDRO20 ACQUISITION APPROVED";
const SARAH: &str = "SARAH20 ACQUISITION PENDING";
const SARAH_BACK: &str = "SARAH20 ACQUISITION REFUNDED";
const PEDRO_PART: &str = "PEDRO20 ACQUISITION PARTIALLY_REFUNDED";
const PEDRO_HELD: &str = "PEDRO20 ACQUISITION HELD";
const SARAH_AGAIN: &str = "SARAH20 RENEWAL PENDING";

both! {
    async fn each_filter_holds_alone_and_with_others(app: &TestApp) {
        let stage = mixed(app).await;
        let all = [PEDRO_EARLY, SARAH, SARAH_BACK, PEDRO_PART, PEDRO_HELD, SARAH_AGAIN];
        let at = |seconds: i64| DateTime::from_timestamp(seconds, 0).unwrap().to_rfc3339();
        let cases: Vec<(Value, &[&str])> = vec![
            (Value::Null, &all),
            (json!({}), &all),
            (json!({ "attributionMethod": ["COUPON"] }), &all),
            (json!({ "attributionMethod": ["LINK", "S2S"] }), &[]),
            (json!({ "attributionMethod": [] }), &[]),
            (json!({ "status": ["PENDING"] }), &[SARAH, SARAH_AGAIN]),
            (json!({ "status": ["APPROVED"] }), &[PEDRO_EARLY]),
            (json!({ "status": ["HELD", "REFUNDED"] }), &[SARAH_BACK, PEDRO_HELD]),
            (json!({ "status": ["PARTIALLY_REFUNDED"] }), &[PEDRO_PART]),
            (json!({ "status": ["DISPUTED", "REJECTED"] }), &[]),
            (json!({ "status": [] }), &[]),
            (json!({ "kind": ["RENEWAL"] }), &[SARAH_AGAIN]),
            (json!({ "kind": ["ONE_OFF"] }), &[]),
            (
                json!({ "campaignId": stage.campaign }),
                &[SARAH, SARAH_BACK, SARAH_AGAIN],
            ),
            (json!({ "campaignId": "nonsense" }), &[]),
            (json!({ "affiliateId": stage.sarah }), &[SARAH, SARAH_BACK, SARAH_AGAIN]),
            (json!({ "affiliateId": stage.bob }), &[]),
            (json!({ "codeId": stage.code }), &[SARAH, SARAH_BACK, SARAH_AGAIN]),
            (
                json!({ "couponCode": "pedro20" }),
                &[PEDRO_EARLY, PEDRO_PART, PEDRO_HELD],
            ),
            (json!({ "couponCode": "PEDRO" }), &[]),
            (
                json!({ "occurredFrom": at(NOON + DAY) }),
                &[SARAH_BACK, PEDRO_PART, PEDRO_HELD, SARAH_AGAIN],
            ),
            (json!({ "occurredBefore": at(NOON + DAY) }), &[PEDRO_EARLY, SARAH]),
            (
                json!({ "occurredFrom": at(NOON), "occurredBefore": at(NOON + 2 * DAY) }),
                &[SARAH, SARAH_BACK],
            ),
            (json!({ "occurredFrom": at(NOON), "occurredBefore": at(NOON) }), &[]),
            (
                json!({ "couponCode": "SARAH20", "status": ["PENDING"], "kind": ["ACQUISITION"] }),
                &[SARAH],
            ),
        ];
        for (filter, expected) in cases {
            assert_eq!(found(app, filter.clone()).await, expected, "{filter}");
        }
        app.pass(TimeDelta::days(30));
        assert_eq!(
            found(app, json!({ "status": ["APPROVED"] })).await,
            [PEDRO_EARLY, "SARAH20 ACQUISITION APPROVED"]
        );
    }

    async fn values_of_the_wrong_type_in_a_filter_are_bad_user_input(app: &TestApp) {
        for filter in [
            "{ status: [GONE] }",
            "{ occurredFrom: \"yesterday\" }",
            "{ nonsense: 1 }",
            "{ couponCode: 7 }",
        ] {
            let answer = app
                .ana()
                .ask(
                    &format!("{{ conversions(filter: {filter}) {{ totalCount }} }}"),
                    json!({}),
                )
                .await;
            assert_eq!(answer.codes(), ["BAD_USER_INPUT"], "{filter}: {}", answer.body);
        }
    }
}
