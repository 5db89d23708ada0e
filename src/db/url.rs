//! Where the data is kept: what `DATABASE_URL` may say.

use std::{
    fmt,
    fs::OpenOptions,
    io,
    path::{Path, PathBuf},
    str::FromStr,
};

use sea_orm::sqlx::postgres::PgConnectOptions;

/// Where the data is kept.
#[derive(Clone, PartialEq, Eq)]
pub enum DatabaseUrl {
    Sqlite(PathBuf),
    Postgres(String),
}

/// Says nothing of a server's URL: the password may be in any part of it.
impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => f.debug_tuple("Sqlite").field(path).finish(),
            Self::Postgres(_) => f.write_str("Postgres([REDACTED])"),
        }
    }
}

/// Makes an empty file that its owner alone can read, where there is none; what SQLite puts beside it gets the same mode.
pub fn make_private(path: &Path) -> io::Result<()> {
    let mut file = OpenOptions::new();
    file.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut file, 0o600);
    match file.open(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

impl FromStr for DatabaseUrl {
    type Err = String;

    fn from_str(url: &str) -> Result<Self, String> {
        if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            PgConnectOptions::from_str(url).map_err(|error| format!("not a PostgreSQL URL: {error}"))?;
            return Ok(Self::Postgres(url.to_owned()));
        }
        let rest = url
            .strip_prefix("sqlite:")
            .ok_or("must begin with sqlite:// or postgres://")?;
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        let path = path.strip_prefix("//").unwrap_or(path);
        if path.is_empty() || path == ":memory:" || query.contains("mode=memory") {
            return Err("an in-memory database would lose what it acknowledged: name a file".into());
        }
        if !matches!(query, "" | "mode=rwc" | "mode=rw") {
            return Err(format!("the option {query:?} is not known; only mode=rwc is"));
        }
        Ok(Self::Sqlite(path.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_url_names_a_file_or_a_server() {
        let sqlite = |path: &str| Ok(DatabaseUrl::Sqlite(path.into()));
        assert_eq!("sqlite://rekomi.db".parse(), sqlite("rekomi.db"));
        assert_eq!(
            "sqlite:///var/lib/rekomi.db?mode=rwc".parse(),
            sqlite("/var/lib/rekomi.db")
        );
        assert_eq!("sqlite:rekomi.db".parse(), sqlite("rekomi.db"));
        for refused in [
            "sqlite::memory:",
            "sqlite://x?mode=memory",
            "sqlite://",
            "mysql://x",
            "sqlite://x?cache=shared",
        ] {
            assert!(refused.parse::<DatabaseUrl>().is_err(), "{refused}");
        }
    }

    #[test]
    fn a_database_url_does_not_show_its_password() {
        for url in [
            "postgres://ann:hunter2@db/rekomi",
            "postgres://db/rekomi?password=hunter2",
        ] {
            let url: DatabaseUrl = url.parse().unwrap();
            assert_eq!(format!("{url:?}"), "Postgres([REDACTED])");
        }
    }
}
