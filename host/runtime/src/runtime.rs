//! The door: inspects components, compiles them once, and makes plugins of them.

use std::sync::Arc;
use std::time::Duration;
use tokio::task::spawn_blocking;
use wasmtime::component::Component;

use crate::cache::Cache;
use crate::config::{Config, Defaults};
use crate::egress::Egress;
use crate::egress::post::{Post, Posted, Unposted};
use crate::engine::Machine;
use crate::error::{Refusal, RuntimeError};
use crate::inspect::{self, Inspected};
use crate::plugin::{Imports, Plugin};
use crate::revoked::Revoked;
use crate::turns::{TooMany, Turns, Wish};
use crate::worker;

/// Cheap to clone.
#[derive(Clone)]
pub struct Runtime {
    inner: Arc<Inner>,
}

struct Inner {
    config: Config,
    machine: Arc<Machine>,
    egress: Arc<Egress>,
    cache: Option<Cache>,
    compiling: Turns,
    revoked: Revoked,
}

impl std::fmt::Debug for Runtime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Runtime").field("config", &self.inner.config).finish_non_exhaustive()
    }
}

impl Runtime {
    pub fn new(config: Config) -> Result<Runtime, RuntimeError> {
        let machine = Arc::new(Machine::new(config.limits.clone(), config.instances)?);
        let cache = config.cache.as_ref().map(|directory| Cache::open(directory, &machine.engine)).transpose()?;
        let egress = Arc::new(Egress::new(&config.allow_private, &config.own)?);
        let (compiling, revoked) = (Turns::default(), Revoked::new(&config.revoked));
        Ok(Runtime { inner: Arc::new(Inner { config, machine, egress, cache, compiling, revoked }) })
    }

    /// Lets in no more what these name, publishers' keys and components' digests, instead of what was revoked before. Whether the list
    /// is another one than before.
    pub fn revoke(&self, names: &[String]) -> bool {
        self.inner.revoked.put(names)
    }

    /// Another number with each change of what is revoked: what was let in before is to be asked about again.
    pub fn revocations(&self) -> u64 {
        self.inner.revoked.generation()
    }

    /// Whether a plugin would still be let in.
    pub fn readmit(&self, plugin: &Plugin) -> Result<(), Refusal> {
        self.inner.config.admit(&self.inner.revoked, plugin.digest(), plugin.signer.as_deref())
    }

    /// Calls of the I/O lane at the same time.
    pub fn io_places(&self) -> usize {
        self.inner.config.instances.clamp(1, 1_000) as usize
    }

    /// Why the hub may not ask a URL that a tenant names, as far as the URL tells.
    pub fn check_target(&self, url: &str) -> Result<(), String> {
        self.inner.egress.check(url)
    }

    /// Posts to a URL that a tenant names, under the check that requests of plugins are under.
    pub async fn post(&self, post: Post<'_>) -> Result<Posted, Unposted> {
        self.inner.egress.post(post).await
    }

    /// The document at a URL that a tenant names, under the same check.
    pub async fn get(&self, url: &str, timeout: Duration, at_most: usize) -> Result<Posted, Unposted> {
        self.inner.egress.get(url, timeout, at_most).await
    }

    /// Reads what a component is, without executing or compiling it.
    pub fn inspect(bytes: &[u8]) -> Result<Inspected, Refusal> {
        inspect::inspect(bytes, Defaults::default().component_bytes)
    }

    /// Makes a component ready to be called, with all that its manifest asks for: from the cache of compiled code, or
    /// compiled now, within bounds.
    pub async fn prepare(&self, bytes: &[u8]) -> Result<Arc<Plugin>, Refusal> {
        self.prepare_with(bytes, Imports::Whole).await
    }

    /// The same of something that `owner` has uploaded, and nobody waits for. Refused as [`Refusal::TOO_MANY`] if others of the
    /// owner wait already.
    pub async fn try_out(&self, bytes: &[u8], owner: i64) -> Result<Arc<Plugin>, Refusal> {
        self.prepare_for(bytes, Imports::Whole, Wish::Upload(owner)).await
    }

    /// The same with what an admin granted of its imports. A function that was not granted is there, and breaks the
    /// call off with the reason.
    pub async fn prepare_with(&self, bytes: &[u8], granted: Imports) -> Result<Arc<Plugin>, Refusal> {
        self.prepare_for(bytes, granted, Wish::Load).await
    }

    async fn prepare_for(&self, bytes: &[u8], granted: Imports, wish: Wish) -> Result<Arc<Plugin>, Refusal> {
        let bytes: Arc<[u8]> = bytes.into();
        let (inspected, loaded) = self
            .blocking({
                let bytes = Arc::clone(&bytes);
                move |inner| {
                    let inspected = inspect::inspect(&bytes, inner.config.limits.component_bytes)?;
                    inner.config.admit(&inner.revoked, &inspected.digest, inspected.signer.as_deref())?;
                    let loaded =
                        inner.cache.as_ref().and_then(|cache| cache.load(&inner.machine.engine, &inspected.digest));
                    Ok((inspected, loaded))
                }
            })
            .await?;
        let component = match loaded {
            Some(component) => component,
            None => self.compile(bytes, &inspected.digest, wish).await?,
        };
        self.blocking(move |inner| {
            let granted = granted.without(&inner.config.withhold);
            let (machine, egress) = (Arc::clone(&inner.machine), Arc::clone(&inner.egress));
            Plugin::link(machine, egress, inspected, &component, &granted).map(Arc::new)
        })
        .await
    }

    async fn compile(&self, bytes: Arc<[u8]>, digest: &str, wish: Wish) -> Result<Component, Refusal> {
        let turn = self.inner.compiling.take(wish).await;
        let _turn = turn.map_err(|TooMany| {
            Refusal::new(
                Refusal::TOO_MANY,
                "other components of this owner wait to be compiled: upload one after another",
            )
        })?;
        let Inner { config, machine, cache, .. } = &*self.inner;
        let digest = digest.to_owned();
        match &config.compiler {
            None => {
                let component = worker::on_thread(machine, bytes).await?;
                let serialized = component.clone();
                self.blocking(move |inner| {
                    if let Some(cache) = &inner.cache {
                        match serialized.serialize() {
                            Ok(code) => keep(cache, &digest, &code),
                            Err(error) => {
                                tracing::warn!(plugin.digest = digest, error = %error, "compiled code was not kept")
                            }
                        }
                    }
                    Ok(component)
                })
                .await
            }
            Some(program) => {
                let temporary = std::env::temp_dir();
                let scratch = cache.as_ref().map_or(temporary.as_path(), Cache::directory);
                let code = worker::in_process(program, scratch, &bytes, &config.limits).await?;
                self.blocking(move |inner| {
                    if let Some(cache) = &inner.cache {
                        keep(cache, &digest, &code);
                        // Mapped from the file, its pages take memory only once they are used, and can be given back.
                        if let Some(component) = cache.load(&inner.machine.engine, &digest) {
                            return Ok(component);
                        }
                    }
                    // SAFETY: the bytes were just written by this hub's own compiler, run by us, into a directory
                    // that only this user can read.
                    let component = unsafe { Component::deserialize(&inner.machine.engine, &code) };
                    component.map_err(|error| Refusal::new(Refusal::COMPILE_FAILED, format!("{error:#}")))
                })
                .await
            }
        }
    }

    /// Work that holds a thread for longer than an asynchronous one should be held.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Inner) -> Result<T, Refusal> + Send + 'static,
    ) -> Result<T, Refusal> {
        let inner = Arc::clone(&self.inner);
        let done = spawn_blocking(move || work(&inner)).await;
        done.unwrap_or_else(|_| Err(Refusal::new(Refusal::COMPILE_FAILED, "preparing it broke off")))
    }
}

/// A cache that cannot be written costs time, not the plugin.
fn keep(cache: &Cache, digest: &str, code: &[u8]) {
    if let Err(error) = cache.store(digest, code) {
        tracing::warn!(plugin.digest = digest, error = %error, "compiled code was not kept");
    }
}
