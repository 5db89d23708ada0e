//! Where drift meets what else becomes of codes: coupons that end or go, renaming, and clocks that were wrong.

use chrono::TimeDelta;
use sea_orm::{EntityTrait, Set};

use crate::{
    drift::{OFF_THERE, code, looks, promo_id, standing},
    reconcile::reconcile,
    renaming::{live, rename, settled, switch},
    support::*,
};

both! {
    async fn a_code_is_over_with_its_coupon_and_that_is_no_drift(app: &TestApp) {
        let hour = (app.now() + TimeDelta::hours(1)).to_rfc3339();
        let short = CouponSpec::default().with("expiresAt", hour);
        let stage = app.stage_with(CampaignSpec::default(), short).await;
        app.pass(TimeDelta::hours(2));
        // Since 2025-09-30 the event does not say how the coupon is.
        let off = app.acme.stripe.switch(&promo_id(app), false, Shape::Endive).unwrap();
        app.deliver([&off]).await;
        assert_eq!(code(app, &stage.code).await, standing("INACTIVE", Some("EXPIRED"), None));
        assert_eq!(reconcile(app, &["--repair"]).await, (true, vec!["1 1 0 0".to_owned()]));
        assert_eq!(code(app, &stage.code).await, standing("INACTIVE", Some("EXPIRED"), None));
    }

    async fn codes_of_a_coupon_whose_deletion_is_owed_are_no_drift(app: &TestApp) {
        let stage = app.stage().await;
        app.standin.fault(Fault::new(FaultKind::ServerError).on_method("DELETE").always());
        app.max().mutate("deleteCampaignCoupon", "deletedId", json!({ "id": stage.coupon })).await;
        assert_eq!(code(app, &stage.code).await, standing("INACTIVE", Some("COUPON_DELETED"), None));
        let (clean, told) = reconcile(app, &["--repair"]).await;
        assert!(clean, "{told:?}");
        assert_eq!(told, ["0 0 0 0"]);
        assert_eq!(live(app), ["SARAH20"]);
        app.standin.clear_faults();
    }

    async fn a_code_that_is_off_at_stripe_is_not_switched_on_by_renaming_it(app: &TestApp) {
        let spec = CouponSpec::default().with("allowAffiliateSelfMint", true);
        let stage = app.stage_with(CampaignSpec::default().with("affiliatesCanManageCodes", true), spec).await;
        let off = app.acme.stripe.switch(&promo_id(app), false, Shape::Endive).unwrap();
        app.deliver([&off]).await;
        let own = json!({ "id": stage.code, "code": "SARAH-VIP" });
        app.affiliate(&stage.sarah).make("renameAffiliateCode", "affiliateCode", "id", own).await;
        settled(app, &stage.code).await;
        assert_eq!(live(app), [""; 0]);
        assert_eq!(
            code(app, &stage.code).await,
            standing("INACTIVE", Some("DEACTIVATED_AT_STRIPE"), Some(OFF_THERE))
        );
        switch(app, "reactivateAffiliateCode", &stage.code).await;
        assert_eq!(live(app), ["SARAH-VIP"]);
        assert_eq!(code(app, &stage.code).await, standing("ACTIVE", None, None));
    }

    async fn a_code_that_is_being_switched_on_again_is_on_under_its_new_text(app: &TestApp) {
        let stage = app.stage().await;
        let off = app.acme.stripe.switch(&promo_id(app), false, Shape::Endive).unwrap();
        app.deliver([&off]).await;
        app.standin.fault(Fault::new(FaultKind::DropBefore).on_path("/v1/promotion_codes"));
        switch(app, "reactivateAffiliateCode", &stage.code).await;
        rename(app, &stage.code, "SARAH-VIP").await;
        settled(app, &stage.code).await;
        assert_eq!(live(app), ["SARAH-VIP"]);
        assert_eq!(code(app, &stage.code).await, standing("ACTIVE", None, None));
    }

    async fn what_was_recorded_by_a_clock_that_was_ahead_is_not_kept_for_ever(app: &TestApp) {
        let stage = app.stage().await;
        let ahead = entity::code::ActiveModel { stripe_seen_at: Set(Some(app.now() + TimeDelta::days(400))), ..Default::default() };
        let txn = app.instance.app.db.begin().await.unwrap();
        entity::code::Entity::update_many().set(ahead).exec(&txn).await.unwrap();
        txn.commit().await.unwrap();
        let off = app.acme.stripe.switch(&promo_id(app), false, Shape::Endive).unwrap();
        tokio::time::timeout(std::time::Duration::from_secs(20), app.deliver([&off])).await.unwrap();
        assert_eq!(code(app, &stage.code).await, standing("INACTIVE", Some("DEACTIVATED_AT_STRIPE"), Some(OFF_THERE)));
        assert_eq!(looks(app), 1);
    }

    async fn events_of_what_became_of_a_code_here_are_no_drift(app: &TestApp) {
        let stage = app.stage().await;
        let old = promo_id(app);
        rename(app, &stage.code, "SARAH-VIP").await;
        settled(app, &stage.code).await;
        let new = app.promo("SARAH-VIP").promotion_code_id;
        app.max().make("setCampaignCode", "campaign", "id", json!({ "campaignId": stage.campaign, "couponId": stage.coupon, "code": "SPRING" })).await;
        let shared = app.promo("SPRING").promotion_code_id;
        let drift = async || {
            let query = format!("{{ campaign(id: \"{}\") {{ campaignCodeSync {{ drift }} }} }}", stage.campaign);
            app.ana().query(&query).await["campaign"]["campaignCodeSync"]["drift"].take()
        };
        for id in [&old, &new, &shared] {
            let event = app.acme.stripe.promotion_code_updated(id, Shape::Endive).unwrap();
            app.deliver([&event]).await;
        }
        assert_eq!((code(app, &stage.code).await, drift().await), (standing("ACTIVE", None, None), json!(null)));
        // What somebody does to the former one is not about the code any more.
        let off = app.acme.stripe.switch(&old, true, Shape::Endive).unwrap();
        app.deliver([&off]).await;
        assert_eq!(code(app, &stage.code).await, standing("ACTIVE", None, None));
        let off = app.acme.stripe.switch(&shared, false, Shape::Endive).unwrap();
        app.deliver([&off]).await;
        assert_eq!((code(app, &stage.code).await, drift().await), (standing("ACTIVE", None, None), json!(OFF_THERE)));
        app.max().mutate("deleteCampaignCoupon", "deletedId", json!({ "id": stage.coupon })).await;
        for id in [&old, &new, &shared] {
            let event = app.acme.stripe.promotion_code_updated(id, Shape::Endive).unwrap();
            app.deliver([&event]).await;
        }
        assert_eq!((code(app, &stage.code).await, drift().await), (standing("INACTIVE", Some("COUPON_DELETED"), None), json!(null)));
    }
}
