//! Per-request loaders, so that a page of rows costs a fixed number of statements.
//!
//! They read rows that rows which the caller found refer to, within the caller's brand and mode. A loader's cache never
//! expires: they are new for each request, and for each event of a subscription.

mod figures;
mod nested;
mod rows;
mod syncs;

use std::{collections::HashMap, hash::Hash, sync::Arc};

use ::dataloader::{BatchFn, cached::Loader};
use entity::{
    affiliate, affiliate_link, affiliate_rate, campaign, campaign_code, campaign_rule, code, conversion, coupon,
    id::{AffiliateId, CampaignId, CodeId, ConversionId, CouponId, EventId, LinkId},
};
use sea_orm::DbErr;
use tracing::Instrument;

use crate::{
    auth::Scope,
    domain::{
        Domain,
        feed::FeedName,
        owed::Sync,
        page::{Asked, Page},
    },
    error::{Error, Result},
};
use figures::{affiliate_redemptions, balances, clicks, live_counts, on_hold, overrides, redemptions};
pub use nested::Below;
use nested::{code_counts, code_pages, recruit_counts, recruit_pages};
use rows::{
    affiliates, campaign_codes, campaigns, codes, conversions, coupons, event_bodies, links, links_of, rates,
    recruiters, rules, texts,
};
use syncs::{campaign_code_syncs, code_syncs, coupon_syncs};

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
    K: Eq + Hash + Clone + Send + core::marker::Sync + std::fmt::Debug + 'static,
    V: Clone + Send + 'static,
{
    async fn load(&mut self, keys: &[K]) -> HashMap<K, Answer<V>> {
        let work = (self.read)(self.domain.clone(), self.scope, keys.to_vec());
        // In a task of its own, with the request's id in its logs: a waiter that goes away must not take the others'
        // answers with it.
        let read = match tokio::spawn(work.in_current_span()).await {
            Ok(read) => read,
            Err(error) => Err(DbErr::Custom(format!("a loader was lost: {error}"))),
        };
        match read {
            Ok(mut found) => keys.iter().map(|key| (key.clone(), Ok(found.remove(key)))).collect(),
            Err(error) => {
                let error = Arc::new(error);
                keys.iter().map(|key| (key.clone(), Err(error.clone()))).collect()
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
    code_pages: Load<Below<Asked>, Arc<Page<code::Model>>>,
    code_counts: Load<Below<()>, i64>,
    recruit_pages: Load<Below<Asked>, Arc<Page<affiliate::Model>>>,
    recruit_counts: Load<Below<()>, i64>,
    conversions: Load<ConversionId, Arc<conversion::Model>>,
    overrides: Load<ConversionId, Amounts>,
    coupons: Load<CouponId, Arc<coupon::Model>>,
    coupon_syncs: Load<CouponId, (Arc<coupon::Model>, Sync)>,
    /// The loaders of a feed are shared by callers who see different codes.
    live_codes: Load<(CouponId, Scope), i64>,
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
    /// A page of its codes.
    code_page => code_pages: Below<Asked> => Arc<Page<code::Model>>,
    /// How many codes it has.
    code_count => code_counts: Below<()> => i64,
    /// A page of its recruits.
    recruit_page => recruit_pages: Below<Asked> => Arc<Page<affiliate::Model>>,
    /// How many recruits it has.
    recruit_count => recruit_counts: Below<()> => i64,
    conversion => conversions: ConversionId => Arc<conversion::Model>,
    /// What recruiters earn of it.
    overrides => overrides: ConversionId => Amounts,
    coupon => coupons: CouponId => Arc<coupon::Model>,
    /// How it stands with Stripe, and the row at that moment; `None` where nothing was ever owed.
    coupon_sync => coupon_syncs: CouponId => (Arc<coupon::Model>, Sync),
    /// How many of its codes that the caller may see are live; `None` for none.
    live_codes => live_codes: (CouponId, Scope) => i64,
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
            code_pages: loader!(code_pages),
            code_counts: loader!(code_counts),
            recruit_pages: loader!(recruit_pages),
            recruit_counts: loader!(recruit_counts),
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
