//! Many codes at once: each row comes to an end of its own, and a row of a batch is minted once, whatever happens.

use std::{collections::BTreeSet, time::Duration};

use chrono::TimeDelta;
use entity::code;
use futures_util::future::join_all;
use rekomi::auth::Role;
use sea_orm::ConnectionTrait;

use crate::support::{app::http, instance::settings, mortal::Mortal, *};

const MINT: &str = "bulkMintAffiliateCodes";
const RESULTS: &str = "results { index
    affiliateCode { id code status affiliate { id } coupon { id } stripeSync { status lastError } }
    userErrors { code field message } }";

async fn results(caller: &Caller, input: Value) -> Vec<Value> {
    let mut payload = caller.mutate(MINT, RESULTS, input).await;
    assert_eq!(payload["userErrors"], json!([]), "{payload}");
    let results = payload["results"].take();
    let results = results.as_array().unwrap().clone();
    assert!((0..).zip(&results).all(|(at, row)| row["index"] == at), "in order");
    results
}

/// What became of each row: its code, or its mistakes.
fn told(results: &[Value]) -> Vec<String> {
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

fn row(affiliate: &str, code: &str) -> Value {
    json!({ "affiliateId": affiliate, "code": code })
}

/// Two hundred and fifty rows: half of them given, half generated, of both affiliates.
fn many(stage: &Stage) -> Value {
    let row = |number: usize| match number % 4 {
        0 => row(&stage.sarah, &format!("S-{number}")),
        1 => row(&stage.bob, &format!("B-{number}")),
        2 => json!({ "affiliateId": stage.sarah }),
        _ => json!({ "affiliateId": stage.bob }),
    };
    json!({ "couponId": stage.coupon, "batch": "spring", "rows": (0..250).map(row).collect::<Vec<_>>() })
}

/// Lets time pass until Stripe has every code, each once, and nothing else.
async fn all_at_stripe(app: &TestApp, codes: usize) {
    let query = "{ affiliateCodes(first: 100) { totalCount } }";
    eventually("all codes are at Stripe", async || {
        app.pass(TimeDelta::seconds(1));
        app.instance.app.operations.run_due().await.unwrap();
        (app.acme.stripe.all("promotion_code").len() >= codes).then_some(())
    })
    .await;
    eventually("nothing is owed", async || {
        app.pass(TimeDelta::seconds(1));
        app.instance.app.operations.run_due().await.unwrap();
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

    async fn with_the_connection_gone_it_waits_three_seconds_in_all_and_the_worker_goes_on(app: &TestApp) {
        let stage = app.stage().await;
        app.standin.fault(Fault::new(FaultKind::Hang).on_path("/v1/promotion_codes").always());
        let start = tokio::time::Instant::now();
        let made = results(&app.max(), many(&stage)).await;
        let took = start.elapsed().as_secs_f64();
        assert!((2.9..12.0).contains(&took), "{took} s");
        assert!(made.iter().all(|row| row["affiliateCode"]["stripeSync"]["status"] == "PENDING"));
        app.standin.clear_faults();
        all_at_stripe(app, 251).await;
    }

    async fn on_a_bad_day_no_row_is_lost_and_none_is_made_twice(app: &TestApp) {
        let stage = app.stage().await;
        let on_codes = |kind| Fault::new(kind).on_method("POST").on_path("/v1/promotion_codes");
        for kind in [FaultKind::DropAfter, FaultKind::ServerError, FaultKind::DropBefore, FaultKind::SavedServerError] {
            app.standin.fault(on_codes(kind).after(3).times(20));
        }
        let made = results(&app.max(), many(&stage)).await;
        assert_eq!(made.iter().filter(|row| row["affiliateCode"].is_null()).count(), 0);
        app.standin.clear_faults();
        all_at_stripe(app, 251).await;
    }

    async fn what_stripe_refuses_is_taken_back_alone_and_tried_anew_when_it_is_sent_again(app: &TestApp) {
        let stage = app.stage().await;
        let refusal = Fault::refuse("Not today.", "code").on_path("/v1/promotion_codes");
        app.standin.fault(refusal.times(20));
        let made = results(&app.max(), many(&stage)).await;
        let refused: Vec<&Value> = made.iter().filter(|row| row["affiliateCode"].is_null()).collect();
        assert_eq!(refused.len(), 20);
        for row in refused {
            let error = json!([{ "code": "STRIPE_REJECTED", "field": ["rows", row["index"].to_string(), "code"], "message": "Not today." }]);
            assert_eq!(row["userErrors"], error);
        }
        assert_eq!(app.count::<code::Entity>().await, 231);
        let again = results(&app.max(), many(&stage)).await;
        assert!(again.iter().all(|row| row["userErrors"] == json!([])));
        all_at_stripe(app, 251).await;
    }

    async fn a_generated_text_that_stripe_has_already_is_passed_over(app: &TestApp) {
        let stage = app.stage().await;
        for (number, code) in ["BOB20", "BOB20-2"].iter().enumerate() {
            app.acme.stripe.put(json!({
                "id": format!("promo_{number}"), "object": "promotion_code", "active": true, "code": code, "created": 1,
                "customer": null, "expires_at": null, "livemode": true, "max_redemptions": null, "metadata": {},
                "promotion": { "type": "coupon", "coupon": stage.coupon }, "times_redeemed": 0,
            }));
        }
        let rows = json!([{ "affiliateId": stage.bob }, { "affiliateId": stage.bob }, row(&stage.bob, "BOB20")]);
        let made = results(&app.max(), json!({ "couponId": stage.coupon, "rows": rows })).await;
        let mut made = told(&made);
        assert_eq!(made.pop().unwrap(), "STRIPE_REJECTED rows.2.code");
        made.sort();
        assert_eq!(made, ["BOB20-3", "BOB20-4"]);
    }

    async fn killed_half_way_it_is_taken_up_where_it_stood(app: &TestApp) {
        let stage = app.stage().await;
        let settings = settings(&app.database, &app.standin);
        let mut stood = BTreeSet::new();
        for (round, millis) in [15, 40, 80, 160, 400].into_iter().enumerate() {
            let server = Mortal::start(&settings, &app.clock).await;
            let max = Caller::new(http(), &server.base, Some(app.token(Role::Manager, None, None)));
            let mut input = many(&stage);
            input["rows"].as_array_mut().unwrap().iter_mut().for_each(|row| {
                if let Some(code) = row["code"].as_str() {
                    row["code"] = json!(format!("{code}-{round}"));
                }
            });
            input["batch"] = json!(format!("round {round}"));
            let variables = json!({ "input": input });
            let document = "mutation($input: BulkMintAffiliateCodesInput!) { bulkMintAffiliateCodes(input: $input) { results { index } } }";
            let cut = tokio::spawn(async move { max.cut(document, variables).await });
            tokio::time::sleep(Duration::from_millis(millis)).await;
            server.die().await;
            cut.await.unwrap();
            stood.insert(app.count::<code::Entity>().await - 1 - 250 * round as u64);
            let made = results(&app.max(), input).await;
            assert_eq!(told(&made).into_iter().collect::<BTreeSet<_>>().len(), 250);
            assert_eq!(app.count::<code::Entity>().await, 1 + 250 * (round as u64 + 1));
        }
        assert!(stood.len() > 1, "it was cut off at different places: {stood:?}");
        all_at_stripe(app, 1 + 5 * 250).await;
    }
}
