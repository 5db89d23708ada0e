//! Many codes at once: each row comes to an end of its own, and a row of a batch is minted once, whatever happens.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use entity::brand::Tier;
use futures_util::future::join_all;
use rekomi::auth::{Role, jwt::Mode};
use sea_orm::ConnectionTrait;

use crate::{support::*, switching::set_plan};

const MINT: &str = "bulkMintAffiliateCodes";
const RESULTS: &str = "results { index
    affiliateCode { id code status affiliate { id } coupon { id } stripeSync { status lastError } }
    userErrors { code field message } }";

pub(crate) async fn results(caller: &Caller, input: Value) -> Vec<Value> {
    let mut payload = caller.mutate(MINT, RESULTS, input).await;
    assert_eq!(payload["userErrors"], json!([]), "{payload}");
    let results = payload["results"].take();
    let results = results.as_array().unwrap().clone();
    assert!((0..).zip(&results).all(|(at, row)| row["index"] == at), "in order");
    results
}

/// What became of each row: its code, or its mistakes.
pub(crate) fn told(results: &[Value]) -> Vec<String> {
    let told = |row: &Value| match row["affiliateCode"]["code"].as_str() {
        Some(code) => {
            assert_eq!(row["userErrors"], json!([]), "{row}");
            code.to_owned()
        }
        None => {
            let mistakes = client::mistakes(row);
            let mistakes: Vec<_> = mistakes.iter().map(|(code, field)| format!("{code} {field}")).collect();
            mistakes.join(", ")
        }
    };
    results.iter().map(told).collect()
}

fn ids(results: &[Value]) -> Vec<&str> {
    results
        .iter()
        .map(|row| row["affiliateCode"]["id"].as_str().unwrap())
        .collect()
}

pub(crate) fn row(affiliate: &str, code: &str) -> Value {
    json!({ "affiliateId": affiliate, "code": code })
}

/// Two hundred and fifty rows: half of them given, half generated, of both affiliates.
pub(crate) fn many(stage: &Stage) -> Value {
    let row = |number: usize| match number % 4 {
        0 => row(&stage.sarah, &format!("S-{number}")),
        1 => row(&stage.bob, &format!("B-{number}")),
        2 => json!({ "affiliateId": stage.sarah }),
        _ => json!({ "affiliateId": stage.bob }),
    };
    json!({ "couponId": stage.coupon, "batch": "spring", "rows": (0..250).map(row).collect::<Vec<_>>() })
}

/// Lets time pass until Stripe has every code, each once, and nothing else.
pub(crate) async fn all_at_stripe(app: &TestApp, codes: usize) {
    let query = "{ affiliateCodes(first: 100) { totalCount } }";
    eventually("all codes are at Stripe", async || {
        app.pass(TimeDelta::seconds(1));
        app.work_off().await;
        (app.acme.stripe.all("promotion_code").len() >= codes).then_some(())
    })
    .await;
    eventually("nothing is owed", async || {
        app.pass(TimeDelta::seconds(1));
        app.work_off().await;
        let owed = "SELECT 1 FROM stripe_operation WHERE status <> 'done' LIMIT 1";
        let backend = app.db().get_database_backend();
        let owed = sea_orm::Statement::from_string(backend, owed);
        app.db().query_one_raw(owed).await.unwrap().is_none().then_some(())
    })
    .await;
    let made = app.acme.stripe.all("promotion_code");
    let of = |field: &str| -> BTreeSet<String> {
        made.iter()
            .map(|code| code["metadata"][field].to_string() + &code["code"].to_string())
            .collect()
    };
    assert_eq!((made.len(), of("rekomi_affiliate_coupon_id").len()), (codes, codes));
    assert_eq!(app.ana().query(query).await["affiliateCodes"]["totalCount"], codes);
}

both! {
    async fn each_row_comes_to_an_end_of_its_own(app: &TestApp) {
        let stage = app.stage().await;
        let max = app.max();
        let elsewhere = max.campaign(CampaignSpec::default().with("name", "Elsewhere")).await;
        let stranger = max.new_affiliate("Eve", &[&elsewhere]).await;
        let pending = max.new_affiliate("Pat", &[&stage.campaign]).await;
        let namesake = json!({ "name": "Bob Brown", "email": "bob@brown.example", "campaignIds": [stage.campaign] });
        let namesake = cast::id(&max.make("createAffiliate", "affiliate", "id", namesake).await);
        max.set_status(&pending, "PENDING").await;
        let generated = |affiliate: &str| json!({ "affiliateId": affiliate });
        let rows = json!([
            generated(&stage.bob),
            row(&stage.sarah, "sarah-one"),
            row("aff_00000000000070008000000000000000", "NOBODY"),
            row("nonsense", "NOBODY"),
            row(&stage.sarah, "a b"),
            row(&pending, "PAT-CODE"),
            row(&stranger, "EVE-CODE"),
            row(&stage.bob, "sarah20"),
            row(&stage.bob, "SARAH-ONE"),
            row(&stage.bob, "BOB20"),
            generated(&namesake),
            row(&stage.bob, "NOT_FOR_STRIPE"),
            generated(&stage.sarah),
        ]);
        let made = results(&max, json!({ "couponId": stage.coupon, "rows": rows })).await;
        assert_eq!(told(&made), [
            "BOB20-2",
            "SARAH-ONE",
            "NOT_FOUND rows.2.affiliateId",
            "NOT_FOUND rows.3.affiliateId",
            "INVALID rows.4.code",
            "AFFILIATE_NOT_APPROVED rows.5.affiliateId",
            "INVALID rows.6.affiliateId",
            "TAKEN rows.7.code",
            "TAKEN rows.8.code",
            "BOB20",
            "BOB20-3",
            "STRIPE_REJECTED rows.11.code",
            "SARAH20-2",
        ]);
        for (row, affiliate) in [(0, &stage.bob), (1, &stage.sarah), (10, &namesake)] {
            let code = &made[row]["affiliateCode"];
            assert_eq!(code["affiliate"]["id"], *affiliate);
            assert_eq!([&code["status"], &code["stripeSync"]["status"]], ["ACTIVE", "SYNCED"]);
        }
        all_at_stripe(app, 6).await;
        assert_eq!(app.acme.stripe.promotion_codes("NOT_FOR_STRIPE"), [Value::Null; 0]);
        // What Stripe refused is free again.
        assert!(!app.state().await.contains("NOT_FOR_STRIPE"));
    }

    async fn what_is_wrong_with_the_whole_mints_nothing(app: &TestApp) {
        let stage = app.stage().await;
        let max = app.max();
        let good = json!([row(&stage.sarah, "GOOD-ONE")]);
        let closed = |name: &str| CouponSpec::default().with("name", name);
        let archived = max.coupon(&stage.campaign, closed("Archived")).await;
        max.make("updateCampaignCoupon", "campaignCoupon", "id", json!({ "id": archived, "archived": true })).await;
        let expired = max.coupon(&stage.campaign, closed("Old").with("expiresAt", "2026-11-01T12:00:10Z")).await;
        let deleted = max.coupon(&stage.campaign, closed("Deleted")).await;
        max.mutate("deleteCampaignCoupon", "deletedId", json!({ "id": deleted })).await;
        app.pass(TimeDelta::seconds(10));
        let (before, writes) = (app.everything().await, app.writes());
        let too_many: Vec<Value> = (0..251).map(|number| row(&stage.sarah, &format!("CODE-{number}"))).collect();
        let cases = [
            (json!({ "couponId": stage.coupon, "rows": [] }), mistake("INVALID", "rows")),
            (json!({ "couponId": stage.coupon, "rows": too_many }), mistake("LIMIT_EXCEEDED", "rows")),
            (json!({ "couponId": stage.coupon, "rows": good, "batch": " " }), mistake("INVALID", "batch")),
            (json!({ "couponId": stage.coupon, "rows": good, "batch": "x".repeat(65) }), mistake("INVALID", "batch")),
            (json!({ "couponId": "nonsense", "rows": good }), mistake("NOT_FOUND", "couponId")),
            (json!({ "couponId": deleted, "rows": good }), mistake("NOT_FOUND", "couponId")),
            (json!({ "couponId": archived, "rows": good }), mistake("INVALID", "couponId")),
            (json!({ "couponId": expired, "rows": good }), mistake("INVALID", "couponId")),
        ];
        for (input, expected) in cases {
            let payload = max.mutate(MINT, RESULTS, input).await;
            assert_eq!((client::mistakes(&payload), &payload["results"]), (vec![expected], &json!([])));
        }
        let input = json!({ "couponId": stage.coupon, "rows": good });
        let answer = app.globex_owner().mutate(MINT, RESULTS, input.clone()).await;
        assert_eq!(client::mistakes(&answer), [mistake("NOT_FOUND", "couponId")]);
        for other in [app.ana(), app.affiliate(&stage.sarah)] {
            assert_eq!(other.try_mutate(MINT, RESULTS, input.clone()).await.codes(), ["FORBIDDEN"]);
        }
        assert_eq!((app.everything().await, app.writes()), (before, writes));
    }

    async fn two_hundred_and_fifty_rows_are_minted_and_each_has_its_entry_in_the_log(app: &TestApp) {
        let stage = app.stage().await;
        let entries = app.everything().await.count("audit_entry");
        let made = results(&app.max(), many(&stage)).await;
        assert_eq!(told(&made).into_iter().collect::<BTreeSet<_>>().len(), 250);
        assert_eq!(made[2]["affiliateCode"]["code"], "SARAH20-2");
        assert_eq!(app.everything().await.count("audit_entry"), entries + 250);
        all_at_stripe(app, 251).await;
    }

    async fn a_batch_that_is_sent_again_is_answered_and_not_minted_again(app: &TestApp) {
        let stage = app.stage().await;
        let max = app.max();
        let first = json!({ "couponId": stage.coupon, "batch": "b", "rows": [row(&stage.sarah, "one-x"), { "affiliateId": stage.bob }] });
        let made = results(&max, first.clone()).await;
        assert_eq!(told(&made), ["ONE-X", "BOB20"]);
        let before = app.everything().await;
        assert_eq!(results(&max, first.clone()).await, made);
        // Even where nothing new could be minted.
        max.set_status(&stage.bob, "SUSPENDED").await;
        assert_eq!(ids(&results(&max, first.clone()).await), ids(&made));
        max.set_status(&stage.bob, "APPROVED").await;
        let mut other = first.clone();
        other["rows"] = json!([row(&stage.bob, "ONE-X"), row(&stage.bob, "BOB20"), row(&stage.bob, "THREE")]);
        let others = results(&max, other.clone()).await;
        assert_eq!(told(&others), ["INVALID rows.0", "INVALID rows.1", "THREE"]);
        other["rows"] = json!([{ "affiliateId": stage.sarah }, { "affiliateId": stage.bob }]);
        assert_eq!(told(&results(&max, other).await), ["INVALID rows.0", "BOB20"]);
        let coupon = max.coupon(&stage.campaign, CouponSpec::default()).await;
        let mut elsewhere = first.clone();
        elsewhere["couponId"] = json!(coupon);
        assert_eq!(told(&results(&max, elsewhere).await), ["INVALID rows.0", "INVALID rows.1"]);
        // Another name, or none: it is minted again.
        let mut another = first.clone();
        another["batch"] = json!("c");
        assert_eq!(told(&results(&max, another).await), ["TAKEN rows.0.code", "BOB20-2"]);
        assert_eq!(before.count("affiliate_code") + 2, app.everything().await.count("affiliate_code"));
        all_at_stripe(app, 5).await;
    }

    async fn a_batch_that_is_sent_again_is_answered_when_nothing_can_be_minted_any_more(app: &TestApp) {
        let (stage, max) = (app.stage().await, app.max());
        let mut rows = vec![row(&stage.bob, "BOB-1"), json!({ "affiliateId": stage.sarah })];
        let input = |rows: &[Value], batch: &str| json!({ "couponId": stage.coupon, "batch": batch, "rows": rows });
        let minted = results(&max, input(&rows, "spring")).await;
        rows.push(row(&stage.bob, "BOB-2"));
        max.make("updateCampaignCoupon", "campaignCoupon", "id", json!({ "id": stage.coupon, "archived": true })).await;
        let before = app.state().await;
        let again = results(&max, input(&rows, "spring")).await;
        assert_eq!(ids(&again[..2]), ids(&minted));
        assert_eq!(told(&again)[2], "INVALID couponId");
        // What was begun with nothing is refused as a whole.
        for batch in [input(&rows, "autumn"), json!({ "couponId": stage.coupon, "rows": rows })] {
            assert_eq!(client::mistakes(&max.mutate(MINT, RESULTS, batch).await), [mistake("INVALID", "couponId")]);
        }
        assert_eq!(app.state().await, before);

        max.make("updateCampaignCoupon", "campaignCoupon", "id", json!({ "id": stage.coupon, "archived": false })).await;
        set_plan(app, Tier::Starter, 0).await;
        let before = app.state().await;
        let again = results(&max, input(&rows, "spring")).await;
        assert_eq!(ids(&again[..2]), ids(&minted));
        assert_eq!(told(&again)[2], "PLAN_TIER_REQUIRED rows.2");
        assert_eq!(app.state().await, before);
        set_plan(app, Tier::Growth, 0).await;
        let made = results(&max, input(&rows, "spring")).await;
        assert_eq!((ids(&made[..2]), told(&made)[2].as_str()), (ids(&minted), "BOB-2"));

        max.mutate("deleteCampaignCoupon", "deletedId", json!({ "id": stage.coupon })).await;
        rows.push(row(&stage.bob, "BOB-3"));
        let again = results(&max, input(&rows, "spring")).await;
        assert_eq!(ids(&again[..3]), ids(&made));
        assert_eq!(told(&again)[3], "NOT_FOUND couponId");
    }

    async fn without_a_name_what_is_sent_again_is_minted_again(app: &TestApp) {
        let stage = app.stage().await;
        let input = json!({ "couponId": stage.coupon, "rows": [{ "affiliateId": stage.bob }] });
        assert_eq!(told(&results(&app.max(), input.clone()).await), ["BOB20"]);
        assert_eq!(told(&results(&app.max(), input).await), ["BOB20-2"]);
    }

    async fn requests_of_one_batch_at_the_same_moment_mint_each_row_once(app: &TestApp) {
        let stage = app.stage().await;
        let max = app.max();
        let made = join_all((0..4).map(|_| results(&max, many(&stage)))).await;
        for other in &made[1..] {
            assert_eq!(ids(other), ids(&made[0]));
        }
        all_at_stripe(app, 251).await;
    }

    async fn without_a_stripe_key_the_codes_wait_for_one(app: &TestApp) {
        let stage = app.stage().await;
        let tester = app.caller(app.token(Role::Manager, None, Some(Mode::Test)));
        let coupon = tester.coupon(&stage.campaign, CouponSpec::default()).await;
        let writes = app.writes();
        let rows = json!([row(&stage.sarah, "SARAH20"), { "affiliateId": stage.bob }]);
        let made = results(&tester, json!({ "couponId": coupon, "rows": rows })).await;
        assert_eq!(told(&made), ["SARAH20", "BOB20"]);
        assert!(made.iter().all(|row| row["affiliateCode"]["stripeSync"]["status"] == "DISABLED"));
        assert_eq!(app.writes(), writes);
    }

    async fn batches_and_approvals_at_the_same_moment_do_not_wait_for_each_other(app: &TestApp) {
        let stage = app.stage_with(CampaignSpec::default(), CouponSpec::default().with("mintOnApproval", true)).await;
        let max = app.max();
        let name = |number: usize| format!("Bob {}", char::from(b'a' + u8::try_from(number).unwrap()));
        let approvals = join_all((0..12).map(async |number| max.new_affiliate(&name(number), &[&stage.campaign]).await));
        let rows: Vec<Value> = (0..60).map(|_| json!({ "affiliateId": stage.bob })).collect();
        let bulk = || results(&max, json!({ "couponId": stage.coupon, "rows": rows }));
        let (_, one, two) = tokio::join!(approvals, bulk(), bulk());
        assert!(one.iter().chain(&two).all(|row| row["userErrors"] == json!([])));
        all_at_stripe(app, 1 + 12 + 120).await;
    }

    async fn a_batch_and_single_mints_of_the_same_texts_do_not_wait_for_each_other(app: &TestApp) {
        let stage = app.stage().await;
        let max = app.max();
        let forward: Vec<Value> = (0..60).map(|number| row(&stage.sarah, &format!("X-{number}"))).collect();
        let backward: Vec<Value> = forward.iter().rev().cloned().collect();
        let bulk = |rows: Vec<Value>| results(&max, json!({ "couponId": stage.coupon, "rows": rows }));
        let bob = app.affiliate(&stage.bob);
        let singles = join_all((0..20).map(|number| {
            let input = json!({ "couponId": stage.coupon, "code": format!("X-{}", number * 3) });
            bob.mutate("mintAffiliateCode", "affiliateCode { id }", input)
        }));
        let (one, two, singles) = futures_util::future::join3(bulk(forward), bulk(backward), singles).await;
        let made = |rows: &[Value]| rows.iter().filter(|row| !row["affiliateCode"].is_null()).count();
        assert_eq!(made(&one) + made(&two) + made(&singles), 60);
        all_at_stripe(app, 61).await;
    }
}
