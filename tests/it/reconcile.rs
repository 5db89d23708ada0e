//! `rekomi reconcile`: what differs at Stripe is found without any event, and mended on demand.

use sea_orm::{EntityTrait, Set};

use crate::support::{app::ENCRYPTION_KEY, binary::Home, *};

pub fn home(app: &TestApp) -> Home {
    let mut home = Home::bare();
    home.set("DATABASE_URL", &app.database.url);
    home.set("STRIPE_API_BASE", &app.standin.url());
    home.set("REKOMI_ENCRYPTION_KEY", ENCRYPTION_KEY);
    home
}

/// Whether nothing is left, and what is printed for Acme, as `name: drift [repair]`; the summary last.
pub async fn reconcile(app: &TestApp, more: &[&str]) -> (bool, Vec<String>) {
    // The command's clock is the system's; what tests record is of the same time or before.
    let output = home(app).run(&[&["reconcile", "--brand", "acme", "--json"], more].concat());
    let text = String::from_utf8(output.stdout).unwrap();
    let lines = text.lines().map(|line| {
        let line: Value = serde_json::from_str(line).unwrap();
        match (line["drift"].as_str(), line["repair"].as_str()) {
            (Some(drift), None) => format!("{}: {drift}", line["name"].as_str().unwrap()),
            (Some(drift), Some(repair)) => format!("{}: {drift} [{repair}]", line["name"].as_str().unwrap()),
            (None, _) => format!(
                "{} {} {} {}",
                line["coupons"], line["codes"], line["differences"], line["left"]
            ),
        }
    });
    let lines = lines.collect();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        output.status.success() || said.contains("differences that are left"),
        "{said}"
    );
    (output.status.success(), lines)
}

pub async fn status(app: &TestApp, code: &str) -> Value {
    let query = format!("{{ node(id: \"{code}\") {{ ... on AffiliateCode {{ status inactiveReason }} }} }}");
    app.ana().query(&query).await["node"].take()
}

pub fn is_on(app: &TestApp, text: &str) -> Vec<Value> {
    let codes = app.acme.stripe.promotion_codes(text);
    codes.iter().map(|code| code["active"].clone()).collect()
}

both! {
    async fn where_nothing_differs_it_says_so_and_changes_nothing(app: &TestApp) {
        app.stage().await;
        app.acme.stripe.make_coupon("id=theirs&percent_off=10&duration=once", Shape::Endive).unwrap();
        app.acme.stripe.make_code("promotion[type]=coupon&promotion[coupon]=theirs&code=THEIRS", Shape::Endive).unwrap();
        let operations = app.state().await.count("stripe_operation");
        for more in [&[] as &[&str], &["--repair"]] {
            assert_eq!(reconcile(app, more).await, (true, vec!["1 1 0 0".to_owned()]));
        }
        assert_eq!(app.state().await.count("stripe_operation"), operations);
    }

    async fn what_differs_is_found_shown_and_mended(app: &TestApp) {
        let stage = app.stage().await;
        let bob = app.max().mint(&stage.coupon, &stage.bob, "BOB20").await;
        app.max().make("deactivateAffiliateCode", "affiliateCode", "id", json!({ "id": bob })).await;
        let stripe = &app.acme.stripe;
        stripe.switch(&app.promo("SARAH20").promotion_code_id, false, Shape::Endive).unwrap();
        stripe.switch(&app.promo("BOB20").promotion_code_id, true, Shape::Endive).unwrap();
        stripe.rename_coupon(&stage.coupon, "Sale", Shape::Endive).unwrap();
        let orphan = format!(
            "promotion[type]=coupon&promotion[coupon]={}&code=ORPHAN&metadata[rekomi_affiliate_coupon_id]=cod_00000000000070008000000000000000&metadata[rekomi_brand_id]={}",
            stage.coupon, app.acme.id
        );
        stripe.make_code(&orphan, Shape::Endive).unwrap();
        let (clean, mut told) = reconcile(app, &[]).await;
        told.sort();
        assert_eq!(
            (clean, told),
            (false, vec![
                "1 2 4 4".to_owned(),
                "BOB20: It is off here, and switched on at Stripe.".to_owned(),
                "Launch: Stripe calls it \"Sale\".".to_owned(),
                "ORPHAN: Stripe has it switched on, and no code here has it.".to_owned(),
                "SARAH20: It is on here, and switched off at Stripe.".to_owned(),
            ])
        );
        assert_eq!(status(app, &stage.code).await["inactiveReason"], "DEACTIVATED_AT_STRIPE");
        let (clean, told) = reconcile(app, &["--repair"]).await;
        assert!(clean && told[..4].iter().all(|line| line.ends_with(" [repaired]")), "{told:?}");
        assert_eq!(told[4], "1 2 4 0");
        assert_eq!((is_on(app, "SARAH20"), is_on(app, "BOB20"), is_on(app, "ORPHAN")), (vec![json!(true)], vec![json!(false)], vec![json!(false)]));
        assert_eq!(stripe.get("coupon", &stage.coupon).unwrap()["name"], "Launch");
        assert_eq!(status(app, &stage.code).await["status"], "ACTIVE");
        assert_eq!(reconcile(app, &["--repair"]).await, (true, vec!["1 2 0 0".to_owned()]));
        let log = app.olivia().query("{ auditLog(filter: { action: \"stripe.repaired\" }) { nodes { actor } } }").await;
        assert_eq!(log["auditLog"]["nodes"].as_array().unwrap().len(), 4);
    }

    async fn a_code_that_stripe_does_not_have_is_made_and_keeps_its_sales(app: &TestApp) {
        let stage = app.stage().await;
        let lost = entity::code::ActiveModel { stripe_id: Set(Some("promo_lost".to_owned())), ..Default::default() };
        let known = entity::promotion_code::ActiveModel { stripe_id: Set("promo_lost".to_owned()), ..Default::default() };
        let txn = app.instance.app.db.begin().await.unwrap();
        entity::code::Entity::update_many().set(lost).exec(&txn).await.unwrap();
        entity::promotion_code::Entity::update_many().set(known).exec(&txn).await.unwrap();
        txn.commit().await.unwrap();
        app.acme.stripe.switch(&app.promo("SARAH20").promotion_code_id, false, Shape::Endive).unwrap();
        assert_eq!(
            reconcile(app, &[]).await,
            (false, vec!["SARAH20: Stripe does not have it.".to_owned(), "1 1 1 1".to_owned()])
        );
        assert_eq!(status(app, &stage.code).await["inactiveReason"], "MISSING_AT_STRIPE");
        let (clean, told) = reconcile(app, &["--repair"]).await;
        assert_eq!((clean, told[0].as_str()), (true, "SARAH20: Stripe does not have it. [repaired]"));
        assert_eq!(is_on(app, "SARAH20"), [json!(false), json!(true)]);
        assert_eq!(status(app, &stage.code).await["status"], "ACTIVE");
        let sale = app.sale().promo(app.promo("SARAH20")).build();
        sale.sync(&app.acme.stripe);
        app.deliver(&sale.start(Shape::Endive)).await;
        assert_eq!(app.told().await, ["ACQUISITION PENDING sarah SARAH20 4000 USD, commission 800"]);
    }

    async fn a_coupon_that_is_gone_cannot_be_mended(app: &TestApp) {
        let stage = app.stage().await;
        app.acme.stripe.delete_coupon(&stage.coupon, Shape::Endive).unwrap();
        let (clean, told) = reconcile(app, &["--repair"]).await;
        let why = "[a coupon's id cannot be used again: mint on another coupon]";
        assert_eq!(
            (clean, told),
            (false, vec![
                format!("Launch: It was deleted at Stripe. {why}"),
                format!("SARAH20: Its coupon was deleted at Stripe. {why}"),
                "1 1 2 2".to_owned(),
            ])
        );
        assert_eq!(status(app, &stage.code).await["inactiveReason"], "COUPON_DELETED_AT_STRIPE");
    }

    async fn many_codes_are_read_page_by_page(app: &TestApp) {
        let stage = app.stage().await;
        for number in 0..120 {
            let form = format!("promotion[type]=coupon&promotion[coupon]={}&code=OTHER{number}", stage.coupon);
            app.acme.stripe.make_code(&form, Shape::Endive).unwrap();
        }
        assert_eq!(reconcile(app, &[]).await, (true, vec!["1 1 0 0".to_owned()]));
        let calls = app.standin.calls();
        let pages = calls.iter().filter(|call| call.method == "GET" && call.path == "/v1/promotion_codes");
        assert_eq!(pages.count(), 2);
    }

    async fn a_refusal_names_what_is_wrong(app: &TestApp) {
        let refusal = home(app).refusal(&["reconcile", "--brand", "nobody"]);
        assert!(refusal.contains("--brand"), "{refusal}");
        app.standin.fault(Fault::new(FaultKind::Forbidden).on_path("/v1/coupons").always());
        let refusal = home(app).refusal(&["reconcile", "--brand", "acme"]);
        assert!(refusal.contains("acme: Stripe: The provided key does not have"), "{refusal}");
    }
}
