//! Sales live by server-sent events: what a socket hears, and resuming by the last event's id, wherever the client comes to.

use rekomi::auth::Role;

use crate::support::{
    listening::{feed_cursor, ids, sell},
    stream::Stream,
    *,
};

const CREATED: &str = "subscription { conversionCreated { cursor conversion { id } } }";

fn id(event: &Value) -> String {
    event["conversion"]["id"].as_str().unwrap().to_owned()
}

both! {
    async fn the_last_events_id_is_where_a_stream_goes_on(app: &TestApp) {
        app.stage().await;
        let token = app.token(Role::Analyst, None, None);
        let start = feed_cursor(&app.ana()).await;
        let mut stream = Stream::open(&app.instance, &token, CREATED, Some(&start)).await;
        sell(app, "SARAH20").await;
        let mut heard = vec![id(&stream.event().await)];
        let last = stream.last_event_id.clone();
        drop(stream);
        for _ in 0..5 {
            sell(app, "SARAH20").await;
        }
        // The id goes before the `after` with which the page began.
        let query = CREATED.replace("conversionCreated", &format!("conversionCreated(after: \"{start}\")"));
        let mut stream = Stream::open(&app.instance, &token, &query, last.as_deref()).await;
        for _ in 0..5 {
            heard.push(id(&stream.event().await));
        }
        sell(app, "SARAH20").await;
        heard.push(id(&stream.event().await));
        assert_eq!(heard, ids(app).await);
    }

    async fn a_stream_that_moves_to_another_server_misses_nothing(app: &TestApp) {
        app.stage().await;
        let token = app.token(Role::Analyst, None, None);
        let start = feed_cursor(&app.ana()).await;
        let first = app.second_instance().await;
        let mut stream = Stream::open(&first, &token, CREATED, Some(&start)).await;
        let mut heard = Vec::new();
        for _ in 0..3 {
            sell(app, "SARAH20").await;
            heard.push(id(&stream.event().await));
        }
        first.stop().await;
        assert_eq!(stream.next().await, None, "a stop ends it");
        for _ in 0..3 {
            sell(app, "SARAH20").await;
        }
        let second = app.second_instance().await;
        let mut stream = Stream::open(&second, &token, CREATED, stream.last_event_id.as_deref()).await;
        sell(app, "SARAH20").await;
        for _ in 0..4 {
            heard.push(id(&stream.event().await));
        }
        assert_eq!(heard, ids(app).await);
        second.stop().await;
    }

    async fn an_affiliate_hears_only_its_own(app: &TestApp) {
        let stage = app.stage().await;
        app.max().mint(&stage.coupon, &stage.bob, "BOB20").await;
        let start = feed_cursor(&app.affiliate(&stage.bob)).await;
        let token = app.token(Role::Affiliate, Some(&stage.bob), None);
        let mut stream = Stream::open(&app.instance, &token, CREATED, Some(&start)).await;
        for code in ["SARAH20", "BOB20", "SARAH20", "BOB20"] {
            sell(app, code).await;
        }
        let all = ids(app).await;
        assert_eq!([id(&stream.event().await), id(&stream.event().await)], [all[1].clone(), all[3].clone()]);
    }

    async fn a_stream_ends_with_its_key(app: &TestApp) {
        app.stage().await;
        let input = json!({ "name": "Dashboard", "scopes": ["READ"] });
        let made = app.olivia().mutate("createApiKey", "key apiKey { id }", input).await;
        let start = feed_cursor(&app.ana()).await;
        let mut stream = Stream::open(&app.instance, made["key"].as_str().unwrap(), CREATED, Some(&start)).await;
        sell(app, "SARAH20").await;
        stream.event().await;
        let id = &made["apiKey"]["id"];
        app.olivia().mutate("revokeApiKey", "apiKey { id }", json!({ "id": id })).await;
        assert_eq!(stream.next().await, None);
    }
}
