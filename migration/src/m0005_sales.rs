//! Sales, and what they come to: conversions, redemptions, the ledger and the totals.

crate::sql_migration!(
    "
CREATE TABLE sale (
  id UUID NOT NULL PRIMARY KEY,
  brand_id UUID NOT NULL REFERENCES brand (id),
  livemode BOOLEAN NOT NULL,
  facts TEXT NOT NULL,
  revision BIGINT NOT NULL,
  merged_into UUID REFERENCES sale (id),
  created_at TIME NOT NULL
) STRICT_TABLE;

CREATE TABLE sale_key (
  brand_id UUID NOT NULL REFERENCES brand (id),
  livemode BOOLEAN NOT NULL,
  key TEXT NOT NULL,
  sale_id UUID NOT NULL REFERENCES sale (id),
  PRIMARY KEY (brand_id, livemode, key)
) STRICT_TABLE;

CREATE INDEX sale_key_of_sale ON sale_key (sale_id);

CREATE TABLE conversion (
  id UUID NOT NULL PRIMARY KEY,
  brand_id UUID NOT NULL REFERENCES brand (id),
  livemode BOOLEAN NOT NULL,
  sale_id UUID NOT NULL REFERENCES sale (id),
  part TEXT NOT NULL,
  kind TEXT NOT NULL CHECK (kind IN ('acquisition', 'renewal', 'one_off')),
  status TEXT NOT NULL CHECK (status IN ('standing', 'held', 'partially_refunded', 'refunded', 'disputed', 'rejected')),
  attribution_method TEXT NOT NULL CHECK (attribution_method IN ('link', 'coupon', 's2s')),
  campaign_id UUID NOT NULL REFERENCES campaign (id),
  affiliate_id UUID NOT NULL REFERENCES affiliate (id),
  code_id UUID REFERENCES affiliate_code (id),
  coupon_code TEXT,
  amount_pending BOOLEAN NOT NULL,
  currency TEXT NOT NULL CHECK (length(currency) = 3),
  amount BIGINT NOT NULL CHECK (amount >= 0),
  tax BIGINT NOT NULL CHECK (tax >= 0),
  refunded_amount BIGINT NOT NULL CHECK (refunded_amount BETWEEN 0 AND amount),
  commission BIGINT NOT NULL CHECK (commission >= 0),
  commission_currency TEXT NOT NULL CHECK (length(commission_currency) = 3),
  hold_until TIME NOT NULL,
  attribution_trail TEXT NOT NULL,
  occurred_at TIME NOT NULL,
  recorded_at TIME NOT NULL,
  merged_into UUID REFERENCES conversion (id)
) STRICT_TABLE;

CREATE UNIQUE INDEX conversion_part ON conversion (sale_id, part) WHERE merged_into IS NULL;
CREATE INDEX conversion_of_brand ON conversion (brand_id, livemode, occurred_at, id) WHERE merged_into IS NULL;
CREATE INDEX conversion_of_affiliate ON conversion (affiliate_id, livemode, occurred_at, id) WHERE merged_into IS NULL;
CREATE INDEX conversion_of_code ON conversion (code_id, occurred_at, id) WHERE merged_into IS NULL;
CREATE INDEX conversion_of_campaign ON conversion (campaign_id, livemode, occurred_at, id) WHERE merged_into IS NULL;
CREATE INDEX conversion_of_coupon_code ON conversion (brand_id, livemode, coupon_code, occurred_at, id)
  WHERE merged_into IS NULL;

CREATE TABLE redemption (
  code_id UUID NOT NULL REFERENCES affiliate_code (id),
  usage TEXT NOT NULL,
  brand_id UUID NOT NULL REFERENCES brand (id),
  livemode BOOLEAN NOT NULL,
  sale_id UUID NOT NULL REFERENCES sale (id),
  part TEXT NOT NULL,
  occurred_at TIME NOT NULL,
  refunded BOOLEAN NOT NULL,
  PRIMARY KEY (code_id, usage)
) STRICT_TABLE;

CREATE INDEX redemption_of_sale ON redemption (sale_id);
CREATE INDEX redemption_of_code ON redemption (code_id, occurred_at);

CREATE TABLE ledger_entry (
  id UUID NOT NULL PRIMARY KEY,
  brand_id UUID NOT NULL REFERENCES brand (id),
  livemode BOOLEAN NOT NULL,
  affiliate_id UUID NOT NULL REFERENCES affiliate (id),
  conversion_id UUID NOT NULL REFERENCES conversion (id),
  sale_id UUID NOT NULL REFERENCES sale (id),
  revision BIGINT NOT NULL,
  kind TEXT NOT NULL CHECK (kind IN ('commission', 'clawback', 'override', 'override_clawback')),
  currency TEXT NOT NULL CHECK (length(currency) = 3),
  amount BIGINT NOT NULL CHECK (amount <> 0),
  available_at TIME NOT NULL,
  created_at TIME NOT NULL
) STRICT_TABLE;

CREATE UNIQUE INDEX ledger_entry_once ON ledger_entry (conversion_id, affiliate_id, kind, currency, revision);
CREATE INDEX ledger_entry_of_sale ON ledger_entry (sale_id);
CREATE INDEX ledger_entry_on_hold ON ledger_entry (affiliate_id, livemode, available_at);

CREATE TABLE affiliate_balance (
  affiliate_id UUID NOT NULL REFERENCES affiliate (id),
  livemode BOOLEAN NOT NULL,
  currency TEXT NOT NULL CHECK (length(currency) = 3),
  brand_id UUID NOT NULL REFERENCES brand (id),
  amount BIGINT NOT NULL,
  PRIMARY KEY (affiliate_id, livemode, currency)
) STRICT_TABLE;

CREATE TABLE code_total (
  code_id UUID NOT NULL REFERENCES affiliate_code (id),
  hour BIGINT NOT NULL,
  brand_id UUID NOT NULL REFERENCES brand (id),
  livemode BOOLEAN NOT NULL,
  redemptions BIGINT NOT NULL,
  refunded_redemptions BIGINT NOT NULL,
  renewals BIGINT NOT NULL,
  PRIMARY KEY (code_id, hour)
) STRICT_TABLE;

CREATE TABLE code_money (
  code_id UUID NOT NULL REFERENCES affiliate_code (id),
  hour BIGINT NOT NULL,
  currency TEXT NOT NULL CHECK (length(currency) = 3),
  brand_id UUID NOT NULL REFERENCES brand (id),
  livemode BOOLEAN NOT NULL,
  revenue BIGINT NOT NULL,
  refunded BIGINT NOT NULL,
  commission BIGINT NOT NULL,
  PRIMARY KEY (code_id, hour, currency)
) STRICT_TABLE;
"
);
