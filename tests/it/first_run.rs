//! The first start, and settings that stop it.

use std::os::unix::fs::PermissionsExt;

use crate::support::binary::{self, Home, KEY};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_first_run_without_settings_makes_a_database_and_a_secret_for_its_owner_alone() {
    let home = Home::bare();
    let server = home.serve().await;
    let mode = std::fs::metadata(home.path("rekomi.jwt-secret"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    assert!(home.path("rekomi.db").is_file());
    let log = server.log();
    assert!(
        log.contains("rekomi.jwt-secret") && log.contains("rekomi brand create"),
        "{log}"
    );
    let secret = std::fs::read_to_string(home.path("rekomi.jwt-secret")).unwrap();
    assert!(!log.contains(secret.trim()));
    // The command line works beside the running server, and shares its secret.
    home.ok(&["brand", "create", "--name", "Acme"]);
    server.caller(home.token("owner")).query("{ feedCursor }").await;
}

#[test]
fn a_bad_setting_stops_the_start_with_one_line_that_names_it() {
    let cases = [
        ("REKOMI_LISTEN", "everywhere"),
        ("REKOMI_LISTEN", "127.0.0.1"),
        ("DATABASE_URL", "mysql://x"),
        ("DATABASE_URL", "sqlite::memory:"),
        ("REKOMI_JWT_SECRET", "short"),
        ("REKOMI_JWT_PUBLIC_KEY", "a key"),
        ("REKOMI_JWT_PUBLIC_KEY", "@/nowhere/key.pem"),
        ("REKOMI_JWKS_URL", "http://issuer.example/jwks.json"),
        ("REKOMI_JWT_CLAIMS", "admin=yes"),
        ("REKOMI_ENCRYPTION_KEY", "c2hvcnQ="),
        ("REKOMI_PUBLIC_URL", "example.com"),
        ("STRIPE_API_BASE", "https://api.stripe.com/v1"),
        ("REKOMI_CORS_ORIGINS", "nonsense"),
        ("REKOMI_TRUSTED_PROXIES", "10.0.0.0/8, proxy.example"),
        ("REKOMI_LOG", "rekomi=loud"),
        ("REKOMI_LOG_FORMAT", "xml"),
    ];
    for (setting, value) in cases {
        let mut home = Home::bare();
        home.set(setting, value);
        let refusal = home.refusal(&["serve"]);
        assert!(
            refusal.contains(setting) && refusal.lines().count() == 1,
            "{setting}={value}: {refusal}"
        );
        assert!(binary::is_empty(home.folder.path()), "{setting}={value} left something");
    }
}

#[test]
fn a_public_or_shared_server_needs_a_set_secret() {
    let database = "postgres://postgres@127.0.0.1:9/none";
    for (setting, value) in [("REKOMI_LISTEN", "0.0.0.0:0"), ("DATABASE_URL", database)] {
        let mut home = Home::bare();
        home.set(setting, value);
        let refusal = home.refusal(&["serve"]);
        assert!(
            refusal.contains("REKOMI_JWT_SECRET") && refusal.lines().count() == 1,
            "{setting}: {refusal}"
        );
    }
}

#[test]
fn a_stripe_secret_needs_an_encryption_key() {
    let home = Home::bare();
    let refusal = home.refusal(&["brand", "create", "--name", "Acme", "--stripe-secret-key", KEY]);
    assert!(
        refusal.contains("REKOMI_ENCRYPTION_KEY") && !refusal.contains(KEY),
        "{refusal}"
    );
    assert_eq!(home.ok(&["brand", "list"]), "");
}
