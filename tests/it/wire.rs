//! What goes over the wire to Stripe: of every call that we make its method, path, parameters and headers, held against
//! the parameters that Stripe documents.
//!
//! <https://docs.stripe.com/api/coupons>, <https://docs.stripe.com/api/promotion_codes>,
//! <https://docs.stripe.com/api/invoices>, <https://docs.stripe.com/api/subscriptions>

use std::collections::BTreeSet;

use chrono::TimeDelta;

use crate::{operations::on_codes, support::*};

/// A call, the page that documents it, and the parameters that are on it (of `metadata` any).
type Documented = (&'static str, &'static str, &'static str, &'static [&'static str]);

const DOCUMENTED: &[Documented] = &[
    (
        "POST",
        "/v1/coupons",
        "https://docs.stripe.com/api/coupons/create",
        &[
            "id",
            "name",
            "percent_off",
            "amount_off",
            "currency",
            "currency_options",
            "duration",
            "duration_in_months",
            "max_redemptions",
            "redeem_by",
            "applies_to",
            "metadata",
        ],
    ),
    (
        "POST",
        "/v1/coupons/*",
        "https://docs.stripe.com/api/coupons/update",
        &["name", "currency_options", "metadata"],
    ),
    (
        "DELETE",
        "/v1/coupons/*",
        "https://docs.stripe.com/api/coupons/delete",
        &[],
    ),
    (
        "GET",
        "/v1/coupons/*",
        "https://docs.stripe.com/api/coupons/retrieve",
        &[],
    ),
    (
        "POST",
        "/v1/promotion_codes",
        "https://docs.stripe.com/api/promotion_codes/create",
        &[
            "promotion",
            "promotion[type]",
            "promotion[coupon]",
            "code",
            "active",
            "customer",
            "customer_account",
            "expires_at",
            "max_redemptions",
            "metadata",
            "restrictions",
        ],
    ),
    (
        "POST",
        "/v1/promotion_codes/*",
        "https://docs.stripe.com/api/promotion_codes/update",
        &["active", "metadata", "restrictions"],
    ),
    (
        "GET",
        "/v1/promotion_codes",
        "https://docs.stripe.com/api/promotion_codes/list",
        &[
            "active",
            "code",
            "coupon",
            "created",
            "customer",
            "customer_account",
            "ending_before",
            "limit",
            "starting_after",
        ],
    ),
    (
        "GET",
        "/v1/invoices/*",
        "https://docs.stripe.com/api/invoices/retrieve",
        &["expand"],
    ),
    (
        "GET",
        "/v1/subscriptions/*",
        "https://docs.stripe.com/api/subscriptions/retrieve",
        &["expand"],
    ),
];

/// The path with ids taken out.
fn pattern(path: &str) -> String {
    let parts = path.split('/').map(|part| {
        let is_id = part.contains('_') && part != "promotion_codes" && part != "invoice_payments";
        if is_id { "*" } else { part }
    });
    parts.collect::<Vec<_>>().join("/")
}

/// The parameters as Stripe's pages name them: `metadata[x]` is `metadata`.
fn names(prefix: &str, params: &Value, names_: &mut BTreeSet<String>) {
    for (name, value) in params.as_object().into_iter().flatten() {
        let name = if prefix.is_empty() {
            name.clone()
        } else {
            format!("{prefix}[{name}]")
        };
        names_.insert(name.clone());
        if value.is_object() && name != "metadata" {
            names(&name, value, names_);
        }
    }
}

/// The calls since, as one reads them; each has been held against what is documented.
fn told(app: &TestApp, since: usize) -> Vec<String> {
    let calls = app.standin.calls().split_off(since);
    let line = |call: &rekomi::standin::Call| {
        let path = pattern(&call.path);
        let documented = DOCUMENTED
            .iter()
            .find(|it| (it.0, it.1) == (call.method.as_str(), path.as_str()));
        let (_, _, page, allowed) =
            documented.unwrap_or_else(|| panic!("{} {path} is not documented here", call.method));
        let mut given = BTreeSet::new();
        names("", &call.params, &mut given);
        for name in given {
            assert!(
                allowed.contains(&name.as_str()),
                "{} {path}: {name} is not on {page}",
                call.method
            );
        }
        assert_eq!(call.stripe_version.as_deref(), Some("2026-09-30.endive"));
        assert_eq!(call.secret_key, "sk_live_acme");
        assert_eq!(call.stripe_account, None);
        assert_eq!(
            call.idempotency_key.is_some(),
            call.method == "POST",
            "a key on what is posted, and on nothing else"
        );
        format!("{} {path} {}", call.method, call.params)
    };
    calls.iter().map(line).collect()
}

both! {
    async fn of_every_call_about_coupons_and_codes(app: &TestApp) {
        let stage = app.stage().await;
        let (max, since) = (app.max(), app.standin.calls().len());
        let acme = app.acme.id.to_string();
        let input = CouponSpec::default()
            .percent("12.5")
            .with("duration", "REPEATING")
            .with("durationInMonths", 3)
            .with("expiresAt", "2026-12-01T00:00:00.900Z")
            .with("maxRedemptionsPerCode", 40);
        let percent = max.coupon(&stage.campaign, input).await;
        let amount = max.coupon(&stage.campaign, CouponSpec::default().amount(500, "EUR").with("duration", "FOREVER")).await;
        let code = max.mint(&percent, &stage.sarah, "sarah-x").await;
        let rename = json!({ "id": amount, "name": "Renamed & more" });
        max.make("updateCampaignCoupon", "campaignCoupon", "id", rename).await;
        for mutation in ["deactivateAffiliateCode", "reactivateAffiliateCode"] {
            max.make(mutation, "affiliateCode", "id", json!({ "id": code })).await;
        }
        max.mutate("deleteCampaignCoupon", "deletedId", json!({ "id": amount })).await;
        let line = |line: &str, params: Value| format!("{line} {params}");
        assert_eq!(
            told(app, since),
            [
                line("POST /v1/coupons", json!({
                    "id": percent, "name": "Launch", "percent_off": "12.5", "duration": "repeating",
                    "duration_in_months": "3", "redeem_by": "1796083200",
                    "metadata": { "rekomi_campaign_coupon_id": percent, "rekomi_brand_id": acme },
                })),
                line("POST /v1/coupons", json!({
                    "id": amount, "name": "Launch", "amount_off": "500", "currency": "eur", "duration": "forever",
                    "metadata": { "rekomi_campaign_coupon_id": amount, "rekomi_brand_id": acme },
                })),
                line("POST /v1/promotion_codes", json!({
                    "promotion": { "type": "coupon", "coupon": percent }, "code": "SARAH-X", "max_redemptions": "40",
                    "metadata": {
                        "rekomi_affiliate_coupon_id": code, "rekomi_affiliate_id": stage.sarah, "rekomi_brand_id": acme,
                    },
                })),
                line("POST /v1/coupons/*", json!({ "name": "Renamed & more" })),
                line("POST /v1/promotion_codes/*", json!({ "active": "false" })),
                line("POST /v1/promotion_codes/*", json!({ "active": "true" })),
                line("DELETE /v1/coupons/*", json!({})),
            ]
        );
    }

    async fn of_looking_up_what_was_lost(app: &TestApp) {
        let stage = app.stage().await;
        app.standin.fault(Fault::new(FaultKind::DropAfter).on_path("/v1/coupons"));
        app.max().coupon(&stage.campaign, CouponSpec::default()).await;
        app.standin.fault(on_codes(FaultKind::DropAfter));
        app.max().mint(&stage.coupon, &stage.sarah, "SARAH-X").await;
        let since = app.standin.calls().len();
        app.pass(TimeDelta::hours(24));
        app.work_off().await;
        let mut told = told(app, since);
        told.sort();
        assert_eq!(
            told,
            [r#"GET /v1/coupons/* {}"#, r#"GET /v1/promotion_codes {"code":"SARAH-X","limit":"100"}"#]
        );
    }

    async fn of_reading_a_sale(app: &TestApp) {
        app.stage().await;
        let since = app.standin.calls().len();
        let sale = app.sale().promo(app.promo("SARAH20")).build();
        sale.sync(&app.acme.stripe);
        app.deliver(&sale.start(Shape::Endive)).await;
        assert!(!told(app, since).is_empty());
    }
}
