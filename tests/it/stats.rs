//! Per-code figures: any range, with edges inside an hour, is what a recount of the sales gives.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use entity::{conversion, redemption};
use sea_orm::EntityTrait;

use crate::support::{app::NOON, rng::Rng, *};

const HOUR: i64 = 3600;

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(seconds, 0).unwrap()
}

/// The figures of one code in a range, as the API tells them: counts, then money in USD.
async fn told(app: &TestApp, code: &str, from: Option<i64>, before: Option<i64>) -> [i64; 6] {
    let query = "query($filter: CodeRedemptionStatsFilter) { codeRedemptionStats(filter: $filter) { nodes {
        code { id } redemptions refundedRedemptions renewals
        revenue { minorUnits } refunded { minorUnits } commission { minorUnits } } } }";
    let filter = json!({ "codeId": code, "from": from.map(|it| at(it).to_rfc3339()), "before": before.map(|it| at(it).to_rfc3339()) });
    let data = app.ana().query_with(query, json!({ "filter": filter })).await;
    let node = &data["codeRedemptionStats"]["nodes"][0];
    let money = |field: &str| node[field][0]["minorUnits"].as_i64().unwrap_or(0);
    let count = |field: &str| node[field].as_i64().unwrap();
    [
        count("redemptions"),
        count("refundedRedemptions"),
        count("renewals"),
        money("revenue"),
        money("refunded"),
        money("commission"),
    ]
}

/// The same from the rows, one by one.
async fn recounted(app: &TestApp, code: &str, from: Option<i64>, before: Option<i64>) -> [i64; 6] {
    let code: entity::id::CodeId = code.parse().unwrap();
    let within =
        |time: DateTime<Utc>| from.is_none_or(|from| time >= at(from)) && before.is_none_or(|before| time < at(before));
    let mut figures = [0; 6];
    for row in redemption::Entity::find().all(app.db()).await.unwrap() {
        if row.code_id == code && within(row.occurred_at) {
            figures[usize::from(row.refunded)] += 1;
        }
    }
    for row in conversion::Entity::find().all(app.db()).await.unwrap() {
        if row.code_id == Some(code) && within(row.occurred_at) {
            figures[2] += i64::from(row.kind == conversion::ConversionKind::Renewal);
            figures[3] += row.amount;
            figures[4] += row.refunded_amount;
            figures[5] += row.commission;
        }
    }
    figures
}

/// 40 sales over ten hours, some renewed, some refunded.
async fn ten_hours(app: &TestApp) -> Stage {
    let stage = app.stage().await;
    let mut rng = Rng::seeded(42);
    let mut second = || i64::try_from(rng.below(18_000)).unwrap();
    let mut events = Vec::new();
    for number in 0..40 {
        let mut sale = app
            .sale()
            .promo(app.promo("SARAH20"))
            .price(5000 + number)
            .created(NOON + second())
            .build();
        events.push(sale.invoice_paid(Shape::Acacia));
        if number % 3 == 0 {
            let renewal = sale.renew_at(sale.facts.created + 1 + second());
            events.push(sale.renewal_paid(renewal, Shape::Acacia));
        }
        match number % 5 {
            0 => events.extend(sale.refund(Shape::Acacia, None, Paid::First)),
            1 => events.extend(sale.refund(Shape::Acacia, Some(1000 + number), Paid::First)),
            _ => {}
        }
    }
    app.deliver(&events).await;
    stage
}

both! {
    async fn a_range_that_begins_before_1970_counts_nothing_twice(app: &TestApp) {
        app.stage().await;
        listening::sell(app, "SARAH20").await;
        for filter in ["", "(filter: { from: \"1960-01-01T00:00:00Z\" })", "(filter: { from: \"1969-12-31T23:00:00Z\" })"] {
            let figures = "nodes { redemptions revenue { minorUnits } }";
            let told = app.ana().query(&format!("{{ codeRedemptionStats{filter} {{ {figures} }} }}")).await;
            let once = json!([{ "redemptions": 1, "revenue": [{ "minorUnits": 4000 }] }]);
            assert_eq!(told["codeRedemptionStats"]["nodes"], once, "{filter}");
        }
        let past = "(filter: { from: \"1960-01-01T00:00:00Z\", before: \"1970-01-01T00:00:00Z\" })";
        let told = app.ana().query(&format!("{{ codeRedemptionStats{past} {{ nodes {{ redemptions }} }} }}")).await;
        assert_eq!(told["codeRedemptionStats"]["nodes"], json!([{ "redemptions": 0 }]));
    }

    async fn any_range_is_what_a_recount_gives(app: &TestApp) {
        let stage = ten_hours(app).await;
        let mut ranges = vec![
            (None, None),
            (Some(NOON), None),
            (None, Some(NOON + 10 * HOUR)),
            (Some(NOON), Some(NOON)),
        ];
        ranges.extend(
            [
                (NOON + HOUR, NOON + 3 * HOUR),
                (NOON + 1, NOON + HOUR),
                (NOON + 10, NOON + 20),
                (NOON + HOUR - 1, NOON + HOUR + 1),
            ]
            .map(|(from, before)| (Some(from), Some(before))),
        );
        let mut rng = Rng::seeded(1);
        for _ in 0..25 {
            let mut moment = || NOON - 600 + i64::try_from(rng.below(37_200)).unwrap();
            let (from, before) = (moment(), moment());
            ranges.extend([
                (Some(from.min(before)), Some(from.max(before))),
                (Some(from), None),
                (None, Some(before)),
            ]);
        }
        let whole = told(app, &stage.code, None, None).await;
        assert_eq!((whole[0] + whole[1], whole[1], whole[2]), (40, 8, 14));
        for (from, before) in ranges {
            let (told, recounted) = (
                told(app, &stage.code, from, before).await,
                recounted(app, &stage.code, from, before).await,
            );
            assert_eq!(told, recounted, "{from:?} to {before:?}");
        }
    }

    async fn a_range_that_ends_where_it_begins_is_empty(app: &TestApp) {
        let stage = ten_hours(app).await;
        assert_eq!(told(app, &stage.code, Some(NOON), Some(NOON)).await, [0; 6]);
    }

    async fn codes_that_were_never_used_are_listed_with_zeros_oldest_first(app: &TestApp) {
        let stage = app.stage().await;
        app.max().mint(&stage.coupon, &stage.bob, "BOB20").await;
        let unused = |code: &str| format!("{code} 0 redeemed, 0 refunded, 0 renewals, 0, back 0, commission 0");
        assert_eq!(app.stats().await, [unused("SARAH20"), unused("BOB20")]);
        let data = app
            .ana()
            .query("{ codeRedemptionStats(first: 1) { totalCount nodes { lastRedeemedAt } pageInfo { hasNextPage } } }")
            .await;
        assert_eq!(
            data["codeRedemptionStats"],
            json!({ "totalCount": 2, "nodes": [{ "lastRedeemedAt": null }], "pageInfo": { "hasNextPage": true } })
        );
    }

    async fn each_filter_holds(app: &TestApp) {
        let stage = app.stage().await;
        let max = app.max();
        let other = max.campaign(CampaignSpec::default()).await;
        let pedro = max.new_affiliate("Pedro", &[&other]).await;
        let coupon = max.coupon(&other, CouponSpec::default()).await;
        let code = max.mint(&coupon, &pedro, "PEDRO20").await;
        let find = async |filter: Value| {
            let query = "query($filter: CodeRedemptionStatsFilter) { codeRedemptionStats(filter: $filter) { totalCount nodes { code { code } } } }";
            let data = app.ana().query_with(query, json!({ "filter": filter })).await;
            let list = data["codeRedemptionStats"].clone();
            let codes: Vec<String> = told::nodes(&list)
                .iter()
                .map(|node| node["code"]["code"].as_str().unwrap().to_owned())
                .collect();
            assert_eq!(list["totalCount"], codes.len());
            codes
        };
        let cases = BTreeMap::from([
            ("campaignId", [&stage.campaign, &other]),
            ("affiliateId", [&stage.sarah, &pedro]),
            ("codeId", [&stage.code, &code]),
            ("couponId", [&stage.coupon, &coupon]),
        ]);
        for (field, [sarahs, pedros]) in cases {
            assert_eq!(find(json!({ field: sarahs })).await, ["SARAH20"], "{field}");
            assert_eq!(find(json!({ field: pedros })).await, ["PEDRO20"], "{field}");
            assert_eq!(find(json!({ field: "nonsense" })).await, [""; 0], "{field}");
        }
        assert_eq!(
            find(json!({ "affiliateId": stage.sarah, "campaignId": other })).await,
            [""; 0]
        );
    }

    async fn sums_are_per_currency(app: &TestApp) {
        app.stage().await;
        for (currency, price) in [("usd", 5000), ("jpy", 1000), ("eur", 3000)] {
            let sale = app
                .sale()
                .currency(currency)
                .price(price)
                .promo(app.promo("SARAH20"))
                .build();
            app.deliver([&sale.invoice_paid(Shape::Acacia)]).await;
        }
        assert_eq!(
            app.stats().await,
            [
                "SARAH20 3 redeemed, 0 refunded, 0 renewals, 2400 EUR + 800 JPY + 4000 USD, back 0, commission 480 EUR + 160 JPY + 800 USD"
            ]
        );
    }

    async fn the_last_redemption_is_told_within_the_range(app: &TestApp) {
        let stage = app.stage().await;
        for hour in [1, 3, 2] {
            let sale = app
                .sale()
                .promo(app.promo("SARAH20"))
                .created(NOON + hour * HOUR)
                .build();
            app.deliver([&sale.invoice_paid(Shape::Acacia)]).await;
        }
        let last = async |before: Option<TimeDelta>| {
            let before = before.map(|it| (at(NOON) + it).to_rfc3339());
            let query = "query($before: DateTime) { codeRedemptionStats(filter: { before: $before }) { nodes { lastRedeemedAt } } }";
            let data = app.ana().query_with(query, json!({ "before": before })).await;
            data["codeRedemptionStats"]["nodes"][0]["lastRedeemedAt"]
                .as_str()
                .map(|time| time.parse::<DateTime<Utc>>().unwrap())
        };
        assert_eq!(last(None).await, Some(at(NOON + 3 * HOUR)));
        assert_eq!(last(Some(TimeDelta::minutes(150))).await, Some(at(NOON + 2 * HOUR)));
        assert_eq!(last(Some(TimeDelta::minutes(30))).await, None);
        assert_eq!(app.ana().redemption_count(&stage.sarah).await, 3);
    }
}
