//! Coupons and codes.

crate::sql_migration!(
    "
CREATE TABLE campaign_coupon (
  id UUID NOT NULL PRIMARY KEY,
  brand_id UUID NOT NULL REFERENCES brand (id),
  livemode BOOLEAN NOT NULL,
  campaign_id UUID NOT NULL REFERENCES campaign (id),
  affiliate_id UUID REFERENCES affiliate (id),
  name TEXT NOT NULL,
  percent_off_bps INTEGER CHECK (percent_off_bps BETWEEN 1 AND 10000),
  amount_off BIGINT CHECK (amount_off > 0),
  currency TEXT CHECK (length(currency) = 3),
  duration TEXT NOT NULL CHECK (duration IN ('once', 'repeating', 'forever')),
  duration_in_months INTEGER CHECK (duration_in_months > 0),
  max_redemptions_per_code INTEGER CHECK (max_redemptions_per_code > 0),
  expires_at TIME,
  overrides_click_attribution BOOLEAN NOT NULL,
  allow_affiliate_self_mint BOOLEAN NOT NULL,
  archived BOOLEAN NOT NULL,
  stripe_id TEXT,
  created_at TIME NOT NULL,
  deleted_at TIME,
  CHECK ((percent_off_bps IS NULL) <> (amount_off IS NULL)),
  CHECK ((amount_off IS NULL) = (currency IS NULL)),
  CHECK ((duration = 'repeating') = (duration_in_months IS NOT NULL))
) STRICT_TABLE;

CREATE INDEX campaign_coupon_of_brand ON campaign_coupon (brand_id, livemode, id);
CREATE INDEX campaign_coupon_of_campaign ON campaign_coupon (campaign_id, livemode, id);

CREATE TABLE affiliate_code (
  id UUID NOT NULL PRIMARY KEY,
  brand_id UUID NOT NULL REFERENCES brand (id),
  livemode BOOLEAN NOT NULL,
  coupon_id UUID NOT NULL REFERENCES campaign_coupon (id),
  campaign_id UUID NOT NULL REFERENCES campaign (id),
  affiliate_id UUID NOT NULL REFERENCES affiliate (id),
  code TEXT NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('active', 'inactive')),
  stripe_id TEXT,
  created_at TIME NOT NULL
) STRICT_TABLE;

CREATE UNIQUE INDEX affiliate_code_text ON affiliate_code (brand_id, livemode, code);
CREATE UNIQUE INDEX affiliate_code_stripe ON affiliate_code (brand_id, livemode, stripe_id);
CREATE INDEX affiliate_code_of_brand ON affiliate_code (brand_id, livemode, id);
CREATE INDEX affiliate_code_of_affiliate ON affiliate_code (affiliate_id, livemode, id);
CREATE INDEX affiliate_code_of_coupon ON affiliate_code (coupon_id, id);
CREATE INDEX affiliate_code_of_campaign ON affiliate_code (campaign_id, livemode, id);
"
);
