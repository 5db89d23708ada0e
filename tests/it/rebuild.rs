//! `rekomi rebuild --verify`: what stands is what the log tells, and where it is not, that is said.

use entity::conversion;
use rekomi::stripe::rebuild::{self, Report};
use sea_orm::ConnectionTrait;

use crate::{
    replay::{given_up, tried_once},
    support::{app::NOON, binary::Home, history::History, rng::Rng, *},
};

pub async fn verify(app: &TestApp) -> Report {
    rebuild::verify(&app.instance.app.db, &app.clock).await.unwrap()
}

/// Changes the source behind the server's back.
pub async fn tamper(app: &TestApp, sql: &str) {
    let txn = app.instance.app.db.begin().await.unwrap();
    let done = txn.execute_unprepared(sql).await.unwrap();
    assert!(done.rows_affected() > 0, "{sql}");
    txn.commit().await.unwrap();
}

fn thin(id: &str, kind: &str, object: &str) -> Value {
    json!({
        "id": id, "object": "v2.core.event", "type": kind, "livemode": true, "created": "2026-11-01T12:00:00.000Z",
        "related_object": { "id": object, "type": "invoice", "url": format!("/v1/invoices/{object}") },
    })
}

/// Sales of every shape, renewed, refunded and told in any order, twice; some told by thin events alone.
pub async fn mixed(app: &TestApp) -> Vec<History> {
    app.stage().await;
    let mut events = Vec::new();
    let mut histories = Vec::new();
    for (shape, seed) in Shape::ALL.into_iter().zip(0..) {
        let history = History::live(&app.clock, app.promo("SARAH20"), shape, NOON, &app.acme.stripe);
        events.extend(history.shuffled(&mut Rng::seeded(seed)));
        histories.push(history);
    }
    let quiet = app.sale().promo(app.promo("SARAH20")).build();
    quiet.sync(&app.acme.stripe);
    let invoice = quiet.invoice_paid(Shape::Endive)["data"]["object"]["id"].clone();
    events.push(thin("evt_thin", "v1.invoice.paid", invoice.as_str().unwrap()));
    let mut refunded = app.sale().promo(app.promo("SARAH20")).build();
    refunded.sync(&app.acme.stripe);
    let start = refunded.start(Shape::Basil);
    let back = refunded.refund(Shape::Basil, None, Paid::First);
    refunded.sync(&app.acme.stripe);
    app.deliver(&back).await;
    events.extend(start);
    events.push(json!({ "id": "evt_other", "type": "customer.created", "livemode": true }));
    Rng::seeded(5).shuffle(&mut events);
    app.deliver(&events).await;
    histories
}

/// Another brand's sales, and those of a test mode.
async fn elsewhere(app: &TestApp) {
    let globex = app.world(&app.globex, "globex").await;
    let live = app.world(&app.acme, "acme").await;
    app.test_mode_world(&live).await;
    assert!(globex.contains_key("conversion"));
}

pub fn home(app: &TestApp) -> Home {
    let mut home = Home::bare();
    home.set("DATABASE_URL", &app.database.url);
    home
}

both! {
    async fn a_mixed_history_comes_out_as_it_stands_without_the_network_and_leaves_the_source_alone(app: &TestApp) {
        mixed(app).await;
        elsewhere(app).await;
        // One in each of the three worlds.
        assert_eq!(app.parked().await, ["invoice.paid: the invoice has no id"; 3]);
        app.standin.fault(Fault::new(FaultKind::DropBefore).always());
        let (before, calls) = (app.everything().await, app.standin.calls().len());
        let report = verify(app).await;
        assert_eq!((report.differences, &report.told), (0, &vec![]));
        let conversions = app.count::<conversion::Entity>().await;
        // Four histories with a start and two renewals each, two more subscriptions, three worlds.
        assert_eq!((report.conversions, conversions, report.sales), (17, 17, 9));
        assert!(report.tally.events > 60, "{report:?}");
        assert_eq!((report.tally.pending, report.tally.parked), (0, 3));
        assert_eq!(app.standin.calls().len(), calls);
        assert_eq!(app.everything().await, before);
        app.standin.clear_faults();
    }

    async fn what_arrives_meanwhile_is_not_in_it(app: &TestApp) {
        app.stage().await;
        let sales: Vec<_> = (0..40).map(|_| app.sale().promo(app.promo("SARAH20")).build()).collect();
        let sending = async {
            for sale in &sales {
                sale.sync(&app.acme.stripe);
                for event in sale.start(Shape::Endive) {
                    assert_eq!(app.instance.post(&app.acme, &event).await, 200);
                }
            }
        };
        let comparing = async {
            for _ in 0..4 {
                let report = verify(app).await;
                assert_eq!(report.differences, 0, "{:#?}", report.told);
            }
        };
        tokio::join!(sending, comparing);
        app.settle().await;
        assert_eq!(verify(app).await.conversions, 40);
    }

    async fn parked_and_pending_events_stay_out(app: &TestApp) {
        app.stage().await;
        let [sold, unheard, waiting] = std::array::from_fn(|_| app.sale().promo(app.promo("SARAH20")).build());
        app.deliver([&sold.invoice_paid(Shape::Acacia)]).await;
        given_up(app, &unheard.invoice_paid(Shape::Endive)).await;
        tried_once(app, &waiting.invoice_paid(Shape::Endive)).await;
        let report = verify(app).await;
        assert_eq!(report.differences, 0, "{:#?}", report.told);
        let tally = rebuild::Tally { events: 1, pending: 1, parked: 1 };
        assert_eq!((report.tally, report.conversions), (tally, 1));
        let said = home(app).ok(&["rebuild", "--verify"]);
        assert_eq!(
            said,
            "no difference: 1 events, 1 sales and 1 conversions were compared; 1 pending events were left out; \
             1 parked events were left out"
        );
        waiting.sync(&app.acme.stripe);
        app.settle().await;
    }

    async fn what_was_taken_for_what_it_says_by_itself_counts_although_it_is_parked(app: &TestApp) {
        app.stage().await;
        // Acme has no key for the test mode: the refund cannot be tied to an invoice.
        let mut sale = app.sale().test_mode().build();
        let refund = sale.refund(Shape::Endive, Some(1000), Paid::First);
        app.deliver(&refund).await;
        assert!(!app.parked().await.is_empty());
        let report = verify(app).await;
        assert_eq!((report.differences, report.tally.parked), (0, 0), "{:#?}", report.told);
        assert_eq!(report.tally.events, refund.len() as u64);
    }
}

#[tokio::test]
async fn rebuild_only_verifies_and_makes_no_database() {
    let mut home = Home::bare();
    home.set("DATABASE_URL", &format!("sqlite://{}", home.path("none.db").display()));
    let refusal = home.refusal(&["rebuild"]);
    assert!(
        refusal.starts_with("rekomi: --verify:") && refusal.lines().count() == 1,
        "{refusal}"
    );
    assert!(home.refusal(&["rebuild", "--verify"]).contains("there is no database"));
    assert!(!home.path("none.db").exists());
}
