//! Ranges: what is left out of one, how long one may be, and the one before.

use chrono::{DateTime, Utc};

use crate::support::{
    app::NOON,
    client::Answer,
    figures::{FIGURES, Told},
    *,
};

const DAY: i64 = 86_400;

fn rfc(seconds: i64) -> String {
    DateTime::<Utc>::from_timestamp(seconds, 0).unwrap().to_rfc3339()
}

/// Asks for days of a range.
async fn days(caller: &Caller, range: Value) -> Answer {
    let query = "query($range: DateTimeRangeInput) { salesSeries(range: $range) { start end buckets { date } } }";
    caller.ask(query, json!({ "range": range })).await
}

/// A subscription of 40.00 USD by SARAH20, so many seconds after noon.
async fn sold(app: &TestApp, after: i64) {
    let sale = app.sale().promo(app.promo("SARAH20")).created(NOON + after).build();
    app.deliver([&sale.invoice_paid(Shape::Acacia)]).await;
}

both! {
    async fn thirty_days_up_to_today_are_told_where_nothing_is_asked_for(app: &TestApp) {
        app.moves_to("Asia/Tokyo").await;
        let data = days(&app.ana(), json!({})).await.data();
        let told = &data["salesSeries"];
        // It is nine in the evening of the first of November there.
        assert_eq!([&told["start"], &told["end"]], ["2026-10-02T15:00:00+00:00", "2026-11-01T15:00:00+00:00"]);
        let dates = told["buckets"].as_array().unwrap();
        assert_eq!((dates.len(), &dates[0]["date"], &dates[29]["date"]), (30, &json!("2026-10-03"), &json!("2026-11-01")));
    }

    async fn four_hundred_buckets_are_told_and_no_more(app: &TestApp) {
        let ana = app.ana();
        let of = |days: i64| json!({ "from": rfc(NOON - 43_200), "before": rfc(NOON - 43_200 + days * DAY) });
        let data = days(&ana, of(400)).await.data();
        assert_eq!(data["salesSeries"]["buckets"].as_array().unwrap().len(), 400);
        let refused = days(&ana, of(401)).await;
        assert_eq!(refused.codes(), ["BAD_USER_INPUT"]);
        assert!(refused.body["errors"][0]["message"].as_str().unwrap().starts_with("range "), "{}", refused.body);
        let endless = json!({ "from": "0001-01-01T00:00:00Z", "before": "9999-01-01T00:00:00Z" });
        assert_eq!(days(&ana, endless).await.codes(), ["BAD_USER_INPUT"]);
        let backward = days(&ana, json!({ "from": rfc(NOON), "before": rfc(NOON - DAY) })).await.data();
        assert_eq!(backward["salesSeries"]["buckets"], json!([]));
    }

    async fn a_range_stands_beside_the_one_before(app: &TestApp) {
        app.stage().await;
        app.pass(chrono::TimeDelta::days(3));
        for after in [60, 3600, 7200, DAY, DAY + 60] {
            sold(app, after).await;
        }
        let query = format!(
            "query($range: DateTimeRangeInput) {{ salesComparison(range: $range) {{ timeZone
               current {{ start end figures {{ {FIGURES} }} }} previous {{ start end figures {{ {FIGURES} }} }}
               change {{ redemptions refundedRedemptions conversions renewals revenue {{ currency basisPoints }}
                 refunded {{ basisPoints }} commission {{ basisPoints }} }} }} }}"
        );
        let range = json!({ "from": rfc(NOON + DAY / 2), "before": rfc(NOON + DAY / 2 + DAY) });
        let data = app.ana().query_with(&query, json!({ "range": range })).await;
        let told = &data["salesComparison"];
        let sums = |field: &str| Told::read(&told[field]["figures"]);
        let of = |sales: i64| Told {
            counts: [sales, 0, sales, 0],
            money: [("USD".to_owned(), [4000 * sales, 0, 800 * sales])].into(),
        };
        assert_eq!((sums("current"), sums("previous")), (of(2), of(3)));
        assert_eq!(told["previous"]["start"], "2026-11-01T00:00:00+00:00");
        assert_eq!(
            told["change"],
            json!({
                "redemptions": -3333, "refundedRedemptions": null, "conversions": -3333, "renewals": null,
                "revenue": [{ "currency": "USD", "basisPoints": -3333 }], "refunded": [{ "basisPoints": null }],
                "commission": [{ "basisPoints": -3333 }],
            })
        );
        let empty = json!({ "from": rfc(NOON), "before": rfc(NOON) });
        assert_eq!(app.ana().ask(&query, json!({ "range": empty })).await.codes(), ["BAD_USER_INPUT"]);
    }
}
