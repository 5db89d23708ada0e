//! Links and where they lead, kept in memory for a second.
//!
//! **Invariants.** What was read once stays usable while the database is slow or down. Slugs that nobody has are neither a
//! way to fill the memory nor to flood the database: what is remembered is bounded, and so are the looks at it, those that
//! wait for their turn included.

use std::{sync::Arc, time::Duration};

use entity::{
    affiliate_link, campaign,
    id::{AffiliateId, BrandId, CampaignId, LinkId},
};
use moka::sync::Cache;
use sea_orm::{ColumnTrait, EntityTrait, FromQueryResult, JoinType, QueryFilter, QuerySelect};
use tokio::{sync::Semaphore, time::Instant};

use crate::{
    db::Db,
    domain::links::is_slug,
    error::{Error, Result},
};

const FRESH: Duration = Duration::from_secs(1);
/// How many links are remembered, and how many slugs that nobody has.
const REMEMBERED: u64 = 10_000;
/// How many looks at the database there are at once, and how many may wait for their turn.
const AT_ONCE: usize = 8;
const WAITING: usize = 512;
/// How long a look may take; and where the link is known from before.
const PATIENCE: Duration = Duration::from_secs(5);
const LITTLE_PATIENCE: Duration = Duration::from_millis(200);

/// A link and where it leads.
#[derive(Clone, Debug, FromQueryResult)]
pub struct Landing {
    pub id: LinkId,
    pub brand_id: BrandId,
    pub affiliate_id: AffiliateId,
    pub campaign_id: CampaignId,
    pub slug: String,
    pub landing_url: String,
    /// For how long a visitor is told from others: the longest window of the brand's campaigns, so that following a link
    /// of one does not cut another's short.
    #[sea_orm(skip)]
    pub cookie_days: i32,
}

/// A landing, and when it was read.
type Known = (Instant, Arc<Landing>);

#[derive(Clone)]
pub struct Landings {
    db: Db,
    known: Cache<String, Known>,
    nobodys: Cache<String, ()>,
    turns: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
}

impl Landings {
    pub fn new(db: Db) -> Self {
        Self {
            db,
            known: Cache::new(REMEMBERED),
            nobodys: Cache::builder().max_capacity(REMEMBERED).time_to_live(FRESH).build(),
            turns: Arc::new(Semaphore::new(AT_ONCE)),
            waiting: Arc::new(Semaphore::new(WAITING)),
        }
    }

    /// The link of this slug, in any case; `None` when there is none.
    ///
    /// # Errors
    /// It cannot be told now.
    pub async fn find(&self, slug: &str) -> Result<Option<Arc<Landing>>> {
        let slug = slug.to_ascii_lowercase();
        if !is_slug(&slug) || self.nobodys.contains_key(&slug) {
            return Ok(None);
        }
        if let Some(landing) = self.fresh(&slug) {
            return Ok(Some(landing));
        }
        let known = self.known.get(&slug);
        let patience = if known.is_some() { LITTLE_PATIENCE } else { PATIENCE };
        let look = tokio::time::timeout(patience, self.look(&slug)).await;
        match (look.unwrap_or_else(|_| Err(unanswered())), known) {
            (Ok(found), _) => Ok(found),
            (Err(error), Some((_, landing))) => {
                tracing::warn!(%error, "a link could not be read; going on with what is known of it");
                // Those that come next do not wait as long.
                self.known.insert(slug, (Instant::now(), landing.clone()));
                Ok(Some(landing))
            }
            (Err(error), None) => Err(error),
        }
    }

    fn fresh(&self, slug: &str) -> Option<Arc<Landing>> {
        let (read_at, landing) = self.known.get(slug)?;
        (read_at.elapsed() < FRESH).then_some(landing)
    }

    /// Reads a link when its turn comes; another may have read it meanwhile.
    async fn look(&self, slug: &str) -> Result<Option<Arc<Landing>>> {
        let _place = self.waiting.try_acquire().map_err(|_| unanswered())?;
        let _turn = self.turns.acquire().await.map_err(|_| unanswered())?;
        if let Some(landing) = self.fresh(slug) {
            return Ok(Some(landing));
        }
        let found = self.read(slug).await?.map(Arc::new);
        match &found {
            Some(landing) => self.known.insert(slug.to_owned(), (Instant::now(), landing.clone())),
            None => {
                self.known.invalidate(slug);
                self.nobodys.insert(slug.to_owned(), ());
            }
        }
        Ok(found)
    }

    async fn read(&self, slug: &str) -> Result<Option<Landing>> {
        use affiliate_link::Column::{AffiliateId, BrandId, CampaignId, Id, Slug};
        let campaign = affiliate_link::Entity::belongs_to(campaign::Entity)
            .from(CampaignId)
            .to(campaign::Column::Id);
        let found = affiliate_link::Entity::find()
            .select_only()
            .columns([Id, BrandId, AffiliateId, CampaignId, Slug])
            .column_as(campaign::Column::LandingUrl, "landing_url")
            .join(JoinType::InnerJoin, campaign.into())
            .filter(Slug.eq(slug))
            .into_model::<Landing>()
            .one(self.db.reader())
            .await?;
        let Some(landing) = found else { return Ok(None) };
        let longest: Option<Option<i32>> = campaign::Entity::find()
            .select_only()
            .column_as(campaign::Column::CookieWindowDays.max(), "longest")
            .filter(campaign::Column::BrandId.eq(landing.brand_id))
            .into_tuple()
            .one(self.db.reader())
            .await?;
        Ok(Some(Landing {
            cookie_days: longest.flatten().unwrap_or_default(),
            ..landing
        }))
    }
}

fn unanswered() -> Error {
    Error::Retry("links are looked for by too many, or the database does not answer".into())
}
