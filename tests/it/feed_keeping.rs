//! How long the feed is kept, and what becomes of cursors from before.

use chrono::TimeDelta;
use entity::feed_event;
use rekomi::{auth::Role, domain::feed_pruning};

use crate::support::{
    listening::{feed_cursor, sell},
    stream::Stream,
    *,
};

const CREATED: &str = "subscription { conversionCreated { cursor conversion { id } } }";

/// Forgets what is older than 30 days, as the worker does.
async fn prune(app: &TestApp) {
    let horizon = app.now() - TimeDelta::days(30);
    while feed_pruning::prune(&app.instance.app.db, horizon).await.unwrap() > 0 {}
}

async fn refusal(app: &TestApp, token: &str, cursor: &str) -> (String, Value) {
    Stream::open(&app.instance, token, CREATED, Some(cursor))
        .await
        .refusal()
        .await
}

fn because(reason: &str) -> (String, Value) {
    ("BAD_USER_INPUT".to_owned(), json!(reason))
}

both! {
    async fn a_cursor_from_before_what_is_kept_says_so_and_the_newest_is_kept(app: &TestApp) {
        let stage = app.stage().await;
        app.max().mint(&stage.coupon, &stage.bob, "BOB20").await;
        let empty = feed_cursor(&app.ana()).await;
        let bobs_empty = feed_cursor(&app.affiliate(&stage.bob)).await;
        sell(app, "BOB20").await;
        let bobs = feed_cursor(&app.affiliate(&stage.bob)).await;
        sell(app, "SARAH20").await;
        let old = feed_cursor(&app.ana()).await;
        sell(app, "SARAH20").await;
        app.pass(TimeDelta::days(31));
        let before = app.count::<feed_event::Entity>().await;
        sell(app, "SARAH20").await;
        let kept = feed_cursor(&app.ana()).await;
        prune(app).await;
        // Bob's newest, and what is not old.
        assert_eq!(app.count::<feed_event::Entity>().await, 3, "of {before} and two");
        let [ana, bob] = [(Role::Analyst, None), (Role::Affiliate, Some(stage.bob.as_str()))]
            .map(|(role, affiliate)| app.token(role, affiliate, None));
        let beginning = rekomi::domain::feed::cursor(uuid::Uuid::nil());
        for cursor in [&empty, &old, &bobs, &beginning] {
            assert_eq!(refusal(app, &ana, cursor).await, because("CURSOR_EXPIRED"), "{cursor}");
        }
        assert_eq!(refusal(app, &bob, &bobs_empty).await, because("CURSOR_EXPIRED"));
        // Nothing of Bob's came since, however long ago that was.
        assert_eq!(feed_cursor(&app.affiliate(&stage.bob)).await, bobs);
        let mut stream = Stream::open(&app.instance, &bob, CREATED, Some(&bobs)).await;
        let mut anas = Stream::open(&app.instance, &ana, CREATED, Some(&kept)).await;
        sell(app, "BOB20").await;
        assert_eq!(stream.event().await, anas.event().await);
    }

    async fn a_cursor_of_nothing_yet_holds_until_something_after_it_is_forgotten(app: &TestApp) {
        let stage = app.stage().await;
        app.max().mint(&stage.coupon, &stage.bob, "BOB20").await;
        sell(app, "SARAH20").await;
        sell(app, "SARAH20").await;
        app.pass(TimeDelta::seconds(2));
        let bobs_empty = feed_cursor(&app.affiliate(&stage.bob)).await;
        app.pass(TimeDelta::days(31));
        prune(app).await;
        let bob = app.token(Role::Affiliate, Some(&stage.bob), None);
        let mut stream = Stream::open(&app.instance, &bob, CREATED, Some(&bobs_empty)).await;
        sell(app, "BOB20").await;
        stream.event().await;
    }

    async fn a_cursor_of_another_feed_or_of_a_future_that_was_undone_is_unknown(app: &TestApp) {
        app.stage().await;
        let ana = app.token(Role::Analyst, None, None);
        let globex = app.globex_owner();
        cast::set_stage(&globex, CampaignSpec::default(), CouponSpec::default()).await;
        let sale = app.sale().promo(app.globex.promo("SARAH20")).build();
        sale.sync(&app.globex.stripe);
        app.deliver_to(&app.globex, [&sale.invoice_paid(Shape::Acacia)]).await;
        let foreign = feed_cursor(&globex).await;
        let never = rekomi::domain::feed::cursor(app.clock.new_id());
        for cursor in [&foreign, &never] {
            assert_eq!(refusal(app, &ana, cursor).await, because("CURSOR_UNKNOWN"));
        }
        for cursor in ["nonsense", "Zg"] {
            assert_eq!(refusal(app, &ana, cursor).await, because("CURSOR_INVALID"));
        }
    }
}
