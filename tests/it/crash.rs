//! The real server, killed without warning: what it acknowledged is credited after the restart, once.

use std::{str::FromStr, sync::Mutex};

use entity::{
    conversion,
    stripe_event::{self, EventStatus},
};
use rekomi::{
    clock::Clock,
    db::{DatabaseUrl, Db},
    standin::StandIn,
};
use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter};

use crate::support::{
    app::http,
    binary::{self, Home, KEY, Server},
    books,
    cast::set_stage,
    *,
};

async fn open(home: &Home) -> Db {
    Db::open(&DatabaseUrl::from_str(&home.settings["DATABASE_URL"]).unwrap())
        .await
        .unwrap()
}

async fn pending(db: &Db) -> u64 {
    let pending = stripe_event::Entity::find().filter(stripe_event::Column::Status.eq(EventStatus::Pending));
    pending.count(db.reader()).await.unwrap()
}

/// Acme with its stage, on a running server.
async fn start(home: &Home) -> (Server, Stage) {
    home.acme();
    let server = home.serve().await;
    let stage = set_stage(
        &server.caller(home.token("manager")),
        CampaignSpec::default(),
        CouponSpec::default(),
    )
    .await;
    (server, stage)
}

/// The first payments of this many sales, told in the newest shape: each has to be looked up at Stripe.
fn sales(standin: &StandIn, count: usize) -> Vec<Value> {
    let sale = |_| {
        let sale = SaleBuilder::new(&Clock::system())
            .promo(binary::promo(standin, "SARAH20"))
            .build();
        sale.sync(&standin.account(KEY));
        sale.invoice_paid(Shape::Endive)
    };
    (0..count).map(sale).collect()
}

/// Waits until the restarted server has worked off the inbox; then what stands.
async fn credited(home: &Home, server: &Server) -> Vec<String> {
    let db = open(home).await;
    eventually("an empty inbox", async || (pending(&db).await == 0).then_some(())).await;
    let told = server.caller(home.token("analyst")).told().await;
    db.close().await;
    told
}

on_both! {
    async fn a_sale_acknowledged_and_not_yet_processed_is_credited_after_the_restart(database: Database) {
        let standin = StandIn::start(Clock::system()).await.unwrap();
        let home = Home::new(database, &standin);
        let (mut server, _) = start(&home).await;
        standin.fault(Fault::new(FaultKind::Hang).on_method("GET").always());
        let client = http();
        for event in sales(&standin, 3) {
            assert_eq!(server.post(&client, &event).await, Some(200));
        }
        server.kill();
        let db = open(&home).await;
        assert_eq!(
            (
                pending(&db).await,
                conversion::Entity::find().count(db.reader()).await.unwrap()
            ),
            (3, 0)
        );
        db.close().await;
        standin.clear_faults();
        let server = home.serve().await;
        assert_eq!(
            credited(&home, &server).await,
            ["ACQUISITION PENDING sarah SARAH20 4000 USD, commission 800"; 3]
        );
        drop(server);
        books::check(&home.settings["DATABASE_URL"]).await;
        books::log(&home.settings["DATABASE_URL"]).await;
    }

    async fn killed_again_and_again_under_load_nothing_acknowledged_is_lost_and_nothing_counts_twice(
        database: Database,
    ) {
        let standin = StandIn::start(Clock::system()).await.unwrap();
        let home = Home::new(database, &standin);
        let (mut server, _) = start(&home).await;
        let (rounds, per_round) = (4, 40);
        let (acknowledged, open_events) = (Mutex::new(0), Mutex::new(Vec::new()));
        for round in 0..rounds {
            let events = sales(&standin, per_round);
            let client = http();
            let sending =
                futures_util::future::join_all(events.iter().map(
                    async |event| match server.post(&client, event).await {
                        Some(200) => *acknowledged.lock().unwrap() += 1,
                        _ => open_events.lock().unwrap().push(event.clone()),
                    },
                ));
            let enough = eventually("some are acknowledged", async || {
                (*acknowledged.lock().unwrap() >= round * 5 + 5).then_some(())
            });
            tokio::select! {
                _ = sending => {}
                () = enough => {}
            }
            // What was cut off mid-way was not acknowledged: Stripe sends all of it again.
            open_events.lock().unwrap().extend(events);
            server.kill();
            server = home.serve().await;
        }
        let client = http();
        for event in open_events.into_inner().unwrap() {
            assert_eq!(server.post(&client, &event).await, Some(200));
        }
        credited(&home, &server).await;
        let query =
            "{ conversions { totalCount } codeRedemptionStats { nodes { redemptions commission { minorUnits } } } }";
        let count = rounds * per_round;
        assert_eq!(
            server.caller(home.token("analyst")).query(query).await,
            json!({
                "conversions": { "totalCount": count },
                "codeRedemptionStats": { "nodes": [{ "redemptions": count, "commission": [{ "minorUnits": 800 * count }] }] },
            })
        );
        drop(server);
        books::check(&home.settings["DATABASE_URL"]).await;
        books::log(&home.settings["DATABASE_URL"]).await;
    }

    async fn a_code_that_was_owed_when_the_server_died_is_made_once(database: Database) {
        let standin = StandIn::start(Clock::system()).await.unwrap();
        let home = Home::new(database, &standin);
        let (mut server, stage) = start(&home).await;
        standin.fault(Fault::new(FaultKind::DropAfter).on_path("/v1/promotion_codes"));
        standin.fault(
            Fault::new(FaultKind::DropBefore)
                .on_path("/v1/promotion_codes")
                .always(),
        );
        let max = server.caller(home.token("manager"));
        max.mint(&stage.coupon, &stage.sarah, "SARAH-X").await;
        server.kill();
        standin.clear_faults();
        let server = home.serve().await;
        let max = server.caller(home.token("manager"));
        eventually("the code is synced", async || {
            let data = max
                .query("{ affiliateCodes(last: 1) { nodes { code stripeSync { status } } } }")
                .await;
            (data["affiliateCodes"]["nodes"][0] == json!({ "code": "SARAH-X", "stripeSync": { "status": "SYNCED" } }))
                .then_some(())
        })
        .await;
        assert_eq!(standin.account(KEY).promotion_codes("SARAH-X").len(), 1);
    }

    async fn asked_to_stop_it_closes_sockets_and_ends_well(database: Database) {
        let standin = StandIn::start(Clock::system()).await.unwrap();
        let home = Home::new(database, &standin);
        let (mut server, _) = start(&home).await;
        let mut socket = socket::Socket::open(&server.base, &home.token("analyst")).await;
        socket.listen("1", "").await;
        assert!(server.signal("-TERM").await);
        assert_eq!(socket.next().await, socket::Heard::Closed(1001));
    }
}
