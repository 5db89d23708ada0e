//! Disputes: what they hold while they are open, what a lost one takes, what a won one leaves.

use chrono::TimeDelta;
use entity::{
    feed_event::{self, FeedKind},
    ledger_entry,
};
use rekomi::standin::{DisputeStep, SubscriptionSale};
use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter};

use crate::support::*;

const OPEN: [DisputeStep; 2] = [DisputeStep::Created, DisputeStep::FundsWithdrawn];

/// A sale of 4000 USD that was told.
async fn sold(app: &TestApp, shape: Shape) -> SubscriptionSale {
    let sale = app.sale().promo(app.promo("SARAH20")).build();
    sale.sync(&app.acme.stripe);
    app.deliver(&sale.start(shape)).await;
    sale
}

/// The next steps of the first payment's dispute, a second apart, told as they come.
async fn dispute(app: &TestApp, sale: &mut SubscriptionSale, shape: Shape, steps: &[DisputeStep]) {
    for step in steps {
        app.pass(TimeDelta::seconds(1));
        let event = sale.dispute(shape, *step, Paid::First);
        sale.sync(&app.acme.stripe);
        app.deliver([&event]).await;
    }
}

/// The same for a dispute about a part.
async fn dispute_part(app: &TestApp, sale: &mut SubscriptionSale, amount: i64, steps: &[DisputeStep]) {
    let (first, rest) = steps.split_first().unwrap();
    let event = sale.dispute_part(Shape::Endive, *first, amount, Paid::First);
    sale.sync(&app.acme.stripe);
    app.deliver([&event]).await;
    dispute(app, sale, Shape::Endive, rest).await;
}

async fn refund(app: &TestApp, sale: &mut SubscriptionSale, amount: i64) {
    let events = sale.refund(Shape::Endive, Some(amount), Paid::First);
    sale.sync(&app.acme.stripe);
    app.deliver(&events).await;
}

async fn updates(app: &TestApp) -> u64 {
    let rows = feed_event::Entity::find().filter(feed_event::Column::Kind.eq(FeedKind::ConversionUpdated));
    rows.count(app.db()).await.unwrap()
}

both! {
    async fn an_open_dispute_holds_what_the_sale_earned(app: &TestApp) {
        let stage = app.stage().await;
        let mut sales = vec![];
        for shape in Shape::ALL {
            let mut sale = sold(app, shape).await;
            dispute(app, &mut sale, shape, &OPEN).await;
            dispute(app, &mut sale, shape, &[DisputeStep::UnderReview]).await;
            sales.push((shape, sale));
        }
        app.pass(TimeDelta::days(31));
        sold(app, Shape::Acacia).await;
        let mut told = app.told().await;
        assert_eq!(told.pop().unwrap(), "ACQUISITION PENDING sarah SARAH20 4000 USD, commission 800");
        assert_eq!(told, ["ACQUISITION DISPUTED sarah SARAH20 4000 USD, commission 800"; 4]);
        assert_eq!(
            app.stats().await,
            ["SARAH20 5 redeemed, 0 refunded, 0 renewals, 20000 USD, back 0, commission 4000 USD"]
        );
        let due = async || app.ana().balance(&stage.sarah).await;
        assert_eq!(due().await, ("4000 USD".into(), "0 USD".into()));
        let disputed = "{ conversions(filter: { status: [DISPUTED] }) { totalCount } }";
        assert_eq!(app.ana().query(disputed).await["conversions"]["totalCount"], 4);

        let entries = app.count::<ledger_entry::Entity>().await;
        for (shape, sale) in &mut sales {
            dispute(app, sale, *shape, &[DisputeStep::Won, DisputeStep::FundsReinstated]).await;
        }
        assert_eq!(due().await, ("4000 USD".into(), "3200 USD".into()));
        assert_eq!(app.told().await[..4], ["ACQUISITION APPROVED sarah SARAH20 4000 USD, commission 800"; 4]);
        assert_eq!(app.count::<ledger_entry::Entity>().await, entries, "nothing was taken, nothing given back");
    }

    async fn a_dispute_that_is_opened_again_holds_again(app: &TestApp) {
        let stage = app.stage().await;
        let mut sale = sold(app, Shape::Endive).await;
        app.pass(TimeDelta::days(31));
        dispute(app, &mut sale, Shape::Endive, &OPEN).await;
        dispute(app, &mut sale, Shape::Endive, &[DisputeStep::Lost]).await;
        assert_eq!(app.ana().balance(&stage.sarah).await, ("0 USD".into(), "0 USD".into()));
        dispute(app, &mut sale, Shape::Endive, &[DisputeStep::Appealed]).await;
        assert_eq!(
            app.told().await,
            ["ACQUISITION DISPUTED sarah SARAH20 4000 USD, commission 800"]
        );
        assert_eq!(app.ana().balance(&stage.sarah).await, ("800 USD".into(), "0 USD".into()));
        dispute(app, &mut sale, Shape::Endive, &[DisputeStep::FundsReinstated]).await;
        assert_eq!(app.ana().balance(&stage.sarah).await, ("800 USD".into(), "800 USD".into()));
    }

    async fn a_lost_dispute_is_a_refund(app: &TestApp) {
        let stage = app.stage().await;
        for shape in Shape::ALL {
            let mut sale = sold(app, shape).await;
            dispute(app, &mut sale, shape, &OPEN).await;
            dispute(app, &mut sale, shape, &[DisputeStep::Lost]).await;
        }
        assert_eq!(
            app.told().await,
            ["ACQUISITION REFUNDED sarah SARAH20 4000 USD, refunded 4000, commission 0"; 4]
        );
        assert_eq!(
            app.stats().await,
            ["SARAH20 0 redeemed, 4 refunded, 0 renewals, 16000 USD, back 16000 USD, commission 0"]
        );
        assert_eq!(app.ana().balance(&stage.sarah).await.0, "0 USD");
        assert_eq!(app.ana().redemption_count(&stage.sarah).await, 0);
    }

    async fn an_inquiry_changes_nothing(app: &TestApp) {
        app.stage().await;
        for shape in Shape::ALL {
            for steps in [&[DisputeStep::Inquiry, DisputeStep::InquiryClosed][..], &[DisputeStep::Prevented]] {
                let mut sale = sold(app, shape).await;
                dispute(app, &mut sale, shape, steps).await;
            }
        }
        assert_eq!(
            app.told().await,
            ["ACQUISITION PENDING sarah SARAH20 4000 USD, commission 800"; 8]
        );
        assert_eq!(updates(app).await, 0);
        assert_eq!(app.parked().await, [""; 0]);
    }

    async fn an_inquiry_may_grow_into_a_dispute(app: &TestApp) {
        app.stage().await;
        let mut sale = sold(app, Shape::Endive).await;
        dispute(app, &mut sale, Shape::Endive, &[DisputeStep::Inquiry, DisputeStep::FundsWithdrawn]).await;
        assert_eq!(
            app.told().await,
            ["ACQUISITION DISPUTED sarah SARAH20 4000 USD, commission 800"]
        );
    }

    async fn money_that_is_reinstated_after_a_loss_stands_again(app: &TestApp) {
        let stage = app.stage().await;
        for shape in Shape::ALL {
            let mut sale = sold(app, shape).await;
            dispute(app, &mut sale, shape, &OPEN).await;
            dispute(app, &mut sale, shape, &[DisputeStep::Lost, DisputeStep::FundsReinstated]).await;
        }
        assert_eq!(
            app.told().await,
            ["ACQUISITION PENDING sarah SARAH20 4000 USD, commission 800"; 4]
        );
        assert_eq!(
            app.stats().await,
            ["SARAH20 4 redeemed, 0 refunded, 0 renewals, 16000 USD, back 0, commission 3200 USD"]
        );
        assert_eq!(app.ana().redemption_count(&stage.sarah).await, 4);
    }

    async fn a_dispute_about_a_part_stands_beside_refunds_of_parts(app: &TestApp) {
        app.stage().await;
        let mut sale = sold(app, Shape::Endive).await;
        refund(app, &mut sale, 1000).await;
        dispute_part(app, &mut sale, 2000, &OPEN).await;
        assert_eq!(
            app.told().await,
            ["ACQUISITION DISPUTED sarah SARAH20 4000 USD, refunded 1000, commission 600"]
        );
        dispute(app, &mut sale, Shape::Endive, &[DisputeStep::Lost]).await;
        assert_eq!(
            app.told().await,
            ["ACQUISITION PARTIALLY_REFUNDED sarah SARAH20 4000 USD, refunded 3000, commission 200"]
        );
        refund(app, &mut sale, 1000).await;
        assert_eq!(
            app.told().await,
            ["ACQUISITION REFUNDED sarah SARAH20 4000 USD, refunded 4000, commission 0"]
        );
        assert_eq!(
            app.stats().await,
            ["SARAH20 0 redeemed, 1 refunded, 0 renewals, 4000 USD, back 4000 USD, commission 0"]
        );
    }

    async fn a_bank_that_takes_what_was_refunded_too_takes_no_more_than_was_paid(app: &TestApp) {
        app.stage().await;
        let mut sale = sold(app, Shape::Endive).await;
        refund(app, &mut sale, 1000).await;
        dispute(app, &mut sale, Shape::Endive, &OPEN).await;
        // It is shown the refund, and gives that part back. The dispute goes on about the rest.
        dispute(app, &mut sale, Shape::Endive, &[DisputeStep::PartReinstated(1000)]).await;
        assert_eq!(
            app.told().await,
            ["ACQUISITION DISPUTED sarah SARAH20 4000 USD, refunded 1000, commission 600"]
        );
        dispute(app, &mut sale, Shape::Endive, &[DisputeStep::Lost]).await;
        let refunded = ["ACQUISITION REFUNDED sarah SARAH20 4000 USD, refunded 4000, commission 0"];
        assert_eq!(app.told().await, refunded);

        let mut sale = sold(app, Shape::Endive).await;
        dispute(app, &mut sale, Shape::Endive, &OPEN).await;
        dispute(app, &mut sale, Shape::Endive, &[DisputeStep::Lost]).await;
        refund(app, &mut sale, 1000).await;
        assert_eq!(app.told().await, [refunded[0]; 2]);
    }

    async fn a_dispute_before_its_sale_is_applied_when_the_sale_comes(app: &TestApp) {
        app.stage().await;
        for (steps, status) in [(&OPEN[..], "DISPUTED"), (&[DisputeStep::Lost], "REFUNDED")] {
            for shape in Shape::ALL {
                let mut sale = app.sale().promo(app.promo("SARAH20")).build();
                let start = sale.start(shape);
                let before = app.told().await.len();
                dispute(app, &mut sale, shape, steps).await;
                assert_eq!(app.told().await.len(), before, "nothing is credited before the sale: {shape:?}");
                app.deliver(&start).await;
            }
            let told = app.told().await;
            let as_it_should = told.iter().filter(|line| line.contains(status)).count();
            assert_eq!(as_it_should, 4, "{told:#?}");
        }
        assert_eq!(app.parked().await, [""; 0]);
    }

    async fn a_dispute_whose_payment_nobody_tied_to_its_invoice_finds_it(app: &TestApp) {
        app.stage().await;
        for shape in [Shape::Basil, Shape::Endive] {
            let mut sale = app.sale().promo(app.promo("SARAH20")).build();
            sale.sync(&app.acme.stripe);
            app.deliver([&sale.invoice_paid(shape)]).await;
            dispute(app, &mut sale, shape, &OPEN).await;
        }
        assert_eq!(
            app.told().await,
            ["ACQUISITION DISPUTED sarah SARAH20 4000 USD, commission 800"; 2]
        );
    }

    async fn a_renewals_dispute_leaves_the_redemption_alone(app: &TestApp) {
        app.stage().await;
        for shape in Shape::ALL {
            let mut sale = sold(app, shape).await;
            let number = sale.renew_at(sale.facts.created + 30 * 86_400);
            let mut events = vec![sale.renewal_paid(number, shape)];
            for step in [OPEN[0], OPEN[1], DisputeStep::Lost] {
                events.push(sale.dispute(shape, step, Paid::Renewal(number)));
            }
            sale.sync(&app.acme.stripe);
            app.deliver(&events).await;
        }
        let told = app.told().await;
        assert_eq!(told[..4], ["ACQUISITION PENDING sarah SARAH20 4000 USD, commission 800"; 4]);
        assert_eq!(told[4..], ["RENEWAL REFUNDED sarah SARAH20 5000 USD, refunded 5000, commission 0"; 4]);
        assert_eq!(
            app.stats().await,
            ["SARAH20 4 redeemed, 0 refunded, 4 renewals, 36000 USD, back 20000 USD, commission 3200 USD"]
        );
    }

    async fn the_feed_tells_of_each_change_once(app: &TestApp) {
        app.stage().await;
        let mut sale = sold(app, Shape::Acacia).await;
        let before = updates(app).await;
        let steps = [
            (DisputeStep::Created, 1),
            (DisputeStep::FundsWithdrawn, 0),
            (DisputeStep::UnderReview, 0),
            (DisputeStep::Lost, 1),
            (DisputeStep::FundsReinstated, 1),
        ];
        let mut expected = before;
        for (step, told) in steps {
            expected += told;
            dispute(app, &mut sale, Shape::Acacia, &[step]).await;
            assert_eq!(updates(app).await, expected, "{step:?}");
        }
    }

    async fn a_held_sale_is_disputed_and_held_again(app: &TestApp) {
        let stage = app.stage().await;
        app.max().set_status(&stage.sarah, "PENDING").await;
        let mut sale = sold(app, Shape::Endive).await;
        dispute(app, &mut sale, Shape::Endive, &OPEN).await;
        assert_eq!(
            app.told().await,
            ["ACQUISITION DISPUTED sarah SARAH20 4000 USD, commission 0"]
        );
        dispute(app, &mut sale, Shape::Endive, &[DisputeStep::Won]).await;
        assert_eq!(
            app.told().await,
            ["ACQUISITION HELD sarah SARAH20 4000 USD, commission 0"]
        );
        assert_eq!(app.count::<ledger_entry::Entity>().await, 0);
    }

    async fn a_dispute_of_a_payment_without_a_sale_of_ours_changes_nothing(app: &TestApp) {
        app.stage().await;
        for shape in Shape::ALL {
            let mut sale = app.sale().build_one_off();
            let events = [OPEN[0], OPEN[1], DisputeStep::Lost].map(|step| sale.dispute(shape, step));
            sale.sync(&app.acme.stripe);
            app.deliver(&events).await;
        }
        assert_eq!(app.told().await, [""; 0]);
        assert_eq!(app.parked().await, [""; 0]);
    }

    async fn a_dispute_in_a_state_that_nobody_knows_is_set_aside(app: &TestApp) {
        app.stage().await;
        let mut sale = sold(app, Shape::Endive).await;
        let mut event = sale.dispute(Shape::Endive, DisputeStep::Created, Paid::First);
        event["data"]["object"]["status"] = json!("adjourned");
        let id = event["data"]["object"]["id"].as_str().unwrap();
        let why = format!("charge.dispute.created: the dispute {id} has no known status");
        app.deliver([&event]).await;
        assert_eq!(app.parked().await, [why]);
        assert_eq!(
            app.told().await,
            ["ACQUISITION PENDING sarah SARAH20 4000 USD, commission 800"]
        );
    }
}
