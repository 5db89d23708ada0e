//! The clicks that Stripe's objects name, wherever a version of the API puts them.

use std::collections::BTreeSet;

use entity::sale;
use rekomi::stripe::facts::Facts;
use sea_orm::{EntityTrait, QueryOrder};

use crate::support::*;

/// The clicks that each sale's facts name, the oldest sale first.
async fn told(app: &TestApp) -> Vec<Vec<String>> {
    let rows = sale::Entity::find()
        .order_by_asc(sale::Column::Id)
        .all(app.db())
        .await
        .unwrap();
    let of = |row: &sale::Model| {
        let facts: Facts = serde_json::from_str(&row.facts).unwrap();
        let all: BTreeSet<String> = facts.clicks().map(|click| click.to_string()).collect();
        all.into_iter().collect::<Vec<_>>()
    };
    rows.iter().filter(|row| row.merged_into.is_none()).map(of).collect()
}

/// How often customers were asked for.
fn asked(app: &TestApp) -> usize {
    let calls = app.standin.calls().into_iter();
    calls.filter(|call| call.path.starts_with("/v1/customers/")).count()
}

/// A customer whose metadata names a click.
fn customer(app: &TestApp, id: &str, click: &str) {
    app.acme.stripe.put(json!({
        "id": id, "object": "customer", "livemode": true, "metadata": { "rekomi_click_id": click },
    }));
}

both! {
    async fn a_session_and_the_metadata_of_a_subscription_name_it_in_every_shape(app: &TestApp) {
        let stage = app.stage().await;
        let one = app.click_on(&app.olivia(), &stage.sarah).await;
        let two = app.click_on(&app.olivia(), &stage.bob).await;
        for shape in Shape::ALL {
            let sale = app.sale().client_reference_id(&one).build_one_off();
            sale.sync(&app.acme.stripe);
            app.deliver(&sale.sold(shape)).await;
            assert_eq!(told(app).await.pop().unwrap(), std::slice::from_ref(&one), "{shape:?}");
            let sale = app.sale().metadata("rekomi_click_id", &two).client_reference_id(&one).build();
            sale.sync(&app.acme.stripe);
            app.deliver(&sale.start(shape)).await;
            assert_eq!(told(app).await.pop().unwrap(), [one.clone(), two.clone()], "{shape:?}");
        }
        assert_eq!((asked(app), app.parked().await.len()), (0, 0));
    }

    async fn what_is_no_clicks_id_is_the_brands_own_business(app: &TestApp) {
        let stage = app.stage().await;
        for text in ["order 7", "clk_", &stage.sarah, "CLK_0190000000007000800000000000000A", ""] {
            let sale = app.sale().client_reference_id(text).metadata("rekomi_click_id", text).build_one_off();
            sale.sync(&app.acme.stripe);
            app.deliver(&sale.sold(Shape::Endive)).await;
            assert_eq!(told(app).await.pop().unwrap(), Vec::<String>::new(), "{text}");
        }
        assert_eq!((asked(app), app.parked().await.len()), (0, 0), "there are no clicks, so nobody is asked");
    }

    async fn a_customer_is_asked_for_once_where_nothing_else_tells(app: &TestApp) {
        let stage = app.stage().await;
        let click = app.click_on(&app.olivia(), &stage.sarah).await;
        let sale = app.sale().customer("cus_told").build();
        sale.sync(&app.acme.stripe);
        customer(app, "cus_told", &click);
        let events = sale.start(Shape::Endive);
        for event in &events {
            app.deliver([event]).await;
        }
        app.deliver(&events).await;
        assert_eq!((told(app).await, asked(app)), (vec![vec![click.clone()]], 1));
        // A code of ours, or a click, says enough.
        let sale = app.sale().promo(app.promo("SARAH20")).build();
        sale.sync(&app.acme.stripe);
        app.deliver([&sale.invoice_paid(Shape::Acacia)]).await;
        let sale = app.sale().client_reference_id(&click).build_one_off();
        sale.sync(&app.acme.stripe);
        app.deliver(&sale.sold(Shape::Endive)).await;
        assert_eq!(asked(app), 1);
        let sale = app.sale().customer("cus_once").build_one_off();
        sale.sync(&app.acme.stripe);
        customer(app, "cus_once", &click);
        app.deliver(&sale.sold(Shape::Acacia)).await;
        assert_eq!((told(app).await.pop().unwrap(), asked(app)), (vec![click], 2));
        assert_eq!(app.parked().await, Vec::<String>::new());
    }

    async fn a_customers_click_counts_where_the_start_names_neither_click_nor_code_in_any_order(app: &TestApp) {
        let stage = app.stage_with(CampaignSpec::default(), CouponSpec::default().with("overridesClickAttribution", false)).await;
        let click = app.click_on(&app.olivia(), &stage.bob).await;
        for reversed in [false, true] {
            let name = format!("cus_{reversed}");
            customer(app, &name, &click);
            let sale = app.sale().customer(&name).promo(app.promo("SARAH20")).build();
            sale.sync(&app.acme.stripe);
            // The code is told by the invoice alone.
            let mut start = sale.subscription_created(Shape::Acacia);
            start["data"]["object"]["discount"] = Value::Null;
            start["data"]["object"]["discounts"] = json!([]);
            let mut events = [start, sale.invoice_paid(Shape::Acacia)];
            if reversed {
                events.reverse();
            }
            for event in &events {
                app.deliver([event]).await;
            }
        }
        assert_eq!(app.told().await, ["ACQUISITION PENDING sarah SARAH20 4000 USD, commission 800"; 2]);
    }

    async fn no_event_is_set_aside_for_a_customer_that_tells_nothing(app: &TestApp) {
        let stage = app.stage().await;
        app.click_on(&app.olivia(), &stage.sarah).await;
        let deleted = app.sale().customer("cus_gone").build_one_off();
        deleted.sync(&app.acme.stripe);
        app.acme.stripe.put(json!({ "id": "cus_gone", "object": "customer", "deleted": true }));
        app.deliver(&deleted.sold(Shape::Endive)).await;
        assert_eq!(asked(app), 1);
        // Stripe has never heard of this one.
        app.deliver(&app.sale().customer("cus_nobody").build_one_off().sold(Shape::Endive)).await;
        assert_eq!(asked(app), 2);
        // A restricted key that may not read customers.
        app.standin.fault(Fault::new(FaultKind::Forbidden).on_path("/v1/customers").always());
        let sale = app.sale().build_one_off();
        sale.sync(&app.acme.stripe);
        app.deliver(&sale.sold(Shape::Endive)).await;
        // Acme has no key for the test mode.
        app.deliver(&app.sale().test_mode().build_one_off().sold(Shape::Endive)).await;
        assert_eq!((asked(app), told(app).await.len()), (3, 4));
        assert_eq!(app.parked().await, Vec::<String>::new());
    }

    async fn a_customer_that_is_not_shown_is_asked_for_once(app: &TestApp) {
        let stage = app.stage().await;
        app.click_on(&app.olivia(), &stage.sarah).await;
        for customer in ["cus_nobody", "cus_forbidden"] {
            let before = asked(app);
            let sale = app.sale().customer(customer).build();
            sale.sync(&app.acme.stripe);
            if customer == "cus_forbidden" {
                app.standin.fault(Fault::new(FaultKind::Forbidden).on_path("/v1/customers").always());
            }
            for event in &sale.start(Shape::Endive) {
                app.deliver([event]).await;
            }
            app.deliver([&sale.invoice_paid(Shape::Acacia)]).await;
            assert_eq!((asked(app) - before, app.parked().await.len()), (1, 0), "{customer}");
        }
    }

    async fn a_key_that_is_no_good_loses_no_customers_click(app: &TestApp) {
        let stage = app.stage().await;
        let click = app.click_on(&app.olivia(), &stage.sarah).await;
        let sale = app.sale().customer("cus_later").build();
        sale.sync(&app.acme.stripe);
        customer(app, "cus_later", &click);
        app.standin.fault(Fault::new(FaultKind::Revoked).on_path("/v1/customers").times(2));
        app.deliver([&sale.invoice_paid(Shape::Acacia)]).await;
        assert_eq!((told(app).await, app.parked().await), (vec![vec![click]], vec![]));
    }

    async fn a_customer_that_does_not_answer_is_waited_for(app: &TestApp) {
        let stage = app.stage().await;
        let click = app.click_on(&app.olivia(), &stage.sarah).await;
        let sale = app.sale().customer("cus_later").build_one_off();
        sale.sync(&app.acme.stripe);
        customer(app, "cus_later", &click);
        app.standin.fault(Fault::new(FaultKind::ServerError).on_path("/v1/customers").times(2));
        app.deliver(&sale.sold(Shape::Endive)).await;
        assert_eq!((told(app).await, app.parked().await), (vec![vec![click]], vec![]));
    }
}
