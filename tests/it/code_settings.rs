//! What a brand sets for codes that affiliates mint themselves: how many, and which words stay its own.

use futures_util::future::join_all;

use crate::support::*;

const FIELDS: &str = "maxCodesPerAffiliate reservedWords";

async fn set(app: &TestApp, input: Value) -> Value {
    app.max()
        .make("updateCodeSettings", "codeSettings", FIELDS, input)
        .await
}

/// Sarah mints a code of her own; what is wrong.
async fn sarah_mints(app: &TestApp, stage: &Stage, code: Option<&str>) -> Vec<client::Mistake> {
    let input = json!({ "couponId": stage.coupon, "code": code });
    app.affiliate(&stage.sarah)
        .mistakes("mintAffiliateCode", "affiliateCode", input)
        .await
}

both! {
    async fn owners_and_managers_set_them_and_everybody_reads_them(app: &TestApp) {
        let stage = app.stage().await;
        let query = format!("{{ codeSettings {{ {FIELDS} }} }}");
        let none = json!({ "maxCodesPerAffiliate": null, "reservedWords": [] });
        assert_eq!(app.max().query(&query).await["codeSettings"], none);
        let words = json!([" sale", "acme", "ACME", "7-eleven"]);
        let all = json!({ "maxCodesPerAffiliate": 3, "reservedWords": ["7-ELEVEN", "ACME", "SALE"] });
        assert_eq!(set(app, json!({ "maxCodesPerAffiliate": 3, "reservedWords": words })).await, all);
        for caller in [app.olivia(), app.max(), app.ana(), app.affiliate(&stage.sarah)] {
            assert_eq!(caller.query(&query).await["codeSettings"], all);
        }
        assert_eq!(app.globex_owner().query(&query).await["codeSettings"], none);
        // What is left out stays; null takes the limit away.
        assert_eq!(set(app, json!({})).await, all);
        assert_eq!(set(app, json!({ "reservedWords": ["ACME"] })).await["maxCodesPerAffiliate"], 3);
        assert_eq!(set(app, json!({ "maxCodesPerAffiliate": null })).await, json!({ "maxCodesPerAffiliate": null, "reservedWords": ["ACME"] }));
    }

    async fn what_breaks_a_rule_changes_nothing(app: &TestApp) {
        let stage = app.stage().await;
        let before = app.everything().await;
        let many: Vec<String> = (0..201).map(|number| format!("WORD-{number}")).collect();
        let cases = [
            (json!({ "maxCodesPerAffiliate": 0 }), mistake("INVALID", "maxCodesPerAffiliate")),
            (json!({ "maxCodesPerAffiliate": 10_001 }), mistake("INVALID", "maxCodesPerAffiliate")),
            (json!({ "reservedWords": ["A"] }), mistake("INVALID", "reservedWords")),
            (json!({ "reservedWords": ["OK", "20"] }), mistake("INVALID", "reservedWords")),
            (json!({ "reservedWords": ["TWO WORDS"] }), mistake("INVALID", "reservedWords")),
            (json!({ "reservedWords": many }), mistake("LIMIT_EXCEEDED", "reservedWords")),
        ];
        for (input, expected) in cases {
            assert_eq!(client::mistakes(&app.max().mutate("updateCodeSettings", "codeSettings { reservedWords }", input.clone()).await), [expected], "{input}");
        }
        for other in [app.ana(), app.affiliate(&stage.sarah)] {
            let answer = other.try_mutate("updateCodeSettings", "codeSettings { reservedWords }", json!({})).await;
            assert_eq!(answer.codes(), ["FORBIDDEN"]);
        }
        assert_eq!(app.everything().await, before);
    }

    async fn an_affiliate_mints_up_to_the_limit(app: &TestApp) {
        let stage = app.stage().await;
        set(app, json!({ "maxCodesPerAffiliate": 2 })).await;
        assert_eq!(sarah_mints(app, &stage, Some("SECOND")).await, []);
        let full = [mistake("LIMIT_EXCEEDED", "")];
        let (before, writes) = (app.everything().await, app.writes());
        assert_eq!(sarah_mints(app, &stage, Some("THIRD")).await, full);
        assert_eq!(sarah_mints(app, &stage, None).await, full);
        assert_eq!((app.everything().await, app.writes()), (before, writes));
        // One that is off keeps its text, and counts; a manager is not bound; those of a deleted coupon are gone for good.
        app.max().make("deactivateAffiliateCode", "affiliateCode", "id", json!({ "id": stage.code })).await;
        assert_eq!(sarah_mints(app, &stage, Some("THIRD")).await, full);
        let other = app.max().coupon(&stage.campaign, CouponSpec::default()).await;
        app.max().mint(&other, &stage.sarah, "BY-MAX").await;
        set(app, json!({ "maxCodesPerAffiliate": 3 })).await;
        assert_eq!(sarah_mints(app, &stage, Some("THIRD")).await, full);
        app.max().mutate("deleteCampaignCoupon", "deletedId", json!({ "id": other })).await;
        assert_eq!(sarah_mints(app, &stage, Some("THIRD")).await, []);
        assert_eq!(sarah_mints(app, &stage, Some("FOURTH")).await, full);
        set(app, json!({ "maxCodesPerAffiliate": null })).await;
        assert_eq!(sarah_mints(app, &stage, Some("FOURTH")).await, []);
    }

    async fn mints_at_the_same_moment_do_not_pass_the_limit(app: &TestApp) {
        let stage = app.stage().await;
        set(app, json!({ "maxCodesPerAffiliate": 5 })).await;
        let codes: Vec<String> = (0..20).map(|number| format!("RACE-{number}")).collect();
        let mints = join_all(codes.iter().map(|code| sarah_mints(app, &stage, Some(code)))).await;
        let made = mints.iter().filter(|mistakes| mistakes.is_empty()).count();
        assert_eq!(made, 4);
        assert!(mints.iter().flatten().all(|it| *it == mistake("LIMIT_EXCEEDED", "")), "{mints:?}");
        assert_eq!(app.acme.stripe.all("promotion_code").len(), 5);
    }

    async fn a_reserved_word_bars_affiliates_and_not_managers(app: &TestApp) {
        let stage = app.stage().await;
        set(app, json!({ "reservedWords": ["ACME"] })).await;
        let (before, writes) = (app.everything().await, app.writes());
        for code in ["acme", "ACME-SARAH", "ACME20", "SARAH_ACME"] {
            assert_eq!(sarah_mints(app, &stage, Some(code)).await, [mistake("INVALID", "code")], "{code}");
        }
        let input = json!({ "couponId": stage.coupon, "code": "ACME20" });
        let payload = app.affiliate(&stage.sarah).mutate("mintAffiliateCode", "affiliateCode { id }", input).await;
        assert_eq!(payload["userErrors"][0]["message"], "The word ACME is reserved.");
        assert_eq!((app.everything().await, app.writes()), (before, writes));
        assert_eq!(sarah_mints(app, &stage, Some("PACMEN")).await, []);
        app.max().mint(&stage.coupon, &stage.sarah, "ACME20").await;
    }

    async fn a_generated_code_has_no_reserved_word(app: &TestApp) {
        let stage = app.stage().await;
        set(app, json!({ "reservedWords": ["SARAH", "BOB", "MARTIN", "CODE"] })).await;
        let mint = async |affiliate: &str| {
            let input = json!({ "couponId": stage.coupon, "affiliateId": affiliate });
            app.affiliate(affiliate).make("mintAffiliateCode", "affiliateCode", "code", input).await["code"].take()
        };
        assert_eq!([mint(&stage.sarah).await, mint(&stage.bob).await], ["JONES20", "CODEBOB20"]);
        let rows = json!([{ "affiliateId": stage.sarah }]);
        let input = json!({ "couponId": stage.coupon, "rows": rows });
        let payload = app.max().mutate("bulkMintAffiliateCodes", "results { affiliateCode { code } }", input).await;
        assert_eq!(payload["results"][0]["affiliateCode"]["code"], "JONES20-2");
    }
}
