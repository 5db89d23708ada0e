//! A conversion that becomes another affiliate's: the money moves, the trail says why, and each sees what is its own.

use chrono::TimeDelta;
use rekomi::standin::SubscriptionSale;

use crate::support::{socket::Heard, told::trail, *};

const REASON: &str = "bob sent us the invoice";

/// The usual stage, where carol recruited sarah, dora recruited bob, and a recruiter earns 10 %.
struct Played {
    stage: Stage,
    carol: String,
    dora: String,
}

async fn play(app: &TestApp) -> Played {
    let spec = CampaignSpec::default().with("overridePercent", "10");
    let stage = app.stage_with(spec, CouponSpec::default()).await;
    let max = app.max();
    let carol = max.new_affiliate("Carol", &[&stage.campaign]).await;
    let dora = max.new_affiliate("Dora", &[&stage.campaign]).await;
    for (recruit, recruiter) in [(&stage.sarah, &carol), (&stage.bob, &dora)] {
        let input = json!({ "id": recruit, "recruitedById": recruiter });
        max.make("setAffiliateRecruiter", "affiliate", "id", input).await;
    }
    app.pass(TimeDelta::hours(1));
    Played { stage, carol, dora }
}

async fn sold(app: &TestApp) -> SubscriptionSale {
    let sale = app.sale().promo(app.promo("SARAH20")).build();
    sale.sync(&app.acme.stripe);
    app.deliver(&sale.start(Shape::Endive)).await;
    sale
}

async fn renew(app: &TestApp, sale: &mut SubscriptionSale) {
    app.pass(TimeDelta::days(30));
    let number = sale.renew_at(app.now().timestamp());
    sale.sync(&app.acme.stripe);
    app.deliver([&sale.renewal_paid(number, Shape::Endive)]).await;
}

fn reassigned(conversion: &Value, to: &str) -> Value {
    json!({ "id": conversion["id"], "affiliateId": to, "reason": REASON })
}

async fn reassign(app: &TestApp, conversion: &Value, to: &str) -> Value {
    let fields = "affiliate { name } commission { minorUnits } attributionMethod source";
    app.max()
        .make("reassignConversion", "conversion", fields, reassigned(conversion, to))
        .await
}

impl Played {
    /// What sarah, carol, bob and dora have.
    async fn balances(&self, app: &TestApp) -> [String; 4] {
        let (ana, stage) = (app.ana(), &self.stage);
        let mut balances = Vec::new();
        for who in [&stage.sarah, &self.carol, &stage.bob, &self.dora] {
            balances.push(ana.balance(who).await.0);
        }
        balances.try_into().unwrap()
    }
}

fn figures(balances: [&str; 4]) -> [String; 4] {
    balances.map(str::to_owned)
}

both! {
    async fn what_was_earned_and_taken_back_moves_with_its_override(app: &TestApp) {
        let played = play(app).await;
        let mut sale = sold(app).await;
        assert_eq!(played.balances(app).await, figures(["800 USD", "80 USD", "0", "0"]));
        let refund = sale.refund(Shape::Endive, Some(1000), Paid::First);
        sale.sync(&app.acme.stripe);
        app.deliver(&refund).await;
        assert_eq!(played.balances(app).await, figures(["600 USD", "60 USD", "0", "0"]));
        let conversion = app.ana().conversions().await.swap_remove(0);
        assert_eq!(
            reassign(app, &conversion, &played.stage.bob).await,
            json!({
                "affiliate": { "name": "Bob Martin" }, "commission": { "minorUnits": 600 },
                "attributionMethod": "COUPON", "source": "Coupon · SARAH20",
            })
        );
        assert_eq!(played.balances(app).await, figures(["0 USD", "0 USD", "600 USD", "60 USD"]));
        let refund = sale.refund(Shape::Endive, None, Paid::First);
        sale.sync(&app.acme.stripe);
        app.deliver(&refund).await;
        assert_eq!(played.balances(app).await, figures(["0 USD", "0 USD", "0 USD", "0 USD"]));
    }

    async fn what_moves_to_a_rate_in_another_currency_is_taken_back_in_its_own(app: &TestApp) {
        let spec = CampaignSpec::default().flat(1001, "EUR").with("overridePercent", "10");
        let stage = app.stage_with(spec, CouponSpec::default()).await;
        let max = app.max();
        let carol = max.new_affiliate("Carol", &[&stage.campaign]).await;
        for recruit in [&stage.sarah, &stage.bob] {
            let input = json!({ "id": recruit, "recruitedById": carol });
            max.make("setAffiliateRecruiter", "affiliate", "id", input).await;
        }
        let commission = json!({ "percent": "10" });
        let input = json!({ "affiliateId": stage.bob, "campaignId": stage.campaign, "commission": commission });
        max.make("setAffiliateRate", "affiliate", "id", input).await;
        app.pass(TimeDelta::hours(1));
        let mut sale = sold(app).await;
        let refund = sale.refund(Shape::Endive, Some(1000), Paid::First);
        sale.sync(&app.acme.stripe);
        app.deliver(&refund).await;
        // 1001 less 250.25, and 100 less 25.
        let balance = async |who: &str| app.ana().balance(who).await.0;
        assert_eq!((balance(&stage.sarah).await, balance(&carol).await), ("751 EUR".into(), "75 EUR".into()));
        let conversion = app.ana().conversions().await.swap_remove(0);
        reassign(app, &conversion, &stage.bob).await;
        assert_eq!((balance(&stage.sarah).await, balance(&stage.bob).await), ("0 EUR".into(), "300 USD".into()));
        assert_eq!(balance(&carol).await, "0 EUR + 30 USD");
        reassign(app, &conversion, &stage.sarah).await;
        assert_eq!((balance(&stage.sarah).await, balance(&stage.bob).await), ("751 EUR".into(), "0 USD".into()));
        assert_eq!(balance(&carol).await, "75 EUR + 0 USD");
    }

    async fn a_reassigned_sale_is_not_the_codes_any_more_but_its_redemption_is(app: &TestApp) {
        let played = play(app).await;
        sold(app).await;
        let conversion = app.ana().conversions().await.swap_remove(0);
        reassign(app, &conversion, &played.stage.bob).await;
        assert_eq!(
            app.stats().await,
            ["SARAH20 1 redeemed, 0 refunded, 0 renewals, 0, back 0, commission 0"]
        );
        reassign(app, &conversion, &played.stage.sarah).await;
        assert_eq!(
            app.stats().await,
            ["SARAH20 1 redeemed, 0 refunded, 0 renewals, 4000 USD, back 0, commission 800 USD"]
        );
        assert_eq!(played.balances(app).await, figures(["800 USD", "80 USD", "0 USD", "0 USD"]));
    }

    async fn renewals_follow_the_start_but_for_those_that_were_reassigned_by_themselves(app: &TestApp) {
        let played = play(app).await;
        let mut sale = sold(app).await;
        renew(app, &mut sale).await;
        renew(app, &mut sale).await;
        let all = app.ana().conversions().await;
        reassign(app, &all[1], &played.dora).await;
        reassign(app, &all[0], &played.stage.bob).await;
        renew(app, &mut sale).await;
        assert_eq!(
            app.told().await,
            [
                "ACQUISITION APPROVED bob SARAH20 4000 USD, commission 800",
                "RENEWAL APPROVED dora SARAH20 5000 USD, commission 1000",
                "RENEWAL APPROVED bob SARAH20 5000 USD, commission 1000",
                "RENEWAL PENDING bob SARAH20 5000 USD, commission 1000",
            ]
        );
        assert_eq!(played.balances(app).await, figures(["0 USD", "0 USD", "2800 USD", "1280 USD"]));
    }

    async fn the_trail_and_the_audit_log_say_who_and_why(app: &TestApp) {
        let played = play(app).await;
        sold(app).await;
        let conversion = app.ana().conversions().await.swap_remove(0);
        reassign(app, &conversion, &played.stage.bob).await;
        let shown = app.ana().conversions().await;
        assert!(trail(&shown[0]).iter().any(|step| step.contains(REASON)), "{shown:?}");
        let log = "{ auditLog(first: 1) { nodes { action objectId changes { field before after } } } }";
        let entry = app.olivia().query(log).await["auditLog"]["nodes"][0].take();
        assert_eq!(
            entry,
            json!({
                "action": "conversion.reassigned", "objectId": conversion["id"],
                "changes": [
                    { "field": "affiliateId", "before": played.stage.sarah, "after": played.stage.bob },
                    { "field": "reason", "before": null, "after": REASON },
                ],
            })
        );
        let before = app.everything().await;
        reassign(app, &conversion, &played.stage.bob).await;
        assert_eq!(app.everything().await, before);
    }

    async fn the_former_affiliate_sees_it_no_more_and_the_new_one_nothing_of_the_former(app: &TestApp) {
        let played = play(app).await;
        sold(app).await;
        let (sarah, bob) = (app.affiliate(&played.stage.sarah), app.affiliate(&played.stage.bob));
        let query = "subscription { conversionUpdated { conversion { id } } }";
        let token = |id: &str| app.token(rekomi::auth::Role::Affiliate, Some(id), None);
        let mut of_sarah = app.socket(&token(&played.stage.sarah)).await;
        let mut of_bob = app.socket(&token(&played.stage.bob)).await;
        for socket in [&mut of_sarah, &mut of_bob] {
            socket.send(json!({ "id": "1", "type": "subscribe", "payload": { "query": query } })).await;
        }
        let conversion = sarah.conversions().await.swap_remove(0);
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        reassign(app, &conversion, &played.stage.bob).await;
        let Heard::Message(heard) = of_bob.next().await else { panic!("bob hears of it") };
        assert_eq!(heard["payload"]["data"]["conversionUpdated"]["conversion"]["id"], conversion["id"]);
        assert_eq!(sarah.conversions().await, [Value::Null; 0]);
        let one = format!("{{ conversion(id: {}) {{ id }} }}", conversion["id"]);
        assert_eq!(sarah.query(&one).await["conversion"], Value::Null);
        assert_eq!(
            sarah.ledger().await,
            ["sarah COMMISSION 800 USD due 2026-12-01", "sarah COMMISSION -800 USD due 2026-12-01"]
        );
        let entries = sarah.query("{ ledgerEntries { nodes { conversion { id } campaign { name } } } }").await;
        let gone = json!({ "conversion": null, "campaign": { "name": "Spring" } });
        assert_eq!(entries["ledgerEntries"]["nodes"], json!([gone, gone]));
        let shown = bob.conversions().await;
        let text = json!(shown).to_string();
        assert_eq!(shown.len(), 1);
        for secret in ["Sarah", &played.stage.sarah] {
            assert!(!text.contains(secret), "{secret}: {text}");
        }
        of_sarah.close().await;
        of_bob.close().await;
    }

    async fn who_cannot_have_it_is_a_mistake_and_nothing_changes(app: &TestApp) {
        let played = play(app).await;
        sold(app).await;
        let conversion = app.ana().conversions().await.swap_remove(0);
        let max = app.max();
        let elsewhere = max.campaign(CampaignSpec::default()).await;
        let outsider = max.new_affiliate("Outsider", &[&elsewhere]).await;
        let theirs = app.globex_owner().campaign(CampaignSpec::default()).await;
        let stranger = app.globex_owner().new_affiliate("Greta", &[&theirs]).await;
        max.set_status(&played.stage.bob, "SUSPENDED").await;
        let before = app.everything().await;
        let with = |field: &str, value: &str| {
            let mut input = reassigned(&conversion, &played.dora);
            input[field] = json!(value);
            input
        };
        for (input, code, field) in [
            (with("affiliateId", &outsider), "INVALID", "affiliateId"),
            (with("affiliateId", &stranger), "NOT_FOUND", "affiliateId"),
            (with("affiliateId", "nonsense"), "NOT_FOUND", "affiliateId"),
            (with("affiliateId", &played.stage.bob), "AFFILIATE_NOT_APPROVED", "affiliateId"),
            (with("id", "cnv_00000000000070008000000000000000"), "NOT_FOUND", "id"),
            (with("id", "nonsense"), "NOT_FOUND", "id"),
            (with("reason", " "), "INVALID", "reason"),
            (with("reason", &"x".repeat(1001)), "INVALID", "reason"),
        ] {
            let mistakes = max.mistakes("reassignConversion", "conversion", input.clone()).await;
            assert_eq!(mistakes, [mistake(code, field)], "{input}");
        }
        assert_eq!(app.everything().await, before);
    }
}
