//! Deleting a single code: what is left of it, what its sales are still worth, and what can be done with it no more.

use chrono::TimeDelta;
use entity::{code, taken_code};

use crate::{
    drift::{code as look, standing},
    reconcile::reconcile,
    renaming::{live, rename, settled, switch},
    support::*,
};

const DELETE: &str = "deleteAffiliateCode";
pub const ON_THERE: &str = "It is deleted here, and switched on at Stripe.";

pub async fn delete(app: &TestApp, code: &str) {
    let payload = app.max().mutate(DELETE, "deletedId", json!({ "id": code })).await;
    assert_eq!(payload, json!({ "deletedId": code, "userErrors": [] }));
}

/// A sale with a code, told by Stripe.
async fn sell(app: &TestApp, promo: Promo) {
    let sale = app.sale().promo(promo).build();
    sale.sync(&app.acme.stripe);
    app.deliver(&sale.start(Shape::Endive)).await;
}

both! {
    async fn a_deleted_code_is_in_no_list_and_off_at_stripe(app: &TestApp) {
        let closed = CouponSpec::default().with("allowAffiliateSelfMint", false);
        let stage = app.stage_with(CampaignSpec::default(), closed).await;
        let calls = app.standin.calls().len();
        delete(app, &stage.code).await;
        assert_eq!(live(app), [""; 0]);
        let told: Vec<Value> = app.standin.calls()[calls..].iter().map(|call| json!([call.path, call.params])).collect();
        let path = format!("/v1/promotion_codes/{}", app.promo("SARAH20").promotion_code_id);
        assert_eq!(told, [json!([path, { "active": "false" }])]);
        let fields = "code status inactiveReason deletedAt formerCodes stripeSync { status drift }";
        let query = format!(
            "{{ affiliateCodes {{ totalCount nodes {{ id }} }} campaignCoupons {{ nodes {{ liveCodeCount }} }}
                affiliate(id: \"{}\") {{ codes {{ totalCount nodes {{ id }} }} }}
                codeRedemptionStats {{ totalCount nodes {{ redemptions }} }}
                node(id: \"{}\") {{ ... on AffiliateCode {{ {fields} }} }} }}",
            stage.sarah, stage.code
        );
        let none = json!({ "totalCount": 0, "nodes": [] });
        assert_eq!(
            app.ana().query(&query).await,
            json!({
                "affiliateCodes": none, "affiliate": { "codes": none }, "codeRedemptionStats": none,
                "campaignCoupons": { "nodes": [{ "liveCodeCount": 0 }] },
                "node": {
                    "code": "SARAH20", "status": "INACTIVE", "inactiveReason": "DELETED", "deletedAt": "2026-11-01T12:00:00+00:00",
                    "formerCodes": [], "stripeSync": { "status": "SYNCED", "drift": null },
                },
            })
        );
        assert_eq!((app.count::<code::Entity>().await, app.count::<taken_code::Entity>().await), (1, 1), "the rows stay");
        let own = app.affiliate(&stage.sarah).query(&query).await;
        assert_eq!((&own["affiliateCodes"], &own["campaignCoupons"]["nodes"]), (&none, &json!([])));
    }

    async fn a_deleted_code_cannot_be_deleted_renamed_or_switched_on(app: &TestApp) {
        let spec = CouponSpec::default().with("allowAffiliateSelfMint", true);
        let stage = app.stage_with(CampaignSpec::default().with("affiliatesCanManageCodes", true), spec).await;
        let bob = app.max().mint(&stage.coupon, &stage.bob, "BOB20").await;
        rename(app, &stage.code, "SARAH-VIP").await;
        settled(app, &stage.code).await;
        delete(app, &stage.code).await;
        settled(app, &stage.code).await;
        let (before, writes) = (app.everything().await, app.writes());
        let max = app.max();
        let id = json!({ "id": stage.code });
        assert_eq!(max.mistakes(DELETE, "deletedId", id.clone()).await, [mistake("NOT_FOUND", "id")]);
        assert_eq!(max.mistakes("reactivateAffiliateCode", "affiliateCode", id.clone()).await, [mistake("INVALID", "id")]);
        for caller in [&max, &app.affiliate(&stage.sarah)] {
            for text in ["SARAH-VIP", "SARAH20", "SARAH-NEW"] {
                let input = json!({ "id": stage.code, "code": text });
                assert_eq!(caller.mistakes("renameAffiliateCode", "affiliateCode", input).await, [mistake("INVALID", "id")], "{text}");
            }
        }
        // It is off already.
        let off = max.make("deactivateAffiliateCode", "affiliateCode", "status inactiveReason", id).await;
        assert_eq!(off, json!({ "status": "INACTIVE", "inactiveReason": "DELETED" }));
        for text in ["sarah20", "SARAH-VIP"] {
            let taken = [mistake("TAKEN", "code")];
            let mint = json!({ "couponId": stage.coupon, "affiliateId": stage.sarah, "code": text });
            assert_eq!(max.mistakes("mintAffiliateCode", "affiliateCode", mint).await, taken);
            let rename = json!({ "id": bob, "code": text });
            assert_eq!(max.mistakes("renameAffiliateCode", "affiliateCode", rename).await, taken);
            let shared = json!({ "campaignId": stage.campaign, "couponId": stage.coupon, "code": text });
            assert_eq!(max.mistakes("setCampaignCode", "campaign", shared).await, taken);
        }
        assert_eq!((app.everything().await, app.writes()), (before, writes));
    }

    async fn only_those_who_manage_codes_delete_and_only_their_brands(app: &TestApp) {
        let stage = app.stage().await;
        let (before, writes) = (app.everything().await, app.writes());
        let id = json!({ "id": stage.code });
        for other in [app.ana(), app.affiliate(&stage.sarah)] {
            assert_eq!(other.try_mutate(DELETE, "deletedId", id.clone()).await.codes(), ["FORBIDDEN"]);
        }
        let missing = [mistake("NOT_FOUND", "id")];
        assert_eq!(app.globex_owner().mistakes(DELETE, "deletedId", id.clone()).await, missing);
        for unknown in ["cod_00000000000070008000000000000000", "nonsense", stage.coupon.as_str()] {
            assert_eq!(app.max().mistakes(DELETE, "deletedId", json!({ "id": unknown })).await, missing);
        }
        assert_eq!((app.everything().await, app.writes()), (before, writes));
        let olivia = app.olivia();
        let at_once = futures_util::future::join_all((0..10).map(|_| olivia.mutate(DELETE, "deletedId", id.clone())));
        let done = at_once.await.iter().filter(|payload| payload["deletedId"] == stage.code).count();
        assert_eq!(done, 1);
    }

    async fn its_sales_stay_and_late_ones_are_its_affiliates(app: &TestApp) {
        let stage = app.stage().await;
        let unused = app.max().mint(&stage.coupon, &stage.bob, "BOB20").await;
        let promo = app.promo("SARAH20");
        sell(app, promo.clone()).await;
        app.pass(TimeDelta::days(1));
        for code in [&stage.code, &unused] {
            delete(app, code).await;
        }
        // It was redeemed before, and Stripe tells only now.
        app.pass(TimeDelta::hours(1));
        sell(app, promo).await;
        assert_eq!(app.told().await, ["ACQUISITION PENDING sarah SARAH20 4000 USD, commission 800"; 2]);
        assert_eq!(app.stats().await, ["SARAH20 2 redeemed, 0 refunded, 0 renewals, 8000 USD, back 0, commission 1600 USD"]);
        let shown = app.ana().query("{ conversions { nodes { code { id code status deletedAt } } } }").await;
        let code = json!({ "id": stage.code, "code": "SARAH20", "status": "INACTIVE", "deletedAt": "2026-11-02T12:00:00+00:00" });
        assert_eq!(shown["conversions"]["nodes"], json!([{ "code": code }, { "code": code }]));
        assert_eq!(app.ana().redemption_count(&stage.sarah).await, 2);
        // Figures of the range decide, to the second.
        let count = async |filter: &str| {
            let query = format!("{{ codeRedemptionStats(filter: {{ {filter} }}) {{ totalCount nodes {{ redemptions }} }} }}");
            let stats = app.ana().query(&query).await["codeRedemptionStats"].take();
            let redemptions: i64 = told::nodes(&stats).iter().map(|node| node["redemptions"].as_i64().unwrap()).sum();
            (stats["totalCount"].as_i64().unwrap(), redemptions)
        };
        assert_eq!(count("from: \"2026-11-01T12:00:00Z\", before: \"2026-11-01T12:00:01Z\"").await, (1, 1));
        assert_eq!(count("from: \"2026-11-01T12:00:01Z\"").await, (1, 1));
        assert_eq!(count("before: \"2026-11-01T12:00:00Z\"").await, (0, 0));
        assert_eq!(count("from: \"2026-11-01T12:00:01Z\", before: \"2026-11-02T13:00:00Z\"").await, (0, 0));
        assert_eq!(count(&format!("codeId: \"{}\"", stage.code)).await, (1, 2));
        assert_eq!(count(&format!("codeId: \"{unused}\"")).await, (0, 0));
    }

    async fn renewals_alone_keep_a_deleted_code_in_the_figures(app: &TestApp) {
        let forever = CouponSpec::default().with("duration", "FOREVER");
        let stage = app.stage_with(CampaignSpec::default(), forever).await;
        let mut sale = app.sale().promo(app.promo("SARAH20")).build();
        sale.sync(&app.acme.stripe);
        app.deliver(&sale.start(Shape::Endive)).await;
        delete(app, &stage.code).await;
        let number = sale.renew_at(sale.facts.created + 30 * 86_400);
        app.deliver([&sale.renewal_paid(number, Shape::Endive)]).await;
        assert_eq!(app.told().await[1], "RENEWAL PENDING sarah SARAH20 4000 USD, commission 800");
        let query = "{ codeRedemptionStats(filter: { from: \"2026-11-15T00:00:00Z\" }) { totalCount nodes { code { code } redemptions renewals revenue { minorUnits } } } }";
        let node = json!({ "code": { "code": "SARAH20" }, "redemptions": 0, "renewals": 1, "revenue": [{ "minorUnits": 4000 }] });
        assert_eq!(app.ana().query(query).await["codeRedemptionStats"], json!({ "totalCount": 1, "nodes": [node] }));
    }

    async fn a_deleted_code_makes_room_for_another(app: &TestApp) {
        let spec = CouponSpec::default().with("allowAffiliateSelfMint", true);
        let stage = app.stage_with(CampaignSpec::default().with("affiliatesCanManageCodes", true), spec).await;
        app.max().make("updateCodeSettings", "codeSettings", "maxCodesPerAffiliate", json!({ "maxCodesPerAffiliate": 1 })).await;
        let mint = json!({ "couponId": stage.coupon });
        let sarah = app.affiliate(&stage.sarah);
        assert_eq!(sarah.mistakes("mintAffiliateCode", "affiliateCode", mint.clone()).await, [mistake("LIMIT_EXCEEDED", "")]);
        delete(app, &stage.code).await;
        let code = sarah.make("mintAffiliateCode", "affiliateCode", "code", mint.clone()).await;
        assert_eq!(code["code"], "SARAH20-2", "its text stays taken");
        assert_eq!(sarah.mistakes("mintAffiliateCode", "affiliateCode", mint).await, [mistake("LIMIT_EXCEEDED", "")]);
    }

    async fn the_row_of_a_batch_whose_code_was_deleted_is_not_minted_again(app: &TestApp) {
        let stage = app.stage().await;
        let rows = json!([{ "affiliateId": stage.bob, "code": "BOB-ONE" }, { "affiliateId": stage.bob }]);
        let input = json!({ "couponId": stage.coupon, "batch": "spring", "rows": rows });
        let made = crate::bulk_mint::results(&app.max(), input.clone()).await;
        assert_eq!(crate::bulk_mint::told(&made), ["BOB-ONE", "BOB20"]);
        for row in &made {
            delete(app, row["affiliateCode"]["id"].as_str().unwrap()).await;
        }
        let (before, writes) = (app.everything().await, app.writes());
        let again = crate::bulk_mint::results(&app.max(), input).await;
        assert_eq!(crate::bulk_mint::told(&again), ["INVALID rows.0", "INVALID rows.1"]);
        assert_eq!(again[1]["userErrors"][0]["message"], "The code of this row was deleted.");
        assert_eq!((app.everything().await, app.writes()), (before, writes));
    }

    async fn an_approval_does_not_mint_a_deleted_code_again(app: &TestApp) {
        let marked = CouponSpec::default().with("mintOnApproval", true);
        let stage = app.stage_with(CampaignSpec::default(), marked).await;
        let max = app.max();
        let eve = max.new_affiliate("Eve", &[&stage.campaign]).await;
        let query = format!("{{ affiliateCodes(affiliateId: \"{eve}\") {{ nodes {{ id }} }} }}");
        let code = cast::id(&app.ana().query(&query).await["affiliateCodes"]["nodes"][0]);
        delete(app, &code).await;
        for status in ["SUSPENDED", "APPROVED"] {
            max.set_status(&eve, status).await;
        }
        assert_eq!(app.ana().query(&query).await["affiliateCodes"]["nodes"], json!([]));
    }

    async fn all_its_promotion_codes_are_switched_off(app: &TestApp) {
        let stage = app.stage().await;
        rename(app, &stage.code, "SARAH-TWO").await;
        settled(app, &stage.code).await;
        // Stripe refuses to end the second text, and somebody switches the first one on again.
        app.standin.fault(Fault::refuse("Not today.", "active").on_method("POST").after(1));
        rename(app, &stage.code, "SARAH-THREE").await;
        assert_eq!(settled(app, &stage.code).await["stripeSync"]["status"], "FAILED");
        app.acme.stripe.switch(&app.promo("SARAH20").promotion_code_id, true, Shape::Endive).unwrap();
        assert_eq!(live(app), ["SARAH-THREE", "SARAH-TWO", "SARAH20"]);
        delete(app, &stage.code).await;
        assert_eq!(settled(app, &stage.code).await["stripeSync"]["status"], "SYNCED");
        assert_eq!(live(app), [""; 0]);
        for text in ["SARAH20", "SARAH-TWO", "SARAH-THREE"] {
            sell(app, app.promo(text)).await;
        }
        assert_eq!(app.told().await.len(), 3);
    }

    async fn one_that_is_off_or_whose_coupon_is_deleted_can_be_deleted_too(app: &TestApp) {
        let stage = app.stage().await;
        let bob = app.max().mint(&stage.coupon, &stage.bob, "BOB20").await;
        switch(app, "deactivateAffiliateCode", &stage.code).await;
        delete(app, &stage.code).await;
        app.max().mutate("deleteCampaignCoupon", "deletedId", json!({ "id": stage.coupon })).await;
        delete(app, &bob).await;
        for code in [&stage.code, &bob] {
            settled(app, code).await;
            assert_eq!(look(app, code).await, standing("INACTIVE", Some("DELETED"), None));
        }
        assert_eq!(app.ana().query("{ affiliateCodes { totalCount } }").await["affiliateCodes"]["totalCount"], 0);
    }

    async fn one_that_is_switched_on_at_stripe_shows_and_is_mended(app: &TestApp) {
        let stage = app.stage().await;
        delete(app, &stage.code).await;
        let promo = app.promo("SARAH20").promotion_code_id;
        let switched_on = async || {
            let on = app.acme.stripe.switch(&promo, true, Shape::Endive).unwrap();
            app.deliver([&on]).await;
            assert_eq!(look(app, &stage.code).await, standing("INACTIVE", Some("DELETED"), Some(ON_THERE)));
        };
        // Whoever sees it can switch it off; so can the operator.
        switched_on().await;
        switch(app, "deactivateAffiliateCode", &stage.code).await;
        assert_eq!(live(app), [""; 0]);
        assert_eq!(look(app, &stage.code).await, standing("INACTIVE", Some("DELETED"), None));
        switched_on().await;
        let (clean, told) = reconcile(app, &[]).await;
        assert_eq!((clean, told), (false, vec![format!("SARAH20: {ON_THERE}"), "1 1 1 1".to_owned()]));
        let (clean, told) = reconcile(app, &["--repair"]).await;
        assert_eq!((clean, told), (true, vec![format!("SARAH20: {ON_THERE} [repaired]"), "1 1 1 0".to_owned()]));
        assert_eq!(live(app), [""; 0]);
        assert_eq!(reconcile(app, &[]).await, (true, vec!["1 1 0 0".to_owned()]));
    }

    async fn the_log_says_who_deleted_it(app: &TestApp) {
        let stage = app.stage().await;
        delete(app, &stage.code).await;
        let query = "{ auditLog(filter: { action: \"code.deleted\" }) { nodes { objectId actor authority changes { field before after } } } }";
        let changes = json!([
            { "field": "deletedAt", "before": null, "after": "2026-11-01T12:00:00Z" },
            { "field": "status", "before": "active", "after": "inactive" },
        ]);
        let entry = json!({ "objectId": stage.code, "actor": "manager", "authority": "manager", "changes": changes });
        assert_eq!(app.olivia().query(query).await["auditLog"]["nodes"], json!([entry]));
    }
}
