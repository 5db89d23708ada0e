//! `rekomi rebuild` and `rekomi replay`: the log of what Stripe told, compared with what stands, and run again.

use clap::Args;
use sea_orm::ActiveEnum;
use serde_json::json;

use super::{Failure, Outcome, of, open, print, stop_signal};
use crate::{
    clock::Clock,
    config::Config,
    db::DatabaseUrl,
    domain::{brands, replay::Replayed},
    stripe::{
        rebuild::{self, Report},
        replay::{self, Which},
    },
};

#[derive(Args)]
pub struct RebuildArgs {
    /// Replay the log into a scratch database and compare; nothing is changed.
    #[arg(long)]
    verify: bool,
}

#[derive(Args)]
pub struct ReplayArgs {
    /// Our id of the event (evt_…), or Stripe's.
    #[arg(value_name = "EVENT_ID")]
    events: Vec<String>,
    /// All events that were set aside.
    #[arg(long)]
    parked: bool,
    /// Only this brand's, by its slug.
    #[arg(long)]
    brand: Option<String>,
}

/// For what makes no sense on a database that is made for it.
pub(super) fn existing(config: &Config) -> Outcome {
    match &config.database {
        DatabaseUrl::Sqlite(path) if !path.exists() => {
            Err(format!("DATABASE_URL: there is no database {}", path.display()).into())
        }
        _ => Ok(()),
    }
}

/// Compares; differences are printed as JSON, one a line.
pub async fn rebuild(config: &Config, args: &RebuildArgs) -> Outcome {
    if !args.verify {
        return Err("--verify: rebuild only compares for now, and must be told so".into());
    }
    existing(config)?;
    let db = open(config).await?;
    let clock = Clock::system();
    // Asked to stop, it still takes its scratch database away.
    let report = tokio::select! {
        report = rebuild::verify(&db, &clock) => report.map_err(of)?,
        () = stop_signal() => return Err("stopped before the comparison was done".into()),
    };
    for difference in &report.told {
        print(&difference.to_string())?;
    }
    match report.differences {
        0 => print(&format!("no difference: {}", compared(&report))),
        count => {
            let more = count - report.told.len() as u64;
            let more = if more > 0 {
                format!(", {more} of them not shown")
            } else {
                String::new()
            };
            Err(format!("{count} differences{more}: {}", compared(&report)).into())
        }
    }
}

fn compared(report: &Report) -> String {
    let mut compared = format!(
        "{} events, {} sales and {} conversions were compared",
        report.tally.events, report.sales, report.conversions
    );
    let left_out = [
        (report.tally.pending, "pending events were left out"),
        (report.tally.parked, "parked events were left out"),
    ];
    for (count, what) in left_out.into_iter().filter(|(count, _)| *count > 0) {
        compared.push_str(&format!("; {count} {what}"));
    }
    compared
}

/// Puts events back into the queue, and prints each as JSON.
pub async fn replay(config: &Config, args: ReplayArgs) -> Outcome {
    let which = match (args.events.is_empty(), args.parked) {
        (true, true) => Which::Parked,
        (false, false) => Which::Named(args.events),
        (true, false) => return Err("name the events to replay, or say --parked".into()),
        (false, true) => return Err("--parked: it goes without the ids of events".into()),
    };
    let db = open(config).await?;
    let brand = match &args.brand {
        None => None,
        Some(slug) => {
            let found = brands::by_slug(db.reader(), slug).await.map_err(of)?;
            Some(found.ok_or_else(|| Failure::from(format!("--brand: there is no brand {slug:?}")))?)
        }
    };
    let mut failed = Ok(());
    let tell = |replayed: Replayed| {
        if failed.is_ok() {
            failed = show(&replayed);
        }
        Ok(())
    };
    replay::replay(&db, &Clock::system(), &which, brand.as_ref(), tell)
        .await
        .map_err(of)?;
    failed
}

fn show(replayed: &Replayed) -> Outcome {
    for event in &replayed.again {
        let (id, status) = (event.id, event.status.to_value());
        let line = json!({ "id": id, "stripeId": event.stripe_id, "type": event.kind, "status": status });
        print(&line.to_string())?;
    }
    for held in &replayed.held {
        eprintln!("{} ({}) is being processed: left alone", held.id, held.stripe_id);
    }
    Ok(())
}
