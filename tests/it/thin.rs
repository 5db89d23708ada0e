//! Thin events only say what to look at; what is found there is taken for what the event would have told.

use chrono::DateTime;
use rekomi::standin::DisputeStep;

use crate::support::*;

fn thin(number: usize, event: &Value) -> Value {
    let (kind, object) = (event["type"].as_str().unwrap(), &event["data"]["object"]);
    let id = object["id"].as_str().unwrap();
    let created = DateTime::from_timestamp(event["created"].as_i64().unwrap(), 0).unwrap();
    json!({
        "id": format!("evt_thin_{number}"), "object": "v2.core.event", "type": format!("v1.{kind}"), "livemode": true,
        "created": created.to_rfc3339(),
        "related_object": { "id": id, "type": object["object"], "url": format!("/v1/{id}") },
    })
}

/// The same events as Stripe would send them thin.
fn thinned(events: &[Value]) -> Vec<Value> {
    events
        .iter()
        .enumerate()
        .map(|(number, event)| thin(number, event))
        .collect()
}

both! {
    async fn thin_events_tell_as_much_as_whole_ones(app: &TestApp) {
        app.stage().await;
        let (shape, stripe) = (Shape::Endive, &app.acme.stripe);
        let mut sale = app.sale().promo(app.promo("SARAH20")).build();
        let mut one_off = app.sale().promo(app.promo("SARAH20")).build_one_off();
        let mut events = sale.start(shape);
        events.extend(one_off.sold(shape));
        events.extend(sale.credit(shape, 1000, rekomi::standin::CreditTo::OutsideStripe, Paid::First));
        events.extend(sale.refund(shape, Some(1000), Paid::First));
        events.push(one_off.dispute(shape, DisputeStep::FundsWithdrawn));
        events.push(one_off.dispute(shape, DisputeStep::Lost));
        sale.sync(stripe);
        one_off.sync(stripe);
        let mut thinned = thinned(&events);
        thinned.reverse();
        app.deliver(&thinned).await;
        assert_eq!(app.parked().await, [""; 0]);
        let mut told = app.told().await;
        told.sort();
        assert_eq!(
            told,
            [
                "ACQUISITION PARTIALLY_REFUNDED sarah SARAH20 4000 USD, refunded 2000, commission 400",
                "ONE_OFF REFUNDED sarah SARAH20 4000 USD, refunded 4000, commission 0",
            ]
        );
    }

    async fn a_thin_start_of_a_subscription_looks_its_first_invoice_up(app: &TestApp) {
        app.stage().await;
        let sale = app.sale().promo(app.promo("SARAH20")).build();
        sale.sync(&app.acme.stripe);
        app.deliver(&thinned(&[sale.subscription_created(Shape::Endive)])).await;
        assert_eq!(
            app.told().await,
            ["ACQUISITION PENDING sarah SARAH20 4000 USD, commission 800"]
        );
    }

    async fn a_dispute_that_is_looked_up_is_as_old_as_its_event_whatever_our_clock_says(app: &TestApp) {
        app.stage().await;
        let (shape, stripe) = (Shape::Endive, &app.acme.stripe);
        let mut sale = app.sale().promo(app.promo("SARAH20")).build();
        app.deliver(&sale.start(Shape::Acacia)).await;
        let mut steps = [DisputeStep::FundsWithdrawn, DisputeStep::Lost].into_iter();
        let mut next = |created: i64| {
            let mut event = sale.dispute(shape, steps.next().unwrap(), Paid::First);
            sale.sync(stripe);
            event["created"] = json!(app.now().timestamp() + created);
            event
        };
        // Our clock is ahead of Stripe's by more than what lies between the two.
        let opened = thinned(&[next(-200)]);
        app.deliver(&opened).await;
        assert_eq!(app.told().await, ["ACQUISITION DISPUTED sarah SARAH20 4000 USD, commission 800"]);
        let lost = next(-100);
        app.deliver([&lost]).await;
        assert_eq!(
            app.told().await,
            ["ACQUISITION REFUNDED sarah SARAH20 4000 USD, refunded 4000, commission 0"]
        );
    }

    async fn a_thin_event_of_what_stripe_does_not_have_waits(app: &TestApp) {
        app.stage().await;
        let sale = app.sale().promo(app.promo("SARAH20")).build_one_off();
        let event = thinned(&[sale.session_completed(Shape::Endive)]).remove(0);
        assert_eq!(app.instance.post(&app.acme, &event).await, 200);
        eventually("a first try", async || {
            use sea_orm::EntityTrait;
            let row = entity::stripe_event::Entity::find().one(app.db()).await.unwrap()?;
            (row.attempts > 0).then_some(())
        })
        .await;
        assert_eq!(app.told().await, [""; 0]);
        sale.sync(&app.acme.stripe);
        app.settle().await;
        assert_eq!(app.told().await, ["ONE_OFF PENDING sarah SARAH20 4000 USD, commission 800"]);
    }
}
