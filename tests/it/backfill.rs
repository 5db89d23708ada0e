//! Backfilling: what Stripe lists goes into the inbox, once, and comes to the same figures as if it had been delivered.

use chrono::TimeDelta;
use entity::stripe_event;
use rekomi::{
    standin::{CreditTo, DisputeStep},
    stripe::backfill::{Told, failure},
};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder};

use crate::support::{history::History, *};

const CREDITED: &str = "ACQUISITION PENDING sarah SARAH20 4000 USD, commission 800";
/// A sale of two months ago.
const OLD: &str = "ACQUISITION APPROVED sarah SARAH20 4000 USD, commission 800";

fn told(list: &'static str, fetched: u64, new: u64) -> Told {
    Told {
        list,
        fetched,
        new,
        error: None,
    }
}

/// The bodies of the inbox, as JSON, in the order of their ids.
async fn bodies(app: &TestApp, kind: &str) -> Vec<Value> {
    let rows = stripe_event::Entity::find()
        .filter(stripe_event::Column::Kind.eq(kind))
        .order_by_asc(stripe_event::Column::StripeId);
    let rows = rows.all(app.db()).await.unwrap();
    rows.iter()
        .map(|row| serde_json::from_slice(&row.body).unwrap())
        .collect()
}

both! {
    async fn events_are_stored_as_stripe_gives_them_and_those_that_were_delivered_are_not_doubled(app: &TestApp) {
        app.stage().await;
        let [delivered, lost] = std::array::from_fn(|_| app.sale().promo(app.promo("SARAH20")).build());
        for sale in [&delivered, &lost] {
            sale.sync(&app.acme.stripe);
            sale.start(Shape::Endive).into_iter().for_each(|event| app.acme.stripe.put(event));
        }
        let mut events = app.acme.stripe.all("event");
        events.sort_by_key(|event| event["id"].as_str().map(str::to_owned));
        let of = |kind: &str| events.iter().filter(|event| event["type"] == kind).cloned().collect::<Vec<_>>();
        app.deliver([&of("invoice.paid")[0]]).await;
        assert_eq!(app.told().await, [CREDITED]);

        let all = app.backfill(&app.acme, app.now() - TimeDelta::days(1)).await;
        assert_eq!((all[0].list, all[0].fetched - all[0].new, all.len()), ("events", 1, 2));
        assert_eq!(app.told().await, [CREDITED; 2]);
        assert_eq!(bodies(app, "invoice.paid").await, of("invoice.paid"));
        assert_eq!(bodies(app, "customer.subscription.created").await, of("customer.subscription.created"));
        let call = app.standin.calls().into_iter().find(|call| call.path == "/v1/events").unwrap();
        assert!(call.params["types"].as_array().is_some_and(|types| types.contains(&json!("invoice.paid")) && types.len() <= 20));
    }

    async fn what_is_older_than_the_moment_stays_where_it_is(app: &TestApp) {
        app.stage().await;
        for days in [3, 1] {
            let sale = app.sale().promo(app.promo("SARAH20")).created((app.now() - TimeDelta::days(days)).timestamp()).build();
            app.acme.stripe.put(sale.invoice_paid(Shape::Acacia));
        }
        let since = app.now() - TimeDelta::days(2);
        assert_eq!(app.backfill(&app.acme, since).await, [told("events", 1, 1), told("coupon_events", 0, 0)]);
        assert_eq!(app.told().await, [CREDITED]);
    }

    async fn more_than_a_page_is_fetched_page_by_page_and_twice_changes_nothing(app: &TestApp) {
        for _ in 0..230 {
            app.acme.stripe.put(app.sale().build().invoice_paid(Shape::Acacia));
        }
        let since = app.now() - TimeDelta::days(1);
        assert_eq!(app.backfill(&app.acme, since).await, [told("events", 230, 230), told("coupon_events", 0, 0)]);
        assert_eq!((app.pages("/v1/events"), app.inbox().await), (4, 230));
        let before = app.state().await;
        assert_eq!(app.backfill(&app.acme, since).await, [told("events", 230, 0), told("coupon_events", 0, 0)]);
        assert_eq!(app.state().await, before);
    }

    async fn a_list_that_gives_one_page_for_ever_is_given_up(app: &TestApp) {
        let page = json!({ "data": [app.sale().build().invoice_paid(Shape::Acacia)], "has_more": true }).to_string();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stripe = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
        let routes = axum::Router::new().fallback(move || async move { page });
        let server = tokio::spawn(async move { axum::serve(listener, routes).await });
        let all = app.list_from(&stripe, &app.acme, app.now() - TimeDelta::days(1)).await;
        let error = Some("Stripe gives the same page again and again".to_owned());
        let again = Told { error: error.clone(), ..told("coupon_events", 1, 0) };
        assert_eq!(all, [Told { error, ..told("events", 1, 1) }, again]);
        server.abort();
        app.settle().await;
    }

    async fn old_sales_told_by_their_objects_come_to_the_same_as_told_by_events(app: &TestApp) {
        app.stage().await;
        let created = (app.now() - TimeDelta::days(90)).timestamp();
        let live = |account| History::live(&app.clock, app.promo("SARAH20"), Shape::Endive, created, account);
        // Events of the one, objects of the other: each has an account of Stripe's to be looked up in.
        let by_events = live(&app.acme.stripe);
        app.deliver(&by_events.events).await;
        let expected = by_events.outcome(app.db()).await;
        assert!(expected.len() > 3, "{expected:?}");

        let elsewhere = app.standin.account("sk_live_elsewhere");
        let by_objects = live(&elsewhere);
        for kind in ["invoice", "subscription", "checkout.session", "refund", "dispute", "discount", "invoice_payment", "charge", "payment_intent", "customer"] {
            elsewhere.all(kind).into_iter().for_each(|object| app.acme.stripe.put(object));
        }
        let since = app.now() - TimeDelta::days(100);
        let all = app.backfill(&app.acme, since).await;
        assert_eq!(failure(&all), None);
        assert_eq!(all.len(), 8);
        assert_eq!(by_objects.outcome(app.db()).await, expected);
        assert_eq!(by_events.outcome(app.db()).await, expected);
        assert_eq!(app.parked().await, Vec::<String>::new());

        let before = app.state().await;
        let again = app.backfill(&app.acme, since).await;
        assert_eq!(again.iter().map(|told| told.new).sum::<u64>(), 0, "{again:?}");
        assert_eq!(app.state().await, before);
    }

    async fn old_one_offs_and_their_credit_notes_come_to_the_same_too(app: &TestApp) {
        app.stage().await;
        let created = (app.now() - TimeDelta::days(60)).timestamp();
        let sold = || {
            let builder = || app.sale().promo(app.promo("SARAH20")).tax(400).created(created);
            let (mut plain, mut disputed) = (builder().build_one_off(), builder().build_one_off());
            let mut invoiced = builder().with_invoice().build_one_off();
            let mut events = [plain.sold(Shape::Endive), disputed.sold(Shape::Endive), invoiced.sold(Shape::Endive)].concat();
            events.extend(plain.refund(Shape::Endive, Some(1100)));
            for step in [DisputeStep::Created, DisputeStep::FundsWithdrawn, DisputeStep::Lost] {
                events.push(disputed.dispute(Shape::Endive, step));
            }
            for to in [CreditTo::Refund, CreditTo::OutsideStripe] {
                events.extend(invoiced.credit(Shape::Endive, 1100, to));
            }
            for sale in [&plain, &disputed, &invoiced] {
                sale.sync(&app.acme.stripe);
            }
            events
        };
        app.deliver(&sold()).await;
        let mut expected = app.told().await;
        assert_eq!(expected.len(), 3);
        sold();
        let all = app.backfill(&app.acme, app.now() - TimeDelta::days(61)).await;
        assert_eq!(failure(&all), None);
        let counts: Vec<_> = all.iter().map(|told| (told.list, told.new)).collect();
        assert_eq!(
            counts,
            [("events", 0), ("invoices", 2), ("subscriptions", 0), ("checkout/sessions", 6), ("refunds", 4), ("disputes", 2), ("credit_notes", 4), ("coupon_events", 0)]
        );
        expected.extend(expected.clone());
        expected.sort();
        let mut told = app.told().await;
        told.sort();
        assert_eq!((told, app.parked().await), (expected, vec![]));
    }

    async fn what_is_listed_has_all_that_would_have_to_be_fetched(app: &TestApp) {
        app.stage().await;
        let created = (app.now() - TimeDelta::days(60)).timestamp();
        let sale = app.sale().promo(app.promo("SARAH20")).line_level().created(created).build();
        sale.sync(&app.acme.stripe);
        let minted = app.standin.calls().len();
        let all = app.backfill(&app.acme, app.now() - TimeDelta::days(61)).await;
        assert_eq!(all.len(), 8);
        assert_eq!(app.told().await, [OLD]);
        assert_eq!(app.standin.calls().len() - minted, 8, "the lists and nothing else");
        let session = &bodies(app, "checkout.session.completed").await[0]["data"]["object"];
        assert_eq!(session["total_details"]["breakdown"]["discounts"][0]["amount"], 1000);
    }

    async fn one_list_that_the_key_may_not_read_does_not_keep_the_others(app: &TestApp) {
        app.stage().await;
        let created = (app.now() - TimeDelta::days(60)).timestamp();
        let sale = app.sale().promo(app.promo("SARAH20")).created(created).build();
        sale.sync(&app.acme.stripe);
        app.standin.fault(Fault::new(FaultKind::Forbidden).on_path("/v1/subscriptions").always());
        let all = app.backfill(&app.acme, app.now() - TimeDelta::days(61)).await;
        let failed: Vec<_> = all.iter().filter(|told| told.error.is_some()).map(|told| told.list).collect();
        assert_eq!(failed, ["subscriptions"]);
        let why = failure(&all).unwrap();
        assert!(why.contains("subscriptions (The provided key does not have the required permissions"), "{why}");
        assert_eq!(app.told().await, [OLD]);
    }

    async fn a_key_that_is_no_longer_good_ends_it_at_once(app: &TestApp) {
        app.standin.fault(Fault::new(FaultKind::Revoked).always());
        let all = app.backfill(&app.acme, app.now() - TimeDelta::days(61)).await;
        assert_eq!((app.standin.calls().len(), app.inbox().await, all.len()), (1, 0, 8));
        assert_eq!(all[0].error.as_deref(), Some("Expired API Key provided."));
        assert_eq!(all[6].error.as_deref(), Some("not asked for after what became of events"));
    }

    async fn a_busy_stripe_is_asked_again_and_a_dead_one_given_up_with_what_was_stored(app: &TestApp) {
        app.stage().await;
        for _ in 0..120 {
            app.acme.stripe.put(app.sale().build().invoice_paid(Shape::Acacia));
        }
        let since = app.now() - TimeDelta::days(1);
        app.standin.fault(Fault::new(FaultKind::DropBefore).on_path("/v1/events").after(1).always());
        let all = app.backfill(&app.acme, since).await;
        assert_eq!((all[0].fetched, all[0].new, app.inbox().await), (100, 100, 100));
        assert!(failure(&all).unwrap().starts_with("not fetched: events (after 100, "), "{all:?}");
        app.standin.clear_faults();
        app.standin.fault(Fault::new(FaultKind::RateLimited).on_path("/v1/events"));
        app.standin.fault(Fault::new(FaultKind::ServerError).on_path("/v1/events"));
        assert_eq!(app.backfill(&app.acme, since).await, [told("events", 120, 20), told("coupon_events", 0, 0)]);
        assert_eq!(app.inbox().await, 120);
    }
}
