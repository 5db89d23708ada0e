//! Refunds of sales that a brand's own server reports: cumulative, in any order, also before the sale.

use crate::support::*;

async fn record(app: &TestApp, sale: Value) -> Value {
    app.max()
        .make("recordConversion", "conversion", "id status", sale)
        .await
}

/// The refund's answer: the conversion as a line, if there is one.
async fn refund(app: &TestApp, external_id: &str, amount: Option<(i64, &str)>) -> Option<String> {
    let mut input = json!({ "externalId": external_id });
    if let Some((minor_units, currency)) = amount {
        input["amount"] = json!({ "minorUnits": minor_units, "currency": currency });
    }
    let fields =
        "kind status couponCode amount { minorUnits currency } tax { minorUnits } refundedAmount { minorUnits }
        commission { minorUnits currency } affiliate { name }";
    let conversion = app.max().make("refundConversion", "conversion", fields, input).await;
    (!conversion.is_null()).then(|| told::line(&conversion))
}

async fn mistakes(app: &TestApp, external_id: &str, minor_units: i64, currency: &str) -> Vec<client::Mistake> {
    let amount = json!({ "minorUnits": minor_units, "currency": currency });
    let input = json!({ "externalId": external_id, "amount": amount });
    app.max().mistakes("refundConversion", "conversion", input).await
}

const NONE: &str = "ONE_OFF PENDING sarah SARAH20 4900 USD, commission 980";
const PART: &str = "ONE_OFF PARTIALLY_REFUNDED sarah SARAH20 4900 USD, refunded 1000, commission 780";
const ALL: &str = "ONE_OFF REFUNDED sarah SARAH20 4900 USD, refunded 4900, commission 0";

both! {
    async fn a_refund_takes_back_in_proportion_and_all_of_it_ends_at_zero(app: &TestApp) {
        let stage = app.stage().await;
        record(app, reported("order-1", json!({ "code": "SARAH20" }))).await;
        assert_eq!(refund(app, "order-1", Some((1000, "usd"))).await.as_deref(), Some(PART));
        assert_eq!(app.ana().balance(&stage.sarah).await.0, "780 USD");
        assert_eq!(app.ana().redemption_count(&stage.sarah).await, 1);
        assert_eq!(refund(app, "order-1", None).await.as_deref(), Some(ALL));
        assert_eq!(app.ana().balance(&stage.sarah).await.0, "0 USD");
        assert_eq!(app.ana().redemption_count(&stage.sarah).await, 0);
        assert_eq!(
            app.stats().await,
            ["SARAH20 0 redeemed, 1 refunded, 0 renewals, 4900 USD, back 4900 USD, commission 0"]
        );
    }

    async fn the_largest_figure_counts_and_what_tells_nothing_new_changes_nothing(app: &TestApp) {
        app.stage().await;
        record(app, reported("order-1", json!({ "code": "SARAH20" }))).await;
        assert_eq!(refund(app, "order-1", Some((0, "USD"))).await.as_deref(), Some(NONE));
        assert_eq!(refund(app, "order-1", Some((1000, "USD"))).await.as_deref(), Some(PART));
        let before = app.everything().await;
        for amount in [0, 1, 999, 1000] {
            assert_eq!(refund(app, "order-1", Some((amount, "USD"))).await.as_deref(), Some(PART));
        }
        assert_eq!(app.everything().await, before);
        assert_eq!(refund(app, " order-1 ", Some((4900, "USD"))).await.as_deref(), Some(ALL));
        assert_eq!(refund(app, "order-1", None).await.as_deref(), Some(ALL));
        let before = app.everything().await;
        for amount in [None, Some((0, "USD")), Some((4900, "USD"))] {
            assert_eq!(refund(app, "order-1", amount).await.as_deref(), Some(ALL));
        }
        assert_eq!(app.everything().await, before);
    }

    async fn a_refund_before_its_sale_is_applied_when_the_sale_arrives(app: &TestApp) {
        app.stage().await;
        assert_eq!(refund(app, "part", Some((400, "USD"))).await, None);
        assert_eq!(refund(app, "part", Some((1000, "USD"))).await, None);
        assert_eq!(refund(app, "all", None).await, None);
        let before = app.everything().await;
        assert_eq!(refund(app, "part", Some((700, "USD"))).await, None);
        assert_eq!(refund(app, "all", Some((700, "USD"))).await, None);
        assert_eq!(app.everything().await, before);
        assert_eq!(app.told().await, [""; 0]);
        for name in ["part", "all"] {
            record(app, reported(name, json!({ "code": "SARAH20" }))).await;
        }
        assert_eq!(app.told().await, [PART, ALL]);
    }

    async fn a_refund_that_came_first_and_fits_no_sale_is_judged_when_the_sale_arrives(app: &TestApp) {
        app.stage().await;
        // More than the sale is all of it; what is in another currency does not count.
        assert_eq!(refund(app, "larger", Some((4901, "USD"))).await, None);
        assert_eq!(refund(app, "foreign", Some((1000, "EUR"))).await, None);
        assert_eq!(refund(app, "mixed", Some((9000, "EUR"))).await, None);
        assert_eq!(refund(app, "mixed", Some((1000, "USD"))).await, None);
        for name in ["larger", "foreign", "mixed"] {
            record(app, reported(name, json!({ "code": "SARAH20" }))).await;
        }
        assert_eq!(app.told().await, [ALL, NONE, PART]);
        let trails: Vec<_> = app.ana().conversions().await.iter().map(|it| told::trail(it)[1..].join("; ")).collect();
        assert_eq!(trails, [
            "REFUND CUT 49.01 USD were reported: it is more than the sale",
            "REFUND IGNORED 10.00 EUR were reported: the sale is in another currency",
            "REFUND IGNORED 90.00 EUR were reported: the sale is in another currency",
        ]);
        assert_eq!(mistakes(app, "foreign", 1000, "EUR").await, [mistake("INVALID", "amount.currency")]);
        assert_eq!(refund(app, "foreign", Some((1000, "USD"))).await.as_deref(), Some(PART));
    }

    async fn what_cannot_be_a_refund_of_the_sale_is_refused(app: &TestApp) {
        app.stage().await;
        record(app, reported("order-1", json!({ "code": "SARAH20" }))).await;
        let before = app.everything().await;
        for (amount, currency, field) in [
            (4901, "USD", "amount.minorUnits"),
            (-1, "USD", "amount.minorUnits"),
            (1, "EUR", "amount.currency"),
            (1, "XXX", "amount.currency"),
            (1, "", "amount.currency"),
        ] {
            assert_eq!(mistakes(app, "order-1", amount, currency).await, [mistake("INVALID", field)], "{amount} {currency}");
        }
        for external_id in ["", "  ", "a\u{0}b", &"x".repeat(201)] {
            assert_eq!(mistakes(app, external_id, 1, "USD").await, [mistake("INVALID", "externalId")], "{external_id:?}");
        }
        assert_eq!(app.everything().await, before);
    }

    async fn a_sale_without_money_that_is_refunded_as_a_whole_is_refunded(app: &TestApp) {
        let stage = app.stage().await;
        let free = json!({ "code": "SARAH20", "amount": { "minorUnits": 0, "currency": "JPY" } });
        let line = |status| format!("ONE_OFF {status} sarah SARAH20 0 JPY, commission 0");
        record(app, reported("free", free.clone())).await;
        assert_eq!(app.told().await, [line("PENDING")]);
        let before = app.everything().await;
        assert_eq!(refund(app, "free", Some((0, "JPY"))).await, Some(line("PENDING")));
        assert_eq!(app.everything().await, before);
        assert_eq!(refund(app, "free", None).await, Some(line("REFUNDED")));
        assert_eq!(app.ana().redemption_count(&stage.sarah).await, 0);
        // And where the refund comes first.
        assert_eq!(refund(app, "first", None).await, None);
        record(app, reported("first", free)).await;
        assert_eq!(app.told().await, [line("REFUNDED"), line("REFUNDED")]);
        assert_eq!(app.ana().redemption_count(&stage.sarah).await, 0);
    }
}
