//! Changes that meet: each is made on what the others left, and no rule gives way in between.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use entity::{
    api_key, audit_entry,
    code::{self, CodeStatus},
    stripe_event,
};
use futures_util::future::join_all;
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbBackend, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect,
    Statement,
    sea_query::{Expr, LockBehavior, LockType},
};

use crate::support::*;

/// How many of the payloads made something.
fn made(payloads: &[Value], object: &str) -> usize {
    payloads.iter().filter(|payload| !payload[object].is_null()).count()
}

both! {
    async fn keys_that_are_made_at_once_stay_within_the_limit(app: &TestApp) {
        let owner = app.olivia();
        let input = || json!({ "name": "x", "scopes": ["READ"] });
        for _ in 0..9 {
            join_all((0..10).map(|_| owner.make("createApiKey", "apiKey", "id", input()))).await;
        }
        let payloads = join_all((0..40).map(|_| owner.mutate("createApiKey", "apiKey { id }", input()))).await;
        assert_eq!(made(&payloads, "apiKey"), 10);
        assert_eq!(app.count::<api_key::Entity>().await, 100);
    }

    async fn a_key_has_one_successor_and_is_revoked_once(app: &TestApp) {
        let owner = app.olivia();
        for overlap in [0, 24] {
            let key = owner.make("createApiKey", "apiKey", "id", json!({ "name": "x", "scopes": ["READ"] })).await;
            let input = json!({ "id": key["id"], "overlapHours": overlap });
            let rotated = join_all((0..10).map(|_| owner.mutate("rotateApiKey", "apiKey { id }", input.clone()))).await;
            assert_eq!(made(&rotated, "apiKey"), 1, "{overlap}");
            let refused = rotated.iter().filter(|payload| payload["apiKey"].is_null());
            for payload in refused {
                assert_eq!(client::mistakes(payload), [mistake("INVALID", "id")]);
            }
        }
        let key = owner.make("createApiKey", "apiKey", "id", json!({ "name": "x", "scopes": ["READ"] })).await;
        let input = json!({ "id": key["id"] });
        let revoked = join_all((0..10).map(|_| owner.mutate("revokeApiKey", "apiKey { revokedAt }", input.clone()))).await;
        assert_eq!(made(&revoked, "apiKey"), 10);
        let entries = audit_entry::Entity::find().filter(audit_entry::Column::Action.eq("api_key.revoked"));
        assert_eq!(entries.count(app.db()).await.unwrap(), 1);
    }

    async fn the_audit_log_is_one_history(app: &TestApp) {
        let stage = app.stage().await;
        let max = app.max();
        let rename = |number: usize| json!({ "id": stage.campaign, "name": format!("Name {number}") });
        join_all((0..20).map(|number| max.make("updateCampaign", "campaign", "id", rename(number)))).await;
        let entries = audit_entry::Entity::find()
            .filter(audit_entry::Column::Action.eq("campaign.updated"))
            .order_by_asc(audit_entry::Column::Id)
            .all(app.db())
            .await
            .unwrap();
        let changes = entries.iter().map(|entry| serde_json::from_str::<Value>(&entry.changes).unwrap());
        let (before, after): (BTreeSet<String>, BTreeSet<String>) = changes
            .map(|changes| {
                let of = |side: &str| changes["name"][side].as_str().unwrap().to_owned();
                (of("before"), of("after"))
            })
            .unzip();
        // Twenty names one after another: each but the last was the one before of another change.
        assert_eq!((entries.len(), before.len(), after.len()), (20, 20, 20));
        assert_eq!(before.difference(&after).collect::<Vec<_>>(), ["Spring"]);
    }

    async fn no_code_stays_active_on_a_coupon_that_is_deleted_meanwhile(app: &TestApp) {
        let stage = app.stage().await;
        let max = app.max();
        for round in 0..6 {
            let coupon = max.coupon(&stage.campaign, CouponSpec::default()).await;
            let mints = join_all((0..6).map(|number| {
                let code = format!("RACE-{round}-{number}");
                let input = json!({ "couponId": coupon, "affiliateId": stage.sarah, "code": code });
                max.mutate("mintAffiliateCode", "affiliateCode { id }", input)
            }));
            let deletion = async {
                tokio::time::sleep(std::time::Duration::from_millis(3 * round)).await;
                max.mutate("deleteCampaignCoupon", "deletedId", json!({ "id": coupon })).await
            };
            tokio::join!(mints, deletion);
            let active = code::Entity::find()
                .filter(code::Column::CouponId.eq(coupon.parse::<entity::id::CouponId>().unwrap()))
                .filter(code::Column::Status.eq(CodeStatus::Active));
            assert_eq!(active.count(app.db()).await.unwrap(), 0, "round {round}");
        }
    }

    async fn of_fifty_that_mint_one_text_in_any_case_one_has_it(app: &TestApp) {
        let stage = app.stage().await;
        let (max, sarah) = (app.max(), app.affiliate(&stage.sarah));
        for round in 0..3 {
            let mints = join_all((0..50_u32).map(|number| {
                // Another case of the letters for each.
                let cased = |(at, letter): (usize, char)| if number >> at & 1 == 1 { letter.to_ascii_lowercase() } else { letter };
                let code: String = format!("PODCAST-{round}").chars().enumerate().map(cased).collect();
                let (caller, affiliate) = if number % 2 == 0 { (&max, &stage.bob) } else { (&sarah, &stage.sarah) };
                let input = json!({ "couponId": stage.coupon, "affiliateId": affiliate, "code": code });
                caller.mutate("mintAffiliateCode", "affiliateCode { id code }", input)
            }))
            .await;
            assert_eq!(made(&mints, "affiliateCode"), 1, "round {round}");
            for payload in mints.iter().filter(|payload| payload["affiliateCode"].is_null()) {
                assert_eq!(client::mistakes(payload), [mistake("TAKEN", "code")]);
            }
            let text = format!("PODCAST-{round}");
            let winner = mints.iter().find(|payload| !payload["affiliateCode"].is_null()).unwrap();
            assert_eq!(winner["affiliateCode"]["code"], text);
            let made = app.acme.stripe.promotion_codes(&text);
            assert_eq!((made.len(), &made[0]["metadata"]["rekomi_affiliate_coupon_id"]), (1, &winner["affiliateCode"]["id"]));
            let calls = app.standin.calls();
            let asked = calls.iter().filter(|call| call.method == "POST" && call.params["code"] == text);
            assert_eq!(asked.count(), 1, "Stripe is asked for the winner's alone");
        }
        assert_eq!(app.count::<code::Entity>().await, 4);
    }

    async fn no_code_is_minted_for_an_affiliate_that_is_suspended_meanwhile(app: &TestApp) {
        let stage = app.stage().await;
        let max = app.max();
        let mints = join_all((0..6).map(|number| {
            let input = json!({ "couponId": stage.coupon, "affiliateId": stage.bob, "code": format!("LATE-{number}") });
            max.mutate("mintAffiliateCode", "affiliateCode { id }", input)
        }));
        let (payloads, ()) = tokio::join!(mints, max.set_status(&stage.bob, "SUSPENDED"));
        let bobs = code::Entity::find().filter(code::Column::AffiliateId.eq(stage.bob.parse::<entity::id::AffiliateId>().unwrap()));
        assert_eq!(bobs.count(app.db()).await.unwrap(), made(&payloads, "affiliateCode") as u64);
        for payload in payloads.iter().filter(|payload| payload["affiliateCode"].is_null()) {
            assert_eq!(client::mistakes(payload), [mistake("AFFILIATE_NOT_APPROVED", "affiliateId")]);
        }
    }
}

on_postgres! {
    async fn who_puts_parked_events_back_locks_them_in_one_order_whatever_their_turns_are(app: &TestApp) {
        for stripe_id in ["evt_1", "evt_2"] {
            app.deliver([&json!({ "id": stripe_id, "type": "invoice.paid", "livemode": true, "data": { "object": {} } })]).await;
        }
        assert_eq!(app.parked().await.len(), 2);
        let db = &app.instance.app.db;
        let event = |stripe_id| stripe_event::Entity::find().filter(stripe_event::Column::StripeId.eq(stripe_id));
        let txn = db.begin().await.unwrap();
        // The turn of the second is the longest ago.
        let before = app.now() - TimeDelta::hours(1);
        let update = stripe_event::Entity::update_many().col_expr(stripe_event::Column::NextAttemptAt, Expr::value(before));
        update.filter(stripe_event::Column::StripeId.eq("evt_2")).exec(&txn).await.unwrap();
        txn.commit().await.unwrap();

        // The command line goes by their ids.
        let txn = db.begin().await.unwrap();
        event("evt_1").lock_exclusive().one(&txn).await.unwrap();
        let owner = app.olivia();
        let replay = owner.mutate("replayParkedStripeEvents", "replayed left", json!({}));
        let meanwhile = async {
            eventually("somebody waits for a lock", async || {
                let waiting = "SELECT 1 FROM pg_locks WHERE NOT granted AND transactionid =
                    (SELECT transactionid FROM pg_locks WHERE pid = pg_backend_pid() AND locktype = 'transactionid')";
                let waiting = Statement::from_string(DbBackend::Postgres, waiting);
                txn.query_one_raw(waiting).await.unwrap().map(drop)
            })
            .await;
            let second = event("evt_2").lock_with_behavior(LockType::Update, LockBehavior::Nowait).one(&txn).await;
            assert!(second.is_ok_and(|row| row.is_some()), "it is held by who waits for the first");
            txn.commit().await.unwrap();
        };
        let (replayed, ()) = futures_util::future::join(replay, meanwhile).await;
        assert_eq!((&replayed["replayed"], &replayed["left"]), (&json!(2), &json!(0)));
        app.settle().await;
    }
}
