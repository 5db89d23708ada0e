//! How a sale begins when not all is told at once: without a key to look things up, incomplete, or without a subscription.

use entity::brand;
use rekomi::{auth::Scope, domain::Outbox};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, sea_query::Expr};

use crate::support::*;

/// Acme loses its Stripe key; waits until the server knows.
async fn lose_key(app: &TestApp) {
    let txn = app.instance.app.db.begin().await.unwrap();
    brand::Entity::update_many()
        .col_expr(brand::Column::StripeSecretKey, Expr::value(None::<Vec<u8>>))
        .filter(brand::Column::Id.eq(app.acme.id))
        .exec(&txn)
        .await
        .unwrap();
    txn.commit().await.unwrap();
    let scope = Scope {
        brand: app.acme.id,
        livemode: true,
        affiliate: None,
    };
    let operations = &app.instance.app.operations;
    eventually("the key is forgotten", async || {
        (!operations.connected(&scope).await.unwrap()).then_some(())
    })
    .await;
}

both! {
    async fn an_active_subscription_whose_invoice_cannot_be_had_is_of_zero_and_pending_until_the_invoice_comes(
        app: &TestApp,
    ) {
        app.stage().await;
        let sales =
            [Shape::V2020_08_27, Shape::Acacia].map(|shape| (shape, app.sale().promo(app.promo("SARAH20")).build()));
        lose_key(app).await;
        for (shape, sale) in &sales {
            app.deliver([&sale.subscription_created(*shape)]).await;
        }
        assert_eq!(
            app.told().await,
            ["ACQUISITION PENDING sarah SARAH20 0 USD, commission 0, amount pending"; 2]
        );
        for (shape, sale) in &sales {
            app.deliver([&sale.invoice_paid(*shape)]).await;
        }
        assert_eq!(
            app.told().await,
            ["ACQUISITION PENDING sarah SARAH20 4000 USD, commission 800"; 2]
        );
    }

    async fn an_incomplete_subscription_has_not_started(app: &TestApp) {
        app.stage().await;
        for (number, shape) in Shape::ALL.into_iter().enumerate() {
            let sale = app.sale().promo(app.promo("SARAH20")).build();
            let mut created = sale.subscription_created(shape);
            created["data"]["object"]["status"] = json!("incomplete");
            sale.sync(&app.acme.stripe);
            app.deliver([&created]).await;
            assert_eq!(app.told().await.len(), number, "{shape:?}");
            app.deliver([&sale.invoice_paid(shape)]).await;
        }
        assert_eq!(
            app.told().await,
            ["ACQUISITION PENDING sarah SARAH20 4000 USD, commission 800"; 4]
        );
    }

    async fn an_invoice_without_a_subscription_is_a_one_off(app: &TestApp) {
        app.stage().await;
        let mut sale = app.sale().promo(app.promo("SARAH20")).build();
        let mut paid = sale.invoice_paid(Shape::Acacia);
        let invoice = &mut paid["data"]["object"];
        invoice["subscription"] = Value::Null;
        invoice["billing_reason"] = json!("manual");
        invoice["lines"]["data"][0]["subscription"] = Value::Null;
        app.deliver([&paid]).await;
        assert_eq!(
            app.told().await,
            ["ONE_OFF PENDING sarah SARAH20 4000 USD, commission 800"]
        );
        app.deliver(&sale.refund(Shape::Acacia, None, Paid::First)).await;
        assert_eq!(
            app.told().await,
            ["ONE_OFF REFUNDED sarah SARAH20 4000 USD, refunded 4000, commission 0"]
        );
        assert_eq!(
            app.stats().await,
            ["SARAH20 0 redeemed, 1 refunded, 0 renewals, 4000 USD, back 4000 USD, commission 0"]
        );
    }

    async fn while_stripe_is_down_a_sale_waits_and_is_credited_when_it_is_back(app: &TestApp) {
        app.stage().await;
        let sale = app.sale().promo(app.promo("SARAH20")).build();
        sale.sync(&app.acme.stripe);
        app.standin
            .fault(Fault::new(FaultKind::ServerError).on_method("GET").times(2));
        app.standin
            .fault(Fault::new(FaultKind::DropBefore).on_method("GET").times(2));
        app.deliver([&sale.invoice_paid(Shape::Endive)]).await;
        assert_eq!(
            app.told().await,
            ["ACQUISITION PENDING sarah SARAH20 4000 USD, commission 800"]
        );
    }

    async fn a_sale_that_waits_for_stripe_does_not_hold_up_another(app: &TestApp) {
        app.stage().await;
        let [slow, quick] = [1, 2].map(|_| app.sale().promo(app.promo("SARAH20")).build());
        slow.sync(&app.acme.stripe);
        app.standin.fault(Fault::new(FaultKind::Hang).on_method("GET").always());
        assert_eq!(
            app.instance.post(&app.acme, &slow.invoice_paid(Shape::Endive)).await,
            200
        );
        assert_eq!(
            app.instance.post(&app.acme, &quick.invoice_paid(Shape::Acacia)).await,
            200
        );
        eventually("the quick one", async || (app.told().await.len() == 1).then_some(())).await;
        app.standin.clear_faults();
    }
}
