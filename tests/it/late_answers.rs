//! Refusals that come when things have moved on: somebody has changed the code since, another server has its operation, or
//! it was our own older promotion code that was in the way. And what is no word of Stripe's.

use std::time::Duration;

use chrono::TimeDelta;
use rekomi::standin::Failure;

use crate::{
    deleting::delete,
    drift::{self, standing},
    renaming::{live, look, outage, rename, settled, switch, to},
    support::*,
};

const SLOW: Duration = Duration::from_millis(500);
const CODE: &str = "affiliateCode { id code status }";

/// The id of Bob's code, once it is written.
async fn bobs(app: &TestApp, stage: &Stage) -> String {
    let query = format!(
        "{{ affiliateCodes(affiliateId: \"{}\") {{ nodes {{ id }} }} }}",
        stage.bob
    );
    eventually("the code is written", async || {
        let data = app.ana().query(&query).await;
        let id = data.pointer("/affiliateCodes/nodes/0/id");
        id.and_then(Value::as_str).map(str::to_owned)
    })
    .await
}

fn mint(stage: &Stage, text: &str) -> Value {
    json!({ "couponId": stage.coupon, "affiliateId": stage.bob, "code": text })
}

/// The next call is refused slowly; while it is on its way so much time passes that another server takes its operation over.
async fn taken_over<T>(app: &TestApp, asking: impl Future<Output = T>) -> T {
    let calls = app.standin.calls().len();
    app.standin.fault(Fault::refuse("Not yet.", "code").on_method("POST"));
    app.standin.set_latency(SLOW * 2);
    let another = async {
        eventually("the call", async || (app.standin.calls().len() > calls).then_some(())).await;
        app.pass(TimeDelta::seconds(16));
        app.instance.app.operations.run_due().await.unwrap();
    };
    let (answer, ()) = tokio::join!(asking, another);
    app.standin.set_latency(Duration::ZERO);
    // What the other one was at is done before anything else is asked for.
    app.work_off().await;
    answer
}

both! {
    async fn a_new_code_that_is_renamed_before_stripe_refuses_it_goes_on_under_the_new_text(app: &TestApp) {
        let (stage, max) = (app.stage().await, app.max());
        app.standin.set_latency(SLOW);
        let renaming = async { rename(app, &bobs(app, &stage).await, "BOB-2").await };
        let minting = max.mutate("mintAffiliateCode", CODE, mint(&stage, "BOB_1"));
        let (minted, renamed) = tokio::join!(minting, renaming);
        app.standin.set_latency(Duration::ZERO);
        assert_eq!(renamed["code"], "BOB-2");
        assert_eq!(minted["affiliateCode"], json!({ "id": renamed["id"], "code": "BOB-2", "status": "ACTIVE" }));
        let code = settled(app, renamed["id"].as_str().unwrap()).await;
        assert_eq!((&code["status"], &code["stripeSync"]["status"]), (&json!("ACTIVE"), &json!("SYNCED")));
        assert_eq!(live(app), ["BOB-2", "SARAH20"]);
    }

    async fn a_new_code_that_is_switched_off_before_stripe_refuses_it_stays_with_the_reason(app: &TestApp) {
        let (stage, max) = (app.stage().await, app.max());
        app.standin.set_latency(SLOW);
        let switching = async {
            let code = bobs(app, &stage).await;
            switch(app, "deactivateAffiliateCode", &code).await;
            code
        };
        let minting = max.mutate("mintAffiliateCode", CODE, mint(&stage, "BOB_1"));
        let (minted, code) = tokio::join!(minting, switching);
        app.standin.set_latency(Duration::ZERO);
        assert_eq!(minted["affiliateCode"], json!({ "id": code, "code": "BOB_1", "status": "INACTIVE" }));
        let stands = settled(app, &code).await;
        assert_eq!((&stands["status"], &stands["stripeSync"]["status"]), (&json!("INACTIVE"), &json!("FAILED")));
        let reason = stands["stripeSync"]["lastError"].as_str().unwrap();
        assert!(reason.contains("invalid characters"), "{reason}");
        assert_eq!(live(app), ["SARAH20"]);
        // It lives on like any code that was refused late.
        rename(app, &code, "BOB-1").await;
        settled(app, &code).await;
        switch(app, "reactivateAffiliateCode", &code).await;
        assert_eq!(settled(app, &code).await["stripeSync"]["status"], "SYNCED");
        assert_eq!(live(app), ["BOB-1", "SARAH20"]);
    }

    async fn a_new_code_whose_operation_another_server_has_is_not_taken_back(app: &TestApp) {
        let (stage, max) = (app.stage().await, app.max());
        let minted = taken_over(app, max.mutate("mintAffiliateCode", CODE, mint(&stage, "BOB-1"))).await;
        let code = minted["affiliateCode"]["id"].as_str().unwrap_or_else(|| panic!("{minted}"));
        let stands = settled(app, code).await;
        assert_eq!((&stands["status"], &stands["stripeSync"]["status"]), (&json!("ACTIVE"), &json!("SYNCED")));
        assert_eq!(live(app), ["BOB-1", "SARAH20"]);
    }

    async fn no_other_change_is_undone_whose_operation_another_server_has(app: &TestApp) {
        let (stage, max) = (app.stage().await, app.max());
        let renamed = taken_over(app, max.mutate("renameAffiliateCode", CODE, to(&stage.code, "SARAH-2"))).await;
        assert_eq!(renamed["affiliateCode"]["code"], "SARAH-2", "{renamed}");
        assert_eq!(settled(app, &stage.code).await["code"], "SARAH-2");
        switch(app, "deactivateAffiliateCode", &stage.code).await;
        settled(app, &stage.code).await;
        let on = max.mutate("reactivateAffiliateCode", CODE, json!({ "id": stage.code }));
        let on = taken_over(app, on).await;
        assert_eq!(on["affiliateCode"]["status"], "ACTIVE", "{on}");
        settled(app, &stage.code).await;
        assert_eq!(live(app), ["SARAH-2"]);

        let shared = json!({ "campaignId": stage.campaign, "couponId": stage.coupon, "code": "SPRING" });
        let set = taken_over(app, max.mutate("setCampaignCode", "campaign { campaignCode }", shared)).await;
        assert_eq!(set["campaign"]["campaignCode"], "SPRING", "{set}");
        let named = json!({ "id": stage.coupon, "name": "Autumn" });
        let named = taken_over(app, max.mutate("updateCampaignCoupon", "campaignCoupon { name }", named)).await;
        assert_eq!(named["campaignCoupon"]["name"], "Autumn", "{named}");
        let input = CouponSpec::default().with("campaignId", stage.campaign.as_str()).input;
        let made = taken_over(app, max.mutate("createCampaignCoupon", "campaignCoupon { id }", input)).await;
        let made = made["campaignCoupon"]["id"].as_str().unwrap_or_else(|| panic!("{made}"));
        let off = taken_over(app, max.mutate("deactivateAffiliateCode", CODE, json!({ "id": stage.code }))).await;
        assert_eq!(off["affiliateCode"]["status"], "INACTIVE", "{off}");
        assert_eq!(settled(app, &stage.code).await["stripeSync"]["status"], "SYNCED");
        eventually("Stripe has all of it", async || {
            let name = app.acme.stripe.get("coupon", &stage.coupon).unwrap()["name"].clone();
            (live(app) == ["SPRING"] && name == "Autumn" && app.acme.stripe.get("coupon", made).is_some()).then_some(())
        })
        .await;
    }

    async fn a_code_that_returns_to_its_text_while_it_is_off_can_be_on_again(app: &TestApp) {
        let stage = app.stage().await;
        outage(app);
        rename(app, &stage.code, "SARAH-2").await;
        switch(app, "deactivateAffiliateCode", &stage.code).await;
        rename(app, &stage.code, "SARAH20").await;
        switch(app, "reactivateAffiliateCode", &stage.code).await;
        app.standin.clear_faults();
        let code = settled(app, &stage.code).await;
        assert_eq!(
            (&code["code"], &code["status"], &code["stripeSync"]["status"]),
            (&json!("SARAH20"), &json!("ACTIVE"), &json!("SYNCED")),
            "{code}"
        );
        assert_eq!(live(app), ["SARAH20"]);

        // What comes after it still decides.
        outage(app);
        rename(app, &stage.code, "SARAH-3").await;
        switch(app, "deactivateAffiliateCode", &stage.code).await;
        rename(app, &stage.code, "SARAH20").await;
        switch(app, "reactivateAffiliateCode", &stage.code).await;
        switch(app, "deactivateAffiliateCode", &stage.code).await;
        app.standin.clear_faults();
        let code = settled(app, &stage.code).await;
        assert_eq!((&code["status"], &code["stripeSync"]["status"]), (&json!("INACTIVE"), &json!("SYNCED")));
        assert_eq!(live(app), [""; 0]);
    }

    async fn only_stripes_own_word_says_that_something_is_gone(app: &TestApp) {
        let stage = app.stage().await;
        let not_found = |code| {
            let failure = Failure { status: 404, message: "Not Found".to_owned(), code, ..Failure::default() };
            Fault::new(FaultKind::Fail(failure)).times(2)
        };
        app.standin.fault(not_found(None).on_method("POST").on_path("/v1/promotion_codes/"));
        switch(app, "deactivateAffiliateCode", &stage.code).await;
        let code = look(app, &stage.code).await;
        assert_eq!((&code["stripeSync"]["status"], &code["stripeSync"]["lastError"]), (&json!("PENDING"), &json!("Not Found")));
        assert_eq!(live(app), ["SARAH20"]);
        assert_eq!(settled(app, &stage.code).await["stripeSync"]["status"], "SYNCED");
        assert_eq!(live(app), [""; 0]);

        // A coupon of that name is not gone because a proxy does not know it.
        let event = app.acme.stripe.rename_coupon(&stage.coupon, "Theirs", Shape::Endive).unwrap();
        app.standin.fault(not_found(None).on_method("GET").on_path("/v1/coupons/"));
        app.deliver(&[event]).await;
        let query = format!("{{ node(id: \"{}\") {{ ... on CampaignCoupon {{ stripeSync {{ drift }} }} }} }}", stage.coupon);
        assert_eq!(app.ana().query(&query).await["node"]["stripeSync"]["drift"], "Stripe calls it \"Theirs\".");

        app.standin.fault(not_found(None).on_method("DELETE"));
        app.max().mutate("deleteCampaignCoupon", "deletedId", json!({ "id": stage.coupon })).await;
        assert!(app.acme.stripe.get("coupon", &stage.coupon).is_some());
        eventually("the coupon is deleted", async || {
            app.pass(TimeDelta::seconds(1));
            app.work_off().await;
            app.acme.stripe.get("coupon", &stage.coupon).is_none().then_some(())
        })
        .await;
    }

    async fn what_stripe_says_it_does_not_have_needs_no_other_try(app: &TestApp) {
        let stage = app.stage().await;
        let missing = Failure {
            status: 404,
            message: "No such promotion code".to_owned(),
            code: Some("resource_missing"),
            ..Failure::default()
        };
        app.standin.fault(Fault::new(FaultKind::Fail(missing)).on_path("/v1/promotion_codes/"));
        switch(app, "deactivateAffiliateCode", &stage.code).await;
        assert_eq!(look(app, &stage.code).await["stripeSync"]["status"], "SYNCED");
    }

    // Somebody else's promotion code has the text: a customer redeems it just while Stripe is about to refuse ours.
    async fn what_a_refused_text_has_sold_meanwhile_stays(app: &TestApp) {
        let (stage, max) = (app.stage().await, app.max());
        for text in ["ELSE-1", "ELSE-2", "ELSE-3"] {
            let form = format!("promotion[type]=coupon&promotion[coupon]={}&code={text}", stage.coupon);
            app.acme.stripe.make_code(&form, Shape::Endive).unwrap();
        }
        let sell = async |text: &str| {
            app.standin.set_latency(SLOW * 3);
            tokio::time::sleep(SLOW).await;
            app.standin.set_latency(Duration::ZERO);
            let sale = app.sale().promo(app.promo(text)).build();
            sale.sync(&app.acme.stripe);
            app.deliver(&sale.start(Shape::Endive)).await;
        };
        let minting = max.mutate("mintAffiliateCode", CODE, mint(&stage, "ELSE-1"));
        let ((), minted) = tokio::join!(sell("ELSE-1"), minting);
        let shared = json!({ "campaignId": stage.campaign, "couponId": stage.coupon, "code": "ELSE-2" });
        let sharing = max.mutate("setCampaignCode", "campaign { id }", shared);
        let ((), shared) = tokio::join!(sell("ELSE-2"), sharing);
        let renaming = max.mutate("renameAffiliateCode", CODE, to(&stage.code, "ELSE-3"));
        let ((), renamed) = tokio::join!(sell("ELSE-3"), renaming);
        for answer in [minted, shared, renamed] {
            assert_eq!(answer["userErrors"], json!([]), "{answer}");
        }
        let bob = settled(app, &bobs(app, &stage).await).await;
        assert_eq!((&bob["code"], &bob["status"], &bob["stripeSync"]["status"]), (&json!("ELSE-1"), &json!("INACTIVE"), &json!("FAILED")));
        assert_eq!(bob["redemptionCount"], 1);
        let code = settled(app, &stage.code).await;
        assert_eq!((&code["code"], &code["redemptionCount"]), (&json!("SARAH20"), &json!(1)));
        assert_eq!(live(app), ["ELSE-1", "ELSE-2", "ELSE-3", "SARAH20"]);
    }

    async fn what_stripe_does_not_have_is_not_shown_as_on_there(app: &TestApp) {
        let stage = app.stage().await;
        let bob = app.max().mint(&stage.coupon, &stage.bob, "BOB20").await;
        let other = app.max().mint(&stage.coupon, &stage.bob, "BOB-2").await;
        let missing = || {
            let message = "No such promotion code".to_owned();
            let failure = Failure { status: 404, message, code: Some("resource_missing"), ..Failure::default() };
            app.standin.fault(Fault::new(FaultKind::Fail(failure)).on_path("/v1/promotion_codes/"));
        };
        missing();
        switch(app, "deactivateAffiliateCode", &stage.code).await;
        assert_eq!(drift::code(app, &stage.code).await, standing("INACTIVE", Some("DEACTIVATED"), None));
        missing();
        delete(app, &bob).await;
        assert_eq!(drift::code(app, &bob).await, standing("INACTIVE", Some("DELETED"), None));
        // Nothing was told of that.
        app.acme.stripe.delete_coupon(&stage.coupon, Shape::Endive).unwrap();
        app.max().mutate("deleteCampaignCoupon", "deletedId", json!({ "id": stage.coupon })).await;
        assert_eq!(drift::code(app, &other).await, standing("INACTIVE", Some("COUPON_DELETED"), None));
    }

    async fn a_caller_sees_a_renamed_code_with_nothing_owed(app: &TestApp) {
        let stage = app.stage().await;
        for text in ["SARAH-2", "SARAH20"] {
            assert_eq!(rename(app, &stage.code, text).await["stripeSync"]["status"], "SYNCED");
            assert_eq!(live(app), [text]);
        }
        // What cannot be done at once is left to the worker.
        app.standin.fault(Fault::new(FaultKind::DropBefore).on_method("POST").after(1));
        assert_eq!(rename(app, &stage.code, "SARAH-3").await["stripeSync"]["status"], "PENDING");
        assert_eq!(live(app), ["SARAH-3", "SARAH20"]);
        assert_eq!(settled(app, &stage.code).await["stripeSync"]["status"], "SYNCED");
        assert_eq!(live(app), ["SARAH-3"]);
    }
}
