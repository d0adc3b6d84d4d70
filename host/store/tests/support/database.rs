//! A fresh database of either kind, for one test.

use openhub_store::{Config, Store};
use openhub_test_postgres::Server;
use tempfile::TempDir;

/// A database that outlives the stores opened on it.
pub struct Database {
    pub url: String,
    _folder: Option<TempDir>,
}

impl Database {
    pub fn sqlite() -> anyhow::Result<Database> {
        let folder = tempfile::tempdir()?;
        let url = format!("sqlite://{}", folder.path().join("hub.db").display());
        Ok(Database { url, _folder: Some(folder) })
    }

    pub async fn postgres(server: &Server) -> anyhow::Result<Database> {
        Ok(Database { url: server.database().await?, _folder: None })
    }

    pub async fn open(&self, node: &str) -> anyhow::Result<Store> {
        Ok(Store::open(&Config { url: self.url.clone(), node: node.to_owned(), read_connections: 4 }).await?)
    }
}
