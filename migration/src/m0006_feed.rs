//! The feed.

crate::sql_migration!(
    "
CREATE TABLE feed_counter (
  brand_id UUID NOT NULL REFERENCES brand (id),
  livemode BOOLEAN NOT NULL,
  last_sequence BIGINT NOT NULL,
  PRIMARY KEY (brand_id, livemode)
) STRICT_TABLE;

CREATE TABLE feed_event (
  brand_id UUID NOT NULL REFERENCES brand (id),
  livemode BOOLEAN NOT NULL,
  sequence BIGINT NOT NULL,
  id UUID NOT NULL UNIQUE,
  kind TEXT NOT NULL CHECK (kind IN ('conversion_created', 'conversion_updated')),
  conversion_id UUID NOT NULL REFERENCES conversion (id),
  affiliate_id UUID NOT NULL REFERENCES affiliate (id),
  created_at TIME NOT NULL,
  PRIMARY KEY (brand_id, livemode, sequence)
) STRICT_TABLE;

CREATE INDEX feed_event_of_affiliate ON feed_event (brand_id, livemode, affiliate_id, sequence);
"
);
