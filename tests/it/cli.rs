//! The command line: what each command prints, and that a refusal names what is to be mended.

use rekomi::{clock::Clock, standin::StandIn};

use crate::support::{
    app::http,
    binary::{Home, KEY, WEBHOOK_SECRET},
    cast::set_stage,
    *,
};

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

async fn home(database: database::Database) -> (Home, StandIn) {
    let standin = StandIn::start(Clock::system()).await.unwrap();
    (Home::new(database, &standin), standin)
}

on_both! {
    async fn brands_are_created_changed_and_listed(database: Database) {
        let (home, _standin) = home(database).await;
        let acme = parsed(&home.ok(&["brand", "create", "--name", "Acme Inc."]));
        assert_eq!(
            acme,
            json!({
                "id": acme["id"], "slug": acme["slug"], "name": "Acme Inc.", "tier": "starter", "trialEndsAt": acme["trialEndsAt"],
                "default": true, "timeZone": "UTC", "stripeAccount": null, "hasStripeSecretKey": false, "hasStripeWebhookSecret": false,
            })
        );
        assert!(acme["id"].as_str().unwrap().starts_with("brd_") && acme["trialEndsAt"].is_string());
        let create = [
            "brand",
            "create",
            "--name",
            "Globex",
            "--slug",
            "globex",
            "--tier",
            "pro",
            "--stripe-account",
            "acct_globex",
        ];
        let globex = parsed(&home.ok(&create));
        assert_eq!(
            (&globex["tier"], &globex["trialEndsAt"], &globex["default"]),
            (&json!("pro"), &Value::Null, &json!(false))
        );
        let update = [
            "brand",
            "update",
            "--slug",
            "globex",
            "--tier",
            "starter",
            "--trial-days",
            "3",
            "--default",
            "--time-zone",
            "Europe/Berlin",
        ];
        let updated = parsed(&home.ok(&update));
        assert_eq!(
            (&updated["tier"], &updated["default"], &updated["timeZone"]),
            (&json!("starter"), &json!(true), &json!("Europe/Berlin"))
        );
        assert!(updated["trialEndsAt"].is_string());
        let list: Vec<Value> = home.ok(&["brand", "list"]).lines().map(parsed).collect();
        assert_eq!(
            list.iter().map(|brand| brand["default"].clone()).collect::<Vec<_>>(),
            [json!(false), json!(true)]
        );
        assert_eq!(list[1], updated);
    }

    async fn a_refused_brand_names_the_flag_and_makes_nothing(database: Database) {
        let (home, _standin) = home(database).await;
        home.ok(&["brand", "create", "--name", "Acme", "--slug", "acme"]);
        let before = home.ok(&["brand", "list"]);
        let cases: [(&[&str], &str); 6] = [
            (&["brand", "create", "--name", " "], "--name"),
            (&["brand", "create", "--name", "Acme", "--slug", "acme"], "--slug"),
            (&["brand", "create", "--name", "Acme", "--slug", "A C"], "--slug"),
            (
                &["brand", "create", "--name", "X", "--time-zone", "Mars/Base"],
                "--time-zone",
            ),
            (
                &["brand", "create", "--name", "X", "--trial-days", "99999"],
                "--trial-days",
            ),
            (&["brand", "update", "--slug", "nobody", "--tier", "pro"], "--slug"),
        ];
        for (args, flag) in cases {
            let refusal = home.refusal(args);
            assert!(refusal.contains(flag), "{args:?}: {refusal}");
        }
        assert_eq!(home.ok(&["brand", "list"]), before);
    }

    async fn secrets_come_as_they_are_from_a_file_or_from_standard_input_and_are_never_shown(database: Database) {
        use std::{io::Write, process::Stdio};
        let (home, _standin) = home(database).await;
        std::fs::write(home.path("key"), format!("{KEY}\n")).unwrap();
        let args = [
            "brand",
            "create",
            "--name",
            "Acme",
            "--stripe-secret-key",
            "@key",
            "--stripe-webhook-secret",
            "-",
            "--stripe-webhook-secret",
            "whsec_old",
        ];
        let mut child = home
            .command(&args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        child
            .stdin
            .take()
            .unwrap()
            .write_all(format!("{WEBHOOK_SECRET}\n").as_bytes())
            .unwrap();
        let output = child.wait_with_output().unwrap();
        let brand = String::from_utf8(output.stdout).unwrap();
        assert!(
            output.status.success() && !brand.contains("sk_live") && !brand.contains("whsec"),
            "{brand}"
        );
        let server = home.serve().await;
        let event = json!({ "id": "evt_1", "type": "customer.created", "livemode": true });
        assert_eq!(
            server.post(&http(), &event).await,
            Some(200),
            "the secret of standard input is good"
        );
        set_stage(
            &server.caller(home.token("owner")),
            CampaignSpec::default(),
            CouponSpec::default(),
        )
        .await;
        let log = server.log();
        assert!(!log.contains("sk_live") && !log.contains("whsec"), "{log}");
    }

    async fn a_token_is_alone_on_standard_output_and_opens_the_api(database: Database) {
        let (mut home, _standin) = home(database).await;
        home.acme();
        let server = home.serve().await;
        for role in ["owner", "manager", "analyst"] {
            server.caller(home.token(role)).query("{ feedCursor }").await;
        }
        let stage = set_stage(
            &server.caller(home.token("manager")),
            CampaignSpec::default(),
            CouponSpec::default(),
        )
        .await;
        let token = home.ok(&[
            "token",
            "--brand",
            "acme",
            "--role",
            "affiliate",
            "--affiliate",
            &stage.sarah,
            "--ttl",
            "15m",
        ]);
        let data = server.caller(token).query("{ affiliates { nodes { id } } }").await;
        assert_eq!(data["affiliates"]["nodes"], json!([{ "id": stage.sarah }]));
        let test = home.ok(&["token", "--brand", "acme", "--role", "owner", "--mode", "test"]);
        assert_eq!(
            server.caller(test).query("{ affiliateCodes { totalCount } }").await["affiliateCodes"]["totalCount"],
            0
        );
        let cases: [(&[&str], &str); 5] = [
            (&["token", "--brand", "nobody", "--role", "owner"], "--brand"),
            (&["token", "--brand", "acme", "--role", "affiliate"], "--affiliate"),
            (
                &[
                    "token",
                    "--brand",
                    "acme",
                    "--role",
                    "owner",
                    "--affiliate",
                    &stage.sarah,
                ],
                "--affiliate",
            ),
            (
                &[
                    "token",
                    "--brand",
                    "acme",
                    "--role",
                    "affiliate",
                    "--affiliate",
                    "aff_00000000000070008000000000000000",
                ],
                "--affiliate",
            ),
            (&["token", "--brand", "acme", "--role", "emperor"], "--role"),
        ];
        for (args, flag) in cases {
            assert!(home.refusal(args).contains(flag), "{args:?}");
        }
        home.set("REKOMI_JWT_SECRET", "another secret, of more than 32 bytes as well");
        let answer = server
            .caller(home.token("owner"))
            .ask("{ feedCursor }", json!({}))
            .await;
        assert_eq!(answer.status, 401);
    }

    async fn migrating_twice_does_nothing_the_second_time(database: Database) {
        let (home, _standin) = home(database).await;
        assert_eq!(
            (home.ok(&["migrate"]), home.ok(&["migrate"])),
            (String::new(), String::new())
        );
    }
}

#[test]
fn schema_prints_what_the_server_serves() {
    assert_eq!(Home::bare().ok(&["schema"]), rekomi::graphql::schema::sdl().trim_end());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_of_a_live_database_can_be_restored() {
    let (mut home, standin) = home(database::sqlite()).await;
    home.acme();
    let server = home.serve().await;
    let max = server.caller(home.token("manager"));
    set_stage(&max, CampaignSpec::default(), CouponSpec::default()).await;
    let sale = |code: &str| {
        SaleBuilder::new(&Clock::system())
            .promo(binary::promo(&standin, code))
            .build()
            .invoice_paid(Shape::Acacia)
    };
    let credited = async |server: &binary::Server, count: usize| {
        let ana = server.caller(home.token("analyst"));
        eventually("sales are credited", async || {
            (ana.told().await.len() == count).then_some(())
        })
        .await;
    };
    assert_eq!(server.post(&http(), &sale("SARAH20")).await, Some(200));
    credited(&server, 1).await;
    let backup = home.path("backup.db").display().to_string();
    assert_eq!(home.ok(&["backup", &backup]), "");
    assert!(home.refusal(&["backup", &backup]).contains("is there already"));
    #[cfg(unix)]
    for file in std::fs::read_dir(home.folder.path()).unwrap().map(Result::unwrap) {
        use std::os::unix::fs::PermissionsExt;
        let (name, mode) = (file.file_name(), file.metadata().unwrap().permissions().mode() & 0o777);
        let kept = name.to_string_lossy().contains(".db") || name.to_string_lossy().contains("secret");
        assert!(!kept || mode == 0o600, "{name:?} is readable for others: {mode:o}");
    }
    assert_eq!(server.post(&http(), &sale("SARAH20")).await, Some(200));
    credited(&server, 2).await;
    drop(server);
    // Restored: the copy is the database.
    home.set("DATABASE_URL", &format!("sqlite://{backup}"));
    let server = home.serve().await;
    let ana = server.caller(home.token("analyst"));
    assert_eq!(
        ana.told().await,
        ["ACQUISITION PENDING sarah SARAH20 4000 USD, commission 800"]
    );
    assert_eq!(server.post(&http(), &sale("SARAH20")).await, Some(200));
    eventually("it goes on", async || (ana.told().await.len() == 2).then_some(())).await;
}
