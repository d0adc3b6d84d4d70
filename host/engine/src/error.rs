//! What can go wrong in the engine, outside of COMPUTE.

use openhub_runtime::Refusal;
use openhub_store::StoreError;

#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    #[error("the store failed: {0}")]
    Store(#[from] StoreError),
    #[error("plugin `{plugin}` cannot be loaded: {source}")]
    Plugin { plugin: String, source: Refusal },
    #[error("the component {digest} is not stored")]
    MissingComponent { digest: String },
    #[error("journey `{journey}` version {version} does not compile: {fault}")]
    Journey { journey: String, version: i64, fault: String },
    #[error("a sealed secret of plugin `{plugin}` cannot be opened with this hub's key")]
    Sealed { plugin: String },
    #[error("a setting of plugin `{plugin}` names no host: {fault}")]
    Settings { plugin: String, fault: String },
    #[error("COMPUTE panicked")]
    Panicked,
}
