//! Who gets the credit: several codes on one sale, unapproved affiliates, self-referrals, subscriptions that keep theirs.

use entity::ledger_entry;

use crate::support::{app::NOON, cast::id, told::trail, *};

const DAY: i64 = 86_400;

/// Bob's `BOB30`, on a coupon of 30 %.
async fn bobs_code(app: &TestApp, stage: &Stage) -> String {
    let max = app.max();
    let coupon = max.coupon(&stage.campaign, CouponSpec::default().percent("30")).await;
    max.mint(&coupon, &stage.bob, "BOB30").await
}

both! {
    async fn of_two_codes_the_largest_discount_wins_and_both_redemptions_count(app: &TestApp) {
        let stage = app.stage().await;
        bobs_code(app, &stage).await;
        for shape in Shape::ALL {
            for codes in [["SARAH20", "BOB30"], ["BOB30", "SARAH20"]] {
                let sale = app.sale().promo(app.promo(codes[0])).promo(app.promo(codes[1])).build();
                sale.sync(&app.acme.stripe);
                app.deliver(&sale.start(shape)).await;
            }
        }
        // 5000 less 20 % and 30 % is 2800, whichever comes first.
        assert_eq!(
            app.told().await,
            ["ACQUISITION PENDING bob BOB30 2800 USD, commission 560"; 8]
        );
        for conversion in app.ana().conversions().await {
            assert_eq!(
                trail(&conversion),
                [
                    "CODE CREDITED BOB30 was redeemed",
                    "CODE PASSED_OVER SARAH20: its discount is smaller",
                ]
            );
        }
        assert_eq!(
            app.stats().await,
            [
                "SARAH20 8 redeemed, 0 refunded, 0 renewals, 0, back 0, commission 0",
                "BOB30 8 redeemed, 0 refunded, 0 renewals, 22400 USD, back 0, commission 4480 USD",
            ]
        );
    }

    async fn of_two_equal_discounts_the_one_redeemed_first_wins(app: &TestApp) {
        let stage = app
            .stage_with(CampaignSpec::default(), CouponSpec::default().amount(500, "USD"))
            .await;
        app.max().mint(&stage.coupon, &stage.bob, "BOB5").await;
        let sale = app.sale().promo(app.promo("BOB5")).promo(app.promo("SARAH20")).build();
        sale.sync(&app.acme.stripe);
        app.deliver(&sale.start(Shape::Endive)).await;
        assert_eq!(
            app.told().await,
            ["ACQUISITION PENDING bob BOB5 4000 USD, commission 800"]
        );
        let steps = trail(&app.ana().conversions().await[0]);
        assert_eq!(steps[1], "CODE PASSED_OVER SARAH20: it was redeemed later");
    }

    async fn an_unapproved_affiliate_is_passed_over_where_an_approved_one_stands_beside_it(app: &TestApp) {
        let stage = app.stage().await;
        bobs_code(app, &stage).await;
        app.max().set_status(&stage.bob, "SUSPENDED").await;
        let sale = app.sale().promo(app.promo("SARAH20")).promo(app.promo("BOB30")).build();
        sale.sync(&app.acme.stripe);
        app.deliver(&sale.start(Shape::Endive)).await;
        assert_eq!(
            app.told().await,
            ["ACQUISITION PENDING sarah SARAH20 2800 USD, commission 560"]
        );
        let steps = trail(&app.ana().conversions().await[0]);
        assert_eq!(steps[1], "CODE PASSED_OVER BOB30: its affiliate was not approved");
    }

    async fn a_sale_of_an_unapproved_affiliate_is_held_and_earns_nothing(app: &TestApp) {
        let stage = app.stage().await;
        app.max().set_status(&stage.sarah, "SUSPENDED").await;
        for shape in Shape::ALL {
            let sale = app.sale().promo(app.promo("SARAH20")).build();
            sale.sync(&app.acme.stripe);
            app.deliver(&sale.start(shape)).await;
        }
        assert_eq!(
            app.told().await,
            ["ACQUISITION HELD sarah SARAH20 4000 USD, commission 0"; 4]
        );
        assert_eq!(app.count::<ledger_entry::Entity>().await, 0);
        assert_eq!(app.ana().balance(&stage.sarah).await, ("0".into(), "0".into()));
        assert_eq!(
            app.stats().await,
            ["SARAH20 4 redeemed, 0 refunded, 0 renewals, 16000 USD, back 0, commission 0"]
        );
        let steps = trail(&app.ana().conversions().await[0]);
        assert_eq!(
            steps[1],
            "AFFILIATE_APPROVED HELD the affiliate was not approved at the time of the sale"
        );
    }

    async fn an_affiliates_status_counts_as_it_was_at_the_time_of_the_sale(app: &TestApp) {
        let stage = app.stage().await;
        app.pass(chrono::TimeDelta::days(2));
        app.max().set_status(&stage.sarah, "SUSPENDED").await;
        app.pass(chrono::TimeDelta::days(2));
        app.max().set_status(&stage.sarah, "APPROVED").await;
        app.pass(chrono::TimeDelta::days(2));
        for day in [1, 3, 5] {
            let sale = app.sale().created(NOON + day * DAY).promo(app.promo("SARAH20")).build();
            sale.sync(&app.acme.stripe);
            app.deliver(&sale.start(Shape::Acacia)).await;
        }
        assert_eq!(
            app.told().await,
            [
                "ACQUISITION PENDING sarah SARAH20 4000 USD, commission 800",
                "ACQUISITION HELD sarah SARAH20 4000 USD, commission 0",
                "ACQUISITION PENDING sarah SARAH20 4000 USD, commission 800",
            ]
        );
    }

    async fn a_self_referral_is_held_whatever_the_case_of_the_e_mail(app: &TestApp) {
        app.stage().await;
        for shape in Shape::ALL {
            let sale = app
                .sale()
                .promo(app.promo("SARAH20"))
                .email("Sarah.Jones@Affiliates.example")
                .build();
            sale.sync(&app.acme.stripe);
            app.deliver(&sale.start(shape)).await;
        }
        assert_eq!(
            app.told().await,
            ["ACQUISITION HELD sarah SARAH20 4000 USD, commission 0"; 4]
        );
        assert_eq!(app.count::<ledger_entry::Entity>().await, 0);
        let steps = trail(&app.ana().conversions().await[0]);
        assert_eq!(steps[1], "SELF_REFERRAL HELD the customer's e-mail is the affiliate's");
    }

    async fn a_new_code_on_a_renewal_counts_its_redemption_and_the_credit_stays(app: &TestApp) {
        let stage = app.stage_with(CampaignSpec::default(), CouponSpec::default()).await;
        bobs_code(app, &stage).await;
        let mut sale = app.sale().promo(app.promo("SARAH20")).build();
        sale.sync(&app.acme.stripe);
        app.deliver(&sale.start(Shape::Endive)).await;
        let number = sale.renew_at(sale.facts.created + 30 * DAY);
        let mut renewal = sale.renewal_paid(number, Shape::Acacia);
        let discount = json!({
            "id": "di_bob", "object": "discount", "start": NOON, "promotion_code": app.promo("BOB30").promotion_code_id,
        });
        renewal["data"]["object"]["discount"] = discount;
        renewal["data"]["object"]["total_discount_amounts"] = json!([{ "amount": 1500, "discount": "di_bob" }]);
        app.deliver([&renewal]).await;
        assert_eq!(
            app.told().await[1],
            "RENEWAL PENDING sarah SARAH20 5000 USD, commission 1000"
        );
        assert_eq!(
            trail(&app.ana().conversions().await[1]),
            [
                "SUBSCRIPTION CREDITED SARAH20 earned the subscription",
                "CODE PASSED_OVER BOB30: renewals stay with who earned the subscription",
            ]
        );
        assert_eq!(
            app.stats().await,
            [
                "SARAH20 1 redeemed, 0 refunded, 1 renewals, 9000 USD, back 0, commission 1800 USD",
                "BOB30 1 redeemed, 0 refunded, 0 renewals, 0, back 0, commission 0",
            ]
        );
    }

    async fn a_code_on_every_invoice_is_redeemed_once(app: &TestApp) {
        app.stage_with(
            CampaignSpec::default(),
            CouponSpec::default().with("duration", "FOREVER"),
        )
        .await;
        for shape in Shape::ALL {
            let mut sale = app.sale().promo(app.promo("SARAH20")).build();
            let number = sale.renew_at(sale.facts.created + 30 * DAY);
            sale.sync(&app.acme.stripe);
            app.deliver(&sale.start(shape)).await;
            app.deliver([&sale.renewal_paid(number, shape)]).await;
        }
        let renewal = "RENEWAL PENDING sarah SARAH20 4000 USD, commission 800";
        assert_eq!(app.told().await[4..], [renewal; 4]);
        assert_eq!(
            app.stats().await,
            ["SARAH20 4 redeemed, 0 refunded, 4 renewals, 32000 USD, back 0, commission 6400 USD"]
        );
        let sarah = app.ana().query("{ affiliates(first: 1) { nodes { id } } }").await;
        let sarah = id(&sarah["affiliates"]["nodes"][0]);
        assert_eq!(app.ana().redemption_count(&sarah).await, 4);
    }

    async fn what_exists_keeps_attributing_when_it_is_switched_off_archived_or_deleted(app: &TestApp) {
        let stage = app.stage().await;
        let promo = app.promo("SARAH20");
        let max = app.max();
        max.make(
            "deactivateAffiliateCode",
            "affiliateCode",
            "id",
            json!({ "id": stage.code }),
        )
        .await;
        max.make(
            "updateCampaignCoupon",
            "campaignCoupon",
            "id",
            json!({ "id": stage.coupon, "archived": true }),
        )
        .await;
        max.mutate("deleteCampaignCoupon", "deletedId", json!({ "id": stage.coupon }))
            .await;
        let sale = app.sale().promo(promo).build();
        sale.sync(&app.acme.stripe);
        app.deliver(&sale.start(Shape::Endive)).await;
        assert_eq!(
            app.told().await,
            ["ACQUISITION PENDING sarah SARAH20 4000 USD, commission 800"]
        );
    }
}
