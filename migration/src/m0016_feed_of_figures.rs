//! The feed tells of codes whose figures moved, too; and remembers how much of it was forgotten. A code that is taken back,
//! as Stripe refused it, may have been told of: nothing ties the row to it.

use sea_orm_migration::{
    prelude::{DbErr, DeriveMigrationName, MigrationTrait, SchemaManager},
    sea_orm::DatabaseBackend,
};

const POSTGRES: &str = "
ALTER TABLE feed_event DROP CONSTRAINT feed_event_kind_check;
ALTER TABLE feed_event ALTER COLUMN conversion_id DROP NOT NULL;
ALTER TABLE feed_event ADD COLUMN code_id UUID;
ALTER TABLE feed_event ADD CONSTRAINT feed_event_kind_check
  CHECK (kind IN ('conversion_created', 'conversion_updated', 'code_stats_updated'));
ALTER TABLE feed_event ADD CONSTRAINT feed_event_subject_check CHECK (
  (kind = 'code_stats_updated') = (code_id IS NOT NULL) AND (code_id IS NULL) = (conversion_id IS NOT NULL))
";

/// SQLite cannot change a constraint: the table is made anew. Nothing refers to it.
const SQLITE: &str = "
ALTER TABLE feed_event RENAME TO old_feed_event;

CREATE TABLE feed_event (
  brand_id UUID NOT NULL REFERENCES brand (id),
  livemode BOOLEAN NOT NULL,
  sequence BIGINT NOT NULL,
  id UUID NOT NULL UNIQUE,
  kind TEXT NOT NULL CHECK (kind IN ('conversion_created', 'conversion_updated', 'code_stats_updated')),
  conversion_id UUID REFERENCES conversion (id),
  affiliate_id UUID NOT NULL REFERENCES affiliate (id),
  created_at TIME NOT NULL,
  code_id UUID,
  PRIMARY KEY (brand_id, livemode, sequence),
  CHECK ((kind = 'code_stats_updated') = (code_id IS NOT NULL) AND (code_id IS NULL) = (conversion_id IS NOT NULL))
) STRICT_TABLE;

INSERT INTO feed_event (brand_id, livemode, sequence, id, kind, conversion_id, affiliate_id, created_at)
  SELECT brand_id, livemode, sequence, id, kind, conversion_id, affiliate_id, created_at FROM old_feed_event;

DROP TABLE old_feed_event;
CREATE INDEX feed_event_of_affiliate ON feed_event (brand_id, livemode, affiliate_id, sequence)
";

const BOTH: &str = "
CREATE INDEX feed_event_of_code ON feed_event (brand_id, livemode, code_id, sequence) WHERE code_id IS NOT NULL;
ALTER TABLE feed_counter ADD COLUMN pruned_sequence BIGINT NOT NULL DEFAULT 0;
ALTER TABLE feed_counter ADD COLUMN pruned_before TIME
";

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let sqlite = manager.get_database_backend() == DatabaseBackend::Sqlite;
        crate::run(manager, if sqlite { SQLITE } else { POSTGRES }).await?;
        crate::run(manager, BOTH).await
    }
}
