//! What happens to conversions after they were recorded, live: each change is told once, as it is now, to those who may
//! see it.

use chrono::TimeDelta;
use rekomi::{
    auth::Role,
    standin::{DisputeStep, SubscriptionSale},
};

use crate::support::{
    cast::id,
    listening::{feed_cursor, following, ids, sell},
    socket::Socket,
    *,
};

/// The same event, with values put in, under an id of its own.
fn altered(mut event: Value, values: &[(&str, Value)]) -> Value {
    for (pointer, value) in values {
        *event.pointer_mut(pointer).unwrap() = value.clone();
    }
    let id = format!("{}_altered", event["id"].as_str().unwrap());
    event["id"] = id.into();
    event
}

/// The first invoice again, with Bob's code on it too, which took off more.
fn with_bobs_code(app: &TestApp, sale: &SubscriptionSale) -> Value {
    let promotion_code = app.promo("BOB30").promotion_code_id;
    let discount =
        json!({ "id": "di_bob", "object": "discount", "start": app::NOON, "promotion_code": promotion_code });
    let amounts = json!([{ "amount": 1500, "discount": "di_bob" }]);
    altered(
        sale.invoice_paid(Shape::Acacia),
        &[
            ("/data/object/discount", discount),
            ("/data/object/total_discount_amounts", amounts),
        ],
    )
}

async fn analyst(app: &TestApp) -> Socket {
    following(app, &app.token(Role::Analyst, None, None), "").await
}

both! {
    async fn a_refund_and_its_failure_are_told_once_each_with_the_new_figures(app: &TestApp) {
        app.stage().await;
        let mut socket = analyst(app).await;
        let mut sale = sell(app, "SARAH20").await;
        // Several events tell of one refund; nothing changes after the first.
        let part = sale.refund(Shape::Acacia, Some(1000), Paid::First);
        assert!(part.len() > 1);
        for event in &part {
            app.deliver([event]).await;
        }
        assert_eq!(
            socket.line().await,
            "ACQUISITION PARTIALLY_REFUNDED sarah SARAH20 4000 USD, refunded 1000, commission 600"
        );
        app.deliver(&sale.refund(Shape::Acacia, None, Paid::First)).await;
        assert_eq!(
            socket.line().await,
            "ACQUISITION REFUNDED sarah SARAH20 4000 USD, refunded 4000, commission 0"
        );
        app.pass(TimeDelta::seconds(1));
        let failed = sale.refund_fails(Shape::Acacia, Paid::First);
        sale.sync(&app.acme.stripe);
        app.deliver(&failed).await;
        assert_eq!(
            socket.line().await,
            "ACQUISITION PARTIALLY_REFUNDED sarah SARAH20 4000 USD, refunded 1000, commission 600"
        );
        socket.is_told_nothing().await;
        socket.close().await;
    }

    async fn each_step_of_a_dispute_that_changes_something_is_told(app: &TestApp) {
        app.stage().await;
        let mut socket = analyst(app).await;
        let mut sale = sell(app, "SARAH20").await;
        let steps = [
            (DisputeStep::Inquiry, None),
            (DisputeStep::FundsWithdrawn, Some("DISPUTED")),
            (DisputeStep::UnderReview, None),
            (DisputeStep::Won, Some("PENDING")),
            (DisputeStep::FundsReinstated, None),
        ];
        for (step, told) in steps {
            app.pass(TimeDelta::seconds(1));
            let event = sale.dispute(Shape::Acacia, step, Paid::First);
            sale.sync(&app.acme.stripe);
            app.deliver([&event]).await;
            if let Some(status) = told {
                let line = format!("ACQUISITION {status} sarah SARAH20 4000 USD, commission 800");
                assert_eq!(socket.line().await, line, "{step:?}");
            }
            socket.is_told_nothing().await;
        }
        socket.close().await;
    }

    async fn a_first_invoice_after_its_subscription_is_told_with_the_amount(app: &TestApp) {
        app.stage().await;
        let sale = app.sale().promo(app.promo("SARAH20")).build();
        let alone = altered(
            sale.subscription_created(Shape::V2020_08_27),
            &[("/data/object/latest_invoice", Value::Null)],
        );
        app.deliver([&alone]).await;
        let mut socket = analyst(app).await;
        app.deliver([&sale.invoice_paid(Shape::V2020_08_27)]).await;
        assert_eq!(
            socket.line().await,
            "ACQUISITION PENDING sarah SARAH20 4000 USD, commission 800"
        );
        socket.is_told_nothing().await;
        socket.close().await;
    }

    async fn a_change_of_credit_is_told_to_whom_it_went_and_not_to_whom_it_was_taken_from(app: &TestApp) {
        let stage = app.stage().await;
        let coupon = app.max().coupon(&stage.campaign, CouponSpec::default().percent("30")).await;
        app.max().mint(&coupon, &stage.bob, "BOB30").await;
        let token = |id: &str| app.token(Role::Affiliate, Some(id), None);
        let (sarah, bob) = (token(&stage.sarah), token(&stage.bob));
        let beginning = rekomi::domain::feed::cursor(uuid::Uuid::nil());
        let (mut of_sarah, mut of_bob) = (following(app, &sarah, "").await, following(app, &bob, "").await);
        let mut of_ana = analyst(app).await;
        let sale = sell(app, "SARAH20").await;
        app.deliver([&with_bobs_code(app, &sale)]).await;
        let moved = "ACQUISITION PENDING bob BOB30 4000 USD, commission 800";
        assert_eq!(app.told().await, [moved]);
        assert_eq!(of_ana.line().await, moved);
        assert_eq!(of_bob.line().await, moved);
        of_sarah.is_told_nothing().await;
        // Nor when she asks from the beginning, of either kind.
        for field in ["conversionCreated", "conversionUpdated"] {
            let mut again = app.socket(&sarah).await;
            again.listen_to(field, "1", &format!("(after: \"{beginning}\")")).await;
            again.is_told_nothing().await;
            again.close().await;
        }
        // What is hers is told as before.
        let mut own = sell(app, "SARAH20").await;
        app.deliver(&own.refund(Shape::Acacia, None, Paid::First)).await;
        assert_eq!(
            of_sarah.line().await,
            "ACQUISITION REFUNDED sarah SARAH20 4000 USD, refunded 4000, commission 0"
        );
        of_bob.is_told_nothing().await;
    }

    async fn two_that_turn_out_to_be_one_are_told_of_also_where_the_older_looks_the_same(app: &TestApp) {
        app.stage().await;
        let shape = Shape::V2020_08_27;
        for trial in [false, true] {
            let builder = app.sale().promo(app.promo("SARAH20"));
            let sale = if trial { builder.trial().build() } else { builder.build() };
            let alone = altered(
                sale.subscription_created(shape),
                &[("/data/object/latest_invoice", Value::Null)],
            );
            let quote = altered(
                sale.invoice_paid(shape),
                &[
                    ("/data/object/billing_reason", json!("quote_accept")),
                    ("/data/object/customer_email", Value::Null),
                ],
            );
            app.deliver([&alone]).await;
            let older = app.ana().conversions().await.pop().unwrap();
            app.deliver([&quote]).await;
            let mut socket = analyst(app).await;
            app.deliver([&sale.subscription_created(shape)]).await;
            let (_, told) = socket.event("1").await;
            assert_eq!(id(&told), id(&older), "trial: {trial}");
            assert_eq!(told::line(&told), *app.told().await.last().unwrap());
            socket.is_told_nothing().await;
            socket.close().await;
        }
        assert_eq!(ids(app).await.len(), 2);
    }

    async fn several_changes_in_one_moment_are_told_as_the_last_one_left_it(app: &TestApp) {
        app.stage().await;
        let mut sale = sell(app, "SARAH20").await;
        let cursor = feed_cursor(&app.ana()).await;
        for amount in [500, 500, 1000] {
            app.deliver(&sale.refund(Shape::Acacia, Some(amount), Paid::First)).await;
        }
        let mut socket = app.socket(&app.token(Role::Analyst, None, None)).await;
        socket.listen_to("conversionUpdated", "1", &format!("(after: \"{cursor}\")")).await;
        // A row of the feed for each, and in each the conversion as it is when it is sent.
        for _ in 0..3 {
            assert_eq!(
                socket.line().await,
                "ACQUISITION PARTIALLY_REFUNDED sarah SARAH20 4000 USD, refunded 2000, commission 400"
            );
        }
        socket.is_told_nothing().await;
        socket.close().await;
    }

    async fn a_filter_looks_at_it_as_it_is_now(app: &TestApp) {
        let stage = app.stage().await;
        app.max().mint(&stage.coupon, &stage.bob, "BOB20").await;
        let token = app.token(Role::Analyst, None, None);
        let mut refunded = following(app, &token, "{ status: [REFUNDED] }").await;
        let mut bobs = following(app, &token, "{ couponCode: \"bob20\" }").await;
        let (mut first, mut second) = (sell(app, "SARAH20").await, sell(app, "BOB20").await);
        app.deliver(&first.refund(Shape::Acacia, Some(1000), Paid::First)).await;
        app.deliver(&second.refund(Shape::Acacia, Some(2000), Paid::First)).await;
        app.deliver(&first.refund(Shape::Acacia, None, Paid::First)).await;
        assert_eq!(
            refunded.line().await,
            "ACQUISITION REFUNDED sarah SARAH20 4000 USD, refunded 4000, commission 0"
        );
        assert_eq!(
            bobs.line().await,
            "ACQUISITION PARTIALLY_REFUNDED bob BOB20 4000 USD, refunded 2000, commission 400"
        );
        for socket in [&mut refunded, &mut bobs] {
            socket.is_told_nothing().await;
        }
    }

    async fn who_reconnects_gets_the_changes_that_were_missed_whichever_subscription_the_cursor_is_of(app: &TestApp) {
        app.stage().await;
        let token = app.token(Role::Analyst, None, None);
        let mut created = listening::listening(app, &token, "").await;
        let mut sales = Vec::new();
        for _ in 0..6 {
            sales.push(sell(app, "SARAH20").await);
        }
        let mut cursors = Vec::new();
        for _ in 0..6 {
            cursors.push(created.event("1").await.0);
        }
        drop(created);
        for sale in &mut sales[..3] {
            app.deliver(&sale.refund(Shape::Acacia, None, Paid::First)).await;
        }
        let all = ids(app).await;
        let mut updated = app.socket(&token).await;
        updated.listen_to("conversionUpdated", "1", &format!("(after: \"{}\")", cursors[5])).await;
        let (first, conversion) = updated.event("1").await;
        assert_eq!(id(&conversion), all[0]);
        drop(updated);
        for sale in &mut sales[3..] {
            app.deliver(&sale.refund(Shape::Acacia, None, Paid::First)).await;
        }
        let mut updated = app.socket(&token).await;
        updated.listen_to("conversionUpdated", "1", &format!("(after: \"{first}\")")).await;
        for id in &all[1..] {
            assert_eq!(updated.conversion("1").await, *id);
        }
        updated.is_told_nothing().await;
        // And the other way round.
        let mut created = app.socket(&token).await;
        created.listen("1", &format!("(after: \"{first}\")")).await;
        sell(app, "SARAH20").await;
        assert_eq!(created.conversion("1").await, ids(app).await[6]);
        created.is_told_nothing().await;
    }

    async fn a_subscriber_on_another_server_hears_of_changes_too(app: &TestApp) {
        let second = app.second_instance().await;
        app.stage().await;
        let token = app.token(Role::Analyst, None, None);
        let mut socket = Socket::open(&second.base, &token).await;
        let cursor = feed_cursor(&second.caller(Some(token))).await;
        socket.listen_to("conversionUpdated", "1", &format!("(after: \"{cursor}\")")).await;
        for _ in 0..3 {
            let mut sale = sell(app, "SARAH20").await;
            app.deliver(&sale.refund(Shape::Acacia, None, Paid::First)).await;
        }
        for id in ids(app).await {
            assert_eq!(socket.conversion("1").await, id);
        }
        socket.is_told_nothing().await;
        socket.close().await;
        second.stop().await;
    }
}
