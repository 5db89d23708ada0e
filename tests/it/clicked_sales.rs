//! Stripe's sales that name clicks: who earns them and their renewals, in every order, and what comes late.

use chrono::TimeDelta;
use entity::id::ClickId;

use crate::support::{app::NOON, told::trail, *};

const DAY: i64 = 86_400;

/// The usual stage, and a day later.
async fn staged(app: &TestApp, overrides: bool) -> Stage {
    let coupon = CouponSpec::default().with("overridesClickAttribution", overrides);
    let stage = app.stage_with(CampaignSpec::default(), coupon).await;
    app.pass(TimeDelta::days(1));
    stage
}

async fn one_off(app: &TestApp, click: ClickId) {
    let sale = app.sale().client_reference_id(click.to_string()).build_one_off();
    sale.sync(&app.acme.stripe);
    app.deliver(&sale.sold(Shape::Endive)).await;
}

both! {
    async fn a_subscription_and_its_renewals_are_the_clicks_in_any_order_and_go_back(app: &TestApp) {
        let stage = staged(app, false).await;
        let click = app.click(&stage.bob, &stage.campaign, 1, NOON).await;
        for shape in Shape::ALL {
            for reversed in [false, true] {
                let builder = app.sale().promo(app.promo("SARAH20")).metadata("rekomi_click_id", click.to_string());
                let mut sale = builder.build();
                let number = sale.renew_at(sale.facts.created + 90 * DAY);
                let mut events = sale.start(shape);
                events.push(sale.renewal_paid(number, shape));
                events.extend(sale.refund(shape, Some(1000), Paid::First));
                if reversed {
                    events.reverse();
                }
                sale.sync(&app.acme.stripe);
                for event in &events {
                    app.deliver([event]).await;
                }
            }
        }
        let start = "ACQUISITION PARTIALLY_REFUNDED bob SARAH20 4000 USD, refunded 1000, commission 600";
        let renewal = "RENEWAL PENDING bob - 5000 USD, commission 1000";
        assert_eq!(app.told().await, [[start; 8], [renewal; 8]].concat());
        assert_eq!(app.ana().balance(&stage.bob).await.0, "12800 USD");
        assert!(app.ana().balance(&stage.sarah).await.0.starts_with('0'));
        assert_eq!(
            app.stats().await,
            ["SARAH20 8 redeemed, 0 refunded, 0 renewals, 0, back 0, commission 0"]
        );
    }

    async fn a_click_that_is_told_after_the_sale_moves_what_was_earned(app: &TestApp) {
        let stage = staged(app, false).await;
        let click = app.click(&stage.bob, &stage.campaign, 1, NOON).await;
        let builder = app.sale().promo(app.promo("SARAH20"));
        let mut sale = builder.client_reference_id(click.to_string()).build();
        let number = sale.renew_at(sale.facts.created + 30 * DAY);
        sale.sync(&app.acme.stripe);
        let shape = Shape::Endive;
        app.deliver([&sale.subscription_created(shape), &sale.invoice_paid(shape)]).await;
        app.deliver([&sale.renewal_paid(number, shape)]).await;
        assert_eq!(app.ana().balance(&stage.sarah).await.0, "1800 USD");
        app.deliver([&sale.session_completed(shape)]).await;
        assert_eq!(app.ana().balance(&stage.sarah).await.0, "0 USD");
        assert_eq!(app.ana().balance(&stage.bob).await.0, "1800 USD");
    }

    async fn what_a_visitor_does_after_the_sale_is_no_evidence_of_it(app: &TestApp) {
        let stage = staged(app, true).await;
        let click = app.click(&stage.sarah, &stage.campaign, 1, NOON).await;
        one_off(app, click).await;
        let before = trail(&app.ana().conversions().await[0]);
        app.pass(TimeDelta::days(1));
        app.click(&stage.bob, &stage.campaign, 1, app.now().timestamp()).await;
        app.click(&stage.sarah, &stage.campaign, 1, app.now().timestamp()).await;
        // `rebuild --verify` is run now, and does not see them.
        assert_eq!(trail(&app.ana().conversions().await[0]), before);
        assert_eq!(before, [format!("CLICK CREDITED {click} was followed at 2026-11-01T12:00:00Z")]);
    }

    async fn a_subscription_that_is_paid_long_after_its_start_keeps_its_click(app: &TestApp) {
        let stage = staged(app, true).await;
        let click = app.click(&stage.bob, &stage.campaign, 1, NOON).await;
        app.pass(TimeDelta::days(40));
        let builder = app.sale().metadata("rekomi_click_id", click.to_string());
        let sale = builder.build();
        let mut created = sale.subscription_created(Shape::Acacia);
        created["data"]["object"]["latest_invoice"] = Value::Null;
        app.deliver([&created]).await;
        assert_eq!(app.told().await, ["ACQUISITION PENDING bob - 0 USD, commission 0, amount pending"]);
        // An invoice that is due in 30 days: by then the click is older than the window of 60.
        let mut paid = sale.invoice_paid(Shape::Acacia);
        let at = sale.facts.created + 30 * DAY;
        paid["data"]["object"]["status_transitions"]["paid_at"] = json!(at);
        paid["created"] = json!(at);
        app.deliver([&paid]).await;
        assert_eq!(app.told().await, ["ACQUISITION PENDING bob - 5000 USD, commission 1000"]);
    }

    async fn a_sale_whose_click_is_not_stored_yet_is_looked_at_again(app: &TestApp) {
        let stage = staged(app, true).await;
        let early = ClickId(app.clock.new_id());
        let sale = app.sale().client_reference_id(early.to_string()).build_one_off();
        sale.sync(&app.acme.stripe);
        for event in &sale.sold(Shape::Endive) {
            assert_eq!(app.instance.post(&app.acme, event).await, 200);
        }
        app.until_it_waits().await;
        assert_eq!(app.told().await, [""; 0]);
        app.late_click(early, &stage.sarah, &stage.campaign).await;
        app.settle().await;
        assert_eq!(app.told().await, ["ONE_OFF PENDING sarah - 5000 USD, commission 1000"]);
        assert_eq!(app.parked().await, Vec::<String>::new());
    }

    async fn a_click_that_never_comes_is_waited_for_and_not_for_long(app: &TestApp) {
        staged(app, true).await;
        let start = app.now();
        one_off(app, ClickId(app.clock.new_id())).await;
        let waited = app.now() - start;
        assert!(waited > TimeDelta::seconds(5) && waited < TimeDelta::minutes(1), "{waited}");
        // An old one was never stored; one of tomorrow is not a click of ours.
        for at in [app.now() - TimeDelta::hours(1), app.now() + TimeDelta::days(1)] {
            let start = app.now();
            let id = rekomi::clock::Clock::manual(at).new_id();
            one_off(app, ClickId(id)).await;
            assert_eq!(app.now(), start);
        }
        assert_eq!((app.told().await, app.parked().await), (vec![], vec![]));
    }

    async fn of_a_machines_clicks_the_first_thousand_count_and_what_the_sale_names(app: &TestApp) {
        let stage = staged(app, true).await;
        app.clicks(&stage.sarah, &stage.campaign, 7, NOON, 1000).await;
        let unread = app.click(&stage.bob, &stage.campaign, 7, NOON + 2000).await;
        let last = app.click(&stage.sarah, &stage.campaign, 7, NOON + 3000).await;
        one_off(app, last).await;
        one_off(app, unread).await;
        let sold = |who| format!("ONE_OFF PENDING {who} - 5000 USD, commission 1000");
        assert_eq!(app.told().await, [sold("sarah"), sold("bob")]);
        let steps = trail(&app.ana().conversions().await[0]);
        assert_eq!(steps, [format!("CLICK CREDITED {last} was followed at 2026-11-01T12:50:00Z")]);
    }

    async fn a_decision_stays_with_a_sale_whose_name_changes(app: &TestApp) {
        let stage = staged(app, false).await;
        let click = app.click(&stage.bob, &stage.campaign, 1, NOON).await;
        let sale = app.sale().with_invoice().client_reference_id(click.to_string()).build_one_off();
        sale.sync(&app.acme.stripe);
        app.deliver([&sale.session_completed(Shape::Endive)]).await;
        let conversion = app.ana().conversions().await.swap_remove(0);
        let input = json!({ "id": conversion["id"], "affiliateId": stage.sarah, "reason": "hers" });
        app.max().make("reassignConversion", "conversion", "id", input).await;
        let input = json!({ "ids": [conversion["id"]], "reason": "fraud" });
        app.max().mutate("rejectConversions", "results { conversion { id } }", input).await;
        app.deliver(&sale.sold(Shape::Endive)).await;
        assert_eq!(app.told().await, ["ONE_OFF REJECTED sarah - 5000 USD, commission 0"]);
        let input = json!({ "ids": [conversion["id"]], "reason": "it was none" });
        app.max().mutate("approveConversions", "results { conversion { id } }", input).await;
        assert_eq!(app.told().await, ["ONE_OFF PENDING sarah - 5000 USD, commission 1000"]);
        assert_eq!(app.ana().balance(&stage.bob).await.0, "0 USD");
    }

    async fn a_sale_that_is_told_to_be_in_the_future_is_of_when_it_was_told(app: &TestApp) {
        let stage = staged(app, true).await;
        let at = app.now() + TimeDelta::minutes(4);
        let sale = reported("ahead", json!({ "affiliateId": stage.bob, "occurredAt": at }));
        let max = app.max();
        let fields = "id occurredAt status";
        let first = max.make("recordConversion", "conversion", fields, sale.clone()).await;
        assert_eq!(first["occurredAt"], app.now().to_rfc3339());
        app.pass(TimeDelta::minutes(1));
        max.set_status(&stage.bob, "SUSPENDED").await;
        app.pass(TimeDelta::minutes(1));
        assert_eq!(max.make("recordConversion", "conversion", fields, sale).await, first);
        let other = json!({ "affiliateId": stage.bob, "occurredAt": at + TimeDelta::seconds(1) });
        let mistakes = max.mistakes("recordConversion", "conversion", reported("ahead", other)).await;
        assert_eq!(mistakes, [mistake("TAKEN", "externalId")]);
    }
}
