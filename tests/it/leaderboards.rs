//! Leaderboards: who sold the most, as the rows say, one by one.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use crate::support::{
    app::NOON,
    client::Answer,
    figures::{FIGURES, Piece, Told},
    *,
};

const DAY: i64 = 86_400;

/// Each leaderboard, and what of a row has the place.
const FIELDS: [(&str, &str); 3] = [
    ("topAffiliates", "affiliate"),
    ("topCodes", "code"),
    ("topCampaigns", "campaign"),
];

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(seconds, 0).unwrap()
}

/// What is asked for: the field, what of it has the place, the metric with its currency, and the range.
#[derive(Clone, Copy, Debug)]
struct Asked {
    field: &'static str,
    of: &'static str,
    metric: &'static str,
    currency: Option<&'static str>,
    range: Option<(i64, i64)>,
    first: i64,
}

async fn ask(caller: &Caller, asked: Asked, filter: &Value) -> Answer {
    let query = format!(
        "query($metric: LeaderboardMetric!, $currency: String, $range: DateTimeRangeInput, $filter: SalesFilter, $first: Int!) {{
           it: {}(metric: $metric, currency: $currency, range: $range, filter: $filter, first: $first) {{
             rank {} {{ id }} figures {{ {FIGURES} }} }} }}",
        asked.field, asked.of
    );
    let range = asked
        .range
        .map(|(from, before)| json!({ "from": at(from).to_rfc3339(), "before": at(before).to_rfc3339() }));
    let variables = json!({
        "metric": asked.metric, "currency": asked.currency, "range": range, "filter": filter, "first": asked.first,
    });
    caller.ask(&query, variables).await
}

/// The same from the rows: rank, id and figures.
fn counted(pieces: &[Piece], asked: Asked, filter: &Value) -> Vec<(i64, String, Told)> {
    let mut sums: BTreeMap<String, Told> = BTreeMap::new();
    for piece in pieces.iter().filter(|piece| piece.passes(filter)) {
        if asked
            .range
            .is_some_and(|(from, before)| piece.at < at(from) || piece.at >= at(before))
        {
            continue;
        }
        let subject = match asked.of {
            "campaign" => Some(&piece.campaign),
            "affiliate" => piece.affiliate.as_ref(),
            _ => piece.code.as_ref().filter(|_| piece.affiliate.is_some()),
        };
        if let Some(subject) = subject {
            sums.entry(subject.clone()).or_default().add(&piece.told);
        }
    }
    let value = |told: &Told| {
        let money = |place: usize| {
            asked
                .currency
                .and_then(|it| told.money.get(it))
                .map_or(0, |sums| sums[place])
        };
        match asked.metric {
            "REDEMPTIONS" => told.counts[0],
            "CONVERSIONS" => told.counts[2],
            "REVENUE" => money(0),
            _ => money(2),
        }
    };
    let mut order: Vec<(i64, String, Told)> = sums.into_iter().map(|(id, told)| (value(&told), id, told)).collect();
    order.retain(|(value, ..)| *value > 0);
    order.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));
    let values: Vec<i64> = order.iter().map(|(value, ..)| *value).collect();
    let rank = |value: i64| i64::try_from(values.iter().filter(|other| **other > value).count()).unwrap() + 1;
    let ranked = order.into_iter().map(|(value, id, told)| (rank(value), id, told));
    ranked.take(usize::try_from(asked.first).unwrap()).collect()
}

both! {
    async fn a_leaderboard_is_what_the_rows_come_to(app: &TestApp) {
        let (stage, other) = app.half_a_year().await;
        let (ana, pieces) = (app.ana(), app.pieces().await);
        let ranges = [None, Some((NOON + 12_345, NOON + 100 * DAY + 777)), Some((NOON, NOON + 30 * DAY))];
        for (field, of) in FIELDS {
            for (metric, currency) in
                [("REDEMPTIONS", None), ("CONVERSIONS", None), ("REVENUE", Some("USD")), ("COMMISSION", Some("JPY"))]
            {
                for (range, first) in ranges.iter().flat_map(|range| [(*range, 100), (*range, 2)]) {
                    for filter in [json!({}), json!({ "campaignId": other }), json!({ "attributionMethod": ["LINK", "COUPON"] })] {
                        let asked = Asked { field, of, metric, currency, range, first };
                        let data = ask(&ana, asked, &filter).await.data();
                        let told = data["it"].as_array().unwrap().iter();
                        let told: Vec<(i64, String, Told)> = told
                            .map(|row| (row["rank"].as_i64().unwrap(), cast::id(&row[of]), Told::read(&row["figures"])))
                            .collect();
                        assert_eq!(told, counted(&pieces, asked, &filter), "{asked:?} {filter}");
                    }
                }
            }
        }
        for (field, of) in FIELDS {
            let asked = Asked { field, of, metric: "CONVERSIONS", currency: None, range: None, first: 100 };
            assert_eq!(ask(&app.globex_owner(), asked, &json!({})).await.data(), json!({ "it": [] }));
            let refused = ask(&app.affiliate(&stage.sarah), asked, &json!({})).await;
            assert_eq!(refused.codes(), ["FORBIDDEN"], "{field}");
        }
    }

    async fn who_has_the_same_has_the_same_rank_in_the_order_of_ids(app: &TestApp) {
        let stage = app.stage().await;
        let max = app.max();
        let carol = max.new_affiliate("Carol", &[&stage.campaign]).await;
        max.mint(&stage.coupon, &stage.bob, "BOB20").await;
        max.mint(&stage.coupon, &carol, "CAROL20").await;
        for code in ["SARAH20", "BOB20", "CAROL20", "CAROL20"] {
            let sale = app.sale().promo(app.promo(code)).build();
            app.deliver([&sale.invoice_paid(Shape::Acacia)]).await;
        }
        let query = "{ topAffiliates(metric: REDEMPTIONS) { rank affiliate { id } } }";
        let data = app.ana().query(query).await;
        let place = |rank: i64, id: &str| json!({ "rank": rank, "affiliate": { "id": id } });
        assert_eq!(data["topAffiliates"], json!([place(1, &carol), place(2, &stage.sarah), place(2, &stage.bob)]));
    }

    async fn what_cannot_be_ranked_is_said(app: &TestApp) {
        for (metric, currency, first, names) in [
            ("REVENUE", None, 10, "currency"),
            ("COMMISSION", Some("money"), 10, "currency"),
            ("CONVERSIONS", Some("USD"), 10, "currency"),
            ("REVENUE", Some("XXX"), 10, "currency"),
            ("CONVERSIONS", None, 0, "first"),
            ("CONVERSIONS", None, 101, "first"),
        ] {
            let asked = Asked { field: "topCodes", of: "code", metric, currency, range: None, first };
            let refused = ask(&app.ana(), asked, &json!({})).await;
            assert_eq!(refused.codes(), ["BAD_USER_INPUT"]);
            assert!(refused.body["errors"][0]["message"].as_str().unwrap().starts_with(names), "{}", refused.body);
        }
    }
}
