//! Credit notes beside refunds, and one payment that paid several invoices.

use rekomi::standin::{CreditTo, SubscriptionSale};

use crate::support::*;

async fn sold(app: &TestApp, shape: Shape) -> SubscriptionSale {
    let sale = app.sale().promo(app.promo("SARAH20")).build();
    sale.sync(&app.acme.stripe);
    app.deliver(&sale.start(shape)).await;
    sale
}

async fn credit(app: &TestApp, sale: &mut SubscriptionSale, shape: Shape, amount: i64, to: CreditTo) {
    let events = sale.credit(shape, amount, to, Paid::First);
    sale.sync(&app.acme.stripe);
    app.deliver(&events).await;
}

both! {
    async fn a_refund_by_credit_note_counts_once(app: &TestApp) {
        app.stage().await;
        for shape in Shape::ALL {
            let mut sale = sold(app, shape).await;
            credit(app, &mut sale, shape, 1000, CreditTo::Refund).await;
        }
        assert_eq!(
            app.told().await,
            ["ACQUISITION PARTIALLY_REFUNDED sarah SARAH20 4000 USD, refunded 1000, commission 600"; 4]
        );
    }

    async fn what_a_credit_note_gives_back_outside_stripe_counts(app: &TestApp) {
        app.stage().await;
        for shape in Shape::ALL {
            let mut sale = sold(app, shape).await;
            credit(app, &mut sale, shape, 1000, CreditTo::OutsideStripe).await;
            credit(app, &mut sale, shape, 500, CreditTo::Refund).await;
        }
        assert_eq!(
            app.told().await,
            ["ACQUISITION PARTIALLY_REFUNDED sarah SARAH20 4000 USD, refunded 1500, commission 500"; 4]
        );
    }

    async fn credit_to_the_balance_takes_nothing_back_but_the_next_invoice_earns_the_less(app: &TestApp) {
        app.stage().await;
        let shape = Shape::Endive;
        let mut sale = sold(app, shape).await;
        credit(app, &mut sale, shape, 1000, CreditTo::Balance).await;
        let number = sale.renew_at(sale.facts.created + 30 * 86_400);
        sale.sync(&app.acme.stripe);
        let mut renewal = sale.renewal_paid(number, shape);
        renewal["data"]["object"]["starting_balance"] = json!(-1000);
        renewal["data"]["object"]["amount_paid"] = json!(4000);
        app.deliver([&renewal]).await;
        assert_eq!(
            app.told().await,
            [
                "ACQUISITION PENDING sarah SARAH20 4000 USD, commission 800",
                "RENEWAL PENDING sarah SARAH20 4000 USD, commission 800",
            ]
        );
    }

    async fn a_credit_note_before_its_invoice_waits_and_a_voided_one_is_undone(app: &TestApp) {
        app.stage().await;
        let shape = Shape::Endive;
        let mut sale = app.sale().promo(app.promo("SARAH20")).build();
        let start = sale.start(shape);
        credit(app, &mut sale, shape, 1000, CreditTo::OutsideStripe).await;
        assert_eq!(app.told().await, [""; 0]);
        app.deliver(&start).await;
        assert_eq!(
            app.told().await,
            ["ACQUISITION PARTIALLY_REFUNDED sarah SARAH20 4000 USD, refunded 1000, commission 600"]
        );
        let mut voided = sale.credit(shape, 1000, CreditTo::OutsideStripe, Paid::First).remove(0);
        voided["data"]["object"]["id"] = json!(sale.bills[0].credit_notes[0].id);
        voided["data"]["object"]["status"] = json!("void");
        voided["type"] = json!("credit_note.voided");
        app.deliver([&voided]).await;
        assert_eq!(
            app.told().await,
            ["ACQUISITION PENDING sarah SARAH20 4000 USD, commission 800"]
        );
    }

    async fn invoices_that_one_payment_paid_share_its_refund(app: &TestApp) {
        app.stage().await;
        let shape = Shape::Endive;
        // 4000 and 5000, paid with the first one's payment: 9000.
        let mut sale = app.sale().promo(app.promo("SARAH20")).build();
        let number = sale.renew_at(sale.facts.created + 86_400);
        sale.bills[number].payment_intent = sale.bills[0].payment_intent.clone();
        sale.bills[number].charge = sale.bills[0].charge.clone();
        sale.sync(&app.acme.stripe);
        app.deliver(&sale.start(shape)).await;
        app.deliver([&sale.renewal_paid(number, shape)]).await;
        app.deliver(&sale.invoice_payment_paid_for(shape, Paid::Renewal(number)).into_iter().collect::<Vec<_>>()).await;
        let whole = |refunded: i64, id: &str| {
            let mut charge = sale.charge_refunded(shape, Paid::First);
            charge["id"] = json!(format!("evt_{id}"));
            let object = &mut charge["data"]["object"];
            object["amount"] = json!(9000);
            object["amount_captured"] = json!(9000);
            object["amount_refunded"] = json!(refunded);
            charge
        };
        app.deliver([&whole(900, "part")]).await;
        assert_eq!(
            app.told().await,
            [
                "ACQUISITION PARTIALLY_REFUNDED sarah SARAH20 4000 USD, refunded 400, commission 720",
                "RENEWAL PARTIALLY_REFUNDED sarah SARAH20 5000 USD, refunded 500, commission 900",
            ]
        );
        app.deliver([&whole(9000, "whole")]).await;
        assert_eq!(
            app.told().await,
            [
                "ACQUISITION REFUNDED sarah SARAH20 4000 USD, refunded 4000, commission 0",
                "RENEWAL REFUNDED sarah SARAH20 5000 USD, refunded 5000, commission 0",
            ]
        );
    }

    async fn a_second_refund_after_a_failed_one_counts_though_the_charge_alone_tells_of_it(app: &TestApp) {
        app.stage().await;
        for shape in Shape::ALL {
            let mut sale = sold(app, shape).await;
            let mut events = sale.refund(shape, Some(1000), Paid::First);
            events.extend(sale.refund_fails(shape, Paid::First));
            // Its `refund.created` never comes, and the charge's figure has fallen in between.
            events.push(sale.refund(shape, Some(1000), Paid::First).remove(0));
            sale.sync(&app.acme.stripe);
            app.deliver(&events).await;
        }
        assert_eq!(
            app.told().await,
            ["ACQUISITION PARTIALLY_REFUNDED sarah SARAH20 4000 USD, refunded 1000, commission 600"; 4]
        );
    }

    async fn a_refund_that_the_charge_alone_tells_of_counts_though_one_is_known_to_have_failed(app: &TestApp) {
        app.stage().await;
        for shape in Shape::ALL {
            let mut sale = sold(app, shape).await;
            sale.refund(shape, Some(1500), Paid::First);
            let failed = sale.refund_fails(shape, Paid::First);
            sale.sync(&app.acme.stripe);
            app.deliver(&failed).await;
            let again = sale.refund(shape, Some(4000), Paid::First).remove(0);
            sale.sync(&app.acme.stripe);
            app.deliver([&again]).await;
        }
        assert_eq!(
            app.told().await,
            ["ACQUISITION REFUNDED sarah SARAH20 4000 USD, refunded 4000, commission 0"; 4]
        );
    }

    async fn a_failed_refund_and_another_that_are_told_at_once_are_told_apart(app: &TestApp) {
        app.stage().await;
        for shape in Shape::ALL {
            let mut sale = sold(app, shape).await;
            sale.refund(shape, Some(1500), Paid::First);
            let mut events = sale.refund_fails(shape, Paid::First);
            events.push(sale.refund(shape, Some(4000), Paid::First).remove(0));
            sale.sync(&app.acme.stripe);
            app.deliver_at_once(&events).await;
        }
        assert_eq!(
            app.told().await,
            ["ACQUISITION REFUNDED sarah SARAH20 4000 USD, refunded 4000, commission 0"; 4]
        );
    }

    async fn what_was_paid_outside_stripe_is_paid(app: &TestApp) {
        app.stage().await;
        for shape in Shape::ALL {
            let sale = app.sale().promo(app.promo("SARAH20")).build();
            sale.sync(&app.acme.stripe);
            let mut event = sale.invoice_paid(shape);
            let invoice = &mut event["data"]["object"];
            if shape.is_before_basil() {
                // It names no payment, and leaves out what was paid so.
                invoice["paid_out_of_band"] = json!(true);
                invoice["amount_paid"] = json!(0);
                invoice["charge"] = Value::Null;
                invoice["payment_intent"] = Value::Null;
            }
            app.deliver([&event]).await;
        }
        assert_eq!(
            app.told().await,
            ["ACQUISITION PENDING sarah SARAH20 4000 USD, commission 800"; 4]
        );
    }
}
