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
    #[error("what is stored as the component {digest} has been changed: install it again")]
    OtherComponent { digest: String },
    #[error("a sealed secret of plugin `{plugin}` cannot be opened with this hub's key")]
    Sealed { plugin: String },
    #[error("a setting of plugin `{plugin}` names no host: {fault}")]
    Settings { plugin: String, fault: String },
    #[error("COMPUTE panicked")]
    Panicked,
}

impl EngineError {
    /// Whether it is one plugin's own, and not the hub's.
    pub(crate) fn is_of_a_plugin(&self) -> bool {
        use EngineError::{MissingComponent, OtherComponent, Plugin};
        matches!(self, Plugin { .. } | MissingComponent { .. } | OtherComponent { .. })
    }
}
