//! `rekomi reconcile`: what Stripe has otherwise than our rows say.

use clap::Args;
use serde::Serialize;

use super::{Failure, Outcome, asked, of, open, outbox, print};
use crate::{
    clock::Clock,
    config::Config,
    directory::{Account, Directory, Way},
    domain::{Domain, feed::FeedName},
    stripe::{
        client::Stripe,
        fetch::Fetcher,
        reconcile::{Difference, Reconcile, Summary},
    },
};

#[derive(Args)]
pub struct ReconcileArgs {
    /// Only this brand's, by its slug.
    #[arg(long)]
    brand: Option<String>,
    /// Make Stripe what Rekomi says.
    #[arg(long)]
    repair: bool,
    /// Print JSON, a line for each difference and one for each brand.
    #[arg(long)]
    json: bool,
}

/// One line of what is printed.
#[derive(Serialize)]
struct Line<'a, T: Serialize> {
    brand: &'a str,
    mode: &'static str,
    #[serde(flatten)]
    what: &'a T,
}

/// Goes brand by brand. Fails where differences are left.
pub async fn run(config: &Config, args: &ReconcileArgs) -> Outcome {
    let db = open(config).await?;
    let directory = Directory::new(db.clone(), config);
    let fetcher = Fetcher {
        db: db.clone(),
        clock: Clock::system(),
        directory: directory.clone(),
        stripe: Stripe::new(&config.stripe_api_base).map_err(of)?,
    };
    let domain = outbox(&fetcher);
    let (mut left, mut wrong) = (0, Vec::new());
    for (account, way) in asked::brands(&db, &directory, args.brand.as_deref(), "compared").await? {
        // What is wrong with one brand, such as its key, holds up no other.
        match of_brand(&fetcher, &domain, &account, &way, args).await {
            Ok(summary) => left += summary.left,
            Err(error) => wrong.push(error.to_string()),
        }
    }
    if left > 0 {
        wrong.push(format!("differences that are left: {left}"));
    }
    if wrong.is_empty() {
        Ok(())
    } else {
        Err(wrong.join("\n").into())
    }
}

async fn of_brand(
    fetcher: &Fetcher,
    domain: &Domain,
    account: &Account,
    way: &Way,
    args: &ReconcileArgs,
) -> Result<Summary, Failure> {
    let slug = account.brand.slug.as_str();
    let mode = if way.livemode() { "live" } else { "test" };
    let reconcile = Reconcile {
        stripe: fetcher,
        domain,
        feed: FeedName {
            brand: account.brand.id,
            livemode: way.livemode(),
        },
        way,
        repair: args.repair,
    };
    let mut printed = Ok(());
    let summary = reconcile
        .run(|difference| {
            if printed.is_ok() {
                printed = tell(slug, mode, difference, args.json);
            }
        })
        .await
        .map_err(|error| Failure::from(format!("{slug}: {error}")))?;
    printed?;
    if args.json {
        let brand = slug;
        print(&serde_json::to_string(&Line {
            brand,
            mode,
            what: &summary,
        })?)?;
    } else {
        let Summary {
            coupons,
            codes,
            differences,
            left,
        } = summary;
        print(&format!(
            "{slug} {mode}: {coupons} coupons and {codes} codes compared, {differences} differ, {left} of them left"
        ))?;
    }
    Ok(summary)
}

fn tell(brand: &str, mode: &'static str, what: &Difference, json: bool) -> Outcome {
    if json {
        return print(&serde_json::to_string(&Line { brand, mode, what })?);
    }
    let Difference {
        id,
        name,
        stripe_id,
        drift,
        repair,
        ..
    } = what;
    let repair = repair.as_ref().map(|repair| format!(" [{repair}]")).unwrap_or_default();
    print(&format!("{brand} {mode}: {name} ({id}, {stripe_id}): {drift}{repair}"))
}
