//! Affiliates: who they are, and how they stand.

use chrono::TimeDelta;
use entity::affiliate_status;
use sea_orm::{EntityTrait, QueryOrder};

use crate::support::*;

const FIELDS: &str = "id name email status redemptionCount balance { minorUnits } balanceDue { minorUnits } codes { totalCount nodes { code } }";

fn input(campaign: &str, field: &str, value: impl Into<Value>) -> Value {
    let mut input = json!({ "name": "Sarah Jones", "email": "sarah@affiliates.example", "campaignIds": [campaign] });
    input[field] = value.into();
    input
}

both! {
    async fn an_affiliate_is_approved_at_once_unless_it_is_said_otherwise(app: &TestApp) {
        let campaign = app.max().campaign(CampaignSpec::default()).await;
        let made = app
            .max()
            .make(
                "createAffiliate",
                "affiliate",
                FIELDS,
                input(&campaign, "name", " Sarah Jones "),
            )
            .await;
        assert_eq!(
            made,
            json!({
                "id": made["id"], "name": "Sarah Jones", "email": "sarah@affiliates.example", "status": "APPROVED", "redemptionCount": 0,
                "balance": [], "balanceDue": [], "codes": { "totalCount": 0, "nodes": [] },
            })
        );
        let pending =
            json!({ "name": "Bob", "email": "bob@affiliates.example", "campaignIds": [campaign], "approve": false });
        let made = app.max().make("createAffiliate", "affiliate", "status", pending).await;
        assert_eq!(made, json!({ "status": "PENDING" }));
    }

    async fn bad_input_is_a_mistake_on_its_field_and_changes_nothing(app: &TestApp) {
        let campaign = app.max().campaign(CampaignSpec::default()).await;
        let before = app.everything().await;
        let unknown = "cmp_00000000000070008000000000000000";
        let invalid = |field: &str| mistake("INVALID", field);
        let cases = [
            (input(&campaign, "name", " "), invalid("name")),
            (input(&campaign, "name", "x".repeat(201)), invalid("name")),
            (input(&campaign, "email", "sarah"), invalid("email")),
            (input(&campaign, "email", "@x"), invalid("email")),
            (input(&campaign, "email", "a b@x.example"), invalid("email")),
            (input(&campaign, "email", "a@b@x.example"), invalid("email")),
            (
                input(&campaign, "email", format!("{}@x.example", "x".repeat(250))),
                invalid("email"),
            ),
            (input(&campaign, "campaignIds", json!([])), invalid("campaignIds")),
            (
                input(&campaign, "campaignIds", json!([unknown])),
                mistake("NOT_FOUND", "campaignIds"),
            ),
            (
                input(&campaign, "campaignIds", json!([campaign, "nonsense"])),
                mistake("NOT_FOUND", "campaignIds"),
            ),
        ];
        for (input, expected) in cases {
            assert_eq!(
                app.max().mistakes("createAffiliate", "affiliate", input.clone()).await,
                [expected],
                "{input}"
            );
        }
        assert_eq!(app.everything().await, before);
    }

    async fn an_e_mail_is_taken_whatever_its_case(app: &TestApp) {
        let campaign = app.max().campaign(CampaignSpec::default()).await;
        app.max().new_affiliate("Sarah", &[&campaign]).await;
        let before = app.everything().await;
        let again = input(&campaign, "email", "SARAH@Affiliates.Example");
        assert_eq!(
            app.max().mistakes("createAffiliate", "affiliate", again).await,
            [mistake("TAKEN", "email")]
        );
        assert_eq!(app.everything().await, before);
    }

    async fn two_who_are_created_at_the_same_time_under_one_e_mail_are_one(app: &TestApp) {
        let campaign = app.max().campaign(CampaignSpec::default()).await;
        let max = app.max();
        let create = || max.mutate("createAffiliate", "affiliate { id }", input(&campaign, "name", "Sarah"));
        let made = futures_util::future::join_all((0..6).map(|_| create())).await;
        let (made, refused): (Vec<_>, Vec<_>) = made.into_iter().partition(|payload| payload["affiliate"].is_object());
        assert_eq!((made.len(), refused.len()), (1, 5));
        for payload in refused {
            assert_eq!(support_mistakes(&payload), [mistake("TAKEN", "email")]);
        }
    }

    async fn how_an_affiliate_stood_is_kept_with_who_changed_it_and_why(app: &TestApp) {
        let stage = app.stage().await;
        app.pass(TimeDelta::hours(1));
        let input = json!({ "id": stage.sarah, "status": "SUSPENDED", "reason": "asked to pause" });
        let changed = app
            .olivia()
            .make("updateAffiliateStatus", "affiliate", "status", input.clone())
            .await;
        assert_eq!(changed["status"], "SUSPENDED");
        // Told again: nothing is appended.
        app.olivia()
            .make("updateAffiliateStatus", "affiliate", "status", input)
            .await;
        let sarah = stage.sarah.parse().unwrap();
        let history = affiliate_status::Entity::find()
            .order_by_asc(affiliate_status::Column::Id)
            .all(app.db())
            .await
            .unwrap();
        let history: Vec<_> = history.iter().filter(|row| row.affiliate_id == sarah).collect();
        assert_eq!(history.len(), 2);
        assert_eq!((history[0].changed_by.as_str(), &history[0].reason), ("manager", &None));
        assert_eq!(
            (history[1].changed_by.as_str(), history[1].reason.as_deref()),
            ("owner", Some("asked to pause"))
        );
        assert_eq!(
            history[1].effective_from - history[0].effective_from,
            TimeDelta::hours(1)
        );
    }

    async fn a_status_of_an_unknown_affiliate_or_with_too_long_a_reason_changes_nothing(app: &TestApp) {
        let stage = app.stage().await;
        let before = app.everything().await;
        let unknown = json!({ "id": "aff_00000000000070008000000000000000", "status": "REJECTED" });
        let long = json!({ "id": stage.sarah, "status": "REJECTED", "reason": "x".repeat(1001) });
        let mistakes = async |input| app.max().mistakes("updateAffiliateStatus", "affiliate", input).await;
        assert_eq!(mistakes(unknown).await, [mistake("NOT_FOUND", "id")]);
        assert_eq!(mistakes(long).await, [mistake("INVALID", "reason")]);
        let wrong = json!({ "id": stage.sarah, "status": "GONE" });
        let answer = app
            .max()
            .try_mutate("updateAffiliateStatus", "affiliate { id }", wrong)
            .await;
        assert_eq!(answer.codes(), ["BAD_USER_INPUT"]);
        assert_eq!(app.everything().await, before);
    }
}

fn support_mistakes(payload: &Value) -> Vec<(String, String)> {
    crate::support::client::mistakes(payload)
}
