//! `rekomi backfill`: what it prints, and that a refusal names what is to be mended.

use rekomi::domain::brands::{self, BrandInput};

use crate::support::{app::ENCRYPTION_KEY, binary::Home, *};

fn home(app: &TestApp) -> Home {
    let mut home = Home::bare();
    home.set("DATABASE_URL", &app.database.url);
    home.set("STRIPE_API_BASE", &app.standin.url());
    home.set("REKOMI_ENCRYPTION_KEY", ENCRYPTION_KEY);
    home
}

fn lines(text: &[u8]) -> Vec<Value> {
    let text = std::str::from_utf8(text).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// A brand without a Stripe key.
async fn keyless(app: &TestApp) {
    let server = &app.instance.app;
    let input = BrandInput {
        name: Some("Initech".into()),
        slug: Some("initech".into()),
        ..BrandInput::default()
    };
    brands::create(&server.db, &app.clock, &server.config.vault, &input)
        .await
        .unwrap();
}

both! {
    async fn a_line_for_each_brand_and_list_is_printed_and_the_server_does_the_rest(app: &TestApp) {
        app.stage().await;
        keyless(app).await;
        let sale = app.sale().promo(app.promo("SARAH20")).build();
        sale.sync(&app.acme.stripe);
        app.acme.stripe.put(sale.invoice_paid(Shape::Endive));
        let output = home(app).run(&["backfill", "--since", "3650d"]);
        let (printed, said) = (lines(&output.stdout), String::from_utf8(output.stderr).unwrap());
        assert!(output.status.success(), "{said}");
        assert_eq!(said.trim(), "initech: left out, as it has no Stripe key");
        assert_eq!(printed.len(), 16);
        let line = |brand: &str, list: &str, count: u64| json!({ "brand": brand, "mode": "live", "list": list, "fetched": count, "new": count });
        assert_eq!(printed[..3], [line("acme", "events", 1), line("acme", "invoices", 1), line("acme", "subscriptions", 1)]);
        assert_eq!(printed[15], line("globex", "coupon_events", 0));
        app.settle().await;
        assert_eq!(app.told().await, ["ACQUISITION PENDING sarah SARAH20 4000 USD, commission 800"]);
        let log = app.olivia().query("{ auditLog(filter: { action: \"events.backfilled\" }) { nodes { actor objectId } } }").await;
        assert_eq!(log["auditLog"]["nodes"].as_array().unwrap().len(), 1, "{log}");

        let again = home(app).ok(&["backfill", "--since", "3650d", "--brand", "acme"]);
        let again = lines(again.as_bytes());
        assert_eq!((again.len(), again.iter().map(|line| line["new"].as_u64().unwrap()).sum::<u64>()), (8, 0));
    }

    async fn what_could_not_be_fetched_is_named_and_the_rest_is_kept(app: &TestApp) {
        app.acme.stripe.put(app.sale().build().invoice_paid(Shape::Acacia));
        app.standin.fault(Fault::new(FaultKind::Forbidden).on_path("/v1/disputes").always());
        let output = home(app).run(&["backfill", "--since", "3650d", "--brand", "acme"]);
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success());
        assert!(said.contains("acme: not fetched: disputes (The provided key does not have"), "{said}");
        let printed = lines(&output.stdout);
        assert_eq!((printed.len(), &printed[0]["new"]), (8, &json!(1)));
        assert!(printed[5]["error"].as_str().unwrap().contains("permissions"));
        assert_eq!(app.inbox().await, 1);
        app.settle().await;
    }

    async fn a_refusal_names_the_flag_and_changes_nothing(app: &TestApp) {
        keyless(app).await;
        let before = app.everything().await;
        let cases: [(&[&str], &str); 6] = [
            (&["--since", "yesterday"], "--since"),
            (&["--since", "9999-01-01"], "--since"),
            (&["--since", "1969-01-01"], "--since"),
            (&["--since", "1d", "--brand", "nobody"], "--brand"),
            (&["--since", "1d", "--brand", "initech"], "--brand"),
            (&[], "--since"),
        ];
        for (args, flag) in cases {
            let refusal = home(app).refusal(&[&["backfill"], args].concat());
            assert!(refusal.contains(flag), "{args:?}: {refusal}");
        }
        assert_eq!(app.everything().await, before);
        assert_eq!(app.standin.calls().len(), 0);
    }
}
