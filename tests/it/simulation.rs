//! `simulateAttribution`: the same decision as for a real sale, with its reasons, and nothing is recorded.

use chrono::TimeDelta;

use crate::support::{app::NOON, told::trail, *};

const QUERY: &str = "query($input: SimulateAttributionInput!) { simulateAttribution(input: $input) {
    attributionMethod affiliate { name } code { code } held attributionTrail { rule outcome detail } } }";

/// Who would be credited: `LINK Bob Martin SARAH20`, and why.
async fn simulated(caller: &Caller, input: Value) -> (String, Vec<String>) {
    let data = caller.query_with(QUERY, json!({ "input": input })).await;
    let it = &data["simulateAttribution"];
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let held = if it["held"] == true { " held" } else { "" };
    let (method, name, code) = (&it["attributionMethod"], &it["affiliate"]["name"], &it["code"]["code"]);
    (
        format!("{} {} {}{held}", text(method), text(name), text(code)),
        trail(it),
    )
}

both! {
    async fn a_simulation_says_who_would_be_credited_and_records_nothing(app: &TestApp) {
        let coupon = CouponSpec::default().with("overridesClickAttribution", false);
        let stage = app.stage_with(CampaignSpec::default(), coupon).await;
        let max = app.max();
        let other = max.coupon(&stage.campaign, CouponSpec::default().percent("30")).await;
        max.mint(&other, &stage.bob, "BOB30").await;
        app.pass(TimeDelta::days(1));
        let click = app.click(&stage.bob, &stage.campaign, 1, NOON).await.to_string();
        let before = app.everything().await;
        let ana = app.ana();
        let cases = [
            (json!({}), "- - -"),
            (json!({ "codes": [" sarah20 "] }), "COUPON Sarah Jones SARAH20"),
            (json!({ "codes": ["SARAH20", "BOB30"] }), "COUPON Bob Martin BOB30"),
            (json!({ "codes": ["SARAH20"], "clickId": click }), "LINK Bob Martin SARAH20"),
            (json!({ "clickId": click }), "LINK Bob Martin -"),
            (json!({ "clickId": click, "campaignId": stage.campaign }), "LINK Bob Martin -"),
            (json!({ "clickId": click, "occurredAt": "2026-10-31T12:00:00Z" }), "- - -"),
            (json!({ "clickId": click, "occurredAt": "2027-10-31T12:00:00Z" }), "- - -"),
            (
                json!({ "codes": ["SARAH20"], "customerEmail": "Sarah.Jones+me@affiliates.example" }),
                "COUPON Sarah Jones SARAH20 held",
            ),
        ];
        for (input, expected) in cases {
            assert_eq!(simulated(&ana, input.clone()).await.0, expected, "{input}");
        }
        let (_, why) = simulated(&ana, json!({ "codes": ["NOPE", "SARAH20"], "clickId": "clk_?" })).await;
        assert_eq!(
            why,
            [
                "CODE CREDITED SARAH20 was redeemed",
                "CODE PASSED_OVER NOPE is no code of the brand's",
                "CLICK PASSED_OVER clk_? is not known",
            ]
        );
        let (_, why) = simulated(&ana, json!({})).await;
        assert_eq!(why, ["CREDIT NOBODY nothing speaks for an affiliate"]);
        assert_eq!(app.everything().await, before);
    }

    async fn what_is_another_brands_is_unknown_to_a_simulation(app: &TestApp) {
        let stage = app.stage().await;
        let click = app.click(&stage.bob, &stage.campaign, 1, NOON).await.to_string();
        let owner = app.globex_owner();
        let globex = owner.campaign(CampaignSpec::default()).await;
        for campaign in [globex.as_str(), "?"] {
            let input = json!({ "codes": ["SARAH20"], "clickId": click, "campaignId": campaign });
            assert_eq!(
                simulated(&app.ana(), input).await.1,
                [
                    "CODE CREDITED SARAH20 was redeemed",
                    "CAMPAIGN PASSED_OVER it is not known, and no click counts",
                ]
            );
        }
        let input = json!({ "codes": ["SARAH20"], "clickId": click });
        let (who, why) = simulated(&owner, input).await;
        assert_eq!(who, "- - -");
        let unknown = format!("CLICK PASSED_OVER {click} is not known");
        assert_eq!(
            why,
            [
                unknown.as_str(),
                "CREDIT NOBODY nothing speaks for an affiliate",
                "CODE PASSED_OVER SARAH20 is no code of the brand's",
            ]
        );
    }

    async fn what_a_simulation_cannot_take_is_named(app: &TestApp) {
        let stage = app.stage().await;
        for (input, field) in [
            (json!({ "codes": vec!["SARAH20"; 21] }), "codes"),
            (json!({ "clickId": "x".repeat(255) }), "clickId"),
        ] {
            let answer = app.ana().ask(QUERY, json!({ "input": input })).await;
            assert_eq!(answer.codes(), ["BAD_USER_INPUT"], "{input}");
            let message = answer.body["errors"][0]["message"].as_str().unwrap();
            assert!(message.starts_with(field), "{message}");
        }
        let answer = app.affiliate(&stage.sarah).ask(QUERY, json!({ "input": {} })).await;
        assert_eq!(answer.codes(), ["FORBIDDEN"]);
    }
}
