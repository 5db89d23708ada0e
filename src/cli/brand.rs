//! `rekomi brand`: create, change and list brands.

use std::io::Read;

use clap::{Args, Subcommand, ValueEnum};
use entity::brand::{self, Tier};
use secrecy::SecretString;
use serde_json::json;

use super::{Failure, Outcome, of, open, print};
use crate::{
    clock::Clock,
    config::Config,
    domain::brands::{self, BrandInput},
};

#[derive(Subcommand)]
pub enum BrandCommand {
    /// Create a brand and print it as JSON. The first one becomes the default.
    Create {
        #[arg(long)]
        name: String,
        /// In URLs: a-z, 0-9 and -. Made from the name when left out.
        #[arg(long)]
        slug: Option<String>,
        #[command(flatten)]
        settings: BrandSettings,
    },
    /// Change a brand and print it as JSON.
    Update {
        /// Which brand.
        #[arg(long)]
        slug: String,
        #[arg(long)]
        name: Option<String>,
        #[command(flatten)]
        settings: BrandSettings,
    },
    /// Print all brands as JSON, one a line.
    List,
}

#[derive(Args)]
pub struct BrandSettings {
    /// Left out for a new brand: starter, with a trial of 14 days.
    #[arg(long, value_enum)]
    tier: Option<TierArg>,
    /// From now on; 0 ends a trial.
    #[arg(long)]
    trial_days: Option<i32>,
    /// Serve `/webhooks/stripe` and the single-brand settings.
    #[arg(long)]
    default: bool,
    /// An IANA time zone, such as Europe/Berlin.
    #[arg(long)]
    time_zone: Option<String>,
    /// The Connect account (acct_…) whose events are the brand's.
    #[arg(long)]
    stripe_account: Option<String>,
    /// `-` reads it from standard input, `@FILE` from a file.
    #[arg(long, allow_hyphen_values = true)]
    stripe_secret_key: Option<String>,
    /// May be repeated while one is rotated; `-` and `@FILE` as above.
    #[arg(long, allow_hyphen_values = true)]
    stripe_webhook_secret: Vec<String>,
}

#[derive(Clone, Copy, ValueEnum)]
pub enum TierArg {
    Starter,
    Growth,
    Pro,
}

/// Runs one of them.
pub async fn run(config: &Config, command: BrandCommand) -> Outcome {
    let db = open(config).await?;
    let clock = Clock::system();
    let brand = match command {
        BrandCommand::List => {
            for brand in brands::list(&db).await.map_err(of)? {
                print(&describe(&brand).to_string())?;
            }
            return Ok(());
        }
        BrandCommand::Create { name, slug, settings } => {
            let input = BrandInput {
                name: Some(name),
                slug,
                ..settings.read()?
            };
            brands::create(&db, &clock, &config.vault, &input).await
        }
        BrandCommand::Update { slug, name, settings } => {
            let input = BrandInput {
                name,
                ..settings.read()?
            };
            brands::update(&db, &clock, &config.vault, &slug, &input).await
        }
    };
    print(&describe(&brand.map_err(of)?).to_string())
}

impl BrandSettings {
    fn read(self) -> Result<BrandInput, Failure> {
        let secrets = self.stripe_webhook_secret.iter().map(|given| secret(given));
        Ok(BrandInput {
            tier: self.tier.map(|tier| match tier {
                TierArg::Starter => Tier::Starter,
                TierArg::Growth => Tier::Growth,
                TierArg::Pro => Tier::Pro,
            }),
            trial_days: self.trial_days,
            make_default: self.default,
            time_zone: self.time_zone,
            stripe_account: self.stripe_account,
            stripe_secret_key: self.stripe_secret_key.as_deref().map(secret).transpose()?,
            stripe_webhook_secrets: secrets.collect::<Result<_, _>>()?,
            ..BrandInput::default()
        })
    }
}

/// A secret given as it is, or by `-` on standard input, or by `@FILE`.
fn secret(given: &str) -> Result<SecretString, Failure> {
    let text = match given.strip_prefix('@') {
        Some(file) => std::fs::read_to_string(file).map_err(|error| Failure::from(format!("{file}: {error}")))?,
        None if given == "-" => {
            let mut text = String::new();
            std::io::stdin().read_to_string(&mut text)?;
            text
        }
        None => given.to_owned(),
    };
    Ok(text.trim().into())
}

fn describe(brand: &brand::Model) -> serde_json::Value {
    json!({
        "id": brand.id,
        "slug": brand.slug,
        "name": brand.name,
        "tier": brand.tier,
        "trialEndsAt": brand.trial_ends_at,
        "default": brand.is_default,
        "timeZone": brand.time_zone,
        "stripeAccount": brand.stripe_account,
        "hasStripeSecretKey": brand.stripe_secret_key.is_some(),
        "hasStripeWebhookSecret": brand.stripe_webhook_secrets.is_some(),
    })
}
