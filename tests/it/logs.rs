//! No secret is ever logged, however much the server is told to log.

use rekomi::{
    clock::Clock,
    standin::{StandIn, sign},
};
use sea_orm::ConnectionTrait;

use crate::support::{
    app::{ENCRYPTION_KEY, JWT_SECRET, http},
    binary::{self, Home, KEY, Server, WEBHOOK_SECRET},
    cast::set_stage,
    client::Caller,
    database::Database,
    leaks::leaks,
    socket::{Heard, Socket},
    *,
};

const OLD_ENCRYPTION_KEY: &str = "T2xkRW5jcnlwdGlvbktleU9sZEVuY3J5cHRpb25LZXk=";
const OLD_WEBHOOK_SECRET: &str = "whsec_that_is_being_rolled";
const SETTINGS_KEY: &str = "sk_live_of_the_settings";
const SETTINGS_WEBHOOK_SECRET: &str = "whsec_of_the_settings";
const PASSWORD: &str = "pass-of-the-database";
const KEY_PASSWORD: &str = "pass-of-the-client-key";
const CUSTOMER: &str = "carla.customer@mail.example";
const AFFILIATE: &str = "sarah.jones@affiliates.example";
const WRONG_TOKENS: [&str; 3] = [
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJtYWxsb3J5In0.c2lnbmVkLWJ5LW1hbGxvcnk",
    "neither-a-jwt-nor-a-key",
    "rk_live_0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefgh",
];

/// Acme and its owner's token, with a server that logs all it can.
struct Run {
    home: Home,
    standin: StandIn,
    server: Server,
    owner: String,
    key: String,
}

async fn start(database: Database, format: &str) -> Run {
    let standin = StandIn::start(Clock::system()).await.unwrap();
    let mut home = Home::new(database, &standin);
    let url = home.settings["DATABASE_URL"].clone();
    if let Some(rest) = url.strip_prefix("postgres://postgres@") {
        // The second is an option of PostgreSQL's own clients, which our driver does not know.
        let url = format!("postgres://postgres:{PASSWORD}@{rest}?sslpassword={KEY_PASSWORD}");
        home.set("DATABASE_URL", &url);
    }
    home.set(
        "REKOMI_ENCRYPTION_KEY",
        &format!("{ENCRYPTION_KEY},{OLD_ENCRYPTION_KEY}"),
    );
    home.set("STRIPE_SECRET_KEY", SETTINGS_KEY);
    home.set("STRIPE_WEBHOOK_SECRET", SETTINGS_WEBHOOK_SECRET);
    home.set("REKOMI_LOG", "trace");
    home.set("REKOMI_LOG_FORMAT", format);
    let server = home.serve().await;
    home.acme();
    let secrets = [
        "--stripe-webhook-secret",
        WEBHOOK_SECRET,
        "--stripe-webhook-secret",
        OLD_WEBHOOK_SECRET,
    ];
    home.ok(&[["brand", "update", "--slug", "acme"].as_slice(), &secrets].concat());
    let (owner, key) = (home.token("owner"), home.api_key().await);
    Run {
        home,
        standin,
        server,
        owner,
        key,
    }
}

impl Run {
    fn ana(&self) -> Caller {
        self.server.caller(self.owner.clone())
    }

    /// A sale whose customer has an address, told in full and by its id alone.
    async fn sell(&self) {
        set_stage(&self.ana(), CampaignSpec::default(), CouponSpec::default()).await;
        for (shape, count) in [(Shape::Acacia, 1), (Shape::Endive, 2)] {
            let sale = SaleBuilder::new(&Clock::system()).email(CUSTOMER);
            let sale = sale.promo(binary::promo(&self.standin, "SARAH20")).build();
            sale.sync(&self.standin.account(KEY));
            self.standin.fault(Fault::new(FaultKind::ServerError).on_method("GET"));
            assert_eq!(self.server.post(&http(), &sale.invoice_paid(shape)).await, Some(200));
            eventually("the sale", async || {
                (self.ana().told().await.len() == count).then_some(())
            })
            .await;
        }
    }

    /// Good and bad callers, over HTTP and over sockets.
    async fn call(&self) {
        for good in [&self.owner, &self.key] {
            self.server.caller(good.clone()).query("{ feedCursor }").await;
            let mut socket = Socket::open(&self.server.base, good).await;
            socket.listen("1", "").await;
            socket.close().await;
        }
        for wrong in WRONG_TOKENS {
            let answer = self
                .server
                .caller(wrong.to_owned())
                .ask("{ feedCursor }", json!({}))
                .await;
            assert_eq!(answer.status, 401);
            let mut socket = Socket::connect(&self.server.base).await;
            socket.init(json!({ "authorization": format!("Bearer {wrong}") })).await;
            assert_eq!(socket.next().await, Heard::Closed(4403));
        }
    }

    /// Deliveries that are not signed well, and such as cannot be understood.
    async fn misdeliver(&self) {
        let now = Clock::system().now().timestamp();
        let odd = [
            json!({ "id": "evt_odd_1", "type": "invoice.paid", "livemode": true, "data": { "object": CUSTOMER } }),
            json!({ "id": "evt_odd_2", "type": "invoice.paid", "livemode": true,
                "data": { "object": { "id": [CUSTOMER], "amount_paid": CUSTOMER, "lines": CUSTOMER } } }),
            json!({ "id": "evt_odd_3", "type": "charge.refunded", "livemode": CUSTOMER, "data": CUSTOMER }),
        ];
        for (event, secret) in odd.iter().flat_map(|event| {
            [
                (event, WEBHOOK_SECRET),
                (event, OLD_WEBHOOK_SECRET),
                (event, "whsec_wrong"),
            ]
        }) {
            let body = event.to_string();
            let signature = sign(body.as_bytes(), secret, now);
            let request = http()
                .post(format!("{}/webhooks/stripe/acme", self.server.base))
                .body(body);
            request.header("stripe-signature", signature).send().await.unwrap();
        }
        let body = format!("not JSON, but of {CUSTOMER}");
        let request = http().post(format!("{}/webhooks/stripe", self.server.base));
        let signature = sign(body.as_bytes(), WEBHOOK_SECRET, now);
        let answer = request
            .header("stripe-signature", signature)
            .body(body)
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 400);
    }

    /// What goes wrong inside: a value that is taken, then tables that are not there.
    async fn fail(&self) {
        let input = json!({ "name": "Sarah", "email": AFFILIATE, "campaignIds": [] });
        let create = async || {
            self.ana()
                .try_mutate("createAffiliate", "affiliate { id }", input.clone())
                .await
        };
        create().await;
        let db = sea_orm::Database::connect(&self.home.settings["DATABASE_URL"])
            .await
            .unwrap();
        for table in ["affiliate", "sale"] {
            let rename = format!("ALTER TABLE {table} RENAME TO {table}_gone");
            db.execute_unprepared(&rename).await.unwrap();
        }
        db.close().await.unwrap();
        let campaigns = self.ana().query("{ campaigns { nodes { id } } }").await;
        let input =
            json!({ "name": "Sarah", "email": AFFILIATE, "campaignIds": [campaigns["campaigns"]["nodes"][0]["id"]] });
        let answer = self
            .ana()
            .try_mutate("createAffiliate", "affiliate { id }", input)
            .await;
        assert_eq!(answer.codes(), ["INTERNAL"], "{}", answer.body);
        let sale = SaleBuilder::new(&Clock::system()).email(CUSTOMER);
        let sale = sale.promo(binary::promo(&self.standin, "SARAH20")).build();
        assert_eq!(
            self.server.post(&http(), &sale.invoice_paid(Shape::Acacia)).await,
            Some(200)
        );
        eventually("the failure", async || {
            self.server.log().contains("it will be tried again").then_some(())
        })
        .await;
    }

    fn secrets(&self) -> Vec<String> {
        let settings = [
            ENCRYPTION_KEY,
            OLD_ENCRYPTION_KEY,
            JWT_SECRET,
            SETTINGS_KEY,
            SETTINGS_WEBHOOK_SECRET,
        ];
        let stripe = [KEY, WEBHOOK_SECRET, OLD_WEBHOOK_SECRET];
        let others = [PASSWORD, KEY_PASSWORD, CUSTOMER, AFFILIATE, &self.owner, &self.key];
        let plain = settings.into_iter().chain(stripe).chain(others).chain(WRONG_TOKENS);
        let signatures = [&self.owner, WRONG_TOKENS[0]].map(|token| token.rsplit('.').next().unwrap());
        plain.chain(signatures).map(str::to_owned).collect()
    }
}

async fn a_full_run(database: Database, format: &str) {
    let mut run = start(database, format).await;
    run.sell().await;
    run.call().await;
    run.misdeliver().await;
    run.fail().await;
    assert!(run.server.signal("-TERM").await);
    let log = run.server.log();
    for told in [
        "answered",
        "sqlx::query",
        "a resolver failed",
        "/webhooks/stripe/acme",
        "stopping",
    ] {
        assert!(
            log.contains(told),
            "the log tells too little to prove anything: no {told}"
        );
    }
    assert_eq!(leaks(&log, &run.secrets()), []);
}

on_both! {
    async fn the_pretty_log_at_its_fullest_has_no_secret_in_it(database: Database) {
        a_full_run(database, "pretty").await;
    }

    async fn the_json_log_at_its_fullest_has_no_secret_in_it(database: Database) {
        a_full_run(database, "json").await;
    }
}

#[test]
fn a_refused_database_url_does_not_show_its_password() {
    let places = [
        "db.example:port/rekomi",
        "[/rekomi",
        "127.0.0.1:1/rekomi",
        "127.0.0.1:1/rekomi?sslmode=odd",
    ];
    for place in places {
        let mut home = Home::bare();
        home.set("DATABASE_URL", &format!("postgres://ann:{PASSWORD}@{place}"));
        home.set("REKOMI_JWT_SECRET", JWT_SECRET);
        home.set("REKOMI_LOG", "trace");
        let refusal = home.refusal(&["serve"]);
        assert!(
            refusal.contains("DATABASE_URL") && !refusal.contains(PASSWORD),
            "{place}: {refusal}"
        );
    }
}
