//! The scratch database: what people decided, as it is, and nothing else. A temporary SQLite file, whatever the source
//! is; dropping it removes the file.

use entity::{
    affiliate, affiliate_link, affiliate_rate, affiliate_recruiter, affiliate_status, brand, campaign, campaign_code,
    campaign_rule, click, code, coupon, coupon_rule, promotion_code, taken_code,
};
use futures_util::TryStreamExt;
use sea_orm::{DatabaseTransaction, EntityTrait, IntoActiveModel};
use tempfile::TempDir;

use crate::{
    db::Db,
    error::{Error, Result},
};

/// Rows that are written at once, well below SQLite's limit on values.
const CHUNK: usize = 200;

pub(super) struct Scratch {
    pub(super) db: Db,
    _folder: TempDir,
}

impl Scratch {
    /// An empty one, with the schema.
    pub(super) async fn make() -> Result<Self> {
        let no_folder = |error| Error::Internal(format!("no temporary folder: {error}"));
        let folder = tempfile::Builder::new()
            .prefix("rekomi-rebuild-")
            .tempdir()
            .map_err(no_folder)?;
        let db = Db::scratch(&folder.path().join("scratch.db")).await?;
        db.migrate().await?;
        Ok(Self { db, _folder: folder })
    }

    /// Copies what people decided, and whose links were followed: brands, campaigns with their rules, affiliates with their history, coupons,
    /// codes with all that they were called.
    pub(super) async fn copy_decided(&self, source: &DatabaseTransaction) -> Result<()> {
        let without_secrets = |row| brand::Model {
            stripe_secret_key: None,
            stripe_webhook_secrets: None,
            ..row
        };
        self.copy::<brand::Entity>(source, without_secrets).await?;
        self.copy::<campaign::Entity>(source, |row| row).await?;
        self.copy::<campaign_rule::Entity>(source, |row| row).await?;
        self.copy::<affiliate::Entity>(source, |row| row).await?;
        self.copy::<affiliate_status::Entity>(source, |row| row).await?;
        self.copy::<affiliate_recruiter::Entity>(source, |row| row).await?;
        self.copy::<affiliate_rate::Entity>(source, |row| row).await?;
        self.copy::<affiliate_link::Entity>(source, |row| row).await?;
        self.copy::<click::Entity>(source, |row| row).await?;
        self.copy::<coupon::Entity>(source, |row| row).await?;
        self.copy::<coupon_rule::Entity>(source, |row| row).await?;
        self.copy::<code::Entity>(source, |row| row).await?;
        self.copy::<campaign_code::Entity>(source, |row| row).await?;
        self.copy::<taken_code::Entity>(source, |row| row).await?;
        self.copy::<promotion_code::Entity>(source, |row| row).await
    }

    async fn copy<E>(&self, source: &DatabaseTransaction, change: impl Fn(E::Model) -> E::Model) -> Result<()>
    where
        E: EntityTrait,
        E::Model: IntoActiveModel<E::ActiveModel>,
        E::ActiveModel: Send,
    {
        let txn = self.db.begin().await?;
        let mut rows = E::find().stream(source).await?.try_chunks(CHUNK);
        while let Some(chunk) = rows.try_next().await.map_err(|error| error.1)? {
            let chunk = chunk.into_iter().map(|row| change(row).into_active_model());
            E::insert_many(chunk).exec_without_returning(&txn).await?;
        }
        txn.commit().await?;
        Ok(())
    }
}
