//! `rekomi demo`: the whole product on one command, on loopback, against a Stripe stand-in in the same process. The
//! sales are made up; the server, the signatures, the webhook endpoint and the figures are the real ones.

mod banner;
mod shop;
mod simulator;
mod webhook;
mod world;

use std::{path::PathBuf, sync::Arc};

use clap::Args;
use secrecy::SecretString;
use tokio::net::TcpListener;

use crate::{app::App, cli::stop_signal, clock::Clock, config::Config, first_run, standin::StandIn, telemetry};
use shop::{Shop, Site};
use simulator::Simulator;
use webhook::Webhook;
use world::World;

#[derive(Args)]
pub struct Options {
    /// Keep the data in this SQLite file; otherwise nothing is left behind.
    #[arg(long)]
    db: Option<PathBuf>,
    /// Where to listen, on 127.0.0.1.
    #[arg(long, default_value_t = 8080)]
    port: u16,
    /// Send a few thousand events as fast as they are taken, print a summary, and end.
    #[arg(long)]
    fast: bool,
}

/// Runs the demo until Ctrl-C.
///
/// # Errors
/// One line: the port is taken, the file cannot be used.
pub async fn run(options: Options) -> Result<(), String> {
    let folder = tempfile::tempdir().map_err(|error| format!("no temporary folder: {error}"))?;
    let db = options.db.clone().unwrap_or_else(|| folder.path().join("demo.db"));
    let address = format!("127.0.0.1:{}", if options.fast { 0 } else { options.port });
    let listener = TcpListener::bind(&address)
        .await
        .map_err(|error| format!("cannot listen on {address}: {error}; choose another with --port"))?;
    let address = listener.local_addr().map_err(|error| error.to_string())?;

    let clock = Clock::system();
    let standin = StandIn::start(clock.clone()).await.map_err(|error| error.to_string())?;
    let config = config(&db, address, &standin).map_err(|error| error.to_string())?;
    telemetry::start_logs(&config).map_err(|error| error.to_string())?;
    let secret = jwt_secret(&config, options.db.is_some()).map_err(|error| error.to_string())?;
    let app = App::start(config, Some(&secret), clock)
        .await
        .map_err(|error| error.to_string())?;
    let site = Site::find().await.map_err(|error| error.to_string())?;
    let world = World::build(&app, &standin, &site.url).await;
    let world = Arc::new(world.map_err(|error| error.to_string())?);

    let base = format!("http://{address}");
    let shutdown = app.shutdown.clone();
    let webhook = Webhook::new(&app.clock, &world, &base)?;
    let shop = Shop {
        clock: app.clock.clone(),
        stripe: world.stripe.clone(),
        webhook: webhook.clone(),
        base: base.clone(),
        watch: banner::look_around(&app, &world, &base).map_err(|error| error.to_string())?,
    };
    let mut simulator = Simulator::new(&app.clock, world.clone(), webhook);
    let domain = app.domain.clone();
    if !options.fast {
        banner::print(&app, &world, &base).map_err(|error| error.to_string())?;
    }
    let shop = tokio::spawn(site.open(shop, shutdown.clone()));
    let server = tokio::spawn(app.serve(listener));
    let result = if options.fast {
        simulator.rush(&domain).await
    } else {
        tokio::select! {
            () = simulator.trickle() => {}
            () = stop_signal() => {}
        }
        Ok(())
    };
    shutdown.cancel();
    let served = server.await.map_err(|error| error.to_string())?;
    // Nothing is kept open for a browser that stays.
    shop.abort();
    standin.stop().await;
    result.and(served.map_err(|error| error.to_string()))
}

fn config(db: &std::path::Path, address: std::net::SocketAddr, standin: &StandIn) -> Result<Config, String> {
    use base64::{Engine, engine::general_purpose::STANDARD};
    let mut key = [0; 32];
    getrandom::fill(&mut key).map_err(|error| error.to_string())?;
    let key = STANDARD.encode(key);
    let database = format!("sqlite://{}", db.display());
    let listen = address.to_string();
    let base = standin.url();
    let settings = |name: &str| match name {
        "DATABASE_URL" => Some(database.clone()),
        "REKOMI_LISTEN" => Some(listen.clone()),
        "REKOMI_ENCRYPTION_KEY" => Some(key.clone()),
        "STRIPE_API_BASE" => Some(base.clone()),
        "REKOMI_LOG" => Some("warn".to_owned()),
        _ => None,
    };
    Config::from_lookup(settings).map_err(|error| error.to_string())
}

/// Kept beside a kept database, so that its tokens stay good; otherwise made for this run.
fn jwt_secret(config: &Config, kept: bool) -> Result<SecretString, String> {
    if kept {
        return Ok(first_run::for_signing(config)
            .map_err(|error| error.to_string())?
            .secret);
    }
    let secret = first_run::random_hex().map_err(|error| error.to_string())?;
    Ok(secret.into())
}
