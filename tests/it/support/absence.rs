//! Times when no server is there, and what is fetched after them.

use chrono::{DateTime, TimeDelta, Utc};
use entity::{
    backfill::{self, BackfillStatus},
    sign_of_life, stripe_event,
};
use rekomi::{
    directory::Name,
    stripe::{
        backfill::{Backfill, Told},
        client::Stripe,
    },
};
use sea_orm::{EntityTrait, QueryOrder};
use url::Url;

use super::{Brand, TestApp, eventually, instance::Instance, instance::settings};

impl TestApp {
    /// Stops the server, and starts another one after some time.
    pub async fn away(mut self, time: TimeDelta) -> Self {
        self.sign().await;
        self.instance.stop().await;
        self.clock.advance(time);
        self.instance = Instance::start(&settings(&self.database, &self.standin), self.clock.clone()).await;
        self
    }

    /// Waits until the server has said that it is alive, at this very time: by then it owes what it owes.
    pub async fn sign(&self) {
        let now = self.now();
        eventually("a sign of life", async || {
            let seen_at = self.seen_at().await?;
            (seen_at >= now).then_some(())
        })
        .await;
    }

    /// The last sign of life.
    pub async fn seen_at(&self) -> Option<DateTime<Utc>> {
        let sign = sign_of_life::Entity::find_by_id(sign_of_life::ONLY).one(self.db());
        sign.await.unwrap().map(|sign| sign.seen_at)
    }

    /// What was ever owed, the first brand's first.
    pub async fn owed(&self) -> Vec<backfill::Model> {
        let rows = backfill::Entity::find().order_by_asc(backfill::Column::BrandId);
        rows.all(self.db()).await.unwrap()
    }

    /// Waits until all that is owed was tried, in vain, and says what it is.
    pub async fn tried(&self) -> Vec<backfill::Model> {
        eventually("a first try", async || {
            let owed = self.owed().await;
            let tried = !owed.is_empty() && owed.iter().all(|row| row.attempts > 0);
            tried.then_some(owed)
        })
        .await
    }

    /// Waits until nothing is owed any more, and all of it is processed.
    pub async fn caught_up(&self) {
        self.sign().await;
        eventually("nothing is owed", async || {
            let owed = self.owed().await;
            owed.iter().all(|row| row.status == BackfillStatus::Done).then_some(())
        })
        .await;
        self.settle().await;
    }

    /// Fetches what a brand's lists tell since a moment, and waits until it is processed.
    pub async fn backfill(&self, brand: &Brand, since: DateTime<Utc>) -> Vec<Told> {
        let all = self.list(brand, since).await;
        self.settle().await;
        all
    }

    /// Fetches what a brand's lists tell since a moment.
    pub async fn list(&self, brand: &Brand, since: DateTime<Utc>) -> Vec<Told> {
        self.list_from(&self.instance.app.config.stripe_api_base, brand, since)
            .await
    }

    /// The same from another Stripe.
    pub async fn list_from(&self, stripe: &Url, brand: &Brand, since: DateTime<Utc>) -> Vec<Told> {
        let app = &self.instance.app;
        let account = app.directory.get(Name::Id(brand.id)).await.unwrap().unwrap();
        let backfill = Backfill {
            db: app.db.clone(),
            clock: self.clock.clone(),
            directory: app.directory.clone(),
            stripe: Stripe::new(stripe).unwrap(),
            stored: Default::default(),
            wake: Default::default(),
        };
        backfill.run(brand.id, account.any_way().unwrap(), since, |_| {}).await
    }

    /// How many events the inbox has.
    pub async fn inbox(&self) -> u64 {
        self.count::<stripe_event::Entity>().await
    }

    /// The lists that Stripe was asked for, each as its path with the cursor.
    pub fn pages(&self, path: &str) -> usize {
        let calls = self.standin.calls();
        calls.iter().filter(|call| call.path == path).count()
    }
}
