//! Whatever the order, the repeats and the concurrency, the end is the same.

use futures_util::future::join_all;

use crate::support::{app::NOON, history::History, rng::Rng, *};

/// How often a history is told in another order: the whole lot on SQLite, some on PostgreSQL.
fn permutations(app: &TestApp) -> u64 {
    if app.database.is_postgres() { 5 } else { 20 }
}

fn live(app: &TestApp, shape: Shape) -> History {
    History::live(&app.clock, app.promo("SARAH20"), shape, NOON, &app.acme.stripe)
}

/// What should stand for every one of them: found by telling one in the order in which it happened.
async fn canonical(app: &TestApp, shape: Shape) -> Vec<String> {
    let history = live(app, shape);
    for event in &history.events {
        app.deliver([event]).await;
    }
    let outcome = history.outcome(app.db()).await;
    let line = |number: usize| outcome[number].split(", trail").next().unwrap().to_owned();
    assert_eq!(
        line(0),
        r#"0: Acquisition PartiallyRefunded Some("SARAH20") 4000 + 400 - 1500 USD, earned 500"#
    );
    assert_eq!(
        line(1),
        r#"2: Renewal Refunded Some("SARAH20") 5000 + 400 - 5000 USD, earned 0"#
    );
    assert_eq!(
        line(2),
        r#"3: Renewal PartiallyRefunded Some("SARAH20") 5000 + 400 - 2500 USD, earned 500"#
    );
    assert_eq!(outcome[3..], ["redeemed, by the start: true, refunded: false"]);
    outcome
}

/// Tells a history in another order for each seed, and compares.
async fn told_in_any_order(app: &TestApp, shape: Shape) {
    app.stage().await;
    let canonical = canonical(app, shape).await;
    for seed in 0..permutations(app) {
        let history = live(app, shape);
        app.deliver(&history.shuffled(&mut Rng::seeded(seed))).await;
        assert_eq!(app.parked().await, [""; 0], "{shape:?}, seed {seed}");
        assert_eq!(history.outcome(app.db()).await, canonical, "{shape:?}, seed {seed}");
    }
    totals_are(app, 1 + permutations(app)).await;
}

/// The totals are those of this many histories.
async fn totals_are(app: &TestApp, histories: u64) {
    let [renewals, revenue, back, earned] = [2, 14_000, 9000, 1000].map(|figure| figure * histories);
    assert_eq!(
        app.stats().await,
        [format!(
            "SARAH20 {histories} redeemed, 0 refunded, {renewals} renewals, {revenue} USD, back {back} USD, commission {earned} USD"
        )]
    );
}

both! {
    async fn any_order_ends_the_same_in_the_shape_of_2020(app: &TestApp) {
        told_in_any_order(app, Shape::V2020_08_27).await;
    }

    async fn any_order_ends_the_same_in_the_shape_of_acacia(app: &TestApp) {
        told_in_any_order(app, Shape::Acacia).await;
    }

    async fn any_order_ends_the_same_in_the_shape_of_basil(app: &TestApp) {
        told_in_any_order(app, Shape::Basil).await;
    }

    async fn any_order_ends_the_same_in_the_shape_of_endive(app: &TestApp) {
        told_in_any_order(app, Shape::Endive).await;
    }

    async fn one_event_at_a_time_ends_the_same_as_all_at_once(app: &TestApp) {
        app.stage().await;
        for shape in Shape::ALL {
            let canonical = canonical(app, shape).await;
            let history = live(app, shape);
            for event in history.shuffled(&mut Rng::seeded(7)) {
                app.deliver([&event]).await;
            }
            assert_eq!(history.outcome(app.db()).await, canonical, "{shape:?}");
        }
        totals_are(app, 8).await;
    }

    async fn events_posted_at_the_same_time_end_the_same(app: &TestApp) {
        app.stage().await;
        for shape in Shape::ALL {
            let canonical = canonical(app, shape).await;
            let histories: Vec<History> = (0..4).map(|_| live(app, shape)).collect();
            let mut events: Vec<Value> = histories
                .iter()
                .flat_map(|history| history.shuffled(&mut Rng::seeded(11)))
                .collect();
            Rng::seeded(13).shuffle(&mut events);
            let posts = events.iter().map(|event| app.instance.post(&app.acme, event));
            assert!(join_all(posts).await.into_iter().all(|status| status == 200));
            app.settle().await;
            assert_eq!(app.parked().await, [""; 0]);
            for history in &histories {
                assert_eq!(history.outcome(app.db()).await, canonical, "{shape:?}");
            }
        }
        totals_are(app, 20).await;
    }

    async fn two_servers_on_one_database_end_the_same(app: &TestApp) {
        let second = app.second_instance().await;
        app.stage().await;
        let canonical = canonical(app, Shape::Endive).await;
        let histories: Vec<History> = (0..6).map(|_| live(app, Shape::Endive)).collect();
        let events: Vec<Value> = histories
            .iter()
            .flat_map(|history| history.shuffled(&mut Rng::seeded(17)))
            .collect();
        let posts = events.iter().enumerate().map(async |(number, event)| {
            let instance = if number % 2 == 0 { &app.instance } else { &second };
            instance.post(&app.acme, event).await
        });
        assert!(join_all(posts).await.into_iter().all(|status| status == 200));
        app.settle().await;
        assert_eq!(app.parked().await, [""; 0]);
        for history in &histories {
            assert_eq!(history.outcome(app.db()).await, canonical);
        }
        totals_are(app, 7).await;
        second.stop().await;
    }

    async fn a_payment_that_is_tied_to_its_invoice_last_brings_its_refund_with_it(app: &TestApp) {
        app.stage().await;
        let mut sale = app.sale().promo(app.promo("SARAH20")).build();
        let tie = sale.invoice_payment_paid(Shape::Basil).unwrap();
        let mut invoice = sale.invoice_paid(Shape::Basil);
        let discount = &sale.facts.discounts[0];
        let discount = json!({
            "id": discount.id, "object": "discount", "promotion_code": discount.promo.promotion_code_id, "start": discount.start,
        });
        invoice["data"]["object"]["discounts"] = json!([discount]);
        // Stripe knows of no payment yet: first the refund has a sale of its own, then the invoice another.
        app.deliver(&sale.refund(Shape::Basil, Some(1000), Paid::First)).await;
        app.deliver([&invoice]).await;
        assert_eq!(
            app.told().await,
            ["ACQUISITION PENDING sarah SARAH20 4000 USD, commission 800"]
        );
        app.deliver([&tie]).await;
        assert_eq!(app.parked().await, [""; 0]);
        assert_eq!(
            app.told().await,
            ["ACQUISITION PARTIALLY_REFUNDED sarah SARAH20 4000 USD, refunded 1000, commission 600"]
        );
    }

    async fn renewals_and_refunds_before_the_start_wait_for_it(app: &TestApp) {
        app.stage().await;
        for shape in Shape::ALL {
            let canonical = canonical(app, shape).await;
            let before = app.told().await.len();
            let history = live(app, shape);
            let mut backwards = history.events.clone();
            backwards.reverse();
            let (start, rest): (Vec<_>, Vec<_>) = backwards.iter().partition(|event| starts(event));
            app.deliver(rest).await;
            assert_eq!(app.told().await.len(), before, "{shape:?}: nothing names a code yet");
            app.deliver(start).await;
            assert_eq!(history.outcome(app.db()).await, canonical, "{shape:?}");
        }
    }
}

/// The events that tell of the subscription's start.
fn starts(event: &Value) -> bool {
    event["type"] == "customer.subscription.created"
        || event["type"] == "checkout.session.completed"
        || event["data"]["object"]["billing_reason"] == "subscription_create"
}
