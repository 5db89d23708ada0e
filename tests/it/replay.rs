//! `rekomi replay`: events are put back into the queue beside a running server, and count once however often.

use entity::{
    audit_entry,
    id::EventId,
    stripe_event::{self, EventStatus},
};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, sea_query::Expr};

use crate::support::{binary::Home, *};

fn home(app: &TestApp) -> Home {
    let mut home = Home::bare();
    home.set("DATABASE_URL", &app.database.url);
    home
}

/// What a replay prints, line by line.
fn replay(app: &TestApp, args: &[&str]) -> Vec<Value> {
    let printed = home(app).ok(&[&["replay"], args].concat());
    printed
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

async fn event(app: &TestApp, stripe_id: &str) -> stripe_event::Model {
    let row = stripe_event::Entity::find().filter(stripe_event::Column::StripeId.eq(stripe_id));
    row.one(app.db()).await.unwrap().unwrap()
}

/// Delivers an event that Stripe gives no answer for, and waits until it was tried.
pub async fn tried_once(app: &TestApp, event: &Value) {
    assert_eq!(app.instance.post(&app.acme, event).await, 200);
    eventually("a first try", async || {
        let row = self::event(app, id(event)).await;
        (row.attempts > 0).then_some(())
    })
    .await;
}

/// The same, until it is set aside.
pub async fn given_up(app: &TestApp, event: &Value) {
    tried_once(app, event).await;
    app.pass(chrono::TimeDelta::days(4));
    app.settle().await;
}

async fn lease(app: &TestApp, id: EventId, seconds: Option<i64>) {
    let until = seconds.map(|seconds| rekomi::clock::Clock::system().now() + chrono::TimeDelta::seconds(seconds));
    let txn = app.instance.app.db.begin().await.unwrap();
    let status = if seconds.is_some() {
        EventStatus::Pending
    } else {
        EventStatus::Processed
    };
    stripe_event::Entity::update_many()
        .col_expr(stripe_event::Column::LeasedUntil, Expr::value(until))
        .col_expr(stripe_event::Column::Status, Expr::value(status))
        .filter(stripe_event::Column::Id.eq(id))
        .exec(&txn)
        .await
        .unwrap();
    txn.commit().await.unwrap();
}

fn id(event: &Value) -> &str {
    event["id"].as_str().unwrap()
}

const CREDITED: [&str; 1] = ["ACQUISITION PENDING sarah SARAH20 4000 USD, commission 800"];

both! {
    async fn what_was_parked_is_done_once_stripe_answers(app: &TestApp) {
        app.stage().await;
        let sale = app.sale().promo(app.promo("SARAH20")).build();
        let lost = sale.invoice_paid(Shape::Endive);
        given_up(app, &lost).await;
        assert_eq!((app.parked().await.len(), app.told().await), (1, vec![]));

        sale.sync(&app.acme.stripe);
        let row = event(app, id(&lost)).await;
        assert_eq!(
            replay(app, &["--parked"]),
            [json!({ "id": row.id, "stripeId": id(&lost), "type": "invoice.paid", "status": "parked" })]
        );
        app.settle().await;
        assert_eq!((app.told().await, app.parked().await), (CREDITED.map(str::to_owned).to_vec(), vec![]));
        assert_eq!(replay(app, &["--parked"]), Vec::<Value>::new());
    }

    async fn an_event_that_is_run_again_counts_once_and_is_in_the_audit_log(app: &TestApp) {
        app.stage().await;
        let sale = app.sale().promo(app.promo("SARAH20")).build();
        let paid = sale.invoice_paid(Shape::Acacia);
        let other = json!({ "id": "evt_other", "type": "customer.created", "livemode": true });
        app.deliver([&paid, &other]).await;
        let row = event(app, id(&paid)).await;
        let (ours, stripes) = (row.id.to_string(), id(&other));
        let printed = replay(app, &[&ours, stripes]);
        let statuses: Vec<_> = printed.iter().map(|line| [line["stripeId"].clone(), line["status"].clone()]).collect();
        assert_eq!(
            statuses,
            [[json!(id(&paid)), json!("processed")], [json!("evt_other"), json!("ignored")]]
        );
        let entries = audit_entry::Entity::find()
            .filter(audit_entry::Column::Action.eq("event.replayed"))
            .order_by_asc(audit_entry::Column::Id);
        let entries = entries.all(app.db()).await.unwrap();
        assert_eq!(entries.len(), 2);
        assert_eq!(
            (entries[0].object_id.as_str(), entries[0].actor.as_str(), entries[0].livemode),
            (ours.as_str(), "cli", Some(true))
        );
        assert_eq!(
            serde_json::from_str::<Value>(&entries[0].changes).unwrap(),
            json!({
                "status": { "before": "processed", "after": "pending" },
                "stripeId": { "before": null, "after": id(&paid) },
            })
        );
        app.settle().await;
        assert_eq!(app.told().await, CREDITED);
        let again = event(app, id(&paid)).await;
        assert_eq!((again.status, again.attempts), (EventStatus::Processed, 0));
        assert_eq!(event(app, "evt_other").await.status, EventStatus::Ignored);
    }

    async fn a_name_that_is_of_no_event_changes_nothing(app: &TestApp) {
        app.stage().await;
        let paid = app.sale().promo(app.promo("SARAH20")).build().invoice_paid(Shape::Acacia);
        app.deliver([&paid]).await;
        let before = app.everything().await;
        let unknown = EventId(app.clock.new_id()).to_string();
        let known = id(&paid);
        let cases: [(&[&str], &str); 7] = [
            (&["replay", known, "evt_nobody"], "evt_nobody"),
            (&["replay", known, &unknown], &unknown),
            (&["replay", known, "--brand", "globex"], known),
            (&["replay", known, "--brand", "nobody"], "--brand"),
            (&["replay", known, "--parked"], "--parked"),
            (&["replay"], "--parked"),
            (&["replay", "--brand", "acme"], "--parked"),
        ];
        for (args, named) in cases {
            let refusal = home(app).refusal(args);
            assert!(refusal.contains(named) && refusal.lines().count() == 1, "{args:?}: {refusal}");
        }
        assert_eq!(app.everything().await, before);
    }

    async fn one_that_a_worker_holds_is_left_alone_and_named(app: &TestApp) {
        app.stage().await;
        let [held, free] =
            std::array::from_fn(|_| app.sale().promo(app.promo("SARAH20")).build().invoice_paid(Shape::Acacia));
        app.deliver([&held, &free]).await;
        let row = event(app, id(&held)).await;
        lease(app, row.id, Some(3600)).await;
        let before = event(app, id(&held)).await;
        let output = home(app).run(&["replay", id(&held), id(&free)]);
        assert!(output.status.success());
        let printed: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(printed["stripeId"], id(&free));
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains(&row.id.to_string()) && said.contains("left alone"), "{said}");
        assert_eq!(event(app, id(&held)).await, before);
        lease(app, row.id, None).await;
    }

    async fn a_brand_s_own_are_told_from_another_s_of_the_same_name(app: &TestApp) {
        let same = json!({ "id": "evt_same", "type": "invoice.paid", "livemode": true, "data": { "object": {} } });
        app.deliver([&same]).await;
        app.deliver_to(&app.globex, [&same]).await;
        assert_eq!(app.parked().await.len(), 2);
        assert!(home(app).refusal(&["replay", "evt_same"]).contains("--brand"));
        let of = |printed: Vec<Value>| printed.into_iter().map(|line| line["id"].clone()).collect::<Vec<_>>();
        let named = of(replay(app, &["evt_same", "--brand", "globex"]));
        app.settle().await;
        let parked = of(replay(app, &["--parked", "--brand", "globex"]));
        app.settle().await;
        assert_eq!((named.len(), &named), (1, &parked));
        assert_eq!(of(replay(app, &["--parked"])).len(), 2);
        app.settle().await;
        assert_eq!(app.parked().await.len(), 2);
    }
}
