//! After a time when no server was there, what Stripe could not deliver comes in by itself.

use chrono::TimeDelta;
use entity::backfill::BackfillStatus;

use crate::support::{app::http, database::Database, *};

const CREDITED: &str = "ACQUISITION PENDING sarah SARAH20 4000 USD, commission 800";

/// Acme with its stage, and a sale that was delivered as well as listed.
async fn acme(database: Database) -> TestApp {
    let app = TestApp::start(database).await;
    app.stage().await;
    let sale = app.sale().promo(app.promo("SARAH20")).build();
    sale.sync(&app.acme.stripe);
    let events = sale.start(Shape::Endive);
    events.iter().for_each(|event| app.acme.stripe.put(event.clone()));
    app.deliver(&events).await;
    app.sign().await;
    app
}

/// A sale that Stripe tells nobody of.
fn lose_a_sale(app: &TestApp) {
    let mut sale = app.sale().promo(app.promo("SARAH20")).build();
    let mut events = sale.start(Shape::Endive);
    events.extend(sale.refund(Shape::Endive, Some(1000), Paid::First));
    sale.sync(&app.acme.stripe);
    events.into_iter().for_each(|event| app.acme.stripe.put(event));
}

const REFUNDED: &str = "ACQUISITION PARTIALLY_REFUNDED sarah SARAH20 4000 USD, refunded 1000, commission 600";

on_both! {
    async fn what_got_lost_comes_in_after_the_restart_and_what_was_delivered_is_not_doubled(database: Database) {
        let app = acme(database).await;
        let delivered = app.inbox().await;
        lose_a_sale(&app);
        let app = app.away(TimeDelta::hours(3)).await;
        app.caught_up().await;
        assert_eq!(app.told().await, [CREDITED, REFUNDED]);
        let listed = app.acme.stripe.all("event").len() as u64;
        assert!(delivered < listed && app.inbox().await == listed);
        let owed = app.owed().await;
        let seen = (owed[0].status, owed[0].since, owed[0].livemode, owed.len());
        let since = app.now() - TimeDelta::hours(3) - TimeDelta::minutes(10);
        assert_eq!(seen, (BackfillStatus::Done, since, true, 2), "Acme and Globex");
        assert_eq!((app.pages("/v1/events"), app.pages("/v1/invoices")), (4, 0));
        let metrics = http().get(format!("{}/metrics", app.instance.base)).send().await.unwrap().text().await.unwrap();
        assert!(metrics.contains("rekomi_backfill_events_total{outcome=\"new\"}"), "{metrics}");
        assert!(metrics.contains("rekomi_backfill_events_total{outcome=\"known\"}"), "{metrics}");
        assert!(metrics.contains("rekomi_backfills_pending 0"), "{metrics}");
        app.finish().await;
    }

    async fn nothing_is_owed_at_a_first_start_after_a_short_one_or_where_another_server_was_alive(database: Database) {
        let app = acme(database).await;
        assert_eq!(app.owed().await, []);
        let app = app.away(TimeDelta::seconds(110)).await;
        app.sign().await;
        assert_eq!(app.owed().await, []);
        // The first has been alive for hours when another one is started.
        app.pass(TimeDelta::hours(3));
        app.sign().await;
        let other = app.second_instance().await;
        app.pass(TimeDelta::seconds(61));
        app.sign().await;
        assert_eq!(app.owed().await, []);
        other.stop().await;
        app.finish().await;
    }

    async fn after_more_than_thirty_days_the_objects_are_fetched_too(database: Database) {
        let app = acme(database).await;
        lose_a_sale(&app);
        let app = app.away(TimeDelta::days(40)).await;
        app.caught_up().await;
        assert_eq!(app.pages("/v1/invoices"), 2, "Acme's and Globex's");
        assert_eq!(app.told().await, [CREDITED.replace("PENDING", "APPROVED"), REFUNDED.to_owned()]);
        app.finish().await;
    }

    async fn what_a_server_was_stopped_over_is_taken_up_by_the_next(database: Database) {
        let app = acme(database).await;
        lose_a_sale(&app);
        app.standin.fault(Fault::new(FaultKind::Hang).on_path("/v1/events").always());
        let app = app.away(TimeDelta::hours(3)).await;
        eventually("Stripe is asked", async || (app.pages("/v1/events") == 2).then_some(())).await;
        app.standin.clear_faults();
        // The lease has ended by then.
        let app = app.away(TimeDelta::seconds(61)).await;
        app.caught_up().await;
        assert_eq!((app.told().await, app.pages("/v1/events")), (vec![CREDITED.to_owned(), REFUNDED.to_owned()], 6));
        app.finish().await;
    }

    async fn what_stripe_does_not_answer_stays_owed_and_visible_and_is_tried_again(database: Database) {
        let app = acme(database).await;
        lose_a_sale(&app);
        app.standin.fault(Fault::new(FaultKind::Revoked).on_path("/v1/events").always());
        let app = app.away(TimeDelta::hours(3)).await;
        app.sign().await;
        let owed = app.tried().await;
        assert_eq!(owed[0].last_error.as_deref(), Some("not fetched: events (Expired API Key provided.); coupon_events (not asked for after what became of events)"));
        assert_eq!((owed[0].status, app.told().await.len()), (BackfillStatus::Pending, 1));
        // Down again before it could be fetched: the earlier moment counts.
        let app = app.away(TimeDelta::hours(1)).await;
        app.sign().await;
        assert_eq!(app.tried().await[0].since, owed[0].since);
        app.standin.clear_faults();
        app.pass(TimeDelta::minutes(1));
        app.caught_up().await;
        assert_eq!((app.told().await, app.owed().await[0].last_error.clone()), (vec![CREDITED.to_owned(), REFUNDED.to_owned()], None));
        app.finish().await;
    }

    async fn a_clock_that_was_ahead_hides_no_absence(database: Database) {
        let app = acme(database).await;
        app.pass(TimeDelta::days(1));
        app.sign().await;
        // Set right while the server runs.
        app.pass(TimeDelta::days(-1));
        eventually("a sign at the right time", async || (app.seen_at().await == Some(app.now())).then_some(())).await;
        lose_a_sale(&app);
        let app = app.away(TimeDelta::hours(3)).await;
        app.caught_up().await;
        assert_eq!(app.told().await, [CREDITED, REFUNDED]);

        // Set right while none runs: nobody knows for how long.
        lose_a_sale(&app);
        app.pass(TimeDelta::days(1));
        let app = app.away(TimeDelta::hours(-21)).await;
        eventually("a sign at the right time", async || (app.seen_at().await == Some(app.now())).then_some(())).await;
        app.caught_up().await;
        assert_eq!(app.told().await, [CREDITED, REFUNDED, REFUNDED]);
        app.finish().await;
    }
}
