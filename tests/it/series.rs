//! Time series: the sums of the buckets are what stands in the rows, counted one by one, in any zone.

use std::collections::BTreeMap;

use chrono::{DateTime, Datelike, NaiveDate, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;
use sea_orm::ConnectionTrait;

use crate::support::{
    app::NOON,
    figures::{DAYS, FIGURES, Told},
    *,
};

/// With half hours, with clocks that change at midnight, at two, by half an hour.
const ZONES: [&str; 6] = [
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "America/Havana",
    "Asia/Kolkata",
    "Australia/Lord_Howe",
];

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(seconds, 0).unwrap()
}

/// The series of a range, as it is told.
async fn series(caller: &Caller, interval: &str, range: (i64, i64), filter: &Value) -> Value {
    let query = format!(
        "query($interval: SeriesInterval!, $range: DateTimeRangeInput, $filter: SalesFilter) {{
           salesSeries(interval: $interval, range: $range, filter: $filter) {{
             timeZone start end total {{ {FIGURES} }} buckets {{ date start end figures {{ {FIGURES} }} }} }} }}"
    );
    let range = json!({ "from": at(range.0).to_rfc3339(), "before": at(range.1).to_rfc3339() });
    let variables = json!({ "interval": interval, "range": range, "filter": filter });
    caller.query_with(&query, variables).await["salesSeries"].take()
}

/// The first date of what a moment is in.
fn first_date(zone: Tz, interval: &str, at: DateTime<Utc>) -> NaiveDate {
    let date = zone.from_utc_datetime(&at.naive_utc()).date_naive();
    match interval {
        "WEEK" => date - TimeDelta::days(date.weekday().num_days_from_monday().into()),
        "MONTH" => date.with_day(1).unwrap(),
        _ => date,
    }
}

/// Holds a series against the rows.
async fn holds(app: &TestApp, caller: &Caller, zone: Tz, (interval, range, filter): (&str, (i64, i64), &Value)) {
    let mut expected: BTreeMap<String, Told> = BTreeMap::new();
    let mut whole = Told::default();
    for piece in app.pieces().await {
        if piece.passes(filter) && at(range.0) <= piece.at && piece.at < at(range.1) {
            let date = first_date(zone, interval, piece.at).to_string();
            expected.entry(date).or_default().add(&piece.told);
            whole.add(&piece.told);
        }
    }
    let told = series(caller, interval, range, filter).await;
    let why = format!("{zone} {interval} {range:?} {filter}");
    assert_eq!(told["timeZone"], zone.name());
    assert_eq!(Told::read(&told["total"]), whole, "{why}");
    let mut end = told["start"].clone();
    let mut currencies = None;
    for bucket in told["buckets"].as_array().unwrap() {
        assert_eq!(bucket["start"], end, "{why}");
        end = bucket["end"].clone();
        let date = bucket["date"].as_str().unwrap();
        let counted = expected.remove(date).unwrap_or_default();
        assert_eq!(Told::read(&bucket["figures"]), counted, "{why}: {date}");
        let sums = bucket["figures"]["revenue"].as_array().unwrap().iter();
        let of_bucket: Vec<Value> = sums.map(|sum| sum["currency"].clone()).collect();
        assert_eq!(*currencies.get_or_insert(of_bucket.clone()), of_bucket, "{why}");
    }
    assert_eq!(end, told["end"], "{why}");
    assert_eq!(expected, BTreeMap::new(), "{why}");
}

both! {
    async fn the_buckets_are_what_the_rows_come_to_in_any_zone(app: &TestApp) {
        let (stage, other) = app.half_a_year().await;
        let (ragged, days) = ((NOON + 12_345, NOON + 140 * 86_400 + 777), i64::try_from(DAYS).unwrap());
        let all = (NOON - 86_400, NOON + (days + 15) * 86_400);
        let ana = app.ana();
        let everything = json!({});
        for name in ZONES {
            app.moves_to(name).await;
            let zone: Tz = name.parse().unwrap();
            for (interval, range) in [("DAY", all), ("DAY", ragged), ("WEEK", ragged), ("MONTH", all)] {
                holds(app, &ana, zone, (interval, range, &everything)).await;
            }
        }
        let zone: Tz = ZONES[5].parse().unwrap();
        for filter in [
            json!({ "affiliateId": stage.sarah }),
            json!({ "affiliateId": stage.bob, "attributionMethod": ["LINK", "S2S"] }),
            json!({ "campaignId": stage.campaign }),
            json!({ "campaignId": other, "attributionMethod": ["COUPON"] }),
            json!({ "codeId": stage.code }),
            json!({ "codeId": stage.code, "affiliateId": stage.bob }),
            json!({ "attributionMethod": ["LINK"] }),
            json!({ "attributionMethod": [] }),
            json!({ "affiliateId": "nonsense" }),
        ] {
            holds(app, &ana, zone, ("DAY", ragged, &filter)).await;
            holds(app, &ana, zone, ("MONTH", all, &filter)).await;
        }
        // Whatever an affiliate asks for, it is of its own.
        let sarah = app.affiliate(&stage.sarah);
        let own = series(&ana, "WEEK", ragged, &json!({ "affiliateId": stage.sarah })).await;
        assert_ne!(Told::read(&own["total"]), Told::default());
        assert_eq!(series(&sarah, "WEEK", ragged, &json!({})).await, own);
        for foreign in [json!({ "affiliateId": stage.bob }), json!({ "campaignId": other })] {
            assert_eq!(Told::read(&series(&sarah, "WEEK", ragged, &foreign).await["total"]), Told::default());
        }
        let globex = series(&app.globex_owner(), "MONTH", all, &json!({})).await;
        assert_eq!(Told::read(&globex["total"]), Told::default());
    }

    async fn whole_hours_are_read_from_the_totals(app: &TestApp) {
        let (stage, _) = app.half_a_year().await;
        let ana = app.ana();
        let range = (NOON, NOON + 86_400 * 160);
        let filters = [json!({}), json!({ "affiliateId": stage.sarah }), json!({ "codeId": stage.code })];
        let mut before = Vec::new();
        for filter in &filters {
            before.push(series(&ana, "DAY", range, filter).await);
        }
        let txn = app.instance.app.db.begin().await.unwrap();
        let hide = |table: &str, sign: &str| format!("UPDATE {table} SET livemode = {sign} livemode");
        for table in ["conversion", "redemption"] {
            let not = if app.database.is_postgres() { "NOT" } else { "1 -" };
            txn.execute_unprepared(&hide(table, not)).await.unwrap();
        }
        txn.commit().await.unwrap();
        for (filter, before) in filters.iter().zip(before) {
            assert_eq!(series(&ana, "DAY", range, filter).await, before, "{filter}");
        }
        let txn = app.instance.app.db.begin().await.unwrap();
        for table in ["conversion", "redemption"] {
            let not = if app.database.is_postgres() { "NOT" } else { "1 -" };
            txn.execute_unprepared(&hide(table, not)).await.unwrap();
        }
        txn.commit().await.unwrap();
    }
}
