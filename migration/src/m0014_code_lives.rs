//! What becomes of codes: other texts, other promotion codes at Stripe, a campaign's shared code, and what Stripe tells of
//! them.
//!
//! An id of a code is that of an affiliate's or of a campaign's: three tables no longer demand the former.

use sea_orm_migration::{
    prelude::{DbErr, DeriveMigrationName, MigrationTrait, SchemaManager},
    sea_orm::DatabaseBackend,
};

const TABLES: &str = "
CREATE TABLE campaign_code (
  id UUID NOT NULL PRIMARY KEY,
  brand_id UUID NOT NULL REFERENCES brand (id),
  livemode BOOLEAN NOT NULL,
  campaign_id UUID NOT NULL REFERENCES campaign (id),
  coupon_id UUID NOT NULL REFERENCES campaign_coupon (id),
  code TEXT NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('active', 'inactive')),
  stripe_id TEXT,
  stripe_active BOOLEAN,
  stripe_reason TEXT CHECK (stripe_reason IN ('deactivated', 'expired', 'fully_redeemed',
    'coupon_deleted', 'missing')),
  stripe_seen_at TIME,
  stripe_made_at TIME,
  created_at TIME NOT NULL
) STRICT_TABLE;

CREATE UNIQUE INDEX campaign_code_of_campaign ON campaign_code (campaign_id, livemode);
CREATE INDEX campaign_code_of_brand ON campaign_code (brand_id, livemode, id);
CREATE INDEX campaign_code_of_coupon ON campaign_code (coupon_id, id);

CREATE TABLE taken_code (
  brand_id UUID NOT NULL REFERENCES brand (id),
  livemode BOOLEAN NOT NULL,
  code TEXT NOT NULL,
  code_id UUID NOT NULL,
  created_at TIME NOT NULL,
  PRIMARY KEY (brand_id, livemode, code)
) STRICT_TABLE;

CREATE INDEX taken_code_of_code ON taken_code (code_id, created_at);

CREATE TABLE promotion_code (
  brand_id UUID NOT NULL REFERENCES brand (id),
  livemode BOOLEAN NOT NULL,
  stripe_id TEXT NOT NULL,
  code TEXT NOT NULL,
  code_id UUID NOT NULL,
  created_at TIME NOT NULL,
  PRIMARY KEY (brand_id, livemode, stripe_id)
) STRICT_TABLE;

CREATE INDEX promotion_code_of_code ON promotion_code (code_id, created_at);

INSERT INTO taken_code (brand_id, livemode, code, code_id, created_at)
  SELECT brand_id, livemode, code, id, created_at FROM affiliate_code;

INSERT INTO promotion_code (brand_id, livemode, stripe_id, code, code_id, created_at)
  SELECT brand_id, livemode, stripe_id, code, id, created_at FROM affiliate_code WHERE stripe_id IS NOT NULL;

ALTER TABLE affiliate_code ADD COLUMN stripe_active BOOLEAN;
ALTER TABLE affiliate_code ADD COLUMN stripe_reason TEXT CHECK (stripe_reason IN ('deactivated', 'expired', 'fully_redeemed',
  'coupon_deleted', 'missing'));
ALTER TABLE affiliate_code ADD COLUMN stripe_seen_at TIME;
ALTER TABLE affiliate_code ADD COLUMN stripe_made_at TIME;
ALTER TABLE affiliate_code ADD COLUMN own_terms TEXT;
ALTER TABLE affiliate_code ADD COLUMN batch TEXT;
ALTER TABLE affiliate_code ADD COLUMN batch_row INTEGER CHECK (batch_row >= 0);
ALTER TABLE affiliate_code ADD COLUMN batch_text TEXT;
ALTER TABLE affiliate_code ADD COLUMN deleted_at TIME;
CREATE UNIQUE INDEX affiliate_code_batch ON affiliate_code (brand_id, livemode, batch, batch_row)
  WHERE batch IS NOT NULL;

ALTER TABLE campaign_coupon ADD COLUMN mint_on_approval BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE campaign_coupon ADD COLUMN stripe_name TEXT;
ALTER TABLE campaign_coupon ADD COLUMN stripe_gone BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE campaign_coupon ADD COLUMN stripe_seen_at TIME;
ALTER TABLE campaign_coupon ADD COLUMN stripe_made_at TIME;
CREATE UNIQUE INDEX campaign_coupon_stripe ON campaign_coupon (brand_id, livemode, stripe_id);

ALTER TABLE brand ADD COLUMN max_codes_per_affiliate INTEGER CHECK (max_codes_per_affiliate > 0);
ALTER TABLE brand ADD COLUMN reserved_words TEXT NOT NULL DEFAULT '[]';
";

const POSTGRES: &str = "
ALTER TABLE redemption DROP CONSTRAINT redemption_code_id_fkey;
ALTER TABLE code_total DROP CONSTRAINT code_total_code_id_fkey;
ALTER TABLE stripe_operation DROP CONSTRAINT stripe_operation_code_id_fkey;
DROP INDEX stripe_operation_queue
";

/// What is due of each brand and mode, and what must be done before it.
const LANES: &str = "
CREATE INDEX stripe_operation_due ON stripe_operation (brand_id, livemode, next_attempt_at, id)
  WHERE status = 'pending';
CREATE INDEX stripe_operation_unmade ON stripe_operation (coupon_id)
  WHERE kind = 'create_coupon' AND status IN ('pending', 'disabled')
";

/// SQLite cannot drop a constraint: the tables are made anew. Nothing refers to them.
const SQLITE: &str = "
ALTER TABLE redemption RENAME TO old_redemption;
ALTER TABLE code_total RENAME TO old_code_total;
ALTER TABLE stripe_operation RENAME TO old_stripe_operation;

CREATE TABLE redemption (
  code_id UUID NOT NULL,
  usage TEXT NOT NULL,
  brand_id UUID NOT NULL REFERENCES brand (id),
  livemode BOOLEAN NOT NULL,
  sale_id UUID NOT NULL REFERENCES sale (id),
  part TEXT NOT NULL,
  occurred_at TIME NOT NULL,
  refunded BOOLEAN NOT NULL,
  PRIMARY KEY (code_id, usage)
) STRICT_TABLE;

CREATE TABLE code_total (
  code_id UUID NOT NULL,
  hour BIGINT NOT NULL,
  brand_id UUID NOT NULL REFERENCES brand (id),
  livemode BOOLEAN NOT NULL,
  redemptions BIGINT NOT NULL,
  refunded_redemptions BIGINT NOT NULL,
  renewals BIGINT NOT NULL,
  PRIMARY KEY (code_id, hour)
) STRICT_TABLE;

CREATE TABLE stripe_operation (
  id UUID NOT NULL PRIMARY KEY,
  brand_id UUID NOT NULL REFERENCES brand (id),
  livemode BOOLEAN NOT NULL,
  kind TEXT NOT NULL CHECK (kind IN ('create_coupon', 'update_coupon', 'delete_coupon', 'create_promotion_code',
    'update_promotion_code')),
  coupon_id UUID NOT NULL REFERENCES campaign_coupon (id) ON DELETE CASCADE,
  code_id UUID,
  params TEXT NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('pending', 'done', 'failed', 'disabled')),
  attempts INTEGER NOT NULL,
  next_attempt_at TIME NOT NULL,
  leased_until TIME,
  last_error TEXT,
  key_generation INTEGER NOT NULL,
  created_at TIME NOT NULL
) STRICT_TABLE;

INSERT INTO redemption (code_id, usage, brand_id, livemode, sale_id, part, occurred_at, refunded)
  SELECT code_id, usage, brand_id, livemode, sale_id, part, occurred_at, refunded FROM old_redemption;
INSERT INTO code_total (code_id, hour, brand_id, livemode, redemptions, refunded_redemptions, renewals)
  SELECT code_id, hour, brand_id, livemode, redemptions, refunded_redemptions, renewals FROM old_code_total;
INSERT INTO stripe_operation (id, brand_id, livemode, kind, coupon_id, code_id, params, status, attempts,
    next_attempt_at, leased_until, last_error, key_generation, created_at)
  SELECT id, brand_id, livemode, kind, coupon_id, code_id, params, status, attempts,
    next_attempt_at, leased_until, last_error, key_generation, created_at FROM old_stripe_operation;

DROP TABLE old_redemption;
DROP TABLE old_code_total;
DROP TABLE old_stripe_operation;

CREATE INDEX redemption_of_sale ON redemption (sale_id);
CREATE INDEX redemption_of_code ON redemption (code_id, occurred_at);
CREATE INDEX stripe_operation_waiting ON stripe_operation (brand_id, livemode) WHERE status = 'disabled';
CREATE INDEX stripe_operation_of_coupon ON stripe_operation (coupon_id, id);
CREATE INDEX stripe_operation_of_code ON stripe_operation (code_id, id)
";

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        crate::run(manager, TABLES).await?;
        let sqlite = manager.get_database_backend() == DatabaseBackend::Sqlite;
        crate::run(manager, if sqlite { SQLITE } else { POSTGRES }).await?;
        crate::run(manager, LANES).await?;
        for table in ["campaign_code", "taken_code", "promotion_code"] {
            crate::row_security(manager, table, "brand_id").await?;
        }
        Ok(())
    }
}
