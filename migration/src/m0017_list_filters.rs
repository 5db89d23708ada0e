//! Affiliates by how they stand: those that wait to be approved are few among many.

crate::sql_migration!("CREATE INDEX affiliate_of_status ON affiliate (brand_id, status, id)");
