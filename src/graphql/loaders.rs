//! Per-request loaders, so that a page of rows costs a fixed number of statements.
//!
//! They read rows that rows which the caller found refer to, within the caller's brand and mode. A loader's cache never
//! expires: they are new for each request, and for each event of a subscription.

use std::{collections::HashMap, hash::Hash, sync::Arc};

use ::dataloader::{BatchFn, cached::Loader};
use entity::{
    affiliate, affiliate_balance, affiliate_link, affiliate_rate, campaign, campaign_code, campaign_rule, code,
    code_total::{self, ALL_TIME},
    conversion, coupon,
    id::{AffiliateId, CampaignId, CodeId, ConversionId, CouponId, EventId, LinkId},
    ledger_entry, link_total, stripe_event, stripe_operation, taken_code,
};
use sea_orm::{
    ColumnTrait, DbErr, EntityTrait, ExprTrait, JoinType, QueryFilter, QueryOrder, QuerySelect, QueryTrait,
    sea_query::{Expr, SelectStatement},
};
use tracing::Instrument;

use crate::{
    auth::Scope,
    domain::{
        self, Domain,
        feed::FeedName,
        ledger, live_codes,
        owed::{self, Sync},
        tenancy,
    },
    error::{Error, Result},
};

/// Larger than any page.
const BATCH: usize = 1000;

type Answer<V> = Result<Option<V>, Arc<DbErr>>;

/// Reads the values of many keys at once.
struct Batch<K, V> {
    domain: Domain,
    scope: Scope,
    read: fn(Domain, Scope, Vec<K>) -> Reading<K, V>,
}

type Reading<K, V> = std::pin::Pin<Box<dyn Future<Output = Result<HashMap<K, V>, DbErr>> + Send>>;

impl<K, V> BatchFn<K, Answer<V>> for Batch<K, V>
where
    K: Eq + Hash + Copy + Send + core::marker::Sync + std::fmt::Debug + 'static,
    V: Clone + Send + 'static,
{
    async fn load(&mut self, keys: &[K]) -> HashMap<K, Answer<V>> {
        let work = (self.read)(self.domain.clone(), self.scope, keys.to_vec());
        // In a task of its own, with the request's id in its logs: a waiter that goes away must not take the others' answers with it.
        let read = match tokio::spawn(work.in_current_span()).await {
            Ok(read) => read,
            Err(error) => Err(DbErr::Custom(format!("a loader was lost: {error}"))),
        };
        match read {
            Ok(mut found) => keys.iter().map(|key| (*key, Ok(found.remove(key)))).collect(),
            Err(error) => {
                let error = Arc::new(error);
                keys.iter().map(|key| (*key, Err(error.clone()))).collect()
            }
        }
    }
}

type Load<K, V> = Loader<K, Answer<V>, Batch<K, V>>;

/// An amount in a currency, minor units.
pub type Amounts = Vec<(String, i64)>;

/// All loaders of one request.
pub struct Loaders {
    campaigns: Load<CampaignId, Arc<campaign::Model>>,
    rules: Load<CampaignId, Arc<campaign_rule::Model>>,
    affiliates: Load<AffiliateId, Arc<affiliate::Model>>,
    balances: Load<AffiliateId, Amounts>,
    on_hold: Load<AffiliateId, Amounts>,
    affiliate_redemptions: Load<AffiliateId, i64>,
    links_of: Load<AffiliateId, Vec<Arc<affiliate_link::Model>>>,
    links: Load<LinkId, Arc<affiliate_link::Model>>,
    clicks: Load<LinkId, i64>,
    rates: Load<AffiliateId, Arc<Vec<affiliate_rate::Model>>>,
    recruiters: Load<AffiliateId, AffiliateId>,
    conversions: Load<ConversionId, Arc<conversion::Model>>,
    overrides: Load<ConversionId, Amounts>,
    coupons: Load<CouponId, Arc<coupon::Model>>,
    coupon_syncs: Load<CouponId, (Arc<coupon::Model>, Sync)>,
    live_codes: Load<CouponId, i64>,
    codes: Load<CodeId, Arc<code::Model>>,
    code_syncs: Load<CodeId, (Arc<code::Model>, Sync)>,
    campaign_code_syncs: Load<CodeId, (Arc<campaign_code::Model>, Sync)>,
    texts: Load<CodeId, Vec<String>>,
    campaign_codes: Load<CampaignId, Arc<campaign_code::Model>>,
    redemptions: Load<CodeId, i64>,
    event_bodies: Load<EventId, Arc<Vec<u8>>>,
}

macro_rules! loads {
    ($($(#[$meta:meta])* $method:ident => $field:ident: $key:ty => $value:ty),+ $(,)?) => {
        impl Loaders {
            $($(#[$meta])* pub async fn $method(&self, key: $key) -> Result<Option<$value>> {
                answer(self.$field.try_load(key).await)
            })+
        }
    };
}

fn answer<V>(loaded: std::io::Result<Answer<V>>) -> Result<Option<V>> {
    loaded
        .map_err(|error| Error::Internal(format!("a loader had no answer: {error}")))?
        .map_err(|error| Error::Internal(format!("database: {error}")))
}

loads! {
    campaign => campaigns: CampaignId => Arc<campaign::Model>,
    /// The rule in force now.
    rule => rules: CampaignId => Arc<campaign_rule::Model>,
    affiliate => affiliates: AffiliateId => Arc<affiliate::Model>,
    /// The sum of the ledger; `None` before the first entry.
    balance => balances: AffiliateId => Amounts,
    /// The part of it that is not due yet.
    on_hold => on_hold: AffiliateId => Amounts,
    affiliate_redemptions => affiliate_redemptions: AffiliateId => i64,
    /// An affiliate's, oldest first.
    links => links_of: AffiliateId => Vec<Arc<affiliate_link::Model>>,
    link => links: LinkId => Arc<affiliate_link::Model>,
    /// How often a link was followed; `None` for never.
    clicks => clicks: LinkId => i64,
    /// Its rates in force now.
    rates => rates: AffiliateId => Arc<Vec<affiliate_rate::Model>>,
    /// Who recruited it, as it stands now.
    recruiter => recruiters: AffiliateId => AffiliateId,
    conversion => conversions: ConversionId => Arc<conversion::Model>,
    /// What recruiters earn of it.
    overrides => overrides: ConversionId => Amounts,
    coupon => coupons: CouponId => Arc<coupon::Model>,
    /// How it stands with Stripe, and the row at that moment; `None` where nothing was ever owed.
    coupon_sync => coupon_syncs: CouponId => (Arc<coupon::Model>, Sync),
    /// How many of its codes that the caller may see are live; `None` for none.
    live_codes => live_codes: CouponId => i64,
    code => codes: CodeId => Arc<code::Model>,
    /// The same.
    code_sync => code_syncs: CodeId => (Arc<code::Model>, Sync),
    /// The same of one that a campaign's affiliates share.
    campaign_code_sync => campaign_code_syncs: CodeId => (Arc<campaign_code::Model>, Sync),
    /// All that a code is and was called, in order.
    texts => texts: CodeId => Vec<String>,
    /// The code that a campaign's affiliates share, or shared.
    campaign_code => campaign_codes: CampaignId => Arc<campaign_code::Model>,
    redemptions => redemptions: CodeId => i64,
    /// The bytes that were signed.
    event_body => event_bodies: EventId => Arc<Vec<u8>>,
}

impl Loaders {
    pub fn new(domain: &Domain, scope: Scope) -> Self {
        macro_rules! loader {
            ($read:ident) => {
                Loader::new(Batch {
                    domain: domain.clone(),
                    scope,
                    read: |domain, scope, keys| Box::pin($read(domain, scope, keys)),
                })
                .with_max_batch_size(BATCH)
            };
        }
        Self {
            campaigns: loader!(campaigns),
            rules: loader!(rules),
            affiliates: loader!(affiliates),
            balances: loader!(balances),
            on_hold: loader!(on_hold),
            affiliate_redemptions: loader!(affiliate_redemptions),
            links_of: loader!(links_of),
            links: loader!(links),
            clicks: loader!(clicks),
            rates: loader!(rates),
            recruiters: loader!(recruiters),
            conversions: loader!(conversions),
            overrides: loader!(overrides),
            coupons: loader!(coupons),
            coupon_syncs: loader!(coupon_syncs),
            live_codes: loader!(live_counts),
            codes: loader!(codes),
            code_syncs: loader!(code_syncs),
            campaign_code_syncs: loader!(campaign_code_syncs),
            texts: loader!(texts),
            campaign_codes: loader!(campaign_codes),
            redemptions: loader!(redemptions),
            event_bodies: loader!(event_bodies),
        }
    }

    /// For what all subscribers of a feed are told.
    pub fn of_feed(domain: &Domain, feed: FeedName) -> Self {
        let scope = Scope {
            brand: feed.brand,
            livemode: feed.livemode,
            affiliate: None,
        };
        Self::new(domain, scope)
    }
}

/// Reads rows by id.
macro_rules! by_id {
    ($name:ident, $table:ident, $key:ty) => {
        async fn $name(
            domain: Domain,
            scope: Scope,
            ids: Vec<$key>,
        ) -> Result<HashMap<$key, Arc<$table::Model>>, DbErr> {
            let rows = tenancy::referenced::<$table::Entity>(&scope)
                .filter($table::Column::Id.is_in(ids))
                .all(domain.db.reader())
                .await?;
            Ok(rows.into_iter().map(|row| (row.id, Arc::new(row))).collect())
        }
    };
}

by_id!(campaigns, campaign, CampaignId);
by_id!(affiliates, affiliate, AffiliateId);
by_id!(links, affiliate_link, LinkId);
by_id!(coupons, coupon, CouponId);
by_id!(codes, code, CodeId);
by_id!(conversions, conversion, ConversionId);

async fn campaign_codes(
    domain: Domain,
    scope: Scope,
    ids: Vec<CampaignId>,
) -> Result<HashMap<CampaignId, Arc<campaign_code::Model>>, DbErr> {
    let rows = tenancy::referenced::<campaign_code::Entity>(&scope)
        .filter(campaign_code::Column::CampaignId.is_in(ids))
        .all(domain.db.reader())
        .await?;
    Ok(rows.into_iter().map(|row| (row.campaign_id, Arc::new(row))).collect())
}

async fn texts(domain: Domain, scope: Scope, ids: Vec<CodeId>) -> Result<HashMap<CodeId, Vec<String>>, DbErr> {
    let rows = taken_code::Entity::find()
        .filter(taken_code::Column::BrandId.eq(scope.brand))
        .filter(taken_code::Column::Livemode.eq(scope.livemode))
        .filter(taken_code::Column::CodeId.is_in(ids))
        .order_by_asc(taken_code::Column::CreatedAt)
        .order_by_asc(taken_code::Column::Code)
        .all(domain.db.reader())
        .await?;
    let mut texts: HashMap<CodeId, Vec<String>> = HashMap::new();
    for row in rows {
        texts.entry(row.code_id).or_default().push(row.code);
    }
    Ok(texts)
}

async fn rules(
    domain: Domain,
    scope: Scope,
    ids: Vec<CampaignId>,
) -> Result<HashMap<CampaignId, Arc<campaign_rule::Model>>, DbErr> {
    let rows = campaign_rule::Entity::find()
        .filter(campaign_rule::Column::BrandId.eq(scope.brand))
        .filter(campaign_rule::Column::CampaignId.is_in(ids))
        .order_by_asc(campaign_rule::Column::EffectiveFrom)
        .order_by_asc(campaign_rule::Column::Id)
        .all(domain.db.reader())
        .await?;
    Ok(rows.into_iter().map(|row| (row.campaign_id, Arc::new(row))).collect())
}

async fn balances(domain: Domain, scope: Scope, ids: Vec<AffiliateId>) -> Result<HashMap<AffiliateId, Amounts>, DbErr> {
    let rows = affiliate_balance::Entity::find()
        .filter(affiliate_balance::Column::BrandId.eq(scope.brand))
        .filter(affiliate_balance::Column::AffiliateId.is_in(ids))
        .filter(affiliate_balance::Column::Livemode.eq(scope.livemode))
        .order_by_asc(affiliate_balance::Column::Currency)
        .all(domain.db.reader())
        .await?;
    let rows = rows.into_iter().map(|row| (row.affiliate_id, row.currency, row.amount));
    Ok(amounts(rows))
}

async fn rates(
    domain: Domain,
    scope: Scope,
    ids: Vec<AffiliateId>,
) -> Result<HashMap<AffiliateId, Arc<Vec<affiliate_rate::Model>>>, DbErr> {
    let rows = domain::rates::current(domain.db.reader(), &scope, ids).await?;
    let mut rates: HashMap<AffiliateId, Vec<affiliate_rate::Model>> = HashMap::new();
    for row in rows {
        rates.entry(row.affiliate_id).or_default().push(row);
    }
    Ok(rates.into_iter().map(|(id, rates)| (id, Arc::new(rates))).collect())
}

async fn recruiters(
    domain: Domain,
    scope: Scope,
    ids: Vec<AffiliateId>,
) -> Result<HashMap<AffiliateId, AffiliateId>, DbErr> {
    let rows = domain::recruiters::current(domain.db.reader(), &scope, ids).await?;
    Ok(rows
        .into_iter()
        .filter_map(|row| Some((row.affiliate_id, row.recruiter_id?)))
        .collect())
}

async fn overrides(
    domain: Domain,
    scope: Scope,
    ids: Vec<ConversionId>,
) -> Result<HashMap<ConversionId, Amounts>, DbErr> {
    Ok(amounts(ledger::overrides(domain.db.reader(), &scope, ids).await?))
}

/// What is not due yet: what waits for its time, and what an open dispute holds although its time has come.
async fn on_hold(domain: Domain, scope: Scope, ids: Vec<AffiliateId>) -> Result<HashMap<AffiliateId, Amounts>, DbErr> {
    let (db, now) = (domain.db.reader(), domain.clock.now());
    let sums = ledger_entry::Entity::find()
        .select_only()
        .column(ledger_entry::Column::AffiliateId)
        .column(ledger_entry::Column::Currency)
        .expr(Expr::col(ledger_entry::Column::Amount).sum().cast_as("bigint"))
        .filter(ledger_entry::Column::BrandId.eq(scope.brand))
        .group_by(ledger_entry::Column::AffiliateId)
        .group_by(ledger_entry::Column::Currency);
    let waiting = sums
        .clone()
        .filter(ledger_entry::Column::AffiliateId.is_in(ids.iter().copied()))
        .filter(ledger_entry::Column::Livemode.eq(scope.livemode))
        .filter(ledger_entry::Column::AvailableAt.gt(now));
    // Everybody's: open disputes are few, while an affiliate's entries that are due may be many.
    let disputed = sums
        .filter(ledger_entry::Column::ConversionId.in_subquery(disputed(&scope)))
        .filter(ledger_entry::Column::AvailableAt.lte(now));
    let mut rows: Vec<(AffiliateId, String, i64)> = waiting.into_tuple().all(db).await?;
    rows.extend(disputed.into_tuple::<(AffiliateId, String, i64)>().all(db).await?);
    Ok(amounts(
        rows.into_iter().filter(|(affiliate, ..)| ids.contains(affiliate)),
    ))
}

/// The conversions whose dispute is open. Their status is in the statement's text, so that their partial index serves it.
fn disputed(scope: &Scope) -> SelectStatement {
    tenancy::referenced::<conversion::Entity>(scope)
        .select_only()
        .column(conversion::Column::Id)
        .filter(Expr::cust("conversion.status = 'disputed'"))
        .into_query()
}

fn amounts<K: Eq + Hash>(rows: impl IntoIterator<Item = (K, String, i64)>) -> HashMap<K, Amounts> {
    let mut amounts: HashMap<K, Amounts> = HashMap::new();
    for (key, currency, amount) in rows {
        let sums = amounts.entry(key).or_default();
        match sums.iter_mut().find(|(known, _)| *known == currency) {
            Some((_, sum)) => *sum += amount,
            None => sums.push((currency, amount)),
        }
    }
    amounts
}

async fn redemptions(domain: Domain, scope: Scope, ids: Vec<CodeId>) -> Result<HashMap<CodeId, i64>, DbErr> {
    let rows = code_total::Entity::find()
        .filter(code_total::Column::BrandId.eq(scope.brand))
        .filter(code_total::Column::CodeId.is_in(ids))
        .filter(code_total::Column::Hour.eq(ALL_TIME))
        .all(domain.db.reader())
        .await?;
    Ok(rows.into_iter().map(|row| (row.code_id, row.redemptions)).collect())
}

async fn affiliate_redemptions(
    domain: Domain,
    scope: Scope,
    ids: Vec<AffiliateId>,
) -> Result<HashMap<AffiliateId, i64>, DbErr> {
    let rows: Vec<(AffiliateId, i64)> = code::Entity::find()
        .select_only()
        .column(code::Column::AffiliateId)
        .expr(
            Expr::col((code_total::Entity, code_total::Column::Redemptions))
                .sum()
                .cast_as("bigint"),
        )
        .join(
            JoinType::InnerJoin,
            code::Entity::belongs_to(code_total::Entity)
                .from(code::Column::Id)
                .to(code_total::Column::CodeId)
                .into(),
        )
        .filter(code::Column::BrandId.eq(scope.brand))
        .filter(code::Column::Livemode.eq(scope.livemode))
        .filter(code::Column::AffiliateId.is_in(ids))
        .filter(code_total::Column::Hour.eq(ALL_TIME))
        .group_by(code::Column::AffiliateId)
        .into_tuple()
        .all(domain.db.reader())
        .await?;
    Ok(rows.into_iter().collect())
}

async fn links_of(
    domain: Domain,
    scope: Scope,
    ids: Vec<AffiliateId>,
) -> Result<HashMap<AffiliateId, Vec<Arc<affiliate_link::Model>>>, DbErr> {
    let rows = tenancy::referenced::<affiliate_link::Entity>(&scope)
        .filter(affiliate_link::Column::AffiliateId.is_in(ids))
        .order_by_asc(affiliate_link::Column::Id)
        .all(domain.db.reader())
        .await?;
    let mut links: HashMap<AffiliateId, Vec<Arc<affiliate_link::Model>>> = HashMap::new();
    for row in rows {
        links.entry(row.affiliate_id).or_default().push(Arc::new(row));
    }
    Ok(links)
}

async fn clicks(domain: Domain, scope: Scope, ids: Vec<LinkId>) -> Result<HashMap<LinkId, i64>, DbErr> {
    let rows = link_total::Entity::find()
        .filter(link_total::Column::BrandId.eq(scope.brand))
        .filter(link_total::Column::LinkId.is_in(ids))
        .all(domain.db.reader())
        .await?;
    Ok(rows.into_iter().map(|row| (row.link_id, row.clicks)).collect())
}

async fn event_bodies(
    domain: Domain,
    scope: Scope,
    ids: Vec<EventId>,
) -> Result<HashMap<EventId, Arc<Vec<u8>>>, DbErr> {
    let rows: Vec<(EventId, Vec<u8>)> = tenancy::referenced::<stripe_event::Entity>(&scope)
        .select_only()
        .column(stripe_event::Column::Id)
        .column(stripe_event::Column::Body)
        .filter(stripe_event::Column::Id.is_in(ids))
        .into_tuple()
        .all(domain.db.reader())
        .await?;
    Ok(rows.into_iter().map(|(id, body)| (id, Arc::new(body))).collect())
}

/// Reads what is owed for objects with their rows, in one statement: what an operation has changed and that it is done
/// are written together.
macro_rules! syncs {
    ($name:ident, $table:ident, $key:ty, $column:ident, $of:expr) => {
        async fn $name(
            domain: Domain,
            scope: Scope,
            ids: Vec<$key>,
        ) -> Result<HashMap<$key, (Arc<$table::Model>, Sync)>, DbErr> {
            let join = stripe_operation::Entity::belongs_to($table::Entity)
                .from(stripe_operation::Column::$column)
                .to($table::Column::Id);
            let read = stripe_operation::Entity::find()
                .select_also($table::Entity)
                .join(JoinType::InnerJoin, join.into())
                .filter(stripe_operation::Column::BrandId.eq(scope.brand))
                .filter(stripe_operation::Column::Livemode.eq(scope.livemode))
                .filter(stripe_operation::Column::$column.is_in(ids))
                .filter($of)
                .all(domain.db.reader())
                .await?;
            let mut objects: HashMap<$key, ($table::Model, Vec<stripe_operation::Model>)> = HashMap::new();
            for (operation, row) in read {
                if let Some(row) = row {
                    objects
                        .entry(row.id)
                        .or_insert_with(|| (row, Vec::new()))
                        .1
                        .push(operation);
                }
            }
            let stands = |(id, (row, operations)): ($key, ($table::Model, Vec<_>))| {
                (id, (Arc::new(row), owed::sync(&operations)))
            };
            Ok(objects.into_iter().map(stands).collect())
        }
    };
}

syncs!(
    coupon_syncs,
    coupon,
    CouponId,
    CouponId,
    stripe_operation::Column::CodeId.is_null()
);
syncs!(
    code_syncs,
    code,
    CodeId,
    CodeId,
    stripe_operation::Column::CodeId.is_not_null()
);
syncs!(
    campaign_code_syncs,
    campaign_code,
    CodeId,
    CodeId,
    stripe_operation::Column::CodeId.is_not_null()
);

async fn live_counts(domain: Domain, scope: Scope, ids: Vec<CouponId>) -> Result<HashMap<CouponId, i64>, DbErr> {
    live_codes::count(domain.db.reader(), &scope, ids).await
}
