//! Who may put something into the inbox: signatures, secrets, brands.

use chrono::{DateTime, Utc};
use entity::stripe_event::{self, EventStatus};
use rekomi::{
    domain::brands::{self, BrandInput},
    standin::sign,
};
use sea_orm::{EntityTrait, QueryOrder};

use crate::support::*;

/// The inbox, in order of arrival.
async fn inbox(app: &TestApp) -> Vec<stripe_event::Model> {
    stripe_event::Entity::find()
        .order_by_asc(stripe_event::Column::Id)
        .all(app.db())
        .await
        .unwrap()
}

fn event(id: &str, kind: &str, object: Value) -> Value {
    json!({ "id": id, "object": "event", "type": kind, "livemode": true, "created": 1_793_534_400, "data": { "object": object } })
}

fn other(id: &str) -> Value {
    event(id, "customer.created", json!({ "id": "cus_1" }))
}

/// Signs with Acme's secret, at a moment.
fn signed(app: &TestApp, body: &[u8], at: DateTime<Utc>) -> String {
    sign(body, &app.acme.webhook_secret, at.timestamp())
}

both! {
    async fn a_bad_missing_old_or_future_signature_is_400_and_nothing_is_stored(app: &TestApp) {
        let body = other("evt_1").to_string();
        let (bytes, now) = (body.as_bytes(), app.now());
        let second = chrono::TimeDelta::seconds(301);
        let good = signed(app, bytes, now);
        let refused = [
            String::new(),
            "t=1,v1=00".to_owned(),
            sign(bytes, "whsec_globex", now.timestamp()),
            signed(app, b"another body", now),
            signed(app, bytes, now - second),
            signed(app, bytes, now + second),
            good.replace("v1=", "v0="),
            good.replacen("t=1", "t=2", 1),
        ];
        for signature in refused {
            assert_eq!(
                app.instance
                    .post_signed(&app.acme.webhook(), body.clone(), &signature)
                    .await,
                400,
                "{signature}"
            );
        }
        let url = format!("{}{}", app.instance.base, app.acme.webhook());
        let unsigned = crate::support::app::http()
            .post(url)
            .body(body.clone())
            .send()
            .await
            .unwrap();
        assert_eq!(unsigned.status(), 400);
        assert_eq!(app.count::<stripe_event::Entity>().await, 0);
    }

    async fn a_signature_is_good_for_300_seconds_either_way(app: &TestApp) {
        for (number, seconds) in [-300, 300].into_iter().enumerate() {
            let body = other(&format!("evt_{number}")).to_string();
            let signature = signed(app, body.as_bytes(), app.now() + chrono::TimeDelta::seconds(seconds));
            assert_eq!(
                app.instance.post_signed(&app.acme.webhook(), body, &signature).await,
                200
            );
        }
        assert_eq!(app.count::<stripe_event::Entity>().await, 2);
    }

    async fn while_a_secret_is_rotated_both_are_good(app: &TestApp) {
        let both = BrandInput {
            stripe_webhook_secrets: vec!["whsec_old".into(), "whsec_new".into()],
            ..BrandInput::default()
        };
        let server = &app.instance.app;
        brands::update(&server.db, &app.clock, &server.config.vault, "acme", &both)
            .await
            .unwrap();
        for secret in ["whsec_old", "whsec_new"] {
            let body = other(&format!("evt_{secret}")).to_string();
            let signature = sign(body.as_bytes(), secret, app.now().timestamp());
            let status = async || {
                app.instance
                    .post_signed(&app.acme.webhook(), body.clone(), &signature)
                    .await
            };
            eventually("the new secrets", async || (status().await == 200).then_some(())).await;
        }
    }

    async fn an_unknown_brand_is_404(app: &TestApp) {
        let body = other("evt_1").to_string();
        let signature = signed(app, body.as_bytes(), app.now());
        assert_eq!(
            app.instance
                .post_signed("/webhooks/stripe/nobody", body, &signature)
                .await,
            404
        );
        assert_eq!(app.count::<stripe_event::Entity>().await, 0);
    }

    async fn the_default_brands_events_and_those_of_its_connect_accounts_come_by_one_route(app: &TestApp) {
        let tied = BrandInput {
            stripe_account: Some("acct_globex".into()),
            ..BrandInput::default()
        };
        let server = &app.instance.app;
        brands::update(&server.db, &app.clock, &server.config.vault, "globex", &tied)
            .await
            .unwrap();
        let mut events = [other("evt_own"), other("evt_tied"), other("evt_strange")];
        events[1]["account"] = json!("acct_globex");
        events[2]["account"] = json!("acct_nobody");
        for event in &events {
            let body = event.to_string();
            let signature = signed(app, body.as_bytes(), app.now());
            assert_eq!(
                app.instance.post_signed("/webhooks/stripe", body, &signature).await,
                200
            );
        }
        let stored = inbox(app).await;
        assert_eq!(
            stored.iter().map(|row| row.brand_id).collect::<Vec<_>>(),
            [app.acme.id, app.globex.id, app.acme.id]
        );
        let why = "no brand is tied to the Connect account acct_nobody";
        assert_eq!(
            (stored[2].status, stored[2].last_error.as_deref()),
            (EventStatus::Ignored, Some(why))
        );
        // By a brand's own route an event is that brand's, whatever account it claims.
        let mut claimed = other("evt_claimed");
        claimed["account"] = json!("acct_globex");
        app.deliver([&claimed]).await;
        assert_eq!(inbox(app).await[3].brand_id, app.acme.id);
    }
}
