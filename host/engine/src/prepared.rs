//! Compiled plugins by digest, shared by lanes, delivery and API.

use std::collections::HashMap;
use std::sync::Arc;

use openhub_runtime::{Imports, Plugin, Runtime};
use openhub_store::Store;
use tokio::sync::Mutex;

use crate::EngineError;

/// Loads a component once a process and grant. A digest never changes its meaning, so nothing here expires.
pub struct Prepared {
    store: Store,
    runtime: Runtime,
    plugins: Mutex<HashMap<(String, Imports), Arc<Plugin>>>,
}

impl Prepared {
    pub fn new(store: Store, runtime: Runtime) -> Prepared {
        Prepared { store, runtime, plugins: Mutex::default() }
    }

    /// The plugin of a stored component. Held under one lock, so that two callers do not compile the same one.
    pub async fn plugin(&self, name: &str, digest: &str, granted: Imports) -> Result<Arc<Plugin>, EngineError> {
        let mut plugins = self.plugins.lock().await;
        let key = (digest.to_owned(), granted.clone());
        if let Some(plugin) = plugins.get(&key) {
            return Ok(plugin.clone());
        }
        let component = self.store.component(digest).await?;
        let component = component.ok_or_else(|| EngineError::MissingComponent { digest: digest.to_owned() })?;
        let plugin = self
            .runtime
            .prepare_with(&component, granted)
            .await
            .map_err(|source| EngineError::Plugin { plugin: name.to_owned(), source })?;
        if plugin.digest() != digest {
            return Err(EngineError::OtherComponent { digest: digest.to_owned() });
        }
        plugins.insert(key, plugin.clone());
        Ok(plugin)
    }
}
