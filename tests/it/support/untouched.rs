//! A refusal changes nothing: every row of every table, and what Stripe was asked to write.

use std::{
    collections::BTreeMap,
    fmt,
    hash::{DefaultHasher, Hash, Hasher},
};

use sea_orm::{ConnectionTrait, DatabaseBackend, Statement};

use super::TestApp;

/// What would be there if nothing had happened.
#[derive(PartialEq)]
pub struct State {
    /// The rows of each table, as text, sorted.
    tables: BTreeMap<String, Vec<String>>,
    stripe: Vec<String>,
}

impl State {
    /// Whether a text is in any row.
    pub fn contains(&self, text: &str) -> bool {
        self.tables.values().flatten().any(|row| row.contains(text))
    }

    /// How many rows a table has.
    pub fn count(&self, table: &str) -> usize {
        self.tables[table].len()
    }
}

/// Only how much there is of what: two that differ are too long to read side by side.
impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digest = |rows: &Vec<String>| {
            let mut hasher = DefaultHasher::new();
            rows.hash(&mut hasher);
            format!("{} rows, {:x}", rows.len(), hasher.finish())
        };
        let tables = self.tables.iter().map(|(table, rows)| (table, digest(rows)));
        f.debug_map()
            .entries(tables)
            .entry(&"stripe", &digest(&self.stripe))
            .finish()
    }
}

/// What is noted beside the work itself: when a key was last used.
const NOTES: [&str; 1] = ["last_used_at"];
/// The servers' sign of life is no request's doing: it is written beside them, shortly after the start and each minute.
const BESIDE: &str = "sign_of_life";

impl TestApp {
    /// Everything that a mutation could have changed.
    pub async fn everything(&self) -> State {
        let db = self.db();
        let backend = db.get_database_backend();
        let sqlite = backend == DatabaseBackend::Sqlite;
        let columns = if sqlite {
            "SELECT m.name AS tab, c.name AS col FROM sqlite_master m, pragma_table_info(m.name) c \
             WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%' ORDER BY m.name, c.cid"
        } else {
            "SELECT table_name::text AS tab, column_name::text AS col FROM information_schema.columns \
             WHERE table_schema = 'public' ORDER BY table_name, ordinal_position"
        };
        let text = |sql: String| Statement::from_string(backend, sql);
        let mut shape: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for row in db.query_all_raw(text(columns.to_owned())).await.unwrap() {
            let column: String = row.try_get("", "col").unwrap();
            if !NOTES.contains(&column.as_str()) && row.try_get::<String>("", "tab").unwrap() != BESIDE {
                let shown = if sqlite {
                    format!("quote(\"{column}\")")
                } else {
                    format!("coalesce(\"{column}\"::text, '-')")
                };
                shape.entry(row.try_get("", "tab").unwrap()).or_default().push(shown);
            }
        }
        assert!(shape.len() > 15, "the tables are found");
        let mut tables = BTreeMap::new();
        for (table, columns) in shape {
            let rows = format!("SELECT {} AS shown FROM \"{table}\"", columns.join(" || ' ' || "));
            let rows = db.query_all_raw(text(rows)).await.unwrap();
            let mut rows: Vec<String> = rows.iter().map(|row| row.try_get("", "shown").unwrap()).collect();
            rows.sort();
            tables.insert(table, rows);
        }
        let mut stripe = Vec::new();
        for brand in [&self.acme, &self.globex] {
            for kind in ["coupon", "promotion_code"] {
                stripe.extend(brand.stripe.all(kind).iter().map(ToString::to_string));
            }
        }
        State { tables, stripe }
    }

    /// The same without the audit log, which keeps what was taken back.
    pub async fn state(&self) -> State {
        let mut state = self.everything().await;
        state.tables.remove("audit_entry");
        state
    }

    /// How often Stripe was asked to change anything.
    pub fn writes(&self) -> usize {
        self.standin.calls().iter().filter(|call| call.method != "GET").count()
    }
}
