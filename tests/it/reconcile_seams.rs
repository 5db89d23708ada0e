//! `rekomi reconcile` beside renaming, campaigns' codes, what is owed, other brands and a server at work.

use std::time::Duration;

use entity::{
    code::{self, CodeStatus},
    id::CodeId,
};
use rekomi::{
    auth::Actor,
    domain::repair::{Repair, Repaired, repair},
};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, sea_query::Expr};

use crate::{
    drift::promo_id,
    reconcile::{home, is_on, reconcile},
    renaming::{live, outage, rename, settled},
    support::*,
};

async fn share(app: &TestApp, stage: &Stage, text: &str) {
    let input = json!({ "campaignId": stage.campaign, "couponId": stage.coupon, "code": text });
    app.max().make("setCampaignCode", "campaign", "id", input).await;
}

both! {
    async fn renamed_and_shared_codes_are_held_against_what_they_are_now(app: &TestApp) {
        let stage = app.stage().await;
        let old = promo_id(app);
        rename(app, &stage.code, "SARAH-VIP").await;
        settled(app, &stage.code).await;
        share(app, &stage, "SPRING").await;
        assert_eq!(reconcile(app, &["--repair"]).await, (true, vec!["1 2 0 0".to_owned()]));
        let stripe = &app.acme.stripe;
        stripe.switch(&old, true, Shape::Endive).unwrap();
        stripe.switch(&app.promo("SPRING").promotion_code_id, false, Shape::Endive).unwrap();
        let (clean, mut told) = reconcile(app, &["--repair"]).await;
        told.sort();
        assert_eq!((clean, told), (true, vec![
            "1 2 2 0".to_owned(),
            "SARAH20: Stripe has it switched on, and its code has another one now. [repaired]".to_owned(),
            "SPRING: It is on here, and switched off at Stripe. [repaired]".to_owned(),
        ]));
        assert_eq!(live(app), ["SARAH-VIP", "SPRING"]);
        assert_eq!(reconcile(app, &["--repair"]).await, (true, vec!["1 2 0 0".to_owned()]));
    }

    async fn an_older_text_whose_end_was_refused_is_mended_and_nothing_is_left_of_that(app: &TestApp) {
        let stage = app.stage().await;
        app.standin.fault(Fault::refuse("Not today.", "active").on_path("/v1/promotion_codes/"));
        rename(app, &stage.code, "SARAH-VIP").await;
        let sync = settled(app, &stage.code).await["stripeSync"].take();
        assert_eq!((&sync["status"], &sync["lastError"]), (&json!("FAILED"), &json!("Not today.")));
        assert_eq!(live(app), ["SARAH-VIP", "SARAH20"]);
        let (clean, told) = reconcile(app, &["--repair"]).await;
        let former = "SARAH20: Stripe has it switched on, and its code has another one now. [repaired]";
        assert_eq!((clean, told), (true, vec![former.to_owned(), "1 1 1 0".to_owned()]));
        assert_eq!(live(app), ["SARAH-VIP"]);
        let sync = settled(app, &stage.code).await["stripeSync"].take();
        assert_eq!((&sync["status"], &sync["lastError"]), (&json!("SYNCED"), &Value::Null));
    }

    async fn what_is_owed_is_left_out_and_not_counted(app: &TestApp) {
        let stage = app.stage().await;
        outage(app);
        app.max().mint(&stage.coupon, &stage.bob, "BOB20").await;
        rename(app, &stage.code, "SARAH-VIP").await;
        app.standin.clear_faults();
        app.acme.stripe.switch(&promo_id(app), false, Shape::Endive).unwrap();
        let calls = app.standin.calls().len();
        assert_eq!(reconcile(app, &["--repair"]).await, (true, vec!["1 0 0 0".to_owned()]));
        assert_eq!(app.standin.calls().len() - calls, 2);
    }

    async fn a_shared_code_that_was_removed_meanwhile_is_not_switched_on(app: &TestApp) {
        let stage = app.stage().await;
        share(app, &stage, "SPRING").await;
        let row = entity::campaign_code::Entity::find().one(app.db()).await.unwrap().unwrap();
        app.max().make("removeCampaignCode", "campaign", "id", json!({ "campaignId": stage.campaign })).await;
        let actor = Actor::command_line(row.brand_id, true);
        let switch = Repair::Switch(row.id, row.coupon_id, CodeStatus::Active);
        let done = repair(&app.instance.app.domain, &actor, &switch).await.unwrap();
        assert_eq!(done, Repaired::Not("it was changed here meanwhile".to_owned()));
        assert_eq!(is_on(app, "SPRING"), [json!(false)]);
    }

    async fn a_code_that_is_made_anew_has_the_redemptions_that_remain(app: &TestApp) {
        let limited = CouponSpec::default().with("maxRedemptionsPerCode", 3);
        let stage = app.stage_with(CampaignSpec::default(), limited).await;
        let promo = app.promo("SARAH20");
        let sale = app.sale().promo(promo.clone()).build();
        sale.sync(&app.acme.stripe);
        app.deliver(&sale.start(Shape::Endive)).await;
        app.acme.stripe.switch(&promo.promotion_code_id, false, Shape::Endive).unwrap();
        let actor = Actor::command_line(app.acme.id, true);
        let make = Repair::Make(stage.code.parse::<CodeId>().unwrap());
        assert_eq!(repair(&app.instance.app.domain, &actor, &make).await.unwrap(), Repaired::Done);
        let limits: Vec<Value> = app.acme.stripe.promotion_codes("SARAH20").iter().map(|it| it["max_redemptions"].clone()).collect();
        assert_eq!(limits, [json!(3), json!(2)]);
    }

    async fn a_brand_that_cannot_be_compared_holds_up_no_other(app: &TestApp) {
        app.stage().await;
        app.standin.fault(Fault::new(FaultKind::Forbidden).on_path("/v1/coupons"));
        let output = home(app).run(&["reconcile"]);
        let told = String::from_utf8(output.stdout).unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && said.contains("Stripe: The provided key does not have"), "{said}");
        assert_eq!(told.lines().count(), 1, "{told}{said}");
    }

    async fn whoever_changes_several_codes_meanwhile_is_not_locked_out(app: &TestApp) {
        let stage = app.stage().await;
        let bob = app.max().mint(&stage.coupon, &stage.bob, "BOB20").await;
        let touch = |id: &str| {
            code::Entity::update_many()
                .col_expr(code::Column::Batch, Expr::value("x"))
                .filter(code::Column::Id.eq(id.parse::<CodeId>().unwrap()))
        };
        // As a coupon's deletion does, in the other order than Stripe's list.
        let home = home(app);
        let txn = app.instance.app.db.begin().await.unwrap();
        touch(&stage.code).exec(&txn).await.unwrap();
        let run = tokio::task::spawn_blocking(move || home.run(&["reconcile", "--brand", "acme"]));
        tokio::time::sleep(Duration::from_secs(3)).await;
        touch(&bob).exec(&txn).await.unwrap();
        txn.commit().await.unwrap();
        let output = run.await.unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}
