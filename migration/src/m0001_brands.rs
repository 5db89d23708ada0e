//! Tenants.

crate::sql_migration!(
    "
CREATE TABLE brand (
  id UUID NOT NULL PRIMARY KEY,
  slug TEXT NOT NULL UNIQUE,
  name TEXT NOT NULL,
  tier TEXT NOT NULL CHECK (tier IN ('starter', 'growth', 'pro')),
  trial_ends_at TIME,
  is_default BOOLEAN NOT NULL,
  time_zone TEXT NOT NULL,
  stripe_account TEXT UNIQUE,
  stripe_secret_key BYTES,
  stripe_webhook_secrets BYTES,
  stripe_livemode BOOLEAN,
  created_at TIME NOT NULL
) STRICT_TABLE;

CREATE UNIQUE INDEX brand_one_default ON brand (is_default) WHERE is_default;
"
);
