//! Campaign coupons: what may be said of one, what Stripe is sent, and what never changes.

use chrono::{DateTime, Months, SubsecRound, TimeDelta, Utc};

use crate::support::*;

const FIELDS: &str =
    "id name percentOff amountOff { amount minorUnits currency } duration durationInMonths maxRedemptionsPerCode
    expiresAt overridesClickAttribution allowAffiliateSelfMint archived affiliate { id } campaign { id }
    stripeSync { status stripeId attempts lastError }";

fn instant(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true)
}

/// Inputs, and what is wrong with each.
fn refused(app: &TestApp, stage: &Stage) -> Vec<(Value, &'static str, &'static str)> {
    let but = |field: &str, value: Value| {
        CouponSpec::default()
            .with("campaignId", stage.campaign.as_str())
            .with(field, value)
            .input
    };
    let percent = |percent: &str| but("discount", json!({ "percentOff": percent }));
    let amount = |minor_units: i64, currency: &str| {
        but(
            "discount",
            json!({ "amountOff": { "minorUnits": minor_units, "currency": currency } }),
        )
    };
    let mut no_months = but("duration", json!("REPEATING"));
    let without_months = no_months.clone();
    no_months["durationInMonths"] = json!(0);
    let five_years = app.now().checked_add_months(Months::new(60)).unwrap();
    let unknown = "cmp_00000000000070008000000000000000";
    vec![
        (but("campaignId", json!(unknown)), "NOT_FOUND", "campaignId"),
        (but("campaignId", json!("nonsense")), "NOT_FOUND", "campaignId"),
        (but("name", json!("")), "INVALID", "name"),
        (but("name", json!("x".repeat(41))), "INVALID", "name"),
        (percent("0"), "INVALID", "discount.percentOff"),
        (percent("101"), "INVALID", "discount.percentOff"),
        (percent("33.333"), "INVALID", "discount.percentOff"),
        (amount(0, "USD"), "INVALID", "discount.amountOff.minorUnits"),
        (amount(500, "ZZZ"), "INVALID", "discount.amountOff.currency"),
        (amount(500, "XAU"), "INVALID", "discount.amountOff.currency"),
        (without_months, "INVALID", "durationInMonths"),
        (no_months, "INVALID", "durationInMonths"),
        (but("durationInMonths", json!(3)), "INVALID", "durationInMonths"),
        (
            but("maxRedemptionsPerCode", json!(0)),
            "INVALID",
            "maxRedemptionsPerCode",
        ),
        (but("expiresAt", json!(instant(app.now()))), "INVALID", "expiresAt"),
        (but("expiresAt", json!("2020-01-01T00:00:00Z")), "INVALID", "expiresAt"),
        (
            but("expiresAt", json!(instant(five_years + TimeDelta::seconds(1)))),
            "INVALID",
            "expiresAt",
        ),
        (
            but("affiliateId", json!("aff_00000000000070008000000000000000")),
            "NOT_FOUND",
            "affiliateId",
        ),
    ]
}

both! {
    async fn a_coupon_is_made_here_and_at_stripe_under_the_same_id(app: &TestApp) {
        let stage = app.stage().await;
        let expires_at = (app.now() + TimeDelta::days(90)).trunc_subsecs(0);
        let input = CouponSpec::default()
            .with("campaignId", stage.campaign.as_str())
            .with("name", "Listeners")
            .percent("12.5")
            .with("duration", "REPEATING")
            .with("durationInMonths", 3)
            .with("maxRedemptionsPerCode", 50)
            .with("expiresAt", instant(expires_at))
            .input;
        let made = app
            .max()
            .make("createCampaignCoupon", "campaignCoupon", FIELDS, input)
            .await;
        let id = made["id"].as_str().unwrap();
        assert!(id.starts_with("cpn_"));
        assert_eq!(
            made,
            json!({
                "id": id, "name": "Listeners", "percentOff": "12.5", "amountOff": null, "duration": "REPEATING", "durationInMonths": 3,
                "maxRedemptionsPerCode": 50, "expiresAt": made["expiresAt"], "overridesClickAttribution": true,
                "allowAffiliateSelfMint": true, "archived": false, "affiliate": null, "campaign": { "id": stage.campaign },
                "stripeSync": { "status": "SYNCED", "stripeId": id, "attempts": 1, "lastError": null },
            })
        );
        assert_eq!(
            made["expiresAt"].as_str().unwrap().parse::<DateTime<Utc>>().unwrap(),
            expires_at
        );
        let call = app.standin.calls().pop().unwrap();
        assert_eq!(
            (call.method.as_str(), call.path.as_str(), call.status),
            ("POST", "/v1/coupons", Some(200))
        );
        assert_eq!(
            call.params,
            json!({
                "id": id, "name": "Listeners", "percent_off": "12.5", "duration": "repeating", "duration_in_months": "3",
                "redeem_by": expires_at.timestamp().to_string(),
                "metadata": { "rekomi_campaign_coupon_id": id, "rekomi_brand_id": app.acme.id.to_string() },
            })
        );
        assert_eq!(
            (call.secret_key.as_str(), call.stripe_version.as_deref()),
            ("sk_live_acme", Some("2026-09-30.endive"))
        );
        assert_eq!(call.idempotency_key.unwrap().len(), 36);
    }

    async fn an_amount_off_is_sent_in_minor_units_of_its_currency(app: &TestApp) {
        let stage = app.stage().await;
        let input = CouponSpec::default()
            .with("campaignId", stage.campaign.as_str())
            .amount(1500, "JPY")
            .with("duration", "FOREVER")
            .input;
        let made = app
            .max()
            .make(
                "createCampaignCoupon",
                "campaignCoupon",
                "id percentOff amountOff { amount minorUnits currency }",
                input,
            )
            .await;
        assert_eq!(
            (&made["percentOff"], &made["amountOff"]),
            (
                &Value::Null,
                &json!({ "amount": "1500", "minorUnits": 1500, "currency": "JPY" })
            )
        );
        let params = app.standin.calls().pop().unwrap().params;
        assert_eq!(
            (&params["amount_off"], &params["currency"], &params["duration"]),
            (&json!("1500"), &json!("jpy"), &json!("forever"))
        );
    }

    async fn bad_input_is_a_mistake_on_its_field_and_changes_nothing(app: &TestApp) {
        let stage = app.stage().await;
        let (before, writes) = (app.everything().await, app.writes());
        for (input, code, field) in refused(app, &stage) {
            let mistakes = app
                .max()
                .mistakes("createCampaignCoupon", "campaignCoupon", input.clone())
                .await;
            assert_eq!(mistakes, [mistake(code, field)], "{input}");
        }
        assert_eq!((app.everything().await, app.writes()), (before, writes));
    }

    async fn values_of_the_wrong_type_are_bad_user_input(app: &TestApp) {
        let stage = app.stage().await;
        let before = app.everything().await;
        let but = |field: &str, value: Value| {
            CouponSpec::default()
                .with("campaignId", stage.campaign.as_str())
                .with(field, value)
                .input
        };
        let cases = [
            but("discount", json!({})),
            but(
                "discount",
                json!({ "percentOff": "20", "amountOff": { "minorUnits": 1, "currency": "USD" } }),
            ),
            but("discount", json!({ "percentOff": "all" })),
            but("duration", json!("TWICE")),
            but("expiresAt", json!("tomorrow")),
            but("maxRedemptionsPerCode", json!("many")),
            but("maxRedemptionsPerCode", json!(2_147_483_648_i64)),
        ];
        for input in cases {
            let answer = app
                .max()
                .try_mutate("createCampaignCoupon", "campaignCoupon { id }", input.clone())
                .await;
            assert_eq!(answer.codes(), ["BAD_USER_INPUT"], "{input}: {}", answer.body);
        }
        assert_eq!(app.everything().await, before);
    }

    async fn an_exclusive_coupon_is_for_an_affiliate_of_its_campaign(app: &TestApp) {
        let stage = app.stage().await;
        let other = app.max().campaign(CampaignSpec::default().with("name", "Other")).await;
        let before = app.everything().await;
        let input = CouponSpec::default()
            .with("campaignId", other)
            .with("affiliateId", stage.sarah.as_str())
            .input;
        let mistakes = app
            .max()
            .mistakes("createCampaignCoupon", "campaignCoupon", input)
            .await;
        assert_eq!(mistakes, [mistake("INVALID", "affiliateId")]);
        assert_eq!(app.everything().await, before);
        let input = CouponSpec::default()
            .with("campaignId", stage.campaign)
            .with("affiliateId", stage.sarah.as_str())
            .input;
        let made = app
            .max()
            .make("createCampaignCoupon", "campaignCoupon", "affiliate { id }", input)
            .await;
        assert_eq!(made["affiliate"]["id"], stage.sarah);
    }
}
