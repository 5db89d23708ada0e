//! Lost connections: what was missed is heard, in order and once; a page and the cursor beside it leave nothing between.

use std::collections::BTreeSet;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use rekomi::auth::Role;

use crate::support::{
    listening::{feed_cursor, ids, listening, sell},
    *,
};

both! {
    async fn who_reconnects_gets_all_that_was_missed_in_order_and_once(app: &TestApp) {
        app.stage().await;
        let token = app.token(Role::Analyst, None, None);
        let mut socket = listening(app, &token, "").await;
        sell(app, "SARAH20").await;
        let (cursor, first) = socket.event("1").await;
        drop(socket);
        for _ in 0..25 {
            sell(app, "SARAH20").await;
        }
        let mut socket = app.socket(&token).await;
        socket.listen("1", &format!("(after: \"{cursor}\")")).await;
        let mut heard = vec![first["id"].as_str().unwrap().to_owned()];
        for _ in 0..25 {
            heard.push(socket.conversion("1").await);
        }
        sell(app, "SARAH20").await;
        heard.push(socket.conversion("1").await);
        assert_eq!(heard, ids(app).await);
        socket.close().await;
    }

    async fn an_affiliate_that_reconnects_gets_its_own_among_all_that_was_missed(app: &TestApp) {
        let stage = app.stage().await;
        app.max().mint(&stage.coupon, &stage.bob, "BOB20").await;
        let token = app.token(Role::Affiliate, Some(&stage.bob), None);
        for code in ["SARAH20", "BOB20", "SARAH20", "SARAH20", "BOB20", "SARAH20"] {
            sell(app, code).await;
        }
        let beginning = rekomi::domain::feed::cursor(uuid::Uuid::nil());
        let mut socket = app.socket(&token).await;
        socket.listen("1", &format!("(after: \"{beginning}\")")).await;
        let (cursor, first) = socket.event("1").await;
        let mut heard = vec![cast::id(&first), socket.conversion("1").await];
        // Live again: others' sales come by, and its own is heard.
        for code in ["SARAH20", "BOB20", "SARAH20", "BOB20"] {
            sell(app, code).await;
        }
        heard.push(socket.conversion("1").await);
        heard.push(socket.conversion("1").await);
        let own: Vec<String> = app.affiliate(&stage.bob).conversions().await.iter().map(cast::id).collect();
        assert_eq!(heard, own);
        let mut again = app.socket(&token).await;
        again.listen("1", &format!("(after: \"{cursor}\")")).await;
        for id in &own[1..] {
            assert_eq!(again.conversion("1").await, *id);
        }
        socket.close().await;
        again.close().await;
    }

    async fn nothing_falls_between_a_page_and_the_cursor_read_beside_it(app: &TestApp) {
        app.stage().await;
        let sales: Vec<_> = (0..60)
            .map(|_| app.sale().promo(app.promo("SARAH20")).build())
            .collect();
        let events: Vec<Value> = sales.iter().map(|sale| sale.invoice_paid(Shape::Acacia)).collect();
        let ana = app.ana();
        let looking = async {
            let mut looks = Vec::new();
            for round in 0..60 {
                let page = "conversions(first: 100) { nodes { id } }";
                let query = if round % 2 == 0 {
                    format!("{{ {page} feedCursor }}")
                } else {
                    format!("{{ feedCursor {page} }}")
                };
                looks.push(ana.query(&query).await);
            }
            looks
        };
        let posting = async {
            for event in &events {
                assert_eq!(app.instance.post(&app.acme, event).await, 200);
            }
        };
        let (looks, ()) = tokio::join!(looking, posting);
        app.settle().await;
        let all: BTreeSet<String> = ids(app).await.into_iter().collect();
        assert_eq!(all.len(), 60);
        let feed = feed_after_all(app).await;
        for look in looks {
            let seen: BTreeSet<String> = told::nodes(&look["conversions"]).iter().map(cast::id).collect();
            let cursor = look["feedCursor"].as_str().unwrap();
            // The cursor may name a row that tells of figures: it comes after all that are older. Before there was any row
            // it names a moment, and all of them came since.
            let is_row = bytes(cursor)[0] == b'f';
            let start = feed.iter().take_while(|(at, _)| is_row && bytes(at) <= bytes(cursor)).count();
            let missed: Vec<_> = all
                .iter()
                .filter(|id| !seen.contains(*id) && !feed[start..].iter().any(|(_, it)| it == *id))
                .collect();
            assert!(
                missed.is_empty(),
                "{missed:?} is neither on the page of {} nor after its cursor",
                seen.len()
            );
        }
    }

    async fn a_cursor_that_is_broken_or_of_another_feed_is_bad_user_input(app: &TestApp) {
        app.stage().await;
        let globex = app.globex_owner();
        cast::set_stage(&globex, CampaignSpec::default(), CouponSpec::default()).await;
        let sale = app.sale().promo(app.globex.promo("SARAH20")).build();
        sale.sync(&app.globex.stripe);
        app.deliver_to(&app.globex, [&sale.invoice_paid(Shape::Acacia)]).await;
        let foreign = feed_cursor(&globex).await;
        for cursor in ["", "nonsense", "Zg", foreign.as_str()] {
            // A socket of its own: the end of a refused operation may come at any time after the refusal.
            let mut socket = app.socket(&app.token(Role::Owner, None, None)).await;
            socket.listen("1", &format!("(after: \"{cursor}\")")).await;
            assert_eq!(socket.refusal("1").await, ["BAD_USER_INPUT"], "{cursor:?}");
        }
    }
}

/// What a cursor is made of: its kind, and an id that grows with time.
fn bytes(cursor: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(cursor).unwrap()
}

/// The whole feed of creations: each cursor with its conversion.
async fn feed_after_all(app: &TestApp) -> Vec<(String, String)> {
    let mut socket = app.socket(&app.token(Role::Analyst, None, None)).await;
    let beginning = rekomi::domain::feed::cursor(uuid::Uuid::nil());
    socket.listen("1", &format!("(after: \"{beginning}\")")).await;
    let mut feed = Vec::new();
    for _ in 0..ids(app).await.len() {
        let (cursor, conversion) = socket.event("1").await;
        feed.push((cursor, cast::id(&conversion)));
    }
    feed
}
