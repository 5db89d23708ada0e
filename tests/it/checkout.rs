//! One-off payments: the session is the only object that names the code, or one of several that tell of the sale.

use entity::{ledger_entry, redemption};
use rekomi::standin::OneOffSale;

use crate::support::{cast::Stage, *};

const SOLD: &str = "ONE_OFF PENDING sarah SARAH20 4000 USD, commission 800";

fn one_off(app: &TestApp) -> OneOffSale {
    let sale = app.sale().promo(app.promo("SARAH20")).build_one_off();
    sale.sync(&app.acme.stripe);
    sale
}

fn with_invoice(app: &TestApp) -> OneOffSale {
    let sale = app.sale().promo(app.promo("SARAH20")).with_invoice().build_one_off();
    sale.sync(&app.acme.stripe);
    sale
}

fn gets(app: &TestApp, path: &str) -> usize {
    let calls = app.standin.calls();
    calls.iter().filter(|call| call.path.starts_with(path)).count()
}

both! {
    async fn a_session_without_an_invoice_is_a_one_off_in_every_shape(app: &TestApp) {
        let stage: Stage = app.stage().await;
        for shape in Shape::ALL {
            app.deliver(&one_off(app).sold(shape)).await;
        }
        assert_eq!(app.told().await, [SOLD; 4]);
        assert_eq!(
            app.stats().await,
            ["SARAH20 4 redeemed, 0 refunded, 0 renewals, 16000 USD, back 0, commission 3200 USD"]
        );
        assert_eq!(app.ana().balance(&stage.sarah).await.0, "3200 USD");
        // Sessions of 2020 do not name their codes.
        assert_eq!(gets(app, "/v1/checkout/sessions/"), 1);
        assert_eq!(gets(app, "/v1/"), 1 + 2, "and the coupon and the code were made");
    }

    async fn a_guests_email_is_kept_and_tax_earns_nothing(app: &TestApp) {
        app.stage().await;
        let sale = app.sale().promo(app.promo("SARAH20")).tax(800).email("guest@customers.test").build_one_off();
        let mut event = sale.session_completed(Shape::Endive);
        event["data"]["object"]["customer"] = Value::Null;
        app.deliver([&event]).await;
        assert_eq!(
            app.told().await,
            ["ONE_OFF PENDING sarah SARAH20 4000 USD, tax 800, commission 800"]
        );
        let data = app.ana().query("{ conversions { nodes { customerEmail } } }").await;
        assert_eq!(data["conversions"]["nodes"][0]["customerEmail"], "guest@customers.test");
    }

    async fn a_session_at_100_percent_off_is_a_sale_of_zero_whatever_its_payment_status(app: &TestApp) {
        app.stage_with(CampaignSpec::default(), CouponSpec::default().percent("100")).await;
        for status in ["paid", "no_payment_required"] {
            let mut event = one_off(app).session_completed(Shape::Endive);
            event["data"]["object"]["payment_status"] = json!(status);
            app.deliver([&event]).await;
        }
        assert_eq!(app.told().await, ["ONE_OFF PENDING sarah SARAH20 0 USD, commission 0"; 2]);
        assert_eq!(
            app.stats().await,
            ["SARAH20 2 redeemed, 0 refunded, 0 renewals, 0, back 0, commission 0"]
        );
    }

    async fn a_delayed_payment_counts_from_when_it_is_through(app: &TestApp) {
        app.stage().await;
        for (number, shape) in Shape::ALL.into_iter().enumerate() {
            let sale = one_off(app);
            let later = sale.facts.created + 3 * 86_400;
            app.deliver([&sale.session_unpaid(shape)]).await;
            assert_eq!(app.told().await.len(), number, "{shape:?}: nothing is paid yet");
            let mut failed = sale.session_unpaid(shape);
            failed["type"] = json!("checkout.session.async_payment_failed");
            failed["id"] = json!(format!("evt_failed_{number}"));
            app.deliver([&failed, &sale.payment_succeeded(shape, later)]).await;
        }
        assert_eq!(app.told().await, [SOLD; 4]);
        let seen = app.ana().conversions().await;
        assert!(seen.iter().all(|it| it["occurredAt"] == "2026-11-04T12:00:00+00:00"), "{seen:?}");
    }

    async fn a_session_and_its_invoice_are_one_in_any_order(app: &TestApp) {
        app.stage().await;
        for shape in Shape::ALL {
            let sale = with_invoice(app);
            app.deliver(&sale.sold(shape)).await;
            let mut backwards = with_invoice(app).sold(shape);
            backwards.reverse();
            for event in &backwards {
                app.deliver([event]).await;
            }
        }
        assert_eq!(app.told().await, [SOLD; 8]);
        assert_eq!(app.count::<entity::conversion::Entity>().await, 8, "nothing was ever recorded twice");
        assert_eq!(
            app.stats().await,
            ["SARAH20 8 redeemed, 0 refunded, 0 renewals, 32000 USD, back 0, commission 6400 USD"]
        );
    }

    async fn a_session_that_names_its_invoice_is_enough(app: &TestApp) {
        app.stage().await;
        for shape in [Shape::V2020_08_27, Shape::Endive] {
            app.deliver([&with_invoice(app).session_completed(shape)]).await;
        }
        assert_eq!(app.told().await, [SOLD; 2]);
    }

    async fn a_session_and_an_invoice_that_only_their_payment_joins_become_one(app: &TestApp) {
        let stage = app.stage().await;
        let sale = with_invoice(app);
        let shape = Shape::Basil;
        let mut session = sale.session_completed(shape);
        session["data"]["object"]["invoice"] = Value::Null;
        app.deliver([&session]).await;
        let older = app.ana().conversions().await.remove(0);
        // Stripe does not know the payment yet.
        let mut invoice = sale.invoice_paid(shape).unwrap();
        let discount = &sale.facts.discounts[0];
        invoice["data"]["object"]["discounts"] = json!([{
            "id": discount.id, "object": "discount", "promotion_code": discount.promo.promotion_code_id, "start": 1,
        }]);
        app.deliver([&invoice]).await;
        assert_eq!(app.told().await, [SOLD; 2]);
        let seen = app.ana().conversions().await;
        let younger = seen.iter().find(|it| it["id"] != older["id"]).unwrap();
        app.deliver([&sale.invoice_payment_paid(shape).unwrap()]).await;
        assert_eq!(app.told().await, [SOLD]);
        assert_eq!(app.ana().conversions().await[0]["id"], older["id"]);
        let query = "query($id: ID!) { conversion(id: $id) { id } }";
        let found = app.ana().query_with(query, json!({ "id": younger["id"] })).await;
        assert_eq!(found["conversion"]["id"], older["id"]);
        assert_eq!(
            app.stats().await,
            ["SARAH20 1 redeemed, 0 refunded, 0 renewals, 4000 USD, back 0, commission 800 USD"]
        );
        assert_eq!(app.ana().balance(&stage.sarah).await.0, "800 USD");
    }

    async fn a_refund_of_a_one_off_is_taken_back_before_or_after_the_sale(app: &TestApp) {
        app.stage().await;
        for shape in Shape::ALL {
            let (mut before, mut after) = (one_off(app), one_off(app));
            let refunded = before.refund(shape, None);
            before.sync(&app.acme.stripe);
            app.deliver(&refunded).await;
            app.deliver(&before.sold(shape)).await;
            app.deliver(&after.sold(shape)).await;
            let refunded = after.refund(shape, Some(1000));
            after.sync(&app.acme.stripe);
            app.deliver(&refunded).await;
        }
        let full = "ONE_OFF REFUNDED sarah SARAH20 4000 USD, refunded 4000, commission 0";
        let part = "ONE_OFF PARTIALLY_REFUNDED sarah SARAH20 4000 USD, refunded 1000, commission 600";
        assert_eq!(app.told().await, [full, part, full, part, full, part, full, part]);
        assert_eq!(
            app.stats().await,
            ["SARAH20 4 redeemed, 4 refunded, 0 renewals, 32000 USD, back 20000 USD, commission 2400 USD"]
        );
        assert_eq!(app.parked().await, [""; 0]);
    }

    async fn several_codes_on_a_session_are_told_apart_by_what_each_took_off(app: &TestApp) {
        let stage = app.stage().await;
        app.max().mint(&stage.coupon, &stage.bob, "BOB20").await;
        // Of the two the first takes off more.
        let sale = app.sale().promo(app.promo("BOB20")).promo(app.promo("SARAH20")).build_one_off();
        sale.sync(&app.acme.stripe);
        app.deliver([&sale.session_completed(Shape::Endive)]).await;
        assert_eq!(app.told().await, ["ONE_OFF PENDING bob BOB20 3200 USD, commission 640"]);
        assert_eq!(app.count::<redemption::Entity>().await, 2);
    }

    async fn a_set_up_sells_nothing(app: &TestApp) {
        app.stage().await;
        let mut event = one_off(app).session_completed(Shape::Acacia);
        event["data"]["object"]["mode"] = json!("setup");
        app.deliver([&event]).await;
        assert_eq!(app.told().await, [""; 0]);
        assert_eq!(app.count::<ledger_entry::Entity>().await, 0);
    }

    async fn a_session_without_amounts_is_set_aside(app: &TestApp) {
        app.stage().await;
        for (field, what) in [("amount_total", "amount_total"), ("currency", "known currency")] {
            let sale = one_off(app);
            let mut event = sale.session_completed(Shape::Endive);
            event["data"]["object"][field] = Value::Null;
            app.deliver([&event]).await;
            let why = format!("checkout.session.completed: the checkout session {} has no {what}", sale.facts.session);
            assert!(app.parked().await.contains(&why), "{:?}", app.parked().await);
        }
        assert_eq!(app.told().await, [""; 0]);
    }
}
