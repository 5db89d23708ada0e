//! API keys.

crate::sql_migration!(
    "
CREATE TABLE api_key (
  id UUID NOT NULL PRIMARY KEY,
  brand_id UUID NOT NULL REFERENCES brand (id),
  livemode BOOLEAN NOT NULL,
  name TEXT NOT NULL,
  prefix TEXT NOT NULL UNIQUE,
  hash BYTES NOT NULL CHECK (length(hash) = 32),
  scopes TEXT NOT NULL CHECK (scopes <> ''),
  created_by TEXT NOT NULL,
  created_at TIME NOT NULL,
  expires_at TIME,
  revoked_at TIME,
  last_used_at TIME,
  replaces UUID REFERENCES api_key (id)
) STRICT_TABLE;

CREATE INDEX api_key_of_brand ON api_key (brand_id, livemode, id);
",
    "api_key" => "brand_id",
);
