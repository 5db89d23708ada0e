//! Why something came out otherwise, as far as it can be told: whether the sale is kept as the log tells it, and which
//! entries of the log speak of it.

use std::collections::{BTreeMap, BTreeSet};

use entity::sale_key;
use sea_orm::{ColumnTrait, DatabaseTransaction, EntityTrait, QueryFilter, QueryOrder};
use serde_json::{Value, json};

use super::{
    super::{facts::Facts, sales},
    findings::{Finding, Findings},
    log::{self, Entry},
};
use crate::{domain::feed::FeedName, error::Result};

/// How many entries of the log are named for one sale.
const NAMED: usize = 50;

/// Fills in causes, sales and entries.
pub(super) async fn explain(
    findings: &mut Findings,
    log: &DatabaseTransaction,
    replayed: &DatabaseTransaction,
) -> Result<()> {
    let rows_differ = findings.told.iter().any(|finding| finding.place.part.is_some());
    for finding in &mut findings.told {
        let feed = finding.place.feed;
        let Some(part) = finding.place.part.clone() else {
            if finding.cause.is_empty() {
                finding.cause = of_a_total(rows_differ).to_owned();
            }
            continue;
        };
        let (stands, came_out) = (names(log, feed, &part).await?, names(replayed, feed, &part).await?);
        let kept = log::standing(log, feed, stands.clone()).await?;
        let told = log::standing(replayed, feed, came_out.clone()).await?;
        finding.cause = of_a_row(finding, (!stands.is_empty()).then_some(&kept), &told)?;
        finding.sale = stands.into_iter().chain(came_out).collect();
        finding.sale.sort();
        finding.sale.dedup();
    }
    if rows_differ {
        name_entries(&mut findings.told, log).await?;
    }
    Ok(())
}

fn of_a_total(rows_differ: bool) -> &'static str {
    if rows_differ {
        "rows that it sums differ too, unless they are of another code or affiliate"
    } else {
        "all rows that it sums are as they should be: the total itself was moved"
    }
}

fn of_a_row(finding: &Finding, kept: Option<&Facts>, told: &Facts) -> Result<String> {
    if *told == Facts::default() {
        return Ok("nothing in the log that was processed tells of it".to_owned());
    }
    let Some(kept) = kept else {
        return Ok("no sale is kept under this name, but the log tells of one".to_owned());
    };
    let differ = differ(kept, told)?;
    if !differ.is_empty() {
        return Ok(format!(
            "what is kept of the sale is not what the log tells, in its {}",
            differ.join(", ")
        ));
    }
    let row = match (&finding.stands, &finding.came_out) {
        (None, _) => "the row is missing",
        (_, None) => "the row is one too many",
        _ => "the row was changed",
    };
    Ok(format!(
        "the sale is kept as the log tells it: {row}, or a code, a rule or an affiliate's history was changed since"
    ))
}

/// The kinds of facts that differ, but for codes that were looked up in one run and known in the other.
fn differ(kept: &Facts, told: &Facts) -> Result<Vec<String>> {
    let (kept, told) = (serde_json::to_value(kept)?, serde_json::to_value(told)?);
    let names = [&kept, &told].into_iter().filter_map(Value::as_object);
    let names: BTreeSet<&String> = names.flat_map(|facts| facts.keys()).collect();
    let looked_up = ["promotion_codes", "looked_up"];
    Ok(names
        .into_iter()
        .filter(|name| !looked_up.contains(&name.as_str()) && kept[*name] != told[*name])
        .cloned()
        .collect())
}

/// All names of the sale that goes by one of them.
async fn names(db: &DatabaseTransaction, feed: FeedName, name: &str) -> Result<BTreeSet<String>> {
    let known = sales::known(db, feed, &BTreeSet::from([name.to_owned()])).await?;
    let rows = sale_key::Entity::find()
        .filter(sale_key::Column::SaleId.is_in(known.into_values()))
        .order_by_asc(sale_key::Column::Key);
    Ok(rows.all(db).await?.into_iter().map(|row| row.key).collect())
}

/// Goes through the log once more, for what speaks of these sales.
async fn name_entries(findings: &mut [Finding], log: &DatabaseTransaction) -> Result<()> {
    let mut of_name: BTreeMap<(bool, String), Vec<usize>> = BTreeMap::new();
    for (number, finding) in findings.iter().enumerate() {
        for name in finding.sale.iter().chain(&finding.place.part) {
            let key = (finding.place.feed.livemode, name.clone());
            of_name.entry(key).or_default().push(number);
        }
    }
    log::each(log, async |chunk| {
        for piece in chunk.pieces {
            let keys = piece.facts.keys().into_iter();
            let about = keys
                .filter_map(|key| of_name.get(&(piece.feed.livemode, key)))
                .flatten();
            for number in about.copied().collect::<BTreeSet<usize>>() {
                let finding = &mut findings[number];
                if finding.place.feed == piece.feed && finding.told_by.len() < NAMED {
                    finding.told_by.push(shown(&piece.entry));
                }
            }
        }
        Ok(())
    })
    .await?;
    Ok(())
}

/// An entry of the log, for an operator.
pub(super) fn shown(entry: &Entry) -> Value {
    match entry {
        Entry::Event {
            id,
            stripe_id,
            kind,
            status,
        } => json!({ "event": id, "stripeId": stripe_id, "type": kind, "status": status }),
        Entry::Answer(request) => json!({ "answer": request }),
        Entry::Report(id) => json!({ "report": id }),
    }
}
