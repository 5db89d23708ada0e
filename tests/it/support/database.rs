//! A database of its own for each test.

use tempfile::TempDir;
use tokio::sync::SemaphorePermit;

use super::postgres;

/// An empty database with an up-to-date schema. Dropping it removes what it left.
pub struct Database {
    pub url: String,
    _folder: Option<TempDir>,
    _place: Option<SemaphorePermit<'static>>,
}

/// A file in a temporary folder.
pub fn sqlite() -> Database {
    let folder = tempfile::tempdir().unwrap();
    Database {
        url: format!("sqlite://{}/rekomi.db", folder.path().display()),
        _folder: Some(folder),
        _place: None,
    }
}

/// A database of the one cluster that this test run starts; `None`, said once, where PostgreSQL is not installed.
pub async fn postgres() -> Option<Database> {
    let cluster = postgres::cluster().await?;
    let place = postgres::place().await;
    Some(Database {
        url: cluster.create().await,
        _folder: None,
        _place: Some(place),
    })
}

/// An empty database of the cluster that belongs to a new role with the given attributes (`LOGIN`, for one), which the
/// URL connects as.
pub async fn postgres_of(attributes: &str) -> Option<Database> {
    let cluster = postgres::cluster().await?;
    let place = postgres::place().await;
    Some(Database {
        url: cluster.create_owned(attributes).await,
        _folder: None,
        _place: Some(place),
    })
}

impl Database {
    pub fn is_postgres(&self) -> bool {
        self.url.starts_with("postgres")
    }
}
