//! One throw-away PostgreSQL cluster for the whole test run, on a free loopback port.
//!
//! The test harness ends the process without running destructors, so a shell outside of it waits for its end, stops the
//! server and removes its folder: nothing stays behind, whatever happens to the tests.

use std::{
    net::TcpListener,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    str::FromStr,
    sync::atomic::{AtomicU64, Ordering},
};

use rekomi::db::{DatabaseUrl, Db};
use sea_orm::sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use tokio::sync::{OnceCell, Semaphore, SemaphorePermit};

use super::env;

/// How many tests may use the cluster at once: two apps of 20 connections each stay below `max_connections`.
static PLACES: Semaphore = Semaphore::const_new(8);
static CLUSTER: OnceCell<Option<Cluster>> = OnceCell::const_new();
static NUMBER: AtomicU64 = AtomicU64::new(0);

const TEMPLATE: &str = "rekomi_template";

pub struct Cluster {
    port: u16,
}

pub async fn place() -> SemaphorePermit<'static> {
    PLACES.acquire().await.unwrap()
}

/// The cluster, started by the first who asks.
///
/// # Panics
/// Where PostgreSQL's programs are missing and `REKOMI_REQUIRE_POSTGRES=1` says that they must not be.
pub async fn cluster() -> Option<&'static Cluster> {
    let started = CLUSTER.get_or_init(async || match find_programs() {
        Some(programs) => Some(Cluster::start(&programs).await),
        None if env("REKOMI_REQUIRE_POSTGRES").is_some_and(|value| value == "1") => {
            panic!("REKOMI_REQUIRE_POSTGRES=1, and PostgreSQL's programs (initdb, pg_ctl) were not found")
        }
        None => {
            eprintln!("PostgreSQL's programs were not found: the tests on PostgreSQL are left out");
            None
        }
    });
    started.await.as_ref()
}

/// The folder that has PostgreSQL's programs.
fn find_programs() -> Option<PathBuf> {
    let mut folders: Vec<PathBuf> = env("PATH")
        .iter()
        .flat_map(|path| std::env::split_paths(path).collect::<Vec<_>>())
        .collect();
    if let Ok(output) = Command::new("pg_config").arg("--bindir").output() {
        folders.push(String::from_utf8_lossy(&output.stdout).trim().into());
    }
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut versions: Vec<_> = versions.map(|version| version.path().join("bin")).collect();
    versions.sort();
    folders.extend(versions.into_iter().rev());
    folders.push("/usr/local/pgsql/bin".into());
    let has = |folder: &Path, program: &str| folder.join(program).is_file();
    folders.into_iter().find(|folder| {
        ["initdb", "pg_ctl", "postgres"]
            .iter()
            .all(|program| has(folder, program))
    })
}

impl Cluster {
    async fn start(programs: &Path) -> Self {
        let folder = tempfile::Builder::new().prefix("rekomi-pg-").tempdir().unwrap().keep();
        let server = Server {
            programs: programs.to_owned(),
            folder,
        };
        server.watch();
        server.init();
        let port = (0..5).find_map(|_| server.start()).expect("PostgreSQL starts");
        let cluster = Self { port };
        cluster.sql(format!("CREATE DATABASE {TEMPLATE}")).await;
        let url = DatabaseUrl::from_str(&cluster.url(TEMPLATE)).unwrap();
        let db = Db::open(&url).await.unwrap();
        db.migrate().await.unwrap();
        db.close().await;
        cluster
    }

    fn url(&self, database: &str) -> String {
        self.url_of("postgres", database)
    }

    fn url_of(&self, user: &str, database: &str) -> String {
        format!("postgres://{user}@127.0.0.1:{}/{database}", self.port)
    }

    /// A new database with the schema in it.
    pub async fn create(&self) -> String {
        let name = format!("test_{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        self.sql(format!("CREATE DATABASE {name} TEMPLATE {TEMPLATE}")).await;
        self.url(&name)
    }

    /// A new database without a schema, of a new role with these attributes.
    pub async fn create_owned(&self, attributes: &str) -> String {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let (name, owner) = (format!("test_{number}"), format!("owner_{number}"));
        self.sql(format!("CREATE ROLE {owner} {attributes}")).await;
        self.sql(format!("CREATE DATABASE {name} OWNER {owner}")).await;
        self.url_of(&owner, &name)
    }

    async fn sql(&self, statement: String) {
        let mut connection = PgConnection::connect(&self.url("postgres")).await.unwrap();
        connection.execute(AssertSqlSafe(statement)).await.unwrap();
        connection.close().await.unwrap();
    }
}

struct Server {
    programs: PathBuf,
    folder: PathBuf,
}

impl Server {
    fn data(&self) -> String {
        self.folder.join("data").display().to_string()
    }

    /// PostgreSQL refuses to run as root: root runs it as the user `postgres`.
    fn command(&self, program: &str) -> Command {
        let program = self.programs.join(program);
        let mut command = if is_root() {
            let mut command = Command::new("runuser");
            command.args(["-u", "postgres", "--"]).arg(program);
            command
        } else {
            Command::new(program)
        };
        command
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command
    }

    fn init(&self) {
        if is_root() {
            let owned = Command::new("chown")
                .arg("postgres")
                .arg(&self.folder)
                .status()
                .unwrap();
            assert!(owned.success(), "the cluster's folder is given to the user postgres");
        }
        let mut command = self.command("initdb");
        command.args([
            "-D",
            &self.data(),
            "-U",
            "postgres",
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--locale=C",
            "--no-sync",
        ]);
        assert!(command.status().unwrap().success(), "initdb");
    }

    /// The port, if nobody took it in between.
    fn start(&self) -> Option<u16> {
        let port = TcpListener::bind(("127.0.0.1", 0))
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let settings = format!(
            "-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c max_connections=400 \
             -c fsync=off -c full_page_writes=off -c synchronous_commit=off -c shared_buffers=64MB -c max_wal_senders=0 \
             -c wal_level=minimal"
        );
        let log = self.folder.join("data").join("server.log").display().to_string();
        let mut command = self.command("pg_ctl");
        command.args([
            "-D",
            &self.data(),
            "-l",
            &log,
            "-w",
            "-t",
            "60",
            "-o",
            &settings,
            "start",
        ]);
        command.status().unwrap().success().then_some(port)
    }

    /// A shell in a process group of its own ends the server after this process.
    #[expect(clippy::zombie_processes, reason = "it outlives this process")]
    fn watch(&self) {
        const SCRIPT: &str = r#"while kill -0 "$1" 2>/dev/null; do sleep 1; done; shift
            "$@" >/dev/null 2>&1; rm -rf "$0""#;
        let stop = self.command("pg_ctl");
        let mut watch = Command::new("sh");
        watch
            .args(["-c", SCRIPT])
            .arg(&self.folder)
            .arg(std::process::id().to_string());
        watch
            .arg(stop.get_program())
            .args(stop.get_args())
            .args(["-D", &self.data(), "-m", "immediate", "-w", "stop"]);
        watch
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        watch.process_group(0).spawn().unwrap();
    }
}

fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
}
