//! `rekomi api-key`: create, list, rotate and revoke API keys.

use std::{sync::Arc, time::Duration};

use chrono::TimeDelta;
use clap::{Args, Subcommand};
use entity::{
    api_key::{self, ApiKeyScope},
    id::ApiKeyId,
};
use sea_orm::{ActiveEnum, Iterable};
use secrecy::ExposeSecret;
use serde_json::json;
use tokio::sync::Notify;

use super::{Failure, Outcome, of, open, print};
use crate::{
    announce::FeedBell,
    auth::{Actor, api_key::scopes, jwt::Mode},
    clock::Clock,
    config::Config,
    directory::{Directory, Name},
    domain::{
        Domain,
        api_keys::{self, CreateApiKey},
        page::{MAX_PAGE, PageArgs, Place},
    },
    stripe::{
        books::Books,
        client::Stripe,
        operations::{Lanes, Operations},
    },
};

#[derive(Subcommand)]
pub enum ApiKeyCommand {
    /// Make a key and print it; it is not shown again.
    Create {
        #[command(flatten)]
        of: Whose,
        #[arg(long, required = true, value_parser = scope, help = format!("What it may do, once or more: {}", words()))]
        scope: Vec<ApiKeyScope>,
        /// What it is for.
        #[arg(long, default_value = "command line")]
        name: String,
        /// Such as 90d. Left out: it is good until it is revoked.
        #[arg(long, value_parser = humantime::parse_duration)]
        expires_in: Option<Duration>,
    },
    /// Print the keys as JSON, one a line, without the keys themselves.
    List {
        #[command(flatten)]
        of: Whose,
    },
    /// Make a key that takes over from another, and print it.
    Rotate {
        #[command(flatten)]
        of: Whose,
        /// The old key's id (key_…).
        id: ApiKeyId,
        /// For how long the old key goes on, 0 to 168.
        #[arg(long, default_value_t = 24)]
        overlap_hours: i32,
    },
    /// End a key at once, and print it as JSON.
    Revoke {
        #[command(flatten)]
        of: Whose,
        /// The key's id (key_…).
        id: ApiKeyId,
    },
}

#[derive(Args)]
pub struct Whose {
    /// The brand's slug.
    #[arg(long)]
    brand: String,
    /// Left out: the mode of the brand's Stripe key.
    #[arg(long, value_enum)]
    mode: Option<Mode>,
}

/// Runs one of them.
pub async fn run(config: &Config, command: ApiKeyCommand) -> Outcome {
    let domain = domain(config).await?;
    match command {
        ApiKeyCommand::Create {
            of: whose,
            scope,
            name,
            expires_in,
        } => {
            let actor = actor(config, &domain, whose).await?;
            let life = expires_in.map(|life| TimeDelta::from_std(life).unwrap_or(TimeDelta::MAX));
            if life.is_some_and(|life| life < TimeDelta::seconds(1) || life > api_keys::MAX_LIFE) {
                return Err("--expires-in: it must be from a second to ten years".into());
            }
            let input = CreateApiKey {
                name,
                scopes: scope,
                expires_at: life.map(|life| domain.clock.now() + life),
            };
            let new = api_keys::create(&domain, &actor, input).await.map_err(of)?;
            print(new.key.expose_secret())
        }
        ApiKeyCommand::List { of: whose } => list(&domain, &actor(config, &domain, whose).await?).await,
        ApiKeyCommand::Rotate {
            of: whose,
            id,
            overlap_hours,
        } => {
            let actor = actor(config, &domain, whose).await?;
            let new = api_keys::rotate(&domain, &actor, id, overlap_hours).await.map_err(of)?;
            print(new.key.expose_secret())
        }
        ApiKeyCommand::Revoke { of: whose, id } => {
            let actor = actor(config, &domain, whose).await?;
            let key = api_keys::revoke(&domain, &actor, id).await.map_err(of)?;
            print(&describe(&key).to_string())
        }
    }
}

async fn list(domain: &Domain, actor: &Actor) -> Outcome {
    let mut args = PageArgs {
        first: Some(MAX_PAGE),
        ..PageArgs::default()
    };
    loop {
        let page = api_keys::list(domain, actor, &args).await.map_err(of)?;
        for key in &page.rows {
            print(&describe(key).to_string())?;
        }
        match page.rows.last() {
            Some(last) if page.has_next => args.after = Some(Place::of(last.id.0).cursor()),
            _ => return Ok(()),
        }
    }
}

pub(super) async fn domain(config: &Config) -> Result<Domain, Failure> {
    let (db, clock) = (open(config).await?, Clock::system());
    let operations = Operations {
        db: db.clone(),
        clock: clock.clone(),
        directory: Directory::new(db.clone(), config),
        stripe: Stripe::new(&config.stripe_api_base).map_err(of)?,
        wake: Arc::new(Notify::new()),
        lanes: Lanes::default(),
    };
    let books = Books {
        clock: clock.clone(),
        bell: FeedBell::default(),
    };
    Ok(Domain {
        db,
        clock,
        books: Arc::new(books),
        outbox: Arc::new(operations),
    })
}

async fn actor(config: &Config, domain: &Domain, whose: Whose) -> Result<Actor, Failure> {
    let directory = Directory::new(domain.db.clone(), config);
    let found = directory.get(Name::Slug(whose.brand.clone())).await.map_err(of)?;
    let account = found.ok_or_else(|| Failure::from(format!("--brand: there is no brand {:?}", whose.brand)))?;
    let livemode = whose
        .mode
        .map_or_else(|| account.default_livemode(), |mode| mode == Mode::Live);
    Ok(Actor::command_line(account.brand.id, livemode))
}

fn scope(text: &str) -> Result<ApiKeyScope, String> {
    ApiKeyScope::try_from_value(&text.to_owned()).map_err(|_| format!("it must be one of {}", words()))
}

fn words() -> String {
    ApiKeyScope::iter()
        .map(|scope| scope.to_value())
        .collect::<Vec<_>>()
        .join(", ")
}

fn describe(key: &api_key::Model) -> serde_json::Value {
    json!({
        "id": key.id,
        "name": key.name,
        "prefix": key.prefix,
        "scopes": scopes(&key.scopes),
        "livemode": key.livemode,
        "createdBy": key.created_by,
        "createdAt": key.created_at,
        "expiresAt": key.expires_at,
        "revokedAt": key.revoked_at,
        "lastUsedAt": key.last_used_at,
        "replacesId": key.replaces,
    })
}
