//! The real program: its commands, and the server as a process that can be killed.

use std::{
    collections::HashMap,
    fs::File,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
};

use entity::id::ApiKeyId;
use rekomi::{
    auth::api_key,
    clock::Clock,
    db::{DatabaseUrl, Db},
    domain::brands,
    standin::{Promo, StandIn, sign},
};
use sea_orm::{EntityTrait, Set};
use secrecy::ExposeSecret;
use serde_json::Value;
use tempfile::TempDir;

use super::{
    app::{ENCRYPTION_KEY, JWT_SECRET, http},
    client::Caller,
    database::Database,
    eventually,
};

pub const KEY: &str = "sk_live_acme_of_the_binary";
pub const WEBHOOK_SECRET: &str = "whsec_acme_of_the_binary";

/// A place where the program runs: its folder, its database, its settings. The environment of the tests is not passed on.
pub struct Home {
    pub folder: TempDir,
    pub database: Option<Database>,
    pub settings: HashMap<&'static str, String>,
}

/// A running `rekomi serve`. Dropping it kills it.
pub struct Server {
    child: Child,
    pub base: String,
    log: PathBuf,
}

impl Home {
    /// With nothing set at all.
    pub fn bare() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            database: None,
            settings: HashMap::new(),
        }
    }

    pub fn new(database: Database, standin: &StandIn) -> Self {
        let mut home = Self::bare();
        home.set("DATABASE_URL", &database.url);
        home.set("STRIPE_API_BASE", &standin.url());
        home.set("REKOMI_ENCRYPTION_KEY", ENCRYPTION_KEY);
        home.set("REKOMI_JWT_SECRET", JWT_SECRET);
        home.database = Some(database);
        home
    }

    pub fn set(&mut self, name: &'static str, value: &str) {
        self.settings.insert(name, value.to_owned());
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rekomi"));
        command
            .args(args)
            .env_clear()
            .envs(&self.settings)
            .current_dir(self.folder.path())
            .stdin(Stdio::null());
        command
    }

    pub fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    /// What a command that must succeed prints.
    pub fn ok(&self, args: &[&str]) -> String {
        let output = self.run(args);
        assert!(
            output.status.success(),
            "{args:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    }

    /// What a command that must fail says: one line, and nothing on standard output.
    pub fn refusal(&self, args: &[&str]) -> String {
        let output = self.run(args);
        assert!(!output.status.success(), "{args:?} succeeded");
        assert_eq!(String::from_utf8_lossy(&output.stdout), "", "{args:?}");
        String::from_utf8(output.stderr).unwrap().trim_end().to_owned()
    }

    /// Makes Acme with Stripe's secrets, on the tier `GROWTH`.
    pub fn acme(&self) {
        let secrets = ["--stripe-secret-key", KEY, "--stripe-webhook-secret", WEBHOOK_SECRET];
        self.ok(&[
            &["brand", "create", "--name", "Acme", "--tier", "growth"],
            secrets.as_slice(),
        ]
        .concat());
    }

    pub fn token(&self, role: &str) -> String {
        self.ok(&["token", "--brand", "acme", "--role", role])
    }

    /// Makes an API key that may read, and shows it.
    pub async fn api_key(&self) -> String {
        let url: DatabaseUrl = self.settings["DATABASE_URL"].parse().unwrap();
        let db = Db::open(&url).await.unwrap();
        let acme = brands::by_slug(db.reader(), "acme").await.unwrap().unwrap();
        let key = api_key::make(true).unwrap();
        let (prefix, hash) = api_key::stored(&key);
        let clock = Clock::system();
        let row = entity::api_key::ActiveModel {
            id: Set(ApiKeyId(clock.new_id())),
            brand_id: Set(acme.id),
            livemode: Set(true),
            name: Set("Back end".into()),
            prefix: Set(prefix),
            hash: Set(hash),
            scopes: Set("read".into()),
            created_by: Set("olivia".into()),
            created_at: Set(clock.now()),
            expires_at: Set(None),
            revoked_at: Set(None),
            last_used_at: Set(None),
            replaces: Set(None),
        };
        let txn = db.begin().await.unwrap();
        entity::api_key::Entity::insert(row)
            .exec_without_returning(&txn)
            .await
            .unwrap();
        txn.commit().await.unwrap();
        db.close().await;
        key.expose_secret().to_owned()
    }

    /// Starts the server, and waits until it is ready.
    pub async fn serve(&self) -> Server {
        let port = free_port();
        let log = self.path("server.log");
        let output = File::options().create(true).append(true).open(&log).unwrap();
        let mut command = self.command(&["serve"]);
        command.env("REKOMI_LISTEN", format!("127.0.0.1:{port}"));
        let child = command
            .stdout(output.try_clone().unwrap())
            .stderr(output)
            .spawn()
            .unwrap();
        let mut server = Server {
            child,
            base: format!("http://127.0.0.1:{port}"),
            log,
        };
        server.ready().await;
        server
    }
}

pub fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0))
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

impl Server {
    async fn ready(&mut self) {
        let (http, url) = (http(), format!("{}/readyz", self.base));
        eventually("the server is ready", async || {
            assert!(
                self.child.try_wait().unwrap().is_none(),
                "the server ended: {}",
                self.log()
            );
            let answer = http.get(&url).send().await.ok()?;
            answer.status().is_success().then_some(())
        })
        .await;
    }

    /// What it has printed so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    pub fn caller(&self, token: String) -> Caller {
        Caller::new(http(), &self.base, Some(token))
    }

    /// SIGKILL: it gets no chance to do anything more.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asks it to stop, as an operator does; whether it ended well.
    pub async fn signal(&mut self, signal: &str) -> bool {
        end(&mut self.child, signal).await
    }

    /// Posts an event of Acme's; the status, if there was an answer.
    pub async fn post(&self, client: &reqwest::Client, event: &Value) -> Option<u16> {
        let body = event.to_string();
        let signature = sign(body.as_bytes(), WEBHOOK_SECRET, Clock::system().now().timestamp());
        let request = client
            .post(format!("{}/webhooks/stripe/acme", self.base))
            .header("stripe-signature", signature);
        let answer = request.body(body).send().await.ok()?;
        Some(answer.status().as_u16())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends a signal to a process of ours, and waits for its end; whether it ended well.
pub async fn end(child: &mut Child, signal: &str) -> bool {
    let sent = Command::new("kill")
        .args([signal, &child.id().to_string()])
        .status()
        .unwrap();
    assert!(sent.success());
    eventually("the end of the process", async || child.try_wait().unwrap())
        .await
        .success()
}

pub fn promo(standin: &StandIn, code: &str) -> Promo {
    Promo::of(&standin.account(KEY), code).unwrap()
}

/// Whether a folder has nothing in it.
pub fn is_empty(folder: &Path) -> bool {
    std::fs::read_dir(folder).unwrap().next().is_none()
}
