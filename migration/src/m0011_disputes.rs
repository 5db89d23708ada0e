//! Conversions whose dispute is open: few, and looked for whenever it is asked what is due.

crate::sql_migration!("CREATE INDEX conversion_disputed ON conversion (brand_id, livemode) WHERE status = 'disputed'");
