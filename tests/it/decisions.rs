//! What managers decide about conversions: approving and rejecting, one by one or many at once.

use chrono::TimeDelta;
use entity::sale_report;
use rekomi::standin::{DisputeStep, SubscriptionSale};

use crate::support::{client::mistakes, told::trail, *};

const REASON: &str = "checked by hand";

/// A sale of 4000 USD, which would earn 800.
async fn sold(app: &TestApp) -> SubscriptionSale {
    let sale = app.sale().promo(app.promo("SARAH20")).build();
    sale.sync(&app.acme.stripe);
    app.deliver(&sale.start(Shape::Endive)).await;
    sale
}

/// The same while sarah is suspended.
async fn held(app: &TestApp) -> (Stage, SubscriptionSale) {
    let stage = app.stage().await;
    app.pass(TimeDelta::hours(1));
    app.max().set_status(&stage.sarah, "SUSPENDED").await;
    app.pass(TimeDelta::hours(1));
    let sale = sold(app).await;
    (stage, sale)
}

async fn refund(app: &TestApp, sale: &mut SubscriptionSale, amount: Option<i64>) {
    let events = sale.refund(Shape::Endive, amount, Paid::First);
    sale.sync(&app.acme.stripe);
    app.deliver(&events).await;
}

async fn ids(app: &TestApp) -> Vec<String> {
    let all = app.ana().conversions().await;
    all.iter().map(cast::id).collect()
}

/// What became of each: the status it has now, and whether it was changed; or its mistake.
async fn judge(app: &TestApp, mutation: &str, ids: &[String]) -> Vec<String> {
    let input = json!({ "ids": ids, "reason": REASON });
    let fields = "results { index changed conversion { id status } userErrors { code field message } }";
    let payload = app.max().mutate(mutation, fields, input).await;
    assert_eq!(mistakes(&payload), [], "{payload}");
    let results = payload["results"].as_array().unwrap();
    let told = |(number, result): (usize, &Value)| {
        assert_eq!(result["index"], number);
        match mistakes(result).as_slice() {
            [] => {
                assert_eq!(result["conversion"]["id"], ids[number]);
                let changed = if result["changed"] == true { "" } else { " already" };
                format!("{}{changed}", result["conversion"]["status"].as_str().unwrap())
            }
            [(code, field)] => format!("{code} {field}"),
            more => panic!("{more:?}"),
        }
    };
    results.iter().enumerate().map(told).collect()
}

async fn approve(app: &TestApp) -> Vec<String> {
    judge(app, "approveConversions", &ids(app).await).await
}

async fn reject(app: &TestApp) -> Vec<String> {
    judge(app, "rejectConversions", &ids(app).await).await
}

both! {
    async fn a_held_sale_earns_once_it_is_approved(app: &TestApp) {
        let (stage, _) = held(app).await;
        assert_eq!(app.told().await, ["ACQUISITION HELD sarah SARAH20 4000 USD, commission 0"]);
        assert_eq!(approve(app).await, ["PENDING"]);
        assert_eq!(app.told().await, ["ACQUISITION PENDING sarah SARAH20 4000 USD, commission 800"]);
        assert_eq!(app.ana().ledger().await, ["sarah COMMISSION 800 USD due 2026-12-01"]);
        assert_eq!(app.ana().balance(&stage.sarah).await, ("800 USD".into(), "0 USD".into()));
        let before = app.everything().await;
        assert_eq!(approve(app).await, ["PENDING already"]);
        assert_eq!(app.everything().await, before);
        app.pass(TimeDelta::days(31));
        assert_eq!(approve(app).await, ["APPROVED already"]);
        assert_eq!(app.ana().balance(&stage.sarah).await.1, "800 USD");
    }

    async fn a_rejected_sale_earns_nothing_and_may_be_approved_again(app: &TestApp) {
        let stage = app.stage().await;
        let mut sale = sold(app).await;
        assert_eq!(reject(app).await, ["REJECTED"]);
        assert_eq!(app.told().await, ["ACQUISITION REJECTED sarah SARAH20 4000 USD, commission 0"]);
        assert_eq!(app.ana().balance(&stage.sarah).await.0, "0 USD");
        assert_eq!(
            app.stats().await,
            ["SARAH20 1 redeemed, 0 refunded, 0 renewals, 4000 USD, back 0, commission 0"]
        );
        let before = app.everything().await;
        assert_eq!(reject(app).await, ["REJECTED already"]);
        assert_eq!(app.everything().await, before);
        refund(app, &mut sale, Some(1000)).await;
        assert_eq!(app.told().await, ["ACQUISITION REJECTED sarah SARAH20 4000 USD, refunded 1000, commission 0"]);
        assert_eq!(approve(app).await, ["PARTIALLY_REFUNDED"]);
        assert_eq!(
            app.told().await,
            ["ACQUISITION PARTIALLY_REFUNDED sarah SARAH20 4000 USD, refunded 1000, commission 600"]
        );
        assert_eq!(approve(app).await, ["PARTIALLY_REFUNDED already"]);
        assert_eq!(app.ana().balance(&stage.sarah).await.0, "600 USD");
    }

    async fn an_approval_of_a_sale_whose_money_went_back_leaves_it_refunded(app: &TestApp) {
        let (_, mut sale) = held(app).await;
        assert_eq!(reject(app).await, ["REJECTED"]);
        refund(app, &mut sale, None).await;
        assert_eq!(approve(app).await, ["REFUNDED"]);
        assert_eq!(
            app.told().await,
            ["ACQUISITION REFUNDED sarah SARAH20 4000 USD, refunded 4000, commission 0"]
        );
        let before = app.everything().await;
        assert_eq!(approve(app).await, ["INVALID ids.0"]);
        assert_eq!(reject(app).await, ["INVALID ids.0"]);
        assert_eq!(app.everything().await, before);
    }

    async fn an_open_dispute_may_be_rejected_and_not_approved(app: &TestApp) {
        let (_, mut sale) = held(app).await;
        let event = sale.dispute(Shape::Endive, DisputeStep::Created, Paid::First);
        sale.sync(&app.acme.stripe);
        app.deliver([&event]).await;
        let before = app.everything().await;
        assert_eq!(approve(app).await, ["INVALID ids.0"]);
        assert_eq!(app.everything().await, before);
        assert_eq!(reject(app).await, ["REJECTED"]);
        assert_eq!(approve(app).await, ["DISPUTED"]);
    }

    async fn each_of_many_comes_to_an_end_of_its_own(app: &TestApp) {
        held(app).await;
        app.pass(TimeDelta::hours(1));
        let mut back = sold(app).await;
        refund(app, &mut back, None).await;
        let known = ids(app).await;
        let theirs = app.world(&app.globex, "globex").await["conversion"].clone();
        let asked = [
            "nonsense".to_owned(),
            known[0].clone(),
            theirs,
            known[0].clone(),
            "cnv_00000000000070008000000000000000".to_owned(),
            known[1].clone(),
        ];
        let results = judge(app, "approveConversions", &asked).await;
        assert_eq!(
            results,
            ["NOT_FOUND ids.0", "PENDING", "NOT_FOUND ids.2", "PENDING already", "NOT_FOUND ids.4", "INVALID ids.5"]
        );
    }

    async fn what_is_wrong_with_the_whole_of_it_changes_nothing(app: &TestApp) {
        let (stage, _) = held(app).await;
        let one = ids(app).await;
        let before = app.everything().await;
        for mutation in ["approveConversions", "rejectConversions"] {
            for (ids, reason, field) in [
                (vec![], REASON.to_owned(), "ids"),
                (vec![one[0].clone(); 101], REASON.to_owned(), "ids"),
                (one.clone(), " ".to_owned(), "reason"),
                (one.clone(), "x".repeat(1001), "reason"),
            ] {
                let input = json!({ "ids": ids, "reason": reason });
                let payload = app.max().mutate(mutation, "results { index }", input).await;
                assert_eq!((mistakes(&payload), &payload["results"]), (vec![mistake("INVALID", field)], &json!([])));
            }
        }
        let input = json!({ "ids": one, "reason": REASON });
        for caller in [app.ana(), app.affiliate(&stage.sarah)] {
            let answer = caller.try_mutate("approveConversions", "results { index }", input.clone()).await;
            assert_eq!(answer.codes(), ["FORBIDDEN"]);
        }
        assert_eq!(app.everything().await, before);
    }

    async fn the_trail_and_the_audit_log_say_who_and_when(app: &TestApp) {
        held(app).await;
        approve(app).await;
        let told = app.ana().conversions().await;
        let trail = trail(&told[0]);
        assert!(trail.iter().any(|step| step.contains(REASON)), "{trail:?}");
        let log = "{ auditLog(first: 1) { nodes { action objectId actor changes { field before after } } } }";
        let entry = app.olivia().query(log).await["auditLog"]["nodes"][0].take();
        assert_eq!(
            entry,
            json!({
                "action": "conversion.approved", "objectId": told[0]["id"], "actor": "manager",
                "changes": [
                    { "field": "reason", "before": null, "after": REASON },
                    { "field": "status", "before": "held", "after": null },
                    { "field": "verdict", "before": null, "after": "approved" },
                ],
            })
        );
    }

    async fn two_managers_at_once_decide_one_after_the_other(app: &TestApp) {
        held(app).await;
        let all = ids(app).await;
        let (one, other) = tokio::join!(
            judge(app, "approveConversions", &all),
            judge(app, "approveConversions", &all)
        );
        let mut results = [one, other].concat();
        results.sort();
        assert_eq!(results, ["PENDING", "PENDING already"]);
        assert_eq!(app.count::<sale_report::Entity>().await, 1);
    }

    async fn a_renewal_of_a_rejected_subscription_is_decided_by_itself(app: &TestApp) {
        let stage = app.stage().await;
        let mut sale = sold(app).await;
        assert_eq!(reject(app).await, ["REJECTED"]);
        app.pass(TimeDelta::days(30));
        let number = sale.renew_at(app.now().timestamp());
        sale.sync(&app.acme.stripe);
        app.deliver([&sale.renewal_paid(number, Shape::Endive)]).await;
        assert_eq!(
            app.told().await,
            [
                "ACQUISITION REJECTED sarah SARAH20 4000 USD, commission 0",
                "RENEWAL PENDING sarah SARAH20 5000 USD, commission 1000",
            ]
        );
        assert_eq!(app.ana().balance(&stage.sarah).await.0, "1000 USD");
    }
}
