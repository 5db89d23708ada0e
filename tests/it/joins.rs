//! What only shows later to belong together: parts that were told under other names, and what Stripe does not have yet.

use chrono::TimeDelta;
use entity::stripe_event;
use rekomi::standin::SubscriptionSale;
use sea_orm::EntityTrait;

use crate::support::*;

/// The same event, with a value put in, under an id of its own.
fn altered(mut event: Value, pointer: &str, value: impl Into<Value>) -> Value {
    *event.pointer_mut(pointer).unwrap() = value.into();
    let id = format!("{}_altered", event["id"].as_str().unwrap());
    event["id"] = id.into();
    event
}

/// A sale whose start and whose first invoice do not name each other: that start, and that invoice.
fn apart(app: &TestApp, shape: Shape) -> (SubscriptionSale, Value, Value) {
    let sale = app.sale().promo(app.promo("SARAH20")).build();
    let start = sale.subscription_created(shape);
    let start = altered(start, "/data/object/latest_invoice", Value::Null);
    let invoice = altered(sale.invoice_paid(shape), "/data/object/billing_reason", "quote_accept");
    (sale, start, invoice)
}

both! {
    async fn an_invoice_that_turns_out_to_be_the_first_takes_its_conversion_along(app: &TestApp) {
        app.stage().await;
        let sale = app.sale().promo(app.promo("SARAH20")).build();
        let quote = altered(
            sale.invoice_paid(Shape::V2020_08_27),
            "/data/object/billing_reason",
            "quote_accept",
        );
        app.deliver([&quote]).await;
        let before = app.ana().conversions().await;
        assert_eq!(
            app.told().await,
            ["RENEWAL PENDING sarah SARAH20 4000 USD, commission 800"]
        );

        app.deliver([&sale.subscription_created(Shape::V2020_08_27)]).await;
        assert_eq!(
            app.told().await,
            ["ACQUISITION PENDING sarah SARAH20 4000 USD, commission 800"]
        );
        assert_eq!(app.ana().conversions().await[0]["id"], before[0]["id"]);
        assert_eq!(
            app.stats().await[0],
            "SARAH20 1 redeemed, 0 refunded, 0 renewals, 4000 USD, back 0, commission 800 USD"
        );
    }

    async fn of_two_that_turn_out_to_be_one_the_older_stays(app: &TestApp) {
        let stage = app.stage().await;
        let shape = Shape::V2020_08_27;
        let (sale, alone, quote) = apart(app, shape);
        app.deliver([&alone]).await;
        app.deliver([&quote]).await;
        let [older, younger] = app.ana().conversions().await.try_into().unwrap();
        let (older, younger) = if older["kind"] == "ACQUISITION" {
            (older, younger)
        } else {
            (younger, older)
        };

        app.deliver([&sale.subscription_created(shape)]).await;
        assert_eq!(
            app.told().await,
            ["ACQUISITION PENDING sarah SARAH20 4000 USD, commission 800"]
        );
        let query = "query($id: ID!) { conversion(id: $id) { id } }";
        let found = app.ana().query_with(query, json!({"id": younger["id"]})).await;
        assert_eq!(found["conversion"]["id"], older["id"]);
        assert_eq!(
            app.stats().await[0],
            "SARAH20 1 redeemed, 0 refunded, 0 renewals, 4000 USD, back 0, commission 800 USD"
        );
        assert_eq!(app.ana().balance(&stage.sarah).await.0, "800 USD");
    }

    async fn a_charge_that_goes_by_two_names_is_refunded_once(app: &TestApp) {
        app.stage().await;
        let mut sale = app.sale().promo(app.promo("SARAH20")).build();
        let paid = altered(
            sale.invoice_paid(Shape::V2020_08_27),
            "/data/object/payment_intent",
            Value::Null,
        );
        app.deliver([&paid]).await;
        app.deliver(&sale.refund(Shape::V2020_08_27, Some(1000), Paid::First))
            .await;
        assert_eq!(
            app.told().await,
            ["ACQUISITION PARTIALLY_REFUNDED sarah SARAH20 4000 USD, refunded 1000, commission 600"]
        );
    }

    async fn what_stripe_does_not_have_yet_is_asked_for_again(app: &TestApp) {
        app.stage().await;
        let sale = app.sale().promo(app.promo("SARAH20")).build();
        let event = sale.invoice_paid(Shape::Endive);
        assert_eq!(app.instance.post(&app.acme, &event).await, 200);
        eventually("a first try", async || {
            let row = stripe_event::Entity::find().one(app.db()).await.unwrap()?;
            (row.attempts > 0).then_some(())
        })
        .await;
        assert_eq!(app.told().await, Vec::<String>::new());

        sale.sync(&app.acme.stripe);
        app.settle().await;
        assert_eq!(
            app.told().await,
            ["ACQUISITION PENDING sarah SARAH20 4000 USD, commission 800"]
        );
        assert_eq!(app.parked().await, Vec::<String>::new());
    }

    async fn an_affiliate_is_not_told_of_the_codes_that_lost_to_its_own(app: &TestApp) {
        let stage = app.stage().await;
        app.max().mint(&stage.coupon, &stage.bob, "BOB20").await;
        let sale = app.sale().promo(app.promo("SARAH20")).promo(app.promo("BOB20")).build();
        sale.sync(&app.acme.stripe);
        app.deliver(&sale.start(Shape::Endive)).await;
        let trail = |conversion: &Value| conversion["attributionTrail"].as_array().unwrap().len();
        let seen = app.ana().conversions().await;
        assert_eq!(seen.iter().map(trail).collect::<Vec<_>>(), [2]);
        let winner = if seen[0]["affiliate"]["name"] == "Sarah Jones" {
            &stage.sarah
        } else {
            &stage.bob
        };
        let told = app.affiliate(winner).conversions().await;
        assert_eq!(told.iter().map(trail).collect::<Vec<_>>(), [1]);
    }

    async fn what_a_joined_conversion_had_earned_is_not_taken_back_before_it_was_due(app: &TestApp) {
        let stage = app.stage().await;
        let shape = Shape::V2020_08_27;
        let (sale, alone, quote) = apart(app, shape);
        app.deliver([&alone, &quote]).await;
        let on_hold = ("800 USD".to_owned(), "0 USD".to_owned());
        assert_eq!(app.ana().balance(&stage.sarah).await, on_hold);
        app.deliver([&sale.subscription_created(shape)]).await;
        assert_eq!(app.ana().balance(&stage.sarah).await, on_hold);
    }

    async fn a_session_whose_payment_paid_two_invoices_becomes_one_of_them(app: &TestApp) {
        app.stage().await;
        let shape = Shape::V2020_08_27;
        let sale = app.sale().promo(app.promo("SARAH20")).with_invoice().build_one_off();
        let mut session = sale.session_completed(Shape::Endive);
        session["data"]["object"]["invoice"] = Value::Null;
        app.deliver([&session]).await;
        let first = sale.invoice_paid(shape).unwrap();
        let second = altered(first.clone(), "/data/object/id", "in_second");
        app.deliver_at_once(&[first, second]).await;
        assert_eq!(app.told().await, ["ONE_OFF PENDING sarah SARAH20 4000 USD, commission 800"; 2]);
        assert_eq!(app.parked().await, Vec::<String>::new());
    }

    async fn of_three_that_turn_out_to_be_one_all_lead_to_the_oldest(app: &TestApp) {
        let stage = app.stage().await;
        let shape = Shape::V2020_08_27;
        let sale = app.sale().promo(app.promo("SARAH20")).build();
        let paid = sale.invoice_paid(shape);
        let mut session = app.sale().promo(app.promo("SARAH20")).build_one_off().session_completed(Shape::Endive);
        session["data"]["object"]["payment_intent"] = paid["data"]["object"]["payment_intent"].clone();
        app.deliver([&session]).await;
        let start = sale.subscription_created(shape);
        app.deliver([&altered(start.clone(), "/data/object/latest_invoice", Value::Null)]).await;
        let mut quote = altered(paid.clone(), "/data/object/billing_reason", "quote_accept");
        for payment in ["payment_intent", "charge"] {
            quote["data"]["object"][payment] = Value::Null;
        }
        app.deliver([&quote]).await;
        let mut seen = app.ana().conversions().await;
        seen.sort_by_key(|it| it["id"].as_str().unwrap().to_owned());
        assert_eq!(seen.len(), 3);

        app.deliver([&start]).await;
        assert_eq!(app.told().await.len(), 2);
        app.deliver([&paid]).await;
        assert_eq!(
            app.told().await,
            ["ACQUISITION PENDING sarah SARAH20 4000 USD, commission 800"]
        );
        let query = "query($id: ID!) { conversion(id: $id) { id } }";
        for it in &seen {
            let found = app.ana().query_with(query, json!({"id": it["id"]})).await;
            assert_eq!(found["conversion"]["id"], seen[0]["id"]);
        }
        assert_eq!(app.ana().balance(&stage.sarah).await.0, "800 USD");
    }

    async fn when_a_sale_is_due_does_not_depend_on_what_told_of_it_first(app: &TestApp) {
        let stage = app
            .stage_with(CampaignSpec::default().with("holdDays", 7), CouponSpec::default())
            .await;
        for session_first in [true, false] {
            let sale = app.sale().promo(app.promo("SARAH20")).with_invoice().build_one_off();
            let mut session = sale.session_completed(Shape::Endive);
            session["created"] = json!(sale.facts.created + 3 * 86_400);
            let mut events = [session, sale.invoice_paid(Shape::V2020_08_27).unwrap()];
            if !session_first {
                events.reverse();
            }
            for event in &events {
                app.deliver([event]).await;
            }
        }
        app.pass(TimeDelta::days(8));
        assert_eq!(
            app.ana().balance(&stage.sarah).await,
            ("1600 USD".into(), "1600 USD".into())
        );
    }
}
