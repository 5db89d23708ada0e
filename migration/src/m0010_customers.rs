//! Who bought, as far as Stripe told: shown to the brand, and masked to its affiliates.

crate::sql_migration!("ALTER TABLE conversion ADD COLUMN customer_email TEXT");
