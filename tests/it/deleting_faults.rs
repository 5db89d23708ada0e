//! Deleting a code on bad days: whatever is owed for it, whatever Stripe did of that, and whenever the server dies, none of
//! its promotion codes is on in the end.

use std::time::Duration;

use chrono::TimeDelta;
use rekomi::auth::{Role, jwt::Mode};

use crate::{
    deleting::{ON_THERE, delete},
    drift::{code as look, standing},
    reconcile::reconcile,
    renaming::{live, outage, rename, settled, switch},
    support::{
        instance::{Instance, settings},
        mortal::Mortal,
        *,
    },
};

const FAULTS: [FaultKind; 5] = [
    FaultKind::DropBefore,
    FaultKind::DropAfter,
    FaultKind::ServerError,
    FaultKind::SavedServerError,
    FaultKind::RateLimited,
];

/// Deletes a code; what is left of it in the end.
async fn delete_and_settle(app: &TestApp, code: &str, what: &str) -> Value {
    delete(app, code).await;
    let settled = settled(app, code).await;
    assert_eq!(live(app), [""; 0], "{what}");
    assert_eq!(
        (&settled["status"], &look(app, code).await["inactiveReason"]),
        (&json!("INACTIVE"), &json!("DELETED")),
        "{what}"
    );
    settled
}

both! {
    async fn deleting_waits_for_nobody_and_is_done_when_stripe_is_back(app: &TestApp) {
        let stage = app.stage().await;
        let max = app.max();
        for kind in FAULTS {
            let code = max.mint(&stage.coupon, &stage.bob, &format!("{kind:?}").to_uppercase()).await;
            app.standin.fault(Fault::new(kind.clone()).on_path("/v1/promotion_codes"));
            delete(app, &code).await;
            assert_eq!(settled(app, &code).await["stripeSync"]["status"], "SYNCED", "{kind:?}");
            assert_eq!(live(app), ["SARAH20"], "{kind:?}");
        }
        outage(app);
        delete(app, &stage.code).await;
        assert_eq!(look(app, &stage.code).await["stripeSync"], json!({ "status": "PENDING", "drift": null }));
        assert_eq!(live(app), ["SARAH20"]);
        app.standin.clear_faults();
        assert_eq!(settled(app, &stage.code).await["stripeSync"]["status"], "SYNCED");
        assert_eq!(live(app), [""; 0]);
    }

    async fn one_whose_making_is_owed_is_not_left_alive(app: &TestApp) {
        let stage = app.stage().await;
        delete(app, &stage.code).await;
        for kind in FAULTS {
            let text = format!("{kind:?}").to_uppercase();
            app.standin.fault(Fault::new(kind.clone()).on_path("/v1/promotion_codes"));
            let code = app.max().mint(&stage.coupon, &stage.bob, &text).await;
            let settled = delete_and_settle(app, &code, &text).await;
            assert_eq!(settled["stripeSync"]["status"], "SYNCED", "{text}");
            assert!(app.acme.stripe.promotion_codes(&text).len() <= 1, "{text}");
        }
        // Stripe refuses it only now.
        app.standin.fault(Fault::new(FaultKind::DropBefore).on_path("/v1/promotion_codes"));
        let code = app.max().mint(&stage.coupon, &stage.bob, "NOT_FOR_STRIPE").await;
        let settled = delete_and_settle(app, &code, "refused").await;
        assert_eq!(settled["stripeSync"]["status"], "FAILED");
    }

    async fn one_that_stripe_refused_to_make_is_deleted_all_the_same(app: &TestApp) {
        let stage = app.stage().await;
        delete(app, &stage.code).await;
        outage(app);
        let code = app.max().mint(&stage.coupon, &stage.bob, "NOT_FOR_STRIPE").await;
        app.standin.clear_faults();
        assert_eq!(settled(app, &code).await["stripeSync"]["status"], "FAILED");
        let writes = app.writes();
        delete_and_settle(app, &code, "it is not there").await;
        assert_eq!(app.writes(), writes);
    }

    async fn one_that_is_half_renamed_leaves_no_text_alive(app: &TestApp) {
        let stage = app.stage().await;
        delete(app, &stage.code).await;
        for (number, kind) in FAULTS.into_iter().enumerate() {
            for (which, spared) in [("MAKING", 0), ("ENDING", 1)] {
                let (old, new) = (format!("OLD-{which}-{number}"), format!("NEW-{which}-{number}"));
                let code = app.max().mint(&stage.coupon, &stage.bob, &old).await;
                app.standin.fault(Fault::new(kind.clone()).on_method("POST").after(spared));
                rename(app, &code, &new).await;
                let settled = delete_and_settle(app, &code, &format!("{kind:?} {which}")).await;
                assert_eq!((&settled["code"], &settled["stripeSync"]["status"]), (&json!(new), &json!("SYNCED")), "{kind:?} {which}");
            }
        }
    }

    async fn renamings_that_follow_each_other_leave_no_text_alive(app: &TestApp) {
        let stage = app.stage().await;
        delete(app, &stage.code).await;
        // Stripe takes no underscore.
        for (number, [first, second]) in [["B", "C"], ["B", "A"], ["_B", "C"], ["B", "_C"], ["_B", "_C"]].into_iter().enumerate() {
            let text = |of: &str| format!("R{number}{of}");
            let code = app.max().mint(&stage.coupon, &stage.bob, &text("A")).await;
            outage(app);
            rename(app, &code, &text(first)).await;
            rename(app, &code, &text(second)).await;
            delete(app, &code).await;
            app.standin.clear_faults();
            let settled = settled(app, &code).await;
            assert_eq!(live(app), [""; 0], "{first} {second}: {settled}");
        }
    }

    async fn what_is_owed_of_switching_it_does_not_bring_it_back(app: &TestApp) {
        let stage = app.stage().await;
        switch(app, "deactivateAffiliateCode", &stage.code).await;
        outage(app);
        switch(app, "reactivateAffiliateCode", &stage.code).await;
        delete(app, &stage.code).await;
        app.standin.clear_faults();
        settled(app, &stage.code).await;
        assert_eq!(live(app), [""; 0]);
        assert_eq!(look(app, &stage.code).await, standing("INACTIVE", Some("DELETED"), None));
    }

    async fn a_refusal_that_is_on_its_way_does_not_bring_it_back(app: &TestApp) {
        let stage = app.stage().await;
        let max = app.max();
        switch(app, "deactivateAffiliateCode", &stage.code).await;
        app.standin.set_latency(Duration::from_millis(500));
        for (mutation, input, code) in [
            ("reactivateAffiliateCode", json!({ "id": stage.code }), "active"),
            ("renameAffiliateCode", json!({ "id": stage.code, "code": "SARAH-TWO" }), "code"),
        ] {
            app.standin.fault(Fault::refuse("No.", code).on_path("/v1/promotion_codes"));
            let asked = max.mutate(mutation, "affiliateCode { id }", input);
            let deleting = async {
                tokio::time::sleep(Duration::from_millis(250)).await;
                max.mutate("deleteAffiliateCode", "deletedId", json!({ "id": stage.code })).await
            };
            let (refused, _) = tokio::join!(asked, deleting);
            assert_eq!(client::mistakes(&refused).len(), 1, "{mutation}: {refused}");
        }
        app.standin.clear_faults();
        app.standin.set_latency(Duration::ZERO);
        assert_eq!(settled(app, &stage.code).await["code"], "SARAH20");
        assert_eq!(live(app), [""; 0]);
        assert_eq!(look(app, &stage.code).await, standing("INACTIVE", Some("DELETED"), None));
    }

    async fn what_stripe_refuses_of_a_deletion_is_shown_and_can_be_mended(app: &TestApp) {
        let stage = app.stage().await;
        app.standin.fault(Fault::refuse("Not today.", "active").on_path("/v1/promotion_codes"));
        delete(app, &stage.code).await;
        assert_eq!(look(app, &stage.code).await["stripeSync"], json!({ "status": "FAILED", "drift": ON_THERE }));
        let (clean, told) = reconcile(app, &["--repair"]).await;
        assert_eq!((clean, told), (true, vec![format!("SARAH20: {ON_THERE} [repaired]"), "1 1 1 0".to_owned()]));
        assert_eq!(live(app), [""; 0]);
    }

    async fn without_a_key_it_waits_for_one(app: &TestApp) {
        let stage = app.stage().await;
        let tester = app.caller(app.token(Role::Manager, None, Some(Mode::Test)));
        let coupon = tester.coupon(&stage.campaign, CouponSpec::default()).await;
        let code = tester.mint(&coupon, &stage.sarah, "SARAH20").await;
        let payload = tester.mutate("deleteAffiliateCode", "deletedId", json!({ "id": code })).await;
        assert_eq!(payload["deletedId"], code);
        let query = format!("{{ node(id: \"{code}\") {{ ... on AffiliateCode {{ inactiveReason stripeSync {{ status }} }} }} }}");
        assert_eq!(tester.query(&query).await["node"], json!({ "inactiveReason": "DELETED", "stripeSync": { "status": "DISABLED" } }));
    }

    async fn a_coupon_and_its_codes_are_deleted_at_once_by_two_servers(app: &TestApp) {
        let stage = app.stage().await;
        let second = Instance::start(&settings(&app.database, &app.standin), app.clock.clone()).await;
        let (max, other) = (app.max(), second.caller(Some(app.token(Role::Manager, None, None))));
        for round in 0..3 {
            let coupon = max.coupon(&stage.campaign, CouponSpec::default()).await;
            let mut codes = Vec::new();
            for number in 0..6 {
                codes.push(max.mint(&coupon, &stage.bob, &format!("BOB-{round}-{number}")).await);
            }
            let each = codes.iter().map(|code| max.mutate("deleteAffiliateCode", "deletedId", json!({ "id": code })));
            let with_it = other.mutate("deleteCampaignCoupon", "deletedId", json!({ "id": coupon }));
            let (each, with_it) = tokio::join!(futures_util::future::join_all(each), with_it);
            assert_eq!(with_it, json!({ "deletedId": coupon, "userErrors": [] }));
            for (code, deleted) in codes.iter().zip(each) {
                assert_eq!(deleted, json!({ "deletedId": code, "userErrors": [] }));
                settled(app, code).await;
                assert_eq!(look(app, code).await, standing("INACTIVE", Some("DELETED"), None));
            }
        }
        second.stop().await;
        assert_eq!(live(app), ["SARAH20"]);
    }

    async fn a_server_that_dies_while_it_deletes_leaves_nothing_half_done(app: &TestApp) {
        let stage = app.stage().await;
        delete(app, &stage.code).await;
        for (number, millis) in [1, 10, 20, 30, 40, 60, 90].into_iter().enumerate() {
            let code = app.max().mint(&stage.coupon, &stage.bob, &format!("BOB-{number}")).await;
            rename(app, &code, &format!("BOB-NEW-{number}")).await;
            app.standin.set_latency(Duration::from_millis(30));
            let server = Mortal::start(&settings(&app.database, &app.standin), &app.clock).await;
            let max = Caller::new(app::http(), &server.base, Some(app.token(Role::Manager, None, None)));
            let input = json!({ "id": code });
            let asked = tokio::spawn(async move { max.mutate("deleteAffiliateCode", "deletedId", input).await });
            tokio::time::sleep(Duration::from_millis(millis)).await;
            server.die().await;
            asked.abort();
            app.standin.set_latency(Duration::ZERO);
            app.pass(TimeDelta::seconds(30));
            let sync = settled(app, &code).await["stripeSync"]["status"].take();
            let deleted = look(app, &code).await["inactiveReason"] == "DELETED";
            let expected = if deleted { vec![] } else { vec![format!("BOB-NEW-{number}")] };
            assert_eq!((live(app), sync), (expected, json!("SYNCED")), "{millis} ms");
            if !deleted {
                delete_and_settle(app, &code, "once more").await;
            }
        }
    }
}
