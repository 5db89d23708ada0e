//! What is owed to Stripe, brand by brand: one whose Stripe hangs holds up no other, and an outage is made good soon.

use std::{collections::BTreeSet, time::Duration};

use chrono::TimeDelta;
use entity::{
    id::{CodeId, CouponId},
    stripe_operation::{self, OperationKind, OperationStatus},
};
use rekomi::{auth::Role, domain::owed::Call};
use sea_orm::{ActiveModelTrait, ColumnTrait, EntityTrait, IntoActiveModel, PaginatorTrait, QueryFilter, Set};

use crate::{
    floods::hooli,
    support::{cast::set_stage, *},
};

/// How many calls are owed with a test key, which Stripe answers 25 times a second.
const TESTED: usize = 400;

/// Owes Stripe so many promotion codes, as nobody waits for: their codes are not there, so that nothing else is looked at.
async fn owe(app: &TestApp, brand: &Brand, coupon: &str, count: usize) {
    let (coupon, now) = (coupon.parse::<CouponId>().unwrap(), app.now());
    let rows = (0..count).map(|number| {
        let id = CodeId(app.clock.new_id());
        let call = Call::CreatePromotionCode {
            id,
            brand: brand.id,
            coupon,
            affiliate: Some("aff_00000000000070008000000000000000".parse().unwrap()),
            active: true,
            code: format!("CODE-{number}"),
            max_redemptions: None,
        };
        let row = stripe_operation::Model {
            id: app.clock.new_id(),
            brand_id: brand.id,
            livemode: brand.stripe.is_live(),
            kind: OperationKind::CreatePromotionCode,
            coupon_id: coupon,
            code_id: Some(id),
            params: serde_json::to_string(&call).unwrap(),
            status: OperationStatus::Pending,
            attempts: 0,
            next_attempt_at: now,
            leased_until: None,
            last_error: None,
            key_generation: 0,
            created_at: now,
        };
        row.into_active_model()
    });
    let txn = app.instance.app.db.begin().await.unwrap();
    stripe_operation::Entity::insert_many(rows)
        .exec_without_returning(&txn)
        .await
        .unwrap();
    txn.commit().await.unwrap();
}

async fn owed(app: &TestApp, brand: &Brand) -> u64 {
    stripe_operation::Entity::find()
        .filter(stripe_operation::Column::BrandId.eq(brand.id))
        .filter(stripe_operation::Column::Status.eq(OperationStatus::Pending))
        .count(app.db())
        .await
        .unwrap()
}

async fn coupon_of_globex(app: &TestApp) -> String {
    let owner = app.globex_owner();
    let campaign = owner.campaign(CampaignSpec::default()).await;
    owner.coupon(&campaign, CouponSpec::default()).await
}

/// Leaves all that is owed as a long outage does: each has failed often, all in the same second.
async fn tire(app: &TestApp) {
    let pending =
        stripe_operation::Entity::find().filter(stripe_operation::Column::Status.eq(OperationStatus::Pending));
    let txn = app.instance.app.db.begin().await.unwrap();
    for (number, operation) in (0..).zip(pending.all(&txn).await.unwrap()) {
        let row = stripe_operation::ActiveModel {
            id: Set(operation.id),
            attempts: Set(9),
            last_error: Set(Some("no connection".to_owned())),
            next_attempt_at: Set(app.now() + TimeDelta::milliseconds(30_000 - number * 17 % 7_500)),
            ..Default::default()
        };
        row.update(&txn).await.unwrap();
    }
    txn.commit().await.unwrap();
}

both! {
    async fn a_brand_whose_stripe_hangs_holds_up_no_other(app: &TestApp) {
        let (stage, globex) = (app.stage().await, coupon_of_globex(app).await);
        app.standin.fault(Fault::new(FaultKind::Hang).on_key("sk_live_acme").always());
        owe(app, &app.acme, &stage.coupon, 100).await;
        let start = tokio::time::Instant::now();
        app.instance.app.operations.run_due().await.unwrap();
        owe(app, &app.globex, &globex, 100).await;
        eventually("Globex is served", async || {
            app.instance.app.operations.run_due().await.unwrap();
            (owed(app, &app.globex).await == 0).then_some(())
        })
        .await;
        // A call that hangs is given up after ten seconds.
        assert!(start.elapsed() < Duration::from_secs(9), "{:?}", start.elapsed());
        assert_eq!(owed(app, &app.acme).await, 100);
        assert_eq!(app.globex.stripe.all("promotion_code").len(), 100);
    }

    async fn an_outage_with_hundreds_of_calls_owed_is_made_good_within_a_minute(app: &TestApp) {
        let stage = app.stage().await;
        app.standin.fault(Fault::new(FaultKind::DropBefore).always());
        owe(app, &app.acme, &stage.coupon, 300).await;
        // Until the pauses are as long as they get.
        eventually("exhausted patience", async || {
            app.pass(TimeDelta::seconds(30));
            app.work_off().await;
            let tired = stripe_operation::Entity::find().filter(stripe_operation::Column::Attempts.gte(6));
            (tired.count(app.db()).await.unwrap() == 300).then_some(())
        })
        .await;
        app.standin.clear_faults();
        let (restored, start) = (app.now(), tokio::time::Instant::now());
        eventually("everything is made good", async || {
            app.pass(TimeDelta::seconds(1));
            app.work_off().await;
            (owed(app, &app.acme).await == 0).then_some(())
        })
        .await;
        let (waited, worked) = (app.now() - restored, start.elapsed());
        assert!(waited.as_seconds_f64() + worked.as_secs_f64() < 60.0, "{waited} and {worked:?}");
        assert_eq!(app.acme.stripe.all("promotion_code").len(), 301);
        let mut texts: Vec<_> = app.acme.stripe.all("promotion_code").iter().map(|code| code["code"].to_string()).collect();
        texts.sort();
        texts.dedup();
        assert_eq!(texts.len(), 301, "none twice");
    }

    async fn an_outage_of_several_brands_is_made_good_within_a_minute_at_the_rate_of_a_test_key(app: &TestApp) {
        let hooli = hooli(app).await;
        let owner = app.caller(app.token_of(&hooli, Role::Owner, None, None));
        let (stage, tested) = (app.stage().await, set_stage(&owner, CampaignSpec::default(), CouponSpec::default()).await);
        let globex = coupon_of_globex(app).await;
        let brands = [(&app.acme, &stage.coupon, 150), (&app.globex, &globex, 150), (&hooli, &tested.coupon, TESTED)];
        for (brand, coupon, count) in brands {
            owe(app, brand, coupon, count).await;
        }
        tire(app).await;
        // The shortest of their pauses, which nobody can be spared.
        let (restored, start) = (app.now(), tokio::time::Instant::now());
        app.pass(TimeDelta::milliseconds(22_500));
        let left = Duration::from_millis(60_000 - 22_500);
        eventually("everything is made good", async || {
            let passed = TimeDelta::milliseconds(22_500) + TimeDelta::from_std(start.elapsed()).unwrap();
            app.reach(restored + passed);
            app.instance.app.operations.run_due().await.unwrap();
            let mut pending = 0;
            for (brand, ..) in brands {
                pending += owed(app, brand).await;
            }
            (pending == 0).then_some(())
        })
        .await;
        assert!(start.elapsed() < left, "{:?}", start.elapsed());
        for (brand, _, count) in brands {
            let made = brand.stripe.all("promotion_code");
            let texts: BTreeSet<String> = made.iter().map(|code| code["code"].to_string()).collect();
            let staged = usize::from(!std::ptr::eq(brand, &app.globex));
            assert_eq!((made.len(), texts.len()), (count + staged, count + staged), "{}", brand.slug);
        }
    }

    async fn what_must_come_after_something_else_is_not_taken_up_before_it(app: &TestApp) {
        let stage = app.stage().await;
        app.standin.fault(Fault::new(FaultKind::ServerError).on_path("/v1/coupons").always());
        let fields = "id stripeSync { status }";
        let input = CouponSpec::default().with("campaignId", stage.campaign.as_str()).input;
        let coupon = app.max().make("createCampaignCoupon", "campaignCoupon", fields, input).await;
        assert_eq!(coupon["stripeSync"]["status"], "PENDING");
        owe(app, &app.acme, coupon["id"].as_str().unwrap(), 40).await;
        for _ in 0..20 {
            app.pass(TimeDelta::seconds(2));
            app.work_off().await;
        }
        let tried = stripe_operation::Entity::find()
            .filter(stripe_operation::Column::Status.eq(OperationStatus::Pending))
            .filter(stripe_operation::Column::CodeId.is_not_null());
        let tried = tried.all(app.db()).await.unwrap();
        let due = tried.iter().map(|operation| (operation.attempts, operation.next_attempt_at == operation.created_at));
        assert!(due.clone().all(|it| it == (0, true)) && due.count() == 40, "nobody touched them");
        app.standin.clear_faults();
        eventually("everything is made", async || {
            app.pass(TimeDelta::seconds(5));
            app.work_off().await;
            (owed(app, &app.acme).await == 0).then_some(())
        })
        .await;
        assert_eq!(app.acme.stripe.all("promotion_code").len(), 41);
    }
}
