//! New conversions live: who may listen, what each hears, and that nothing is missed or heard twice.

use rekomi::auth::{Role, jwt::Mode};

use crate::support::{
    listening::{feed_cursor, ids, listening, sell},
    socket::{Heard, Socket},
    *,
};

both! {
    async fn a_socket_without_a_good_token_is_closed_with_4403(app: &TestApp) {
        let other = app.token(Role::Owner, None, None).replace('.', ".x");
        for payload in [
            json!({}),
            Value::Null,
            json!({ "authorization": "Bearer nonsense" }),
            json!({ "authorization": format!("Bearer {other}") }),
        ] {
            let mut socket = Socket::connect(&app.instance.base).await;
            socket.init(payload.clone()).await;
            assert_eq!(socket.next().await, Heard::Closed(4403), "{payload}");
        }
    }

    async fn the_token_may_be_under_either_case(app: &TestApp) {
        for key in ["authorization", "Authorization"] {
            let mut socket = Socket::connect(&app.instance.base).await;
            let token = app.token(Role::Analyst, None, None);
            socket.init(json!({ key: format!("Bearer {token}") })).await;
            assert_eq!(socket.next().await, Heard::Message(json!({ "type": "connection_ack" })));
            socket.close().await;
        }
    }

    async fn a_socket_ends_with_its_token(app: &TestApp) {
        let mut socket = listening(app, &app.token(Role::Analyst, None, None), "").await;
        app.pass(chrono::TimeDelta::hours(1));
        assert_eq!(socket.next().await, Heard::Closed(4403));
    }

    async fn a_new_conversion_is_heard_once_with_all_that_belongs_to_it(app: &TestApp) {
        let stage = app.stage().await;
        let mut socket = app.socket(&app.token(Role::Analyst, None, None)).await;
        let cursor = feed_cursor(&app.ana()).await;
        let query = format!(
            "subscription {{ conversionCreated(after: \"{cursor}\") {{ cursor conversion {{ id source kind status amount {{ amount currency }} \
             affiliate {{ id name }} campaign {{ id }} code {{ code redemptionCount }} }} }} }}"
        );
        socket
            .send(json!({ "id": "1", "type": "subscribe", "payload": { "query": query } }))
            .await;
        let mut sale = sell(app, "SARAH20").await;
        let (_, conversion) = socket.event("1").await;
        assert_eq!(
            conversion,
            json!({
                "id": ids(app).await[0], "source": "Coupon · SARAH20", "kind": "ACQUISITION", "status": "PENDING",
                "amount": { "amount": "40.00", "currency": "USD" }, "affiliate": { "id": stage.sarah, "name": "Sarah Jones" },
                "campaign": { "id": stage.campaign }, "code": { "code": "SARAH20", "redemptionCount": 1 },
            })
        );
        // What happens to it later is no new conversion: the next that is heard is the next sale.
        app.deliver(&sale.refund(Shape::Acacia, None, Paid::First)).await;
        sell(app, "SARAH20").await;
        assert_eq!(socket.conversion("1").await, ids(app).await[1]);
        socket.close().await;
    }

    async fn a_subscription_without_after_starts_now(app: &TestApp) {
        app.stage().await;
        sell(app, "SARAH20").await;
        let mut socket = app.socket(&app.token(Role::Analyst, None, None)).await;
        socket.listen("1", "").await;
        // Sales go on until the subscription hears one: there is no sign that it has begun.
        let heard = async { socket.conversion("1").await };
        let selling = async {
            loop {
                sell(app, "SARAH20").await;
            }
        };
        let first = tokio::select! { first = heard => first, () = selling => unreachable!() };
        app.settle().await;
        let all = ids(app).await;
        assert_ne!(first, all[0], "what was before is not heard");
        assert!(all.contains(&first));
    }

    async fn a_filter_is_applied_by_the_server(app: &TestApp) {
        let stage = app.stage().await;
        app.max().mint(&stage.coupon, &stage.bob, "BOB20").await;
        let token = app.token(Role::Analyst, None, None);
        let filters = [
            "{ couponCode: \"bob20\" }".to_owned(),
            format!("{{ affiliateId: \"{}\" }}", stage.bob),
        ];
        let mut sockets = Vec::new();
        for filter in &filters {
            sockets.push(listening(app, &token, filter).await);
        }
        sell(app, "SARAH20").await;
        sell(app, "BOB20").await;
        for socket in &mut sockets {
            let (_, conversion) = socket.event("1").await;
            assert_eq!(conversion["couponCode"], "BOB20");
        }
    }

    async fn an_affiliate_hears_only_its_own(app: &TestApp) {
        let stage = app.stage().await;
        app.max().mint(&stage.coupon, &stage.bob, "BOB20").await;
        let mut socket = listening(app, &app.token(Role::Affiliate, Some(&stage.bob), None), "").await;
        let mut analyst = listening(app, &app.token(Role::Analyst, None, None), "").await;
        for code in ["SARAH20", "BOB20", "SARAH20", "BOB20"] {
            sell(app, code).await;
        }
        let all = ids(app).await;
        assert_eq!(
            [socket.conversion("1").await, socket.conversion("1").await],
            [all[1].clone(), all[3].clone()]
        );
        for id in &all {
            assert_eq!(&analyst.conversion("1").await, id);
        }
    }

    async fn another_brand_and_another_mode_hear_nothing(app: &TestApp) {
        app.stage().await;
        let globex = app.globex_owner();
        cast::set_stage(&globex, CampaignSpec::default(), CouponSpec::default()).await;
        let globex_token = app.token_of(&app.globex, Role::Owner, None, None);
        let mut other_brand = listening(app, &globex_token, "").await;
        let mut other_mode = listening(app, &app.token(Role::Owner, None, Some(Mode::Test)), "").await;
        sell(app, "SARAH20").await;
        // A sale of Globex's own is the first that it hears.
        let sale = app.sale().promo(app.globex.promo("SARAH20")).build();
        sale.sync(&app.globex.stripe);
        app.deliver_to(&app.globex, [&sale.invoice_paid(Shape::Acacia)]).await;
        assert_eq!(
            other_brand.conversion("1").await,
            cast::id(&globex.conversions().await[0])
        );
        // The test mode has none: a query behind everything is answered first.
        let query = json!({ "query": "{ feedCursor }" });
        other_mode
            .send(json!({ "id": "2", "type": "subscribe", "payload": query }))
            .await;
        let Heard::Message(message) = other_mode.next().await else {
            panic!("closed")
        };
        assert_eq!(
            (&message["id"], &message["type"]),
            (&json!("2"), &json!("next")),
            "{message}"
        );
    }

    async fn a_subscriber_on_another_server_hears_it_too(app: &TestApp) {
        let second = app.second_instance().await;
        app.stage().await;
        let token = app.token(Role::Analyst, None, None);
        let mut socket = Socket::open(&second.base, &token).await;
        let cursor = feed_cursor(&second.caller(Some(token))).await;
        socket.listen("1", &format!("(after: \"{cursor}\")")).await;
        for _ in 0..5 {
            sell(app, "SARAH20").await;
        }
        for id in ids(app).await {
            assert_eq!(socket.conversion("1").await, id);
        }
        socket.close().await;
        second.stop().await;
    }
}
