//! The statements that each request cost, read from a server's log as it grows.

use std::{
    collections::HashMap,
    fs::File,
    io::{BufRead, BufReader, Seek, SeekFrom},
    path::PathBuf,
};

use serde_json::Value;

use super::binary::Home;

/// Reads the log of a server that says its statements; its lines once.
pub struct Statements {
    log: PathBuf,
    read: u64,
    by_request: HashMap<String, Vec<String>>,
}

impl Statements {
    /// Has the servers of a home say their statements.
    pub fn told_by(home: &mut Home) -> Self {
        home.set("REKOMI_LOG", "warn,rekomi=info,sqlx::query=debug");
        home.set("REKOMI_LOG_FORMAT", "json");
        Self {
            log: home.path("server.log"),
            read: 0,
            by_request: HashMap::new(),
        }
    }

    /// The SELECTs of a request so far, without its token's. A line may come after the answer.
    pub fn of(&mut self, request_id: &str) -> Vec<String> {
        self.read_on();
        self.by_request.get(request_id).cloned().unwrap_or_default()
    }

    fn read_on(&mut self) {
        let mut file = File::open(&self.log).unwrap();
        file.seek(SeekFrom::Start(self.read)).unwrap();
        let mut lines = BufReader::new(file);
        let mut line = String::new();
        while lines.read_line(&mut line).unwrap() > 0 && line.ends_with('\n') {
            self.read += line.len() as u64;
            if let Some((request, statement)) = select(&line) {
                self.by_request.entry(request).or_default().push(statement);
            }
            line.clear();
        }
    }
}

/// The request and the text of a SELECT in a line.
fn select(line: &str) -> Option<(String, String)> {
    let line: Value = serde_json::from_str(line).ok()?;
    let request = line["span"]["id"]
        .as_str()
        .filter(|_| line["target"] == "sqlx::query")?;
    let whole = line["fields"]["db.statement"].as_str().unwrap_or_default().trim();
    let text = if whole.is_empty() {
        line["fields"]["summary"].as_str().unwrap_or_default()
    } else {
        whole
    };
    // A connection is told whose rows to show instead of being pinged.
    let counts =
        text.starts_with("SELECT") && !text.contains(r#"FROM "brand""#) && !text.starts_with("SELECT set_config");
    counts.then(|| (request.to_owned(), text.to_owned()))
}
