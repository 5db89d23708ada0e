//! Many events at once that each need Stripe's answer: they go at the pace that Stripe allows, and no other brand waits.

use chrono::TimeDelta;
use entity::{
    brand::Tier,
    stripe_event::{self, EventStatus},
};
use rekomi::{
    auth::Role,
    domain::brands::{self, BrandInput},
};
use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter};

use crate::support::{app::Brand, cast::set_stage, *};

/// More than have room in a lane.
const EVENTS: u64 = 60;

/// A brand with a test key, which Stripe answers 25 times a second.
pub async fn hooli(app: &TestApp) -> Brand {
    let input = BrandInput {
        name: Some("Hooli".to_owned()),
        slug: Some("hooli".to_owned()),
        tier: Some(Tier::Growth),
        stripe_secret_key: Some("sk_test_hooli".into()),
        stripe_webhook_secrets: vec!["whsec_hooli".into()],
        ..BrandInput::default()
    };
    let server = &app.instance.app;
    let row = brands::create(&server.db, &app.clock, &server.config.vault, &input);
    Brand {
        id: row.await.unwrap().id,
        slug: "hooli",
        webhook_secret: "whsec_hooli".to_owned(),
        stripe: app.standin.account("sk_test_hooli"),
    }
}

async fn pending(app: &TestApp, brand: &Brand) -> u64 {
    let pending = stripe_event::Entity::find()
        .filter(stripe_event::Column::BrandId.eq(brand.id))
        .filter(stripe_event::Column::Status.eq(EventStatus::Pending));
    pending.count(app.db()).await.unwrap()
}

both! {
    async fn a_brand_that_stripe_leaves_without_answers_holds_up_no_other(app: &TestApp) {
        app.stage().await;
        let hooli = hooli(app).await;
        let owner = app.caller(app.token_of(&hooli, Role::Owner, None, None));
        set_stage(&owner, CampaignSpec::default(), CouponSpec::default()).await;
        let mut invoices = Vec::new();
        for _ in 0..EVENTS {
            let sale = app.sale().promo(hooli.promo("SARAH20")).test_mode().build();
            sale.sync(&hooli.stripe);
            hooli.stripe.put(sale.invoice_paid(Shape::Endive));
            let invoice = format!("/v1/invoices/{}", sale.bills[0].invoice.as_deref().unwrap());
            app.standin.fault(Fault::new(FaultKind::Hang).on_path(&invoice).always());
            invoices.push(invoice);
        }
        let listed = app.list(&hooli, app.now() - TimeDelta::hours(1)).await;
        assert_eq!((listed[0].new, listed.len()), (EVENTS, 2));
        eventually("Stripe is asked", async || {
            let calls = app.standin.calls();
            calls.iter().any(|call| invoices.contains(&call.path)).then_some(())
        })
        .await;

        let sale = app.sale().promo(app.promo("SARAH20")).build();
        sale.sync(&app.acme.stripe);
        assert_eq!(app.instance.post(&app.acme, &sale.invoice_paid(Shape::Endive)).await, 200);
        eventually("another brand's sale", async || (pending(app, &app.acme).await == 0).then_some(())).await;
        assert_eq!((app.told().await.len(), pending(app, &hooli).await), (1, EVENTS));

        app.standin.clear_faults();
        app.settle().await;
        let data = owner.query("{ conversions { totalCount } }").await;
        assert_eq!((&data["conversions"]["totalCount"], app.parked().await), (&json!(EVENTS), vec![]));
    }
}
