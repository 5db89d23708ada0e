//! Many codes at once on Stripe's bad days, and on the server's: no row is lost, and none is made twice.

use std::collections::BTreeSet;

use entity::code;
use rekomi::auth::Role;

use crate::{
    bulk_mint::{all_at_stripe, many, results, row, told},
    support::{app::http, instance::settings, mortal::Mortal, *},
};

both! {
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
        // So many rows are here, and so many at Stripe, when the server dies.
        let deaths = [(0, 0), (1, 0), (120, 0), (250, 1), (250, 100)];
        for (round, (here, there)) in deaths.into_iter().enumerate() {
            let before = 1 + 250 * round;
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
            eventually("the moment to die", async || {
                let minted = app.count::<code::Entity>().await >= before as u64 + here;
                (minted && app.acme.stripe.all("promotion_code").len() >= before + there).then_some(())
            })
            .await;
            server.die().await;
            cut.await.unwrap();
            stood.insert(app.count::<code::Entity>().await - before as u64);
            let made = results(&app.max(), input).await;
            assert_eq!(told(&made).into_iter().collect::<BTreeSet<_>>().len(), 250);
            assert_eq!(app.count::<code::Entity>().await, before as u64 + 250);
            all_at_stripe(app, before + 250).await;
        }
        assert!(stood.len() > 1, "it was cut off at different places: {stood:?}");
    }
}
