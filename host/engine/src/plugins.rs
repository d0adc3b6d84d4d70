//! Compiled plugins by digest, shared by lanes, delivery and API.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use openhub_runtime::{Imports, Plugin, Post, Posted, Runtime, Unposted};
use openhub_store::Store;
use tokio::sync::OnceCell;

use crate::clock::Clock;
use crate::error::EngineError;
use crate::watch::Watch;

/// One plugin, loaded by whoever asks for it first.
type Cell = Arc<OnceCell<Arc<Plugin>>>;

/// Loads a component once a process and grant. A digest never changes its meaning, so nothing here
/// expires but what the operator revokes.
pub struct Plugins {
    store: Store,
    runtime: Runtime,
    plugins: Mutex<HashMap<(String, Imports), Cell>>,
    /// What is seen of their calls.
    pub watch: Arc<Watch>,
}

impl Plugins {
    pub fn new(store: Store, runtime: Runtime, clock: Clock) -> Plugins {
        Plugins { store, runtime, plugins: Mutex::default(), watch: Arc::new(Watch::new(clock)) }
    }

    /// The plugin of a stored component. Two callers do not compile the same one, and nobody waits for another's.
    pub async fn plugin(&self, name: &str, digest: &str, granted: Imports) -> Result<Arc<Plugin>, EngineError> {
        let key = (digest.to_owned(), granted.clone());
        let cell = self.plugins.lock().unwrap_or_else(PoisonError::into_inner).entry(key).or_default().clone();
        let plugin = cell.get_or_try_init(|| self.load(name, digest, granted.clone())).await?;
        match self.runtime.readmit(plugin) {
            Ok(()) => Ok(plugin.clone()),
            Err(source) => {
                // Whoever still calls it holds it; nobody gets it anew.
                let key = (digest.to_owned(), granted);
                self.plugins.lock().unwrap_or_else(PoisonError::into_inner).remove(&key);
                Err(EngineError::Plugin { plugin: name.to_owned(), source })
            }
        }
    }

    /// Another number with each change of what the operator has revoked: a catalog of before is to be loaded again.
    pub fn revocations(&self) -> u64 {
        self.runtime.revocations()
    }

    /// Posts to a URL that a tenant names: see [`Runtime::post`].
    pub async fn post(&self, post: Post<'_>) -> Result<Posted, Unposted> {
        self.runtime.post(post).await
    }

    async fn load(&self, name: &str, digest: &str, granted: Imports) -> Result<Arc<Plugin>, EngineError> {
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
        Ok(plugin)
    }
}
