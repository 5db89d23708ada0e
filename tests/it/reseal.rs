//! Stored secrets under a new key, while the servers go on.

use rekomi::{
    clock::Clock,
    db::{DatabaseUrl, Db},
    domain::brands,
    standin::StandIn,
};

use crate::support::{
    app::{ENCRYPTION_KEY, http},
    binary::{Home, Server},
    database::Database,
    *,
};

/// Base64 of 32 bytes, each the number 1, 2, 3.
const NEW: &str = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";
const LOST: &str = "AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI=";
const LATER: &str = "AwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwM=";

async fn home(database: Database) -> Home {
    let standin = StandIn::start(Clock::system()).await.unwrap();
    Home::new(database, &standin)
}

fn done(anew: usize, kept: usize) -> String {
    format!("{anew} stored secrets sealed anew with the first key, {kept} were so already")
}

/// The stored secrets as they are, brand by brand.
async fn stored(home: &Home) -> Vec<[Option<Vec<u8>>; 2]> {
    let url: DatabaseUrl = home.settings["DATABASE_URL"].parse().unwrap();
    let db = Db::open(&url).await.unwrap();
    let brands = brands::list(&db).await.unwrap();
    db.close().await;
    let secrets = brands.into_iter();
    secrets
        .map(|brand| [brand.stripe_secret_key, brand.stripe_webhook_secrets])
        .collect()
}

async fn takes_an_event(server: &Server, id: &str) {
    let event = json!({ "id": id, "type": "customer.created", "livemode": true });
    assert_eq!(server.post(&http(), &event).await, Some(200));
}

on_both! {
    async fn after_a_reseal_the_old_key_can_be_dropped(database: Database) {
        let mut home = home(database).await;
        home.acme();
        home.ok(&["brand", "create", "--name", "Globex", "--stripe-webhook-secret", "whsec_globex"]);
        home.ok(&["brand", "create", "--name", "Initech"]);
        assert_eq!(home.ok(&["reseal"]), done(0, 3));
        home.set("REKOMI_ENCRYPTION_KEY", &format!("{ENCRYPTION_KEY},{NEW}"));
        assert_eq!(home.ok(&["reseal"]), done(0, 3));
        home.set("REKOMI_ENCRYPTION_KEY", &format!("{NEW},{ENCRYPTION_KEY}"));
        let server = home.serve().await;
        takes_an_event(&server, "evt_before").await;
        assert_eq!(home.ok(&["reseal"]), done(3, 0));
        let sealed = stored(&home).await;
        takes_an_event(&server, "evt_after").await;
        assert_eq!(home.ok(&["reseal"]), done(0, 3));
        assert_eq!(stored(&home).await, sealed, "the second time nothing is written");
        drop(server);
        home.set("REKOMI_ENCRYPTION_KEY", NEW);
        let server = home.serve().await;
        takes_an_event(&server, "evt_without_the_old_key").await;
    }

    async fn where_no_key_opens_a_secret_its_brand_stays_as_it_is(database: Database) {
        let mut home = home(database).await;
        home.acme();
        // Globex's key can be opened, its webhook secret cannot.
        home.ok(&["brand", "create", "--name", "Globex", "--stripe-secret-key", "sk_live_globex"]);
        home.set("REKOMI_ENCRYPTION_KEY", LOST);
        home.ok(&["brand", "update", "--slug", "globex", "--stripe-webhook-secret", "whsec_globex"]);
        let before = stored(&home).await;
        home.set("REKOMI_ENCRYPTION_KEY", &format!("{NEW},{ENCRYPTION_KEY}"));
        let line = "rekomi: the brand globex: none of the keys in REKOMI_ENCRYPTION_KEY opens a stored secret";
        assert_eq!(home.refusal(&["reseal"]), line);
        let after = stored(&home).await;
        assert_ne!(after[0], before[0]);
        assert_eq!(after[1], before[1]);
        // With the lost key found again, all is well.
        home.set("REKOMI_ENCRYPTION_KEY", &format!("{LATER},{NEW},{LOST},{ENCRYPTION_KEY}"));
        assert_eq!(home.ok(&["reseal"]), done(4, 0));
        home.set("REKOMI_ENCRYPTION_KEY", LATER);
        takes_an_event(&home.serve().await, "evt_1").await;
    }

    async fn without_a_key_there_is_nothing_to_seal_with(database: Database) {
        let mut home = home(database).await;
        home.acme();
        home.settings.remove("REKOMI_ENCRYPTION_KEY");
        let line = home.refusal(&["reseal"]);
        assert!(line.contains("REKOMI_ENCRYPTION_KEY is not set") && line.lines().count() == 1, "{line}");
    }
}
