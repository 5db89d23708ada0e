//! Who and what sold the most: affiliates, codes and campaigns, for all time or in a range.
//!
//! The cost grows with the totals of the range, and not with the sales in them.

use uuid::Uuid;

use super::{
    Domain,
    figures::{self, By, Figures, FiguresFilter, Metric},
    page::{self, MAX_PAGE},
    stats::Period,
};
use crate::{
    auth::{Actor, Operation},
    error::{Error, Result},
    money::Currency,
};

/// What is ranked, and how.
#[derive(Clone, Debug)]
pub struct LeaderboardInput {
    pub by: By,
    pub metric: Metric,
    /// ISO 4217, any case: needed where the metric is money, and only there.
    pub currency: Option<String>,
    /// From 1 to 100.
    pub first: i32,
    /// Of sales of all time where nothing is given.
    pub period: Period,
    pub filter: FiguresFilter,
}

/// A place on a leaderboard.
#[derive(Clone, Debug)]
pub struct Standing {
    /// From 1 on; who has the same has the same rank, and the next one's counts all before.
    pub rank: i32,
    pub id: Uuid,
    pub figures: Figures,
}

/// The first places.
///
/// # Errors
/// `FORBIDDEN` to affiliates, who do not see each other. `BAD_USER_INPUT` that names the field.
pub async fn leaderboard(domain: &Domain, actor: &Actor, input: &LeaderboardInput) -> Result<Vec<Standing>> {
    actor.require(Operation::ReadLeaderboards)?;
    let (scope, by, period) = (&actor.scope, input.by, input.period);
    page::moment("range.from", period.from)?;
    page::moment("range.before", period.before)?;
    let bad = |message: &str| Error::BadUserInput(message.to_owned());
    let first = u64::try_from(input.first)
        .ok()
        .filter(|first| (1..=MAX_PAGE.unsigned_abs().into()).contains(first));
    let first = first.ok_or_else(|| Error::BadUserInput(format!("first must be from 1 to {MAX_PAGE}.")))?;
    let money = matches!(input.metric, Metric::Revenue | Metric::Commission);
    let currency = match (&input.currency, money) {
        (Some(given), true) => {
            let known: Currency = given.parse().map_err(|_| bad("currency must be an ISO 4217 code."))?;
            Some(known.to_string())
        }
        (None, true) => return Err(bad("currency is needed: amounts of several are not summed.")),
        (Some(_), false) => return Err(bad("currency is only for revenue and commission.")),
        (None, false) => None,
    };
    let order = (by, input.metric, currency.as_deref());
    let ranked = figures::ranked(domain, scope, &input.filter, period, order, first).await?;
    let ids: Vec<Uuid> = ranked.iter().map(|(id, _)| *id).collect();
    let mut figures = figures::of_subjects(domain, scope, &input.filter, period, by, &ids).await?;
    let mut standings: Vec<Standing> = Vec::with_capacity(ranked.len());
    let mut before: Option<(i64, i32)> = None;
    for ((id, value), place) in ranked.into_iter().zip(1..) {
        let rank = before
            .filter(|(same, _)| *same == value)
            .map_or(place, |(_, rank)| rank);
        before = Some((value, rank));
        let figures = figures.remove(&id).unwrap_or_default();
        standings.push(Standing { rank, id, figures });
    }
    Ok(standings)
}
