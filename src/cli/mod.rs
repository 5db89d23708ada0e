//! The command line. What a command prints for a program to read is alone on standard output.

mod api_key;
mod asked;
mod backfill;
mod brand;
mod import_codes;
mod inbox;
mod log;
mod reconcile;

use std::{io::Write, path::PathBuf, time::Duration};

use chrono::TimeDelta;
use clap::{Args, Parser, Subcommand};
use entity::{affiliate, id::AffiliateId};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use tokio::net::TcpListener;

use crate::{
    app::App,
    auth::{
        Role,
        jwt::{Grant, Mode, Tokens},
        roles,
    },
    clock::Clock,
    config::Config,
    db::{Db, make_private},
    demo,
    domain::{Domain, brands},
    error::{Error, UserError},
    first_run,
    stripe::{books::Books, fetch::Fetcher, operations::Operations},
    telemetry,
};

/// Why a command failed: one line, or one for each mistake.
type Failure = Box<dyn std::error::Error>;

/// Names the flags of a refused input.
fn of(error: Error) -> Failure {
    match error {
        Error::User(problems) => {
            let line = |problem: &UserError| format!("--{}: {}", flag(&problem.field.join(".")), problem.message);
            problems.iter().map(line).collect::<Vec<_>>().join("\n").into()
        }
        error => error.into(),
    }
}

/// `overlapHours` is `overlap-hours` on the command line.
fn flag(field: &str) -> String {
    let mut flag = String::with_capacity(field.len() + 4);
    for c in field.chars() {
        if c.is_ascii_uppercase() {
            flag.push('-');
        }
        flag.push(c.to_ascii_lowercase());
    }
    flag
}

/// How long a token may be good for.
const MAX_TTL: TimeDelta = TimeDelta::days(3652);

type Outcome = Result<(), Failure>;

/// Coupon-code affiliate attribution on Stripe.
#[derive(Parser)]
#[command(name = "rekomi", version)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the server.
    Serve,
    /// Show the whole product on made-up sales, on this machine alone.
    Demo(demo::Options),
    /// Create, change and list brands.
    #[command(subcommand)]
    Brand(brand::BrandCommand),
    /// Make, list, rotate and revoke API keys.
    #[command(subcommand)]
    ApiKey(api_key::ApiKeyCommand),
    /// Print a token for the API.
    Token(TokenArgs),
    /// Print the GraphQL schema.
    Schema,
    /// Seal the stored Stripe secrets anew with the first key of REKOMI_ENCRYPTION_KEY.
    Reseal,
    /// Bring the database's schema up to date; `serve` does so by itself.
    Migrate,
    /// Look at what Stripe sent, and at what became of it.
    Inbox(inbox::InboxArgs),
    /// Put events back into the queue: those that are named, or all that were set aside.
    Replay(log::ReplayArgs),
    /// Fetch what Stripe could not deliver, and sales from before Rekomi was connected.
    Backfill(backfill::BackfillArgs),
    /// Adopt promotion codes that Stripe has already, as affiliates' codes.
    ImportCodes(import_codes::ImportCodesArgs),
    /// Compare coupons and codes with Stripe's, and mend what differs.
    Reconcile(reconcile::ReconcileArgs),
    /// Hold what stands against what the log tells.
    Rebuild(log::RebuildArgs),
    /// Copy a live SQLite database to a new file.
    Backup { file: PathBuf },
}

#[derive(Args)]
struct TokenArgs {
    /// The brand's slug.
    #[arg(long)]
    brand: String,
    #[arg(long, value_enum)]
    role: Role,
    /// The affiliate's id, for that role.
    #[arg(long)]
    affiliate: Option<AffiliateId>,
    /// Left out: the mode of the brand's Stripe key.
    #[arg(long, value_enum)]
    mode: Option<Mode>,
    /// Such as 15m, 1h, 30d.
    #[arg(long, default_value = "1h", value_parser = humantime::parse_duration)]
    ttl: Duration,
}

/// Runs a command.
pub async fn run(cli: Cli) -> Outcome {
    match cli.command {
        Command::Schema => print(&crate::graphql::schema::sdl()),
        Command::Demo(options) => demo::run(options).await.map_err(Failure::from),
        Command::Serve => serve(Config::from_env()?).await,
        Command::Reseal => reseal(&Config::from_env()?).await,
        Command::Migrate => open(&Config::from_env()?).await.map(drop),
        Command::Inbox(args) => inbox::run(&Config::from_env()?, args).await,
        Command::Replay(args) => log::replay(&Config::from_env()?, args).await,
        Command::Backfill(args) => backfill::run(&Config::from_env()?, &args).await,
        Command::ImportCodes(args) => import_codes::run(&Config::from_env()?, &args).await,
        Command::Reconcile(args) => reconcile::run(&Config::from_env()?, &args).await,
        Command::Rebuild(args) => log::rebuild(&Config::from_env()?, &args).await,
        Command::Backup { file } => backup(&Config::from_env()?, &file).await,
        Command::Brand(command) => brand::run(&Config::from_env()?, command).await,
        Command::ApiKey(command) => api_key::run(&Config::from_env()?, command).await,
        Command::Token(args) => token(&Config::from_env()?, args).await,
    }
}

fn print(text: &str) -> Outcome {
    Ok(writeln!(std::io::stdout(), "{}", text.trim_end())?)
}

/// The rules, with a way to Stripe of the command's own.
fn outbox(fetcher: &Fetcher) -> Domain {
    let operations = Operations {
        db: fetcher.db.clone(),
        clock: fetcher.clock.clone(),
        directory: fetcher.directory.clone(),
        stripe: fetcher.stripe.clone(),
        wake: Default::default(),
        lanes: Default::default(),
    };
    Domain {
        db: fetcher.db.clone(),
        clock: fetcher.clock.clone(),
        outbox: std::sync::Arc::new(operations),
        books: std::sync::Arc::new(Books {
            clock: fetcher.clock.clone(),
            bell: Default::default(),
        }),
    }
}

async fn open(config: &Config) -> Result<Db, Failure> {
    let db = Db::open(&config.database).await.map_err(|error| of(error.into()))?;
    db.migrate().await.map_err(|error| of(error.into()))?;
    Ok(db)
}

async fn serve(config: Config) -> Outcome {
    telemetry::start_logs(&config)?;
    let secret = first_run::for_serving(&config)?;
    if secret.as_ref().is_some_and(|secret| secret.made)
        && let Some(file) = config.secret_file()
    {
        tracing::info!(file = %file.display(), "REKOMI_JWT_SECRET is not set: made a secret and kept it in a file");
    }
    let (listen, public_url) = (config.listen, config.public_url.clone());
    let listener = TcpListener::bind(listen)
        .await
        .map_err(|error| Failure::from(format!("REKOMI_LISTEN: cannot listen on {listen}: {error}")))?;
    let secret = secret.map(|secret| secret.secret);
    let app = App::start(config, secret.as_ref(), Clock::system()).await.map_err(of)?;
    let brands = brands::list(&app.db).await.map_err(of)?;
    for brand in &brands {
        brands::open_secrets(&app.config.vault, brand)
            .map_err(|error| Failure::from(format!("REKOMI_ENCRYPTION_KEY: the brand {}: {error}", brand.slug)))?;
    }
    if brands.is_empty() {
        tracing::info!("there is no brand yet; make one: rekomi brand create --name \"My brand\"");
    }
    tracing::info!(%listen, graphql = %public_url.join("graphql").map(String::from).unwrap_or_default(), "serving");
    let shutdown = app.shutdown.clone();
    tokio::spawn(async move {
        stop_signal().await;
        tracing::info!("stopping");
        shutdown.cancel();
    });
    Ok(app.serve(listener).await?)
}

/// Ends when the process is asked to stop.
pub async fn stop_signal() {
    let interrupt = tokio::signal::ctrl_c();
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = interrupt => {}
                _ = terminate.recv() => {}
            }
            return;
        }
    }
    let _ = interrupt.await;
}

async fn reseal(config: &Config) -> Outcome {
    let db = open(config).await?;
    let done = brands::reseal(&db, &config.vault).await.map_err(of)?;
    print(&format!(
        "{} stored secrets sealed anew with the first key, {} were so already",
        done.anew, done.kept
    ))
}

async fn backup(config: &Config, file: &std::path::Path) -> Outcome {
    if file.exists() {
        return Err(Failure::from(format!("{} is there already", file.display())));
    }
    let name = file
        .to_str()
        .ok_or_else(|| Failure::from("the file's name is not UTF-8"))?;
    log::existing(config)?;
    // As it is, without migrating it: a backup is taken before an upgrade.
    let db = Db::open(&config.database).await.map_err(|error| of(error.into()))?;
    // It holds what the database holds. SQLite fills an empty file.
    make_private(file)?;
    if let Err(error) = db.backup(name).await {
        std::fs::remove_file(file)?;
        return Err(of(error.into()));
    }
    eprintln!("copied to {name}");
    Ok(())
}

async fn token(config: &Config, args: TokenArgs) -> Outcome {
    let db = open(config).await?;
    let found = brands::by_slug(db.reader(), &args.brand).await.map_err(of)?;
    let brand = found.ok_or_else(|| Failure::from(format!("--brand: there is no brand {:?}", args.brand)))?;
    if roles::names_affiliate(args.role) != args.affiliate.is_some() {
        return Err(Failure::from(
            "--affiliate: it goes with --role affiliate, and only with it",
        ));
    }
    if let Some(id) = args.affiliate {
        let row = affiliate::Entity::find_by_id(id).filter(affiliate::Column::BrandId.eq(brand.id));
        let row = row.one(db.reader()).await?;
        row.ok_or_else(|| Failure::from("--affiliate: the brand has no such affiliate"))?;
    }
    let secret = first_run::for_signing(config)?;
    let ttl = TimeDelta::from_std(args.ttl).unwrap_or(TimeDelta::MAX);
    if ttl < TimeDelta::seconds(1) || ttl > MAX_TTL {
        return Err("--ttl: it must be from a second to ten years".into());
    }
    let grant = Grant {
        subject: args.affiliate.map_or_else(|| "cli".to_owned(), |id| id.to_string()),
        brand: brand.id,
        role: args.role,
        affiliate: args.affiliate,
        mode: args.mode,
        ttl,
    };
    let tokens = Tokens::new(Some(&secret.secret), &config.jwt_issuer, &config.jwt_audience);
    print(&tokens.issue(grant, Clock::system().now())?)
}
