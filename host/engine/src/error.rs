//! What can go wrong in the engine, outside of COMPUTE.

use std::any::Any;

use openhub_runtime::{CallFault, Refusal};
use openhub_store::StoreError;
use tokio::task::JoinError;

use crate::secrets::Unopened;

#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    #[error("the store failed: {0}")]
    Store(#[from] StoreError),
    #[error("plugin `{plugin}` cannot be loaded: {source}")]
    Plugin { plugin: String, source: Refusal },
    #[error("plugin `{0}` failed to migrate its objects: {1}")]
    Migration(String, CallFault),
    #[error("the component {digest} is not stored")]
    MissingComponent { digest: String },
    #[error("the stored component {digest} has been changed: install it again")]
    OtherComponent { digest: String },
    #[error("the secret `{secret}` of plugin `{plugin}` cannot be opened: {source}")]
    Sealed { plugin: String, secret: String, source: Unopened },
    #[error("a setting of plugin `{plugin}` does not name a host: {fault}")]
    Settings { plugin: String, fault: String },
    #[error("it panicked: {0}")]
    Panicked(String),
    #[error("others changed the same objects again and again")]
    InTheWay,
    #[error("the hub is stopping")]
    Stopping,
}

impl From<JoinError> for EngineError {
    fn from(error: JoinError) -> EngineError {
        match error.try_into_panic() {
            Ok(panic) => EngineError::panicked(&*panic),
            Err(_) => EngineError::Stopping,
        }
    }
}

impl EngineError {
    pub(crate) fn panicked(panic: &(dyn Any + Send)) -> EngineError {
        let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
        let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
        EngineError::Panicked(text.unwrap_or_else(|| "without a message".to_owned()))
    }

    /// Whether it would be no other the next time, because of an item of the attempt: no matter of waiting.
    pub(crate) fn is_of_an_item(&self) -> bool {
        match self {
            EngineError::Panicked(_) | EngineError::InTheWay => true,
            EngineError::Store(error) => error.is_refusal() || matches!(error, StoreError::TooMuch),
            _ => false,
        }
    }

    /// Whether a statement ran into its bound of time.
    pub(crate) fn is_cut_off(&self) -> bool {
        matches!(self, EngineError::Store(error) if error.is_cut_off())
    }

    /// Whether it is one plugin's own, and not the hub's.
    pub(crate) fn is_of_a_plugin(&self) -> bool {
        use EngineError::{MissingComponent, OtherComponent, Plugin};
        matches!(self, Plugin { .. } | MissingComponent { .. } | OtherComponent { .. })
    }
}
