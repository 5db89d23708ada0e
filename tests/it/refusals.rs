//! Every refusal that Stripe documents for coupons and promotion codes, as the caller of a mutation sees it: on which
//! field, in which words; and nothing has changed.
//!
//! <https://docs.stripe.com/api/coupons/create>, <https://docs.stripe.com/api/promotion_codes/create>,
//! <https://docs.stripe.com/error-codes>

use rekomi::{
    auth::{Role, jwt::Mode},
    domain::brands::{self, BrandInput},
};

use crate::support::*;

/// What Stripe answers: status, code, the parameter it blames, its words.
type Answer = (u16, Option<&'static str>, Option<&'static str>, &'static str);

const PERMISSION: &str = "The brand's Stripe key lacks a permission. It needs write on coupons and promotion codes, and \
                          the Connect account, if there is one, must let it in.";
const BAD_KEY: &str = "Stripe does not accept the brand's key. The brand needs a good one.";
const WRONG_MODE: &str = "The brand's Stripe key is of the other mode: a test key does not make live coupons and codes, \
                          nor a live key those of the test mode.";

/// What is wrong with the key is no field's fault. Stripe's own words may show a part of it: they are for the log.
const OF_THE_KEY: [(Answer, &str); 5] = [
    ((401, None, None, "Invalid API Key provided: sk_live_****cme"), BAD_KEY),
    (
        (
            401,
            Some("api_key_expired"),
            None,
            "Expired API Key provided: sk_live_****cme",
        ),
        BAD_KEY,
    ),
    (
        (
            403,
            None,
            None,
            "The provided key 'rk_live_****cme' does not have the required permissions.",
        ),
        PERMISSION,
    ),
    (
        (
            403,
            Some("account_invalid"),
            None,
            "The provided key does not have access to account 'acct_1'.",
        ),
        PERMISSION,
    ),
    (
        (
            400,
            Some("livemode_mismatch"),
            None,
            "This is of test mode, and the request's key of live mode.",
        ),
        WRONG_MODE,
    ),
];

/// With the field of `mintAffiliateCode` that it is on.
const OF_CODES: [(Answer, &str); 12] = [
    (
        (
            400,
            None,
            Some("code"),
            "Codes may only contain the characters a-z, A-Z, 0-9 and dashes.",
        ),
        "code",
    ),
    (
        (
            400,
            None,
            Some("code"),
            "Invalid string: must be at most 500 characters",
        ),
        "code",
    ),
    (
        (
            400,
            Some("resource_already_exists"),
            Some("code"),
            "An active promotion code with `code: X` already exists.",
        ),
        "code",
    ),
    (
        (
            400,
            None,
            None,
            "An active promotion code with `code: X` already exists.",
        ),
        "code",
    ),
    (
        (
            400,
            None,
            Some("expires_at"),
            "expires_at cannot be after the coupon's redeem_by.",
        ),
        "couponId",
    ),
    (
        (
            400,
            None,
            Some("max_redemptions"),
            "max_redemptions cannot be more than the coupon's max_redemptions.",
        ),
        "couponId",
    ),
    (
        (
            400,
            Some("parameter_invalid_integer"),
            Some("max_redemptions"),
            "Invalid integer",
        ),
        "couponId",
    ),
    (
        (
            400,
            Some("resource_missing"),
            Some("promotion[coupon]"),
            "No such coupon: 'x'",
        ),
        "couponId",
    ),
    (
        (404, Some("resource_missing"), Some("coupon"), "No such coupon: 'x'"),
        "couponId",
    ),
    (
        (
            400,
            Some("coupon_expired"),
            Some("promotion[coupon]"),
            "This coupon is expired or fully redeemed.",
        ),
        "couponId",
    ),
    (
        (
            400,
            Some("parameter_unknown"),
            Some("metadata"),
            "Received unknown parameter: metadata",
        ),
        "",
    ),
    ((402, None, None, "Your account cannot do that."), ""),
];

/// With the field of `createCampaignCoupon` that it is on.
const OF_COUPONS: [(Answer, &str); 11] = [
    (
        (400, None, Some("currency"), "Invalid currency: xyz"),
        "discount.amountOff",
    ),
    ((400, None, Some("amount_off"), "Invalid integer"), "discount.amountOff"),
    (
        (
            400,
            Some("amount_too_large"),
            Some("amount_off"),
            "The amount is too large.",
        ),
        "discount.amountOff",
    ),
    (
        (
            400,
            None,
            Some("percent_off"),
            "Invalid decimal: must be greater than 0 and at most 100",
        ),
        "discount.percentOff",
    ),
    (
        (
            400,
            None,
            Some("redeem_by"),
            "redeem_by must be at most five years from now.",
        ),
        "expiresAt",
    ),
    (
        (
            400,
            None,
            Some("duration"),
            "Invalid duration: must be one of forever, once, or repeating",
        ),
        "duration",
    ),
    (
        (
            400,
            Some("parameter_missing"),
            Some("duration_in_months"),
            "Missing required param.",
        ),
        "durationInMonths",
    ),
    (
        (400, None, Some("name"), "Invalid string: must be at most 40 characters"),
        "name",
    ),
    (
        (
            400,
            Some("resource_already_exists"),
            Some("id"),
            "Coupon already exists.",
        ),
        "",
    ),
    ((400, None, Some("metadata"), "Invalid metadata."), ""),
    ((402, None, None, "Your account cannot do that."), ""),
];

fn fault(answer: Answer, method: &str, path: &str) -> Fault {
    let (status, code, param, message) = answer;
    let failure = Failure {
        status,
        message: message.to_owned(),
        param,
        code,
        ..Failure::default()
    };
    Fault::new(FaultKind::Fail(failure)).on_method(method).on_path(path)
}

/// That a mutation which Stripe answers so is refused on this field in these words, and changes nothing.
async fn refused(app: &TestApp, mutation: (&str, &str, Value), fault: Fault, field: &str, words: &str) {
    let (name, object, input) = mutation;
    let before = app.state().await;
    app.standin.fault(fault);
    let payload = app.max().mutate(name, &format!("{object} {{ id }}"), input).await;
    let field = (!field.is_empty()).then(|| field.split('.').collect::<Vec<_>>());
    assert_eq!(
        payload,
        json!({
            object: null,
            "userErrors": [{ "code": "STRIPE_REJECTED", "field": field, "message": words }],
        }),
        "{name}"
    );
    assert_eq!(app.state().await, before, "{name}: {words}");
    app.standin.clear_faults();
}

both! {
    async fn of_a_code_s_making(app: &TestApp) {
        let stage = app.stage().await;
        let input = json!({ "couponId": stage.coupon, "affiliateId": stage.sarah, "code": "SARAH-X" });
        let mint = || ("mintAffiliateCode", "affiliateCode", input.clone());
        for (answer, field) in OF_CODES {
            refused(app, mint(), fault(answer, "POST", "/v1/promotion_codes"), field, answer.3).await;
        }
        for (answer, words) in OF_THE_KEY {
            refused(app, mint(), fault(answer, "POST", "/v1/promotion_codes"), "", words).await;
        }
        // Nothing of all that is in the way of the next one.
        app.max().mint(&stage.coupon, &stage.sarah, "SARAH-X").await;
    }

    async fn of_a_code_s_other_text(app: &TestApp) {
        let stage = app.stage().await;
        let rename = || ("renameAffiliateCode", "affiliateCode", json!({ "id": stage.code, "code": "SARAH-X" }));
        for (answer, field) in OF_CODES {
            // What a code has of its coupon's is this code's: no other text would mend it.
            let field = if field == "couponId" { "id" } else { field };
            refused(app, rename(), fault(answer, "POST", "/v1/promotion_codes"), field, answer.3).await;
        }
        for (answer, words) in OF_THE_KEY {
            refused(app, rename(), fault(answer, "POST", "/v1/promotion_codes"), "", words).await;
        }
    }

    async fn of_a_coupon_s_making(app: &TestApp) {
        let stage = app.stage().await;
        let input = CouponSpec::default().with("campaignId", stage.campaign.as_str()).input;
        let create = || ("createCampaignCoupon", "campaignCoupon", input.clone());
        for (answer, field) in OF_COUPONS {
            refused(app, create(), fault(answer, "POST", "/v1/coupons"), field, answer.3).await;
        }
        for (answer, words) in OF_THE_KEY {
            refused(app, create(), fault(answer, "POST", "/v1/coupons"), "", words).await;
        }
    }

    async fn of_a_coupon_s_renaming_and_a_code_s_return(app: &TestApp) {
        let stage = app.stage().await;
        let off = json!({ "id": stage.code });
        app.max().make("deactivateAffiliateCode", "affiliateCode", "id", off.clone()).await;
        let rename = || ("updateCampaignCoupon", "campaignCoupon", json!({ "id": stage.coupon, "name": "Other" }));
        let name = (400, None, Some("name"), "Invalid string: must be at most 40 characters");
        refused(app, rename(), fault(name, "POST", "/v1/coupons"), "name", name.3).await;
        let reactivate = || ("reactivateAffiliateCode", "affiliateCode", off.clone());
        let active = (400, None, Some("active"), "This promotion code cannot be activated.");
        refused(app, reactivate(), fault(active, "POST", "/v1/promotion_codes"), "id", active.3).await;
        for (answer, words) in OF_THE_KEY {
            refused(app, rename(), fault(answer, "POST", "/v1/coupons"), "", words).await;
            refused(app, reactivate(), fault(answer, "POST", "/v1/promotion_codes"), "", words).await;
        }
    }

    // The stand-in's own words, without a fault: what it does not take is as Stripe documents it.
    async fn as_stripe_itself_refuses(app: &TestApp) {
        let stage = app.stage().await;
        let mint = async |code: &str| {
            let input = json!({ "couponId": stage.coupon, "affiliateId": stage.sarah, "code": code });
            let before = app.state().await;
            let mistakes = app.max().mistakes("mintAffiliateCode", "affiliateCode", input).await;
            assert_eq!(app.state().await, before, "{code}");
            mistakes
        };
        assert_eq!(mint("SA_RAH").await, [mistake("STRIPE_REJECTED", "code")]);
        app.acme.stripe.put(json!({
            "id": "promo_elsewhere", "object": "promotion_code", "code": "TAKEN-THERE", "active": true, "customer": null,
            "promotion": { "type": "coupon", "coupon": stage.coupon }, "metadata": {}, "created": 0,
        }));
        assert_eq!(mint("taken-there").await, [mistake("STRIPE_REJECTED", "code")]);
        let mut coupon = app.acme.stripe.get("coupon", &stage.coupon).unwrap();
        coupon["valid"] = json!(false);
        app.acme.stripe.put(coupon);
        assert_eq!(mint("SARAH-X").await, [mistake("STRIPE_REJECTED", "couponId")]);
    }

    async fn a_test_key_on_a_live_brand_is_never_sent_anything_live(app: &TestApp) {
        let stage = app.stage().await;
        let server = &app.instance.app;
        let key = BrandInput {
            stripe_secret_key: Some("sk_test_acme".into()),
            ..BrandInput::default()
        };
        brands::update(&server.db, &app.clock, &server.config.vault, "acme", &key).await.unwrap();
        let sent = app.standin.calls().len();
        // The directory looks again after a second.
        let live = app.caller(app.token(Role::Manager, None, Some(Mode::Live)));
        let status = eventually("DISABLED", async || {
            let input = json!({ "couponId": stage.coupon, "affiliateId": stage.sarah });
            let made = live.make("mintAffiliateCode", "affiliateCode", "stripeSync { status }", input).await;
            (made["stripeSync"]["status"] == "DISABLED").then_some(made)
        });
        status.await;
        app.work_off().await;
        let tested: Vec<_> = app.standin.calls().split_off(sent);
        assert!(tested.iter().all(|call| call.secret_key != "sk_test_acme"), "{tested:?}");
    }
}
