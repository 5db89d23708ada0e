//! Renaming on bad days: outages, refusals that come late, servers that die, and renamings that meet.

use std::time::Duration;

use rekomi::auth::Role;

use crate::{
    renaming::{live, look, outage, rename, settled, switch, to},
    support::{instance::settings, mortal::Mortal, *},
};

both! {
    async fn what_stripe_refuses_later_goes_back_to_the_old_text(app: &TestApp) {
        let stage = app.stage().await;
        app.standin.fault(Fault::new(FaultKind::DropBefore).on_path("/v1/promotion_codes"));
        app.standin.fault(Fault::refuse("Now it is too late.", "code").on_path("/v1/promotion_codes"));
        assert_eq!(rename(app, &stage.code, "SARAH-VIP").await["stripeSync"]["status"], "PENDING");
        let code = settled(app, &stage.code).await;
        let old = &app.acme.stripe.promotion_codes("SARAH20")[0];
        assert_eq!(
            (&code["code"], &code["status"], &code["stripeSync"]),
            (&json!("SARAH20"), &json!("ACTIVE"), &json!({ "status": "FAILED", "stripeId": old["id"], "lastError": "Now it is too late." }))
        );
        assert_eq!(live(app), ["SARAH20"]);
        // It is switched off and on as before, and may be renamed.
        switch(app, "deactivateAffiliateCode", &stage.code).await;
        assert_eq!(live(app), [""; 0]);
        switch(app, "reactivateAffiliateCode", &stage.code).await;
        assert_eq!(live(app), ["SARAH20"]);
        rename(app, &stage.code, "SARAH-VIP").await;
        assert_eq!(settled(app, &stage.code).await["stripeSync"]["status"], "SYNCED");
        assert_eq!(live(app), ["SARAH-VIP"]);
    }

    async fn texts_that_follow_each_other_during_an_outage_end_with_one_that_works(app: &TestApp) {
        let stage = app.stage().await;
        for (texts, ends) in [
            (["SARAH-A", "SARAH-B"], "SARAH-B"),
            (["SARAH-C", "SARAH-B"], "SARAH-B"),
            // Stripe takes no underscore.
            (["SARAH_D", "SARAH-D"], "SARAH-D"),
            (["SARAH-E", "SARAH_E"], "SARAH-E"),
            (["SARAH_F", "SARAH_G"], "SARAH-E"),
        ] {
            outage(app);
            for text in texts {
                assert_eq!(rename(app, &stage.code, text).await["code"], text);
            }
            app.standin.clear_faults();
            assert_eq!(settled(app, &stage.code).await["code"], ends, "{texts:?}");
            assert_eq!(live(app), [ends], "{texts:?}");
        }
    }

    async fn a_code_that_is_not_at_stripe_yet_may_be_renamed(app: &TestApp) {
        let stage = app.stage().await;
        outage(app);
        let first = app.max().mint(&stage.coupon, &stage.bob, "BOB20").await;
        let second = app.max().mint(&stage.coupon, &stage.bob, "BOB_30").await;
        rename(app, &first, "BOB-VIP").await;
        rename(app, &second, "BOB-30").await;
        let third = app.max().mint(&stage.coupon, &stage.bob, "BOB_40").await;
        rename(app, &third, "BOB_50").await;
        app.standin.clear_faults();
        for code in [&first, &second] {
            let code = settled(app, code).await;
            assert_eq!((&code["status"], &code["stripeSync"]["status"]), (&json!("ACTIVE"), &json!("SYNCED")));
        }
        // Neither text is one for Stripe.
        let code = settled(app, &third).await;
        assert_eq!((&code["status"], &code["stripeSync"]["status"]), (&json!("INACTIVE"), &json!("FAILED")));
        assert_eq!(live(app), ["BOB-30", "BOB-VIP", "SARAH20"]);
        rename(app, &third, "BOB-40").await;
        settled(app, &third).await;
        switch(app, "reactivateAffiliateCode", &third).await;
        assert_eq!(settled(app, &third).await["stripeSync"]["status"], "SYNCED");
        assert_eq!(live(app), ["BOB-30", "BOB-40", "BOB-VIP", "SARAH20"]);
    }

    async fn whatever_fails_in_between_one_text_works_in_the_end(app: &TestApp) {
        let stage = app.stage().await;
        let faults = [FaultKind::DropBefore, FaultKind::DropAfter, FaultKind::ServerError, FaultKind::SavedServerError, FaultKind::RateLimited];
        for (number, kind) in faults.into_iter().enumerate() {
            for (which, spared) in [("MAKING", 0), ("ENDING", 1)] {
                let text = format!("{which}-{number}");
                app.standin.fault(Fault::new(kind.clone()).on_method("POST").after(spared));
                rename(app, &stage.code, &text).await;
                assert!(!live(app).is_empty(), "{kind:?} {which}");
                assert_eq!(settled(app, &stage.code).await["stripeSync"]["status"], "SYNCED", "{kind:?} {which}");
                assert_eq!(live(app), [text.as_str()], "{kind:?} {which}");
                assert_eq!(app.acme.stripe.promotion_codes(&text).len(), 1, "{kind:?} {which}");
            }
        }
    }

    async fn of_many_who_want_one_text_one_gets_it(app: &TestApp) {
        let stage = app.stage().await;
        let max = app.max();
        let mut codes = vec![stage.code.clone()];
        for number in 1..25 {
            codes.push(max.mint(&stage.coupon, &stage.sarah, &format!("SARAH-{number}")).await);
        }
        let mint = |text: &str| json!({ "couponId": stage.coupon, "affiliateId": stage.bob, "code": text });
        let cases = ["wanted", "WANTED", "Wanted"].into_iter().cycle();
        let mints = cases.clone().take(25).map(|text| max.mutate("mintAffiliateCode", "affiliateCode { id }", mint(text)));
        let renames = codes.iter().zip(cases).map(|(code, text)| max.mutate("renameAffiliateCode", "affiliateCode { id }", to(code, text)));
        let (minted, renamed) = tokio::join!(futures_util::future::join_all(mints), futures_util::future::join_all(renames));
        let (won, lost): (Vec<_>, Vec<_>) = minted.iter().chain(&renamed).partition(|payload| !payload["affiliateCode"].is_null());
        assert_eq!((won.len(), lost.len()), (1, 49));
        for payload in lost {
            assert_eq!(client::mistakes(payload), [mistake("TAKEN", "code")]);
        }
        assert_eq!(app.acme.stripe.promotion_codes("WANTED").len(), 1);
    }

    async fn a_server_that_dies_while_it_renames_leaves_one_text_that_works(app: &TestApp) {
        let stage = app.stage().await;
        app.standin.set_latency(Duration::from_millis(30));
        for (number, millis) in [1, 10, 20, 30, 40, 50, 60, 80, 120].into_iter().enumerate() {
            let server = Mortal::start(&settings(&app.database, &app.standin), &app.clock).await;
            let max = Caller::new(app::http(), &server.base, Some(app.token(Role::Manager, None, None)));
            let input = to(&stage.code, &format!("SARAH-{number}"));
            let asked = tokio::spawn(async move { max.mutate("renameAffiliateCode", "affiliateCode { id }", input).await });
            tokio::time::sleep(Duration::from_millis(millis)).await;
            server.die().await;
            // Its answer may never have come.
            asked.abort();
            assert!(!live(app).is_empty(), "{millis} ms");
            let code = settled(app, &stage.code).await;
            assert_eq!(live(app), [code["code"].as_str().unwrap()], "{millis} ms");
            assert_eq!(code["stripeSync"]["status"], "SYNCED");
        }
    }

    async fn what_meets_a_refusal_that_is_on_its_way_is_not_undone(app: &TestApp) {
        let stage = app.stage().await;
        let max = app.max();
        app.standin.set_latency(Duration::from_millis(500));
        // Renamed once more while Stripe refuses the first text: the second one stands.
        let second = async {
            eventually("the first is written", async || {
                (look(app, &stage.code).await["code"] == "SARAH_1").then_some(())
            })
            .await;
            rename(app, &stage.code, "SARAH-2").await
        };
        let first = max.mutate("renameAffiliateCode", "affiliateCode { id }", to(&stage.code, "SARAH_1"));
        let (first, second) = tokio::join!(first, second);
        assert_eq!(client::mistakes(&first), [mistake("STRIPE_REJECTED", "code")]);
        assert_eq!(second["code"], "SARAH-2");
        assert_eq!(settled(app, &stage.code).await["code"], "SARAH-2");
        assert_eq!(live(app), ["SARAH-2"]);
    }
}
