//! The inbox as an owner sees it: how it stands, each event with what became of it, and putting events back.

use chrono::{DateTime, TimeDelta, Utc};
use entity::{
    audit_entry,
    id::EventId,
    stripe_event::{self, EventStatus},
};
use rekomi::auth::{Role, jwt::Mode};
use sea_orm::{ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter, sea_query::Expr};

use crate::support::{cast::id, client::mistakes, *};

const INBOX: &str = "{ stripeInbox { pending processed ignored parked oldestPendingAt oldestPendingAgeSeconds } }";
const FIELDS: &str = "id stripeId type status attempts occurredAt receivedAt nextAttemptAt lastError payload";

/// Puts an event into the inbox as it is, past the webhook.
async fn put(app: &TestApp, row: stripe_event::Model) -> String {
    let id = row.id.to_string();
    let txn = app.instance.app.db.begin().await.unwrap();
    stripe_event::Entity::insert(row.into_active_model())
        .exec_without_returning(&txn)
        .await
        .unwrap();
    txn.commit().await.unwrap();
    id
}

/// An event of Acme's live mode that is parked, received so many minutes ago.
fn parked(app: &TestApp, stripe_id: &str, minutes: i64) -> stripe_event::Model {
    let received_at = app.now() - TimeDelta::minutes(minutes);
    stripe_event::Model {
        id: EventId(app.clock.new_id()),
        brand_id: app.acme.id,
        stripe_id: stripe_id.to_owned(),
        kind: "invoice.paid".to_owned(),
        livemode: true,
        occurred_at: received_at,
        received_at,
        body: json!({ "id": stripe_id, "type": "invoice.paid", "data": { "object": {} } })
            .to_string()
            .into_bytes(),
        status: EventStatus::Parked,
        attempts: 3,
        next_attempt_at: received_at,
        leased_until: None,
        last_error: Some("it is of no use".to_owned()),
    }
}

/// The same, waiting until `due`.
fn waiting(app: &TestApp, stripe_id: &str, minutes: i64, due: DateTime<Utc>) -> stripe_event::Model {
    stripe_event::Model {
        status: EventStatus::Pending,
        next_attempt_at: due,
        ..parked(app, stripe_id, minutes)
    }
}

async fn events(owner: &Caller, arguments: &str) -> Value {
    let query = format!("{{ stripeEvents{arguments} {{ totalCount nodes {{ {FIELDS} }} }} }}");
    owner.query(&query).await["stripeEvents"].take()
}

async fn stripe_ids(owner: &Caller, arguments: &str) -> Vec<String> {
    let found = events(owner, arguments).await;
    let name = |node: &Value| node["stripeId"].as_str().unwrap().to_owned();
    told::nodes(&found).iter().map(name).collect()
}

async fn status(app: &TestApp, id: &str) -> EventStatus {
    let row = stripe_event::Entity::find_by_id(id.parse::<EventId>().unwrap());
    row.one(app.db()).await.unwrap().unwrap().status
}

async fn change(app: &TestApp, id: &str, status: EventStatus, leased_until: Option<DateTime<Utc>>) {
    let txn = app.instance.app.db.begin().await.unwrap();
    stripe_event::Entity::update_many()
        .col_expr(stripe_event::Column::Status, Expr::value(status))
        .col_expr(stripe_event::Column::LeasedUntil, Expr::value(leased_until))
        .filter(stripe_event::Column::Id.eq(id.parse::<EventId>().unwrap()))
        .exec(&txn)
        .await
        .unwrap();
    txn.commit().await.unwrap();
}

async fn replay(caller: &Caller, id: &str) -> Value {
    let fields = format!("stripeEvent {{ {FIELDS} }}");
    caller.mutate("replayStripeEvent", &fields, json!({ "id": id })).await
}

async fn replay_parked(caller: &Caller, input: Value) -> Value {
    caller.mutate("replayParkedStripeEvents", "replayed left", input).await
}

async fn replays_in_the_audit_log(app: &TestApp) -> Vec<(String, String)> {
    let entries = audit_entry::Entity::find().filter(audit_entry::Column::Action.eq("event.replayed"));
    let entries = entries.all(app.db()).await.unwrap().into_iter();
    entries.map(|entry| (entry.object_id, entry.actor)).collect()
}

both! {
    async fn it_says_how_many_events_are_in_each_state_and_how_long_the_oldest_waits(app: &TestApp) {
        app.stage().await;
        let nothing = json!({
            "pending": 0, "processed": 0, "ignored": 0, "parked": 0, "oldestPendingAt": null, "oldestPendingAgeSeconds": null,
        });
        assert_eq!(app.olivia().query(INBOX).await["stripeInbox"], nothing);
        for _ in 0..3 {
            listening::sell(app, "SARAH20").await;
        }
        app.deliver([
            &json!({ "id": "evt_1", "type": "customer.created", "livemode": true }),
            &json!({ "id": "evt_2", "type": "customer.created", "livemode": true }),
            &json!({ "id": "evt_3", "type": "invoice.paid", "livemode": true, "data": { "object": {} } }),
            // Of another mode.
            &json!({ "id": "evt_4", "type": "invoice.paid", "livemode": false, "data": { "object": {} } }),
        ]).await;
        app.deliver_to(&app.globex, [&json!({ "id": "evt_1", "type": "customer.created", "livemode": true })]).await;
        let due = app.now() + TimeDelta::hours(1);
        let mut first = String::new();
        for (stripe_id, minutes) in [("evt_5", 10), ("evt_6", 90)] {
            first = put(app, waiting(app, stripe_id, minutes, due)).await;
        }
        assert_eq!(
            app.olivia().query(INBOX).await["stripeInbox"],
            json!({
                "pending": 2, "processed": 3, "ignored": 2, "parked": 1,
                "oldestPendingAt": "2026-11-01T10:30:00+00:00", "oldestPendingAgeSeconds": 5400,
            })
        );
        let test = app.caller(app.token(Role::Owner, None, Some(Mode::Test)));
        assert_eq!(test.query(INBOX).await["stripeInbox"]["parked"], 1);
        assert_eq!(test.query("{ stripeEvents { totalCount } }").await["stripeEvents"]["totalCount"], 1);
        assert_eq!(app.globex_owner().query(INBOX).await["stripeInbox"]["ignored"], 1);
        change(app, &first, EventStatus::Ignored, None).await;
        let oldest = &app.olivia().query(INBOX).await["stripeInbox"];
        assert_eq!((&oldest["pending"], &oldest["oldestPendingAgeSeconds"]), (&json!(1), &json!(600)));
    }

    async fn an_event_is_shown_as_it_came_with_what_became_of_it(app: &TestApp) {
        app.stage().await;
        let sale = app.sale().promo(app.promo("SARAH20")).build();
        let paid = sale.invoice_paid(Shape::Acacia);
        app.deliver([&paid]).await;
        let broken = json!({ "id": "evt_3", "type": "invoice.paid", "livemode": true, "created": 1_793_534_000, "data": { "object": {} } });
        app.pass(TimeDelta::seconds(5));
        app.deliver([&broken]).await;
        let found = events(&app.olivia(), "").await;
        let [parked, processed] = told::nodes(&found).clone().try_into().unwrap();
        assert_eq!(
            parked,
            json!({
                "id": parked["id"], "stripeId": "evt_3", "type": "invoice.paid", "status": "PARKED", "attempts": 0,
                "occurredAt": "2026-11-01T11:53:20+00:00", "receivedAt": "2026-11-01T12:00:05+00:00", "nextAttemptAt": null,
                "lastError": app.parked().await[0].strip_prefix("invoice.paid: ").unwrap(), "payload": broken.to_string(),
            })
        );
        assert_eq!(
            (&processed["stripeId"], &processed["status"], &processed["lastError"], &processed["payload"]),
            (&paid["id"], &json!("PROCESSED"), &Value::Null, &json!(paid.to_string()))
        );
        let query = format!("query($id: ID!) {{ node(id: $id) {{ ... on StripeEvent {{ {FIELDS} }} }} }}");
        let ask = async |caller: Caller| caller.query_with(&query, json!({ "id": parked["id"] })).await["node"].take();
        assert_eq!(ask(app.olivia()).await, parked);
        assert_eq!(ask(app.globex_owner()).await, Value::Null);
    }

    async fn a_body_that_is_no_text_breaks_nothing(app: &TestApp) {
        let mut row = parked(app, "evt_bytes", 1);
        row.body = b"{\"a\":\"\\u0000\xff\0\"}".to_vec();
        put(app, row).await;
        let found = events(&app.olivia(), "").await;
        assert_eq!(found["nodes"][0]["payload"], "{\"a\":\"\\u0000\u{fffd}\0\"}");
        let many = app.olivia().ask("{ stripeEvents(first: 65) { nodes { payload } } }", json!({})).await;
        assert_eq!(many.codes(), ["QUERY_TOO_COMPLEX"]);
        app.olivia().query("{ stripeEvents(first: 60) { nodes { payload } } }").await;
    }

    async fn events_are_filtered_and_paged_the_newest_first(app: &TestApp) {
        for (number, kind) in ["invoice.paid", "charge.refunded", "invoice.paid", "charge.refunded", "invoice.paid"].iter().enumerate() {
            let mut row = parked(app, &format!("evt_{number}"), 10 * i64::try_from(number).unwrap());
            row.kind = (*kind).to_owned();
            if number > 2 {
                row.status = EventStatus::Ignored;
            }
            put(app, row).await;
        }
        let olivia = app.olivia();
        for (filter, expected) in [
            ("", vec!["evt_0", "evt_1", "evt_2", "evt_3", "evt_4"]),
            ("(filter: { status: [PARKED] })", vec!["evt_0", "evt_1", "evt_2"]),
            ("(filter: { status: [IGNORED, PENDING] })", vec!["evt_3", "evt_4"]),
            ("(filter: { status: [] })", vec![]),
            ("(filter: { type: \"charge.refunded\" })", vec!["evt_1", "evt_3"]),
            ("(filter: { type: \"charge.refunded\", status: [IGNORED] })", vec!["evt_3"]),
            ("(filter: { stripeId: \"evt_2\" })", vec!["evt_2"]),
            ("(filter: { stripeId: \"\\u0000\" })", vec![]),
            ("(filter: { receivedFrom: \"2026-11-01T11:30:00Z\", receivedBefore: \"2026-11-01T11:50:00Z\" })", vec!["evt_2", "evt_3"]),
        ] {
            assert_eq!(stripe_ids(&olivia, filter).await, expected, "{filter}");
            assert_eq!(events(&olivia, filter).await["totalCount"], expected.len(), "{filter}");
        }
        let query = "query($after: String) { stripeEvents(first: 2, after: $after) { nodes { stripeId } pageInfo { endCursor hasNextPage } } }";
        let (mut after, mut seen) = (Value::Null, Vec::new());
        loop {
            let page = olivia.query_with(query, json!({ "after": after })).await["stripeEvents"].take();
            seen.extend(told::nodes(&page).iter().map(|node| node["stripeId"].as_str().unwrap().to_owned()));
            if page["pageInfo"]["hasNextPage"] == false {
                break;
            }
            after = page["pageInfo"]["endCursor"].clone();
        }
        assert_eq!(seen, ["evt_0", "evt_1", "evt_2", "evt_3", "evt_4"]);
        assert_eq!(stripe_ids(&olivia, "(last: 2)").await, ["evt_3", "evt_4"]);
    }

    async fn a_replayed_event_is_processed_again_and_counts_once(app: &TestApp) {
        app.stage().await;
        let sale = app.sale().promo(app.promo("SARAH20")).build();
        let paid = sale.invoice_paid(Shape::Endive);
        crate::replay::given_up(app, &paid).await;
        let ours = id(&events(&app.olivia(), "(filter: { status: [PARKED] })").await["nodes"][0]);
        sale.sync(&app.acme.stripe);
        let answer = replay(&app.olivia(), &ours).await;
        let event = &answer["stripeEvent"];
        assert_eq!(
            (&event["id"], &event["status"], &event["attempts"], &answer["userErrors"]),
            (&json!(ours), &json!("PENDING"), &json!(0), &json!([]))
        );
        assert!(event["nextAttemptAt"].is_string());
        app.settle().await;
        assert_eq!(app.told().await, ["ACQUISITION PENDING sarah SARAH20 4000 USD, commission 800"]);
        replay(&app.olivia(), &ours).await;
        app.settle().await;
        assert_eq!(app.told().await, ["ACQUISITION PENDING sarah SARAH20 4000 USD, commission 800"]);
        assert_eq!(
            replays_in_the_audit_log(app).await,
            [(ours.clone(), "owner".to_owned()), (ours, "owner".to_owned())]
        );
    }

    async fn an_ignored_event_may_be_replayed_too(app: &TestApp) {
        app.deliver([&json!({ "id": "evt_1", "type": "customer.created", "livemode": true })]).await;
        let ours = id(&events(&app.olivia(), "").await["nodes"][0]);
        assert_eq!(replay(&app.olivia(), &ours).await["stripeEvent"]["id"], ours);
        app.settle().await;
        assert_eq!(status(app, &ours).await, EventStatus::Ignored);
    }

    async fn one_that_a_worker_has_in_hand_is_left_alone(app: &TestApp) {
        let held = put(app, parked(app, "evt_1", 1)).await;
        change(app, &held, EventStatus::Pending, Some(app.now() + TimeDelta::hours(1))).await;
        let before = app.everything().await;
        let answer = replay(&app.olivia(), &held).await;
        assert_eq!(mistakes(&answer), [mistake("INVALID", "id")]);
        assert_eq!(answer["stripeEvent"], Value::Null);
        assert_eq!(app.everything().await, before);
        change(app, &held, EventStatus::Parked, None).await;
    }

    async fn what_is_not_there_or_not_ones_own_is_not_found(app: &TestApp) {
        app.deliver_to(&app.globex, [&json!({ "id": "evt_1", "type": "customer.created", "livemode": true })]).await;
        let theirs = id(&events(&app.globex_owner(), "").await["nodes"][0]);
        let before = app.everything().await;
        for unknown in [theirs.as_str(), "evt_1", "evt_01900000000070008000000000000007", "nonsense"] {
            let answer = replay(&app.olivia(), unknown).await;
            assert_eq!(mistakes(&answer), [mistake("NOT_FOUND", "id")], "{unknown}");
        }
        for limit in [0, -1, 501, i32::MAX] {
            let answer = replay_parked(&app.olivia(), json!({ "limit": limit })).await;
            assert_eq!(mistakes(&answer), [mistake("INVALID", "limit")], "{limit}");
            assert_eq!([&answer["replayed"], &answer["left"]], [&Value::Null; 2]);
        }
        assert_eq!(app.everything().await, before);
    }

    async fn only_owners_look_at_it(app: &TestApp) {
        let event = put(app, parked(app, "evt_1", 1)).await;
        let before = app.everything().await;
        for caller in [app.max(), app.ana()] {
            for query in ["{ stripeInbox { parked } }".to_owned(), "{ stripeEvents { totalCount } }".to_owned(), format!("{{ node(id: \"{event}\") {{ id }} }}")] {
                assert_eq!(caller.ask(&query, json!({})).await.codes(), ["FORBIDDEN"], "{query}");
            }
            let answer = caller.try_mutate("replayStripeEvent", "stripeEvent { id }", json!({ "id": event })).await;
            assert_eq!(answer.codes(), ["FORBIDDEN"]);
            let answer = caller.try_mutate("replayParkedStripeEvents", "replayed", json!({})).await;
            assert_eq!(answer.codes(), ["FORBIDDEN"]);
        }
        assert_eq!(app.everything().await, before);
    }

    async fn parked_ones_are_put_back_some_at_a_time_and_asking_again_goes_through_all(app: &TestApp) {
        // All of them fail again, and are parked again at once.
        let mut ours = Vec::new();
        for number in 0..5 {
            ours.push(put(app, parked(app, &format!("evt_{number}"), 60 - number)).await);
        }
        let refund = stripe_event::Model { kind: "charge.refunded".to_owned(), ..parked(app, "evt_refund", 90) };
        ours.insert(0, put(app, refund).await);
        put(app, stripe_event::Model { brand_id: app.globex.id, ..parked(app, "evt_theirs", 60) }).await;
        put(app, stripe_event::Model { livemode: false, ..parked(app, "evt_test", 60) }).await;
        let olivia = app.olivia();
        let answer = replay_parked(&olivia, json!({ "type": "charge.refunded" })).await;
        assert_eq!(answer, json!({ "replayed": 1, "left": 0, "userErrors": [] }));
        app.settle().await;
        app.pass(TimeDelta::seconds(1));
        for (round, left) in [(1, 4), (2, 4), (3, 4)] {
            let answer = replay_parked(&olivia, json!({ "limit": 2 })).await;
            assert_eq!(answer, json!({ "replayed": 2, "left": left, "userErrors": [] }), "{round}");
            app.settle().await;
            app.pass(TimeDelta::seconds(1));
        }
        let replayed = replays_in_the_audit_log(app).await;
        let mut ids: Vec<String> = replayed.into_iter().map(|(id, _)| id).collect();
        ids.sort();
        ours.sort();
        // The refund's turn was before the others', so it comes again after them.
        assert_eq!(ids.len(), 7);
        ids.dedup();
        assert_eq!(ids, ours);
        let others = stripe_event::Entity::find().filter(stripe_event::Column::StripeId.is_in(["evt_theirs", "evt_test"]));
        for row in others.all(app.db()).await.unwrap() {
            assert_eq!((row.status, row.attempts), (EventStatus::Parked, 3), "{}", row.stripe_id);
        }
        assert_eq!(replay_parked(&olivia, json!({ "type": "nothing" })).await["replayed"], 0);
    }
}
