//! Renaming a code: what Stripe is sent and in which order, what the old text is still good for, and what is refused.

use chrono::TimeDelta;
use rekomi::auth::{Role, jwt::Mode};

use crate::support::*;

pub const FIELDS: &str = "id code formerCodes status redemptionCount stripeSync { status stripeId lastError }";

pub fn to(code: &str, text: &str) -> Value {
    json!({ "id": code, "code": text })
}

pub async fn rename(app: &TestApp, code: &str, text: &str) -> Value {
    app.max()
        .make("renameAffiliateCode", "affiliateCode", FIELDS, to(code, text))
        .await
}

pub async fn look(app: &TestApp, code: &str) -> Value {
    let query = format!("{{ node(id: \"{code}\") {{ ... on AffiliateCode {{ {FIELDS} }} }} }}");
    app.ana().query(&query).await["node"].take()
}

/// Lets time pass until nothing is owed for the code any more; how it stands then.
pub async fn settled(app: &TestApp, code: &str) -> Value {
    eventually("nothing is owed", async || {
        app.pass(TimeDelta::seconds(1));
        app.instance.app.operations.run_due().await.unwrap();
        (look(app, code).await["stripeSync"]["status"] != "PENDING").then_some(())
    })
    .await;
    // The row is read before what is owed for it: what was settled in between would be seen by halves.
    look(app, code).await
}

/// The texts that can be redeemed at Stripe, each as often as it can.
pub fn live(app: &TestApp) -> Vec<String> {
    let codes = app.acme.stripe.all("promotion_code").into_iter();
    let mut live: Vec<String> = codes
        .filter(|code| code["active"] == true)
        .map(|code| code["code"].as_str().unwrap().to_owned())
        .collect();
    live.sort();
    live
}

async fn refused(app: &TestApp, caller: &Caller, input: Value, code: &str, field: &str) {
    let (before, writes) = (app.everything().await, app.writes());
    let mistakes = caller
        .mistakes("renameAffiliateCode", "affiliateCode", input.clone())
        .await;
    assert_eq!(mistakes, [mistake(code, field)], "{input}");
    assert_eq!((app.everything().await, app.writes()), (before, writes), "{input}");
}

pub async fn switch(app: &TestApp, mutation: &str, code: &str) {
    app.max()
        .make(mutation, "affiliateCode", "id", json!({ "id": code }))
        .await;
}

/// Nobody gets through to Stripe until `clear_faults`.
pub fn outage(app: &TestApp) {
    app.standin.fault(Fault::new(FaultKind::DropBefore).always());
}

both! {
    async fn the_new_text_is_on_before_the_old_one_is_off(app: &TestApp) {
        let stage = app.stage().await;
        let old = app.acme.stripe.promotion_codes("SARAH20")[0]["id"].clone();
        let calls = app.standin.calls().len();
        let code = rename(app, &stage.code, " sarah-vip ").await;
        assert_eq!((&code["id"], &code["code"], &code["status"]), (&json!(stage.code), &json!("SARAH-VIP"), &json!("ACTIVE")));
        let code = settled(app, &stage.code).await;
        let new = app.acme.stripe.promotion_codes("SARAH-VIP")[0]["id"].clone();
        assert_eq!(
            code,
            json!({
                "id": stage.code, "code": "SARAH-VIP", "formerCodes": ["SARAH20"], "status": "ACTIVE", "redemptionCount": 0,
                "stripeSync": { "status": "SYNCED", "stripeId": new, "lastError": null },
            })
        );
        assert_eq!(live(app), ["SARAH-VIP"]);
        let told: Vec<Value> = app.standin.calls()[calls..].iter().map(|call| json!([call.path, call.params])).collect();
        assert_eq!(told, [
            json!(["/v1/promotion_codes", {
                "code": "SARAH-VIP", "promotion": { "type": "coupon", "coupon": stage.coupon },
                "metadata": {
                    "rekomi_affiliate_coupon_id": stage.code, "rekomi_affiliate_id": stage.sarah,
                    "rekomi_brand_id": app.acme.id.to_string(),
                },
            }]),
            json!([format!("/v1/promotion_codes/{}", old.as_str().unwrap()), { "active": "false" }]),
        ]);
    }

    async fn sales_with_any_of_its_texts_are_one_codes(app: &TestApp) {
        let stage = app.stage().await;
        let old = app.promo("SARAH20");
        for text in ["sarah20", "SARAH-VIP", "SARAH-VIP", "SARAH20"] {
            if text == "SARAH-VIP" {
                rename(app, &stage.code, text).await;
                settled(app, &stage.code).await;
            }
            let promo = if text == "SARAH-VIP" { app.promo(text) } else { old.clone() };
            let sale = app.sale().promo(promo).build();
            sale.sync(&app.acme.stripe);
            app.deliver(&sale.start(Shape::Endive)).await;
            app.pass(TimeDelta::minutes(1));
        }
        assert_eq!(
            app.told().await,
            ["SARAH20", "SARAH-VIP", "SARAH-VIP", "SARAH20"].map(|typed| format!("ACQUISITION PENDING sarah {typed} 4000 USD, commission 800"))
        );
        assert_eq!(
            app.stats().await,
            ["SARAH-VIP 4 redeemed, 0 refunded, 0 renewals, 16000 USD, back 0, commission 3200 USD"]
        );
        for typed in ["sarah20", "Sarah-VIP"] {
            let query = format!("{{ conversions(filter: {{ couponCode: \"{typed}\" }}) {{ nodes {{ couponCode source code {{ id }} }} }} }}");
            let typed = typed.to_ascii_uppercase();
            let node = json!({ "couponCode": typed, "source": format!("Coupon · {typed}"), "code": { "id": stage.code } });
            assert_eq!(app.ana().query(&query).await["conversions"]["nodes"], json!([node, node]));
        }
    }

    async fn a_new_text_has_the_redemptions_that_remain(app: &TestApp) {
        let limited = CouponSpec::default().with("maxRedemptionsPerCode", 3);
        let stage = app.stage_with(CampaignSpec::default(), limited).await;
        let mut refunded = app.sale().promo(app.promo("SARAH20")).build();
        let sale = app.sale().promo(app.promo("SARAH20")).build();
        for sale in [&refunded, &sale] {
            sale.sync(&app.acme.stripe);
            app.deliver(&sale.start(Shape::Endive)).await;
        }
        let refund = refunded.refund(Shape::Endive, None, Paid::First);
        refunded.sync(&app.acme.stripe);
        app.deliver(&refund).await;
        rename(app, &stage.code, "SARAH-VIP").await;
        assert_eq!(settled(app, &stage.code).await["redemptionCount"], 1);
        assert_eq!(app.acme.stripe.promotion_codes("SARAH-VIP")[0]["max_redemptions"], 1);
        let last = app.sale().promo(app.promo("SARAH-VIP")).build();
        last.sync(&app.acme.stripe);
        app.deliver(&last.start(Shape::Endive)).await;
        refused(app, &app.max(), to(&stage.code, "SARAH-MORE"), "INVALID", "code").await;
        refused(app, &app.max(), to(&stage.code, "SARAH20"), "INVALID", "code").await;
    }

    async fn the_old_text_is_taken_for_others_and_free_for_its_own_code(app: &TestApp) {
        let stage = app.stage().await;
        let max = app.max();
        let bobs = max.mint(&stage.coupon, &stage.bob, "BOB20").await;
        // The same again, in any case, is nothing.
        let (before, writes) = (app.everything().await, app.writes());
        for same in ["SARAH20", " sarah20 "] {
            assert_eq!(rename(app, &stage.code, same).await["code"], "SARAH20");
        }
        assert_eq!((app.everything().await, app.writes()), (before, writes));
        refused(app, &max, to(&stage.code, "bob20"), "TAKEN", "code").await;
        for bad in ["AB", "A B C", "ſarah", &"X".repeat(33)] {
            refused(app, &max, to(&stage.code, bad), "INVALID", "code").await;
        }
        rename(app, &stage.code, "SARAH-VIP").await;
        settled(app, &stage.code).await;
        // Two codes cannot swap their texts.
        refused(app, &max, to(&bobs, "Sarah20"), "TAKEN", "code").await;
        refused(app, &max, to(&bobs, "sarah-vip"), "TAKEN", "code").await;
        let mint = json!({ "couponId": stage.coupon, "affiliateId": stage.bob, "code": "sarah20" });
        assert_eq!(max.mistakes("mintAffiliateCode", "affiliateCode", mint).await, [mistake("TAKEN", "code")]);
        rename(app, &stage.code, "sarah20").await;
        let code = settled(app, &stage.code).await;
        assert_eq!((&code["code"], &code["formerCodes"]), (&json!("SARAH20"), &json!(["SARAH-VIP"])));
        let made = app.acme.stripe.promotion_codes("SARAH20");
        assert_eq!(made.iter().map(|code| code["active"].clone()).collect::<Vec<_>>(), [json!(false), json!(true)]);
        assert_eq!(code["stripeSync"]["stripeId"], made[1]["id"]);
        assert_eq!(live(app), ["BOB20", "SARAH20"]);
    }

    async fn what_stripe_refuses_at_once_leaves_everything_as_it_was(app: &TestApp) {
        let stage = app.stage().await;
        rename(app, &stage.code, "SARAH-VIP").await;
        settled(app, &stage.code).await;
        // One that it never had, and one that it had.
        for text in ["SARAH_20", "SARAH20"] {
            app.standin.fault(Fault::refuse("Not that one.", "code").on_path("/v1/promotion_codes"));
            let before = app.state().await;
            let payload = app.max().mutate("renameAffiliateCode", "affiliateCode { id }", to(&stage.code, text)).await;
            assert_eq!(payload, json!({
                "affiliateCode": null,
                "userErrors": [{ "code": "STRIPE_REJECTED", "field": ["code"], "message": "Not that one." }],
            }));
            assert_eq!(app.state().await, before, "{text}");
        }
        assert_eq!(live(app), ["SARAH-VIP"]);
        app.max().mint(&stage.coupon, &stage.bob, "SARAH-20").await;
    }

    async fn a_code_that_is_off_stays_off_under_its_new_text(app: &TestApp) {
        let stage = app.stage().await;
        switch(app, "deactivateAffiliateCode", &stage.code).await;
        let code = rename(app, &stage.code, "SARAH-VIP").await;
        assert_eq!((&code["code"], &code["status"]), (&json!("SARAH-VIP"), &json!("INACTIVE")));
        settled(app, &stage.code).await;
        assert_eq!(live(app), [""; 0]);
        switch(app, "reactivateAffiliateCode", &stage.code).await;
        assert_eq!(live(app), ["SARAH-VIP"]);
        assert_eq!(app.acme.stripe.promotion_codes("SARAH-VIP").len(), 1);
        // What is switched while the renaming is under way is the new one, or the old one where Stripe refuses.
        for (text, mutation, ends) in [
            ("SARAH-A", "deactivateAffiliateCode", vec![]),
            ("SARAH-B", "reactivateAffiliateCode", vec!["SARAH-B"]),
            ("SARAH_C", "deactivateAffiliateCode", vec![]),
            ("SARAH_D", "reactivateAffiliateCode", vec!["SARAH-B"]),
        ] {
            outage(app);
            rename(app, &stage.code, text).await;
            switch(app, mutation, &stage.code).await;
            app.standin.clear_faults();
            settled(app, &stage.code).await;
            assert_eq!(live(app), ends, "{text}");
        }
    }

    async fn an_affiliate_gives_its_code_ten_texts_at_most(app: &TestApp) {
        let stage = app.stage().await;
        let sarah = app.affiliate(&stage.sarah);
        for number in 2..=10 {
            let to = to(&stage.code, &format!("SARAH-{number}"));
            sarah.make("renameAffiliateCode", "affiliateCode", "code", to).await;
        }
        settled(app, &stage.code).await;
        refused(app, &sarah, to(&stage.code, "SARAH-11"), "LIMIT_EXCEEDED", "code").await;
        let back = to(&stage.code, "SARAH20");
        let back = sarah.make("renameAffiliateCode", "affiliateCode", "code", back).await;
        assert_eq!(back["code"], "SARAH20");
        assert_eq!(rename(app, &stage.code, "SARAH-11").await["code"], "SARAH-11");
        settled(app, &stage.code).await;
        assert_eq!(live(app), ["SARAH-11"]);
    }

    async fn an_affiliate_renames_its_own_code_where_it_may_mint(app: &TestApp) {
        let stage = app.stage().await;
        let max = app.max();
        let (sarah, bob) = (app.affiliate(&stage.sarah), app.affiliate(&stage.bob));
        let renamed = sarah.make("renameAffiliateCode", "affiliateCode", "code", to(&stage.code, "SARAH-VIP")).await;
        assert_eq!(renamed["code"], "SARAH-VIP");
        settled(app, &stage.code).await;
        let more = to(&stage.code, "SARAH-MORE");
        refused(app, &bob, more.clone(), "NOT_FOUND", "id").await;
        refused(app, &bob, to("cod_00000000000070008000000000000000", "BOB"), "NOT_FOUND", "id").await;
        let coupon = async |field: &str, on: bool| {
            let mut input = json!({ "id": stage.coupon });
            input[field] = json!(on);
            max.make("updateCampaignCoupon", "campaignCoupon", "id", input).await;
        };
        let campaign = async |on: bool| {
            let input = json!({ "id": stage.campaign, "affiliatesCanManageCodes": on });
            max.make("updateCampaign", "campaign", "id", input).await;
        };
        coupon("allowAffiliateSelfMint", false).await;
        refused(app, &sarah, more.clone(), "SELF_MINT_DISABLED", "id").await;
        coupon("allowAffiliateSelfMint", true).await;
        campaign(false).await;
        refused(app, &sarah, more.clone(), "SELF_MINT_DISABLED", "id").await;
        campaign(true).await;
        max.set_status(&stage.sarah, "SUSPENDED").await;
        refused(app, &sarah, more.clone(), "AFFILIATE_NOT_APPROVED", "id").await;
        // A manager may, whatever the switches say; and both where the coupon is archived.
        rename(app, &stage.code, "SARAH-BY-MAX").await;
        max.set_status(&stage.sarah, "APPROVED").await;
        coupon("archived", true).await;
        sarah.make("renameAffiliateCode", "affiliateCode", "code", to(&stage.code, "SARAH-SHELF")).await;
        settled(app, &stage.code).await;
        assert_eq!(live(app), ["SARAH-SHELF"]);
        let answer = app.ana().try_mutate("renameAffiliateCode", "affiliateCode { id }", more).await;
        assert_eq!(answer.codes(), ["FORBIDDEN"]);
    }

    async fn a_code_of_a_coupon_that_is_over_is_not_renamed(app: &TestApp) {
        let expiring = CouponSpec::default().with("expiresAt", "2026-11-02T12:00:00Z");
        let stage = app.stage_with(CampaignSpec::default(), expiring).await;
        let forever = app.max().coupon(&stage.campaign, CouponSpec::default()).await;
        let other = app.max().mint(&forever, &stage.sarah, "SARAH-OTHER").await;
        rename(app, &other, "SARAH-LAST").await;
        settled(app, &other).await;
        app.pass(TimeDelta::days(2));
        refused(app, &app.max(), to(&stage.code, "SARAH-VIP"), "INVALID", "id").await;
        app.max().mutate("deleteCampaignCoupon", "deletedId", json!({ "id": forever })).await;
        assert_eq!(look(app, &other).await["status"], "INACTIVE");
        refused(app, &app.max(), to(&other, "SARAH-VIP"), "INVALID", "id").await;
    }

    async fn without_a_key_a_renaming_waits_and_each_mode_has_its_own_texts(app: &TestApp) {
        let stage = app.stage().await;
        let test = app.caller(app.token(Role::Owner, None, Some(Mode::Test)));
        let coupon = test.coupon(&stage.campaign, CouponSpec::default()).await;
        let code = test.mint(&coupon, &stage.sarah, "SARAH-TEST").await;
        let renamed = test.make("renameAffiliateCode", "affiliateCode", FIELDS, to(&code, "sarah20")).await;
        assert_eq!(renamed, json!({
            "id": code, "code": "SARAH20", "formerCodes": ["SARAH-TEST"], "status": "ACTIVE", "redemptionCount": 0,
            "stripeSync": { "status": "DISABLED", "stripeId": null, "lastError": null },
        }));
        refused(app, &app.max(), to(&code, "SARAH-LIVE"), "NOT_FOUND", "id").await;
        assert_eq!(rename(app, &stage.code, "SARAH-TEST").await["code"], "SARAH-TEST");
        settled(app, &stage.code).await;
        assert_eq!(live(app), ["SARAH-TEST"]);
    }
}
