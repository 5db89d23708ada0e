//! Campaigns with their rules, affiliates with their history.

crate::sql_migration!(
    "
CREATE TABLE campaign (
  id UUID NOT NULL PRIMARY KEY,
  brand_id UUID NOT NULL REFERENCES brand (id),
  name TEXT NOT NULL,
  landing_url TEXT NOT NULL,
  affiliates_can_manage_codes BOOLEAN NOT NULL,
  click_model TEXT NOT NULL CHECK (click_model IN ('first_click', 'last_click')),
  cookie_window_days INTEGER NOT NULL CHECK (cookie_window_days BETWEEN 1 AND 3650),
  created_at TIME NOT NULL
) STRICT_TABLE;

CREATE INDEX campaign_of_brand ON campaign (brand_id, id);

CREATE TABLE campaign_rule (
  id UUID NOT NULL PRIMARY KEY,
  brand_id UUID NOT NULL REFERENCES brand (id),
  campaign_id UUID NOT NULL REFERENCES campaign (id),
  effective_from TIME NOT NULL,
  percent_bps INTEGER CHECK (percent_bps BETWEEN 1 AND 10000),
  flat_amount BIGINT CHECK (flat_amount > 0),
  flat_currency TEXT CHECK (length(flat_currency) = 3),
  duration TEXT NOT NULL CHECK (duration IN ('first_sale', 'months', 'lifetime')),
  duration_months INTEGER CHECK (duration_months BETWEEN 1 AND 1200),
  hold_days INTEGER NOT NULL CHECK (hold_days BETWEEN 0 AND 3650),
  CHECK ((percent_bps IS NULL) <> (flat_amount IS NULL)),
  CHECK ((flat_amount IS NULL) = (flat_currency IS NULL)),
  CHECK ((duration = 'months') = (duration_months IS NOT NULL))
) STRICT_TABLE;

CREATE INDEX campaign_rule_of_campaign ON campaign_rule (campaign_id, effective_from);

CREATE TABLE affiliate (
  id UUID NOT NULL PRIMARY KEY,
  brand_id UUID NOT NULL REFERENCES brand (id),
  name TEXT NOT NULL,
  email TEXT NOT NULL,
  email_key TEXT NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('pending', 'approved', 'suspended', 'rejected')),
  created_at TIME NOT NULL
) STRICT_TABLE;

CREATE INDEX affiliate_of_brand ON affiliate (brand_id, id);
CREATE UNIQUE INDEX affiliate_email ON affiliate (brand_id, email_key);

CREATE TABLE affiliate_status (
  id UUID NOT NULL PRIMARY KEY,
  brand_id UUID NOT NULL REFERENCES brand (id),
  affiliate_id UUID NOT NULL REFERENCES affiliate (id),
  effective_from TIME NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('pending', 'approved', 'suspended', 'rejected')),
  changed_by TEXT NOT NULL,
  reason TEXT
) STRICT_TABLE;

CREATE INDEX affiliate_status_of_affiliate ON affiliate_status (affiliate_id, effective_from);

CREATE TABLE affiliate_campaign (
  affiliate_id UUID NOT NULL REFERENCES affiliate (id),
  campaign_id UUID NOT NULL REFERENCES campaign (id),
  brand_id UUID NOT NULL REFERENCES brand (id),
  created_at TIME NOT NULL,
  PRIMARY KEY (affiliate_id, campaign_id)
) STRICT_TABLE;

CREATE INDEX affiliate_campaign_by_campaign ON affiliate_campaign (campaign_id, affiliate_id);
"
);
