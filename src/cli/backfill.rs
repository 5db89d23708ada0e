//! `rekomi backfill`: what Stripe could not deliver, and sales from before Rekomi was connected, put into the inbox.

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use clap::Args;
use serde::Serialize;
use serde_json::json;

use super::{Failure, Outcome, asked, of, open, print};
use crate::{
    auth::Actor,
    clock::Clock,
    config::Config,
    directory::{Account, Directory, Way},
    domain::audit::{self, Entry},
    stripe::{
        backfill::{Backfill, Told, failure},
        client::Stripe,
    },
};

#[derive(Args)]
pub struct BackfillArgs {
    /// From when on: 2026-11-01, 2026-11-01T12:00:00Z, or an age such as 36h or 30d.
    #[arg(long, value_name = "WHEN")]
    since: String,
    /// Only this brand's, by its slug.
    #[arg(long)]
    brand: Option<String>,
}

/// One line of what is printed.
#[derive(Serialize)]
struct Line<'a> {
    brand: &'a str,
    mode: &'static str,
    #[serde(flatten)]
    told: &'a Told,
}

/// Fetches brand by brand, and prints what became of each list as JSON. A running server processes what came in.
pub async fn run(config: &Config, args: &BackfillArgs) -> Outcome {
    let clock = Clock::system();
    let since = moment(&args.since, clock.now())?;
    let db = open(config).await?;
    let directory = Directory::new(db.clone(), config);
    let backfill = Backfill {
        db: db.clone(),
        clock,
        directory: directory.clone(),
        stripe: Stripe::new(&config.stripe_api_base).map_err(of)?,
        stored: Default::default(),
        wake: Default::default(),
    };
    let mut failed = Vec::new();
    for (account, way) in asked::brands(&db, &directory, args.brand.as_deref(), "fetched").await? {
        if let Some(why) = of_brand(&backfill, &account, &way, since).await? {
            failed.push(format!("{}: {why}", account.brand.slug));
        }
    }
    if failed.is_empty() {
        return Ok(());
    }
    let failed = failed.join("\n");
    Err(format!("{failed}\nWhat was fetched is kept; run it again for the rest.").into())
}

/// What of a brand was not fetched, and why.
async fn of_brand(
    backfill: &Backfill,
    account: &Account,
    way: &Way,
    since: DateTime<Utc>,
) -> Result<Option<String>, Failure> {
    let brand = &account.brand;
    let mode = if way.livemode() { "live" } else { "test" };
    let mut printed = Ok(());
    let tell = |told: &Told| {
        if printed.is_ok() {
            let brand = &brand.slug;
            printed = serde_json::to_string(&Line { brand, mode, told })
                .map_err(Failure::from)
                .and_then(|line| print(&line));
        }
    };
    let all = backfill.run(brand.id, way, since, tell).await;
    write_down(backfill, account, way.livemode(), since, &all).await?;
    printed.map(|()| failure(&all))
}

async fn write_down(
    backfill: &Backfill,
    account: &Account,
    livemode: bool,
    since: DateTime<Utc>,
    all: &[Told],
) -> Outcome {
    let brand = account.brand.id;
    let new: u64 = all.iter().map(|told| told.new).sum();
    let done = json!({ "since": since, "new": new });
    let txn = backfill.db.begin().await?;
    let entry = Entry::created("events.backfilled", brand, &done).map_err(of)?;
    let actor = Actor::command_line(brand, livemode);
    audit::record_in_txn(&txn, &backfill.clock, &actor, entry)
        .await
        .map_err(of)?;
    Ok(txn.commit().await?)
}

/// Reads a moment that is not to come: a date (its midnight in UTC), a date and time, or an age.
fn moment(text: &str, now: DateTime<Utc>) -> Result<DateTime<Utc>, Failure> {
    let date = || Some(text.parse::<NaiveDate>().ok()?.and_hms_opt(0, 0, 0)?.and_utc());
    let time = || Some(DateTime::parse_from_rfc3339(text).ok()?.to_utc());
    let age = || {
        let age = TimeDelta::from_std(humantime::parse_duration(text).ok()?).ok()?;
        now.checked_sub_signed(age)
    };
    match date().or_else(time).or_else(age) {
        Some(moment) if moment > now => Err(format!("--since: {text} is still to come").into()),
        Some(moment) if moment < DateTime::UNIX_EPOCH => Err(format!("--since: {text} is before 1970").into()),
        Some(moment) => Ok(moment),
        None => Err(format!(
            "--since: {text:?} is no moment: say 2026-11-01, 2026-11-01T12:00:00Z, or an age such as 36h or 30d"
        )
        .into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_a_date_a_time_or_an_age() {
        let now: DateTime<Utc> = "2026-11-21T12:00:00Z".parse().unwrap();
        let cases = [
            ("2026-11-01", Some("2026-11-01T00:00:00Z")),
            ("2026-11-01T12:00:00+02:00", Some("2026-11-01T10:00:00Z")),
            ("36h", Some("2026-11-20T00:00:00Z")),
            ("30d", Some("2026-10-22T12:00:00Z")),
            ("0s", Some("2026-11-21T12:00:00Z")),
            ("2026-11-22", None),
            ("1969-12-31", None),
            ("100years", None),
            ("99999999999999999999d", None),
            ("yesterday", None),
            ("2026-13-01", None),
            ("", None),
        ];
        for (text, expected) in cases {
            let read = moment(text, now);
            assert_eq!(
                read.as_ref().ok().copied(),
                expected.map(|at| at.parse().unwrap()),
                "{text}"
            );
            assert!(
                read.is_ok() || read.unwrap_err().to_string().starts_with("--since: "),
                "{text}"
            );
        }
    }
}
