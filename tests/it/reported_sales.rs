//! Sales that a brand's own server reports: recorded once, credited like any other, the same report again changes nothing.

use chrono::TimeDelta;
use entity::feed_event::{self, FeedKind};
use rekomi::auth::{Role, jwt::Mode};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder};

use crate::support::{cast::id, *};

const FIELDS: &str = "id kind status source couponCode livemode occurredAt customerEmail amount { minorUnits currency }
    tax { minorUnits } refundedAmount { minorUnits } commission { minorUnits } affiliate { name } campaign { id }";

async fn record(caller: &Caller, sale: Value) -> Value {
    caller.make("recordConversion", "conversion", FIELDS, sale).await
}

async fn mistakes(caller: &Caller, sale: Value) -> Vec<client::Mistake> {
    caller.mistakes("recordConversion", "conversion", sale).await
}

/// What was told of conversions.
async fn feed(app: &TestApp) -> Vec<FeedKind> {
    let rows = feed_event::Entity::find()
        .filter(feed_event::Column::ConversionId.is_not_null())
        .order_by_asc(feed_event::Column::Sequence);
    rows.all(app.db()).await.unwrap().iter().map(|row| row.kind).collect()
}

both! {
    async fn a_sale_is_credited_to_the_affiliate_that_the_server_names(app: &TestApp) {
        let stage = app.stage().await;
        let sale = reported("order-1", json!({
            "affiliateId": stage.sarah, "tax": { "minorUnits": 931, "currency": "usd" },
            "occurredAt": "2026-10-31T09:30:00.999Z", "customerEmail": " jane@customers.example ",
        }));
        let conversion = record(&app.max(), sale).await;
        assert_eq!(conversion, json!({
            "id": conversion["id"], "kind": "ONE_OFF", "status": "PENDING", "source": "S2S", "couponCode": null,
            "livemode": true, "occurredAt": "2026-10-31T09:30:00+00:00", "customerEmail": "jane@customers.example",
            "amount": { "minorUnits": 4900, "currency": "USD" }, "tax": { "minorUnits": 931 },
            "refundedAmount": { "minorUnits": 0 }, "commission": { "minorUnits": 980 },
            "affiliate": { "name": "Sarah Jones" }, "campaign": { "id": stage.campaign },
        }));
        assert_eq!(app.told().await, ["ONE_OFF PENDING sarah - 4900 USD, tax 931, commission 980"]);
        assert_eq!(app.ana().balance(&stage.sarah).await, ("980 USD".into(), "0 USD".into()));
        assert_eq!(app.affiliate(&stage.sarah).conversions().await.len(), 1);
        assert_eq!(feed(app).await, [FeedKind::ConversionCreated]);
        app.pass(TimeDelta::days(30));
        assert_eq!(app.told().await, ["ONE_OFF APPROVED sarah - 4900 USD, tax 931, commission 980"]);
        assert_eq!(app.ana().balance(&stage.sarah).await, ("980 USD".into(), "980 USD".into()));
    }

    async fn what_it_is_credited_by_is_its_method(app: &TestApp) {
        let stage = app.stage().await;
        let max = app.max();
        max.make("renameAffiliateCode", "affiliateCode", "id", json!({ "id": stage.code, "code": "SARAH-NEW" })).await;
        let slug = app.slug(&stage.bob, &stage.campaign).await;
        let click = app.new_click(&app.acme, &stage.bob, &stage.campaign).await;
        for (name, by, source) in [
            ("affiliate", json!({ "affiliateId": stage.bob }), "S2S"),
            ("link", json!({ "linkSlug": slug.to_uppercase() }), "S2S"),
            ("both", json!({ "linkSlug": slug, "affiliateId": stage.bob, "campaignId": stage.campaign }), "S2S"),
            ("click", json!({ "clickId": click }), "Link"),
            ("code", json!({ "code": "sarah-new" }), "Coupon · SARAH-NEW"),
            ("former", json!({ "code": " Sarah20 " }), "Coupon · SARAH20"),
        ] {
            let conversion = record(&max, reported(name, by)).await;
            assert_eq!(conversion["source"], source, "{name}");
        }
        assert_eq!(
            app.stats().await,
            ["SARAH-NEW 2 redeemed, 0 refunded, 0 renewals, 9800 USD, back 0, commission 1960 USD"]
        );
        assert_eq!(app.ana().balance(&stage.bob).await.0, "3920 USD");
    }

    async fn the_same_report_again_answers_with_what_is_there(app: &TestApp) {
        let stage = app.stage().await;
        let click = app.new_click(&app.acme, &stage.sarah, &stage.campaign).await;
        let max = app.max();
        let sale = reported("order-1", json!({
            "affiliateId": stage.sarah, "clickId": click, "code": "SARAH20", "customerEmail": "Jane@customers.example",
        }));
        let first = record(&max, sale.clone()).await;
        app.pass(TimeDelta::hours(1));
        let before = app.everything().await;
        let mut others = vec![sale.clone()];
        for (field, value) in [
            ("externalId", json!(" order-1 ")),
            ("amount", json!({ "minorUnits": 4900, "currency": "usd" })),
            ("tax", json!({ "minorUnits": 0, "currency": "USD" })),
            ("code", json!("sarah20")),
            ("customerEmail", json!("jane@CUSTOMERS.example")),
            // What was left to the server is what it took then.
            ("campaignId", json!(stage.campaign)),
            ("occurredAt", json!("2026-11-01T12:00:00Z")),
        ] {
            let mut other = sale.clone();
            other[field] = value;
            others.push(other);
        }
        for other in others {
            assert_eq!(record(&max, other.clone()).await, first, "{other}");
        }
        assert_eq!(app.everything().await, before);

        let refund = json!({ "externalId": "order-1" });
        max.make("refundConversion", "conversion", "id", refund).await;
        max.set_status(&stage.sarah, "SUSPENDED").await;
        let before = app.everything().await;
        let again = record(&max, sale).await;
        assert_eq!((&again["id"], &again["status"]), (&first["id"], &json!("REFUNDED")));
        assert_eq!(app.everything().await, before);
    }

    async fn what_comes_after_a_report_from_a_clock_that_is_ahead_has_no_part_in_it(app: &TestApp) {
        let stage = app.stage().await;
        app.pass(TimeDelta::hours(1));
        let max = app.max();
        let click = app.click(&stage.sarah, &stage.campaign, 1, app.now().timestamp()).await.to_string();
        let sale = reported("order-1", json!({ "clickId": click, "occurredAt": app.now() + TimeDelta::minutes(4) }));
        let first = record(&max, sale.clone()).await;
        assert_eq!((&first["affiliate"]["name"], &first["occurredAt"]), (&json!("Sarah Jones"), &json!("2026-11-01T13:00:00+00:00")));
        app.pass(TimeDelta::minutes(1));
        app.click(&stage.bob, &stage.campaign, 1, app.now().timestamp()).await;
        let before = app.everything().await;
        assert_eq!(record(&max, sale.clone()).await, first);
        for moved in [TimeDelta::minutes(2), TimeDelta::minutes(-1)] {
            let mut other = sale.clone();
            other["occurredAt"] = json!(app.now() + moved);
            assert_eq!(mistakes(&max, other).await, [mistake("TAKEN", "externalId")], "{moved}");
        }
        assert_eq!(app.everything().await, before);
        let refund = json!({ "externalId": "order-1", "amount": { "minorUnits": 900, "currency": "USD" } });
        max.make("refundConversion", "conversion", "id", refund).await;
        assert_eq!(app.ana().balance(&stage.sarah).await.0, "800 USD");
    }

    async fn another_sale_under_the_same_name_is_taken(app: &TestApp) {
        let stage = app.stage().await;
        let max = app.max();
        let click = app.new_click(&app.acme, &stage.sarah, &stage.campaign).await;
        let sale = reported("order-1", json!({ "affiliateId": stage.sarah, "customerEmail": "jane@customers.example" }));
        record(&max, sale.clone()).await;
        let before = app.everything().await;
        for (field, value) in [
            ("amount", json!({ "minorUnits": 4901, "currency": "USD" })),
            ("amount", json!({ "minorUnits": 4900, "currency": "EUR" })),
            ("tax", json!({ "minorUnits": 1, "currency": "USD" })),
            ("occurredAt", json!("2026-11-01T11:59:59Z")),
            ("customerEmail", json!("joan@customers.example")),
            ("customerEmail", Value::Null),
            ("affiliateId", json!(stage.bob)),
            ("code", json!("SARAH20")),
            ("clickId", json!(click)),
            ("linkSlug", json!(app.slug(&stage.sarah, &stage.campaign).await)),
        ] {
            let mut other = sale.clone();
            other[field] = value;
            assert_eq!(mistakes(&max, other).await, [mistake("TAKEN", "externalId")], "{field}");
        }
        assert_eq!(app.everything().await, before);
    }

    async fn brands_and_modes_have_names_of_their_own(app: &TestApp) {
        let stage = app.stage().await;
        let globex = cast::set_stage(&app.globex_owner(), CampaignSpec::default(), CouponSpec::default()).await;
        let test = app.caller(app.token(Role::Manager, None, Some(Mode::Test)));
        let live = record(&app.max(), reported("order-1", json!({ "affiliateId": stage.sarah }))).await;
        let tested = record(&test, reported("order-1", json!({ "affiliateId": stage.bob }))).await;
        let other = record(&app.globex_owner(), reported("order-1", json!({ "affiliateId": globex.sarah }))).await;
        assert_eq!((&live["livemode"], &tested["livemode"]), (&json!(true), &json!(false)));
        assert!(live["id"] != tested["id"] && live["id"] != other["id"]);
        assert_eq!(app.told().await, ["ONE_OFF PENDING sarah - 4900 USD, commission 980"]);
        assert_eq!(test.told().await, ["ONE_OFF PENDING bob - 4900 USD, commission 980"]);
        // A live code is none of the test mode's.
        assert_eq!(mistakes(&test, reported("order-2", json!({ "code": "SARAH20" }))).await, [mistake("NOT_FOUND", "code")]);
    }

    async fn a_sale_that_is_held_earns_nothing(app: &TestApp) {
        let stage = app.stage().await;
        app.pass(TimeDelta::minutes(20));
        let max = app.max();
        max.set_status(&stage.bob, "SUSPENDED").await;
        app.pass(TimeDelta::minutes(20));
        let held = record(&max, reported("unapproved", json!({ "affiliateId": stage.bob }))).await;
        assert_eq!(held["status"], "HELD");
        let own = json!({ "affiliateId": stage.sarah, "customerEmail": "SARAH.JONES@affiliates.example" });
        assert_eq!(record(&max, reported("own", own)).await["status"], "HELD");
        let before = json!({ "affiliateId": stage.bob, "occurredAt": "2026-11-01T12:15:00Z" });
        assert_eq!(record(&max, reported("before", before)).await["status"], "PENDING");
        assert_eq!(app.ana().balance(&stage.sarah).await.0, "0");
        assert_eq!(app.ana().balance(&stage.bob).await.0, "980 USD");
    }

    async fn what_credits_nobody_is_not_recorded(app: &TestApp) {
        let stage = app.stage().await;
        let max = app.max();
        let shared = json!({ "campaignId": stage.campaign, "couponId": stage.coupon, "code": "EVERYONE" });
        max.make("setCampaignCode", "campaign", "id", shared).await;
        let click = app.new_click(&app.acme, &stage.sarah, &stage.campaign).await;
        app.pass(TimeDelta::days(61));
        let max = app.max();
        let before = app.everything().await;
        for (by, field) in [
            (json!({}), ""),
            (json!({ "campaignId": stage.campaign, "customerEmail": "jane@customers.example" }), ""),
            (json!({ "code": "everyone" }), "code"),
            (json!({ "clickId": click }), "clickId"),
            (json!({ "clickId": click, "code": "EVERYONE" }), ""),
        ] {
            assert_eq!(mistakes(&max, reported("order-1", by.clone())).await, [mistake("INVALID", field)], "{by}");
        }
        assert_eq!(app.everything().await, before);
        // The name is still free.
        let sale = json!({ "clickId": click, "occurredAt": "2026-11-02T00:00:00Z" });
        assert_eq!(record(&max, reported("order-1", sale)).await["source"], "Link");
    }

    async fn an_affiliate_in_several_campaigns_needs_one_named(app: &TestApp) {
        let stage = app.stage().await;
        let max = app.max();
        let autumn = max.campaign(CampaignSpec::default().with("name", "Autumn").percent("50")).await;
        let other = max.campaign(CampaignSpec::default()).await;
        let zoe = max.new_affiliate("Zoe", &[&stage.campaign, &autumn]).await;
        let before = app.everything().await;
        for (by, field) in [
            (json!({ "affiliateId": zoe }), "campaignId"),
            (json!({ "affiliateId": zoe, "campaignId": other }), "campaignId"),
            (json!({ "code": "SARAH20", "campaignId": other }), "campaignId"),
        ] {
            assert_eq!(mistakes(&max, reported("order-1", by.clone())).await, [mistake("INVALID", field)], "{by}");
        }
        assert_eq!(app.everything().await, before);
        let sale = reported("order-1", json!({ "affiliateId": zoe, "campaignId": autumn }));
        let conversion = record(&max, sale).await;
        assert_eq!((&conversion["campaign"]["id"], &conversion["commission"]["minorUnits"]), (&json!(autumn), &json!(2450)));
    }

    async fn an_owner_and_keys_that_may_write_report_too(app: &TestApp) {
        let stage = app.stage().await;
        let mut ids = Vec::new();
        for (name, scope) in [("a", "READ_WRITE"), ("b", "CONVERSIONS_WRITE")] {
            let key = app.olivia().mutate("createApiKey", "key", json!({ "name": name, "scopes": [scope] })).await;
            let key = app.caller(key["key"].as_str().unwrap().to_owned());
            ids.push(id(&record(&key, reported(name, json!({ "affiliateId": stage.sarah }))).await));
        }
        ids.push(id(&record(&app.olivia(), reported("c", json!({ "affiliateId": stage.sarah }))).await));
        ids.dedup();
        assert_eq!(ids.len(), 3);
        for caller in [app.ana(), app.affiliate(&stage.sarah)] {
            let answer = caller.try_mutate("recordConversion", "conversion { id }", reported("d", json!({}))).await;
            assert_eq!(answer.codes(), ["FORBIDDEN"]);
            let answer = caller.try_mutate("refundConversion", "conversion { id }", json!({ "externalId": "a" })).await;
            assert_eq!(answer.codes(), ["FORBIDDEN"]);
        }
    }
}
