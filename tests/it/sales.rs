//! From Stripe's events to conversions: one per sale, in every shape, with exact figures.

use crate::support::{told::trail, *};

both! {
    async fn a_subscriptions_start_and_its_first_invoice_are_one_acquisition_in_every_shape(app: &TestApp) {
        app.stage().await;
        for (number, shape) in Shape::ALL.into_iter().enumerate() {
            let sale = app.sale().promo(app.promo("SARAH20")).build();
            sale.sync(&app.acme.stripe);
            app.deliver(&sale.start(shape)).await;
            let told = app.told().await;
            assert_eq!(
                told,
                vec!["ACQUISITION PENDING sarah SARAH20 4000 USD, commission 800"; number + 1],
                "{shape:?}"
            );
        }
        assert_eq!(
            app.stats().await,
            ["SARAH20 4 redeemed, 0 refunded, 0 renewals, 16000 USD, back 0, commission 3200 USD"]
        );
        let first = &app.ana().conversions().await[0];
        assert_eq!(first["source"], "Coupon · SARAH20");
        assert_eq!(
            (&first["livemode"], &first["occurredAt"]),
            (&json!(true), &json!("2026-11-01T12:00:00+00:00"))
        );
        assert_eq!(trail(first), ["CODE CREDITED SARAH20 was redeemed"]);
    }

    async fn invoice_paid_alone_is_the_whole_acquisition_in_every_shape(app: &TestApp) {
        app.stage().await;
        for (number, shape) in Shape::ALL.into_iter().enumerate() {
            let sale = app.sale().promo(app.promo("SARAH20")).build();
            sale.sync(&app.acme.stripe);
            app.deliver([&sale.invoice_paid(shape)]).await;
            assert_eq!(app.told().await.len(), number + 1, "{shape:?}");
        }
        assert_eq!(
            app.told().await,
            ["ACQUISITION PENDING sarah SARAH20 4000 USD, commission 800"; 4]
        );
    }

    async fn an_active_subscription_alone_looks_its_first_invoice_up(app: &TestApp) {
        app.stage().await;
        for shape in Shape::ALL {
            let sale = app.sale().promo(app.promo("SARAH20")).build();
            sale.sync(&app.acme.stripe);
            app.deliver([&sale.subscription_created(shape)]).await;
        }
        assert_eq!(
            app.told().await,
            ["ACQUISITION PENDING sarah SARAH20 4000 USD, commission 800"; 4]
        );
    }

    async fn later_invoices_are_renewals_credited_without_the_code_on_them(app: &TestApp) {
        app.stage().await;
        for shape in Shape::ALL {
            let mut sale = app.sale().promo(app.promo("SARAH20")).build();
            let number = sale.renew_at(sale.facts.created + 30 * 86_400);
            sale.sync(&app.acme.stripe);
            app.deliver(&sale.start(shape)).await;
            app.deliver([&sale.renewal_paid(number, shape)]).await;
        }
        let start = "ACQUISITION PENDING sarah SARAH20 4000 USD, commission 800";
        let renewal = "RENEWAL PENDING sarah SARAH20 5000 USD, commission 1000";
        assert_eq!(
            app.told().await,
            [start, start, start, start, renewal, renewal, renewal, renewal]
        );
        assert_eq!(
            app.stats().await,
            ["SARAH20 4 redeemed, 0 refunded, 4 renewals, 36000 USD, back 0, commission 7200 USD"]
        );
        let last = app.ana().conversions().await.pop().unwrap();
        assert_eq!(trail(&last), ["SUBSCRIPTION CREDITED SARAH20 earned the subscription"]);
    }

    async fn a_trial_is_an_acquisition_of_zero_and_does_not_use_up_the_first_sale(app: &TestApp) {
        app.stage_with(
            CampaignSpec::default().with("commissionDuration", "FIRST_SALE"),
            CouponSpec::default(),
        )
        .await;
        for shape in Shape::ALL {
            let mut sale = app.sale().promo(app.promo("SARAH20")).trial().build();
            sale.sync(&app.acme.stripe);
            app.deliver(&sale.start(shape)).await;
            for month in 1..=2 {
                let number = sale.renew_at(sale.facts.created + month * 30 * 86_400);
                sale.sync(&app.acme.stripe);
                app.deliver([&sale.renewal_paid(number, shape)]).await;
            }
        }
        let trial = "ACQUISITION PENDING sarah SARAH20 0 USD, commission 0";
        let first = "RENEWAL PENDING sarah SARAH20 5000 USD, commission 1000";
        let later = "RENEWAL PENDING sarah SARAH20 5000 USD, commission 0";
        assert_eq!(app.told().await, [[trial; 4], [first; 4], [later; 4]].concat());
        assert_eq!(
            app.stats().await,
            ["SARAH20 4 redeemed, 0 refunded, 8 renewals, 40000 USD, back 0, commission 4000 USD"]
        );
    }

    async fn a_sale_at_100_percent_off_is_an_acquisition_of_zero(app: &TestApp) {
        app.stage_with(CampaignSpec::default(), CouponSpec::default().percent("100"))
            .await;
        for shape in Shape::ALL {
            let sale = app.sale().promo(app.promo("SARAH20")).build();
            sale.sync(&app.acme.stripe);
            app.deliver(&sale.start(shape)).await;
        }
        assert_eq!(
            app.told().await,
            ["ACQUISITION PENDING sarah SARAH20 0 USD, commission 0"; 4]
        );
        assert_eq!(
            app.stats().await,
            ["SARAH20 4 redeemed, 0 refunded, 0 renewals, 0, back 0, commission 0"]
        );
    }

    async fn a_discount_on_a_line_alone_is_found(app: &TestApp) {
        app.stage().await;
        for shape in Shape::ALL {
            let sale = app.sale().promo(app.promo("SARAH20")).line_level().build();
            sale.sync(&app.acme.stripe);
            app.deliver(&sale.start(shape)).await;
        }
        assert_eq!(
            app.told().await,
            ["ACQUISITION PENDING sarah SARAH20 4000 USD, commission 800"; 4]
        );
    }

    async fn tax_stands_beside_the_amount_and_earns_nothing(app: &TestApp) {
        app.stage().await;
        for shape in Shape::ALL {
            let sale = app.sale().promo(app.promo("SARAH20")).tax(760).build();
            sale.sync(&app.acme.stripe);
            app.deliver(&sale.start(shape)).await;
        }
        assert_eq!(
            app.told().await,
            ["ACQUISITION PENDING sarah SARAH20 4000 USD, tax 760, commission 800"; 4]
        );
    }

    async fn credit_balance_earns_nothing_twice(app: &TestApp) {
        app.stage().await;
        let sale = app.sale().promo(app.promo("SARAH20")).tax(800).build();
        sale.sync(&app.acme.stripe);
        let mut event = sale.invoice_paid(Shape::Acacia);
        event["data"]["object"]["amount_paid"] = json!(1200);
        app.deliver([&event]).await;
        assert_eq!(
            app.told().await,
            ["ACQUISITION PENDING sarah SARAH20 1000 USD, tax 200, commission 200"]
        );
    }

    async fn yen_have_no_minor_unit(app: &TestApp) {
        app.stage_with(CampaignSpec::default().percent("12.5"), CouponSpec::default())
            .await;
        let sale = app
            .sale()
            .currency("jpy")
            .price(1999)
            .promo(app.promo("SARAH20"))
            .build();
        sale.sync(&app.acme.stripe);
        app.deliver(&sale.start(Shape::Endive)).await;
        // 1999 less 20 % is 1599; an eighth of that is 199.875.
        assert_eq!(
            app.told().await,
            ["ACQUISITION PENDING sarah SARAH20 1599 JPY, commission 200"]
        );
        let data = app
            .ana()
            .query("{ conversions { nodes { amount { amount } commission { amount } } } }")
            .await;
        assert_eq!(
            data["conversions"]["nodes"][0],
            json!({ "amount": { "amount": "1599" }, "commission": { "amount": "200" } })
        );
    }

    async fn a_sale_without_a_code_or_with_somebody_elses_is_no_conversion(app: &TestApp) {
        app.stage().await;
        for shape in Shape::ALL {
            let stranger = Promo::percent("promo_stranger", "STRANGER", "co_stranger", 1000);
            for sale in [app.sale().build(), app.sale().promo(stranger).build()] {
                sale.sync(&app.acme.stripe);
                app.deliver(&sale.start(shape)).await;
            }
        }
        assert_eq!(app.told().await, [""; 0]);
        assert_eq!(
            app.stats().await,
            ["SARAH20 0 redeemed, 0 refunded, 0 renewals, 0, back 0, commission 0"]
        );
    }

    async fn a_code_redeemed_before_stripes_id_is_known_is_matched_by_its_metadata(app: &TestApp) {
        let stage = app.stage().await;
        forget_stripe_id(app, &stage.code).await;
        let sale = app.sale().promo(app.promo("SARAH20")).build();
        sale.sync(&app.acme.stripe);
        app.deliver(&sale.start(Shape::Endive)).await;
        assert_eq!(
            app.told().await,
            ["ACQUISITION PENDING sarah SARAH20 4000 USD, commission 800"]
        );
    }

    async fn a_code_that_was_made_in_the_dashboard_is_matched_by_its_text_in_any_case(app: &TestApp) {
        app.stage().await;
        app.acme.stripe.put(json!({
            "id": "promo_dashboard", "object": "promotion_code", "active": true, "code": "sarah20", "metadata": {},
            "created": 1, "customer": null, "expires_at": null, "livemode": true, "max_redemptions": null,
            "promotion": { "type": "coupon", "coupon": "co_dashboard" }, "times_redeemed": 0,
        }));
        let promo = Promo::percent("promo_dashboard", "sarah20", "co_dashboard", 2000);
        let sale = app.sale().promo(promo).build();
        sale.sync(&app.acme.stripe);
        app.deliver(&sale.start(Shape::Basil)).await;
        assert_eq!(
            app.told().await,
            ["ACQUISITION PENDING sarah SARAH20 4000 USD, commission 800"]
        );
    }
}

async fn forget_stripe_id(app: &TestApp, code: &str) {
    use entity::code::{Column, Entity};
    use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, sea_query::Expr};
    let txn = app.instance.app.db.begin().await.unwrap();
    let id: entity::id::CodeId = code.parse().unwrap();
    Entity::update_many()
        .col_expr(Column::StripeId, Expr::value(None::<String>))
        .filter(Column::Id.eq(id))
        .exec(&txn)
        .await
        .unwrap();
    txn.commit().await.unwrap();
}
