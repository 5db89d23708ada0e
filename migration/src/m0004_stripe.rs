//! The log of what Stripe told, and what is owed to Stripe.

crate::sql_migration!(
    "
CREATE TABLE stripe_event (
  id UUID NOT NULL PRIMARY KEY,
  brand_id UUID NOT NULL REFERENCES brand (id),
  stripe_id TEXT NOT NULL,
  kind TEXT NOT NULL,
  livemode BOOLEAN NOT NULL,
  occurred_at TIME NOT NULL,
  received_at TIME NOT NULL,
  body BYTES NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('pending', 'processed', 'ignored', 'parked')),
  attempts INTEGER NOT NULL,
  next_attempt_at TIME NOT NULL,
  leased_until TIME,
  last_error TEXT
) STRICT_TABLE;

CREATE UNIQUE INDEX stripe_event_stripe_id ON stripe_event (brand_id, stripe_id);
CREATE INDEX stripe_event_queue ON stripe_event (next_attempt_at, id) WHERE status = 'pending';
CREATE INDEX stripe_event_parked ON stripe_event (brand_id, id) WHERE status = 'parked';

CREATE TABLE stripe_object (
  id UUID NOT NULL PRIMARY KEY,
  brand_id UUID NOT NULL REFERENCES brand (id),
  livemode BOOLEAN NOT NULL,
  request TEXT NOT NULL,
  fetched_at TIME NOT NULL,
  body BYTES NOT NULL
) STRICT_TABLE;

CREATE INDEX stripe_object_of_request ON stripe_object (brand_id, livemode, request, fetched_at);

CREATE TABLE stripe_operation (
  id UUID NOT NULL PRIMARY KEY,
  brand_id UUID NOT NULL REFERENCES brand (id),
  livemode BOOLEAN NOT NULL,
  kind TEXT NOT NULL CHECK (kind IN ('create_coupon', 'update_coupon', 'delete_coupon', 'create_promotion_code',
    'update_promotion_code')),
  coupon_id UUID NOT NULL REFERENCES campaign_coupon (id) ON DELETE CASCADE,
  code_id UUID REFERENCES affiliate_code (id) ON DELETE CASCADE,
  params TEXT NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('pending', 'done', 'failed', 'disabled')),
  attempts INTEGER NOT NULL,
  next_attempt_at TIME NOT NULL,
  leased_until TIME,
  last_error TEXT,
  key_generation INTEGER NOT NULL,
  created_at TIME NOT NULL
) STRICT_TABLE;

CREATE INDEX stripe_operation_queue ON stripe_operation (next_attempt_at, id) WHERE status = 'pending';
CREATE INDEX stripe_operation_waiting ON stripe_operation (brand_id, livemode) WHERE status = 'disabled';
CREATE INDEX stripe_operation_of_coupon ON stripe_operation (coupon_id, id);
CREATE INDEX stripe_operation_of_code ON stripe_operation (code_id, id);
"
);
