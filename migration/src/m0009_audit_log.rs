//! The audit log. The database itself refuses to change or delete an entry.

use sea_orm_migration::{
    prelude::{DbErr, DeriveMigrationName, MigrationTrait, SchemaManager},
    sea_orm::{ConnectionTrait, DatabaseBackend},
};

const TABLE: &str = "
CREATE TABLE audit_entry (
  id UUID NOT NULL PRIMARY KEY,
  brand_id UUID NOT NULL REFERENCES brand (id),
  livemode BOOLEAN,
  at TIME NOT NULL,
  actor_kind TEXT NOT NULL CHECK (actor_kind IN ('token', 'api_key', 'cli', 'system')),
  actor TEXT NOT NULL,
  authority TEXT NOT NULL,
  action TEXT NOT NULL,
  object_id TEXT NOT NULL,
  changes TEXT NOT NULL,
  address TEXT,
  user_agent TEXT,
  request_id TEXT
) STRICT_TABLE;

CREATE INDEX audit_entry_of_brand ON audit_entry (brand_id, at, id);
CREATE INDEX audit_entry_of_object ON audit_entry (brand_id, object_id, at, id);
";

const SQLITE: [&str; 2] = [
    "CREATE TRIGGER audit_entry_no_update BEFORE UPDATE ON audit_entry
     BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END",
    "CREATE TRIGGER audit_entry_no_delete BEFORE DELETE ON audit_entry
     BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END",
];

const POSTGRES: [&str; 2] = [
    "CREATE FUNCTION audit_entry_is_kept() RETURNS trigger LANGUAGE plpgsql AS
     $$ BEGIN RAISE EXCEPTION 'the audit log is append-only'; END $$",
    "CREATE TRIGGER audit_entry_is_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_entry
     FOR EACH STATEMENT EXECUTE FUNCTION audit_entry_is_kept()",
];

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        crate::run(manager, TABLE).await?;
        let sqlite = manager.get_database_backend() == DatabaseBackend::Sqlite;
        for statement in if sqlite { SQLITE } else { POSTGRES } {
            manager.get_connection().execute_unprepared(statement).await?;
        }
        crate::row_security(manager, "audit_entry", "brand_id").await
    }
}
