//! `rekomi inbox`: what Stripe sent and what became of it, for programs to read.

use clap::{Args, ValueEnum};
use entity::{brand, stripe_event::EventStatus};
use sea_orm::ActiveEnum;
use serde_json::{Value, json};

use super::{Failure, Outcome, api_key::domain, of, print};
use crate::{
    auth::{Actor, jwt::Mode},
    config::Config,
    domain::{
        Domain, brands,
        inbox::{self, Event, EventFilter},
        page::{MAX_PAGE, PageArgs, Place},
    },
};

#[derive(Args)]
pub struct InboxArgs {
    /// Only this brand's, by its slug.
    #[arg(long)]
    brand: Option<String>,
    /// Only those in this state.
    #[arg(long, value_enum, conflicts_with = "summary")]
    status: Option<State>,
    /// Only those of this type of Stripe's, such as invoice.paid.
    #[arg(long = "type", value_name = "TYPE", conflicts_with = "summary")]
    kind: Option<String>,
    /// How many at most.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=10_000), conflicts_with = "summary")]
    limit: u16,
    /// How many there are in each state instead, and how long the oldest waits: a line for each brand and mode.
    #[arg(long)]
    summary: bool,
}

/// The words of [`EventStatus`].
#[derive(Clone, Copy, ValueEnum)]
enum State {
    Pending,
    Processed,
    Ignored,
    Parked,
}

impl From<State> for EventStatus {
    fn from(state: State) -> Self {
        match state {
            State::Pending => Self::Pending,
            State::Processed => Self::Processed,
            State::Ignored => Self::Ignored,
            State::Parked => Self::Parked,
        }
    }
}

/// One brand in one mode.
struct Side {
    slug: String,
    mode: Mode,
    actor: Actor,
}

/// Prints events or figures as JSON, one a line.
pub async fn run(config: &Config, args: InboxArgs) -> Outcome {
    let domain = domain(config).await?;
    let sides: Vec<Side> = brands_of(&domain, args.brand.as_deref())
        .await?
        .iter()
        .flat_map(|brand| [side(brand, Mode::Live), side(brand, Mode::Test)])
        .collect();
    if args.summary {
        for side in &sides {
            print(&summary(&domain, side).await?.to_string())?;
        }
        return Ok(());
    }
    let filter = EventFilter {
        status: args.status.map(|state| vec![state.into()]),
        kind: args.kind,
        ..EventFilter::default()
    };
    let limit = usize::from(args.limit);
    let mut all: Vec<(Event, &Side)> = Vec::new();
    for side in &sides {
        let events = newest(&domain, &side.actor, &filter, limit).await?;
        all.extend(events.into_iter().map(|event| (event, side)));
        all.sort_by_key(|(event, _)| std::cmp::Reverse((event.received_at, event.id)));
        all.truncate(limit);
    }
    for (event, side) in &all {
        print(&described(event, side).to_string())?;
    }
    Ok(())
}

async fn brands_of(domain: &Domain, slug: Option<&str>) -> Result<Vec<brand::Model>, Failure> {
    let Some(slug) = slug else {
        return brands::list(&domain.db).await.map_err(of);
    };
    let found = brands::by_slug(domain.db.reader(), slug).await.map_err(of)?;
    let brand = found.ok_or_else(|| Failure::from(format!("--brand: there is no brand {slug:?}")))?;
    Ok(vec![brand])
}

fn side(brand: &brand::Model, mode: Mode) -> Side {
    Side {
        slug: brand.slug.clone(),
        mode,
        actor: Actor::command_line(brand.id, mode == Mode::Live),
    }
}

/// Up to `limit` events, newest first, page by page.
async fn newest(domain: &Domain, actor: &Actor, filter: &EventFilter, limit: usize) -> Result<Vec<Event>, Failure> {
    let mut events: Vec<Event> = Vec::new();
    let mut args = PageArgs {
        first: Some(MAX_PAGE),
        ..PageArgs::default()
    };
    loop {
        let page = inbox::list(domain, actor, filter, &args).await.map_err(of)?;
        events.extend(page.rows);
        match events.last() {
            Some(last) if page.has_next && events.len() < limit => {
                args.after = Some(Place::at(last.received_at, last.id.0).cursor());
            }
            _ => return Ok(events),
        }
    }
}

async fn summary(domain: &Domain, side: &Side) -> Result<Value, Failure> {
    let number = async |status| inbox::number(domain, &side.actor, status).await.map_err(of);
    let oldest = inbox::oldest_pending(domain, &side.actor).await.map_err(of)?;
    Ok(json!({
        "brand": side.slug,
        "mode": side.mode,
        "pending": number(EventStatus::Pending).await?,
        "processed": number(EventStatus::Processed).await?,
        "ignored": number(EventStatus::Ignored).await?,
        "parked": number(EventStatus::Parked).await?,
        "oldestPendingAt": oldest,
        "oldestPendingAgeSeconds": oldest.map(|at| (domain.clock.now() - at).num_seconds()),
    }))
}

fn described(event: &Event, side: &Side) -> Value {
    json!({
        "id": event.id,
        "stripeId": event.stripe_id,
        "brand": side.slug,
        "mode": side.mode,
        "type": event.kind,
        "status": event.status.to_value(),
        "attempts": event.attempts,
        "receivedAt": event.received_at,
        "lastError": event.last_error,
    })
}
