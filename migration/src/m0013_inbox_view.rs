//! Looking at the inbox: a brand's events of a mode by time, of one state and of all. What they are counted and chosen by
//! is in the indexes, as the events themselves are large.

crate::sql_migration!(
    "
CREATE INDEX stripe_event_received ON stripe_event (brand_id, livemode, received_at, id, kind);
CREATE INDEX stripe_event_of_status ON stripe_event (brand_id, livemode, status, received_at, id, kind)
"
);
