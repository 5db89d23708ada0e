//! Thin events only say what to look at; what is found there is taken for what the event would have told.

use rekomi::standin::DisputeStep;

use crate::support::*;

fn thin(number: usize, kind: &str, object: &Value) -> Value {
    let id = object["id"].as_str().unwrap();
    json!({
        "id": format!("evt_thin_{number}"), "object": "v2.core.event", "type": format!("v1.{kind}"), "livemode": true,
        "created": "2026-11-01T12:00:00.000Z",
        "related_object": { "id": id, "type": object["object"], "url": format!("/v1/{id}") },
    })
}

/// The same events as Stripe would send them thin.
fn thinned(events: &[Value]) -> Vec<Value> {
    let told = events.iter().enumerate();
    told.map(|(number, event)| {
        let kind = event["type"].as_str().unwrap();
        thin(number, kind, &event["data"]["object"])
    })
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
