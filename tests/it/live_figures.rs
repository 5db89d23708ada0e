//! Figures of codes live: gathered, the latest always told, each subscriber what it may see.

use rekomi::auth::Role;

use crate::support::{
    listening::{feed_cursor, sell},
    stream::Stream,
    *,
};

const FIGURES: &str = "cursor stats { code { code } redemptions refundedRedemptions revenue { minorUnits } }";

fn query(filter: &str) -> String {
    format!("subscription {{ codeStatsUpdated{filter} {{ {FIGURES} }} }}")
}

/// Code, redemptions, refunded ones, revenue.
fn line(event: &Value) -> String {
    let stats = &event["stats"];
    let revenue = stats["revenue"][0]["minorUnits"].as_i64().unwrap_or_default();
    let code = stats["code"]["code"].as_str().unwrap();
    format!(
        "{code} {} {} {revenue}",
        stats["redemptions"], stats["refundedRedemptions"]
    )
}

/// Reads until the figures are these; how many events that took.
async fn until(stream: &mut Stream, expected: &str) -> usize {
    let mut count = 1;
    while line(&stream.event().await) != expected {
        count += 1;
    }
    count
}

both! {
    async fn the_latest_figures_come_and_no_more_often_than_they_change(app: &TestApp) {
        app.stage().await;
        let token = app.token(Role::Analyst, None, None);
        let start = feed_cursor(&app.ana()).await;
        let mut stream = Stream::open(&app.instance, &token, &query(""), Some(&start)).await;
        let sales: Vec<_> = (0..30).map(|_| app.sale().promo(app.promo("SARAH20")).build()).collect();
        let events: Vec<Value> = sales.iter().map(|sale| sale.invoice_paid(Shape::Acacia)).collect();
        app.deliver(&events).await;
        let count = until(&mut stream, "SARAH20 30 0 120000").await;
        assert!(count <= 30, "{count}");
        let mut sale = sell(app, "SARAH20").await;
        until(&mut stream, "SARAH20 31 0 124000").await;
        app.deliver(&sale.refund(Shape::Acacia, None, Paid::First)).await;
        until(&mut stream, "SARAH20 30 1 124000").await;
    }

    async fn who_comes_again_is_told_once_of_each_code_that_moved(app: &TestApp) {
        let stage = app.stage().await;
        app.max().mint(&stage.coupon, &stage.bob, "BOB20").await;
        let token = app.token(Role::Analyst, None, None);
        let start = feed_cursor(&app.ana()).await;
        for code in ["SARAH20", "BOB20", "SARAH20"] {
            sell(app, code).await;
        }
        let mut stream = Stream::open(&app.instance, &token, &query(""), Some(&start)).await;
        assert_eq!(line(&stream.event().await), "BOB20 1 0 4000");
        let after_bob = stream.last_event_id.clone();
        assert_eq!(line(&stream.event().await), "SARAH20 2 0 8000");
        // Between the two: the other is told again. On another server, and live behind it.
        let second = app.second_instance().await;
        let mut again = Stream::open(&second, &token, &query(""), after_bob.as_deref()).await;
        assert_eq!(line(&again.event().await), "SARAH20 2 0 8000");
        sell(app, "BOB20").await;
        assert_eq!(line(&again.event().await), "BOB20 2 0 8000");
        assert_eq!(line(&stream.event().await), "BOB20 2 0 8000");
        drop((stream, again));
        second.stop().await;
    }

    async fn each_hears_of_the_codes_that_it_may_see_and_asks_for(app: &TestApp) {
        let stage = app.stage().await;
        let bobs = app.max().mint(&stage.coupon, &stage.bob, "BOB20").await;
        let start = feed_cursor(&app.ana()).await;
        let bob = app.token(Role::Affiliate, Some(&stage.bob), None);
        let own_start = feed_cursor(&app.affiliate(&stage.bob)).await;
        let mut own = Stream::open(&app.instance, &bob, &query(""), Some(&own_start)).await;
        let ana = app.token(Role::Analyst, None, None);
        let mut filtered = Vec::new();
        for filter in [
            format!("codeId: \"{bobs}\""),
            format!("affiliateId: \"{}\"", stage.bob),
            format!("campaignId: \"{}\", affiliateId: \"{}\"", stage.campaign, stage.bob),
            format!("couponId: \"{}\", codeId: \"{bobs}\"", stage.coupon),
        ] {
            let query = query(&format!("(filter: {{ {filter} }})"));
            filtered.push(Stream::open(&app.instance, &ana, &query, Some(&start)).await);
        }
        sell(app, "SARAH20").await;
        sell(app, "BOB20").await;
        assert_eq!(line(&own.event().await), "BOB20 1 0 4000");
        for stream in &mut filtered {
            assert_eq!(line(&stream.event().await), "BOB20 1 0 4000");
        }
        // What a sale of Sarah's brought is no place that Bob can name.
        sell(app, "SARAH20").await;
        let sarahs = feed_cursor(&app.ana()).await;
        let refused = Stream::open(&app.instance, &bob, &query(""), Some(&sarahs)).await;
        assert_eq!(refused.refusal().await, ("BAD_USER_INPUT".into(), json!("CURSOR_UNKNOWN")));
    }
}
