//! The real server, killed at each step of making a code or a coupon: after the restart Stripe has what we have, once.

use std::{future::Future, time::Duration};

use entity::{
    code::{self, CodeStatus},
    coupon,
    stripe_operation::{self, OperationStatus},
};
use rekomi::{clock::Clock, db::Db, lease, standin::StandIn};
use sea_orm::{ColumnTrait, ConnectionTrait, DatabaseTransaction, EntityTrait, PaginatorTrait, QueryFilter};

use crate::support::{
    app::http,
    binary::{Home, KEY, Server},
    cast::set_stage,
    database::Database,
    *,
};

/// What is made, and killed at it.
#[derive(Clone, Copy, Debug)]
enum Making {
    Code,
    Coupon,
}

struct Shop {
    standin: StandIn,
    home: Home,
    db: Db,
    server: Server,
    stage: Stage,
    token: String,
}

impl Shop {
    async fn open(database: Database) -> Self {
        let standin = StandIn::start(Clock::system()).await.unwrap();
        let home = Home::new(database, &standin);
        home.acme();
        let (server, token) = (home.serve().await, home.token("manager"));
        let stage = set_stage(
            &server.caller(token.clone()),
            CampaignSpec::default(),
            CouponSpec::default(),
        )
        .await;
        let db = Db::open(&home.settings["DATABASE_URL"].parse().unwrap()).await.unwrap();
        Self {
            standin,
            home,
            db,
            server,
            stage,
            token,
        }
    }

    /// Asks for something to be made; the answer may never come.
    fn ask(&self, making: Making) -> impl Future<Output = ()> + use<> {
        let (query, input) = match making {
            Making::Code => (
                "mutation($input: MintAffiliateCodeInput!) { mintAffiliateCode(input: $input) { affiliateCode { id } } }",
                json!({ "couponId": self.stage.coupon, "affiliateId": self.stage.sarah }),
            ),
            Making::Coupon => (
                "mutation($input: CreateCampaignCouponInput!) { createCampaignCoupon(input: $input) { campaignCoupon { id } } }",
                CouponSpec::default()
                    .with("campaignId", self.stage.campaign.as_str())
                    .input,
            ),
        };
        let body = json!({ "query": query, "variables": { "input": input } });
        let request = http()
            .post(format!("{}/graphql", self.server.base))
            .bearer_auth(&self.token)
            .json(&body);
        async move { drop(request.send().await) }
    }

    /// Nothing that is owed can be written until this is dropped.
    async fn hold(&self) -> DatabaseTransaction {
        let txn = self.db.begin().await.unwrap();
        if self.home.settings["DATABASE_URL"].starts_with("postgres") {
            txn.execute_unprepared("LOCK TABLE stripe_operation IN EXCLUSIVE MODE")
                .await
                .unwrap();
        }
        txn
    }

    /// The calls that make something, so far.
    fn calls(&self) -> Vec<rekomi::standin::Call> {
        self.standin
            .calls()
            .into_iter()
            .filter(|call| call.method == "POST")
            .collect()
    }

    async fn rows(&self) -> u64 {
        stripe_operation::Entity::find().count(self.db.reader()).await.unwrap()
    }

    /// Starts the server again, with Stripe as it should be; what died in hand is taken up again. Then both sides are
    /// held against each other.
    async fn recover(&mut self, what: &str) {
        self.server.kill();
        self.standin.set_latency(Duration::ZERO);
        let txn = self.db.begin().await.unwrap();
        // As if the time had passed that a lease takes on PostgreSQL.
        lease::release_all::<stripe_operation::Entity>(&txn).await.unwrap();
        txn.commit().await.unwrap();
        self.server = self.home.serve().await;
        let pending =
            || stripe_operation::Entity::find().filter(stripe_operation::Column::Status.eq(OperationStatus::Pending));
        eventually(&format!("{what}: nothing is owed"), async || {
            (pending().count(self.db.reader()).await.unwrap() == 0).then_some(())
        })
        .await;
        self.both_sides_agree(what).await;
    }

    async fn both_sides_agree(&self, what: &str) {
        let stripe = self.standin.account(KEY);
        let codes = code::Entity::find().all(self.db.reader()).await.unwrap();
        let promotion_codes = stripe.all("promotion_code");
        let ours = |id: &Value| codes.iter().find(|code| json!(code.id.to_string()) == *id);
        for made in &promotion_codes {
            let code =
                ours(&made["metadata"]["rekomi_affiliate_coupon_id"]).unwrap_or_else(|| panic!("{what}: {made}"));
            assert_eq!(code.stripe_id.as_deref(), made["id"].as_str(), "{what}: one for each");
            assert_eq!(made["active"], code.status == CodeStatus::Active, "{what}: {made}");
        }
        let live = codes.iter().filter(|code| code.status == CodeStatus::Active).count();
        let live_there = promotion_codes.iter().filter(|made| made["active"] == true).count();
        assert_eq!(live, live_there, "{what}");
        let coupons = coupon::Entity::find().all(self.db.reader()).await.unwrap();
        let there = stripe.all("coupon");
        assert!(
            there
                .iter()
                .all(|made| coupons.iter().any(|row| json!(row.id.to_string()) == made["id"])),
            "{what}"
        );
        let known = coupons.iter().filter(|row| row.stripe_id.is_some()).count();
        assert_eq!(known, there.len(), "{what}");
    }

    /// Waits for the next call, and then for Stripe's answer to it, while nothing can be written down any more.
    async fn answered_and_held(&self, before: usize) -> DatabaseTransaction {
        eventually("the call", async || (self.calls().len() > before).then_some(())).await;
        let held = self.hold().await;
        eventually("the answer", async || self.calls()[before].status.map(drop)).await;
        tokio::time::sleep(Duration::from_millis(200)).await;
        held
    }
}

async fn killed_at_each_step(database: Database, making: Making) {
    let mut shop = Shop::open(database).await;
    let path = match making {
        Making::Code => "/v1/promotion_codes",
        Making::Coupon => "/v1/coupons",
    };
    let fault = |kind| Fault::new(kind).on_method("POST").on_path(path);
    let slow = Duration::from_millis(400);

    let (rows, held) = (shop.rows().await, shop.hold().await);
    let asking = tokio::spawn(shop.ask(making));
    tokio::time::sleep(Duration::from_millis(300)).await;
    shop.server.kill();
    held.rollback().await.unwrap();
    asking.await.unwrap();
    shop.recover("before the commit").await;
    assert_eq!(shop.rows().await, rows, "nothing was begun");

    shop.standin.set_latency(Duration::from_secs(5));
    let asking = tokio::spawn(shop.ask(making));
    eventually("the row", async || (shop.rows().await > rows).then_some(())).await;
    shop.recover("after the commit, before Stripe did anything").await;
    asking.await.unwrap();

    for kind in [FaultKind::Hang, FaultKind::DropBefore, FaultKind::DropAfter] {
        let (what, before) = (format!("{kind:?}"), shop.calls().len());
        shop.standin.fault(fault(kind));
        let asking = tokio::spawn(shop.ask(making));
        eventually("the call", async || (shop.calls().len() > before).then_some(())).await;
        shop.recover(&what).await;
        asking.await.unwrap();
    }

    let before = shop.calls().len();
    shop.standin.set_latency(slow);
    let asking = tokio::spawn(shop.ask(making));
    let held = shop.answered_and_held(before).await;
    assert_eq!(shop.calls()[before].status, Some(200));
    shop.server.kill();
    held.rollback().await.unwrap();
    asking.await.unwrap();
    shop.recover("after Stripe's answer, before it was written down").await;
    assert!(shop.calls()[before + 1].replayed, "Stripe told it again");

    for refusals in [1, u32::MAX] {
        let before = shop.calls().len();
        shop.standin.set_latency(slow);
        let refusal = FaultKind::Refuse {
            message: "No.".to_owned(),
            param: "code".to_owned(),
        };
        shop.standin.fault(fault(refusal).times(refusals));
        let asking = tokio::spawn(shop.ask(making));
        let held = shop.answered_and_held(before).await;
        assert_eq!(shop.calls()[before].status, Some(400));
        shop.server.kill();
        held.rollback().await.unwrap();
        asking.await.unwrap();
        shop.recover("in the middle of taking back a refusal").await;
        shop.standin.clear_faults();
    }
    let failed = stripe_operation::Entity::find().filter(stripe_operation::Column::Status.eq(OperationStatus::Failed));
    assert_eq!(
        failed.count(shop.db.reader()).await.unwrap(),
        1,
        "what was refused again is told"
    );
}

on_both! {
    async fn a_code_s_making_killed_at_each_step(database: Database) {
        killed_at_each_step(database, Making::Code).await;
    }

    async fn a_coupon_s_making_killed_at_each_step(database: Database) {
        killed_at_each_step(database, Making::Coupon).await;
    }

    async fn killed_at_any_moment(database: Database) {
        let mut shop = Shop::open(database).await;
        for round in 0..10 {
            shop.standin.set_latency(Duration::from_millis(10));
            let asking = [Making::Code, Making::Coupon, Making::Code].map(|making| tokio::spawn(shop.ask(making)));
            tokio::time::sleep(Duration::from_millis(round * 7)).await;
            shop.recover(&format!("after {} ms", round * 7)).await;
            for request in asking {
                request.await.unwrap();
            }
        }
    }
}
