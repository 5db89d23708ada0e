//! The audit log: every change is in it, with who made it and what differs; nobody can change or delete an entry.

use std::collections::{BTreeMap, BTreeSet};

use rekomi::auth::Role;
use sea_orm::ConnectionTrait;

use crate::support::{operations::mutations, sdl::Sdl, socket::Heard, *};

const ENTRIES: &str = "{ auditLog(first: 100) { nodes {
    action objectId actor actorKind authority livemode at address userAgent requestId changes { field before after }
} } }";

async fn entries(owner: &Caller) -> Vec<Value> {
    let mut data = owner.query(ENTRIES).await;
    data["auditLog"]["nodes"].take().as_array().unwrap().clone()
}

async fn newest(app: &TestApp) -> Value {
    entries(&app.olivia()).await.swap_remove(0)
}

both! {
    async fn every_mutation_that_changes_something_leaves_an_entry(app: &TestApp) {
        app.decides_late();
        let (sdl, world) = (Sdl::served(), app.world(&app.acme, "owner").await);
        let mut actions: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
        for specimen in mutations() {
            let before = app.everything().await.count("audit_entry");
            let answer = app.olivia().ask(&specimen.document(&sdl), specimen.variables(&world).unwrap()).await;
            assert_eq!(answer.data()["it"]["userErrors"], json!([]), "{}", specimen.name());
            let after = app.everything().await.count("audit_entry");
            assert!(after > before, "{} left no entry", specimen.name());
            // Within one moment of the clock, the order of entries is that of their ids.
            let log = entries(&app.olivia()).await;
            let new = log[..after - before].iter().map(|entry| entry["action"].as_str().unwrap().to_owned());
            actions.entry(specimen.field).or_default().extend(new);
        }
        let told: Vec<String> = actions
            .iter()
            .map(|(mutation, actions)| format!("{mutation}: {}", Vec::from_iter(actions.iter().cloned()).join(", ")))
            .collect();
        assert_eq!(told, [
            "approveConversions: conversion.approved",
            "bulkMintAffiliateCodes: code.minted",
            "createAffiliate: affiliate.created",
            "createApiKey: api_key.created",
            "createCampaign: campaign.created",
            "createCampaignCoupon: coupon.created",
            "deactivateAffiliateCode: code.deactivated",
            "deleteAffiliateCode: code.deleted",
            "deleteCampaignCoupon: coupon.deleted",
            "mintAffiliateCode: code.minted",
            "reactivateAffiliateCode: code.reactivated",
            "reassignConversion: conversion.reassigned",
            "recordConversion: conversion.recorded",
            "refundConversion: conversion.refunded",
            "rejectConversions: conversion.rejected",
            "removeCampaignCode: campaign_code.removed",
            "renameAffiliateCode: code.renamed",
            "replayParkedStripeEvents: event.replayed",
            "replayStripeEvent: event.replayed",
            "revokeApiKey: api_key.revoked",
            "rotateApiKey: api_key.created, api_key.rotated",
            "setAffiliateRate: affiliate.rate_set",
            "setAffiliateRecruiter: affiliate.recruiter_set",
            "setCampaignCode: campaign_code.set",
            "updateAffiliateStatus: affiliate.status_changed",
            "updateCampaign: campaign.updated",
            "updateCampaignCoupon: coupon.updated",
            "updateCodeSettings: code_settings.updated",
        ]);
    }

    async fn an_entry_says_who_changed_what_and_from_where(app: &TestApp) {
        let stage = app.stage().await;
        let query = json!({ "query": format!(
            "mutation {{ updateCampaign(input: {{ id: \"{}\", name: \"Autumn\", holdDays: 10 }}) {{ userErrors {{ message }} }} }}",
            stage.campaign
        ) });
        let request = app::http()
            .post(format!("{}/graphql", app.instance.base))
            .bearer_auth(app.token(Role::Manager, None, None))
            .header("x-request-id", "req-17")
            .header("user-agent", "dashboard/1.0");
        assert!(request.json(&query).send().await.unwrap().status().is_success());
        assert_eq!(
            newest(app).await,
            json!({
                "action": "campaign.updated", "objectId": stage.campaign, "actor": "manager", "actorKind": "TOKEN",
                "authority": "manager", "livemode": null, "at": "2026-11-01T12:00:00+00:00", "requestId": "req-17",
                "address": "127.0.0.1", "userAgent": "dashboard/1.0",
                "changes": [
                    { "field": "holdDays", "before": "30", "after": "10" },
                    { "field": "name", "before": "Spring", "after": "Autumn" },
                ],
            })
        );
    }

    async fn what_comes_over_a_socket_has_the_origin_of_its_handshake(app: &TestApp) {
        let stage = app.stage().await;
        let mut socket = app.socket(&app.token(Role::Manager, None, None)).await;
        let query = format!(
            "mutation {{ updateAffiliateStatus(input: {{ id: \"{}\", status: SUSPENDED }}) {{ userErrors {{ code }} }} }}",
            stage.bob
        );
        socket.send(json!({ "id": "1", "type": "subscribe", "payload": { "query": query } })).await;
        assert!(matches!(socket.next().await, Heard::Message(message) if message["type"] == "next"));
        let entry = newest(app).await;
        assert_eq!([&entry["action"], &entry["address"]], [&json!("affiliate.status_changed"), &json!("127.0.0.1")]);
        assert!(entry["requestId"].as_str().unwrap().ends_with("/1"), "{entry}");
        socket.close().await;
    }

    async fn keys_and_affiliates_are_named_too(app: &TestApp) {
        let stage = app.stage().await;
        let answer = app.olivia().mutate("createApiKey", "key apiKey { id }", json!({ "name": "x", "scopes": ["CODES_WRITE"] })).await;
        let key = app.caller(answer["key"].as_str().unwrap().to_owned());
        let code = key.mint(&stage.coupon, &stage.sarah, "BY-KEY").await;
        let entry = newest(app).await;
        assert_eq!(
            [&entry["actor"], &entry["actorKind"], &entry["authority"], &entry["objectId"], &entry["livemode"]],
            [&answer["apiKey"]["id"], &json!("API_KEY"), &json!("codes_write"), &json!(code), &json!(true)]
        );
        let own = app.affiliate(&stage.bob).mint(&stage.coupon, &stage.bob, "BY-BOB").await;
        let entry = newest(app).await;
        assert_eq!([&entry["objectId"], &entry["authority"]], [&json!(own), &json!("affiliate")]);
    }

    async fn a_change_of_nothing_leaves_no_entry(app: &TestApp) {
        let stage = app.stage().await;
        let before = app.everything().await;
        for (mutation, object, input) in [
            ("updateCampaign", "campaign", json!({ "id": stage.campaign, "name": "Spring", "holdDays": 30 })),
            ("updateCampaignCoupon", "campaignCoupon", json!({ "id": stage.coupon, "archived": false })),
            ("updateAffiliateStatus", "affiliate", json!({ "id": stage.sarah, "status": "APPROVED" })),
            ("reactivateAffiliateCode", "affiliateCode", json!({ "id": stage.code })),
        ] {
            app.max().make(mutation, object, "id", input).await;
        }
        assert_eq!(app.everything().await, before);
    }

    async fn what_stripe_refuses_is_in_it_with_the_reason(app: &TestApp) {
        let stage = app.stage().await;
        // Stripe's set of characters is narrower than ours.
        let refused = app.max().mistakes("mintAffiliateCode", "affiliateCode", json!({
            "couponId": stage.coupon, "affiliateId": stage.sarah, "code": "SARAH_20",
        })).await;
        assert_eq!(refused, [mistake("STRIPE_REJECTED", "code")]);
        let log = entries(&app.olivia()).await;
        assert_eq!([&log[0]["action"], &log[1]["action"]], [&json!("code.refused_by_stripe"), &json!("code.minted")]);
        assert_eq!(log[0]["objectId"], log[1]["objectId"]);
        let reason = log[0]["changes"].as_array().unwrap().iter().find(|change| change["field"] == "reason").unwrap();
        assert!(reason["after"].as_str().is_some_and(|text| !text.is_empty()));
    }

    async fn what_stripe_refuses_later_is_in_it_as_the_servers_own_doing(app: &TestApp) {
        let stage = app.stage().await;
        // Stripe is away while the code is made, and has the same text of somebody else's when it is back.
        app.standin.fault(Fault::new(FaultKind::ServerError).always());
        let code = app.max().mint(&stage.coupon, &stage.sarah, "SARAH_LATE").await;
        app.standin.clear_faults();
        let entry = eventually("the late refusal", async || {
            app.pass(chrono::TimeDelta::seconds(30));
            let log = entries(&app.olivia()).await;
            log.into_iter().find(|entry| entry["action"] == "code.refused_by_stripe")
        })
        .await;
        assert_eq!([&entry["actorKind"], &entry["actor"], &entry["objectId"]], [&json!("SYSTEM"), &json!("stripe"), &json!(code)]);
        let status = json!({ "field": "status", "before": "active", "after": "inactive" });
        assert!(entry["changes"].as_array().unwrap().contains(&status), "{entry}");
    }

    async fn a_filter_that_nothing_can_match_matches_nothing(app: &TestApp) {
        app.stage().await;
        for filter in ["actor: \"man\\u0000ager\"", "action: \"\\u0000\"", "objectId: \"\\u0000\""] {
            let data = app.olivia().query(&format!("{{ auditLog(filter: {{ {filter} }}) {{ totalCount nodes {{ id }} }} }}")).await;
            assert_eq!(data["auditLog"], json!({ "totalCount": 0, "nodes": [] }), "{filter}");
        }
        for filter in ["from: \"-262143-01-01T00:00:00Z\"", "before: \"+12000-01-01T00:00:00Z\""] {
            let answer = app.olivia().ask(&format!("{{ auditLog(filter: {{ {filter} }}) {{ totalCount }} }}"), json!({})).await;
            assert_eq!(answer.codes(), ["BAD_USER_INPUT"], "{filter}");
        }
    }

    async fn of_secrets_it_says_only_that_they_were_set(app: &TestApp) {
        let log = entries(&app.olivia()).await;
        let created = log.iter().find(|entry| entry["action"] == "brand.created").unwrap();
        assert_eq!([&created["actorKind"], &created["actor"]], [&json!("CLI"), &json!("cli")]);
        let of = |field: &str| created["changes"].as_array().unwrap().iter().find(|change| change["field"] == field).cloned();
        for secret in ["stripeSecretKey", "stripeWebhookSecrets"] {
            assert_eq!(of(secret).unwrap()["after"], "set");
        }
        assert!(!app.everything().await.contains("sk_live_acme"));
    }

    async fn the_database_refuses_to_change_or_delete_an_entry(app: &TestApp) {
        app.stage().await;
        let before = app.everything().await;
        for statement in ["UPDATE audit_entry SET actor = 'nobody'", "DELETE FROM audit_entry"] {
            let txn = app.instance.app.db.begin().await.unwrap();
            let error = txn.execute_unprepared(statement).await.unwrap_err().to_string();
            assert!(error.contains("append-only"), "{error}");
            txn.rollback().await.unwrap();
        }
        assert_eq!(app.everything().await, before);
    }

    async fn it_is_filtered_and_paged(app: &TestApp) {
        let stage = app.stage().await;
        app.pass(chrono::TimeDelta::minutes(1));
        app.max().set_status(&stage.bob, "SUSPENDED").await;
        let count = async |filter: &str| {
            let data = app.olivia().query(&format!("{{ auditLog(filter: {{ {filter} }}) {{ totalCount }} }}")).await;
            data["auditLog"]["totalCount"].as_i64().unwrap()
        };
        assert_eq!(count(&format!("objectId: \"{}\"", stage.bob)).await, 2);
        assert_eq!(count("action: \"affiliate.created\"").await, 2);
        assert_eq!(count("actor: \"manager\"").await, 6);
        assert_eq!(count("from: \"2026-11-01T12:01:00Z\"").await, 1);
        assert_eq!(count("before: \"2026-11-01T12:01:00Z\"").await, 6);
        assert_eq!(count("action: \"affiliate.created\", actor: \"owner\"").await, 0);
        let mut actions = Vec::new();
        let mut after = String::new();
        loop {
            let page = app.olivia()
                .query(&format!("{{ auditLog(first: 3{after}) {{ nodes {{ action }} pageInfo {{ hasNextPage endCursor }} }} }}"))
                .await;
            actions.extend(told::nodes(&page["auditLog"]).iter().map(|entry| entry["action"].as_str().unwrap().to_owned()));
            if page["auditLog"]["pageInfo"]["hasNextPage"] == false {
                break;
            }
            after = format!(", after: {}", page["auditLog"]["pageInfo"]["endCursor"]);
        }
        assert_eq!(actions, [
            "affiliate.status_changed", "code.minted", "coupon.created", "affiliate.created", "affiliate.created",
            "campaign.created", "brand.created",
        ]);
    }
}
