//! Money that goes back: in part, in full, before the sale, twice told, and refunds that fail afterwards.

use entity::{ledger_entry, redemption};

use crate::support::{cast::Stage, history::History, *};
use rekomi::standin::SubscriptionSale;

/// A sale of 4000 USD that was told.
async fn sold(app: &TestApp, shape: Shape) -> SubscriptionSale {
    let sale = app.sale().promo(app.promo("SARAH20")).build();
    sale.sync(&app.acme.stripe);
    app.deliver(&sale.start(shape)).await;
    sale
}

async fn refund(app: &TestApp, sale: &mut SubscriptionSale, shape: Shape, amount: Option<i64>) {
    let events = sale.refund(shape, amount, Paid::First);
    sale.sync(&app.acme.stripe);
    app.deliver(&events).await;
}

async fn stats_of(app: &TestApp) -> String {
    app.stats().await.remove(0)
}

both! {
    async fn a_full_refund_takes_back_the_commission_and_the_redemption(app: &TestApp) {
        let stage: Stage = app.stage().await;
        for shape in Shape::ALL {
            let mut sale = sold(app, shape).await;
            refund(app, &mut sale, shape, None).await;
        }
        assert_eq!(
            app.told().await,
            ["ACQUISITION REFUNDED sarah SARAH20 4000 USD, refunded 4000, commission 0"; 4]
        );
        assert_eq!(
            stats_of(app).await,
            "SARAH20 0 redeemed, 4 refunded, 0 renewals, 16000 USD, back 16000 USD, commission 0"
        );
        assert_eq!(app.ana().balance(&stage.sarah).await.0, "0 USD");
        assert_eq!(app.ana().redemption_count(&stage.sarah).await, 0);
    }

    async fn a_partial_refund_claws_back_in_proportion_and_leaves_the_redemption(app: &TestApp) {
        app.stage().await;
        for shape in Shape::ALL {
            let mut sale = sold(app, shape).await;
            refund(app, &mut sale, shape, Some(1001)).await;
        }
        // 1001 of 4000 is 200.2 of 800.
        assert_eq!(
            app.told().await,
            ["ACQUISITION PARTIALLY_REFUNDED sarah SARAH20 4000 USD, refunded 1001, commission 600"; 4]
        );
        assert_eq!(
            stats_of(app).await,
            "SARAH20 4 redeemed, 0 refunded, 0 renewals, 16000 USD, back 4004 USD, commission 2400 USD"
        );
    }

    async fn partial_refunds_add_up_to_a_full_one_that_ends_at_exactly_zero(app: &TestApp) {
        app.stage().await;
        for shape in Shape::ALL {
            let mut sale = sold(app, shape).await;
            for part in [Some(1333), Some(1333), None] {
                refund(app, &mut sale, shape, part).await;
            }
        }
        assert_eq!(
            app.told().await,
            ["ACQUISITION REFUNDED sarah SARAH20 4000 USD, refunded 4000, commission 0"; 4]
        );
        assert_eq!(
            stats_of(app).await,
            "SARAH20 0 redeemed, 4 refunded, 0 renewals, 16000 USD, back 16000 USD, commission 0"
        );
    }

    async fn a_refund_of_a_taxed_sale_is_without_tax_too(app: &TestApp) {
        app.stage().await;
        for shape in Shape::ALL {
            let mut sale = app.sale().promo(app.promo("SARAH20")).tax(800).build();
            sale.sync(&app.acme.stripe);
            app.deliver(&sale.start(shape)).await;
            refund(app, &mut sale, shape, Some(1200)).await;
        }
        assert_eq!(
            app.told().await,
            ["ACQUISITION PARTIALLY_REFUNDED sarah SARAH20 4000 USD, tax 800, refunded 1000, commission 600"; 4]
        );
    }

    async fn refund_before_sale_is_applied_when_the_sale_arrives(app: &TestApp) {
        app.stage().await;
        for shape in Shape::ALL {
            let mut sale = app.sale().promo(app.promo("SARAH20")).build();
            let start = sale.start(shape);
            refund(app, &mut sale, shape, None).await;
            assert_eq!(
                app.told().await.len(),
                position(shape),
                "nothing is credited before the sale: {shape:?}"
            );
            app.deliver(&start).await;
        }
        assert_eq!(
            app.told().await,
            ["ACQUISITION REFUNDED sarah SARAH20 4000 USD, refunded 4000, commission 0"; 4]
        );
        assert_eq!(
            stats_of(app).await,
            "SARAH20 0 redeemed, 4 refunded, 0 renewals, 16000 USD, back 16000 USD, commission 0"
        );
    }

    async fn a_refund_told_again_changes_nothing(app: &TestApp) {
        app.stage().await;
        let mut sale = sold(app, Shape::Endive).await;
        let events = sale.refund(Shape::Endive, Some(1000), Paid::First);
        sale.sync(&app.acme.stripe);
        app.deliver(&events).await;
        let (told, entries) = (app.told().await, app.count::<ledger_entry::Entity>().await);
        let mut again = events.clone();
        for (number, event) in again.iter_mut().enumerate() {
            event["id"] = json!(format!("evt_again_{number}"));
        }
        app.deliver(events.iter().chain(&again)).await;
        assert_eq!(app.told().await, told);
        assert_eq!(app.count::<ledger_entry::Entity>().await, entries);
    }

    async fn a_smaller_cumulative_figure_that_comes_late_does_not_undo_the_larger(app: &TestApp) {
        app.stage().await;
        for shape in Shape::ALL {
            let mut sale = sold(app, shape).await;
            let early = sale.refund(shape, Some(500), Paid::First);
            let late = sale.refund(shape, Some(1500), Paid::First);
            sale.sync(&app.acme.stripe);
            app.deliver(late.iter().chain(&early)).await;
        }
        assert_eq!(
            app.told().await,
            ["ACQUISITION PARTIALLY_REFUNDED sarah SARAH20 4000 USD, refunded 2000, commission 400"; 4]
        );
    }

    async fn a_refund_that_fails_afterwards_is_undone(app: &TestApp) {
        app.stage().await;
        for shape in Shape::ALL {
            let mut sale = sold(app, shape).await;
            refund(app, &mut sale, shape, None).await;
            let failed = sale.refund_fails(shape, Paid::First);
            sale.sync(&app.acme.stripe);
            app.deliver(&failed).await;
        }
        assert_eq!(
            app.told().await,
            ["ACQUISITION PENDING sarah SARAH20 4000 USD, commission 800"; 4]
        );
        assert_eq!(
            stats_of(app).await,
            "SARAH20 4 redeemed, 0 refunded, 0 renewals, 16000 USD, back 0, commission 3200 USD"
        );
    }

    async fn a_refunded_renewal_takes_off_no_redemption(app: &TestApp) {
        app.stage().await;
        for shape in Shape::ALL {
            let mut sale = sold(app, shape).await;
            let number = sale.renew_at(sale.facts.created + 30 * 86_400);
            sale.sync(&app.acme.stripe);
            app.deliver([&sale.renewal_paid(number, shape)]).await;
            let events = sale.refund(shape, None, Paid::Renewal(number));
            sale.sync(&app.acme.stripe);
            app.deliver(&events).await;
        }
        let told = app.told().await;
        assert_eq!(
            told[..4],
            ["ACQUISITION PENDING sarah SARAH20 4000 USD, commission 800"; 4]
        );
        assert_eq!(
            told[4..],
            ["RENEWAL REFUNDED sarah SARAH20 5000 USD, refunded 5000, commission 0"; 4]
        );
        assert_eq!(
            stats_of(app).await,
            "SARAH20 4 redeemed, 0 refunded, 4 renewals, 36000 USD, back 20000 USD, commission 3200 USD"
        );
    }

    async fn a_held_sale_that_is_refunded_is_refunded(app: &TestApp) {
        let stage = app.stage().await;
        app.max().set_status(&stage.sarah, "PENDING").await;
        let mut sale = sold(app, Shape::Endive).await;
        refund(app, &mut sale, Shape::Endive, Some(1000)).await;
        assert_eq!(
            app.told().await,
            ["ACQUISITION HELD sarah SARAH20 4000 USD, refunded 1000, commission 0"]
        );
        refund(app, &mut sale, Shape::Endive, None).await;
        assert_eq!(
            app.told().await,
            ["ACQUISITION REFUNDED sarah SARAH20 4000 USD, refunded 4000, commission 0"]
        );
        assert_eq!(app.count::<ledger_entry::Entity>().await, 0);
    }

    async fn a_refund_of_a_payment_without_a_sale_of_ours_changes_nothing(app: &TestApp) {
        app.stage().await;
        for shape in Shape::ALL {
            let mut sale = app.sale().build_one_off();
            let events = sale.refund(shape, None);
            sale.sync(&app.acme.stripe);
            app.deliver(&events).await;
        }
        assert_eq!(app.told().await, [""; 0]);
        assert_eq!(app.count::<redemption::Entity>().await, 0);
    }

    async fn a_whole_life_ends_as_it_should(app: &TestApp) {
        app.stage().await;
        for shape in Shape::ALL {
            let created = app.now().timestamp();
            let history = History::live(&app.clock, app.promo("SARAH20"), shape, created, &app.acme.stripe);
            app.deliver(&history.events).await;
        }
        let told = app.told().await;
        // 1650 of 4400 went back: 1500 of 4000 without tax, and 300 of 800.
        let start = "ACQUISITION PARTIALLY_REFUNDED sarah SARAH20 4000 USD, tax 400, refunded 1500, commission 500";
        assert_eq!(told[..4], [start; 4]);
        assert_eq!(
            told[4..8],
            ["RENEWAL REFUNDED sarah SARAH20 5000 USD, tax 400, refunded 5000, commission 0"; 4]
        );
        assert_eq!(
            told[8..],
            ["RENEWAL PARTIALLY_REFUNDED sarah SARAH20 5000 USD, tax 400, refunded 2500, commission 500"; 4]
        );
    }
}

fn position(shape: Shape) -> usize {
    Shape::ALL.iter().position(|it| *it == shape).unwrap()
}
