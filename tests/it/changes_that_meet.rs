//! Changes of one code or coupon that follow each other while Stripe has not answered the first: in the end Stripe has
//! what we have.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use chrono::TimeDelta;
use rekomi::{
    auth::{Actor, Scope},
    clock::Clock,
    domain::{Attempt, Domain, Outbox, code_renaming},
    error::Result,
};
use uuid::Uuid;

use crate::{
    renaming::{live, look, outage, rename, settled, switch},
    support::{
        instance::{Instance, settings},
        *,
    },
};

/// An outbox on a slow machine: all that is owed already comes to its end before it tries anything.
struct Slow {
    inner: Arc<dyn Outbox>,
    operations: rekomi::stripe::operations::Operations,
    clock: Clock,
}

#[async_trait]
impl Outbox for Slow {
    async fn connected(&self, scope: &Scope) -> Result<bool> {
        self.inner.connected(scope).await
    }

    async fn attempt(&self, operation: Uuid) -> Attempt {
        for _ in 0..5 {
            self.clock.advance(TimeDelta::seconds(1));
            self.operations.run_due().await.unwrap();
            while !self.operations.lanes.are_closed() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
        self.inner.attempt(operation).await
    }

    fn wake(&self) {
        self.inner.wake();
    }
}

async fn coupon(app: &TestApp, id: &str) -> Value {
    let query = format!("{{ node(id: \"{id}\") {{ ... on CampaignCoupon {{ name stripeSync {{ status }} }} }} }}");
    app.ana().query(&query).await["node"].take()
}

both! {
    async fn a_code_that_was_switched_off_stays_off_whatever_text_it_returns_to(app: &TestApp) {
        let stage = app.stage().await;
        outage(app);
        rename(app, &stage.code, "SARAH-B").await;
        switch(app, "deactivateAffiliateCode", &stage.code).await;
        rename(app, &stage.code, "SARAH20").await;
        // Stripe may have forgotten all keys: what is owed is looked up first.
        app.pass(TimeDelta::hours(24));
        app.standin.clear_faults();
        let code = settled(app, &stage.code).await;
        assert_eq!(
            (&code["code"], &code["status"], &code["stripeSync"]["status"]),
            (&json!("SARAH20"), &json!("INACTIVE"), &json!("SYNCED"))
        );
        assert_eq!(live(app), [""; 0]);
        switch(app, "reactivateAffiliateCode", &stage.code).await;
        assert_eq!(settled(app, &stage.code).await["status"], "ACTIVE");
        assert_eq!(live(app), ["SARAH20"]);
    }

    async fn a_refused_switch_does_not_undo_a_later_one(app: &TestApp) {
        let stage = app.stage().await;
        let max = app.max();
        let refusal = || Fault::refuse("Not now.", "active").on_path("/v1/promotion_codes/");
        switch(app, "deactivateAffiliateCode", &stage.code).await;
        app.standin.set_latency(Duration::from_secs(2));
        app.standin.fault(refusal());
        let first = max.mutate("reactivateAffiliateCode", "affiliateCode { id }", json!({ "id": stage.code }));
        let later = async {
            eventually("it is owed", async || {
                (look(app, &stage.code).await["stripeSync"]["status"] == "PENDING").then_some(())
            })
            .await;
            switch(app, "deactivateAffiliateCode", &stage.code).await;
            switch(app, "reactivateAffiliateCode", &stage.code).await;
        };
        let (first, ()) = tokio::join!(first, later);
        assert_eq!(client::mistakes(&first), [mistake("STRIPE_REJECTED", "id")]);
        app.standin.set_latency(Duration::ZERO);
        assert_eq!(settled(app, &stage.code).await["status"], "ACTIVE");
        assert_eq!(live(app), ["SARAH20"]);
        // The same where the refusal comes when nobody waits for it any more.
        switch(app, "deactivateAffiliateCode", &stage.code).await;
        outage(app);
        for mutation in ["reactivateAffiliateCode", "deactivateAffiliateCode", "reactivateAffiliateCode"] {
            switch(app, mutation, &stage.code).await;
        }
        app.standin.clear_faults();
        app.standin.fault(refusal());
        assert_eq!(settled(app, &stage.code).await["status"], "ACTIVE");
        assert_eq!(live(app), ["SARAH20"]);
    }

    async fn a_refused_name_of_a_coupon_does_not_undo_a_later_one(app: &TestApp) {
        let stage = app.stage().await;
        let max = app.max();
        app.standin.set_latency(Duration::from_secs(2));
        app.standin.fault(Fault::refuse("Not that name.", "name").on_path("/v1/coupons/"));
        let name = |name: &str| json!({ "id": stage.coupon, "name": name });
        let first = max.mutate("updateCampaignCoupon", "campaignCoupon { id }", name("Second"));
        let later = async {
            eventually("it is named", async || (coupon(app, &stage.coupon).await["name"] == "Second").then_some(())).await;
            max.make("updateCampaignCoupon", "campaignCoupon", "id", name("Third")).await;
        };
        let (first, ()) = tokio::join!(first, later);
        assert_eq!(client::mistakes(&first), [mistake("STRIPE_REJECTED", "name")]);
        app.standin.set_latency(Duration::ZERO);
        let third = eventually("nothing is owed", async || {
            app.pass(TimeDelta::seconds(1));
            app.work_off().await;
            let coupon = coupon(app, &stage.coupon).await;
            (coupon["stripeSync"]["status"] != "PENDING").then_some(coupon)
        })
        .await;
        assert_eq!(third, json!({ "name": "Third", "stripeSync": { "status": "SYNCED" } }));
        assert_eq!(app.acme.stripe.get("coupon", &stage.coupon).unwrap()["name"], "Third");
    }

    async fn a_refused_text_gives_way_to_what_stripe_has_and_not_to_another_refused_one(app: &TestApp) {
        let stage = app.stage().await;
        outage(app);
        // Stripe takes no underscore.
        rename(app, &stage.code, "SARAH_B").await;
        app.standin.clear_faults();
        let server = &app.instance.app;
        let outbox = Arc::new(Slow {
            inner: server.domain.outbox.clone(),
            operations: server.operations.clone(),
            clock: app.clock.clone(),
        });
        let domain = Domain { outbox, ..server.domain.clone() };
        let actor = Actor::command_line(app.acme.id, true);
        let refused = code_renaming::rename(&domain, &actor, stage.code.parse().unwrap(), "SARAH_C").await;
        assert!(refused.is_err(), "{refused:?}");
        let code = settled(app, &stage.code).await;
        assert_eq!((&code["code"], &code["status"]), (&json!("SARAH20"), &json!("ACTIVE")));
        assert_eq!(live(app), ["SARAH20"]);
    }

    async fn what_ends_after_a_refusal_does_not_hide_it(app: &TestApp) {
        let stage = app.stage().await;
        outage(app);
        rename(app, &stage.code, "SARAH-B").await;
        rename(app, &stage.code, "SARAH_C").await;
        app.standin.clear_faults();
        let code = settled(app, &stage.code).await;
        assert_eq!((&code["code"], &code["stripeSync"]["status"]), (&json!("SARAH-B"), &json!("FAILED")));
        assert!(code["stripeSync"]["lastError"].as_str().unwrap().contains("invalid characters"), "{code}");
        assert_eq!(live(app), ["SARAH-B"]);
    }

    async fn changes_go_in_order_whatever_the_clocks_of_two_servers_say(app: &TestApp) {
        let stage = app.stage().await;
        outage(app);
        switch(app, "deactivateAffiliateCode", &stage.code).await;
        let behind = Clock::manual(app.now() - TimeDelta::seconds(3));
        let second = Instance::start(&settings(&app.database, &app.standin), behind).await;
        let max = second.caller(Some(app.token(rekomi::auth::Role::Manager, None, None)));
        max.make("reactivateAffiliateCode", "affiliateCode", "id", json!({ "id": stage.code })).await;
        second.stop().await;
        app.standin.clear_faults();
        app.pass(TimeDelta::seconds(60));
        assert_eq!(settled(app, &stage.code).await["status"], "ACTIVE");
        assert_eq!(live(app), ["SARAH20"]);
    }
}
