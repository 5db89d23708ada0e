//! What is owed of events that Stripe could not deliver, and the last sign of life of any server on this database. The
//! latter is no brand's: only the workers see it.

crate::sql_migration!(
    "
CREATE TABLE backfill (
  id UUID NOT NULL PRIMARY KEY,
  brand_id UUID NOT NULL REFERENCES brand (id),
  livemode BOOLEAN NOT NULL,
  since TIME NOT NULL,
  owed_at TIME NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('pending', 'done')),
  attempts INTEGER NOT NULL,
  next_attempt_at TIME NOT NULL,
  leased_until TIME,
  last_error TEXT
) STRICT_TABLE;

CREATE UNIQUE INDEX backfill_of_feed ON backfill (brand_id, livemode);
CREATE INDEX backfill_queue ON backfill (next_attempt_at, id) WHERE status = 'pending';

CREATE TABLE sign_of_life (
  id INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
  seen_at TIME NOT NULL
) STRICT_TABLE
",
    "backfill" => "brand_id",
    "sign_of_life" => "NULL::uuid",
);
