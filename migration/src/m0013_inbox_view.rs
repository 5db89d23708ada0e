//! Looking at the inbox: a brand's events of a mode by time, all of them, and those of each state that is rare among
//! them.

crate::sql_migration!(
    "
CREATE INDEX stripe_event_received ON stripe_event (brand_id, livemode, received_at, id);
CREATE INDEX stripe_event_received_pending ON stripe_event (brand_id, livemode, received_at, id)
  WHERE status = 'pending';
CREATE INDEX stripe_event_received_ignored ON stripe_event (brand_id, livemode, received_at, id)
  WHERE status = 'ignored';
CREATE INDEX stripe_event_received_parked ON stripe_event (brand_id, livemode, received_at, id)
  WHERE status = 'parked'
"
);
