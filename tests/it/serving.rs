//! The server as a whole: its health, its metrics, who may call it from a browser, what it refuses before it looks.

use axum::http::{Method, StatusCode};
use reqwest::{Response, header};

use crate::support::{
    app::http,
    instance::{Instance, settings},
    *,
};

async fn get(app: &TestApp, path: &str) -> Response {
    http().get(format!("{}{path}", app.instance.base)).send().await.unwrap()
}

async fn preflight(instance: &Instance, origin: &str) -> Response {
    let request = http()
        .request(Method::OPTIONS, format!("{}/graphql", instance.base))
        .header(header::ORIGIN, origin);
    request
        .header("access-control-request-method", "POST")
        .send()
        .await
        .unwrap()
}

both! {
    async fn it_is_healthy_and_ready_until_the_database_is_gone(app: &TestApp) {
        assert_eq!(get(app, "/healthz").await.status(), StatusCode::OK);
        assert_eq!(get(app, "/readyz").await.status(), StatusCode::OK);
        app.instance.app.db.close().await;
        assert_eq!(get(app, "/healthz").await.status(), StatusCode::OK);
        let answer = get(app, "/readyz").await;
        assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert!(!answer.text().await.unwrap().contains("pool"));
    }

    async fn metrics_tell_of_the_inbox_the_calls_and_the_subscribers(app: &TestApp) {
        app.stage().await;
        let sale = app.sale().promo(app.promo("SARAH20")).build();
        sale.sync(&app.acme.stripe);
        app.deliver(&sale.start(Shape::Endive)).await;
        let text = get(app, "/metrics").await.text().await.unwrap();
        for name in [
            "rekomi_inbox_pending",
            "rekomi_inbox_oldest_seconds",
            "rekomi_inbox_parked",
            "rekomi_inbox_acknowledged_total",
            "rekomi_inbox_processed_total",
            "rekomi_stripe_calls_total",
            "rekomi_operations_pending",
            "rekomi_http_requests_total",
            "rekomi_http_request_seconds",
        ] {
            assert!(text.contains(name), "{name}");
        }
        assert!(!text.contains("sk_live") && !text.contains("SARAH20"));
    }

    async fn while_the_storage_is_down_a_good_signature_is_503_and_a_bad_one_400(app: &TestApp) {
        let event = json!({ "id": "evt_1", "type": "customer.created", "livemode": true });
        app.deliver([&event]).await;
        app.instance.app.db.close().await;
        assert_eq!(app.instance.post(&app.acme, &json!({ "id": "evt_2" })).await, 503);
        assert_eq!(
            app.instance.post_signed(&app.acme.webhook(), "{}", "t=1,v1=00").await,
            400
        );
    }

    async fn no_other_origin_may_call_unless_it_is_named(app: &TestApp) {
        let allowed = |answer: &Response| answer.headers().get("access-control-allow-origin").cloned();
        assert_eq!(
            allowed(&preflight(&app.instance, "https://dash.acme.example").await),
            None
        );
        let mut named = settings(&app.database, &app.standin);
        named.insert(
            "REKOMI_CORS_ORIGINS",
            "https://dash.acme.example, https://b.example".to_owned(),
        );
        let instance = Instance::start(&named, app.clock.clone()).await;
        let origin = "https://dash.acme.example";
        assert_eq!(allowed(&preflight(&instance, origin).await).unwrap(), origin);
        assert_eq!(allowed(&preflight(&instance, "https://evil.example").await), None);
        instance.stop().await;
    }

    async fn a_mutation_by_get_and_a_form_are_refused_and_change_nothing(app: &TestApp) {
        let before = app.everything().await;
        let token = app.token(rekomi::auth::Role::Owner, None, None);
        let url = format!("{}/graphql", app.instance.base);
        let mutation = "mutation { createCampaign(input: { name: \"X\", landingUrl: \"https://x.example\", commission: { percent: \"1\" } }) { campaign { id } } }";
        let get = http().get(format!(
            "{url}?query={}",
            url::form_urlencoded::byte_serialize(mutation.as_bytes()).collect::<String>()
        ));
        assert_eq!(
            get.bearer_auth(&token).send().await.unwrap().status(),
            StatusCode::METHOD_NOT_ALLOWED
        );
        let body = json!({ "query": mutation }).to_string();
        for kind in [
            "text/plain",
            "application/x-www-form-urlencoded",
            "multipart/form-data; boundary=x",
        ] {
            let post = http()
                .post(&url)
                .header(header::CONTENT_TYPE, kind)
                .body(body.clone())
                .bearer_auth(&token);
            assert_eq!(
                post.send().await.unwrap().status(),
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "{kind}"
            );
        }
        assert_eq!(app.everything().await, before);
    }

    async fn too_large_too_deep_and_too_much_are_refused(app: &TestApp) {
        let token = app.token(rekomi::auth::Role::Owner, None, None);
        let large = http()
            .post(format!("{}/graphql", app.instance.base))
            .bearer_auth(token)
            .json(&json!({ "query": " ".repeat(1 << 20) }));
        assert_eq!(large.send().await.unwrap().status(), StatusCode::PAYLOAD_TOO_LARGE);
        let deep = format!(
            "{{ affiliates {{ nodes {}",
            "{ codes { nodes { affiliate ".repeat(9) + "{ id }" + &" } } }".repeat(9) + " } }"
        );
        let aliases: String = (0..101).map(|number| format!("a{number}: feedCursor ")).collect();
        let much = "{ affiliates(first: 100) { nodes { codes(first: 100) { nodes { code status createdAt } } } } }";
        for query in [deep, format!("{{ {aliases} }}"), much.to_owned()] {
            let answer = app.olivia().ask(&query, json!({})).await;
            assert_eq!(answer.codes(), ["QUERY_TOO_COMPLEX"], "{}", answer.body);
        }
    }

    async fn every_answer_has_the_id_of_its_request(app: &TestApp) {
        let id = |answer: &Response| answer.headers()["x-request-id"].to_str().unwrap().to_owned();
        let (first, second) = (get(app, "/healthz").await, get(app, "/nowhere").await);
        assert_eq!(second.status(), StatusCode::NOT_FOUND);
        assert!(!id(&first).is_empty() && id(&first) != id(&second));
        let own = http()
            .get(format!("{}/healthz", app.instance.base))
            .header("x-request-id", "mine-1")
            .send()
            .await
            .unwrap();
        assert_eq!(id(&own), "mine-1");
    }
}
