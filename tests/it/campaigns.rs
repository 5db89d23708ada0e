//! Campaigns: what may be said of one, and what stays when it changes.

use chrono::TimeDelta;
use entity::campaign_rule;

use crate::support::*;

const FIELDS: &str =
    "name landingUrl affiliatesCanManageCodes commissionPercent commissionFlat { amount minorUnits currency }
    commissionDuration commissionMonths clickModel cookieWindowDays holdDays";

fn valid() -> Value {
    CampaignSpec::default().input
}

/// The valid input with one field changed.
fn but(field: &str, value: impl Into<Value>) -> Value {
    CampaignSpec::default().with(field, value).input
}

/// Inputs, and what is wrong with each.
fn refused() -> Vec<(Value, Vec<(String, String)>)> {
    let percent = |percent: &str| but("commission", json!({ "percent": percent }));
    let flat = |minor_units: i64, currency: &str| {
        but(
            "commission",
            json!({ "flat": { "minorUnits": minor_units, "currency": currency } }),
        )
    };
    let invalid = |field: &str| vec![mistake("INVALID", field)];
    let mut months = but("commissionDuration", "MONTHS");
    let without_months = months.clone();
    months["commissionMonths"] = json!(0);
    vec![
        (but("name", ""), invalid("name")),
        (but("name", "  "), invalid("name")),
        (but("name", "a\nb"), invalid("name")),
        (but("name", "x".repeat(201)), invalid("name")),
        (but("landingUrl", "acme.example"), invalid("landingUrl")),
        (but("landingUrl", "javascript:alert(1)"), invalid("landingUrl")),
        (
            but("landingUrl", format!("https://acme.example/{}", "x".repeat(2000))),
            invalid("landingUrl"),
        ),
        (percent("0"), invalid("commission.percent")),
        (percent("-1"), invalid("commission.percent")),
        (percent("101"), invalid("commission.percent")),
        (percent("100.01"), invalid("commission.percent")),
        (percent("12.345"), invalid("commission.percent")),
        (flat(0, "USD"), invalid("commission.flat.minorUnits")),
        (flat(-5, "USD"), invalid("commission.flat.minorUnits")),
        (flat(500, "ZZZ"), invalid("commission.flat.currency")),
        (flat(500, "US"), invalid("commission.flat.currency")),
        (without_months, invalid("commissionMonths")),
        (months, invalid("commissionMonths")),
        (but("commissionMonths", 3), invalid("commissionMonths")),
        (but("cookieWindowDays", 0), invalid("cookieWindowDays")),
        (but("cookieWindowDays", 3651), invalid("cookieWindowDays")),
        (but("holdDays", -1), invalid("holdDays")),
        (but("holdDays", 3651), invalid("holdDays")),
    ]
}

both! {
    async fn a_campaign_is_what_was_said_and_has_the_defaults_of_the_contract(app: &TestApp) {
        let made = app.max().make("createCampaign", "campaign", FIELDS, valid()).await;
        assert_eq!(
            made,
            json!({
                "name": "Spring", "landingUrl": "https://acme.example/welcome", "affiliatesCanManageCodes": true,
                "commissionPercent": "20", "commissionFlat": null, "commissionDuration": "LIFETIME", "commissionMonths": null,
                "clickModel": "LAST_CLICK", "cookieWindowDays": 60, "holdDays": 30,
            })
        );
        let input = json!({
            "name": " Podcasts ", "landingUrl": "http://acme.example", "commission": { "flat": { "minorUnits": 1500, "currency": "jpy" } },
            "commissionDuration": "MONTHS", "commissionMonths": 12, "clickModel": "FIRST_CLICK", "cookieWindowDays": 1, "holdDays": 0,
            "affiliatesCanManageCodes": false,
        });
        let made = app.olivia().make("createCampaign", "campaign", FIELDS, input).await;
        assert_eq!(
            made,
            json!({
                "name": "Podcasts", "landingUrl": "http://acme.example/", "affiliatesCanManageCodes": false, "commissionPercent": null,
                "commissionFlat": { "amount": "1500", "minorUnits": 1500, "currency": "JPY" },
                "commissionDuration": "MONTHS", "commissionMonths": 12, "clickModel": "FIRST_CLICK", "cookieWindowDays": 1, "holdDays": 0,
            })
        );
    }

    async fn bad_input_is_a_mistake_on_its_field_and_changes_nothing(app: &TestApp) {
        let campaign = app.max().campaign(CampaignSpec::default()).await;
        let before = app.everything().await;
        for (input, expected) in refused() {
            assert_eq!(
                app.max().mistakes("createCampaign", "campaign", input.clone()).await,
                expected,
                "{input}"
            );
            // The same in an update, but that what is left out stays: there a lifetime with months is wrong as well.
            let mut change = input.clone();
            change["id"] = json!(campaign);
            assert_eq!(
                app.max().mistakes("updateCampaign", "campaign", change).await,
                expected,
                "{input}"
            );
        }
        assert_eq!(app.everything().await, before);
    }

    async fn all_mistakes_are_told_at_once(app: &TestApp) {
        let input = json!({ "name": "", "landingUrl": "x", "commission": { "percent": "0" }, "holdDays": -1 });
        let mistakes = app.max().mistakes("createCampaign", "campaign", input).await;
        let expected = ["name", "landingUrl", "commission.percent", "holdDays"].map(|field| mistake("INVALID", field));
        assert_eq!(mistakes, expected);
    }

    async fn values_of_the_wrong_type_are_bad_user_input_and_change_nothing(app: &TestApp) {
        let before = app.everything().await;
        let both_kinds = json!({ "percent": "20", "flat": { "minorUnits": 1, "currency": "USD" } });
        let cases = [
            but("name", 7),
            but("name", Value::Null),
            but("holdDays", "thirty"),
            but("holdDays", 1.5),
            but("commissionDuration", "FOREVER"),
            but("commission", json!({})),
            but("commission", both_kinds),
            but("commission", json!({ "percent": "twenty" })),
            but(
                "commission",
                json!({ "flat": { "minorUnits": 9_007_199_254_740_992_i64, "currency": "USD" } }),
            ),
            but("unknown", 1),
        ];
        for input in cases {
            let answer = app
                .max()
                .try_mutate("createCampaign", "campaign { id }", input.clone())
                .await;
            assert_eq!(answer.codes(), ["BAD_USER_INPUT"], "{input}: {}", answer.body);
        }
        assert_eq!(app.everything().await, before);
    }

    async fn an_update_changes_what_is_given_and_appends_a_rule_only_when_one_changes(app: &TestApp) {
        let id = app.max().campaign(CampaignSpec::default()).await;
        let change = json!({ "id": id, "name": "Autumn", "affiliatesCanManageCodes": false });
        app.max().make("updateCampaign", "campaign", "id", change).await;
        assert_eq!(app.count::<campaign_rule::Entity>().await, 1);
        let change = json!({ "id": id, "cookieWindowDays": 7, "clickModel": "FIRST_CLICK" });
        let changed = app.max().make("updateCampaign", "campaign", FIELDS, change).await;
        assert_eq!(
            changed,
            json!({
                "name": "Autumn", "landingUrl": "https://acme.example/welcome", "affiliatesCanManageCodes": false,
                "commissionPercent": "20", "commissionFlat": null, "commissionDuration": "LIFETIME", "commissionMonths": null,
                "clickModel": "FIRST_CLICK", "cookieWindowDays": 7, "holdDays": 30,
            })
        );
        assert_eq!(app.count::<campaign_rule::Entity>().await, 2);
        app.pass(TimeDelta::seconds(1));
        let change = json!({ "id": id, "commission": { "percent": "12.50" }, "commissionDuration": "MONTHS", "commissionMonths": 6 });
        let changed = app
            .max()
            .make(
                "updateCampaign",
                "campaign",
                "commissionPercent commissionMonths holdDays",
                change,
            )
            .await;
        assert_eq!(
            changed,
            json!({ "commissionPercent": "12.5", "commissionMonths": 6, "holdDays": 30 })
        );
        assert_eq!(app.count::<campaign_rule::Entity>().await, 3);
        // Leaving MONTHS drops the number of months.
        app.pass(TimeDelta::seconds(1));
        let change = json!({ "id": id, "commissionDuration": "LIFETIME" });
        let changed = app
            .max()
            .make("updateCampaign", "campaign", "commissionMonths", change)
            .await;
        assert_eq!(changed, json!({ "commissionMonths": null }));
    }

    async fn an_unknown_campaign_is_not_found(app: &TestApp) {
        let before = app.everything().await;
        for id in [
            "cmp_00000000000070008000000000000000",
            "cmp_1",
            "",
            "aff_00000000000070008000000000000000",
        ] {
            let mistakes = app
                .max()
                .mistakes("updateCampaign", "campaign", json!({ "id": id, "name": "X" }))
                .await;
            assert_eq!(mistakes, [mistake("NOT_FOUND", "id")], "{id}");
        }
        assert_eq!(app.everything().await, before);
    }
}
