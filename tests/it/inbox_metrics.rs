//! What an operator's alarms are made of.

use std::collections::BTreeMap;

use crate::support::{app::http, *};

/// The metrics of this process that begin with `rekomi_inbox`. They are of all tests that run in it.
async fn inbox(app: &TestApp) -> BTreeMap<String, f64> {
    let text = http()
        .get(format!("{}/metrics", app.instance.base))
        .send()
        .await
        .unwrap();
    let text = text.text().await.unwrap();
    let lines = text.lines().filter(|line| line.starts_with("rekomi_inbox"));
    lines
        .filter_map(|line| line.rsplit_once(' '))
        .map(|(name, value)| (name.to_owned(), value.parse().unwrap()))
        .collect()
}

const SET_ASIDE: &str = "rekomi_inbox_set_aside_total";
const REASONS: [&str; 5] = ["unreadable", "no_key", "not_found", "stripe_unanswered", "fault"];

both! {
    async fn they_tell_why_events_were_set_aside_in_a_few_words_and_how_many_were_replayed(app: &TestApp) {
        app.stage().await;
        let count = |metrics: &BTreeMap<String, f64>, name: &str| metrics.get(name).copied().unwrap_or(0.0);
        let reason = |reason: &str| format!("{SET_ASIDE}{{reason=\"{reason}\"}}");
        let before = inbox(app).await;
        let broken = json!({ "id": "evt_1", "type": "invoice.paid", "livemode": true, "data": { "object": {} } });
        app.deliver([&broken]).await;
        // Stripe has no such invoice; then it has no word at all.
        crate::replay::given_up(app, &app.sale().promo(app.promo("SARAH20")).build().invoice_paid(Shape::Endive)).await;
        app.standin.fault(Fault::new(FaultKind::ServerError).on_method("GET").always());
        crate::replay::given_up(app, &app.sale().promo(app.promo("SARAH20")).build().invoice_paid(Shape::Endive)).await;
        app.standin.clear_faults();
        // Acme has no key for the test mode.
        let test = app.sale().promo(app.promo("SARAH20")).test_mode().build();
        app.deliver([&test.invoice_paid(Shape::Endive)]).await;
        assert_eq!(app.parked().await.len(), 4);
        let after = inbox(app).await;
        for name in ["unreadable", "not_found", "stripe_unanswered", "no_key"] {
            assert!(count(&after, &reason(name)) > count(&before, &reason(name)), "{name}: {after:#?}");
        }
        let known: Vec<String> = REASONS.into_iter().map(reason).collect();
        assert!(after.keys().filter(|name| name.starts_with(SET_ASIDE)).all(|name| known.contains(name)));

        let answer = app.olivia().mutate("replayParkedStripeEvents", "replayed", json!({})).await;
        assert_eq!(answer["replayed"], 3);
        app.settle().await;
        let replayed = "rekomi_inbox_replayed_total";
        assert!(count(&inbox(app).await, replayed) >= count(&after, replayed) + 3.0);
    }
}
