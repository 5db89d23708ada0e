//! Who earned a sale: links and clicks, recruiters and rates, and what the brand's servers and people say of sales.
//!
//! Whatever a decision looks at is in force from a moment on: a sale is judged by how things stood at its time.

use sea_orm_migration::{
    prelude::{DbErr, DeriveMigrationName, MigrationTrait, SchemaManager},
    sea_orm::DatabaseBackend,
};

const TABLES: &str = "
CREATE TABLE affiliate_link (
  id UUID NOT NULL PRIMARY KEY,
  brand_id UUID NOT NULL REFERENCES brand (id),
  affiliate_id UUID NOT NULL REFERENCES affiliate (id),
  campaign_id UUID NOT NULL REFERENCES campaign (id),
  slug TEXT NOT NULL UNIQUE,
  created_at TIME NOT NULL,
  UNIQUE (affiliate_id, campaign_id)
) STRICT_TABLE;

CREATE TABLE click (
  id UUID NOT NULL PRIMARY KEY,
  brand_id UUID NOT NULL REFERENCES brand (id),
  link_id UUID NOT NULL REFERENCES affiliate_link (id),
  affiliate_id UUID NOT NULL REFERENCES affiliate (id),
  campaign_id UUID NOT NULL REFERENCES campaign (id),
  visitor UUID NOT NULL,
  address_hash BYTES,
  clicked_at TIME NOT NULL
) STRICT_TABLE;

CREATE INDEX click_of_visitor ON click (brand_id, visitor, clicked_at);
CREATE INDEX click_of_affiliate ON click (affiliate_id, clicked_at, id);
CREATE INDEX click_of_brand ON click (brand_id, clicked_at, id);
CREATE INDEX click_of_campaign ON click (campaign_id, clicked_at, id);
CREATE INDEX click_with_address ON click (brand_id, clicked_at) WHERE address_hash IS NOT NULL;

CREATE TABLE link_total (
  link_id UUID NOT NULL PRIMARY KEY REFERENCES affiliate_link (id),
  brand_id UUID NOT NULL REFERENCES brand (id),
  clicks BIGINT NOT NULL CHECK (clicks >= 0)
) STRICT_TABLE;

ALTER TABLE campaign_rule ADD COLUMN override_bps INTEGER CHECK (override_bps BETWEEN 1 AND 10000);
ALTER TABLE campaign_rule ADD COLUMN click_model TEXT NOT NULL DEFAULT 'last_click'
  CHECK (click_model IN ('first_click', 'last_click'));
ALTER TABLE campaign_rule ADD COLUMN cookie_window_days INTEGER NOT NULL DEFAULT 60
  CHECK (cookie_window_days BETWEEN 1 AND 3650);
UPDATE campaign_rule SET
  click_model = (SELECT click_model FROM campaign WHERE campaign.id = campaign_id),
  cookie_window_days = (SELECT cookie_window_days FROM campaign WHERE campaign.id = campaign_id);

CREATE TABLE coupon_rule (
  id UUID NOT NULL PRIMARY KEY,
  brand_id UUID NOT NULL REFERENCES brand (id),
  coupon_id UUID NOT NULL REFERENCES campaign_coupon (id),
  effective_from TIME NOT NULL,
  overrides_click_attribution BOOLEAN NOT NULL
) STRICT_TABLE;

CREATE INDEX coupon_rule_of_coupon ON coupon_rule (coupon_id, effective_from);
INSERT INTO coupon_rule (id, brand_id, coupon_id, effective_from, overrides_click_attribution)
  SELECT id, brand_id, id, created_at, overrides_click_attribution FROM campaign_coupon;

CREATE TABLE affiliate_recruiter (
  id UUID NOT NULL PRIMARY KEY,
  brand_id UUID NOT NULL REFERENCES brand (id),
  affiliate_id UUID NOT NULL REFERENCES affiliate (id),
  effective_from TIME NOT NULL,
  recruiter_id UUID REFERENCES affiliate (id),
  changed_by TEXT NOT NULL,
  CHECK (recruiter_id <> affiliate_id)
) STRICT_TABLE;

CREATE INDEX affiliate_recruiter_of_affiliate ON affiliate_recruiter (affiliate_id, effective_from);
CREATE INDEX affiliate_recruiter_of_recruiter ON affiliate_recruiter (recruiter_id);

CREATE TABLE affiliate_rate (
  id UUID NOT NULL PRIMARY KEY,
  brand_id UUID NOT NULL REFERENCES brand (id),
  affiliate_id UUID NOT NULL REFERENCES affiliate (id),
  campaign_id UUID NOT NULL REFERENCES campaign (id),
  effective_from TIME NOT NULL,
  percent_bps INTEGER CHECK (percent_bps BETWEEN 1 AND 10000),
  flat_amount BIGINT CHECK (flat_amount > 0),
  flat_currency TEXT CHECK (length(flat_currency) = 3),
  changed_by TEXT NOT NULL,
  CHECK (percent_bps IS NULL OR flat_amount IS NULL),
  CHECK ((flat_amount IS NULL) = (flat_currency IS NULL))
) STRICT_TABLE;

CREATE INDEX affiliate_rate_of_affiliate ON affiliate_rate (affiliate_id, campaign_id, effective_from);
CREATE INDEX affiliate_rate_of_campaign ON affiliate_rate (campaign_id);

CREATE TABLE sale_report (
  id UUID NOT NULL PRIMARY KEY,
  brand_id UUID NOT NULL REFERENCES brand (id),
  livemode BOOLEAN NOT NULL,
  kind TEXT NOT NULL CHECK (kind IN ('sale', 'refund', 'decision')),
  body TEXT NOT NULL,
  reported_by TEXT NOT NULL,
  reported_at TIME NOT NULL
) STRICT_TABLE;

CREATE INDEX sale_report_of_brand ON sale_report (brand_id, livemode, id);

ALTER TABLE conversion ADD COLUMN code_is_own BOOLEAN NOT NULL DEFAULT TRUE;
CREATE INDEX ledger_entry_of_affiliate ON ledger_entry (affiliate_id, livemode, id);
CREATE INDEX ledger_entry_of_brand ON ledger_entry (brand_id, livemode, id);
CREATE INDEX conversion_held ON conversion (brand_id, livemode, occurred_at, id)
  WHERE status = 'held' AND merged_into IS NULL;
";

/// A link for each affiliate in each of its campaigns. What is new is named after the affiliate; these are not.
const LINKS: [(DatabaseBackend, &str); 2] = [
    (
        DatabaseBackend::Sqlite,
        "INSERT INTO affiliate_link (id, brand_id, affiliate_id, campaign_id, slug, created_at)
           SELECT randomblob(16), brand_id, affiliate_id, campaign_id, lower(hex(randomblob(6))), created_at
             FROM affiliate_campaign",
    ),
    (
        DatabaseBackend::Postgres,
        "INSERT INTO affiliate_link (id, brand_id, affiliate_id, campaign_id, slug, created_at)
           SELECT gen_random_uuid(), brand_id, affiliate_id, campaign_id,
             substr(replace(gen_random_uuid()::text, '-', ''), 1, 12), created_at
             FROM affiliate_campaign",
    ),
];

const SECURED: [&str; 7] = [
    "affiliate_link",
    "click",
    "link_total",
    "coupon_rule",
    "affiliate_recruiter",
    "affiliate_rate",
    "sale_report",
];

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        crate::run(manager, TABLES).await?;
        let backend = manager.get_database_backend();
        for (_, links) in LINKS.iter().filter(|(of, _)| *of == backend) {
            crate::run(manager, links).await?;
        }
        for table in SECURED {
            crate::row_security(manager, table, "brand_id").await?;
        }
        Ok(())
    }
}
