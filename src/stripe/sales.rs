//! Sales as rows: finds the sales that events belong to by their keys, makes new ones, joins those that turn out to be
//! one, and locks them in order before their facts are read.

use std::collections::{BTreeMap, BTreeSet};

use entity::{conversion, ledger_entry, redemption, sale, sale_key};
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder, QuerySelect, Set,
    sea_query::{Expr, OnConflict},
};
use uuid::Uuid;

use super::facts::Facts;
use crate::{
    clock::Clock,
    domain::feed::FeedName,
    error::{Error, Result},
};

/// A bound for `IN` lists, well below both databases' limits.
const CHUNK: usize = 1000;

/// A locked sale with all its facts, the new ones merged in.
pub struct Sale {
    pub row: sale::Model,
    pub facts: Facts,
}

/// Another worker changed the same sales: the transaction is to be begun again.
const CONFLICT: &str = "another worker holds the same sales";

/// The sales that are known by any of these keys.
pub async fn known(
    db: &impl ConnectionTrait,
    feed: FeedName,
    keys: &BTreeSet<String>,
) -> Result<BTreeMap<String, Uuid>> {
    let mut known = BTreeMap::new();
    let keys: Vec<&String> = keys.iter().collect();
    for chunk in keys.chunks(CHUNK) {
        let rows = sale_key::Entity::find()
            .filter(sale_key::Column::BrandId.eq(feed.brand))
            .filter(sale_key::Column::Livemode.eq(feed.livemode))
            .filter(sale_key::Column::Key.is_in(chunk.iter().map(|key| key.as_str())))
            .all(db)
            .await?;
        known.extend(rows.into_iter().map(|row| (row.key, row.sale_id)));
    }
    Ok(known)
}

/// All that is known of the sale that some facts belong to, the facts themselves included. A plain read, no lock.
pub async fn preview(db: &impl ConnectionTrait, feed: FeedName, facts: &Facts) -> Result<Facts> {
    let ids: BTreeSet<Uuid> = known(db, feed, &facts.keys()).await?.into_values().collect();
    let mut all = facts.clone();
    if !ids.is_empty() {
        let rows = sale::Entity::find().filter(sale::Column::Id.is_in(ids)).all(db).await?;
        for row in rows {
            all.merge(serde_json::from_str(&row.facts)?);
        }
    }
    Ok(all)
}

/// Merges new facts into their sales, and locks those until the transaction ends.
pub async fn merge_in_txn(
    txn: &impl ConnectionTrait,
    clock: &Clock,
    feed: FeedName,
    new: Vec<Facts>,
) -> Result<Vec<Sale>> {
    let keys: BTreeSet<String> = new.iter().flat_map(Facts::keys).collect();
    let known = known(txn, feed, &keys).await?;
    let mut groups = group(new, &known);
    // The locks come first, and the keys in order, so that no two workers wait for each other.
    let there = groups.iter().flat_map(|group| &group.sales).copied().collect();
    let mut rows = lock(txn, there).await?;
    let made = insert_new(txn, clock, feed, &mut groups).await?;
    rows.extend(made.into_iter().map(|row| (row.id, row)));
    insert_keys(txn, feed, &groups, &known).await?;
    let mut sales = Vec::with_capacity(groups.len());
    for group in groups {
        sales.push(join(txn, group, &mut rows).await?);
    }
    Ok(sales)
}

/// Facts that share a key, with the sales that have any of their keys.
struct Group {
    facts: Facts,
    keys: BTreeSet<String>,
    sales: BTreeSet<Uuid>,
}

/// Puts together what shares a key or a sale.
fn group(new: Vec<Facts>, known: &BTreeMap<String, Uuid>) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for facts in new {
        let keys = facts.keys();
        if keys.is_empty() {
            continue;
        }
        let sales = keys.iter().filter_map(|key| known.get(key).copied()).collect();
        let mut merged = Group { facts, keys, sales };
        let (touching, apart): (Vec<_>, Vec<_>) = groups
            .into_iter()
            .partition(|group| !group.keys.is_disjoint(&merged.keys) || !group.sales.is_disjoint(&merged.sales));
        for group in touching {
            merged.facts.merge(group.facts);
            merged.keys.extend(group.keys);
            merged.sales.extend(group.sales);
        }
        groups = apart;
        groups.push(merged);
    }
    groups
}

async fn insert_new(
    txn: &impl ConnectionTrait,
    clock: &Clock,
    feed: FeedName,
    groups: &mut [Group],
) -> Result<Vec<sale::Model>> {
    let mut made = Vec::new();
    for group in groups.iter_mut().filter(|group| group.sales.is_empty()) {
        let row = sale::Model {
            id: clock.new_id(),
            brand_id: feed.brand,
            livemode: feed.livemode,
            facts: serde_json::to_string(&group.facts)?,
            revision: 0,
            merged_into: None,
            created_at: clock.now(),
        };
        group.sales.insert(row.id);
        made.push(row);
    }
    for chunk in made.chunks(CHUNK) {
        let rows = chunk.iter().cloned().map(IntoActiveModel::into_active_model);
        sale::Entity::insert_many(rows).exec_without_returning(txn).await?;
    }
    Ok(made)
}

/// Writes the keys that are new, in order, so that two workers cannot wait for each other.
async fn insert_keys(
    txn: &impl ConnectionTrait,
    feed: FeedName,
    groups: &[Group],
    known: &BTreeMap<String, Uuid>,
) -> Result<()> {
    let mut new = BTreeMap::new();
    for group in groups {
        let Some(sale) = group.sales.first() else { continue };
        new.extend(
            group
                .keys
                .iter()
                .filter(|key| !known.contains_key(*key))
                .map(|key| (key.clone(), *sale)),
        );
    }
    let new: Vec<(String, Uuid)> = new.into_iter().collect();
    for chunk in new.chunks(CHUNK) {
        let rows = chunk.iter().map(|(key, sale)| sale_key::ActiveModel {
            brand_id: Set(feed.brand),
            livemode: Set(feed.livemode),
            key: Set(key.clone()),
            sale_id: Set(*sale),
        });
        let columns = [
            sale_key::Column::BrandId,
            sale_key::Column::Livemode,
            sale_key::Column::Key,
        ];
        let written = sale_key::Entity::insert_many(rows)
            .on_conflict(OnConflict::columns(columns).do_nothing().to_owned())
            .exec_without_returning(txn)
            .await?;
        if written != chunk.len() as u64 {
            return Err(Error::Retry(CONFLICT.into()));
        }
    }
    Ok(())
}

/// Locks the sales that are there already, in order.
async fn lock(txn: &impl ConnectionTrait, there: BTreeSet<Uuid>) -> Result<BTreeMap<Uuid, sale::Model>> {
    let there: Vec<Uuid> = there.into_iter().collect();
    let mut rows = BTreeMap::new();
    for chunk in there.chunks(CHUNK) {
        let locked = sale::Entity::find()
            .filter(sale::Column::Id.is_in(chunk.iter().copied()))
            .order_by_asc(sale::Column::Id)
            .lock_exclusive()
            .all(txn)
            .await?;
        if locked.iter().any(|row| row.merged_into.is_some()) {
            return Err(Error::Retry(CONFLICT.into()));
        }
        rows.extend(locked.into_iter().map(|row| (row.id, row)));
    }
    Ok(rows)
}

/// Merges the facts of a group; where it has several sales, the oldest stays and takes over what the others have.
async fn join(txn: &impl ConnectionTrait, group: Group, rows: &mut BTreeMap<Uuid, sale::Model>) -> Result<Sale> {
    let gone = || Error::Internal("a sale is gone".into());
    let mut ids = group.sales.into_iter();
    let oldest = ids.next().ok_or_else(gone)?;
    let mut row = rows.remove(&oldest).ok_or_else(gone)?;
    let mut facts = group.facts;
    facts.merge(serde_json::from_str(&row.facts)?);
    let younger: Vec<Uuid> = ids.collect();
    for id in &younger {
        let other = rows.remove(id).ok_or_else(gone)?;
        facts.merge(serde_json::from_str(&other.facts)?);
        // The ledger's entries come along, and their revisions must not be given out again.
        row.revision = row.revision.max(other.revision);
    }
    if !younger.is_empty() {
        take_over(txn, oldest, &younger).await?;
    }
    Ok(Sale { row, facts })
}

async fn take_over(txn: &impl ConnectionTrait, oldest: Uuid, younger: &[Uuid]) -> Result<()> {
    macro_rules! moved {
        ($table:ident, $column:ident, $filter:ident) => {
            $table::Entity::update_many()
                .col_expr($table::Column::$column, Expr::value(oldest))
                .filter($table::Column::$filter.is_in(younger.iter().copied()))
                .exec(txn)
                .await?
        };
    }
    moved!(sale_key, SaleId, SaleId);
    moved!(conversion, SaleId, SaleId);
    moved!(redemption, SaleId, SaleId);
    moved!(ledger_entry, SaleId, SaleId);
    moved!(sale, MergedInto, Id);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(invoice: &str, payment: &str) -> Facts {
        let mut facts = Facts::default();
        let invoice = facts.invoices.entry(invoice.to_owned()).or_default();
        invoice.payments.insert(payment.to_owned());
        facts
    }

    #[test]
    fn facts_that_share_a_key_or_a_sale_are_one_group() {
        let sale = Uuid::from_u128(1);
        let known = [("pi_3".to_owned(), sale), ("in_4".to_owned(), sale)].into();
        let new = vec![
            facts("in_1", "pi_1"),
            facts("in_2", "pi_2"),
            facts("in_2", "pi_1"),
            facts("in_3", "pi_3"),
            facts("in_4", "pi_4"),
        ];
        let mut groups: Vec<_> = group(new, &known)
            .into_iter()
            .map(|group| (group.keys.len(), group.sales.len()))
            .collect();
        groups.sort_unstable();
        assert_eq!(groups, [(4, 0), (4, 1)]);
    }
}
