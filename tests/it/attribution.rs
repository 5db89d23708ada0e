//! Clicks beside codes, and the brand's server's word: who is credited, what is shown to whom, and what the figures count.

use chrono::TimeDelta;
use entity::ledger_entry;
use rekomi::domain::reports::{Report, ReportedRefund, ReportedSale, Verdict};

use crate::support::{app::NOON, told::trail, *};

const DAY: i64 = 86_400;

/// Sarah's `SARAH20` on a coupon that lets clicks go first, and a day later.
async fn clicks_go_first(app: &TestApp) -> Stage {
    let coupon = CouponSpec::default().with("overridesClickAttribution", false);
    let stage = app.stage_with(CampaignSpec::default(), coupon).await;
    app.pass(TimeDelta::days(1));
    stage
}

/// Who is credited for each sale, by what: `bob LINK SARAH20 Link`, oldest first.
async fn credited(caller: &Caller) -> Vec<String> {
    let query = "{ conversions(first: 100) { nodes {
        affiliate { name } attributionMethod couponCode source code { code } status } } }";
    let data = caller.query(query).await;
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let line = |node: &Value| {
        let name = text(&node["affiliate"]["name"]).to_lowercase();
        let fields = [
            &node["attributionMethod"],
            &node["couponCode"],
            &node["code"]["code"],
            &node["source"],
        ];
        let fields = fields.map(text).join(" ");
        format!("{} {fields} {}", name.split(' ').next().unwrap(), text(&node["status"]))
    };
    data["conversions"]["nodes"]
        .as_array()
        .unwrap()
        .iter()
        .rev()
        .map(line)
        .collect()
}

async fn sells(app: &TestApp, sale: ReportedSale) {
    app.reports(Report::Sale(sale)).await;
}

both! {
    async fn where_the_coupon_lets_clicks_go_first_the_click_is_credited_and_the_code_shown(app: &TestApp) {
        let stage = clicks_go_first(app).await;
        let click = app.click(&stage.bob, &stage.campaign, 1, NOON).await;
        let code = app.reported_code("SARAH20").await;
        sells(app, ReportedSale { click: Some(click), code, ..app.made_outside("1") }).await;
        assert_eq!(credited(&app.ana()).await, ["bob LINK SARAH20 SARAH20 Link PENDING"]);
        assert_eq!(
            app.stats().await,
            ["SARAH20 1 redeemed, 0 refunded, 0 renewals, 0, back 0, commission 0"]
        );
        assert_eq!(app.ana().balance(&stage.bob).await, ("1000 USD".into(), "0 USD".into()));
        assert_eq!(app.ana().balance(&stage.sarah).await, ("0".into(), "0".into()));
        assert_eq!(
            trail(&app.ana().conversions().await[0]),
            [
                format!("CLICK CREDITED {click} was followed at 2026-11-01T12:00:00Z"),
                "CODE PASSED_OVER SARAH20: its coupon lets clicks go before it".to_owned(),
            ]
        );
        // In full back: the redemption goes, no revenue ever was the code's.
        let refund = ReportedRefund { refunded_external_id: "1".into(), amount: None };
        app.reports(Report::Refund(refund)).await;
        assert_eq!(
            app.stats().await,
            ["SARAH20 0 redeemed, 1 refunded, 0 renewals, 0, back 0, commission 0"]
        );
        assert_eq!(app.ana().balance(&stage.bob).await, ("0 USD".into(), "0 USD".into()));
    }

    async fn whoever_is_credited_by_link_is_not_told_of_anothers_code(app: &TestApp) {
        let stage = clicks_go_first(app).await;
        let click = app.click(&stage.bob, &stage.campaign, 1, NOON).await;
        let code = app.reported_code("SARAH20").await;
        sells(app, ReportedSale { click: Some(click), code, ..app.made_outside("1") }).await;
        let bob = app.affiliate(&stage.bob);
        assert_eq!(credited(&bob).await, ["bob LINK - - Link PENDING"]);
        let told = trail(&bob.conversions().await[0]);
        assert_eq!(told.len(), 1, "{told:?}");
        for filter in [json!({ "couponCode": "sarah20" }), json!({ "codeId": stage.code })] {
            let query = "query($filter: ConversionFilter) { conversions(filter: $filter) { totalCount } }";
            let count = async |caller: &Caller| {
                let data = caller.query_with(query, json!({ "filter": filter })).await;
                data["conversions"]["totalCount"].as_i64().unwrap()
            };
            assert_eq!((count(&bob).await, count(&app.ana()).await), (0, 1), "{filter}");
        }
    }

    async fn an_affiliate_with_code_and_click_is_told_of_its_own_code(app: &TestApp) {
        let stage = clicks_go_first(app).await;
        let click = app.click(&stage.sarah, &stage.campaign, 1, NOON).await;
        let code = app.reported_code("SARAH20").await;
        sells(app, ReportedSale { click: Some(click), code, ..app.made_outside("1") }).await;
        let sarah = app.affiliate(&stage.sarah);
        assert_eq!(credited(&sarah).await, ["sarah LINK SARAH20 SARAH20 Link PENDING"]);
        assert_eq!(
            app.stats().await,
            ["SARAH20 1 redeemed, 0 refunded, 0 renewals, 0, back 0, commission 0"]
        );
    }

    async fn a_changed_toggle_counts_for_sales_from_then_on(app: &TestApp) {
        let stage = app.stage().await;
        app.pass(TimeDelta::days(1));
        let click = app.click(&stage.bob, &stage.campaign, 1, NOON).await;
        let code = app.reported_code("SARAH20").await;
        let first = ReportedSale { click: Some(click), code, ..app.made_outside("1") };
        sells(app, first.clone()).await;
        app.pass(TimeDelta::days(1));
        let input = json!({ "id": stage.coupon, "overridesClickAttribution": false });
        app.max().make("updateCampaignCoupon", "campaignCoupon", "id", input).await;
        app.pass(TimeDelta::days(1));
        let second = ReportedSale { external_id: "2".into(), at: app.now().timestamp(), ..first.clone() };
        sells(app, second).await;
        // The old one is told of again.
        sells(app, first).await;
        let expected = ["sarah COUPON SARAH20 SARAH20 Coupon · SARAH20 PENDING", "bob LINK SARAH20 SARAH20 Link PENDING"];
        assert_eq!(credited(&app.ana()).await, expected);
        // And on again.
        app.pass(TimeDelta::days(1));
        let input = json!({ "id": stage.coupon, "overridesClickAttribution": true });
        app.max().make("updateCampaignCoupon", "campaignCoupon", "id", input).await;
        assert_eq!(app.count::<entity::coupon_rule::Entity>().await, 3);
    }

    async fn a_shared_code_beside_a_click_is_the_clicks_and_alone_it_is_nobodys(app: &TestApp) {
        let stage = app.stage().await;
        let input = json!({ "campaignId": stage.campaign, "couponId": stage.coupon, "code": "SPRING" });
        app.max().make("setCampaignCode", "campaign", "id", input).await;
        app.pass(TimeDelta::days(1));
        let click = app.click(&stage.bob, &stage.campaign, 1, NOON).await;
        let code = app.reported_code("SPRING").await;
        sells(app, ReportedSale { code: code.clone(), ..app.made_outside("1") }).await;
        assert_eq!(credited(&app.ana()).await, [""; 0]);
        sells(app, ReportedSale { code, click: Some(click), ..app.made_outside("2") }).await;
        assert_eq!(credited(&app.ana()).await, ["bob LINK SPRING - Link PENDING"]);
        assert_eq!(credited(&app.affiliate(&stage.bob)).await, ["bob LINK SPRING - Link PENDING"]);
    }

    async fn the_window_and_the_model_are_those_of_the_campaign_at_the_sales_time(app: &TestApp) {
        let campaign = CampaignSpec::default().with("cookieWindowDays", 10).with("clickModel", "FIRST_CLICK");
        let stage = app.stage_with(campaign, CouponSpec::default()).await;
        app.click(&stage.sarah, &stage.campaign, 1, NOON).await;
        let click = app.click(&stage.bob, &stage.campaign, 1, NOON + 5 * DAY).await;
        let sold = |name: &str, day: i64| ReportedSale {
            click: Some(click),
            at: NOON + day * DAY,
            ..app.made_outside(name)
        };
        for (name, day) in [("1", 9), ("2", 10), ("3", 11), ("4", 15), ("5", 16), ("6", 4)] {
            sells(app, sold(name, day)).await;
        }
        // Day 4 is before Bob's click; day 16 is beyond every window.
        let by = |who: &str| format!("{who} LINK - - Link PENDING");
        assert_eq!(
            credited(&app.ana()).await,
            [by("sarah"), by("sarah"), by("sarah"), by("bob"), by("bob")]
        );
        app.pass(TimeDelta::days(20));
        let input = json!({ "id": stage.campaign, "cookieWindowDays": 100, "clickModel": "LAST_CLICK" });
        app.max().make("updateCampaign", "campaign", "id", input).await;
        sells(app, sold("7", 21)).await;
        sells(app, sold("5", 16)).await;
        assert_eq!(credited(&app.ana()).await.len(), 6);
        assert_eq!(credited(&app.ana()).await[5], by("bob"));
    }

    async fn a_server_that_names_an_affiliate_is_believed_where_nothing_else_speaks(app: &TestApp) {
        let stage = app.stage().await;
        app.pass(TimeDelta::days(1));
        let affiliate = Some(stage.sarah.parse().unwrap());
        let campaign = Some(stage.campaign.parse().unwrap());
        let link = Some(app.link(&stage.bob, &stage.campaign).await);
        let named = ReportedSale { affiliate, campaign, ..app.made_outside("1") };
        sells(app, named.clone()).await;
        sells(app, ReportedSale { link, ..app.made_outside("2") }).await;
        sells(app, ReportedSale { link, external_id: "3".into(), ..named.clone() }).await;
        let click = Some(app.click(&stage.bob, &stage.campaign, 1, NOON).await);
        sells(app, ReportedSale { click, external_id: "4".into(), ..named }).await;
        sells(app, app.made_outside("5")).await;
        assert_eq!(
            credited(&app.ana()).await,
            [
                "sarah S2S - - S2S PENDING",
                "bob S2S - - S2S PENDING",
                "sarah S2S - - S2S PENDING",
                "bob LINK - - Link PENDING",
            ]
        );
    }

    async fn a_refund_that_is_reported_before_its_sale_counts_when_the_sale_comes(app: &TestApp) {
        let stage = app.stage().await;
        app.pass(TimeDelta::days(1));
        let amount = Some((2000, "USD".parse().unwrap()));
        let refund = ReportedRefund { refunded_external_id: "1".into(), amount };
        app.reports(Report::Refund(refund)).await;
        assert_eq!(app.told().await, [""; 0]);
        let code = app.reported_code("SARAH20").await;
        sells(app, ReportedSale { code, tax: 333, ..app.made_outside("1") }).await;
        assert_eq!(
            app.told().await,
            ["ONE_OFF PARTIALLY_REFUNDED sarah SARAH20 5000 USD, tax 333, refunded 2000, commission 600"]
        );
        assert_eq!(app.ana().balance(&stage.sarah).await.0, "600 USD");
    }

    async fn what_a_manager_reassigns_and_rejects_is_taken_from_one_and_given_to_the_other(app: &TestApp) {
        let stage = app.stage().await;
        app.pass(TimeDelta::days(1));
        let mut sale = app.sale().promo(app.promo("SARAH20")).build();
        let number = sale.renew_at(sale.facts.created + 30 * DAY);
        sale.sync(&app.acme.stripe);
        app.deliver(&sale.start(Shape::Endive)).await;
        let start = sale.subscription.clone();
        app.decides(&start, Verdict::Reassigned(stage.bob.parse().unwrap())).await;
        app.deliver([&sale.renewal_paid(number, Shape::Endive)]).await;
        assert_eq!(
            credited(&app.ana()).await,
            ["bob COUPON SARAH20 SARAH20 Coupon · SARAH20 PENDING"; 2]
        );
        assert_eq!(credited(&app.affiliate(&stage.bob)).await, ["bob COUPON - - Coupon PENDING"; 2]);
        assert_eq!(app.ana().balance(&stage.sarah).await.0, "0 USD");
        assert_eq!(app.ana().balance(&stage.bob).await.0, "1800 USD");
        // What the code brought in was not its affiliate's to earn.
        assert_eq!(
            app.stats().await,
            ["SARAH20 1 redeemed, 0 refunded, 0 renewals, 0, back 0, commission 0"]
        );
        app.decides(&start, Verdict::Rejected).await;
        assert_eq!(app.ana().balance(&stage.bob).await.0, "1000 USD");
        assert!(credited(&app.ana()).await[0].ends_with("REJECTED"));
        app.decides(&start, Verdict::Approved).await;
        assert_eq!(app.ana().balance(&stage.bob).await.0, "1800 USD");
        app.decides(&start, Verdict::Reassigned(stage.sarah.parse().unwrap())).await;
        assert_eq!(app.ana().balance(&stage.bob).await.0, "0 USD");
        assert_eq!(app.ana().balance(&stage.sarah).await.0, "1800 USD");
        assert_eq!(
            app.stats().await,
            ["SARAH20 1 redeemed, 0 refunded, 1 renewals, 9000 USD, back 0, commission 1800 USD"]
        );
    }

    async fn what_was_held_earns_once_it_is_approved(app: &TestApp) {
        let stage = app.stage().await;
        app.max().set_status(&stage.sarah, "SUSPENDED").await;
        app.pass(TimeDelta::days(1));
        let code = app.reported_code("SARAH20").await;
        sells(app, ReportedSale { code, ..app.made_outside("1") }).await;
        assert_eq!(app.count::<ledger_entry::Entity>().await, 0);
        app.decides("s2s:1", Verdict::Approved).await;
        assert_eq!(app.told().await, ["ONE_OFF PENDING sarah SARAH20 5000 USD, commission 1000"]);
        assert_eq!(app.ana().balance(&stage.sarah).await, ("1000 USD".into(), "0 USD".into()));
    }
}
