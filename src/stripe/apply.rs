//! Makes what stands equal to what the projection says should stand: inserts what is missing, changes what differs,
//! appends to the ledger the difference, moves the totals by the same deltas, and tells the feed; all in the caller's
//! transaction, whose locks on the sales keep others out.
//!
//! **Invariants.** No figure is read, changed and written back: totals move by deltas in SQL. An entry of the ledger is
//! never edited. Rows that several sales share (totals, balances, the feed's counter) are touched last and in order.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use entity::{
    conversion::{self, ConversionStatus},
    feed_event::FeedKind,
    id::{AffiliateId, CodeId, ConversionId, LedgerEntryId},
    ledger_entry::{self, EntryKind},
    redemption, sale,
};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, EntityTrait, IntoActiveModel, QueryFilter, sea_query::Expr,
};

use super::{
    projection::{self, Evidence, Projection, Uncredited},
    sales::Sale,
    standing::{Slot, Standing},
    totals::Totals,
};
use crate::{
    clock::Clock,
    domain::{attribution::Step, feed::FeedName},
    error::Result,
};

/// What the feed has to tell, once everything else is written.
#[derive(Debug, PartialEq, Eq)]
pub struct News {
    pub feed: FeedName,
    pub kind: FeedKind,
    pub about: About,
    pub affiliate: AffiliateId,
}

/// What it tells of.
#[derive(Debug, PartialEq, Eq)]
pub enum About {
    Conversion(ConversionId),
    Code(CodeId),
}

/// Collects the writes of one transaction.
struct Writer<'a> {
    clock: &'a Clock,
    feed: FeedName,
    now: DateTime<Utc>,
    new_conversions: Vec<conversion::Model>,
    changed_conversions: Vec<conversion::Model>,
    merged_conversions: Vec<conversion::Model>,
    new_redemptions: Vec<redemption::Model>,
    changed_redemptions: Vec<redemption::Model>,
    gone_redemptions: Vec<(CodeId, String)>,
    entries: Vec<ledger_entry::Model>,
    totals: Totals,
    news: Vec<News>,
}

/// Applies the projections of some sales of one brand and mode; the totals come back, to be moved after all else.
pub async fn apply_in_txn(
    txn: &impl ConnectionTrait,
    clock: &Clock,
    feed: FeedName,
    sales: Vec<Sale>,
    evidence: &Evidence,
) -> Result<(Totals, Vec<News>)> {
    let standing = Standing::read(txn, sales.iter().map(|sale| sale.row.id).collect()).await?;
    let mut writer = Writer {
        clock,
        feed,
        now: clock.now(),
        new_conversions: Vec::new(),
        changed_conversions: Vec::new(),
        merged_conversions: Vec::new(),
        new_redemptions: Vec::new(),
        changed_redemptions: Vec::new(),
        gone_redemptions: Vec::new(),
        entries: Vec::new(),
        totals: Totals::default(),
        news: Vec::new(),
    };
    for mut sale in sales {
        let projection = projection::project(&sale.facts, evidence);
        sale.row.revision = writer.sale(&sale, projection, &standing)?;
        save(txn, sale).await?;
    }
    writer.write(txn).await
}

/// Keeps the merged facts.
async fn save(txn: &impl ConnectionTrait, sale: Sale) -> Result<()> {
    let facts = serde_json::to_string(&sale.facts)?;
    sale::Entity::update_many()
        .col_expr(sale::Column::Facts, Expr::value(facts))
        .col_expr(sale::Column::Revision, Expr::value(sale.row.revision))
        .filter(sale::Column::Id.eq(sale.row.id))
        .exec(txn)
        .await?;
    Ok(())
}

impl Writer<'_> {
    /// Compares one sale with what stands; the last revision of its entries in the ledger.
    fn sale(&mut self, sale: &Sale, projection: Projection, standing: &Standing) -> Result<i64> {
        let mut should = BTreeMap::new();
        let mut ours = BTreeSet::new();
        for projected in projection.conversions {
            let find = |part: &String| standing.conversions.get(&(sale.row.id, part.clone()));
            let names = std::iter::once(&projected.part).chain(&projected.aliases);
            // What was recorded under a name that several go by is the first one's alone.
            let mut recorded: Vec<_> = names.filter_map(find).filter(|row| !ours.contains(&row.id)).collect();
            // Where several that were recorded are one, the oldest stays.
            recorded.sort_by_key(|row| (row.is_withdrawn(), row.id));
            let old = recorded.first().copied();
            let row = self.row(sale, &projected, old)?;
            let joined = recorded.len() > 1;
            for younger in recorded.into_iter().skip(1) {
                ours.insert(younger.id);
                self.merge(younger, &row);
            }
            let currency = &row.commission_currency;
            let slot = |affiliate, kind| (row.id, affiliate, kind, currency.clone(), row.hold_until);
            should.insert(slot(row.affiliate_id, EntryKind::Commission), projected.earned);
            should.insert(slot(row.affiliate_id, EntryKind::Clawback), -projected.clawed_back);
            if let Some(it) = &projected.overriding {
                should.insert(slot(it.affiliate_id, EntryKind::Override), it.earned);
                should.insert(slot(it.affiliate_id, EntryKind::OverrideClawback), -it.clawed_back);
            }
            ours.insert(row.id);
            self.conversion(old, row, joined);
        }
        let recorded = standing.conversions.values();
        for row in recorded.filter(|row| row.sale_id == sale.row.id && !row.is_withdrawn()) {
            if ours.insert(row.id) {
                self.withdraw(row, &projection.uncredited)?;
            }
        }
        let mut counted = BTreeSet::new();
        for projected in projection.redemptions {
            counted.insert((projected.code_id, projected.usage.clone()));
            let old = standing.redemptions.get(&(projected.code_id, projected.usage.clone()));
            self.redemption(sale, projected, old);
        }
        self.take_off(sale, &counted, standing);
        Ok(self.ledger(sale, should, &ours, standing))
    }

    /// The younger of two that turned out to be one leaves every list and sum, and leads to the older.
    fn merge(&mut self, younger: &conversion::Model, into: &conversion::Model) {
        self.uncount(younger);
        self.merged_conversions.push(conversion::Model {
            merged_into: Some(into.id),
            ..younger.clone()
        });
    }

    /// One that nobody is credited for any more leaves every list and sum, and can still be asked for by its id.
    fn withdraw(&mut self, row: &conversion::Model, uncredited: &[Uncredited]) -> Result<()> {
        self.uncount(row);
        let why = uncredited.iter().find(|part| part.names.contains(&row.part));
        let trail = why.map(|part| part.trail.clone()).unwrap_or_default();
        let trail: Vec<Step> = trail.into_iter().chain([Step::withdrawn()]).collect();
        self.tell(FeedKind::ConversionUpdated, row);
        self.merged_conversions.push(conversion::Model {
            status: ConversionStatus::Rejected,
            commission: 0,
            attribution_trail: serde_json::to_string(&trail)?,
            merged_into: Some(row.id),
            ..row.clone()
        });
        Ok(())
    }

    fn uncount(&mut self, row: &conversion::Model) {
        if !row.is_withdrawn() {
            self.totals.conversion(row, -1);
        }
    }

    fn tell(&mut self, kind: FeedKind, row: &conversion::Model) {
        self.news.push(News {
            feed: self.feed,
            kind,
            about: About::Conversion(row.id),
            affiliate: row.affiliate_id,
        });
    }

    /// What was counted for a part that is now known to be another's is counted there.
    fn take_off(&mut self, sale: &Sale, counted: &BTreeSet<(CodeId, String)>, standing: &Standing) {
        for (key, row) in &standing.redemptions {
            if row.sale_id == sale.row.id && !counted.contains(key) {
                self.totals.redemption(row, -1);
                self.gone_redemptions.push(key.clone());
            }
        }
    }

    fn row(
        &self,
        sale: &Sale,
        projected: &projection::Conversion,
        old: Option<&conversion::Model>,
    ) -> Result<conversion::Model> {
        Ok(conversion::Model {
            id: old.map_or_else(|| ConversionId(self.clock.new_id()), |old| old.id),
            brand_id: self.feed.brand,
            livemode: self.feed.livemode,
            sale_id: sale.row.id,
            part: projected.part.clone(),
            kind: projected.kind,
            status: projected.status,
            attribution_method: projected.attribution_method,
            campaign_id: projected.campaign_id,
            affiliate_id: projected.affiliate_id,
            code_id: projected.code_id,
            coupon_code: projected.coupon_code.clone(),
            code_is_own: projected.code_is_own,
            amount_pending: projected.amount_pending,
            currency: projected.currency.to_string(),
            amount: projected.amount,
            tax: projected.tax,
            refunded_amount: projected.refunded_amount,
            commission: projected.earned - projected.clawed_back,
            commission_currency: projected.commission_currency.to_string(),
            hold_until: projected.hold_until,
            customer_email: projected.customer_email.clone(),
            attribution_trail: serde_json::to_string(&projected.trail)?,
            occurred_at: projected.occurred_at,
            recorded_at: old.map_or(self.now, |old| old.recorded_at),
            merged_into: None,
        })
    }

    /// One that another was joined to is told of even where it looks the same: the other's id now leads to it.
    fn conversion(&mut self, old: Option<&conversion::Model>, row: conversion::Model, joined: bool) {
        if old == Some(&row) && !joined {
            return;
        }
        self.totals.conversion(&row, 1);
        match old {
            Some(old) => {
                self.tell(FeedKind::ConversionUpdated, &row);
                self.uncount(old);
                self.changed_conversions.push(row);
            }
            None => {
                self.tell(FeedKind::ConversionCreated, &row);
                self.new_conversions.push(row);
            }
        }
    }

    fn redemption(&mut self, sale: &Sale, projected: projection::Redemption, old: Option<&redemption::Model>) {
        let row = redemption::Model {
            code_id: projected.code_id,
            usage: projected.usage,
            brand_id: self.feed.brand,
            livemode: self.feed.livemode,
            sale_id: sale.row.id,
            part: projected.part,
            occurred_at: projected.occurred_at,
            refunded: projected.refunded,
        };
        if old == Some(&row) {
            return;
        }
        self.totals.redemption(&row, 1);
        match old {
            Some(old) => {
                self.totals.redemption(old, -1);
                self.changed_redemptions.push(row);
            }
            None => self.new_redemptions.push(row),
        }
    }

    /// Appends the difference between what should stand and what is recorded, place by place; the last revision. What
    /// has no place any more is taken back when it would have been due: no sooner, or it would be owed meanwhile.
    fn ledger(
        &mut self,
        sale: &Sale,
        mut should: BTreeMap<Slot, i64>,
        ours: &BTreeSet<ConversionId>,
        standing: &Standing,
    ) -> i64 {
        let mut revision = sale.row.revision;
        for slot in standing.ledger.keys().filter(|slot| ours.contains(&slot.0)) {
            should.entry(slot.clone()).or_insert(0);
        }
        for (slot, sum) in should {
            let amount = sum - standing.ledger.get(&slot).copied().unwrap_or(0);
            let (conversion_id, affiliate_id, kind, currency, available_at) = slot;
            if amount == 0 {
                continue;
            }
            revision += 1;
            self.totals.balance(affiliate_id, &currency, amount);
            self.entries.push(ledger_entry::Model {
                id: LedgerEntryId(self.clock.new_id()),
                brand_id: self.feed.brand,
                livemode: self.feed.livemode,
                affiliate_id,
                conversion_id,
                sale_id: sale.row.id,
                revision,
                kind,
                currency,
                amount,
                available_at,
                created_at: self.now,
            });
        }
        revision
    }

    async fn write(self, txn: &impl ConnectionTrait) -> Result<(Totals, Vec<News>)> {
        insert::<conversion::Entity>(txn, self.new_conversions).await?;
        // The merged ones first: they give up the name that another takes on.
        for row in self.merged_conversions.into_iter().chain(self.changed_conversions) {
            row.into_active_model().reset_all().update(txn).await?;
        }
        insert::<redemption::Entity>(txn, self.new_redemptions).await?;
        for key in self.gone_redemptions {
            redemption::Entity::delete_by_id(key).exec(txn).await?;
        }
        for row in self.changed_redemptions {
            row.into_active_model().reset_all().update(txn).await?;
        }
        insert::<ledger_entry::Entity>(txn, self.entries).await?;
        Ok((self.totals, self.news))
    }
}

/// Inserts rows in chunks that keep below the databases' limits on values.
async fn insert<E>(txn: &impl ConnectionTrait, rows: Vec<E::Model>) -> Result<()>
where
    E: EntityTrait,
    E::Model: IntoActiveModel<E::ActiveModel>,
    E::ActiveModel: Send,
{
    const CHUNK: usize = 500;
    let mut rows = rows.into_iter().peekable();
    while rows.peek().is_some() {
        let chunk: Vec<E::ActiveModel> = rows
            .by_ref()
            .take(CHUNK)
            .map(IntoActiveModel::into_active_model)
            .collect();
        E::insert_many(chunk).exec_without_returning(txn).await?;
    }
    Ok(())
}
