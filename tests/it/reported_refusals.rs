//! What a report may not say: typed errors on the field, and nothing has changed.

use crate::support::*;

const MAX: i64 = (1 << 53) - 1;

async fn mistakes(app: &TestApp, sale: Value) -> Vec<client::Mistake> {
    app.max().mistakes("recordConversion", "conversion", sale).await
}

fn money(minor_units: i64, currency: &str) -> Value {
    json!({ "minorUnits": minor_units, "currency": currency })
}

both! {
    async fn a_field_that_breaks_a_rule_is_named(app: &TestApp) {
        let stage = app.stage().await;
        let before = app.everything().await;
        for (field, value, at) in [
            ("externalId", json!(""), "externalId"),
            ("externalId", json!(" \t"), "externalId"),
            ("externalId", json!("x".repeat(201)), "externalId"),
            ("externalId", json!("a\nb"), "externalId"),
            ("externalId", json!("a\u{0}"), "externalId"),
            ("amount", money(-1, "USD"), "amount.minorUnits"),
            ("amount", money(1, "XAU"), "amount.currency"),
            ("amount", money(1, "us"), "amount.currency"),
            ("tax", money(-1, "USD"), "tax.minorUnits"),
            ("tax", money(1, "EUR"), "tax.currency"),
            ("tax", money(1, "???"), "tax.currency"),
            ("tax", money(MAX - 4899, "USD"), "tax.minorUnits"),
            ("occurredAt", json!("1999-12-31T23:59:59Z"), "occurredAt"),
            ("occurredAt", json!("2026-11-01T12:05:01Z"), "occurredAt"),
            ("occurredAt", json!("+12000-01-01T00:00:00Z"), "occurredAt"),
            ("customerEmail", json!(""), "customerEmail"),
            ("customerEmail", json!("jane"), "customerEmail"),
            ("customerEmail", json!("jane@a@b"), "customerEmail"),
            ("customerEmail", json!("ja ne@a"), "customerEmail"),
            ("customerEmail", json!(format!("{}@a", "x".repeat(253))), "customerEmail"),
        ] {
            let mut sale = reported("order-1", json!({ "affiliateId": stage.sarah }));
            sale[field] = value.clone();
            assert_eq!(mistakes(app, sale).await, [mistake("INVALID", at)], "{field} {value}");
        }
        assert_eq!(app.everything().await, before);
    }

    async fn all_that_is_wrong_is_told_at_once(app: &TestApp) {
        let sale = json!({
            "externalId": "", "amount": money(-1, "?"), "tax": money(-1, "?"), "occurredAt": "1970-01-01T00:00:00Z",
            "customerEmail": "jane",
        });
        let all = ["externalId", "amount.minorUnits", "amount.currency", "tax.minorUnits", "tax.currency", "customerEmail", "occurredAt"];
        assert_eq!(mistakes(app, sale).await, all.map(|field| mistake("INVALID", field)));
    }

    async fn what_is_at_the_edge_is_taken(app: &TestApp) {
        let stage = app.stage().await;
        for (number, (field, value)) in [
            ("externalId", json!("ü".repeat(200))),
            ("amount", money(0, "USD")),
            ("amount", money(MAX, "USD")),
            ("tax", money(MAX - 4900, "USD")),
            ("occurredAt", json!("2000-01-01T00:00:00Z")),
            ("occurredAt", json!("2026-11-01T12:05:00Z")),
        ]
        .into_iter()
        .enumerate()
        {
            let mut sale = reported(&format!("order-{number}"), json!({ "affiliateId": stage.sarah }));
            sale[field] = value;
            app.max().make("recordConversion", "conversion", "id", sale).await;
        }
    }

    async fn what_is_not_there_or_anothers_is_not_found(app: &TestApp) {
        let stage = app.stage().await;
        let globex = cast::set_stage(&app.globex_owner(), CampaignSpec::default(), CouponSpec::default()).await;
        app.globex_owner().mint(&globex.coupon, &globex.sarah, "GLOBEX20").await;
        let (theirs, unknown) = (app.new_click(&app.globex, &globex.sarah, &globex.campaign).await, "clk_01900000000070008000000000000007");
        let slug = app.slug(&globex.sarah, &globex.campaign).await;
        let before = app.everything().await;
        for (field, values) in [
            ("clickId", vec![theirs.as_str(), unknown, "clk_1", "", stage.sarah.as_str()]),
            ("linkSlug", vec![&slug, "nobody", "", "a\u{0}b", "müller"]),
            ("code", vec!["GLOBEX20", "NOBODY", "x", "", "a\u{0}bc"]),
            ("affiliateId", vec![&globex.sarah, "aff_01900000000070008000000000000007", "", &stage.campaign]),
        ] {
            for value in values {
                let sale = reported("order-1", json!({ (field): value }));
                assert_eq!(mistakes(app, sale).await, [mistake("NOT_FOUND", field)], "{field} {value:?}");
            }
        }
        for value in [&globex.campaign, "cmp_x"] {
            let sale = reported("order-1", json!({ "affiliateId": stage.sarah, "campaignId": value }));
            assert_eq!(mistakes(app, sale).await, [mistake("NOT_FOUND", "campaignId")], "{value}");
        }
        assert_eq!(app.everything().await, before);
    }

    async fn what_contradicts_itself_is_refused(app: &TestApp) {
        let stage = app.stage().await;
        let other = app.max().campaign(CampaignSpec::default()).await;
        let zoe = app.max().new_affiliate("Zoe", &[&other]).await;
        let slug = app.slug(&stage.bob, &stage.campaign).await;
        let click = app.new_click(&app.acme, &stage.bob, &stage.campaign).await;
        let before = app.everything().await;
        for (by, field) in [
            (json!({ "linkSlug": slug, "affiliateId": stage.sarah }), "linkSlug"),
            (json!({ "linkSlug": slug, "campaignId": other }), "campaignId"),
            (json!({ "affiliateId": stage.sarah, "campaignId": other }), "campaignId"),
            (json!({ "clickId": click, "campaignId": other }), "campaignId"),
            (json!({ "clickId": click, "affiliateId": zoe }), "campaignId"),
            (json!({ "code": "SARAH20", "campaignId": other }), "campaignId"),
        ] {
            assert_eq!(mistakes(app, reported("order-1", by.clone())).await, [mistake("INVALID", field)], "{by}");
        }
        assert_eq!(app.everything().await, before);
    }
}
